"""The directory of a synthetic France: searching, refreshing, publishing, beside three other ways.

35,000 real communes, as many general practitioners as the density table says, 220,000 roles,
80,000 care services, a million open slots, all drawn from `--seed`; `--size` takes a share of
them. The outward search is compared with judging every care service one by one: a difference
breaks an invariant (exit 1), and so does a published slot that another process does not show.
`--sabotage` drops the first place of an answer and must be found. Times are on the wall clock;
`*.cpu_*` figures are processor time of the same calls, for a machine that others use too.
`--memory-only` starts no servers.
"""

import argparse
import asyncio
import gc
import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from benchmarks import _directory_served, _france
from benchmarks._directory_peers import Graph, Tree
from directory import columns, distance, eligibility, finder, nearness, snapshot
from directory.columns import Diary, OpenSlot
from directory.finder import Wish
from directory.model import Intake, Modality, Need
from directory.snapshot import Snapshot
from server.cli import version
from server.report import Figure, Report, against_goal, machine, percentile, show

SERVICES = ("general_practice", "general_practice", "dental", "dermatology", "cardiology")
RADII = (10_000, 20_000, 35_000, 50_000)
CHECKED = 40
FEW = 2_000
"""Needs whose service at most so many offer are compared with judging everybody."""


class Timed(msgspec.Struct):
    """Milliseconds of each call: wall clock and processor."""

    wall: list[float]
    cpu: list[float]


def timed(calls: Sequence[Callable[[], object]]) -> Timed:
    """Make the calls one after the other."""
    seen = Timed([], [])
    for call in calls:
        cpu, wall = time.thread_time(), time.perf_counter()
        call()
        seen.wall.append((time.perf_counter() - wall) * 1000)
        seen.cpu.append((time.thread_time() - cpu) * 1000)
    return seen


def needs(world: _france.France, now: datetime, dice: random.Random, count: int) -> list[Need]:
    """Draw needs over the communes by population."""
    towns = dice.choices(world.communes, weights=[t.population for t in world.communes], k=count)
    return [
        Need(
            service=dice.choice(SERVICES),
            earliest=now,
            deadline=now + timedelta(hours=48),
            age_months=dice.randrange(12 * 90),
            lon=town.lon,
            lat=town.lat,
        )
        for town in towns
    ]


def rows_of(frozen: Snapshot, need: Need) -> list[int]:
    """Give the rows that offer the service of a need."""
    capability = frozen.capability(need.service)
    return [] if capability is None else capability.rows.tolist()


def different(frozen: Snapshot, need: Need, now: datetime, *, sabotage: bool) -> bool:
    """Tell whether the outward search says something else than judging everybody."""
    wish = Wish(seed=1, radii=RADII)
    found = finder.find(frozen, need, now, wish)
    within = msgspec.structs.replace(need, radius_m=found.radius_m)
    wanted = []
    for row in rows_of(frozen, need):
        place = frozen.locations[row]
        metres = distance.one(need.lon or 0.0, need.lat or 0.0, place.lon, place.lat)
        service = frozen.services[row]
        openings: dict[Modality, datetime] = {}
        if service.intake is not Intake.REFERRAL:
            for slot in frozen.bookable(service.id, within, now):
                openings.setdefault(slot.modality, slot.start)
        if eligibility.judge(within, service, place, openings, metres).eligible:
            lot = int(nearness.draw(frozen.lots[row : row + 1], 1)[0])
            wanted.append((metres // nearness.BAND_M, lot, service.id))
    answer = [one.service.id for one in found.places]
    if sabotage:
        answer = answer[1:]
    return answer != [key for _, _, key in sorted(wanted)[: wish.limit]]


def clinic_diaries(world: _france.France, now: datetime) -> list[Diary]:
    """Give the clinic's fortnight as diaries: ten schedules of two hundred slots."""
    mine = {one.id for one in world.rows.care_services if one.organisation_id == world.clinic}
    kind, shown = columns.KINDS[0], columns.VISIBILITIES[0]
    times = _france.fortnight(now, _directory_served.SLOTS_EACH)
    return [
        Diary(
            schedule=schedule,
            slots=tuple(
                OpenSlot(
                    id=key, schedule_id=schedule.id, start=start, end=end, kind=kind,
                    modality=Modality.OFFICE, visibility=shown, capacity=1, free=1,
                )
                for key, (start, end) in zip(
                    _france.slot_ids(len(times), at), times, strict=True
                )
            ),
        )
        for at, schedule in enumerate(world.schedules)
        if schedule.care_service_id in mine
    ]  # fmt: skip


def in_memory(
    world: _france.France, now: datetime, options: argparse.Namespace
) -> tuple[list[Figure], int]:
    """Measure the snapshot of this process; give the figures and how many answers differ."""
    began = time.perf_counter()
    frozen = snapshot.freeze_rows(1, world.rows, world.schedules, world.slots)
    built = time.perf_counter() - began
    asked = needs(world, now, random.Random(options.seed), options.needs)
    gc.collect()
    gc.freeze()
    near = timed([
        partial(frozen.nearest, one.service, one.lon or 0.0, one.lat or 0.0, 10) for one in asked
    ])  # fmt: skip
    wish = Wish(limit=20, radii=RADII, seed=options.seed)
    search = timed([partial(finder.find, frozen, one, now, wish) for one in asked])
    fresh = clinic_diaries(world, now)
    refresh = timed([partial(frozen.refreshed, 2, fresh)] * 21)
    offers = timed([
        partial(frozen.search, msgspec.structs.replace(one, radius_m=RADII[0]), now)
        for one in asked[:200]
    ])  # fmt: skip
    rare = [one for one in asked if len(rows_of(frozen, one)) <= FEW][:CHECKED]
    wrong = sum(different(frozen, one, now, sabotage=options.sabotage) for one in rare)
    tree, graph = Tree(world), Graph(world)
    trees = timed([
        partial(tree.nearest, one.service, one.lon or 0.0, one.lat or 0.0, 10)
        for one in asked[:200]
    ])  # fmt: skip
    walks = timed([partial(graph.nearest, one, 20, now) for one in asked[:10]])
    gc.unfreeze()
    p50 = percentile(search.wall, 0.5)
    figures = [
        Figure(name="care_services", value=len(world.rows.care_services)),
        Figure(name="roles", value=len(world.rows.roles)),
        Figure(name="open_slots", value=len(world.slots)),
        against_goal("snapshot.build", built, "s", "<= 10"),
        Figure(name="snapshot.slot_arrays", value=frozen.diaries.nbytes() / 2**20, unit="MiB"),
        against_goal("nearest_10.p99", percentile(near.wall, 0.99), "ms", "<= 0.2"),
        Figure(name="nearest_10.p50", value=percentile(near.wall, 0.5), unit="ms"),
        Figure(name="nearest_10.cpu_p99", value=percentile(near.cpu, 0.99), unit="ms"),
        against_goal("search_20.p50", p50, "ms", "<= 1"),
        against_goal("search_20.p99", percentile(search.wall, 0.99), "ms", "<= 4"),
        Figure(name="search_20.cpu_p50", value=percentile(search.cpu, 0.5), unit="ms"),
        Figure(name="search_20.cpu_p99", value=percentile(search.cpu, 0.99), unit="ms"),
        Figure(name="offers_search.p50", value=percentile(offers.wall, 0.5), unit="ms"),
        Figure(name="offers_search.p99", value=percentile(offers.wall, 0.99), unit="ms"),
        against_goal("refresh_clinic.p50", percentile(refresh.wall, 0.5), "ms", "<= 20"),
        Figure(
            name="peer.ckdtree_nearest_10.p50",
            value=percentile(trees.wall, 0.5),
            unit="ms",
            against={"nearest_10": percentile(trees.wall, 0.5) / percentile(near.wall, 0.5)},
        ),
        Figure(
            name="peer.networkx_search_20.p50",
            value=percentile(walks.wall, 0.5),
            unit="ms",
            against={"search_20": percentile(walks.wall, 0.5) / p50},
        ),
        against_goal("different_answers", wrong, f"of {len(rare)}", "== 0"),
    ]
    return figures, wrong


def served(
    world: _france.France, now: datetime, options: argparse.Namespace, p50: float
) -> tuple[list[Figure], int]:
    """Measure on real servers; give the figures and how many published slots were not shown."""
    asked = needs(world, now, random.Random(options.seed + 1), min(options.needs, 300))
    # The caller holds a million objects too: its own collector is no part of an answer's time.
    gc.collect()
    gc.freeze()
    try:
        found = asyncio.run(_directory_served.measure(world, asked, options.seed))
    finally:
        gc.unfreeze()
    sql = percentile(found.sql, 0.5)
    figures = [
        against_goal("http_search.p99", percentile(found.http, 0.99), "ms", "<= 20"),
        Figure(name="http_search.p50", value=percentile(found.http, 0.5), unit="ms"),
        Figure(
            name="peer.sql_earthdistance_20.p50", value=sql, unit="ms",
            against={"search_20": sql / p50},
        ),
        Figure(
            name="peer.sql_earthdistance_20.p99", value=percentile(found.sql, 0.99), unit="ms"
        ),
        against_goal("publish_fortnight", found.published_ms, "ms", "<= 100"),
        against_goal("visible_elsewhere", found.visible_s, "s", "<= 1"),
        against_goal("not_visible", found.missing, "care services", "== 0"),
        against_goal("snapshot.load", found.loaded_s, "s", "<= 10"),
        against_goal("api_memory", found.api_mib, "MiB", "<= 1536"),
        Figure(name="database_filled", value=found.seeded_s, unit="s"),
    ]  # fmt: skip
    return figures, found.missing


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when an invariant broke."""
    parser = argparse.ArgumentParser(prog="regul bench directory", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=float, default=1.0, help="share of the national size")
    parser.add_argument("--needs", type=int, default=1000)
    parser.add_argument("--memory-only", action="store_true", help="start no servers")
    options = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    now = datetime.now(UTC)
    world = _france.build(now, options.seed, options.size)
    figures, broken = in_memory(world, now, options)
    if not options.memory_only:
        p50 = next(float(one.value) for one in figures if one.name == "search_20.p50")
        more, missing = served(world, now, options, p50)
        figures += more
        broken += missing
    figures += [
        Figure(name="load_average.before", value=before),
        Figure(name="load_average.after", value=os.getloadavg()[0]),
    ]
    report = Report(
        name="bench directory",
        version=version(),
        machine=machine(),
        seed=options.seed,
        runs=options.needs,
        figures=figures,
    )
    show(report, json=options.json)
    return 1 if broken else 0
