"""The quickest chain of referrals in real time: GP, then imaging, then cardiologist.

At each stop the patient waits for the next place that is free, is seen, and only then sets off for
the next stop: waiting counts from the arrival, and a slot that began before it is missed. Leaving
a stop never gets later by arriving earlier, so Dijkstra's algorithm over (care service, stage) on
the frozen links gives the earliest end. Only visits to an office count: who is not met in one
room cannot be sent on from it.
"""

import heapq
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

import msgspec

from directory import consent, eligibility, hours
from directory.columns import OpenSlot
from directory.links import Links
from directory.model import CareServiceId, Intake, Modality, Need, SlotId
from directory.snapshot import Snapshot

VISIT: Final = timedelta(minutes=30)
"""How long a visit without a published slot takes (emergency department, pharmacy)."""
_OFFICE: Final = frozenset({Modality.OFFICE})


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chain may begin, and when the patient can be there.

    Attributes:
        travel_s: His journey there; part of the answer, `arrives_at` includes it.
    """

    care_service_id: CareServiceId
    arrives_at: datetime
    travel_s: float = 0.0


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        via: Service codes to be visited in this order; others may lie between. Not empty.
        now: Moment of the question (database clock): hides what has begun or is held back.
        age_months: None when unknown: refuses nothing.
        seen: The patient has been seen at the start and leaves it on arrival.
        audience: On whose behalf.
    """

    via: tuple[str, ...]
    now: datetime
    age_months: int | None = None
    seen: bool = False
    audience: consent.Audience = consent.Audience.CENTRE


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One visit.

    Attributes:
        travel_s: Journey from the stop before; to the first, that of its start.
        slot_id: None where one goes without an appointment, or was seen before.
    """

    care_service_id: CareServiceId
    travel_s: float
    arrives_at: datetime
    starts_at: datetime
    ends_at: datetime
    slot_id: SlotId | None = None

    @property
    def wait(self) -> timedelta:
        """Give how long the patient waits from the arrival."""
        return self.starts_at - self.arrives_at


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """The visits from the first to the one that completes the chain."""

    stops: tuple[Stop, ...]

    @property
    def duration(self) -> timedelta:
        """Give the time from setting out to the end of the last visit."""
        first = self.stops[0]
        set_out = first.arrives_at - timedelta(seconds=first.travel_s)
        return self.stops[-1].ends_at - set_out

    @property
    def waiting(self) -> timedelta:
        """Give the waits added up."""
        return sum((one.wait for one in self.stops), timedelta())


_Visit: TypeAlias = tuple[datetime, datetime, SlotId | None]
"""Begin, end, and the slot where there is one."""


class _Label(NamedTuple):
    """A visit that was reached; sorts by its end, then by the number of stops; `turn` is unique."""

    ends_at: datetime
    stops: int
    row: int
    stage: int
    turn: int
    stop: Stop
    before: "_Label | None"


def quickest(
    snapshot: Snapshot, links: Links, starts: Sequence[Start], chain: Chain
) -> Path | None:
    """Give the chain of referrals that ends earliest, or None when there is none.

    Args:
        snapshot: Care services and their open slots.
        links: Frozen from the same snapshot.
        starts: Where it may begin; unknown ones are left out.
        chain: What is asked.
    """
    walk = _Walk(snapshot, chain)
    heap: list[_Label] = []
    for start in starts:
        row = snapshot.row(start.care_service_id)
        if row is not None:
            walk.push(heap, row, start.arrives_at, None, start.travel_s)
    settled: set[tuple[int, int]] = set()
    while heap:
        label = heapq.heappop(heap)
        if label.stage == len(chain.via):
            return Path(stops=_back(label))
        if (label.row, label.stage) in settled:
            continue
        settled.add((label.row, label.stage))
        first = int(links.onward.offsets[label.row])
        for at, target in enumerate(links.onward.of(label.row).tolist(), start=first):
            if not {(target, label.stage), (target, label.stage + 1)} <= settled:
                travel_s = float(links.duration_s[at])
                arrival = label.ends_at + timedelta(seconds=travel_s)
                walk.push(heap, target, arrival, label, travel_s)
    return None


def _back(label: _Label) -> tuple[Stop, ...]:
    found: list[Stop] = []
    step: _Label | None = label
    while step is not None:
        found.append(step.stop)
        step = step.before
    return tuple(reversed(found))


class _Walk:
    """Who can be visited when; the slots of a care service are read once."""

    def __init__(self, snapshot: Snapshot, chain: Chain) -> None:
        self._snapshot = snapshot
        self._chain = chain
        self._slots: dict[int, tuple[OpenSlot, ...]] = {}
        self._fit: dict[int, bool] = {}
        self._turn = 0

    def push(
        self,
        heap: list[_Label],
        row: int,
        arrival: datetime,
        before: _Label | None,
        travel_s: float,
    ) -> None:
        """Put the visit of a row on the heap, if it can be visited at all."""
        seen = before is None and self._chain.seen
        visit = (arrival, arrival, None) if seen else self._visit(row, arrival)
        if visit is None:
            return
        service = self._snapshot.services[row]
        stage = 0 if before is None else before.stage
        if service.service == self._chain.via[stage]:
            stage += 1
        stop = Stop(
            care_service_id=service.id, travel_s=travel_s, arrives_at=arrival,
            starts_at=visit[0], ends_at=visit[1], slot_id=visit[2],
        )  # fmt: skip
        self._turn += 1
        stops = 1 if before is None else before.stops + 1
        heapq.heappush(heap, _Label(visit[1], stops, row, stage, self._turn, stop, before))

    def _visit(self, row: int, arrival: datetime) -> _Visit | None:
        """Give begin and end of the visit that ends first, for who arrives at a moment."""
        if not self._fits(row):
            return None
        service = self._snapshot.services[row]
        if service.intake is Intake.REFERRAL:
            begin = hours.next_opening(service, self._snapshot.locations[row], arrival)
            return None if begin is None else (begin, begin + VISIT, None)
        best = min(
            (slot for slot in self._open(row) if slot.start >= arrival),
            key=lambda slot: (slot.end, slot.start, slot.id),
            default=None,
        )
        return None if best is None else (best.start, best.end, best.id)

    def _fits(self, row: int) -> bool:
        """Tell whether this patient, sent by a professional, is taken at the office of a row."""
        known = self._fit.get(row)
        if known is None:
            service = self._snapshot.services[row]
            need = self._need(service.service)
            verdict = eligibility.judge(need, service, self._snapshot.locations[row], None)
            own = {one.reason for one in verdict.refusals} - {eligibility.Reason.NO_OPENING}
            known = self._fit[row] = not own
        return known

    def _open(self, row: int) -> tuple[OpenSlot, ...]:
        if row not in self._slots:
            service = self._snapshot.services[row]
            shown = self._snapshot.bookable(
                service.id, self._need(service.service), self._chain.now, self._chain.audience
            )
            self._slots[row] = tuple(one for one in shown if one.modality is Modality.OFFICE)
        return self._slots[row]

    def _need(self, service: str) -> Need:
        return Need(
            service=service,
            earliest=self._chain.now,
            age_months=self._chain.age_months,
            modalities=_OFFICE,
        )
