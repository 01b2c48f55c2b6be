"""An immutable, versioned picture of the directory in frozen arrays: what searches read.

Readers never wait: `refreshed` gives a new snapshot that shares everything that did not change.
Row i of every array belongs to `services[i]`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import numpy as np

from directory import columns, consent, distance, eligibility, matching, screen
from directory.answers import Candidate, Search
from directory.columns import MODALITIES, VISIBILITIES, Block, Diary, OpenSlot, Slots, SlotTable
from directory.journeys import Journeys
from directory.model import (
    CareService,
    CareServiceId,
    Location,
    Modality,
    Need,
    Ownership,
    Schedule,
    ScheduleId,
)
from directory.rows import Rows
from directory.screen import Indices, Screen

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = ["Candidate", "Diary", "OpenSlot", "Search", "Snapshot", "freeze", "freeze_rows"]


class Reach(msgspec.Struct, frozen=True):
    """Some care services: their rows, and a tree over unit vectors."""

    rows: Indices
    tree: "cKDTree"


class Capability(Reach, frozen=True):
    """The care services of one service code.

    Attributes:
        roaming: Those of them that do more than wait at an office; None = all wait there.
    """

    roaming: Reach | None


class Snapshot:
    """The directory at one version. Build with `freeze`, never changed afterwards.

    Attributes:
        version: Grows with every refresh.
        services: All care services, by id.
        locations: Location of each care service, same order.
        diaries: Schedules with their open slots, by care service; structs are made on the way.
        travel: Estimate of a territory that has none of its own.
        journeys: What is known of journeys beside it.
        screen: Columns of the care services.
    """

    def __init__(
        self,
        version: int,
        services: tuple[CareService, ...],
        locations: tuple[Location, ...],
        diaries: SlotTable,
        travel: distance.TravelModel,
    ) -> None:
        """Freeze the arrays; use `freeze` from outside."""
        self.version = version
        self.services = services
        self.locations = locations
        self.diaries = diaries
        self.travel = travel
        self.journeys = Journeys(default=travel)
        self.screen = Screen(services, locations)
        self._row = {service.id: row for row, service in enumerate(services)}
        self.lon = np.array([place.lon for place in locations], dtype=np.float64)
        self.lat = np.array([place.lat for place in locations], dtype=np.float64)
        keys = np.frombuffer(b"".join(one.id.bytes for one in services), dtype=">u8")
        self.lots = keys.reshape(-1, 2)[:, 1].astype(np.uint64)
        self._capabilities = self._grown()
        self._owned: dict[UUID, list[int]] = {}
        for row, service in enumerate(services):
            self._owned.setdefault(service.organisation_id, []).append(row)
        self._mirrored: dict[str, frozenset[ScheduleId]] = {}

    def _grown(self) -> dict[str, Capability]:
        """Give the trees of each service code."""
        from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import, first needed here

        points = distance.unit_vectors(self.lon, self.lat)
        grouped: dict[str, list[int]] = {}
        for row, service in enumerate(self.services):
            grouped.setdefault(service.service, []).append(row)
        found = {}
        for code, mine in grouped.items():
            rows = np.array(mine, dtype=np.intp)
            roaming = rows[~self.screen.office_only[rows]]
            found[code] = Capability(
                rows,
                cKDTree(points[rows]),
                Reach(roaming, cKDTree(points[roaming])) if len(roaming) else None,
            )
        return found

    def with_journeys(self, journeys: Journeys) -> "Snapshot":
        """Give this snapshot with other knowledge of journeys."""
        newer = Snapshot.__new__(Snapshot)
        newer.__dict__.update(self.__dict__)
        newer.journeys = journeys
        return newer

    def row(self, care_service_id: CareServiceId) -> int | None:
        """Give the row of one care service, or None."""
        return self._row.get(care_service_id)

    def service(self, care_service_id: CareServiceId) -> CareService | None:
        """Give one care service, or None."""
        row = self._row.get(care_service_id)
        return None if row is None else self.services[row]

    def location(self, care_service_id: CareServiceId) -> Location | None:
        """Give the location of one care service, or None."""
        row = self._row.get(care_service_id)
        return None if row is None else self.locations[row]

    def capability(self, service: str) -> Capability | None:
        """Give the rows and the tree of a service code; None when nobody offers it."""
        return self._capabilities.get(service)

    def of_organisations(self, organisation_ids: Iterable[UUID]) -> Sequence[CareService]:
        """Give the care services that organisations run, by id."""
        rows = sorted({row for one in organisation_ids for row in self._owned.get(one, ())})
        return [self.services[row] for row in rows]

    def mirrored(self, service: str) -> frozenset[ScheduleId]:
        """Give the schedules of a service code that an editor has to confirm."""
        capability = self._capabilities.get(service)
        if capability is None:
            return frozenset()
        base = self._mirrored.get(service)
        if base is None:
            rows = capability.rows.tolist()
            base = _mirrored(one for row in rows for one in self.diaries.base_schedules(row))
            self._mirrored[service] = base
        changed = [
            row for row in self.diaries.changed_rows if self.services[row].service == service
        ]
        old = _mirrored(one for row in changed for one in self.diaries.base_schedules(row))
        new = _mirrored(one for row in changed for one in self.diaries.block(row).schedules)
        return (base - old) | new

    def nearest(self, service: str, lon: float, lat: float, count: int) -> tuple[CareService, ...]:
        """Give the `count` nearest care services of a service code, nearest first."""
        capability = self._capabilities.get(service)
        if capability is None or count < 1:
            return ()
        wanted = min(count, len(capability.rows))
        _, found = capability.tree.query(distance.unit_vector(lon, lat), k=wanted)
        rows = capability.rows[found]
        return tuple(self.services[row] for row in np.atleast_1d(rows).tolist())

    def bookable(
        self,
        care_service_id: CareServiceId,
        need: Need,
        now: datetime,
        audience: consent.Audience = consent.Audience.CENTRE,
    ) -> tuple[OpenSlot, ...]:
        """Give the slots of a care service from the need's `earliest` that may be shown, in order.

        After the deadline only the first of each modality and schedule: how late one would be.
        """
        row = self._row.get(care_service_id)
        if row is None:
            return ()
        schedules, slots = self.diaries.window(row, columns.micros(need.earliest))
        late = None if need.deadline is None else columns.micros(need.deadline)
        seen: set[tuple[int, int]] = set()
        found: list[OpenSlot] = []
        for slot in slots:
            way = (slot[3], slot[7])
            if late is not None and slot[1] > late and way in seen:
                continue
            schedule = schedules[slot[3]]
            start = columns.moment(slot[1])
            if consent.shows(schedule, VISIBILITIES[slot[8]], start, audience, now):
                found.append(columns.opened(slot, schedule))
                seen.add(way)
        return tuple(found)

    def openings(
        self,
        row: int,
        need: Need,
        now: datetime,
        audience: consent.Audience,
        ways: int = screen.EVERY_WAY,
    ) -> eligibility.Openings:
        """Give the earliest bookable start of a row by modality, from the need's `earliest`.

        `ways` names the modalities that are looked for, as bits of `directory.screen`.
        """
        schedules, slots = self.diaries.window(row, columns.micros(need.earliest))
        found: dict[Modality, datetime] = {}
        for slot in slots:
            way = 1 << slot[7]
            if not ways & way:
                continue
            start = columns.moment(slot[1])
            if consent.shows(schedules[slot[3]], VISIBILITIES[slot[8]], start, audience, now):
                found[MODALITIES[slot[7]]] = start
                ways ^= way
                if not ways:
                    break
        return found

    def search(
        self,
        need: Need,
        now: datetime,
        *,
        audience: consent.Audience = consent.Audience.CENTRE,
        refused_limit: int = 20,
        far_limit: int = 200,
    ) -> Search:
        """Give who can take a need and with which slots, and the nearest refusals with reasons.

        Args:
            need: What is asked.
            now: Moment of the question (database clock): hides what has begun or is held back.
            audience: On whose behalf.
            refused_limit: At most this many refusals are explained; beyond the radius only that
                many offices, the nearest, are looked at.
            far_limit: Of those beyond the radius who do more than wait at an office
                (teleconsultation, home visits) at most this many, the nearest, are looked at.
        """
        asked = matching.Asked(
            need=need, now=now, audience=audience, refused_limit=refused_limit, far_limit=far_limit
        )
        return matching.search(self, asked)

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

    def trip(self, need: Need, rows: Indices) -> distance.Travel | None:
        """Give the journeys from a need's place to rows; None when the place is unknown."""
        if need.lon is None or need.lat is None:
            return None
        return distance.travel(need.lon, need.lat, self.lon[rows], self.lat[rows], self.travel)

    def refreshed(self, version: int, diaries: Iterable[Diary]) -> "Snapshot":
        """Give a snapshot in which these diaries replace those of the same schedules.

        Args:
            version: Not below this snapshot's.
            diaries: Whole diaries; of known care services (others are left out).

        Raises:
            ValueError: `version` goes back.
        """
        grouped: dict[CareServiceId, list[Diary]] = {}
        for diary in diaries:
            grouped.setdefault(diary.schedule.care_service_id, []).append(diary)
        return self._patched(
            version, {owner: columns.block(mine) for owner, mine in grouped.items()}
        )

    def refreshed_rows(
        self, version: int, schedules: Sequence[Schedule], slots: Slots
    ) -> "Snapshot":
        """Give a snapshot in which these schedules replace those of the same ids.

        Args:
            version: Not below this snapshot's.
            schedules: As they are now, with all their open slots.
            slots: In any order; `diary` indexes `schedules`.

        Raises:
            ValueError: `version` goes back.
        """
        owners = sorted({schedule.care_service_id for schedule in schedules})
        fresh = columns.table(owners, schedules, slots)
        return self._patched(version, {owner: fresh.block(at) for at, owner in enumerate(owners)})

    def _patched(self, version: int, blocks: dict[CareServiceId, Block]) -> "Snapshot":
        if version < self.version:
            raise ValueError("a snapshot never goes back")
        changed: dict[int, Block] = {}
        for owner, fresh in blocks.items():
            row = self._row.get(owner)
            if row is not None:
                changed[row] = columns.merged(self.diaries.block(row), fresh)
        newer = Snapshot.__new__(Snapshot)
        newer.__dict__.update(self.__dict__)
        newer.version = version
        newer.diaries = self.diaries.replaced(changed)
        return newer


def _mirrored(schedules: Iterable[Schedule]) -> frozenset[ScheduleId]:
    return frozenset(one.id for one in schedules if one.ownership is Ownership.MIRRORED)


def freeze(
    version: int,
    rows: Rows,
    diaries: Iterable[Diary],
    travel: distance.TravelModel | None = None,
) -> Snapshot:
    """Build a snapshot from rows and diaries; the same as `freeze_rows` otherwise.

    Args:
        version: Number of this picture (a position of the event feed).
        rows: Care services whose location is missing are left out.
        diaries: Schedules with their open slots, in any order.
        travel: The territory's journeys.
    """
    every = list(diaries)
    parts = [columns.packed(diary.slots, at) for at, diary in enumerate(every) if diary.slots]
    slots = np.concatenate(parts) if parts else columns.EMPTY
    return freeze_rows(version, rows, [diary.schedule for diary in every], slots, travel)


def freeze_rows(
    version: int,
    rows: Rows,
    schedules: Sequence[Schedule],
    slots: Slots,
    travel: distance.TravelModel | None = None,
) -> Snapshot:
    """Build a snapshot from rows and slots that are columns already.

    Args:
        version: Number of this picture (a position of the event feed).
        rows: Care services whose location is missing are left out.
        schedules: Those of unknown care services are left out with their slots.
        slots: In any order; `diary` indexes `schedules`.
        travel: The territory's journeys; default values when left out.
    """
    places = {place.id: place for place in rows.locations}
    kept = sorted(
        (service for service in rows.care_services if service.location_id in places),
        key=lambda service: service.id,
    )
    return Snapshot(
        version,
        tuple(kept),
        tuple(places[service.location_id] for service in kept),
        columns.table([service.id for service in kept], schedules, slots),
        travel or distance.TravelModel(),
    )
