"""Appointments: a hold becomes a confirmed meeting, in one transaction with all that must be known.

The seat, the appointment, the handoff, the events and the audit row commit together or not at
all. Publishing a slot is acceptance; an extra place and U0-U2 need a named human's answer, and so
does a mirrored diary that has no interface and no link (`mirrored`). Calling an appointment off
frees its seat in the same transaction, once its source has nothing either.
"""

from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, handoffs, outbox
from events.model import Handoff, HandoffRequest, Owner
from kernel import audit, crypto, database, errors, ids
from kernel.actor import Actor, require
from kernel.crypto import KeyRing
from kernel.database import Tx
from kernel.inputs import Code, Text
from routing import holds, mirrored, progress, waiting
from routing.model import Appointment, AppointmentState, AppointmentVerb, OfferKind, before
from triage import cases, dispositions, participants

INSTRUCTIONS: Final = "routing.appointment.instructions"
"""What a sealed text is bound to, beside its row."""
RECEIVER_CANCELLED: Final = "receiver_cancelled"
"""Reason under which the centre owes the patient another place."""

database.refuses("appointment_one_per_seat", errors.Conflict, "slot_taken")
database.refuses("appointment_claim_once", errors.Conflict, "hold_used")
database.refuses("appointment_one_per_disposition", errors.Conflict, "disposition_placed")


class Book(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Turn a hold into an appointment.

    Attributes:
        hold_id: A live hold.
        instructions: What the receiver must know; kept sealed.
    """

    hold_id: UUID
    instructions: Text | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Call an appointment off, with a reason code."""

    reason: Code


async def book(tx: Tx, actor: Actor, command: Book, keys: KeyRing) -> Appointment:
    """Turn a live hold into an appointment.

    Args:
        tx: The transaction.
        actor: Who books.
        command: Which hold, and what the receiver must know.
        keys: Seals the instructions with the case's key.

    Returns:
        The appointment, `pending` while a mirrored diary's source has to confirm it. Until then the
        centre keeps the patient: the clinic is told when its own diary has said yes.

    Raises:
        Missing: `hold_missing`.
        Forbidden: `physician_only`: the case is open again since an OSNP decided it.
        Expired: `hold_expired`.
        Conflict: `slot_withdrawn` (with `next_best`), `hold_used`, `hold_released`,
            `disposition_placed`, `slot_taken`, `case_closed`.
    """
    require(actor, "appointment.book")
    hold = await holds.get(tx, command.hold_id)
    patient = await cases.get(tx, actor, hold.case_id)
    progress.refuse_closed(patient)
    await dispositions.carry_out(tx, actor, patient, hold.disposition_id)
    appointment_id = ids.uuid7()
    sealed = await _sealed(tx, keys, patient.key_id, appointment_id, command.instructions)
    key_id = None if sealed is None else patient.key_id
    row = await tx.fetchrow(BOOK, hold.id, appointment_id, actor.id, key_id, sealed)
    if row is None:
        raise await holds.refused(tx, actor, await holds.get(tx, hold.id))
    booked = from_row(row)
    await holds.used(tx, hold.actor_id, hold.id)
    pending = booked.state is AppointmentState.PENDING
    kind = catalogue.AppointmentPending if pending else catalogue.AppointmentBooked
    await tell(tx, actor, booked, kind)
    asked = pending and await mirrored.begin(tx, booked)
    handed = None if asked else await hand_over(tx, actor, booked)
    await waiting.placed(
        tx, actor, booked.disposition_id, booked.care_service_id, slot_id=booked.slot_id
    )
    await record(tx, actor, "appointment.book", booked)
    return msgspec.structs.replace(
        booked,
        handoff_id=None if handed is None else handed.id,
        instructions=command.instructions,
    )


async def get(tx: Tx, actor: Actor, appointment_id: UUID, keys: KeyRing) -> Appointment:
    """Read an appointment with what its receiver must know.

    Args:
        tx: The transaction.
        actor: Who reads.
        appointment_id: Which.
        keys: Opens the instructions.

    Returns:
        The appointment.

    Raises:
        Missing: `appointment_missing`.
    """
    require(actor, "appointment.read")
    row = await tx.fetchrow(SELECT_SEALED, appointment_id)
    if row is None:
        raise _missing()
    found = from_row(row)
    await record(tx, actor, "appointment.read", found)
    text = None
    if row["instructions"] is not None:
        key = await keys.open_key(tx, row["key_id"])
        text = crypto.unseal(key, INSTRUCTIONS, found.id, row["instructions"])
    return msgspec.structs.replace(found, instructions=text)


async def cancel(tx: Tx, actor: Actor, appointment_id: UUID, command: Cancel) -> Appointment:
    """Call an appointment off; its seat is free in the same transaction.

    Args:
        tx: The transaction.
        actor: The centre's staff, who then look after the patient again, or the receiver: the
            centre then owes another place and a waiting entry says so (`reactions`).
        appointment_id: Which.
        command: Why.

    Returns:
        The appointment.

    Raises:
        Missing: `appointment_missing`.
        Conflict: `appointment_state`.
    """
    require(actor, "appointment.cancel")
    staff = actor.territory_id is not None
    if not staff:
        known = await known_one(tx, appointment_id)
        require(actor, "appointment.cancel", organisation_id=known.organisation_id)
    reason = command.reason if staff else RECEIVER_CANCELLED
    gone = await call_off(tx, actor, appointment_id, reason)
    if gone is None:
        raise await refused(tx, appointment_id)
    if staff:
        await cases.hand_to(tx, actor, gone.case_id, actor_id=actor.id)
        await progress.advance(tx, actor, gone.case_id, "decided")
    await record(tx, actor, "appointment.cancel", gone, detail=command.reason)
    return gone


async def call_off(tx: Tx, actor: Actor, appointment_id: UUID, reason: str) -> Appointment | None:
    """Cancel an appointment that is still to come, with its seat, its handoff and its event.

    A seat that the source of a mirrored diary may have booked stays taken until the source is known
    to have given it back (`mirrored`).

    Args:
        tx: The transaction.
        actor: Who causes it; the calling use case has checked that they may.
        appointment_id: Which.
        reason: Code.

    Returns:
        The appointment, or None when it was settled or cancelled before.
    """
    states = before(AppointmentVerb.CANCEL)
    row = await tx.fetchrow(CANCEL, appointment_id, reason, states)
    if row is None:
        return None
    gone = from_row(row)
    await end_handoff(tx, actor, gone, reason)
    await tell(tx, actor, gone, catalogue.AppointmentCancelled, reason=reason)
    return gone


async def of_claims(tx: Tx, claims: tuple[UUID, ...]) -> tuple[Appointment, ...]:
    """Find the appointments that stand on displaced seats.

    Args:
        tx: The transaction.
        claims: From `slot.displaced`.

    Returns:
        Those still to come, by id.
    """
    return tuple(from_row(row) for row in await tx.fetch(SELECT_OF_CLAIMS, list(claims)))


async def find(tx: Tx, appointment_id: UUID) -> Appointment | None:
    """Read an appointment without its text, for a reaction.

    Args:
        tx: The transaction.
        appointment_id: Which.
    """
    row = await tx.fetchrow(SELECT_APPOINTMENT, appointment_id)
    return None if row is None else from_row(row)


async def hand_over(tx: Tx, actor: Actor, booked: Appointment) -> Handoff:
    """Ask the receiver to take over; a published slot, or its own diary, has accepted already.

    Args:
        tx: The transaction.
        actor: Who sends the patient.
        booked: The appointment.

    Returns:
        The handoff.
    """
    await participants.add(tx, booked.case_id, booked.organisation_id, booked.territory_id)
    agreement = booked.kind is OfferKind.OVERBOOK or booked.state is AppointmentState.PENDING
    handed = await handoffs.request(
        tx,
        actor,
        HandoffRequest(
            case_id=booked.case_id,
            territory_id=booked.territory_id,
            subject_kind="appointment",
            subject_id=booked.id,
            disposition_id=booked.disposition_id,
            to_organisation_id=booked.organisation_id,
            care_service_id=booked.care_service_id,
            acuity=booked.acuity,
            acknowledgement_required=agreement,
        ),
    )
    await tx.execute(SET_HANDOFF, booked.id, handed.id)
    await progress.advance(tx, actor, booked.case_id, "oriented")
    if handed.owner is Owner.RECEIVER:
        await cases.hand_to(tx, actor, booked.case_id, organisation_id=booked.organisation_id)
    return handed


async def end_handoff(tx: Tx, actor: Actor, gone: Appointment, reason: str) -> None:
    """Call off the handoff of an appointment that will not take place, if it is still open.

    Args:
        tx: The transaction.
        actor: Who causes it.
        gone: The appointment.
        reason: Code.
    """
    handed = await handoffs.of_subject(tx, gone.id)
    if handed is not None and handed.ended_at is None:
        await handoffs.cancel(tx, actor, handed.id, reason)


async def _sealed(
    tx: Tx, keys: KeyRing, key_id: UUID, appointment_id: UUID, text: str | None
) -> bytes | None:
    if not text:
        return None
    return crypto.seal(await keys.open_key(tx, key_id), INSTRUCTIONS, appointment_id, text)


async def known_one(tx: Tx, appointment_id: UUID) -> Appointment:
    """Read an appointment that must be there, without its text.

    Args:
        tx: The transaction.
        appointment_id: Which.

    Raises:
        Missing: `appointment_missing`.
    """
    found = await find(tx, appointment_id)
    if found is None:
        raise _missing()
    return found


def _missing() -> errors.Missing:
    return errors.Missing("appointment_missing", "No such appointment.")


async def refused(tx: Tx, appointment_id: UUID) -> errors.Conflict:
    """Say why an appointment can't change as asked.

    Args:
        tx: The transaction.
        appointment_id: Which.

    Returns:
        The refusal to raise.
    """
    known = await known_one(tx, appointment_id)
    if known.state is AppointmentState.BOOKED:
        return errors.Conflict("appointment_not_begun", "It has not begun yet.")
    return errors.Conflict(
        "appointment_state", "The appointment's state does not allow this.", state=known.state.value
    )


async def tell(
    tx: Tx,
    actor: Actor,
    about: Appointment,
    kind: type[catalogue.AppointmentEvent],
    reason: str | None = None,
) -> None:
    """Append an event about an appointment.

    Args:
        tx: The transaction of the change.
        actor: Who made it.
        about: The appointment after it.
        kind: What happened.
        reason: Code, for what needs one.
    """
    await outbox.append(
        tx,
        actor,
        kind(
            slot_id=about.slot_id,
            care_service_id=about.care_service_id,
            starts_at=about.starts_at,
            seat=about.seat,
            acuity=about.acuity,
            modality=about.modality,
            reason=reason,
            handoff_id=about.handoff_id,
        ),
        aggregate_id=about.id,
        territory_id=about.territory_id,
        case_id=about.case_id,
        organisation_ids=(about.organisation_id,),
    )


async def record(tx: Tx, actor: Actor, action: str, about: Appointment, detail: str = "") -> None:
    """Write the audit row of something done to, or read of, an appointment.

    Args:
        tx: The transaction.
        actor: Who did it.
        action: Key of the permission table.
        about: The appointment.
        detail: Codes only.
    """
    await audit.record(
        tx,
        actor,
        action,
        "appointment",
        about.id,
        case_id=about.case_id,
        territory_id=about.territory_id,
        detail=detail,
    )


def from_row(row: asyncpg.Record) -> Appointment:
    """Read a row of `routing.appointment`; sealed columns are left out.

    Args:
        row: With the columns of `SELECT_APPOINTMENT`.
    """
    fields = {name: value for name, value in row.items() if name not in _SEALED}
    return msgspec.convert(fields, Appointment)


_SEALED: Final = frozenset({"instructions", "key_id"})

BOOK: Final = """
with booked as materialized (select b.slot_id, b.seat from directory.directory_book($1) b),
used as (
    update routing.hold h set state = 'booked' from booked b
    where h.id = $1 and h.state = 'held'
    returning h.id, h.territory_id, h.case_id, h.disposition_id, h.acuity, b.slot_id, b.seat)
insert into routing.appointment (id, claim, territory_id, case_id, disposition_id, organisation_id,
    care_service_id, location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at,
    booked_by, key_id, instructions)
select $2, u.id, u.territory_id, u.case_id, u.disposition_id, s.organisation_id, s.care_service_id,
    s.location_id, u.slot_id, u.seat, s.kind, s.modality, u.acuity,
    case c.ownership when 'mirrored' then 'pending' else 'booked' end, s.starts_at, s.ends_at,
    $3, $4, $5
from used u
join directory.slot s on s.id = u.slot_id
join directory.schedule c on c.id = s.schedule_id
returning id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
"""
SET_HANDOFF: Final = """
update routing.appointment set handoff_id = $2 where id = $1
"""
SELECT_APPOINTMENT: Final = """
select id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
from routing.appointment where id = $1
"""
SELECT_SEALED: Final = """
select id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason, key_id, instructions
from routing.appointment where id = $1
"""
SELECT_OF_CLAIMS: Final = """
select id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
from routing.appointment
where claim = any ($1::uuid[]) and state in ('pending', 'booked')
order by id
"""
CANCEL: Final = """
with gone as (
    update routing.appointment
    set state = 'cancelled', cancel_reason = $2, settled_at = kernel.regul_now()
    where id = $1 and state = any ($3::text[])
    returning id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
        location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
        booked_at, handoff_id, cancel_reason),
undo as (
    update routing.source_booking b
    set state = case when b.attempts = 0 and b.channel = 'api' then 'undone' else 'undoing' end,
        settled_at = case when b.attempts = 0 and b.channel = 'api' then kernel.regul_now() end,
        due_at = kernel.regul_now()
    from gone g where b.appointment_id = g.id and b.state in ('asking', 'confirmed')
    returning b.claim, b.state),
freed as materialized (
    select case when u.state = 'undoing' then false else directory.directory_release(g.claim) end
        as freed
    from gone g left join undo u on u.claim = g.claim)
select g.id, g.claim, g.case_id, g.disposition_id, g.territory_id, g.organisation_id,
    g.care_service_id, g.location_id, g.slot_id, g.seat, g.kind, g.modality, g.acuity, g.state,
    g.starts_at, g.ends_at, g.booked_by, g.booked_at, g.handoff_id, g.cancel_reason
from gone g, freed
"""
