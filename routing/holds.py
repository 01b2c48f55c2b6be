"""Holds: one seat claimed for a short time by one actor; the claim itself is the directory's.

A hold is placed by one statement that either has the seat or has nothing. The loser learns in
the same answer which place to try next. That a hold lapsed is never written by anybody: its time
has passed, and the seat is free to whoever comes next.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, database, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from routing import offers
from routing.model import Hold, HoldState
from triage import dispositions

database.refuses("hold_allowance_limit", errors.Limited, "too_many_holds")

NOT_OFFERED: Final = frozenset({"paused", "held_back", "outdated", "quota_spent"})
"""Refusals of `directory.directory_refusal` that are the publisher's, not a lost race."""


class PlaceHold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which seat is wanted, and for what.

    Attributes:
        slot_id: The slot; any free seat of it will do.
        disposition_id: The disposition it is held for.
        offer_id: The offer it was chosen from; a loser's next best is taken from it. The
            disposition's last offer when left out.
    """

    slot_id: UUID
    disposition_id: UUID
    offer_id: UUID | None = None


async def place(tx: Tx, actor: Actor, command: PlaceHold, *, hold_s: int) -> Hold:
    """Claim a seat for a limited time.

    Args:
        tx: The transaction.
        actor: Who will hold it.
        command: Which seat.
        hold_s: How long, seconds.

    Returns:
        The hold.

    Raises:
        Missing: `slot_missing`, or the disposition is.
        Conflict: `slot_taken`, `slot_withdrawn` or `slot_not_offered` (its publisher's consent or
            its age forbids it, as `reason` says), with `next_best` when there is one.
        Limited: `too_many_holds`: the actor holds ten places already.
    """
    require(actor, "hold.place")
    wanted = await dispositions.get(tx, actor, command.disposition_id)
    row = await tx.fetchrow(
        INSERT_HOLD,
        ids.uuid7(),
        command.slot_id,
        timedelta(seconds=hold_s),
        wanted.territory_id,
        wanted.case_id,
        wanted.id,
        command.offer_id,
        actor.id,
        wanted.acuity,
    )
    if row is None:
        raise await _lost(tx, command)
    hold = _hold(row)
    await tx.execute(ALLOW_HOLD, actor.id, hold.id, hold.until)
    await _tell(
        tx,
        actor,
        hold,
        catalogue.HoldPlaced(
            slot_id=hold.slot_id,
            seat=hold.seat,
            care_service_id=hold.care_service_id,
            expires_at=hold.until,
        ),
    )
    await _record(tx, actor, "hold.place", hold)
    return hold


async def get(tx: Tx, hold_id: UUID) -> Hold:
    """Read a hold of the actor's territory.

    Args:
        tx: The transaction.
        hold_id: Which.

    Returns:
        The hold as it stands; whether it lapsed is for `until` to say.

    Raises:
        Missing: `hold_missing`.
    """
    row = await tx.fetchrow(SELECT_HOLD, hold_id)
    if row is None:
        code = "hold_missing"
        raise errors.Missing(code, "No such hold.")
    return _hold(row)


async def release(tx: Tx, actor: Actor, hold_id: UUID) -> Hold:
    """Give a held seat back; a hold that is no longer live stays as it is.

    Args:
        tx: The transaction.
        actor: Who gives it back.
        hold_id: Which.

    Returns:
        The hold; releasing it again changes nothing.

    Raises:
        Missing: `hold_missing`.
        Conflict: `hold_used`: it became an appointment, which is cancelled instead.
    """
    require(actor, "hold.release")
    row = await tx.fetchrow(RELEASE_HOLD, hold_id)
    if row is None:
        known = await get(tx, hold_id)
        if known.state is HoldState.BOOKED:
            code = "hold_used"
            raise errors.Conflict(code, "This hold became an appointment; cancel that.")
        return known
    hold = _hold(row)
    await tx.execute(DISALLOW_HOLD, hold.actor_id, hold.id)
    event = catalogue.HoldReleased(slot_id=hold.slot_id, care_service_id=hold.care_service_id)
    await _tell(tx, actor, hold, event)
    await _record(tx, actor, "hold.release", hold)
    return hold


async def extend(tx: Tx, actor: Actor, hold_id: UUID, *, hold_s: int) -> Hold:
    """Prolong a live hold, once. Source: WCAG 2.2, success criterion 2.2.1 (timing adjustable).

    Args:
        tx: The transaction.
        actor: Who asks; only the one who holds.
        hold_id: Which.
        hold_s: New time from now, seconds; never shortens.

    Returns:
        The hold with its new end.

    Raises:
        Missing: `hold_missing`.
        Forbidden: `other_actor_holds`.
        Conflict: `hold_extended`, `hold_used`, `hold_released`, `slot_withdrawn`.
        Expired: `hold_expired`.
    """
    require(actor, "hold.place")
    row = await tx.fetchrow(EXTEND_HOLD, hold_id, actor.id, timedelta(seconds=hold_s))
    if row is None:
        raise await refused(tx, actor, await get(tx, hold_id))
    hold = _hold(row)
    await tx.execute(DISALLOW_HOLD, actor.id, hold.id)
    await tx.execute(ALLOW_HOLD, actor.id, hold.id, hold.until)
    await _record(tx, actor, "hold.place", hold, detail="extended")
    return hold


async def refused(tx: Tx, actor: Actor, hold: Hold) -> errors.RegulError:
    """Say why a hold can't be used any more.

    Args:
        tx: The transaction.
        actor: Who tried to extend or book it.
        hold: As read after the attempt failed.

    Returns:
        The refusal to raise: what is true now, the most telling first.
    """
    if hold.state is HoldState.BOOKED:
        return errors.Conflict("hold_used", "This hold became an appointment already.")
    if hold.state is HoldState.RELEASED:
        return errors.Conflict("hold_released", "This hold was given back.")
    state = await tx.fetchval(SELECT_CLAIMED_SEAT, hold.id)
    if state == "displaced":
        wanted = PlaceHold(
            slot_id=hold.slot_id, disposition_id=hold.disposition_id, offer_id=hold.offer_id
        )
        return await _gone(tx, wanted, "withdrawn")
    if hold.until <= await moment(tx) or state != "held":
        return errors.Expired("hold_expired", "The time of this hold has passed.")
    if hold.actor_id != actor.id:
        return errors.Forbidden("other_actor_holds", "Somebody else holds this place.")
    return errors.Conflict("hold_extended", "This hold was prolonged once already.")


async def used(tx: Tx, hold_actor_id: UUID, hold_id: UUID) -> None:
    """Take a hold that became an appointment off its actor's live holds.

    Args:
        tx: The transaction of the booking.
        hold_actor_id: Who held it.
        hold_id: Which.
    """
    await tx.execute(DISALLOW_HOLD, hold_actor_id, hold_id)


async def tell_lapsed(tx: Tx, actor: Actor, limit: int = 200) -> int:
    """Tell screens which holds have lapsed; decides nothing, repeating it changes nothing.

    A seat whose publisher withdrew it under such a hold is let go of: nobody waits for it.

    Args:
        tx: A transaction of the system.
        actor: The system.
        limit: Most holds a step.

    Returns:
        How many were told.
    """
    rows = await tx.fetch(TELL_LAPSED, limit)
    for row in rows:
        hold = _hold(row)
        event = catalogue.HoldLapsed(slot_id=hold.slot_id, care_service_id=hold.care_service_id)
        await _tell(tx, actor, hold, event)
    if rows:
        await tx.execute(FREE_DISPLACED, [row["id"] for row in rows])
    return len(rows)


async def tell_displaced(tx: Tx, actor: Actor, claims: Sequence[UUID], reason: str) -> int:
    """Tell those who hold places that their publisher withdrew them; the holds stay as they are.

    Args:
        tx: A transaction of the system.
        actor: The system.
        claims: Claims of displaced seats; those that are no live hold are left out.
        reason: Why they went away, a code.

    Returns:
        How many were told.
    """
    rows = await tx.fetch(SELECT_LIVE, list(claims))
    for row in rows:
        hold = _hold(row)
        event = catalogue.HoldDisplaced(
            slot_id=hold.slot_id, care_service_id=hold.care_service_id, reason=reason
        )
        await _tell(tx, actor, hold, event)
    return len(rows)


async def moment(tx: Tx) -> datetime:
    """Give the database's clock, the only one that decides.

    Args:
        tx: The transaction.

    Returns:
        Now, UTC.
    """
    now: datetime = await tx.fetchval(SELECT_NOW)
    return now


async def _lost(tx: Tx, command: PlaceHold) -> errors.RegulError:
    row = await tx.fetchrow(SELECT_SLOT, command.slot_id)
    if row is None:
        return errors.Missing("slot_missing", "No such slot.")
    return await _gone(tx, command, row["refusal"])


async def _gone(tx: Tx, wanted: PlaceHold, refusal: str | None) -> errors.Conflict:
    """Say that a place can't be had, and which one to try next."""
    best = await offers.next_best(tx, wanted.offer_id, wanted.disposition_id, wanted.slot_id)
    following = None if best is None else offers.public(best)
    if refusal == "withdrawn":
        told = "Its publisher has withdrawn this slot."
        return errors.Conflict("slot_withdrawn", told, next_best=following)
    if refusal in NOT_OFFERED:
        told = "Its publisher does not offer this slot now."
        return errors.Conflict("slot_not_offered", told, reason=refusal, next_best=following)
    told = "No place is free in this slot."
    return errors.Conflict("slot_taken", told, next_best=following)


async def _tell(tx: Tx, actor: Actor, hold: Hold, event: catalogue.Event) -> None:
    await outbox.append(
        tx,
        actor,
        event,
        aggregate_id=hold.id,
        territory_id=hold.territory_id,
        case_id=hold.case_id,
    )


async def _record(tx: Tx, actor: Actor, action: str, hold: Hold, detail: str = "") -> None:
    await audit.record(
        tx,
        actor,
        action,
        "hold",
        hold.id,
        case_id=hold.case_id,
        territory_id=hold.territory_id,
        detail=detail,
    )


def _hold(row: asyncpg.Record) -> Hold:
    return msgspec.convert(dict(row), Hold)


INSERT_HOLD: Final = """
with claimed as materialized (
    select s.id, s.care_service_id, directory.directory_claim(s.id, $1, $3) as seat
    from directory.slot s where s.id = $2)
insert into routing.hold (id, territory_id, case_id, disposition_id, offer_id, actor_id, slot_id,
    seat, care_service_id, acuity, until)
select $1, $4, $5, $6, $7, $8, c.id, c.seat, c.care_service_id, $9, kernel.regul_now() + $3
from claimed c where c.seat is not null
returning id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
    acuity, state, until, extended, offer_id
"""
ALLOW_HOLD: Final = """
insert into routing.hold_allowance (actor_id, live)
values ($1, array[row($2::uuid, $3::timestamptz)::routing.live_hold])
on conflict (actor_id) do update set live = array(
    select row(h.id, h.until)::routing.live_hold from unnest(hold_allowance.live) h
    where h.until > kernel.regul_now()) || excluded.live
"""
DISALLOW_HOLD: Final = """
update routing.hold_allowance set live = array(
    select row(h.id, h.until)::routing.live_hold from unnest(live) h where h.id <> $2)
where actor_id = $1
"""
SELECT_HOLD: Final = """
select id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
    acuity, state, until, extended, offer_id
from routing.hold where id = $1
"""
RELEASE_HOLD: Final = """
with given as (
    update routing.hold set state = 'released' where id = $1 and state = 'held'
    returning id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
        acuity, state, until, extended, offer_id),
freed as materialized (select directory.directory_release(g.id) as freed from given g)
select g.id, g.slot_id, g.seat, g.actor_id, g.disposition_id, g.case_id, g.territory_id,
    g.care_service_id, g.acuity, g.state, g.until, g.extended, g.offer_id
from given g, freed
"""
EXTEND_HOLD: Final = """
with longer as materialized (
    select h.id, directory.directory_extend(h.id, $3) as until
    from routing.hold h
    where h.id = $1 and h.actor_id = $2 and h.state = 'held' and not h.extended)
update routing.hold h set until = l.until, extended = true
from longer l
where h.id = l.id and l.until is not null and h.state = 'held' and not h.extended
returning h.id, h.slot_id, h.seat, h.actor_id, h.disposition_id, h.case_id, h.territory_id,
    h.care_service_id, h.acuity, h.state, h.until, h.extended, h.offer_id
"""
TELL_LAPSED: Final = """
update routing.hold h set lapse_told_at = kernel.regul_now()
where h.id in (
    select l.id from routing.hold l
    where l.state = 'held' and l.lapse_told_at is null and l.until <= kernel.regul_now()
    order by l.until limit $1 for update skip locked)
returning h.id, h.slot_id, h.seat, h.actor_id, h.disposition_id, h.case_id, h.territory_id,
    h.care_service_id, h.acuity, h.state, h.until, h.extended, h.offer_id
"""
SELECT_LIVE: Final = """
select id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
    acuity, state, until, extended, offer_id
from routing.hold
where id = any ($1::uuid[]) and state = 'held' and until > kernel.regul_now()
order by id
"""
FREE_DISPLACED: Final = """
select directory.directory_release(s.claim) from directory.seat s
where s.claim = any ($1::uuid[]) and s.state = 'displaced'
"""
SELECT_CLAIMED_SEAT: Final = """
select state from directory.seat where claim = $1
"""
SELECT_SLOT: Final = """
select directory.directory_refusal(s.id) as refusal from directory.slot s where s.id = $1
"""
SELECT_NOW: Final = """
select kernel.regul_now()
"""
