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

from directory import columns, consent, eligibility, hours, nearness
from directory.columns import MODALITIES, VISIBILITIES, OpenSlot, SlotRow
from directory.facts import Fact, Seen, facts
from directory.journeys import Journey
from directory.model import CareService, Location, Modality, Need, Schedule
from directory.nearness import BAND_M
from directory.screen import EVERY_WAY, OFFICE, Bits, Indices, bits, of_bits
from directory.snapshot import Capability, Snapshot

_WAYS: Final = tuple(
    tuple(index for index in range(len(MODALITIES)) if value >> index & 1)
    for value in range(EVERY_WAY + 1)
)
"""Places in `MODALITIES` of each value of bits."""
_PIECE: Final = 64
"""Most rows screened at once."""


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
        first: Nearest rows looked at first; each further part is four times as long.
    """

    limit: int = 20
    refused_limit: int = 5
    slots: int = 3
    enough: int = 5
    radii: tuple[int, ...] = ()
    seed: int = 0
    audience: consent.Audience = consent.Audience.CENTRE
    first: int = 128


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
        travel_from: Who says how long the journey takes: `router` or `estimate`.
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
    travel_from: str | None = None


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


class _Row(msgspec.Struct, frozen=True):
    """One row on the way outward.

    Attributes:
        ways: Modalities that pass the screen, as bits; 0 = refused.
        first: Where its slots in the window begin; -1 = ask the table.
        end: Where they end.
    """

    row: int
    straight_m: float | None
    ways: int
    first: int
    end: int


class _Hit(msgspec.Struct):
    """A row that somebody can be seen at.

    Attributes:
        near: Modalities when it lies within the radius, as bits.
        far: Modalities that need no journey.
        openings: Earliest moments by modality.
        shown: Slots that may be shown, with their schedules, in order.
    """

    row: int
    straight_m: float | None
    near: int
    far: int
    openings: eligibility.Openings
    shown: list[tuple[SlotRow, Schedule]]


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


def _pieces(part: nearness.Part, size: int) -> Iterator[nearness.Part]:
    """Cut a part so that little more is screened than is looked at."""
    rows, metres = part
    for at in range(0, len(rows), size):
        end = at + size
        yield rows[at:end], None if metres is None else metres[at:end]


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
        late = None if need.deadline is None else columns.micros(need.deadline)
        self._window = (columns.micros(need.earliest), late)
        self._refused = 0
        self.examined = 0
        self._enough = min(wish.enough, wish.limit)
        self.seen: list[_Row] = []
        self._hits: list[_Hit] = []
        self._zone: tuple[str | None] | None = None

    @property
    def radius_m(self) -> int | None:
        """Give the radius that the search has come to."""
        return self._radii[self._step] if self._radii else self._need.radius_m

    def go(self, capability: Capability) -> None:
        """Go outward until there is enough or nobody is left."""
        order = nearness.Order(self._wish.seed, self._wish.first, self._limit)
        parts = nearness.ranked(self._snapshot, capability, self._need, order)
        size = min(self._wish.first, _PIECE)
        for rows, metres in (piece for part in parts for piece in _pieces(part, size)):
            ways, first, ends = self._screened(rows, metres)
            self.examined += len(rows)
            straight = [None] * len(rows) if metres is None else metres.tolist()
            for at in self._worth(ways):
                one = _Row(
                    int(rows[at]), straight[at], int(ways[at]), int(first[at]), int(ends[at])
                )
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

    def _farthest(self) -> int | None:
        """Give the widest radius that may yet be come to; None = any distance."""
        if not self._radii:
            return None
        return self._radii[self._step if self._near >= self._enough else -1]

    def _limit(self) -> int | None:
        """Give the metres beyond which an office is neither taken nor told of."""
        return self._farthest() if self._refused >= self._wish.refused_limit else None

    def _screened(
        self, rows: Indices, metres: NDArray[np.float64] | None
    ) -> tuple[Bits, Indices, Indices]:
        """Give the modalities of each row that may fit, and where its slots in the window lie."""
        screen, need = self._snapshot.screen, self._need
        ways = screen.ways(need, rows, metres)
        ways[~screen.admits(need, rows)] = 0
        farthest = self._farthest()
        if metres is not None and farthest is not None:
            ways[metres > farthest] &= np.uint8(~OFFICE & 0xFF)
        first, ends = np.zeros(len(rows), np.intp), np.zeros(len(rows), np.intp)
        diaries = np.flatnonzero((ways != 0) & ~screen.referral[rows])
        start, last = self._window
        first[diaries], ends[diaries] = self._snapshot.diaries.spans(rows[diaries], start, last)
        ways[diaries[(ends[diaries] <= first[diaries]) & (first[diaries] >= 0)]] = 0
        return ways, first, ends

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
        shown: list[tuple[SlotRow, Schedule]] = []
        openings: dict[Modality, datetime] = {}
        if self._snapshot.screen.referral[one.row]:
            opening = self._opens(one.row)
            if opening is not None:
                openings = dict.fromkeys(of_bits(one.ways), opening)
        else:
            shown = self._shown(one, openings)
        near = bits(openings)
        if not near:
            return False
        hit = _Hit(one.row, one.straight_m, near, near & ~OFFICE, openings, shown)
        self._hits.append(hit)
        if self._inside(hit):
            self._near += 1
        elif hit.far:
            self._beyond += 1
        return True

    def _opens(self, row: int) -> datetime | None:
        """Give when a referral intake opens, unless that is too late."""
        need, service = self._need, self._snapshot.services[row]
        opening = hours.next_opening(service, self._snapshot.locations[row], need.earliest)
        if opening is None or (need.deadline is not None and opening > need.deadline):
            return None
        return opening

    def _shown(
        self, one: _Row, openings: dict[Modality, datetime]
    ) -> list[tuple[SlotRow, Schedule]]:
        """Give the slots in the window that may be shown, as many as are wanted of each modality.

        The first of each modality is entered in `openings`.
        """
        diaries, (start, last) = self._snapshot.diaries, self._window
        if one.first < 0:
            schedules, slots = diaries.window(one.row, start, last)
        else:
            schedules, slots = diaries.between(one.row, one.first, one.end)
        wanted = dict.fromkeys(_WAYS[one.ways], self._wish.slots)
        found: list[tuple[SlotRow, Schedule]] = []
        for slot in slots:
            way, at = slot[7], slot[1]
            if way not in wanted or at < start or (last is not None and at > last):
                continue
            schedule, moment = schedules[slot[3]], columns.moment(at)
            visibility = VISIBILITIES[slot[8]]
            if consent.shows(schedule, visibility, moment, self._wish.audience, self._now):
                openings.setdefault(MODALITIES[way], moment)
                found.append((slot, schedule))
                wanted[way] -= 1
                if wanted[way] <= 0:
                    del wanted[way]
                    if not wanted:
                        break
        return found

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
        ways = bits(fitting)
        shown = [one for one in hit.shown if ways >> one[0][7] & 1][: self._wish.slots]
        slots = [columns.opened(*one) for one in shown]
        journey = self._journey(hit)
        travel_s = None if journey is None else journey.duration_s
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
            travel_from=None if journey is None else journey.source,
            facts=tuple(facts(self._need, self._now, service, seen)),
            as_of=shown[0][1].as_of if shown else None,
        )

    def _journey(self, hit: _Hit) -> Journey | None:
        if hit.straight_m is None:
            return None
        journeys, place = self._snapshot.journeys, self._snapshot.locations[hit.row]
        if self._zone is None:
            self._zone = (journeys.zone(self._need),)
        return journeys.to(place, hit.straight_m, self._zone[0])

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
