"""Journey C headless: two partners subscribe; each sees its own, and silence escalates."""

from typing import Final
from uuid import UUID

import msgspec

from server import replay_cases, wire
from server.centre import API, Centre, Desk
from server.client import Client, RefusedError
from server.journey_call import CHEST_PAIN, EMERGENCY, TOWN, present
from server.replay_run import Where
from server.subscriber import CloudEvent, Subscriber, following, settle
from server.timeline import Timeline, ensure, until

KINDS: Final = (
    "referral.sent", "referral.updated", "handoff.requested", "handoff.delivered",
    "handoff.accepted", "handoff.overdue", "handoff.escalated",
)  # fmt: skip
SOON_S: Final = 1
"""The faster answer that the escalated referral asks for, seconds."""


class PartnerJourney:
    """Journey C of two partners of one centre."""

    def __init__(self, timeline: Timeline, centre: Centre, where: Where) -> None:
        """Begin.

        Args:
            timeline: Where steps are written.
            centre: Whose people act, the partners' among them.
            where: Address of NATS and the partners' keys.
        """
        self._timeline = timeline
        self._centre = centre
        self._where = where
        self._town = next(one for one in replay_cases.communes() if one.insee == TOWN)

    async def run(self, first: UUID, second: UUID) -> None:
        """Run the journey.

        Args:
            first: Organisation of `partner-a`.
            second: Organisation of `partner-b`.

        Raises:
            UnobservedError: A step was not observed.
        """
        async with self._timeline.step("C.subscribed") as step:
            a, b = await self._subscribe("partner-a"), await self._subscribe("partner-b")
            step.saw = f"partner-a {a.id}, partner-b {b.id}"
        async with following(a), following(b):
            desk = self._centre.desk()
            handoff = await self._receives(desk, a, first)
            await self._acknowledges(handoff)
            await self._sees_nothing(handoff, b, second)

    async def _subscribe(self, login: str) -> Subscriber:
        client = self._centre.client(login)
        body = {"kinds": KINDS, "delivery": "nats"}
        made = await client.post(f"{API}/subscriptions", body, wire.Made)
        return Subscriber(client, self._where.nats_url, self._where.keys[login], made.id)

    async def _receives(self, desk: Desk, partner: Subscriber, organisation: UUID) -> UUID:
        """Send the partner a referral; it arrives over NATS and its detail over HTTP."""
        timeline = self._timeline
        async with timeline.step("C.referral.sent") as step:
            sent = await self._refer(desk, organisation)
            step.saw = f"referral {sent.id}"
        async with timeline.step("C.events.received_over_nats") as step:
            event = await _over_nats(partner, "handoff.requested")
            numbers = sorted(partner.received)
            ensure(numbers == list(range(1, len(numbers) + 1)), f"numbers are {numbers}")
            ensure(event.correlationid == desk.journey, "the event belongs to another journey")
            step.saw = f"numbers {numbers[0]}-{numbers[-1]}, subject {event.subject[:12]}"
        async with timeline.step("C.detail.fetched") as step:
            client = self._centre.client("partner-a")
            handoff = UUID(event.data["handoff_id"])
            detail = await client.get(f"{API}/handoffs/{handoff}", wire.Handoff)
            referral = await client.get(f"{API}/referrals/{detail.subject_id}", wire.Referral)
            ensure(referral.id == sent.id, "another referral was found")
            step.saw = f"handoff {detail.state}, referral {referral.state}"
        return handoff

    async def _acknowledges(self, handoff: UUID) -> None:
        async with self._timeline.step("C.handoff.acknowledged") as step:
            client = self._centre.client("partner-a")
            path = f"{API}/handoffs/{handoff}/acknowledgements"
            answer = await client.post(path, {"person": "dr-fictif-1"}, wire.Handoff)
            ensure(answer.state == "accepted", f"the handoff is {answer.state}")
            step.saw = f"{answer.state}, owner {answer.owner}"

    async def _sees_nothing(self, handoff: UUID, other: Subscriber, organisation: UUID) -> None:
        """Look from the second partner: nothing of the first's; its own comes as number 1."""
        client, timeline = self._centre.client("partner-b"), self._timeline
        async with timeline.step("C.other_partner.may_not_read") as step:
            step.saw = await _refusal(client, f"{API}/handoffs/{handoff}")
            ensure(step.saw.startswith("404"), f"the other partner got {step.saw}")
        desk = self._centre.desk()
        async with timeline.step("C.other_partner.own_event_is_number_1") as step:
            sent = await self._refer(desk, organisation, answer_within_s=SOON_S)
            event = await _over_nats(other, "handoff.requested")
            first = other.received[1]
            journeys = {one.correlationid for one in other.received.values()}
            ensure(journeys <= {desk.journey, ""}, "events of another journey arrived")
            step.saw = f"number 1 is {first.type}, of its own referral {sent.id}"
        await self._escalates(other, UUID(event.data["handoff_id"]))

    async def _escalates(self, other: Subscriber, handoff: UUID) -> None:
        async with self._timeline.step("C.silence.escalated") as step:
            path = f"{API}/handoffs/{handoff}"
            supervisor = self._centre.client("supervisor")

            async def look() -> wire.Handoff | None:
                found = await supervisor.get(path, wire.Handoff)
                return found if found.state == "escalated" else None

            found = await until(look, "the escalation of an unanswered handoff")
            ensure(found.owner == "sender", f"its owner is {found.owner}: a role is nobody")
            step.saw = f"{found.state} to {found.escalated_to_role}, owner {found.owner}"
        async with self._timeline.step("C.silence.taken") as step:
            physician = self._centre.client("physician")
            taken = await physician.post(f"{path}/takings", {}, wire.Handoff)
            ensure((taken.state, taken.owner) == ("taken", "duty"), f"it is {taken.state}")
            step.saw = f"{taken.state} by a physician, owner {taken.owner}"
        async with self._timeline.step("C.silence.told") as step:
            event = await _over_nats(other, "handoff.escalated")
            step.saw = f"number {event.number}: {event.type}"

    async def _refer(
        self, desk: Desk, organisation: UUID, answer_within_s: int | None = None
    ) -> wire.Referral:
        """Send a referral to the emergency department of an organisation."""
        path = f"{API}/care-services?organisation={organisation}&service_code=emergency_department"
        offered = await self._centre.client("operator").get(path, wire.CareServices)
        wanted = [one for one in offered.care_services if one.service == "emergency_department"]
        ensure(wanted, "the partner has no emergency department")
        case = await present(desk, CHEST_PAIN, self._town)
        disposition = await desk.decide(case, EMERGENCY)
        return await desk.refer(disposition, wanted[0].id, answer_within_s)


async def _over_nats(partner: Subscriber, kind: str) -> CloudEvent:
    """Wait for an event of a kind over NATS; gaps behind it are filled over HTTP."""

    async def look() -> CloudEvent | None:
        found = [one for one in partner.received.values() if one.type.endswith(kind)]
        return found[0] if found else None

    event = await until(look, f"{kind} over NATS")
    await settle(partner)
    ensure(not partner.inbox.missing(), f"numbers are missing: {partner.inbox.missing()}")
    return event


async def _refusal(client: Client, path: str) -> str:
    try:
        await client.get(path, msgspec.Raw)
    except RefusedError as refused:
        return f"{refused.status} {refused.code}"
    return "200"
