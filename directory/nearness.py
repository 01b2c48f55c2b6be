"""Who comes first: bands of distance from the patient, and a seeded lot within a band."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import distance
from directory.model import Need
from directory.screen import Indices
from directory.snapshot import Capability, Snapshot

BAND_M: Final = 250.0
"""Places whose distance lies in one band of this width are equal."""

_GROWTH: Final = 4
_SLACK_M: Final = 0.01
"""Chords and great circles may disagree by rounding about which of two rows is nearer."""

_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_B: Final = np.uint64(0x94D049BB133111EB)


class Far(msgspec.Struct, frozen=True):
    """What lies so far away that nobody travels there.

    Attributes:
        beyond_m: Great-circle metres; None = nothing is too far.
        worth: Which rows are worth a look all the same.
    """

    beyond_m: int | None
    worth: Callable[[Indices], Indices]


class Order(msgspec.Struct, frozen=True):
    """How rows are ranked and given.

    Attributes:
        seed: Draws the lot.
        first: Rows in the first part; each further one is four times as long. Beyond what is far
            the rest comes in one part.
    """

    seed: int
    first: int
    far: Far


def ranked(
    snapshot: Snapshot, capability: Capability, need: Need, order: Order
) -> Iterator[tuple[Indices, NDArray[np.float64] | None]]:
    """Give all rows of a capability in rank order, in parts that grow, with their metres.

    Args:
        snapshot: The directory.
        capability: Of the service asked for.
        need: Its place; metres are None when it is unknown.
        order: How.
    """
    rows = capability.rows
    if need.lon is None or need.lat is None:
        yield rows[np.lexsort((snapshot.lots[rows], draw(snapshot.lots[rows], order.seed)))], None
        return
    point = distance.unit_vector(need.lon, need.lat)
    told = -1.0
    wanted = order.first
    beyond = False
    while True:
        last = wanted >= len(rows)
        if last:
            found = order.far.worth(rows) if beyond else rows
        else:
            _, positions = capability.tree.query(point, k=wanted)
            found = rows[np.atleast_1d(positions)]
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
            beyond = order.far.beyond_m is not None and bool(
                metres.max() > order.far.beyond_m + 2 * BAND_M
            )
            wanted = len(rows) if beyond else wanted * _GROWTH
        found, metres, bands = found[fresh], metres[fresh], bands[fresh]
        lots = snapshot.lots[found]
        turn = np.lexsort((lots, draw(lots, order.seed), bands))
        yield found[turn], metres[turn]
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
