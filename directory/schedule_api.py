"""Routes of publishers beside their slots: consent, being absent, and how far they are trusted."""

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from directory import absences, agreements, source_limits, standings
from directory.absences import Absence, Emptied
from directory.consent import Consent
from directory.source_limits import Limit, SourceLimit
from directory.standings import Objection, Trusted
from kernel.edge import Edge


class ConsentInput(Consent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole consent of a schedule as sent; what is left out is no limit."""


class LeaveInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local days on which nobody is seen, both included."""

    since: date
    until: date


@put(
    "/schedules/{schedule_id:uuid}/consent",
    tags=["directory"],
    summary="Set what the publisher of a schedule agrees to",
)
async def set_consent(
    edge: NamedDependency[Edge], schedule_id: FromPath[UUID], data: JSONBody[ConsentInput]
) -> Consent:
    """Set what the publisher of a schedule agrees to; the same again changes nothing."""
    wanted = Consent(
        paused=data.paused,
        quota_per_day=data.quota_per_day,
        release_before_s=data.release_before_s,
        release_min=data.release_min,
    )
    return await edge.run(lambda tx: agreements.agree(tx, edge.actor, schedule_id, wanted))


@post(
    "/schedules/{schedule_id:uuid}/absences",
    status_code=200,
    tags=["directory"],
    summary="Be away: withdraw all slots of some local days, hide what is published for them later",
)
async def empty_schedule(
    edge: NamedDependency[Edge], schedule_id: FromPath[UUID], data: JSONBody[LeaveInput]
) -> Emptied:
    """Be away for some local days; repeating it changes nothing.

    All slots of these days are withdrawn: whoever holds a place is told; whoever is booked is
    displaced, with a task that has an owner. Slots published for them later are kept and shown to
    nobody else until the absence is ended.
    """
    command = absences.Absent(since=data.since, until=data.until, schedule_id=schedule_id)
    return await edge.run(lambda tx: absences.be_absent(tx, edge.actor, command))


@post(
    "/roles/{role_id:uuid}/absences",
    status_code=200,
    tags=["directory"],
    summary="Be away with every diary of a practitioner's role",
)
async def empty_role(
    edge: NamedDependency[Edge], role_id: FromPath[UUID], data: JSONBody[LeaveInput]
) -> Emptied:
    """Be away with every diary of a practitioner's role; see the absences of one schedule."""
    command = absences.Absent(since=data.since, until=data.until, role_id=role_id)
    return await edge.run(lambda tx: absences.be_absent(tx, edge.actor, command))


class AbsencePage(msgspec.Struct, frozen=True, kw_only=True):
    """Absences of a diary that are not over, by first day."""

    absences: Sequence[Absence]


@get(
    "/schedules/{schedule_id:uuid}/absences",
    tags=["directory"],
    summary="Give the absences of a schedule that are not over",
)
async def list_absences(edge: NamedDependency[Edge], schedule_id: FromPath[UUID]) -> AbsencePage:
    """Give the absences of a schedule that are not over, by first day."""
    found = await edge.run(lambda tx: absences.standing(tx, edge.actor, schedule_id))
    return AbsencePage(absences=found)


@delete(
    "/absences/{absence_id:uuid}",
    status_code=200,
    tags=["directory"],
    summary="End an absence; what was published since is shown again",
)
async def end_absence(edge: NamedDependency[Edge], absence_id: FromPath[UUID]) -> Absence:
    """End an absence; what was published for its days since is shown again."""
    return await edge.run(lambda tx: absences.end(tx, edge.actor, absence_id))


class LimitPage(msgspec.Struct, frozen=True, kw_only=True):
    """How old what each source tells may be; `*` holds for every source without its own."""

    limits: Sequence[SourceLimit]


@get(
    "/source-limits",
    tags=["directory"],
    summary="Give how old what each source tells may be",
)
async def list_limits(edge: NamedDependency[Edge]) -> LimitPage:
    """Give how old what each source tells may be, with how many diaries it feeds."""
    return LimitPage(limits=await edge.run(lambda tx: source_limits.every(tx, edge.actor)))


@put(
    "/source-limits/{source:str}",
    tags=["directory"],
    summary="Set how old what a source tells may be",
)
async def set_limit(
    edge: NamedDependency[Edge], source: FromPath[str], data: JSONBody[Limit]
) -> LimitPage:
    """Set how old what a source tells may be: older is marked, then no longer bookable."""
    found = await edge.run(lambda tx: source_limits.set_to(tx, edge.actor, source, data))
    return LimitPage(limits=found)


@delete(
    "/source-limits/{source:str}",
    status_code=200,
    tags=["directory"],
    summary="Give a source the common limit again",
)
async def drop_limit(edge: NamedDependency[Edge], source: FromPath[str]) -> LimitPage:
    """Give a source the common limit again; repeating it changes nothing."""
    found = await edge.run(lambda tx: source_limits.set_to(tx, edge.actor, source, None))
    return LimitPage(limits=found)


class ContestInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the publisher does not agree."""

    reason: Objection


@get(
    "/organisations/{organisation_id:uuid}/trust",
    tags=["directory"],
    summary="Give how likely a publisher is to take the next patient, with its counts",
)
async def get_trust(edge: NamedDependency[Edge], organisation_id: FromPath[UUID]) -> Trusted:
    """Give how likely a publisher is to take the next patient, with its counts and objections."""
    return await edge.run(lambda tx: standings.of_organisation(tx, edge.actor, organisation_id))


@post(
    "/organisations/{organisation_id:uuid}/trust/contests",
    status_code=201,
    tags=["directory"],
    summary="Object to one's own figure",
)
async def contest_trust(
    edge: NamedDependency[Edge], organisation_id: FromPath[UUID], data: JSONBody[ContestInput]
) -> Trusted:
    """Object to one's own figure; the centre is shown the objection beside it."""
    return await edge.run(
        lambda tx: standings.contest(tx, edge.actor, organisation_id, data.reason)
    )


ROUTES: Final = [
    set_consent,
    empty_schedule,
    empty_role,
    list_absences,
    end_absence,
    list_limits,
    set_limit,
    drop_limit,
    get_trust,
    contest_trust,
]
