"""What is still to be said at the source of a mirrored diary: one row for each appointment on it.

Two booking rows never stand for one patient: the appointment decides who has the patient, and the
row here follows. `asking`: wanted, the source has not answered. `undoing`: not wanted any more, and
the source may have it, so it is told until it says that it has nothing; the seat stays taken till
then. No request waits for a source: `server/source_bookings.py` asks, outside any transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from kernel import errors
from kernel.database import Tx
from routing.model import Appointment

LEASE_S: Final = 20.0
"""Seconds for which one worker has a row; longer than asking a source may take."""
LONGEST_PAUSE_S: Final = 60.0
"""Most seconds between two questions about what has to be undone."""
LONGEST_WAIT_S: Final = 15.0
"""Most seconds between two questions about what is wanted."""

Channel: TypeAlias = Literal["api", "link"]


class SourceState(StrEnum):
    """How far the source of a mirrored diary is with an appointment."""

    ASKING = "asking"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNDOING = "undoing"
    UNDONE = "undone"


class SourceVerb(StrEnum):
    """What may happen to it."""

    CONFIRM = "confirm"
    REFUSE = "refuse"
    UNDO = "undo"
    SETTLE = "settle"


SOURCE_TRANSITIONS: Final[Mapping[tuple[SourceState, SourceVerb], SourceState]] = MappingProxyType(
    {
        (SourceState.ASKING, SourceVerb.CONFIRM): SourceState.CONFIRMED,
        (SourceState.ASKING, SourceVerb.REFUSE): SourceState.REFUSED,
        (SourceState.ASKING, SourceVerb.UNDO): SourceState.UNDOING,
        (SourceState.CONFIRMED, SourceVerb.UNDO): SourceState.UNDOING,
        (SourceState.UNDOING, SourceVerb.SETTLE): SourceState.UNDONE,
    }
)
"""Every allowed change. `UNDO` of what was never asked goes to `undone` at once."""


class SourceBooking(msgspec.Struct, frozen=True, kw_only=True):
    """How far the source is with an appointment.

    Attributes:
        source: Who keeps the diary, as its feed names it.
        channel: `api`: asked by a program; `link`: booked there by a human, who writes it down.
        url: Where a human books; None when the source gave no link.
        deadline: When the source has to have said yes.
        attempts: Times it was, or may have been, asked.
        outcome: Code of the last answer, or of why there was none.
        reference: What the source calls the appointment.
    """

    appointment_id: UUID
    claim: UUID
    source: str
    channel: Channel
    url: str | None
    state: SourceState
    opened_at: datetime
    deadline: datetime
    attempts: int
    outcome: str | None
    reference: str | None


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to say at a source, once.

    Attributes:
        attempts: Number of this attempt, from 1; the fence of its answer.
        deadline: After it the source must not say yes any more.
        over: The deadline passed more than a minute ago.
    """

    appointment_id: UUID
    territory_id: UUID
    source: str
    slot_key: str
    schedule_key: str
    starts_at: datetime
    ends_at: datetime
    state: SourceState
    attempts: int
    deadline: datetime
    over: bool


async def begin(tx: Tx, booked: Appointment) -> bool:
    """Note that the source of a mirrored diary has to be asked for an appointment just made.

    Args:
        tx: The transaction of the booking.
        booked: The appointment, pending.

    Returns:
        False when the source has neither an interface nor a link: the clinic answers by itself.
    """
    return await tx.fetchval(INSERT_SOURCE_BOOKING, booked.id, booked.slot_id) is not None


async def find(tx: Tx, appointment_id: UUID) -> SourceBooking | None:
    """Read how far the source is with an appointment; None when nobody had to be asked."""
    row = await tx.fetchrow(SELECT_SOURCE_BOOKING, appointment_id)
    return None if row is None else _booking(row)


async def known(tx: Tx, appointment_id: UUID) -> SourceBooking:
    """Read how far the source is with an appointment.

    Raises:
        Missing: `source_booking_missing`: nobody had to be asked for it.
    """
    found = await find(tx, appointment_id)
    if found is None:
        raise errors.Missing("source_booking_missing", "No source is asked for this appointment.")
    return found


async def of_appointments(tx: Tx, appointment_ids: Sequence[UUID]) -> Mapping[UUID, SourceBooking]:
    """Read how far sources are with appointments; those that need none are left out."""
    rows = await tx.fetch(SELECT_SOURCE_BOOKINGS, list(appointment_ids))
    return {row["appointment_id"]: _booking(row) for row in rows}


async def owners(tx: Tx, slot_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """Name who keeps the diary of each slot that is mirrored; our own are left out."""
    rows = await tx.fetch(SELECT_OWNERS, list(slot_ids))
    return {row["id"]: row["owner"] for row in rows}


async def due(tx: Tx) -> Sequence[str]:
    """Name the sources at which something is to be said now."""
    return [row["source"] for row in await tx.fetch(SELECT_DUE)]


async def take(tx: Tx, source: str, limit: int) -> Sequence[Errand]:
    """Take what is due for a while; another worker passes it over until the lease has lapsed.

    Args:
        tx: A transaction of the system, which commits before any source is asked.
        source: At which source.
        limit: Most errands.
    """
    rows = await tx.fetch(TAKE_DUE, source, limit, LEASE_S)
    return [msgspec.convert(dict(row), Errand) for row in rows]


async def again(tx: Tx, errand: Errand, outcome: str) -> None:
    """Note that the source gave no answer that settles it; it is asked again after a pause.

    Does nothing when somebody else has asked since. What stopped being wanted meanwhile is due at
    once.

    Args:
        tx: A transaction of the system.
        errand: As taken.
        outcome: Code.
    """
    await tx.execute(
        ASK_AGAIN, errand.appointment_id, errand.attempts, outcome,
        LONGEST_WAIT_S, LONGEST_PAUSE_S, errand.state.value,
    )  # fmt: skip


async def set_confirmed(tx: Tx, errand: Errand, reference: str | None) -> bool:
    """Note the source's yes; False when it came late, is not wanted, or not from this attempt."""
    found = await tx.fetchval(SET_CONFIRMED, errand.appointment_id, errand.attempts, reference)
    return found is not None


async def set_refused(tx: Tx, errand: Errand, outcome: str) -> bool:
    """Note the source's no; False when it is not wanted any more or not from this attempt.

    An earlier question that was never answered may still be on its way to the source, so that one
    is taken back as well.
    """
    found = await tx.fetchval(SET_REFUSED, errand.appointment_id, errand.attempts, outcome)
    return found is not None


async def set_undone(tx: Tx, errand: Errand, outcome: str) -> bool:
    """Note that the source has nothing, and free the seat; False when not from this attempt."""
    found = await tx.fetchval(SET_UNDONE, errand.appointment_id, errand.attempts, outcome)
    return found is not None


async def set_by_hand(
    tx: Tx, appointment_id: UUID, actor_id: UUID, state: SourceState, reference: str | None
) -> bool:
    """Note what a human says of a source that is booked by link.

    Args:
        tx: The transaction.
        appointment_id: Which.
        actor_id: Who says so.
        state: `confirmed`, `refused` or `undone`.
        reference: What they wrote down.

    Returns:
        False when the row is not where this leads from, or is not booked by link.
    """
    settle = state is SourceState.UNDONE
    before = SourceState.UNDOING if settle else SourceState.ASKING
    found = await tx.fetchval(
        SET_BY_HAND, appointment_id, before.value, state.value, actor_id, reference
    )
    return found is not None


async def late(tx: Tx, limit: int) -> Sequence[UUID]:
    """Give appointments whose source has not said yes in time, longest first."""
    return [row["appointment_id"] for row in await tx.fetch(SELECT_LATE, limit)]


async def gone(tx: Tx, claim: UUID) -> None:
    """Withdraw a seat that the source does not have, and those of its slot that nobody has."""
    await tx.execute(WITHDRAW_SEAT, claim)


def _booking(row: asyncpg.Record) -> SourceBooking:
    return msgspec.convert(dict(row), SourceBooking)


INSERT_SOURCE_BOOKING: Final = """
insert into routing.source_booking (appointment_id, claim, territory_id, source, channel, slot_key,
    schedule_key, url, starts_at, ends_at, deadline)
select a.id, a.claim, a.territory_id, c.source, c.channel, c.slot_key, c.schedule_key, c.url,
    a.starts_at, a.ends_at, kernel.regul_now() + make_interval(secs => c.answer_within_s)
from routing.appointment a, directory.directory_channel($2) c
where a.id = $1
returning appointment_id
"""
SELECT_SOURCE_BOOKING: Final = """
select appointment_id, claim, source, channel, url, state, opened_at, deadline, attempts, outcome,
    reference
from routing.source_booking where appointment_id = $1
"""
SELECT_SOURCE_BOOKINGS: Final = """
select appointment_id, claim, source, channel, url, state, opened_at, deadline, attempts, outcome,
    reference
from routing.source_booking where appointment_id = any ($1::uuid[])
"""
SELECT_OWNERS: Final = """
select l.id, directory.directory_owner(l.id) as owner
from directory.slot l
where l.id = any ($1::uuid[]) and directory.directory_owner(l.id) is not null
"""
# What is over for a day has nothing left to undo.
SELECT_DUE: Final = """
with moment as materialized (select kernel.regul_now() as now)
select distinct d.source from routing.source_booking d, moment
where d.channel = 'api' and d.state in ('asking', 'undoing') and d.due_at <= moment.now
  and (d.leased_until is null or d.leased_until <= moment.now)
  and (d.state = 'undoing' or d.deadline > moment.now)
  and d.ends_at > moment.now - interval '1 day'
"""
TAKE_DUE: Final = """
with moment as materialized (select kernel.regul_now() as now)
update routing.source_booking b
set attempts = b.attempts + 1, leased_until = m.now + make_interval(secs => $3)
from moment m
where b.appointment_id in (
    select d.appointment_id from routing.source_booking d, moment
    where d.source = $1 and d.channel = 'api' and d.state in ('asking', 'undoing')
      and d.due_at <= moment.now
      and (d.leased_until is null or d.leased_until <= moment.now)
      and (d.state = 'undoing' or d.deadline > moment.now)
      and d.ends_at > moment.now - interval '1 day'
    order by d.due_at limit $2 for update skip locked)
returning b.appointment_id, b.territory_id, b.source, b.slot_key, b.schedule_key, b.starts_at,
    b.ends_at, b.state, b.attempts, b.deadline, b.deadline + interval '1 minute' <= m.now as over
"""
ASK_AGAIN: Final = """
update routing.source_booking set leased_until = null,
    outcome = case when state = $6 then $3 else outcome end,
    due_at = case when state <> $6 then due_at else kernel.regul_now() + make_interval(secs =>
        least(case state when 'asking' then $4::float8 else $5::float8 end,
            0.25 * power(2, least(attempts, 12)))) end
where appointment_id = $1 and attempts = $2
"""
SET_CONFIRMED: Final = """
update routing.source_booking set state = 'confirmed', outcome = 'source_confirmed',
    reference = $3, settled_at = kernel.regul_now(), leased_until = null
where appointment_id = $1 and attempts = $2 and state = 'asking' and deadline > kernel.regul_now()
returning appointment_id
"""
SET_REFUSED: Final = """
update routing.source_booking
set state = case when attempts = 1 then 'refused' else 'undoing' end, outcome = $3,
    settled_at = case when attempts = 1 then kernel.regul_now() end,
    due_at = kernel.regul_now(), leased_until = null
where appointment_id = $1 and attempts = $2 and state = 'asking'
returning appointment_id
"""
SET_UNDONE: Final = """
with done as (
    update routing.source_booking set state = 'undone', outcome = $3,
        settled_at = kernel.regul_now(), leased_until = null
    where appointment_id = $1 and attempts = $2 and state = 'undoing'
    returning appointment_id, claim),
freed as materialized (select directory.directory_release(d.claim) from done d)
select d.appointment_id from done d, freed
"""
SET_BY_HAND: Final = """
with done as (
    update routing.source_booking set state = $3, outcome = 'recorded_by_hand', settled_by = $4,
        reference = coalesce($5, reference), settled_at = kernel.regul_now()
    where appointment_id = $1 and channel = 'link' and state = $2
    returning appointment_id, claim),
freed as materialized (
    select case when $3 = 'undone' then directory.directory_release(d.claim) end from done d)
select d.appointment_id from done d, freed
"""
SELECT_LATE: Final = """
select appointment_id from routing.source_booking
where state = 'asking' and deadline <= kernel.regul_now()
order by deadline limit $1
"""
WITHDRAW_SEAT: Final = """
select directory.directory_gone($1)
"""
