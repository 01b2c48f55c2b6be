"""What routing does when something happened elsewhere; each effect commits once with its event.

A refused or withdrawn place is never a dead end: the need goes on the waiting list, owned by the
one who had placed it, with a deadline; a patient who did not come is called back. Consumed:
`handoff.requested|accepted|refused|overdue|escalated|taken|arrived|cancelled`,
`appointment.cancelled`, `appointment.fulfilled`, `appointment.missed`, `slot.displaced`,
`case.closed`, `death.confirmed`. What a receiver did is learned from (`directory.standings`); that
a patient did not come (`appointment.missed`) is not.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from directory import standings
from directory.trust import Outcome
from events import catalogue, handoffs
from events.model import StoredEvent
from kernel import actor as actors
from kernel.database import Tx
from routing import appointments, holds, outcomes, progress, referrals, relays, waiting
from routing.model import Appointment, Referral, ReferralVerb
from triage import callbacks, cases

Reaction: TypeAlias = Callable[[Tx, StoredEvent], Awaitable[None]]


async def _accepted(tx: Tx, stored: StoredEvent) -> None:
    """Make the receiver responsible; a mirrored diary's appointment is confirmed by it."""
    if not isinstance(stored.event, catalogue.HandoffAccepted):
        return
    system = actors.system(stored.territory_id)
    subject: Appointment | Referral | None
    if stored.event.subject_kind == "appointment":
        await outcomes.confirm(tx, system, stored.event.subject_id)
        subject = await appointments.find(tx, stored.event.subject_id)
    else:
        changed = await referrals.change(tx, system, stored.event.subject_id, ReferralVerb.ACCEPT)
        subject = changed or await referrals.find(tx, stored.event.subject_id)
    handed = await handoffs.of_subject(tx, stored.event.subject_id)
    if subject is None or handed is None or handed.id != stored.aggregate_id:
        return
    await standings.learn(tx, subject.organisation_id, subject.id, Outcome.ACCEPTED)
    if handed.owner == "receiver":
        await cases.hand_to(tx, system, subject.case_id, organisation_id=subject.organisation_id)
        await relays.supersede(tx, system, subject.id)


async def _refused(tx: Tx, stored: StoredEvent) -> None:
    """Give the seat back and the patient to who had sent him, with a waiting entry and why."""
    if not isinstance(stored.event, catalogue.HandoffRefused):
        return
    system = actors.system(stored.territory_id)
    await _learn(tx, stored.event, Outcome.REFUSED)
    why = relays.constraint(stored.event.reason)
    if stored.event.subject_kind == "appointment":
        gone = await appointments.call_off(tx, system, stored.event.subject_id, "handoff_refused")
        if gone is not None:
            await _owe(tx, gone, why)
        await relays.left(tx, stored)
        return
    refused = await referrals.change(tx, system, stored.event.subject_id, ReferralVerb.REFUSE)
    if refused is not None:
        await waiting.owe_place(
            tx,
            system,
            refused.disposition_id,
            owner_id=refused.sent_by,
            constraint=why,
        )
    await relays.left(tx, stored)


async def _overdue(tx: Tx, stored: StoredEvent) -> None:
    """Learn from silence, where a human was to answer."""
    if isinstance(stored.event, catalogue.HandoffOverdue):
        await _learn(tx, stored.event, Outcome.UNANSWERED)


async def _learn(tx: Tx, event: catalogue.HandoffEvent, outcome: Outcome) -> None:
    """Learn how a receiver answered; silence counts only where an answer was owed."""
    if outcome is Outcome.UNANSWERED and not event.acknowledgement_required:
        return
    find = appointments.find if event.subject_kind == "appointment" else referrals.find
    subject: Appointment | Referral | None = await find(tx, event.subject_id)
    if subject is not None:
        await standings.learn(tx, subject.organisation_id, subject.id, outcome)


async def _cancelled(tx: Tx, stored: StoredEvent) -> None:
    """Owe another place to a patient whose receiver called the appointment off."""
    if not isinstance(stored.event, catalogue.AppointmentCancelled):
        return
    if stored.event.reason == appointments.RECEIVER_CANCELLED:
        gone = await appointments.find(tx, stored.aggregate_id)
        if gone is not None:
            await standings.learn(tx, gone.organisation_id, gone.id, Outcome.REFUSED)
            await _owe(tx, gone, appointments.RECEIVER_CANCELLED)


async def _fulfilled(tx: Tx, stored: StoredEvent) -> None:
    """Learn that a publisher kept its word."""
    kept = await appointments.find(tx, stored.aggregate_id)
    if kept is not None:
        await standings.learn(tx, kept.organisation_id, kept.id, Outcome.ACCEPTED)


async def _missed(tx: Tx, stored: StoredEvent) -> None:
    """Give a patient who did not come back to who had booked, to be called again."""
    missed = await appointments.find(tx, stored.aggregate_id)
    if missed is None:
        return
    system = actors.system()
    await cases.hand_to(tx, system, missed.case_id, actor_id=missed.booked_by)
    await progress.advance(tx, system, missed.case_id, "decided")
    owed = callbacks.ScheduleCallback(reason="missed_appointment", case_id=missed.case_id)
    await callbacks.schedule(tx, system, owed)


async def _displaced(tx: Tx, stored: StoredEvent) -> None:
    """Call off what was booked on a withdrawn slot, and tell those who only hold a place of it."""
    if not isinstance(stored.event, catalogue.SlotDisplaced):
        return
    teller = actors.system(stored.territory_id)
    await holds.tell_displaced(tx, teller, stored.event.claims, stored.event.reason)
    for booked in await appointments.of_claims(tx, stored.event.claims):
        system = actors.system(booked.territory_id)
        gone = await appointments.call_off(tx, system, booked.id, "slot_displaced")
        if gone is not None:
            await standings.learn(tx, gone.organisation_id, gone.id, Outcome.DISPLACED)
            await _owe(tx, gone, "slot_displaced")


async def _closed(tx: Tx, stored: StoredEvent) -> None:
    """Take a closed case off the waiting list."""
    if stored.case_id is not None:
        await waiting.close_of_case(tx, stored.case_id)


async def _owe(tx: Tx, lost: Appointment, constraint: str) -> None:
    system = actors.system(lost.territory_id)
    await waiting.owe_place(
        tx, system, lost.disposition_id, owner_id=lost.booked_by, constraint=constraint
    )


REACTIONS: Final[Mapping[str, Reaction]] = MappingProxyType(
    {
        "handoff.requested": relays.requested,
        "handoff.accepted": _accepted,
        "handoff.refused": _refused,
        "handoff.overdue": _overdue,
        "handoff.escalated": relays.stepped,
        "handoff.taken": relays.stepped,
        "handoff.arrived": relays.arrived,
        "handoff.cancelled": relays.left,
        "appointment.cancelled": _cancelled,
        "appointment.fulfilled": _fulfilled,
        "appointment.missed": _missed,
        "slot.displaced": _displaced,
        "case.closed": _closed,
        "death.confirmed": relays.died,
    }
)
"""Event kind -> what is done."""
