"""Everybody who can take a need, with their slots, and the nearest who cannot: for offers.

Rows are screened as arrays (`directory.screen`); the judge is asked about those that pass, and
about refused ones only until those to be told are known. It says what judging every row in reach
would say; a property test compares the two.
"""

import math
from bisect import insort
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import answers, columns, consent, distance, eligibility
from directory.answers import Candidate, Search
from directory.columns import VISIBILITIES, OpenSlot
from directory.journeys import Journey
from directory.model import Location, Need
from directory.screen import OFFICE, Indices, Mask

if TYPE_CHECKING:
    from directory.snapshot import Capability, Reach, Snapshot

_SLACK: Final = 2e-9
"""Chords of the unit sphere: about a centimetre, more than rounding, less than any house."""
_GROWTH: Final = 1.25

_Told = tuple[int, float, UUID, eligibility.Verdict]
"""A refusal after what orders refusals: how many reasons, metres, id."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a snapshot.

    Attributes:
        now: Moment of the question (database clock): hides what has begun or is held back.
        audience: On whose behalf.
        refused_limit: Most refusals explained; beyond the radius only as many offices, the
            nearest, are looked at.
        far_limit: Of those beyond the radius who do more than wait at an office, at most as
            many, the nearest, are looked at.
    """

    need: Need
    now: datetime
    audience: consent.Audience
    refused_limit: int
    far_limit: int


def search(snapshot: "Snapshot", asked: Asked) -> Search:
    """Give who can take a need and with which slots, and the nearest refusals with reasons."""
    capability = snapshot.capability(asked.need.service)
    if capability is None:
        return Search(
            version=snapshot.version, eligible=(), refused=(), considered=0, refused_total=0
        )
    matching = _Matching(snapshot, asked, _in_reach(snapshot, asked, capability))
    matching.take()
    eligible = sorted(matching.eligible, key=lambda one: answers.nearness(one.verdict))
    return Search(
        version=snapshot.version,
        eligible=tuple(eligible),
        refused=tuple(matching.refused()),
        considered=len(capability.rows),
        refused_total=len(capability.rows) - len(eligible),
    )


def _in_reach(snapshot: "Snapshot", asked: Asked, capability: "Capability") -> Indices:
    """Give the rows worth judging: an office beyond the radius is refused whatever else."""
    need = asked.need
    if need.lon is None or need.lat is None or need.radius_m is None:
        return capability.rows
    point = distance.unit_vector(need.lon, need.lat)

    def metres(rows: Indices) -> NDArray[np.float64]:
        lon, lat = need.lon or 0.0, need.lat or 0.0
        return distance.great_circle_m(lon, lat, snapshot.lon[rows], snapshot.lat[rows])

    def nearest(rows: Indices, count: int) -> Indices:
        return rows[np.lexsort((rows, metres(rows)))[:count]]

    around, offices = _around(snapshot, capability, need.radius_m, point, asked.refused_limit)
    inside = around[metres(around) <= need.radius_m]
    found = [
        inside,
        nearest(np.setdiff1d(offices, inside, assume_unique=True), asked.refused_limit),
    ]
    if capability.roaming is not None:
        wanted = int(np.count_nonzero(~snapshot.screen.office_only[inside])) + asked.far_limit
        roaming = _closest(capability.roaming, point, wanted)
        outside = np.setdiff1d(roaming, inside, assume_unique=True)
        found.append(nearest(outside, asked.far_limit))
    return np.concatenate(found)


def _around(
    snapshot: "Snapshot", capability: "Capability", radius_m: int,
    point: tuple[float, float, float], offices_beyond: int,
) -> tuple[Indices, Indices]:  # fmt: skip
    """Give the rows within a radius, and enough offices from around it, with some to spare."""
    office_only = snapshot.screen.office_only
    within = _ball(capability, point, distance.chord(radius_m))
    inner = int(np.count_nonzero(office_only[within]))
    wider, metres = within, float(max(radius_m, 1_000))
    while (
        len(wider) < len(capability.rows)
        and int(np.count_nonzero(office_only[wider])) < inner + offices_beyond
    ):
        metres *= _GROWTH
        wider = _ball(capability, point, distance.chord(metres))
        if metres > math.pi * distance.EARTH_RADIUS_M:
            break
    return within, wider[office_only[wider]]


def _ball(reach: "Reach", point: tuple[float, float, float], chord: float) -> Indices:
    found = reach.tree.query_ball_point(point, chord + _SLACK)
    return reach.rows[np.array(found, dtype=np.intp)]


def _closest(reach: "Reach", point: tuple[float, float, float], count: int) -> Indices:
    """Give the `count` nearest rows, and all that are as near as the last of them."""
    if count >= len(reach.rows):
        return reach.rows
    chords, _ = reach.tree.query(point, k=[max(count, 1)])
    return _ball(reach, point, float(np.max(chords)))


class _Matching:
    """One question on its way through the rows in reach.

    Attributes:
        eligible: In no order.
    """

    def __init__(self, snapshot: "Snapshot", asked: Asked, rows: Indices) -> None:
        self._snapshot = snapshot
        self._asked = asked
        self._rows = rows
        self._trip = snapshot.trip(asked.need, rows)
        self._zone = snapshot.journeys.zone(asked.need)
        self._judged: list[_Told] = []
        self.eligible: list[Candidate] = []
        need, screen = asked.need, snapshot.screen
        metres = None if self._trip is None else self._trip.straight_m
        ways = screen.ways(need, rows, metres)
        if metres is not None and need.radius_m is not None:
            ways[metres > need.radius_m] &= np.uint8(~OFFICE & 0xFF)
        self._late = None if need.deadline is None else columns.micros(need.deadline)
        self._first, self._ends = snapshot.diaries.spans(
            rows, columns.micros(need.earliest), self._late
        )
        placed: Mask = ways != 0
        placed &= screen.referral[rows] | (self._first < self._ends) | (self._first < 0)
        faults = screen.faults(need, rows)
        self._hopeful: Mask = placed & (faults == 0)
        self._fewest = faults + ~placed
        """At least so many reasons speak against each row."""

    def take(self) -> None:
        """Judge the rows that may be eligible."""
        need = self._asked.need
        for at in np.flatnonzero(self._hopeful).tolist():
            row = int(self._rows[at])
            service, location = self._snapshot.services[row], self._snapshot.locations[row]
            slots = self._slots(at, row)
            straight_m = self._straight(at)
            verdict = eligibility.judge(
                need, service, location, answers.openings(slots), straight_m
            )
            if not verdict.eligible:
                self._judged.append(self._told(at))
                continue
            journey = self._journey(location, straight_m)
            self.eligible.append(
                Candidate(
                    verdict=verdict,
                    service=service,
                    location=location,
                    slots=answers.fitting(slots, need, verdict),
                    road_m=None if journey is None else journey.road_m,
                    travel_s=None if journey is None else journey.duration_s,
                )
            )

    def _journey(self, place: Location, straight_m: float | None) -> Journey | None:
        if straight_m is None:
            return None
        return self._snapshot.journeys.to(place, straight_m, self._zone)

    def refused(self) -> Iterator[eligibility.Verdict]:
        """Give refusals: fewest reasons first, then nearest, then by id."""
        limit = self._asked.refused_limit
        kept = sorted(self._judged, key=lambda one: one[:3])[:limit]
        rest = np.flatnonzero(~self._hopeful)
        metres = np.zeros(len(self._rows)) if self._trip is None else self._trip.straight_m
        order = np.lexsort((self._rows[rest], metres[rest], self._fewest[rest]))
        for at in rest[order].tolist() if limit else ():
            # Nobody further on has fewer reasons than this one at least has, or is nearer.
            if len(kept) == limit and kept[-1][:2] < (int(self._fewest[at]), float(metres[at])):
                break
            insort(kept, self._told(at), key=lambda one: one[:3])
            del kept[limit:]
        return (one[3] for one in kept)

    def _told(self, at: int) -> _Told:
        """Judge a row with its first openings, whenever they are."""
        row = int(self._rows[at])
        openings: eligibility.Openings = {}
        if not self._snapshot.screen.referral[row]:
            asked = self._asked
            openings = self._snapshot.openings(row, asked.need, asked.now, asked.audience)
        verdict = eligibility.judge(
            self._asked.need,
            self._snapshot.services[row],
            self._snapshot.locations[row],
            openings,
            self._straight(at),
        )
        return (len(verdict.refusals), *answers.nearness(verdict), verdict)

    def _straight(self, at: int) -> float | None:
        return None if self._trip is None else float(self._trip.straight_m[at])

    def _slots(self, at: int, row: int) -> tuple[OpenSlot, ...]:
        """Give the slots of a row within the need's window that may be shown, in order."""
        snapshot, asked = self._snapshot, self._asked
        if snapshot.screen.referral[row]:
            return ()
        start = columns.micros(asked.need.earliest)
        first = int(self._first[at])
        if first < 0:
            schedules, slots = snapshot.diaries.window(row, start, self._late)
        else:
            schedules, slots = snapshot.diaries.between(row, first, int(self._ends[at]))
        return tuple(
            columns.opened(slot, schedules[slot[3]])
            for slot in slots
            if slot[1] >= start
            and (self._late is None or slot[1] <= self._late)
            and consent.shows(
                schedules[slot[3]], VISIBILITIES[slot[8]], columns.moment(slot[1]),
                asked.audience, asked.now,
            )
        )  # fmt: skip
