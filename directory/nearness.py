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


class Order(msgspec.Struct, frozen=True):
    """How rows are ranked and given.

    Attributes:
        seed: Draws the lot.
        first: Rows in the first part; each further one is four times as long.
        limit: Gives the great-circle metres beyond which only those matter who do more than wait
            at an office; None = all matter. Asked after each part.
    """

    seed: int
    first: int
    limit: Callable[[], int | None]


Part = tuple[Indices, NDArray[np.float64] | None]
"""Rows in rank order with their metres, which are None when the patient's place is unknown."""


def ranked(snapshot: Snapshot, capability: Capability, need: Need, order: Order) -> Iterator[Part]:
    """Give the rows of a capability in rank order, in parts that grow, with their metres.

    Beyond the limit those may be left out who only wait at an office.

    Args:
        snapshot: The directory.
        capability: Of the service asked for.
        need: Its place; metres are None when it is unknown.
        order: How.
    """
    if need.lon is None or need.lat is None:
        lots = snapshot.lots[capability.rows]
        yield capability.rows[np.lexsort((lots, draw(lots, order.seed)))], None
        return
    point = distance.unit_vector(need.lon, need.lat)
    told, wanted, farthest = -1.0, order.first, 0.0
    rows, tree = capability.rows, capability.tree
    while True:
        last = wanted >= len(rows)
        found = rows
        if not last:
            _, positions = tree.query(point, k=wanted)
            found = rows[np.atleast_1d(positions)]
        metres = distance.great_circle_m(
            need.lon, need.lat, snapshot.lon[found], snapshot.lat[found]
        )
        bands = np.floor(metres / BAND_M)
        fresh = bands > told
        if not last:
            farthest = float(metres.max())
            edge = math.floor((farthest - _SLACK_M) / BAND_M)
            fresh &= bands < edge
            told = max(told, edge - 1.0)
        yield _part(snapshot, order.seed, found[fresh], metres[fresh], bands[fresh])
        if last:
            return
        wanted *= _GROWTH
        limit = order.limit() if tree is capability.tree else None
        if limit is not None and farthest > limit + 2 * BAND_M:
            if capability.roaming is None:
                return
            wanted = max(order.first, wanted * len(capability.roaming.rows) // len(rows))
            rows, tree = capability.roaming.rows, capability.roaming.tree


def _part(
    snapshot: Snapshot, seed: int, rows: Indices, metres: NDArray[np.float64],
    bands: NDArray[np.float64],
) -> Part:  # fmt: skip
    lots = snapshot.lots[rows]
    turn = np.lexsort((lots, draw(lots, seed), bands))
    return rows[turn], metres[turn]


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
