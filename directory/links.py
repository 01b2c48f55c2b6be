"""Referral links frozen into arrays (CSR): what graph questions are asked of.

Row i is care service i of the snapshot; an arc leads from who sends to who is sent to. The typed
networkx graph of `directory.graph` is the model; property tests compare the two.
"""

from collections.abc import Iterable
from typing import Final, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import distance
from directory.model import Modality, ReferralLink
from directory.screen import Indices
from directory.snapshot import Snapshot
from kernel.database import Tx

Mask = NDArray[np.bool_]
IN_PERSON: Final = frozenset({Modality.OFFICE, Modality.HOME_VISIT})
"""Ways in which patient and practitioner stand in one room."""


class Arcs(msgspec.Struct, frozen=True):
    """Arcs by the row they leave.

    Attributes:
        offsets: Shape (rows + 1,): arcs of row r lie in [offsets[r], offsets[r + 1]).
        ends: Row each arc leads to; growing within a row.
    """

    offsets: Indices
    ends: Indices

    def of(self, row: int) -> Indices:
        """Give the rows that the arcs of a row lead to."""
        return self.ends[self.offsets[row] : self.offsets[row + 1]]

    def after(self, rows: Indices) -> Indices:
        """Give the rows that the arcs of several rows lead to, with repetitions."""
        first, count = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        steps = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        found: Indices = self.ends[np.repeat(first, count) + steps]
        return found


class Links(msgspec.Struct, frozen=True):
    """The referral links between the care services of one snapshot.

    Attributes:
        onward: From who sends to who is sent to.
        back: The same arcs turned round.
        road_m: Road metres of each arc of `onward`.
        duration_s: Journey of each arc of `onward`: a router's word, else the estimate.
    """

    onward: Arcs
    back: Arcs
    road_m: distance.Floats
    duration_s: distance.Floats

    @property
    def rows(self) -> int:
        """Give the number of care services."""
        return len(self.onward.offsets) - 1


async def read(tx: Tx) -> tuple[ReferralLink, ...]:
    """Read all referral links; any transaction."""
    return tuple(ReferralLink(**row) for row in await tx.fetch(SELECT_REFERRAL_LINKS))


def freeze(snapshot: Snapshot, links: Iterable[ReferralLink]) -> Links:
    """Freeze links; one whose end is missing or inactive, or that comes again, is left out.

    Args:
        snapshot: Gives rows, places and journeys.
        links: In any order.
    """
    row = {one.id: at for at, one in enumerate(snapshot.services) if one.active}
    pairs = sorted(
        {
            (row[link.source_id], row[link.target_id])
            for link in links
            if link.source_id in row and link.target_id in row
        }
    )
    both = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    starts, ends = both[:, 0], both[:, 1]
    lon, lat = snapshot.lon, snapshot.lat
    straight = distance.great_circle_m(lon[starts], lat[starts], lon[ends], lat[ends])
    # The patient sets out from the commune of who sends him.
    trips = [
        snapshot.journeys.to(snapshot.locations[end], metres, snapshot.locations[start].commune)
        for start, end, metres in zip(
            starts.tolist(), ends.tolist(), straight.tolist(), strict=True
        )
    ]
    count = len(snapshot.services)
    return Links(
        onward=_arcs(starts, ends, count),
        back=_arcs(ends, starts, count),
        road_m=np.array([trip.road_m for trip in trips], dtype=np.float64),
        duration_s=np.array([trip.duration_s for trip in trips], dtype=np.float64),
    )


def _arcs(starts: Indices, ends: Indices, count: int) -> Arcs:
    order = np.lexsort((ends, starts))
    offsets = np.searchsorted(starts[order], np.arange(count + 1))
    return Arcs(offsets.astype(np.intp), ends[order])


def reached(arcs: Arcs, starts: Indices, closed: int | None = None) -> Mask:
    """Tell which rows can be reached from some rows along arcs, the rows themselves included.

    Args:
        arcs: Which way to go.
        starts: Rows; repetitions do no harm.
        closed: A row that nobody passes.
    """
    seen = np.zeros(len(arcs.offsets) - 1, dtype=np.bool_)
    seen[starts] = True
    if closed is not None:
        seen[closed] = False
    edge = np.flatnonzero(seen)
    while len(edge):
        found = arcs.after(edge)
        found = found[~seen[found]]
        if closed is not None:
            found = found[found != closed]
        seen[found] = True
        edge = cast("Indices", np.unique(found))
    return seen


SELECT_REFERRAL_LINKS: Final = """
select source_id, target_id from directory.referral_link order by source_id, target_id
"""
