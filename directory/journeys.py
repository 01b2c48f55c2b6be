"""How long a journey takes: what a routing engine said of it before, else the territory's estimate.

`Router` is what a routing engine has to offer; nobody asks one while a patient waits. Its answers
are kept for each place and the communes around it (`directory.journey_store`), a zone being a
commune's centre: the journey of a patient is that of his commune.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import gazetteer
from directory.distance import TravelModel
from directory.model import Location, LocationId, Need

ESTIMATE: Final = "estimate"
ROUTER: Final = "router"
CODE: Final = np.dtype("S5")
"""A commune's national code in an array."""
WHOLE: Final = np.dtype("<i4")
NO_WAY: Final = -1
"""Seconds of a journey that the router knows no way for."""


class Leg(msgspec.Struct, frozen=True):
    """What a router says of one journey."""

    duration_s: float
    road_m: float


class Router(Protocol):
    """A routing engine.

    Attributes:
        name: Stands beside what it said; another name = everything is asked again.
    """

    @property
    def name(self) -> str:
        """Give its name."""
        ...

    def to_one(
        self, lon: float, lat: float, origins: Sequence[tuple[float, float]]
    ) -> Sequence[Leg | None]:
        """Give the journeys from several places (longitude, latitude) to one, in their order.

        Returns:
            None where it knows no way.

        Raises:
            kernel.errors.Unavailable: `router_away`: no answer, or not in time.
            kernel.errors.Invalid: `router_refused`: it cannot answer this question.
        """
        ...


class Legs(msgspec.Struct, frozen=True):
    """What a router said of one place; all arrays have one entry for each commune, by code."""

    communes: NDArray[np.bytes_]
    duration_s: NDArray[np.int32]
    road_m: NDArray[np.int32]

    def of(self, commune: str) -> Leg | None:
        """Give the journey from a commune, or None when nothing is known."""
        code = commune.encode("ascii", "replace")
        at = int(self.communes.searchsorted(code))
        if at == len(self.communes) or self.communes[at] != code:
            return None
        duration_s = int(self.duration_s[at])
        return None if duration_s == NO_WAY else Leg(duration_s, int(self.road_m[at]))


class Journey(msgspec.Struct, frozen=True):
    """One journey.

    Attributes:
        source: `ROUTER` or `ESTIMATE`.
    """

    duration_s: float
    road_m: float
    source: str


class Journeys:
    """What is known of journeys; immutable.

    Attributes:
        models: Estimates by territory.
        reaches: What a router said, by place.
    """

    def __init__(
        self,
        models: Mapping[UUID, TravelModel] | None = None,
        reaches: Mapping[LocationId, Legs] | None = None,
        default: TravelModel | None = None,
    ) -> None:
        """Keep them.

        Args:
            models: Estimates by territory.
            reaches: What a router said.
            default: Estimate of a territory that has none of its own.
        """
        self.models = models or {}
        self.reaches = reaches or {}
        self._default = default or TravelModel()

    def model(self, place: Location) -> TravelModel:
        """Give the estimate that counts at a place."""
        return self.models.get(place.territory_id, self._default)

    def zone(self, need: Need) -> str | None:
        """Give the commune that a patient sets out from; None when unknown or of no use."""
        if need.commune is not None or not self.reaches or need.lon is None or need.lat is None:
            return need.commune
        nearest = gazetteer.nearest(need.lon, need.lat, gazetteer.NEAR_M)
        return None if nearest is None else nearest.insee

    def to(self, place: Location, straight_m: float, zone: str | None) -> Journey:
        """Give the journey of a patient to a place; never waits for anything.

        Args:
            place: Where to.
            straight_m: Great-circle metres between the two.
            zone: Commune of the patient (`zone`), asked once for each search.
        """
        reach = self.reaches.get(place.id) if zone is not None else None
        leg = None if reach is None or zone is None else reach.of(zone)
        if leg is not None:
            return Journey(leg.duration_s, leg.road_m, ROUTER)
        model = self.model(place)
        road_m = straight_m * model.detour_factor
        return Journey(model.fixed_s + road_m * 3.6 / model.speed_kmh, road_m, ESTIMATE)


def packed(found: Mapping[str, Leg | None]) -> Legs:
    """Write what a router said as columns.

    Args:
        found: By commune; None = it knows no way.
    """
    codes = sorted(found)
    legs = [found[code] or Leg(NO_WAY, NO_WAY) for code in codes]
    return Legs(
        np.array([code.encode("ascii") for code in codes], dtype=CODE),
        np.array([round(leg.duration_s) for leg in legs], dtype=WHOLE),
        np.array([round(leg.road_m) for leg in legs], dtype=WHOLE),
    )
