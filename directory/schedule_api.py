"""Routes of publishers beside their slots: consent, being absent, and how far they are trusted."""

from datetime import date
from typing import Final
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from directory import agreements, service, standings
from directory.consent import Consent
from directory.service import Emptied
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
    summary="Withdraw all slots of some local days of a schedule",
)
async def empty_schedule(
    edge: NamedDependency[Edge], schedule_id: FromPath[UUID], data: JSONBody[LeaveInput]
) -> Emptied:
    """Withdraw all slots of some local days of a schedule; repeating it changes nothing.

    Whoever holds a place is told; whoever is booked is displaced, with a task that has an owner.
    """
    command = service.Absent(since=data.since, until=data.until, schedule_id=schedule_id)
    return await edge.run(lambda tx: service.be_absent(tx, edge.actor, command))


@post(
    "/roles/{role_id:uuid}/absences",
    status_code=200,
    tags=["directory"],
    summary="Withdraw all slots of some local days of every diary of a practitioner's role",
)
async def empty_role(
    edge: NamedDependency[Edge], role_id: FromPath[UUID], data: JSONBody[LeaveInput]
) -> Emptied:
    """Withdraw all slots of some local days of every diary of a practitioner's role."""
    command = service.Absent(since=data.since, until=data.until, role_id=role_id)
    return await edge.run(lambda tx: service.be_absent(tx, edge.actor, command))


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


ROUTES: Final = [set_consent, empty_schedule, empty_role, get_trust, contest_trust]
