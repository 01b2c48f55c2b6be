"""Books and cancels at the source of a mirrored diary; the contract stands in docs/availability.md.

Two resources of FHIR R4: `Slot` is read, `Appointment` is written by update-as-create under our own
id, so that the same question again never books twice and a cancelled one can never come to life.
No patient is named. Anything but a clear answer is no answer: nothing is concluded from it.
"""

import http.client
import time
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal
from urllib.parse import quote
from uuid import UUID

import msgspec

from interop import outgoing
from kernel import errors

ANSWER_BEFORE: Final = "urn:regul:fhir:answer-before"
"""Extension of an appointment: after this instant the source must refuse."""
FHIR_JSON: Final = "application/fhir+json"
_LARGEST: Final = 1 << 16
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_LIVE: Final = frozenset({"booked", "arrived", "checked-in", "fulfilled"})
_OPEN: Final = frozenset({"proposed", "pending", "waitlist"})
_ENDED: Final = frozenset({"cancelled", "entered-in-error", "noshow"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a source may take: to connect and between two pieces, and for one answer."""

    connect_s: float = 3.0
    answer_s: float = 5.0


class Verdict(StrEnum):
    """What a source said."""

    YES = "yes"
    NO = "no"
    NOTHING = "nothing"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a source said.

    Attributes:
        verdict: Of a booking: it is booked there, it can't be, or nothing that settles it. Of a
            cancellation: YES, nothing is booked there, or nothing that settles it.
        outcome: Code.
        reference: What the source calls the appointment.
    """

    verdict: Verdict
    outcome: str
    reference: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment as the source knows its slot.

    Attributes:
        appointment_id: Ours; the key under which the source keeps it.
        slot_key: The source's id of the slot.
        schedule_key: The source's id of the diary.
        answer_before: After it the source must not say yes.
    """

    appointment_id: UUID
    slot_key: str
    schedule_key: str
    starts_at: datetime
    ends_at: datetime
    answer_before: datetime


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    """The part of an answer that is read."""

    resource_type: str = ""
    id: str = ""
    status: str = ""
    start: datetime | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A status with what came with it; an unreadable body is an empty resource."""

    status: int
    resource: _Resource

    @property
    def coded(self) -> bool:
        """Tell whether a refusal is one of the interface, not of a door in front of it."""
        return self.resource.resource_type == "OperationOutcome"


class Editor:
    """One source's booking interface."""

    def __init__(
        self, address: str, *, token: str = "", loopback: bool = False, limits: Limits | None = None
    ) -> None:
        """Prepare.

        Args:
            address: Base address; `Slot/...` and `Appointment/...` follow it.
            token: Bearer token; empty = none is sent.
            loopback: This machine and plain HTTP to it are allowed.
            limits: How long it may take.
        """
        self._address = address.rstrip("/")
        self._token = token
        self._loopback = loopback
        self._limits = limits or Limits()

    def book(self, wanted: Wanted, *, check: bool) -> Said:
        """Ask for an appointment; asking again gives the answer again.

        Args:
            wanted: Which.
            check: Look first whether the slot is still free; only the first time, for what was
                asked before may itself have taken it.
        """
        if check:
            refusal = self._checked(wanted)
            if refusal is not None:
                return refusal
        answer = self._ask("PUT", f"Appointment/{wanted.appointment_id}", _body(wanted, "proposed"))
        return answer if isinstance(answer, Said) else _booked(answer, wanted)

    def undo(self, wanted: Wanted, *, over: bool) -> Said:
        """Have nothing booked any more, whether or not the source knows of it.

        Args:
            wanted: Which.
            over: The time for saying yes has passed, so that a source that knows nothing of it
                can't book it any more.
        """
        answer = self._ask(
            "PUT", f"Appointment/{wanted.appointment_id}", _body(wanted, "cancelled")
        )
        if isinstance(answer, Said):
            return answer
        unknown = answer.status == 404 and answer.coded and over  # noqa: PLR2004
        if answer.status == 410 or unknown:  # noqa: PLR2004 - gone
            return Said(verdict=Verdict.YES, outcome="source_has_nothing")
        if _about(answer, wanted) and answer.resource.status in _ENDED:
            return Said(verdict=Verdict.YES, outcome="source_cancelled")
        return _nothing(answer)

    def _checked(self, wanted: Wanted) -> Said | None:
        """Read the slot; None when nothing speaks against asking for it."""
        answer = self._ask("GET", f"Slot/{quote(wanted.slot_key, safe='')}", None)
        if isinstance(answer, Said):
            return answer
        found = answer.resource
        if answer.status == 410 or (answer.status == 404 and answer.coded):  # noqa: PLR2004
            return Said(verdict=Verdict.NO, outcome="source_slot_gone")
        if answer.status != 200 or found.resource_type != "Slot":  # noqa: PLR2004
            return _nothing(answer)
        if found.status != "free":
            return Said(verdict=Verdict.NO, outcome="source_taken")
        if found.start != wanted.starts_at:
            return Said(verdict=Verdict.NO, outcome="source_slot_moved")
        return None

    def _ask(self, method: Literal["GET", "PUT"], path: str, body: bytes | None) -> _Answer | Said:
        """Ask once; a source that can't be asked, or takes too long, has said nothing."""
        try:
            return self._asked(method, path, body)
        except errors.Invalid:
            return Said(verdict=Verdict.NOTHING, outcome="source_address_refused")
        except (OSError, http.client.HTTPException):
            return Said(verdict=Verdict.NOTHING, outcome="source_away")

    def _asked(self, method: str, path: str, body: bytes | None) -> _Answer:
        parts = outgoing.parts(f"{self._address}/{path}")
        where = outgoing.resolve(parts, loopback=self._loopback)
        connection = outgoing.Pinned(parts, where, self._limits.connect_s)
        headers = {"Accept": FHIR_JSON, "User-Agent": "regul", "Connection": "close"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = FHIR_JSON
            headers["Idempotency-Key"] = path.rpartition("/")[2]
        until = time.monotonic() + self._limits.answer_s
        try:
            connection.request(method, parts.path, body=body, headers=headers)
            with connection.getresponse() as answer:
                return _Answer(status=answer.status, resource=_read(answer, until))
        finally:
            connection.close()


def _read(answer: http.client.HTTPResponse, until: float) -> _Resource:
    """Read a small body within the time."""
    raw = b""
    while piece := answer.read1(_LARGEST):
        raw += piece
        if len(raw) > _LARGEST:
            return _Resource()
        if time.monotonic() > until:
            raise TimeoutError
    try:
        return msgspec.json.decode(raw, type=_Resource)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Resource()


def _booked(answer: _Answer, wanted: Wanted) -> Said:
    """Read the answer to a wish; one about another time is none."""
    if answer.status in {409, 410, 422}:
        return Said(verdict=Verdict.NO, outcome="source_taken")
    if not _about(answer, wanted):
        return _nothing(answer)
    found = answer.resource
    if found.status in _LIVE and found.start == wanted.starts_at:
        return Said(verdict=Verdict.YES, outcome="source_confirmed", reference=found.id)
    if found.status in _ENDED:
        return Said(verdict=Verdict.NO, outcome="source_cancelled")
    outcome = "source_pending" if found.status in _OPEN else "source_unclear"
    return Said(verdict=Verdict.NOTHING, outcome=outcome)


def _about(answer: _Answer, wanted: Wanted) -> bool:
    """Tell whether an answer is the appointment that was asked for."""
    found = answer.resource
    return (
        answer.status in {200, 201}
        and found.resource_type == "Appointment"
        and found.id.lower() == str(wanted.appointment_id)
    )


def _nothing(answer: _Answer) -> Said:
    """Name why an answer settles nothing."""
    outcome = "source_unclear"
    if answer.status in {401, 403}:
        outcome = "source_denies_us"
    elif answer.status == 429 or answer.status >= 500:  # noqa: PLR2004 - the source's trouble
        outcome = "source_busy"
    return Said(verdict=Verdict.NOTHING, outcome=outcome)


def _body(wanted: Wanted, status: Literal["proposed", "cancelled"]) -> bytes:
    """Write the appointment as it is wanted."""
    subject = {"system": _PARTICIPATION, "code": "SBJ"}
    resource: dict[str, Any] = {
        "resourceType": "Appointment",
        "id": str(wanted.appointment_id),
        "status": status,
        "start": wanted.starts_at,
        "end": wanted.ends_at,
        "slot": [{"reference": f"Slot/{wanted.slot_key}"}],
        "supportingInformation": [{"reference": f"Schedule/{wanted.schedule_key}"}],
        "participant": [{"type": [{"coding": [subject]}], "status": "accepted"}],
        "extension": [{"url": ANSWER_BEFORE, "valueInstant": wanted.answer_before}],
    }
    return msgspec.json.encode(resource)
