"""What the people of a centre do for one patient, one API call each; used by all scripted runs.

A `Centre` holds one client per demo account; a `Desk` is one journey at it, with a correlation id
of its own. Only the public API is used, and every step's time is kept.
"""

import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID, uuid4

import msgspec

from server import wire
from server.client import Client, RefusedError
from server.replay_cases import Commune, RecordedCase, findings
from server.replay_ledger import Steps
from server.replay_policy import Decision
from server.world_script import Person

T = TypeVar("T")

API: Final = "/api/v1"
STAFF: Final = ("operator", "physician")
URGENT: Final = frozenset({"U0", "U1"})
TAKEN: Final = frozenset({"slot_taken", "slot_withdrawn", "slot_not_offered"})
"""Codes of a refusal after which another place is tried."""
LAPSED: Final = frozenset({"hold_expired", "hold_released", "slot_withdrawn", "slot_taken"})
"""Codes of a booking that came too late for its place."""


class SafetyNet(msgspec.Struct, frozen=True, kw_only=True):
    """What the scripted physician says before leaving a patient."""

    worsening_signs: str = "Aggravation, gêne respiratoire, malaise, douleur nouvelle"
    call_back: str = "Rappeler le 15 sans attendre en cas d'aggravation, sinon sous 24 h"
    read_back: bool = True


class Centre:
    """Clients of the people of one centre.

    Attributes:
        steps: Times of every step.
    """

    def __init__(self, base_url: str, keys: Mapping[str, str], steps: Steps | None = None) -> None:
        """Set up; connects at the first step.

        Args:
            base_url: Of the service.
            keys: API key by login; `operator` and `physician` are needed.
            steps: Where times go; a new book when None.
        """
        self.steps = steps or Steps()
        self._clients = {login: Client(base_url, key) for login, key in keys.items()}

    def client(self, login: str) -> Client:
        """Give the client of an account.

        Args:
            login: Such as `operator`.
        """
        return self._clients[login]

    def desk(self, journey: str = "") -> "Desk":
        """Begin a journey.

        Args:
            journey: Its correlation id; a fresh one when empty.
        """
        return Desk(self, journey or uuid4().hex)

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.close()


class Desk:
    """One journey of one patient through a centre.

    Attributes:
        journey: Correlation id of all its requests.
    """

    def __init__(self, centre: Centre, journey: str) -> None:
        """Begin.

        Args:
            centre: Whose people act.
            journey: Correlation id.
        """
        self.journey = journey
        self._steps = centre.steps
        self._operator = centre.client("operator").journey(journey)
        self._physician = centre.client("physician").journey(journey)

    async def call(self, person: Person, channel: str = "phone") -> UUID:
        """Answer a call.

        Args:
            person: Who calls; fictitious.
            channel: Of the contact.
        """
        name = f"{person.given} {person.family}"
        caller = {"relation": "self", "name": name, "phone": person.phone}
        body = {"channel": channel, "caller": caller}
        made = self._operator.post(f"{API}/calls", body, wire.Made)
        return (await self._timed("call", made)).id

    async def open_case(
        self, call: UUID, recorded: RecordedCase, place: Commune, person: Person
    ) -> UUID:
        """Open the case of a call: place, complaint in the caller's words, age, sex.

        Args:
            call: The call.
            recorded: What is known; what is null is left out.
            place: Where the patient is.
            person: Who the patient is.
        """
        sex = "other" if recorded.sex == "O" else recorded.sex
        known = {
            "complaint_text": recorded.complaint_text,
            "age_years": recorded.age_y,
            "sex": sex,
        }
        body = {
            "call_id": str(call),
            "place": {"lon": place.lon, "lat": place.lat, "insee": place.insee},
            "patient": {"family_name": person.family, "given_name": person.given},
            **{name: value for name, value in known.items() if value is not None},
        }
        made = self._operator.post(f"{API}/cases", body, wire.Made)
        return (await self._timed("case", made)).id

    async def record(self, case: UUID, recorded: RecordedCase) -> None:
        """Enter what was recorded; nothing is asked, what is null stays open.

        Args:
            case: Which.
            recorded: Its findings.
        """
        body = {"findings": findings(recorded), "observer": "professional"}
        put = self._operator.accepted("PUT", f"{API}/cases/{case}/findings", body)
        await self._timed("findings", put)

    async def read(self, case: UUID) -> wire.CaseFile:
        """Read the case as the operator sees it.

        Args:
            case: Which.
        """
        got = self._operator.get(f"{API}/cases/{case}", wire.CaseFile)
        return await self._timed("read", got)

    async def qualify(self, file: wire.CaseFile) -> None:
        """Set the proposed priority and the stream; the case enters the physician's queue.

        Args:
            file: As read.
        """
        stream = "AMU" if file.case.acuity_proposed in URGENT else "SNP"
        body = {"priority": file.proposed_priority, "stream": stream}
        done = self._operator.accepted("POST", f"{API}/cases/{file.id}/qualification", body)
        await self._timed("qualify", done)

    async def end_call(self, call: UUID, outcome: str, case: UUID | None = None) -> None:
        """End a call.

        Args:
            call: Which.
            outcome: What it ended as.
            case: Its case, for `case` and `existing_case`.
        """
        body = {"outcome": outcome} if case is None else {"outcome": outcome, "case_id": str(case)}
        done = self._operator.accepted("POST", f"{API}/calls/{call}/end", body)
        await self._timed("end_call", done)

    async def take(self, case: UUID) -> None:
        """Let the physician take the case.

        Args:
            case: Which.
        """
        done = self._physician.accepted("POST", f"{API}/cases/{case}/take", {})
        await self._timed("take", done)

    async def decide(self, case: UUID, decision: Decision, *, skills: Sequence[str] = ()) -> UUID:
        """Let the physician decide; the safety net is said with every decision.

        Args:
            case: Which.
            decision: What.
            skills: Skill codes that the place must have.
        """
        optional = {
            "service": decision.service,
            "reason": decision.reason or None,
            "skills": list(skills) or None,
        }
        body = {
            "kind": decision.kind,
            "acuity": decision.acuity,
            "safety_net": SafetyNet(),
            **{name: value for name, value in optional.items() if value is not None},
        }
        made = self._physician.post(f"{API}/cases/{case}/dispositions", body, wire.Made)
        return (await self._timed("decide", made)).id

    async def offers(self, disposition: UUID, seed: int) -> wire.Offer:
        """Ask for places.

        Args:
            disposition: For what.
            seed: Breaks equals.
        """
        body = {"disposition_id": str(disposition), "seed": seed}
        ranked = self._physician.post(f"{API}/offers", body, wire.Offer)
        return await self._timed("offer", ranked)

    async def hold(self, slot: UUID, disposition: UUID, offer: UUID) -> wire.Hold | wire.NextBest:
        """Hold a place, or learn the next best when it is gone.

        Args:
            slot: Wanted.
            disposition: For what.
            offer: Where it was chosen.
        """
        body = {"slot_id": str(slot), "disposition_id": str(disposition), "offer_id": str(offer)}
        try:
            held = self._physician.post(f"{API}/holds", body, wire.Hold)
            return await self._timed("hold", held)
        except RefusedError as refused:
            if refused.code not in TAKEN:
                raise
            return msgspec.json.decode(refused.body, type=wire.NextBest)

    async def book(self, hold: UUID) -> wire.Appointment | None:
        """Turn a hold into an appointment; None when its time or place has gone.

        Args:
            hold: Which.
        """
        body = {"hold_id": str(hold), "instructions": "Patient fictif de démonstration"}
        try:
            booked = self._physician.post(f"{API}/appointments", body, wire.Appointment)
            return await self._timed("book", booked)
        except RefusedError as refused:
            if refused.code not in LAPSED:
                raise
            return None

    async def refer(
        self, disposition: UUID, care_service: UUID, answer_within_s: int | None = None
    ) -> wire.Referral:
        """Send a referral.

        Args:
            disposition: For what.
            care_service: To whom.
            answer_within_s: A faster answer than the level's own.
        """
        body: dict[str, object] = {
            "disposition_id": str(disposition),
            "care_service_id": str(care_service),
        }
        if answer_within_s is not None:
            body["answer_within_s"] = answer_within_s
        sent = self._physician.post(f"{API}/referrals", body, wire.Referral)
        return await self._timed("refer", sent)

    async def wait_for_place(self, disposition: UUID) -> wire.WaitingEntry:
        """Put a need without a place on the waiting list.

        Args:
            disposition: What waits.
        """
        body = {"disposition_id": str(disposition)}
        entered = self._physician.post(f"{API}/waiting-entries", body, wire.WaitingEntry)
        return await self._timed("wait", entered)

    async def close(self, case: UUID, outcome: str) -> None:
        """Close a case.

        Args:
            case: Which.
            outcome: Why, a code.
        """
        done = self._physician.accepted("POST", f"{API}/cases/{case}/close", {"outcome": outcome})
        await self._timed("close", done)

    async def _timed(self, name: str, step: Awaitable[T]) -> T:
        began = time.monotonic()
        result = await step
        self._steps.add(name, time.monotonic() - began)
        return result
