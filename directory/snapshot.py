"""An immutable, versioned picture of the directory in frozen arrays: what searches read.

Readers never wait: `refreshed` gives a new snapshot that shares everything that did not change.
Row i of every array belongs to `services[i]`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import consent, distance, eligibility
from directory.model import (
    CareService,
    CareServiceId,
    Intake,
    Location,
    Modality,
    Need,
    Schedule,
    ScheduleId,
    SlotId,
    SlotKind,
    Visibility,
)
from directory.rows import Rows

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

Indices = NDArray[np.intp]
_OFFICE: Final = frozenset({Modality.OFFICE})


class OpenSlot(msgspec.Struct, frozen=True, kw_only=True):
    """A slot with at least one free seat when the snapshot was taken.

    Attributes:
        free: Free seats then; the claim decides, not this number.
    """

    id: SlotId
    schedule_id: ScheduleId
    start: datetime
    end: datetime
    kind: SlotKind
    modality: Modality
    visibility: Visibility
    capacity: int
    free: int


class Diary(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule with its open slots, by start then id."""

    schedule: Schedule
    slots: tuple[OpenSlot, ...] = ()


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An eligible care service with what can be booked there for the need.

    Attributes:
        verdict: Why it fits (modality, cautions, first opening).
        slots: Bookable slots in the need's window, by start then id; empty for a referral intake.
        road_m: Estimated road metres; None when the place is unknown.
        travel_s: Estimated journey in seconds; None when the place is unknown.
    """

    verdict: eligibility.Verdict
    service: CareService
    location: Location
    slots: tuple[OpenSlot, ...]
    road_m: float | None
    travel_s: float | None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one need.

    Attributes:
        version: Version of the snapshot that answered.
        eligible: By distance, then id (unknown place: by id).
        refused: Nearest refusals: fewest reasons first, then distance, then id.
        considered: Care services that offer the service code.
        refused_total: How many of them were refused; `refused` may hold fewer.
    """

    version: int
    eligible: tuple[Candidate, ...]
    refused: tuple[eligibility.Verdict, ...]
    considered: int
    refused_total: int


class _Capability(msgspec.Struct, frozen=True):
    """The care services of one service code: their rows, and a tree over unit vectors."""

    rows: Indices
    tree: "cKDTree"


class Snapshot:
    """The directory at one version. Build with `freeze`, never changed afterwards.

    Attributes:
        version: Grows with every refresh.
        services: All care services, by id.
        locations: Location of each care service, same order.
        diaries: Schedules with their open slots, by care service.
    """

    def __init__(
        self,
        version: int,
        services: tuple[CareService, ...],
        locations: tuple[Location, ...],
        diaries: Mapping[CareServiceId, tuple[Diary, ...]],
        travel: distance.TravelModel,
    ) -> None:
        """Freeze the arrays; use `freeze` from outside."""
        self.version = version
        self.services = services
        self.locations = locations
        self.diaries = diaries
        self._travel = travel
        self._row = {service.id: row for row, service in enumerate(services)}
        self._lon = np.array([place.lon for place in locations], dtype=np.float64)
        self._lat = np.array([place.lat for place in locations], dtype=np.float64)
        self._office_only = np.array(
            [service.modalities == _OFFICE for service in services], dtype=np.bool_
        )
        from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import, first needed here

        points = distance.unit_vectors(self._lon, self._lat)
        grouped: dict[str, list[int]] = {}
        for row, service in enumerate(services):
            grouped.setdefault(service.service, []).append(row)
        self._capabilities = {
            code: _Capability(np.array(rows, dtype=np.intp), cKDTree(points[rows]))
            for code, rows in grouped.items()
        }

    def service(self, care_service_id: CareServiceId) -> CareService | None:
        """Give one care service, or None."""
        row = self._row.get(care_service_id)
        return None if row is None else self.services[row]

    def location(self, care_service_id: CareServiceId) -> Location | None:
        """Give the location of one care service, or None."""
        row = self._row.get(care_service_id)
        return None if row is None else self.locations[row]

    def nearest(self, service: str, lon: float, lat: float, count: int) -> tuple[CareService, ...]:
        """Give the `count` nearest care services of a service code, nearest first."""
        capability = self._capabilities.get(service)
        if capability is None or count < 1:
            return ()
        point = distance.unit_vectors(np.array([lon]), np.array([lat]))[0]
        wanted = min(count, len(capability.rows))
        _, found = capability.tree.query(point, k=[*range(1, wanted + 1)])
        return tuple(self.services[capability.rows[position]] for position in np.ravel(found))

    def bookable(
        self,
        care_service_id: CareServiceId,
        need: Need,
        now: datetime,
        audience: consent.Audience = consent.Audience.CENTRE,
    ) -> tuple[OpenSlot, ...]:
        """Give the slots of a care service in the need's window, by start then id.

        Slots that visibility or the publisher's consent forbid are left out. After the deadline
        only the first slot of each modality is kept: it says how late one would be.
        """
        found: list[OpenSlot] = []
        for diary in self.diaries.get(care_service_id, ()):
            seen: set[Modality] = set()
            first = bisect_left(diary.slots, need.earliest, key=_start)
            for slot in diary.slots[first:]:
                late = need.deadline is not None and slot.start > need.deadline
                if late and slot.modality in seen:
                    continue
                if consent.shows(diary.schedule, slot.visibility, slot.start, audience, now):
                    found.append(slot)
                    seen.add(slot.modality)
                if late and len(seen) == len(Modality):
                    break
        return tuple(sorted(found, key=lambda slot: (slot.start, slot.id)))

    def search(
        self,
        need: Need,
        now: datetime,
        *,
        audience: consent.Audience = consent.Audience.CENTRE,
        refused_limit: int = 20,
    ) -> Search:
        """Give who can take a need and with which slots, and the nearest refusals with reasons.

        Args:
            need: What is asked.
            now: Moment of the question (database clock): hides what has begun or is held back.
            audience: On whose behalf.
            refused_limit: At most this many refusals are explained; beyond the radius only that
                many, the nearest, are looked at.
        """
        capability = self._capabilities.get(need.service)
        if capability is None:
            return Search(
                version=self.version, eligible=(), refused=(), considered=0, refused_total=0
            )
        rows = capability.rows
        trip = self._trip(need, rows)
        eligible: list[Candidate] = []
        refused: list[eligibility.Verdict] = []
        for position in self._within_reach(need, rows, trip, refused_limit):
            service, location = self.services[rows[position]], self.locations[rows[position]]
            straight = None if trip is None else float(trip.straight_m[position])
            slots = self._slots(service, need, now, audience)
            verdict = eligibility.judge(need, service, location, _openings(slots), straight)
            if not verdict.eligible:
                refused.append(verdict)
                continue
            eligible.append(
                Candidate(
                    verdict=verdict,
                    service=service,
                    location=location,
                    slots=_fitting(slots, need, verdict),
                    road_m=None if trip is None else float(trip.road_m[position]),
                    travel_s=None if trip is None else float(trip.duration_s[position]),
                )
            )
        eligible.sort(key=lambda candidate: _nearness(candidate.verdict))
        refused.sort(key=lambda verdict: (len(verdict.refusals), *_nearness(verdict)))
        return Search(
            version=self.version,
            eligible=tuple(eligible),
            refused=tuple(refused[:refused_limit]),
            considered=len(rows),
            refused_total=len(rows) - len(eligible),
        )

    def _within_reach(
        self, need: Need, rows: Indices, trip: distance.Travel | None, limit: int
    ) -> list[int]:
        """Give positions worth judging: an office beyond the radius is refused whatever else."""
        if trip is None or need.radius_m is None:
            return list(range(len(rows)))
        beyond = self._office_only[rows] & (trip.straight_m > need.radius_m)
        far = np.flatnonzero(beyond)
        nearest = far[np.argsort(trip.straight_m[far], kind="stable")[:limit]]
        return [*np.flatnonzero(~beyond).tolist(), *nearest.tolist()]

    def search_widening(
        self,
        need: Need,
        now: datetime,
        radii: tuple[int, ...],
        enough: int = 5,
        *,
        audience: consent.Audience = consent.Audience.CENTRE,
    ) -> Search:
        """Search with growing radii until enough care services are eligible.

        Args:
            need: What is asked; its own `radius_m` is replaced.
            now: Moment of the question.
            radii: Radii in metres, growing, at least one (`SearchRadius.radii`).
            enough: Stop at this many eligible care services.
            audience: On whose behalf.

        Returns:
            The first answer that has enough, else that of the last radius.
        """
        for radius_m in radii[:-1]:
            closer = msgspec.structs.replace(need, radius_m=radius_m)
            found = self.search(closer, now, audience=audience)
            if len(found.eligible) >= enough:
                return found
        widest = msgspec.structs.replace(need, radius_m=radii[-1])
        return self.search(widest, now, audience=audience)

    def _trip(self, need: Need, rows: Indices) -> distance.Travel | None:
        if need.lon is None or need.lat is None:
            return None
        return distance.travel(need.lon, need.lat, self._lon[rows], self._lat[rows], self._travel)

    def _slots(
        self, service: CareService, need: Need, now: datetime, audience: consent.Audience
    ) -> tuple[OpenSlot, ...]:
        if service.intake is Intake.REFERRAL:
            return ()
        return self.bookable(service.id, need, now, audience)

    def refreshed(self, version: int, diaries: Iterable[Diary]) -> "Snapshot":
        """Give a snapshot in which these diaries replace those of the same schedules.

        Arrays and trees are shared with this one: only the mapping of diaries is copied.

        Args:
            version: Not below this snapshot's.
            diaries: Whole diaries; of known care services (others are left out).

        Raises:
            ValueError: `version` goes back.
        """
        if version < self.version:
            raise ValueError("a snapshot never goes back")
        changed = dict(self.diaries)
        for diary in diaries:
            owner = diary.schedule.care_service_id
            if owner not in self._row:
                continue
            kept = [d for d in changed.get(owner, ()) if d.schedule.id != diary.schedule.id]
            changed[owner] = tuple(sorted((*kept, diary), key=lambda d: d.schedule.id))
        newer = Snapshot.__new__(Snapshot)
        newer.__dict__.update(self.__dict__)
        newer.version = version
        newer.diaries = MappingProxyType(changed)
        return newer


def _start(slot: OpenSlot) -> datetime:
    return slot.start


def _openings(slots: tuple[OpenSlot, ...]) -> dict[Modality, datetime]:
    """Give the earliest start by modality; `slots` are sorted by start."""
    first: dict[Modality, datetime] = {}
    for slot in slots:
        first.setdefault(slot.modality, slot.start)
    return first


def _fitting(
    slots: tuple[OpenSlot, ...], need: Need, verdict: eligibility.Verdict
) -> tuple[OpenSlot, ...]:
    """Keep the slots before the deadline in a modality that fits."""
    return tuple(
        slot
        for slot in slots
        if slot.modality in verdict.fitting
        and (need.deadline is None or slot.start <= need.deadline)
    )


def _nearness(verdict: eligibility.Verdict) -> tuple[float, UUID]:
    metres = verdict.straight_m
    return (0.0 if metres is None else metres, verdict.care_service_id)


def freeze(
    version: int,
    rows: Rows,
    diaries: Iterable[Diary],
    travel: distance.TravelModel | None = None,
) -> Snapshot:
    """Build a snapshot from rows.

    Args:
        version: Number of this picture (a position of the event feed).
        rows: Care services whose location is missing are left out.
        diaries: Schedules with their open slots, in any order.
        travel: The territory's journeys; default values when left out.
    """
    places = {place.id: place for place in rows.locations}
    kept = sorted(
        (service for service in rows.care_services if service.location_id in places),
        key=lambda service: service.id,
    )
    known = {service.id for service in kept}
    grouped: dict[CareServiceId, list[Diary]] = {}
    for diary in sorted(diaries, key=lambda diary: diary.schedule.id):
        if diary.schedule.care_service_id in known:
            grouped.setdefault(diary.schedule.care_service_id, []).append(diary)
    return Snapshot(
        version,
        tuple(kept),
        tuple(places[service.location_id] for service in kept),
        MappingProxyType({owner: tuple(found) for owner, found in grouped.items()}),
        travel or distance.TravelModel(),
    )
