"""The nearest care services that can take a need in time, with reasons, and the near refusals.

Goes outward from the patient and stops as soon as enough are found: rows are screened as arrays
(`directory.screen`), slots are looked at only where the screen lets one through, and the pure
judge is asked about the refusals that are shown. What it says is what asking
`eligibility.judge` about every care service would say; a property test compares the two.

Rank: by bands of distance (`BAND_M`); within a band by a lot drawn from the seed and the id, so
that no place is first because of its name. The same snapshot, need and seed give the same answer.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import columns, consent, distance, eligibility
from directory.columns import MODALITIES, VISIBILITIES, OpenSlot
from directory.facts import Fact, Seen, facts
from directory.model import CareService, Location, Modality, Need
from directory.screen import BIT, OFFICE, Bits, Indices, of_bits
from directory.snapshot import Capability, Snapshot

BAND_M: Final = 250.0
"""Places whose distance lies in one band of this width are equal."""

_FIRST: Final = 48
"""Nearest rows looked at first; each further step takes four times as many."""
_GROWTH: Final = 4
_SLACK_M: Final = 0.01
"""Chords and great circles may disagree by rounding about which of two rows is nearer."""

_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_B: Final = np.uint64(0x94D049BB133111EB)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How to search.

    Attributes:
        limit: Most care services in the answer.
        refused_limit: Most refusals explained.
        slots: Most slots shown of each.
        enough: Widening stops at as many within the radius; at most `limit`.
        radii: Great-circle metres, growing; empty = the need's own radius, or none.
        seed: Draws the lot between equals.
        audience: On whose behalf.
    """

    limit: int = 20
    refused_limit: int = 10
    slots: int = 3
    enough: int = 5
    radii: tuple[int, ...] = ()
    seed: int = 0
    audience: consent.Audience = consent.Audience.CENTRE


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One care service that can take the need.

    Attributes:
        rank: From 1.
        fitting: Modalities in which it can; the first is the one that `opening` is about.
        opening: When the patient is seen at the earliest.
        slots: The first bookable ones, by start then id; none for a referral.
        straight_m: Great-circle metres; None when the place is unknown.
        facts: Why, the most telling first.
        as_of: When the first slot's source last spoke.
    """

    rank: int
    service: CareService
    location: Location
    fitting: tuple[Modality, ...]
    opening: datetime
    slots: tuple[OpenSlot, ...]
    straight_m: float | None
    travel_s: float | None
    facts: tuple[Fact, ...]
    as_of: datetime | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a search gives.

    Attributes:
        version: Of the snapshot.
        places: By rank.
        refused: Verdicts of those that rank before the last place, nearest first; each has its
            reasons in binding order and the changes that would lift them.
        radius_m: Within which offices were taken; None = any distance.
        considered: Care services that offer the service.
        examined: How many were looked at before there were enough.
    """

    version: int
    places: tuple[Place, ...]
    refused: tuple[eligibility.Verdict, ...]
    radius_m: int | None
    considered: int
    examined: int


class _Hit(msgspec.Struct):
    """A row that somebody can be seen at: the modalities, near and beyond the radius."""

    row: int
    straight_m: float | None
    near: int
    far: int
    openings: eligibility.Openings


class _Row(msgspec.Struct, frozen=True):
    """One row on the way outward; `ways` is 0 when the screen refuses it."""

    row: int
    straight_m: float | None
    ways: int


def find(snapshot: Snapshot, need: Need, now: datetime, wish: Wish) -> Answer:
    """Find the nearest places for a need.

    Args:
        snapshot: The directory.
        need: What is asked; its `radius_m` counts when the wish has no radii.
        now: Moment of the question (database clock): hides what has begun or is held back.
        wish: How many, how wide, for whom.
    """
    capability = snapshot.capability(need.service)
    if capability is None:
        return Answer(
            version=snapshot.version, places=(), refused=(), radius_m=_widest(need, wish),
            considered=0, examined=0,
        )  # fmt: skip
    outward = _Outward(snapshot, need, now, wish)
    outward.go(capability)
    kept = outward.kept()[: wish.limit]
    within = msgspec.structs.replace(need, radius_m=outward.radius_m)
    last = kept[-1].row if len(kept) == wish.limit else None
    return Answer(
        version=snapshot.version,
        places=tuple(outward.place(hit, rank) for rank, hit in enumerate(kept, start=1)),
        refused=tuple(outward.refusals(within, {hit.row for hit in kept}, last)),
        radius_m=outward.radius_m,
        considered=len(capability.rows),
        examined=outward.examined,
    )


def _widest(need: Need, wish: Wish) -> int | None:
    return wish.radii[-1] if wish.radii else need.radius_m


class _Outward:
    """One search on its way: what was seen, what can take the need, the radius so far."""

    def __init__(self, snapshot: Snapshot, need: Need, now: datetime, wish: Wish) -> None:
        self._snapshot = snapshot
        self._need = need
        self._now = now
        self._wish = wish
        placed = need.lon is not None and need.lat is not None
        own = () if need.radius_m is None else (need.radius_m,)
        self._radii = (wish.radii or own) if placed else ()
        self._step = 0
        self._near = 0
        self._beyond = 0
        self._refused = 0
        self.examined = 0
        self._widest = self._radii[-1] if self._radii else None
        self._enough = min(wish.enough, wish.limit)
        self.seen: list[_Row] = []
        self._hits: list[_Hit] = []

    @property
    def radius_m(self) -> int | None:
        """Give the radius that the search has come to."""
        return self._radii[self._step] if self._radii else self._need.radius_m

    def go(self, capability: Capability) -> None:
        """Go outward until there is enough or nobody is left."""
        snapshot, need = self._snapshot, self._need
        for rows, metres in _ranked(snapshot, capability, need, self._wish.seed, self._widest):
            ways = snapshot.screen.ways(need, rows, metres)
            ways[~snapshot.screen.admits(need, rows)] = 0
            if metres is not None and self._widest is not None:
                ways[metres > self._widest] &= np.uint8(~OFFICE & 0xFF)
            self.examined += len(rows)
            straight = [None] * len(rows) if metres is None else metres.tolist()
            for at in self._worth(ways):
                one = _Row(int(rows[at]), straight[at], int(ways[at]))
                if one.straight_m is not None:
                    self._widen(one.straight_m // BAND_M)
                if one.ways and self._hit(one):
                    self.seen.append(one)
                    if self._done():
                        return
                elif self._refused < self._wish.refused_limit:
                    self._refused += 1
                    self.seen.append(one)
        self._widen(math.inf)

    def _worth(self, ways: Bits) -> Iterator[int]:
        """Give the places of rows worth a look: none that is refused once enough are known."""
        passing = np.flatnonzero(ways).tolist()
        at = 0
        for place in passing:
            while at < place and self._refused < self._wish.refused_limit:
                yield at
                at += 1
            yield place
            at = place + 1
        while at < len(ways) and self._refused < self._wish.refused_limit:
            yield at
            at += 1

    def _widen(self, band: float) -> None:
        """Take the next radii as long as all up to this band was seen and is not enough."""
        while (
            self._step + 1 < len(self._radii)
            and self._near < self._enough
            and band > self._radii[self._step] // BAND_M
        ):
            self._step += 1
            self._near = sum(1 for hit in self._hits if self._inside(hit))
            self._beyond = sum(1 for hit in self._hits if hit.far and not self._inside(hit))

    def _hit(self, one: _Row) -> bool:
        """Keep a row when somebody can be seen there in time."""
        openings = self._openings(one)
        late = self._need.deadline
        found = 0
        for modality, at in openings.items():
            if late is None or at <= late:
                found |= BIT[modality]
        near = one.ways & found
        if not near:
            return False
        hit = _Hit(one.row, one.straight_m, near, near & ~OFFICE, openings)
        self._hits.append(hit)
        if self._inside(hit):
            self._near += 1
        elif hit.far:
            self._beyond += 1
        return True

    def _openings(self, one: _Row) -> eligibility.Openings:
        snapshot, need = self._snapshot, self._need
        if snapshot.screen.referral[one.row]:
            opening = eligibility.next_opening(
                snapshot.services[one.row].hours, snapshot.locations[one.row].zone, need.earliest
            )
            return {} if opening is None else dict.fromkeys(of_bits(one.ways), opening)
        return snapshot.openings(one.row, need, self._now, self._wish.audience, one.ways)

    def _inside(self, hit: _Hit) -> bool:
        radius = self.radius_m
        return radius is None or hit.straight_m is None or hit.straight_m <= radius

    def _done(self) -> bool:
        settled = self._step + 1 >= len(self._radii) or self._near >= self._enough
        return settled and self._near + self._beyond >= self._wish.limit

    def kept(self) -> list[_Hit]:
        """Give the rows that can take the need with the radius come to, by rank."""
        return [hit for hit in self._hits if hit.far or self._inside(hit)]

    def place(self, hit: _Hit, rank: int) -> Place:
        """Write a row out."""
        snapshot = self._snapshot
        service, location = snapshot.services[hit.row], snapshot.locations[hit.row]
        fitting = of_bits(hit.near if self._inside(hit) else hit.far)
        slots: list[OpenSlot] = []
        as_of = None
        if not snapshot.screen.referral[hit.row]:
            slots, as_of = self._slots(hit.row, fitting)
        travel_s = None
        if hit.straight_m is not None:
            model = snapshot.travel
            travel_s = model.fixed_s + hit.straight_m * model.detour_factor * 3.6 / model.speed_kmh
        opening = hit.openings[fitting[0]]
        free = sum(slot.free for slot in slots) if slots else None
        seen = Seen(fitting[0], opening, hit.straight_m, travel_s, free)
        return Place(
            rank=rank,
            service=service,
            location=location,
            fitting=fitting,
            opening=opening,
            slots=tuple(slots),
            straight_m=hit.straight_m,
            travel_s=travel_s,
            facts=tuple(facts(self._need, self._now, service, seen)),
            as_of=as_of,
        )

    def _slots(
        self, row: int, fitting: tuple[Modality, ...]
    ) -> tuple[list[OpenSlot], datetime | None]:
        """Give the first slots that may be shown in time, and when their source last spoke."""
        need = self._need
        found: list[OpenSlot] = []
        late = None if need.deadline is None else columns.micros(need.deadline)
        schedules, slots = self._snapshot.diaries.window(row, columns.micros(need.earliest), late)
        as_of = None
        for slot in slots:
            if len(found) == self._wish.slots:
                break
            if MODALITIES[slot[7]] not in fitting:
                continue
            schedule, start = schedules[slot[3]], columns.moment(slot[1])
            visibility = VISIBILITIES[slot[8]]
            if consent.shows(schedule, visibility, start, self._wish.audience, self._now):
                as_of = as_of if found else schedule.as_of
                found.append(columns.opened(slot, schedule))
        return found, as_of

    def refusals(
        self, within: Need, kept: set[int], last: int | None
    ) -> Iterator[eligibility.Verdict]:
        """Judge the nearest rows that were refused, up to the last place shown."""
        told = 0
        snapshot = self._snapshot
        for one in self.seen:
            if one.row == last or told == self._wish.refused_limit:
                return
            if one.row in kept:
                continue
            told += 1
            openings: eligibility.Openings = {}
            if not snapshot.screen.referral[one.row]:
                openings = snapshot.openings(one.row, within, self._now, self._wish.audience)
            yield eligibility.judge(
                within,
                snapshot.services[one.row],
                snapshot.locations[one.row],
                openings,
                one.straight_m,
            )


def _ranked(
    snapshot: Snapshot, capability: Capability, need: Need, seed: int, widest: int | None
) -> Iterator[tuple[Indices, NDArray[np.float64] | None]]:
    """Give all rows of a capability in rank order, in parts that grow, with their metres."""
    rows = capability.rows
    if need.lon is None or need.lat is None:
        yield rows[np.lexsort((snapshot.lots[rows], draw(snapshot.lots[rows], seed)))], None
        return
    point = distance.unit_vector(need.lon, need.lat)
    told = -1.0
    wanted = _FIRST
    while True:
        last = wanted >= len(rows)
        if last:
            found = rows
        else:
            _, positions = capability.tree.query(point, k=wanted)
            found = rows[positions]
        metres = distance.great_circle_m(
            need.lon, need.lat, snapshot.lon[found], snapshot.lat[found]
        )
        bands = np.floor(metres / BAND_M)
        fresh = bands > told
        if not last:
            edge = math.floor((float(metres.max()) - _SLACK_M) / BAND_M)
            fresh &= bands < edge
            told = max(told, edge - 1.0)
            # Beyond the widest radius only those who need no journey count: all of them at once.
            beyond = widest is not None and metres.max() > widest + BAND_M
            wanted = len(rows) if beyond else wanted * _GROWTH
        found, metres, bands = found[fresh], metres[fresh], bands[fresh]
        lots = snapshot.lots[found]
        order = np.lexsort((lots, draw(lots, seed), bands))
        yield found[order], metres[order]
        if last:
            return


def draw(lots: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Draw a lot for each id from a seed.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).

    Args:
        lots: Last eight bytes of each id.
        seed: 0 to 2 ** 64 - 1.
    """
    mixed = lots ^ np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _A
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _B
    return mixed ^ (mixed >> np.uint64(31))
