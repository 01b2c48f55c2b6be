"""What routing does when a handoff moves: one receiver has the patient, the others are told so.

A refused or called-off receiver takes part no longer; a refusal goes back to who had sent the
patient, at once and with its reason.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from events import catalogue, handoffs
from events.model import UNANSWERED, StoredEvent
from kernel import actor as actors
from kernel.actor import Actor
from kernel.database import Tx
from routing import appointments, progress, referrals, waiting
from routing.model import ReferralVerb
from triage import cases, participants

SUPERSEDED: Final = "superseded"
"""Reason of a request that another receiver's acceptance ended."""
CONSTRAINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no_capacity": "refused_no_capacity",
        "out_of_scope": "refused_out_of_scope",
        "closed": "refused_closed",
    }
)
"""Reason of a refusal -> why the need waits; other codes are `handoff_refused`."""


async def requested(tx: Tx, stored: StoredEvent) -> None:
    """End other requests where publishing the slot was the acceptance: the patient has a place."""
    if isinstance(stored.event, catalogue.HandoffRequested) and stored.event.owner == "receiver":
        await supersede(tx, actors.system(stored.territory_id), stored.event.subject_id)


async def supersede(tx: Tx, system: Actor, subject_id: UUID) -> None:
    """Call off what is still asked of others for the same disposition.

    Args:
        tx: A transaction of the system.
        system: The system, in the case's territory.
        subject_id: Appointment or referral whose receiver has the patient.
    """
    for row in await tx.fetch(SELECT_OTHERS, subject_id):
        handed = await handoffs.of_subject(tx, row["id"])
        if handed is None or handed.state not in UNANSWERED or handed.owner == "receiver":
            continue
        if row["booked"]:
            await appointments.call_off(tx, system, row["id"], SUPERSEDED)
            continue
        await referrals.change(tx, system, row["id"], ReferralVerb.CANCEL)
        await handoffs.cancel(tx, system, handed.id, SUPERSEDED)


async def stepped(tx: Tx, stored: StoredEvent) -> None:
    """Make the one on duty responsible, unless another receiver has taken the patient."""
    if not isinstance(stored.event, catalogue.HandoffEvent) or stored.case_id is None:
        return
    handed = await handoffs.of_subject(tx, stored.event.subject_id)
    if handed is None or handed.owner != "duty" or handed.escalated_to_actor_id is None:
        return
    if await waiting.another_has_patient(tx, stored.event.subject_id):
        return
    system = actors.system(stored.territory_id)
    await cases.hand_to(tx, system, stored.case_id, actor_id=handed.escalated_to_actor_id)


async def arrived(tx: Tx, stored: StoredEvent) -> None:
    """Move the case of a patient who is there."""
    if isinstance(stored.event, catalogue.HandoffArrived) and stored.case_id is not None:
        system = actors.system(stored.territory_id)
        await progress.advance(tx, system, stored.case_id, "arrived")


async def left(tx: Tx, stored: StoredEvent) -> None:
    """End the part of a receiver who refused or was called off, when nothing else of it runs."""
    if stored.case_id is None:
        return
    organisation_id = (await handoffs.visible(tx, stored.aggregate_id)).to_organisation_id
    if not await participants.lock(tx, stored.case_id, organisation_id):
        return
    if not await handoffs.takes_part(tx, stored.case_id, organisation_id):
        await participants.leave(tx, stored.case_id, organisation_id)


async def died(tx: Tx, stored: StoredEvent) -> None:
    """Call off what is still to come, once a physician has confirmed the death.

    A receiver who has accepted a referral has the patient, and ends it.
    """
    if not isinstance(stored.event, catalogue.DeathConfirmed) or stored.case_id is None:
        return
    system = actors.system(stored.territory_id)
    for handed in await handoffs.running(tx, stored.case_id):
        if handed.subject_kind == "appointment" and handed.state != "arrived":
            await appointments.call_off(tx, system, handed.subject_id, "deceased")
            continue
        if handed.state not in UNANSWERED:
            continue
        await referrals.change(tx, system, handed.subject_id, ReferralVerb.CANCEL)
        await handoffs.cancel(tx, system, handed.id, "deceased")


def constraint(reason: str | None) -> str:
    """Give why a need waits whose receiver refused.

    Args:
        reason: Code of the refusal.
    """
    return CONSTRAINTS.get(reason or "", "handoff_refused")


SELECT_OTHERS: Final = """
with about as (
    select disposition_id from routing.referral where id = $1
    union all
    select disposition_id from routing.appointment where id = $1)
select r.id, false as booked from routing.referral r join about using (disposition_id)
where r.id <> $1 and r.state = 'sent'
union all
select a.id, true from routing.appointment a join about using (disposition_id)
where a.id <> $1 and a.state in ('pending', 'booked')
order by 1
"""
