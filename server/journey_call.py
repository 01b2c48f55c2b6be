"""Journey A headless: a call becomes a place, and each of its other ends."""

from typing import Final
from uuid import UUID

import msgspec

from server import placement, replay_cases, wire
from server.centre import API, Centre, Desk
from server.client import RefusedError
from server.replay_cases import Commune, RecordedCase
from server.replay_policy import TABLE, Decision
from server.subscriber import Subscriber, settle
from server.timeline import Timeline, ensure, until
from server.world_script import Person

CALLER: Final = Person(family="Exemple (fictif)", given="Camille", phone="+33639980000")
CHEST_PAIN: Final = RecordedCase(
    id="chest", complaint_text="douleur thoracique", age_y=58, sex="M", avpu="A", pain_nrs=6
)
SORE_THROAT: Final = RecordedCase(
    id="throat", complaint_text="mal de gorge", age_y=27, sex="F", avpu="A", temp_c=37.4,
    pain_nrs=3,
)  # fmt: skip
FEVER: Final = RecordedCase(
    id="fever", complaint_text="fièvre et toux", age_y=34, sex="F", avpu="A", temp_c=38.4,
    hr=88, rr=16, spo2=98, sbp=125, pain_present=False,
)  # fmt: skip
JUDGED: Final = "clinical_judgement"
"""Reason written where the scripted physician does not follow the proposed level."""
PLACE: Final = msgspec.structs.replace(TABLE["U4"], reason=JUDGED)
ADVICE: Final = msgspec.structs.replace(TABLE["U5"], reason=JUDGED)
EMERGENCY: Final = msgspec.structs.replace(TABLE["U1"], reason=JUDGED)
NOWHERE: Final = ("coronary_intervention", "delivery", "plaster")
"""Skills that no general practice has together: nothing can fit."""
TOWN: Final = "80021"


class CallJourney:
    """Journey A at one centre, watched by one subscriber."""

    def __init__(self, timeline: Timeline, centre: Centre, watcher: Subscriber, seed: int) -> None:
        """Begin.

        Args:
            timeline: Where steps are written.
            centre: Whose people act.
            watcher: Receives every event of the territory.
            seed: Breaks equals among offers.
        """
        self._timeline = timeline
        self._centre = centre
        self._watcher = watcher
        self._seed = seed
        self._town = next(one for one in replay_cases.communes() if one.insee == TOWN)

    async def run(self) -> None:
        """Run the journey and its other ends, one after the other.

        Raises:
            UnobservedError: A step was not observed.
        """
        await self._to_a_place()
        await self._information()
        await self._advice()
        await self._referral("A.emergency", EMERGENCY)
        await self._referral("A.smur", TABLE["U0"])
        await self._no_place()
        await self._callback()

    async def _to_a_place(self) -> None:
        """Take a call from the first ring to an appointment and its handoff."""
        desk, timeline = self._centre.desk(), self._timeline
        async with timeline.step("A.call.received") as step:
            call = await desk.call(CALLER)
            step.saw = f"call {call}"
        async with timeline.step("A.case.opened") as step:
            case = await desk.open_case(call, SORE_THROAT, self._town, CALLER)
            step.saw = f"case {case}"
        async with timeline.step("A.triage.interval") as step:
            step.saw = await self._assessed(desk, case)
        async with timeline.step("A.queue.physician") as step:
            step.saw = await self._queued(desk, case)
        async with timeline.step("A.case.taken"):
            await desk.end_call(call, "case", case)
            await desk.take(case)
        async with timeline.step("A.disposition.decided") as step:
            disposition = await desk.decide(case, PLACE)
            step.saw = f"{PLACE.kind} {PLACE.acuity} {PLACE.service}"
        async with timeline.step("A.offers.ranked") as step:
            offer = await desk.offers(disposition, self._seed)
            reasons = [len(place.reasons) for place in offer.places]
            ensure(offer.places and all(reasons), "no place with its reasons")
            step.saw = f"{len(offer.places)} of {offer.considered}, each with its reasons"
        await self._hold_and_book(desk, case, disposition, offer)

    async def _assessed(self, desk: Desk, case: UUID) -> str:
        await desk.record(case, SORE_THROAT)
        path = f"{API}/cases/{case}/assessment"
        found = (await self._centre.client("operator").get(path, wire.Assessment)).result
        ensure(found.worst is not None, "the worst level is not known")
        ensure(found.next_question is not None, "there is no next question")
        asked = "" if found.next_question is None else found.next_question.input
        return f"assured {found.assured}, worst {found.worst}, next question {asked}"

    async def _queued(self, desk: Desk, case: UUID) -> str:
        file = await desk.read(case)
        await desk.qualify(file)
        for stream in ("AMU", "SNP"):
            path = f"{API}/queues/{stream}"
            queue = await self._centre.client("physician").get(path, wire.Queue)
            for one in queue.cases:
                if one.case.id == case:
                    return f"{file.proposed_priority} {stream}, rank {one.rank}"
        ensure(condition=False, what="the case is in no queue")
        return ""

    async def _hold_and_book(
        self, desk: Desk, case: UUID, disposition: UUID, offer: wire.Offer
    ) -> None:
        timeline = self._timeline
        async with timeline.step("A.hold.placed") as step:
            hold = await placement.hold_first(desk, disposition, offer)
            ensure(hold is not None, "no place could be held")
            step.saw = "" if hold is None else f"hold until {hold.until:%H:%M:%S}"
        async with timeline.step("A.appointment.booked") as step:
            booked = None if hold is None else await desk.book(hold.id)
            ensure(booked is not None and booked.handoff_id, "no appointment with a handoff")
            step.saw = "" if booked is None else f"appointment {booked.id}, {booked.state}"
        async with timeline.step("A.handoff.received") as step:
            handoff = None if booked is None else booked.handoff_id
            path = f"{API}/handoffs/{handoff}"
            seen = await self._centre.client("receiver").get(path, wire.Handoff)
            await self._answered(seen)
            step.saw = f"{seen.state}, answer needed: {seen.acknowledgement_required}"
        async with timeline.step("A.one_responsible") as step:
            step.saw = await self._organisation_responsible(case)
        await self._announced(
            "A.events", desk, {"case.opened", "disposition.decided", "handoff.requested"}
        )

    async def _answered(self, handoff: wire.Handoff) -> None:
        """Accept as the receiving human, where an answer is needed."""
        if handoff.acknowledgement_required and handoff.state != "accepted":
            path = f"{API}/handoffs/{handoff.id}/acknowledgements"
            await self._centre.client("receiver").post(path, {})

    async def _organisation_responsible(self, case: UUID) -> str:
        path = f"{API}/cases/{case}"
        operator = self._centre.client("operator")

        async def look() -> wire.Case | None:
            found = (await operator.get(path, wire.CaseFile)).case
            return found if found.responsible_organisation_id is not None else None

        found = await until(look, "the receiver's responsibility")
        ensure(len(found.responsible) == 1, "not exactly one is responsible")
        return f"organisation {found.responsible_organisation_id}, case {found.state}"

    async def _information(self) -> None:
        """Answer a question: the call ends without a case."""
        desk = self._centre.desk()
        async with self._timeline.step("A.information.ended") as step:
            call = await desk.call(CALLER)
            await desk.end_call(call, "information")
            step.saw = f"call {call} without a case"
        await self._announced("A.information.events", desk, {"call.received", "call.ended"})

    async def _advice(self) -> None:
        """Give advice: refused without its safety net, then said and closed."""
        desk, timeline = self._centre.desk(), self._timeline
        async with timeline.step("A.advice.refused_without_safety_net") as step:
            case = await self.presented(desk, FEVER)
            body = {"kind": ADVICE.kind, "acuity": ADVICE.acuity, "reason": ADVICE.reason}
            refused = await self._refused(f"{API}/cases/{case}/dispositions", body)
            ensure(refused == "safety_net_missing", f"advice alone was answered {refused}")
            step.saw = refused
        async with timeline.step("A.advice.given_and_closed") as step:
            placed = await placement.settle(desk, case, ADVICE, self._seed)
            file = await desk.read(case)
            ensure(file.case.state == "closed", f"the case is {file.case.state}")
            step.saw = f"{placed.outcome}, case {file.case.state}"
        await self._announced("A.advice.events", desk, {"disposition.decided", "case.closed"})

    async def _refused(self, path: str, body: object) -> str:
        try:
            await self._centre.client("physician").post(path, body)
        except RefusedError as refused:
            return refused.code
        return "accepted"

    async def _referral(self, name: str, decision: Decision) -> None:
        """Send a referral, see the receiver acknowledge it and take over."""
        desk, timeline = self._centre.desk(), self._timeline
        async with timeline.step(f"{name}.sent") as step:
            case = await self.presented(desk, CHEST_PAIN)
            placed = await placement.settle(desk, case, decision, self._seed)
            sent = placed.referral
            ensure(sent is not None and sent.handoff_id, f"the outcome is {placed.outcome}")
            step.saw = "" if sent is None else f"{decision.service}, answer by {sent.due_at:%H:%M}"
        async with timeline.step(f"{name}.acknowledged") as step:
            handoff = None if sent is None else sent.handoff_id
            path = f"{API}/handoffs/{handoff}/acknowledgements"
            answer = await self._centre.client("receiver").post(path, {}, wire.Handoff)
            ensure(answer.state == "accepted", f"the handoff is {answer.state}")
            step.saw = f"handoff {answer.state}, owner {answer.owner}"
        async with timeline.step(f"{name}.one_responsible") as step:
            step.saw = await self._organisation_responsible(case)
        await self._announced(f"{name}.events", desk, {"referral.sent", "handoff.accepted"})

    async def _no_place(self) -> None:
        """Find nothing: the need waits with an owner, a deadline and what stands in the way."""
        desk, timeline = self._centre.desk(), self._timeline
        async with timeline.step("A.no_place.explained") as step:
            case = await self.presented(desk, FEVER)
            disposition = await desk.decide(case, PLACE, skills=NOWHERE)
            offer = await desk.offers(disposition, self._seed)
            ensure(not offer.places and offer.refused_total, "a place was offered")
            ensure(offer.binding_constraint is not None, "nothing says what stands in the way")
            binding = offer.binding_constraint
            step.saw = f"0 of {offer.considered}: {'' if binding is None else binding.code}"
        async with timeline.step("A.no_place.waiting") as step:
            entry = await desk.wait_for_place(disposition)
            path = f"{API}/waiting-entries"
            listed = await self._centre.client("physician").get(path, wire.WaitingEntries)
            ensure(entry.id in {one.id for one in listed.items}, "the entry is not on the list")
            file = await desk.read(case)
            ensure(file.case.responsible == (entry.owner_id,), "its owner is not responsible")
            step.saw = f"owner {entry.owner_id}, deadline {entry.deadline:%d %H:%M}"
        await self._announced("A.no_place.events", desk, {"waiting.entered"})

    async def _callback(self) -> None:
        """Lose a caller: a call back is owed by a named person and settled by reaching them."""
        desk, timeline = self._centre.desk(), self._timeline
        operator = self._centre.client("operator")
        async with timeline.step("A.callback.owed") as step:
            call = await desk.call(CALLER)
            await desk.end_call(call, "no_answer")
            listed = await operator.get(f"{API}/callbacks?limit=200", wire.Callbacks)
            owed = [one for one in listed.callbacks if one.call_id == call]
            ensure(owed, "no call back is owed")
            step.saw = f"{owed[0].reason}, owner {owed[0].owner_id}"
        async with timeline.step("A.callback.settled") as step:
            path = f"{API}/callbacks/{owed[0].id}/attempts"
            tried = await operator.post(path, {"outcome": "reached"}, wire.Callback)
            ensure(tried.state == "done", f"the call back is {tried.state}")
            step.saw = tried.state
        await self._announced("A.callback.events", desk, {"callback.due"})

    async def presented(self, desk: Desk, recorded: RecordedCase) -> UUID:
        """Take a call up to the physician.

        Args:
            desk: The journey.
            recorded: What the caller says.
        """
        return await present(desk, recorded, self._town)

    async def _announced(self, name: str, desk: Desk, kinds: set[str]) -> None:
        """Wait until the subscriber received these kinds of this journey."""
        async with self._timeline.step(name) as step:

            async def look() -> frozenset[str] | None:
                await settle(self._watcher)
                found = self._watcher.inbox.kinds_by_journey().get(desk.journey, frozenset())
                return found if kinds <= found else None

            found = await until(look, f"one of {', '.join(sorted(kinds))}")
            step.saw = ", ".join(sorted(found))


async def present(desk: Desk, recorded: RecordedCase, place: Commune) -> UUID:
    """Take a call, open, assess and qualify its case, and let the physician take it.

    Args:
        desk: The journey.
        recorded: What the caller says.
        place: Where the patient is.

    Returns:
        The case.
    """
    call = await desk.call(CALLER)
    case = await desk.open_case(call, recorded, place, CALLER)
    await desk.record(case, recorded)
    await desk.qualify(await desk.read(case))
    await desk.end_call(call, "case", case)
    await desk.take(case)
    return case
