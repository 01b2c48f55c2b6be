"""The clinic's page: its week, publishing by a short form, and the patients on their way."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import agreement, capacities, forms, incoming, relais, views, week
from console.catalogue import ZONE, Words
from console.reader import Reader
from directory import consent, service, standings
from directory.model import CareService, Ownership, Schedule
from directory.service import Publish
from directory.snapshot import Snapshot
from directory.store import Published, SlotView
from kernel import errors
from kernel.actor import Actor, may
from kernel.database import Tx
from kernel.edge import Edge

_MOST_SLOTS: Final = 5_000
_MOST_DIARIES: Final = 60


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """One diary of the reader, with its clock.

    Attributes:
        schedule: As the snapshot knows it.
        service: Whose diary.
        zone: Clock of its place.
    """

    schedule: Schedule
    service: CareService
    zone: ZoneInfo


def desks(actor: Actor, snapshot: Snapshot) -> tuple[Desk, ...]:
    """Find the diaries of the organisations an actor acts for, by name.

    Args:
        actor: Who reads.
        snapshot: The directory.
    """
    found = [
        Desk(schedule=diary.schedule, service=one, zone=_zone(snapshot, one))
        for one in snapshot.of_organisations(actor.organisation_ids)
        for diary in snapshot.diaries.get(one.id, ())
    ]
    return tuple(sorted(found, key=lambda desk: (desk.service.name, desk.schedule.id)))


def _zone(snapshot: Snapshot, one: CareService) -> ZoneInfo:
    place = snapshot.location(one.id)
    return ZONE if place is None else ZoneInfo(place.zone)


def _chosen(found: Sequence[Desk], wanted: str) -> Desk | None:
    named = next((one for one in found if str(one.schedule.id) == wanted), None)
    return named or next(iter(found), None)


async def _slots(tx: Tx, actor: Actor, desk: Desk, monday: date) -> Sequence[SlotView]:
    return await service.slots(
        tx, actor, desk.schedule.id, week.window(monday, desk.zone), (None, _MOST_SLOTS)
    )


async def show_week(
    edge: Edge, words: Words, snapshot: Snapshot, wanted: str, day: str
) -> views.Week | None:
    """Read one week of one diary.

    Args:
        edge: Of the request.
        words: The reader's.
        snapshot: The directory.
        wanted: Id of the schedule; the first one when it is none of the reader's.
        day: Any ISO day of the week; today's week when it can't be read.

    Returns:
        The week, or None when the reader has no diary.
    """
    found = desks(edge.actor, snapshot)
    desk = _chosen(found, wanted)
    if desk is None:
        return None
    today = datetime.now(UTC).astimezone(desk.zone).date()
    monday = week.monday_of(week.read_day(day, today))
    shown, percent = await edge.run(lambda tx: _read(tx, edge.actor, desk, monday))
    now = datetime.now(UTC)
    hidden = week.hidden(shown, desk.schedule, now)
    days, hours = week.grid(shown, monday, today, desk.zone, words, hidden=hidden)
    return views.Week(
        schedule_id=desk.schedule.id,
        schedules=tuple(
            views.Choice(code=str(one.schedule.id), label=one.service.name)
            for one in found[:_MOST_DIARIES]
        ),
        monday=monday.isoformat(),
        previous=week.other(monday, -1).isoformat(),
        following=week.other(monday, 1).isoformat(),
        hours=hours,
        days=days,
        free=sum(one.free for one in shown),
        taken=sum(one.taken for one in shown),
        sequence=desk.schedule.sequence,
        as_of=desk.schedule.as_of,
        mirrored=desk.schedule.ownership is Ownership.MIRRORED,
        freshness=consent.freshness(desk.schedule, now).value,
        percent=percent,
        hidden=len(hidden),
    )


async def _read(
    tx: Tx, actor: Actor, desk: Desk, monday: date
) -> tuple[Sequence[SlotView], int | None]:
    """Read the slots of a week, and its organisation's figure where it may be seen."""
    shown = await _slots(tx, actor, desk, monday)
    if not may(actor, "trust.read"):
        return shown, None
    trusted = await standings.of_organisation(tx, actor, desk.service.organisation_id)
    return shown, round(100 * trusted.acceptance)


@get("/cabinet", include_in_schema=False)
async def page(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
) -> Response[str]:
    """Show the clinic's page."""
    query = request.query_params
    shown = await show_week(
        who.edge, who.words, snapshot, query.get("schedule", ""), query.get("week", "")
    )
    return who.fragment(
        "cabinet.html",
        week=shown,
        form=views.PublishForm(),
        errors={},
        published="",
        problem="",
        agreement=None if shown is None else await agreement.show(who, shown.schedule_id),
        wrong={},
        done="",
        incoming=await incoming.today(who.edge, who.words),
        beds=await capacities.show(who, snapshot),
    )


@get("/cabinet/semaine", include_in_schema=False)
async def week_part(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
) -> Response[str]:
    """Give the week alone, for the live page."""
    query = request.query_params
    shown = await show_week(
        who.edge, who.words, snapshot, query.get("schedule", ""), query.get("week", "")
    )
    return who.fragment("week.html", week=shown)


@get("/cabinet/patients", include_in_schema=False)
async def patients(who: NamedDependency[Reader]) -> Response[str]:
    """Give today's patients alone, for the live page."""
    shown = await incoming.today(who.edge, who.words)
    return who.fragment("incoming.html", incoming=shown)


@post("/cabinet/patients/{handoff_id:uuid}/{verb:str}", include_in_schema=False, status_code=200)
async def answer(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    handoff_id: FromPath[UUID],
    verb: FromPath[str],
) -> Response[str]:
    """Accept or refuse a patient; give the list as it stands now."""
    form = await forms.read(request)
    problem = await relais.answer(who.edge, handoff_id, verb, form.text("reason") or "other")
    shown = await incoming.today(who.edge, who.words)
    return who.fragment("incoming.html", incoming=shown, problem=problem)


@post("/cabinet/publier", include_in_schema=False, status_code=200)
async def publish(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
) -> Response[str]:
    """Publish what a short form stands for; the week follows by the live feed."""
    sent = await forms.read(request)
    form = views.PublishForm(
        days=tuple(index for index in range(week.DAYS) if sent.flag(f"day{index}")),
        start=sent.text("from"),
        end=sent.text("to"),
        how="range" if sent.text("how") == "range" else "slot",
        number=sent.text("number"),
        extra=sent.text("extra") or "0",
    )
    plan, wrong = week.read(form)
    desk = _chosen(desks(who.edge.actor, snapshot), sent.text("schedule"))
    told, problem = "", ""
    if plan is not None and desk is not None:
        try:
            done = await _publish(who.edge, desk, plan, sent.text("week"))
            told = who.words.t("publish.done", added=done.added, withdrawn=done.withdrawn)
        except errors.RegulError as refusal:
            problem = refusal.code
    shown = await show_week(who.edge, who.words, snapshot, sent.text("schedule"), sent.text("week"))
    return who.fragment(
        "publish.html", week=shown, form=form, errors=wrong, published=told, problem=problem
    )


async def _publish(edge: Edge, desk: Desk, plan: week.Plan, day: str) -> Published:
    today = datetime.now(UTC).astimezone(desk.zone).date()
    monday = week.monday_of(week.read_day(day, today))

    async def act(tx: Tx) -> Published:
        stored = await _slots(tx, edge.actor, desk, monday)
        slots = week.merged(stored, week.expand(plan, monday, desk.zone))
        command = Publish(
            schedule_id=desk.schedule.id,
            window=week.window(monday, desk.zone),
            sequence=desk.schedule.sequence + 1,
            slots=slots,
        )
        try:
            return await service.publish(tx, edge.actor, command)
        except errors.Conflict as refusal:
            current = refusal.fields.get("current")
            if not isinstance(current, int):
                raise
            newer = msgspec.structs.replace(command, sequence=current + 1)
            return await service.publish(tx, edge.actor, newer)

    return await edge.run(act)


ROUTES: Final = [page, week_part, patients, answer, publish, *agreement.ROUTES, *capacities.ROUTES]
