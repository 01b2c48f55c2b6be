"""What `./regul directory graph` prints: plain lines for people, one JSON value for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from directory import codes
from directory.closings import Closing, Weight
from directory.coverage_report import Line
from directory.gazetteer import Commune
from directory.graph_drawing import Drawing
from directory.model import CareServiceId
from directory.referral_paths import Path as Referrals
from server.directory_world import World

MOST: Final = 20
"""Lines of a list that people read; JSON has all of it."""


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One care service by name."""

    care_service_id: UUID
    name: str
    service: str


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One stop of a path: journey and wait before it, in seconds."""

    care_service: Named
    travel_s: int
    wait_s: int
    arrives_at: datetime
    starts_at: datetime
    ends_at: datetime
    slot_id: UUID | None


class FoundPath(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `path`; no stops = there is none."""

    origin: str
    asked_at: datetime
    stops: Sequence[Visit] = ()
    duration_s: int | None = None
    waiting_s: int | None = None


class Dependent(msgspec.Struct, frozen=True, kw_only=True):
    """One sender, and what it could no longer send patients to."""

    care_service: Named
    services: Sequence[str]


class FoundClosing(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `closing`: what is lost. Communes are those that lose their last one."""

    care_service: Named
    unreachable: Sequence[Named]
    losses: Sequence[Dependent]
    communes: Sequence[str]
    inhabitants: int


class Heavy(msgspec.Struct, frozen=True, kw_only=True):
    """One care service that others hang on."""

    care_service: Named
    losses: int
    unreachable: int


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `draw`."""

    file: str
    nodes: int
    edges: int


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")


def _json(value: object) -> None:
    _out(msgspec.json.encode(value).decode())


def named(world: World, care_service_id: CareServiceId) -> Named:
    """Give a care service by its name."""
    service = world.seen.service(care_service_id)
    if service is None:
        return Named(care_service_id=care_service_id, name="?", service="")
    return Named(care_service_id=service.id, name=service.name, service=service.service)


def path(world: World, found: Referrals | None, *, json: bool) -> None:
    """Print the quickest chain of referrals.

    Args:
        world: What was asked.
        found: None when there is none.
        json: For programs.
    """
    if json:
        _json(_found_path(world, found))
        return
    if found is None:
        _out("No chain of referrals leads there.")
        return
    for one in found.stops:
        row = world.seen.row(one.care_service_id)
        zone = ZoneInfo("UTC" if row is None else world.seen.locations[row].zone)
        start, end = (moment.astimezone(zone) for moment in (one.starts_at, one.ends_at))
        told = named(world, one.care_service_id)
        travel, wait = span(timedelta(seconds=one.travel_s)), span(one.wait)
        _out(f"{start:%a %d %b %H:%M}-{end:%H:%M}  {told.name} ({label(told.service)})")
        _out(f"{'':24}travel {travel}, wait {wait}")
    visits = "1 visit" if len(found.stops) == 1 else f"{len(found.stops)} visits"
    _out(f"{visits} in {span(found.duration)}, {span(found.waiting)} of it waiting")


def _found_path(world: World, found: Referrals | None) -> FoundPath:
    if found is None:
        return FoundPath(origin=world.origin, asked_at=world.now)
    return FoundPath(
        origin=world.origin,
        asked_at=world.now,
        stops=[
            Visit(
                care_service=named(world, one.care_service_id), travel_s=round(one.travel_s),
                wait_s=round(one.wait.total_seconds()), arrives_at=one.arrives_at,
                starts_at=one.starts_at, ends_at=one.ends_at, slot_id=one.slot_id,
            )
            for one in found.stops
        ],
        duration_s=round(found.duration.total_seconds()),
        waiting_s=round(found.waiting.total_seconds()),
    )  # fmt: skip


def label(service: str) -> str:
    """Give the English label of a service code, or the code."""
    known = codes.load().service.get(service)
    return service if known is None else known.en


def span(length: timedelta) -> str:
    """Write a length of time: `1 d 2 h 5 min`, whole minutes."""
    minutes = round(length.total_seconds() / 60)
    days, rest = divmod(minutes, 24 * 60)
    parts = (days, "d"), (rest // 60, "h"), (rest % 60, "min")
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def closing(world: World, told: Closing, lost: Sequence[Commune], *, json: bool) -> None:
    """Print what a closing takes away.

    Args:
        world: What was asked.
        told: From the links.
        lost: Communes that lose their last care service within the radius.
        json: For programs.
    """
    answer = FoundClosing(
        care_service=named(world, told.care_service_id),
        unreachable=[named(world, one) for one in told.unreachable],
        losses=[
            Dependent(care_service=named(world, one.care_service_id), services=one.services)
            for one in told.losses
        ],
        communes=[one.insee for one in lost],
        inhabitants=sum(one.population for one in lost),
    )
    if json:
        _json(answer)
        return
    one = answer.care_service
    _out(f"If {one.name} ({label(one.service)}) closes:")
    _list("care services that nobody can be sent to", [each.name for each in answer.unreachable])
    senders = [
        f"{each.care_service.name}: {', '.join(map(label, each.services))}"
        for each in answer.losses
    ]
    _list("senders that lose a speciality", senders)
    communes = [f"{each.name} ({each.population:,})" for each in lost]
    _list(f"communes without {label(one.service)} within the radius", communes)


def _list(title: str, lines: Sequence[str]) -> None:
    _out(f"  {len(lines)} {title}")
    for one in lines[:MOST]:
        _out(f"    {one}")
    if len(lines) > MOST:
        _out(f"    ... and {len(lines) - MOST} more (--json has all)")


def weights(world: World, found: Sequence[Weight], *, json: bool) -> None:
    """Print the care services that others hang on, the heaviest first."""
    heavy = [
        Heavy(
            care_service=named(world, one.care_service_id), losses=one.losses,
            unreachable=one.unreachable,
        )
        for one in found
    ]  # fmt: skip
    if json:
        _json(heavy)
        return
    _out("senders that lose a speciality | care services cut off | care service")
    for each in heavy[:MOST]:
        told = each.care_service
        _out(f"{each.losses:6} {each.unreachable:6}  {told.care_service_id}  {told.name}")
    if len(heavy) > MOST:
        _out(f"... and {len(heavy) - MOST} more (--json has all)")


def coverage(world: World, lines: Iterable[Line], *, json: bool) -> None:
    """Print the coverage by each service code, the worst first."""
    ordered = sorted(lines, key=lambda one: (-one.people_without, one.service))
    if json:
        _json(ordered)
        return
    _out(f"{world.origin}: communes and inhabitants without care within the radius")
    for one in ordered:
        share = f"{100 * one.share_without:5.1f} %"
        far = "" if one.farthest_m is None else f"  farthest {one.farthest_m / 1000:.1f} km"
        _out(
            f"{len(one.communes_without):5} of {one.communes}  {one.people_without:9,}  {share}"
            f"  {label(one.service)} ({one.offering}){far}"
        )


def drawn(file: Path, drawing: Drawing, *, json: bool) -> None:
    """Print what was drawn, and where it lies."""
    answer = Drawn(file=str(file), nodes=len(drawing.nodes), edges=len(drawing.edges))
    if json:
        _json(answer)
    else:
        _out(f"{answer.file}: {answer.nodes} care services, {answer.edges} referral links")
