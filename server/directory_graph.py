"""`./regul directory graph`: referral paths, closings, coverage and drawings; docs/graph.md."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from directory import (
    closings,
    codes,
    coverage,
    coverage_map,
    coverage_report,
    distance,
    gazetteer,
    graph,
    graph_drawing,
    outlines,
    referral_paths,
    search_radii,
)
from directory.coverage import Cover
from directory.gazetteer import Commune
from directory.referral_paths import Chain, Start
from server import directory_graph_report as report
from server import directory_world
from server.directory_world import World
from server.refusal import Refusal

NONE: Final = 1
"""Exit code when there is no answer: no path, nothing to draw."""
_SUFFIXES: Final = (".svg", ".dot", ".json")


def main(arguments: list[str]) -> int:
    """Answer a question to the referral graph.

    Args:
        arguments: The words after `directory graph`.

    Returns:
        0; 1 when there is no path or nothing to draw.
    """
    options = _options(arguments)
    acts: dict[str, Callable[[argparse.Namespace, World], int]] = {
        "path": _path,
        "closing": _closing,
        "coverage": _coverage,
        "draw": _draw,
    }
    return acts[options.action](options, directory_world.of(demo=options.demo, at=options.at))


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regul directory graph", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    path = actions.add_parser("path", help="the quickest chain of referrals, waits included")
    path.add_argument("codes", nargs="+", metavar="CODE", help="service codes in order")
    where = path.add_mutually_exclusive_group(required=True)
    where.add_argument("--from", dest="source", type=UUID, metavar="ID", help="care service")
    where.add_argument("--place", help="commune or postcode where the patient is")
    path.add_argument("--seen", action="store_true", help="the patient was seen at --from already")
    path.add_argument("--age-months", type=_whole)
    closing = actions.add_parser("closing", help="what is lost when a care service closes")
    closing.add_argument("id", nargs="?", type=UUID, help="care service; left out: the heaviest")
    cover = actions.add_parser("coverage", help="who has no care within the radius")
    cover.add_argument("codes", nargs="*", metavar="CODE", help="service codes; all when left out")
    cover.add_argument("--department", default="80")
    cover.add_argument("--radius-km", type=_whole, help="instead of the department's own")
    cover.add_argument("--within", type=_whole, metavar="HOURS", help="only with a place free")
    cover.add_argument("--write", type=Path, metavar="FOLDER", help="write coverage.md and .svg")
    draw = actions.add_parser("draw", help="the graph on the map: .svg, .dot or .json")
    draw.add_argument("file", type=_drawable)
    draw.add_argument("--service", action="append", default=[], metavar="CODE")
    draw.add_argument("--around", type=UUID, metavar="ID", help="neighbourhood of a care service")
    draw.add_argument("--hops", type=_whole, default=1)
    draw.add_argument("--department", default="80", help="whose outline lies below")
    for one in (path, closing, cover, draw):
        one.add_argument("--demo", action="store_true", help="the demonstration, not the database")
        one.add_argument("--at", type=_moment, help="moment of the question (ISO, with offset)")
        one.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("not below 0")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("the moment needs an offset")
    return moment


def _drawable(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _SUFFIXES:
        raise argparse.ArgumentTypeError(f"ends in {', '.join(_SUFFIXES)}")
    return path


def _known(asked: Sequence[str]) -> None:
    unknown = codes.load().unknown_services(asked)
    if unknown:
        raise Refusal(
            f"There is no service code {', '.join(unknown)}: see directory/data/codes.toml."
        )


def _path(options: argparse.Namespace, world: World) -> int:
    _known(options.codes)
    if options.seen and options.source is None:
        raise Refusal("--seen says that the patient was seen at --from: name it.")
    if options.source is not None:
        if world.seen.row(options.source) is None:
            raise Refusal(f"There is no care service {options.source}.")
        starts = [Start(care_service_id=options.source, arrives_at=world.now)]
    else:
        starts = _starts(world, options.codes[0], options.place)
    chain = Chain(
        via=tuple(options.codes), now=world.now, age_months=options.age_months,
        seen=options.seen,
    )  # fmt: skip
    found = referral_paths.quickest(world.seen, world.frozen, starts, chain)
    report.path(world, found, json=options.json)
    return NONE if found is None else 0


def _starts(world: World, code: str, text: str) -> list[Start]:
    """Give the first care services within the department's last radius, with their journeys."""
    places = gazetteer.find(text)
    capability = world.seen.capability(code)
    if not places:
        raise Refusal(f"There is no commune or postcode {text!r}.")
    if capability is None:
        return []
    home, rows = places[0], capability.rows
    straight = distance.great_circle_m(
        home.lon, home.lat, world.seen.lon[rows], world.seen.lat[rows]
    )
    last_m = search_radii.of_department(home.department).radii()[-1]
    return [
        _start(world, row, metres, home)
        for row, metres in zip(rows.tolist(), straight.tolist(), strict=True)
        if metres <= last_m
    ]


def _start(world: World, row: int, metres: float, home: Commune) -> Start:
    trip = world.seen.journeys.to(world.seen.locations[row], metres, home.insee)
    return Start(
        care_service_id=world.seen.services[row].id,
        arrives_at=world.now + timedelta(seconds=trip.duration_s),
        travel_s=trip.duration_s,
    )


def _closing(options: argparse.Namespace, world: World) -> int:
    if options.id is None:
        report.weights(world, closings.weights(world.seen, world.frozen), json=options.json)
        return 0
    row = world.seen.row(options.id)
    if row is None:
        raise Refusal(f"There is no care service {options.id}.")
    told = closings.closing(world.seen, world.frozen, row)
    service, place = world.seen.services[row], world.seen.locations[row]
    communes = _communes(place.department)
    radius_m = search_radii.of_department(place.department).default_m
    need = coverage.patient(service.service, world.now, radius_m)
    before = coverage.cover(world.seen, communes, need)
    after = coverage.cover(world.seen, communes, need, without=[row])
    kept = {one.insee for one in before.bare}
    report.closing(
        world, told, [one for one in after.bare if one.insee not in kept], json=options.json
    )
    return 0


def _communes(department: str) -> tuple[Commune, ...]:
    found = gazetteer.of_department(department)
    if not found:
        raise Refusal(f"There is no department {department!r}.")
    return found


def _coverage(options: argparse.Namespace, world: World) -> int:
    _known(options.codes)
    covers = _covers(options, world)
    if options.write is not None:
        _write(options, world, covers)
    report.coverage(world, [coverage_report.line(one) for one in covers], json=options.json)
    return 0


def _covers(options: argparse.Namespace, world: World) -> list[Cover]:
    communes = _communes(options.department)
    own = search_radii.of_department(options.department).default_m
    radius_m = own if options.radius_km is None else 1_000 * options.radius_km
    late = None if options.within is None else world.now + timedelta(hours=options.within)
    return [
        coverage.by_age(
            world.seen,
            communes,
            msgspec.structs.replace(coverage.patient(code, world.now, radius_m), deadline=late),
        )
        for code in (options.codes or coverage_report.asked(world.seen))
    ]


def _write(options: argparse.Namespace, world: World, covers: list[Cover]) -> None:
    department = options.department
    outline = outlines.of_department(department, covers[0].communes, coverage_map.WIDTH)
    radius = search_radii.of_department(department)
    title = f"Communes of department {department} without care within reach"
    beyond_m = covers[0].radius_m + max(radius.step_m, 1_000)
    drawn = coverage_report.drawn(covers)
    demo = " --demo" if options.demo else ""
    command = f"./regul directory graph coverage{demo} --write {options.write}"
    where = f"department {department}" + (", the demonstration" if options.demo else "")
    page = coverage_report.markdown(covers, where, command, "coverage.svg")
    options.write.mkdir(parents=True, exist_ok=True)
    (options.write / "coverage.md").write_text(page, "utf-8")
    picture = coverage_map.svg(world.seen, drawn, outline, beyond_m, title)
    (options.write / "coverage.svg").write_text(picture, "utf-8")


def _draw(options: argparse.Namespace, world: World) -> int:
    _known(options.service)
    typed = graph.build(world.rows, world.seen.travel)
    drawing = graph_drawing.select(typed, options.service, options.around, options.hops)
    if options.file.suffix == ".svg":
        communes = _communes(options.department)
        outline = outlines.of_department(options.department, communes, graph_drawing.WIDTH)
        text = graph_drawing.svg(drawing, outline, "Who may send patients to whom")
    elif options.file.suffix == ".dot":
        text = graph_drawing.dot(drawing)
    else:
        text = msgspec.json.format(msgspec.json.encode(drawing), indent=2).decode() + "\n"
    options.file.write_text(text, "utf-8")
    report.drawn(options.file, drawing, json=options.json)
    if not drawing.nodes:
        sys.stderr.write("regul: nothing fits: the drawing is empty.\n")
    return 0 if drawing.nodes else NONE
