"""From a decision to its end: a place, a referral, advice or a waiting entry; never nothing."""

from typing import Final
from uuid import UUID

import msgspec

from server import wire
from server.centre import Desk
from server.replay_policy import Decision, Outcome

ROUNDS: Final = 3
"""How often new offers are asked for when others took every place of the last ones."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """How a case ended.

    Attributes:
        outcome: What became of it.
        disposition: The decision that it ended with.
        appointment: For outcome `appointment`.
        referral: For outcome `referral`.
        waiting: For outcome `waiting`.
    """

    outcome: Outcome
    disposition: UUID
    appointment: wire.Appointment | None = None
    referral: wire.Referral | None = None
    waiting: wire.WaitingEntry | None = None


async def settle(desk: Desk, case: UUID, decision: Decision, seed: int) -> Placed:
    """Decide a case and bring it to its end.

    Args:
        desk: Whose people act.
        case: Which.
        decision: What the physician decides.
        seed: Breaks equals among offers.
    """
    disposition = await desk.decide(case, decision)
    if decision.engagement == "advice":
        await desk.close(case, "advice_given")
        return Placed(outcome="advice", disposition=disposition)
    if decision.engagement == "referral":
        return await refer(desk, disposition, seed)
    booked = await book(desk, disposition, seed)
    if booked is not None:
        return Placed(outcome="appointment", disposition=disposition, appointment=booked)
    if decision.fallback_service is not None:
        otherwise = msgspec.structs.replace(
            decision,
            service=decision.fallback_service,
            engagement="referral",
            reason=decision.reason or "no_place_in_time",
        )
        return await refer(desk, await desk.decide(case, otherwise), seed)
    return await wait(desk, disposition)


async def book(desk: Desk, disposition: UUID, seed: int) -> wire.Appointment | None:
    """Book the best place that is still free, or give None when nothing fits.

    Args:
        desk: Whose people act.
        disposition: For what.
        seed: Breaks equals.
    """
    for turn in range(ROUNDS):
        offer = await desk.offers(disposition, seed + turn)
        if not any(place.slot_id for place in offer.places):
            return None
        hold = await hold_first(desk, disposition, offer)
        booked = None if hold is None else await desk.book(hold.id)
        if booked is not None:
            return booked
    return None


async def refer(desk: Desk, disposition: UUID, seed: int) -> Placed:
    """Send the best referral; when nobody can be asked, the need waits with an owner.

    Args:
        desk: Whose people act.
        disposition: For what.
        seed: Breaks equals.
    """
    offer = await desk.offers(disposition, seed)
    if not offer.places:
        return await wait(desk, disposition)
    sent = await desk.refer(disposition, offer.places[0].care_service_id)
    return Placed(outcome="referral", disposition=disposition, referral=sent)


async def wait(desk: Desk, disposition: UUID) -> Placed:
    """Put the need on the waiting list.

    Args:
        desk: Whose people act.
        disposition: What waits.
    """
    entry = await desk.wait_for_place(disposition)
    return Placed(outcome="waiting", disposition=disposition, waiting=entry)


async def hold_first(desk: Desk, disposition: UUID, offer: wire.Offer) -> wire.Hold | None:
    """Hold the best place of an offer that is still free; a refusal may name a better next one.

    Args:
        desk: Whose people act.
        disposition: For what.
        offer: Ranked places.
    """
    wanted = [place.slot_id for place in offer.places if place.slot_id is not None]
    tried: set[UUID] = set()
    while wanted:
        slot = wanted.pop(0)
        if slot in tried:
            continue
        tried.add(slot)
        answer = await desk.hold(slot, disposition, offer.id)
        if isinstance(answer, wire.Hold):
            return answer
        if answer.next_best is not None and answer.next_best.slot_id is not None:
            wanted.insert(0, answer.next_best.slot_id)
    return None
