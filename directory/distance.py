"""How far and how long: great-circle distance, a detour factor, a speed; search radii.

`travel` is the one function to replace by a routing engine: everything else asks it.
"""

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius R1 of the WGS84 ellipsoid. Source: IUGG, GRS80 mean radius."""

Floats = NDArray[np.float64]


class TravelModel(msgspec.Struct, frozen=True, kw_only=True):
    """How straight lines become journeys in one territory.

    Attributes:
        detour_factor: Road distance / great-circle distance, >= 1.
        speed_kmh: Mean door-to-door speed on that road distance.
        fixed_s: Seconds that every journey costs (leaving, parking).
    """

    detour_factor: float = 1.3
    speed_kmh: float = 50.0
    fixed_s: float = 120.0


class SearchRadius(msgspec.Struct, frozen=True, kw_only=True):
    """How far one department searches, and how it widens.

    Attributes:
        default_m: First radius, great-circle metres.
        step_m: What each widening adds; 0 = it never widens.
        maximum_m: Last radius.
    """

    default_m: int
    step_m: int
    maximum_m: int

    def radii(self) -> tuple[int, ...]:
        """Give the radii to try, growing, the maximum included."""
        if self.step_m <= 0 or self.default_m >= self.maximum_m:
            return (self.default_m,)
        return (*range(self.default_m, self.maximum_m, self.step_m), self.maximum_m)


class Travel(msgspec.Struct, frozen=True, kw_only=True):
    """Journeys from one origin to n destinations.

    Attributes:
        straight_m: Great-circle metres, shape (n,).
        road_m: Estimated road metres, shape (n,).
        duration_s: Estimated seconds, shape (n,).
    """

    straight_m: Floats
    road_m: Floats
    duration_s: Floats


def unit_vectors(lon: Floats, lat: Floats) -> Floats:
    """Give the points on the unit sphere, shape (n, 3), of n positions in degrees."""
    east, north = np.radians(lon), np.radians(lat)
    ring = np.cos(north)
    return np.stack((ring * np.cos(east), ring * np.sin(east), np.sin(north)), axis=-1)


def unit_vector(lon: float, lat: float) -> tuple[float, float, float]:
    """Give the point on the unit sphere of one position in degrees."""
    east, north = math.radians(lon), math.radians(lat)
    ring = math.cos(north)
    return (ring * math.cos(east), ring * math.sin(east), math.sin(north))


def chord(metres: float) -> float:
    """Give the straight line through the unit sphere that spans great-circle metres."""
    return 2.0 * math.sin(min(metres / EARTH_RADIUS_M, math.pi) / 2.0)


def great_circle_m(lon: float | Floats, lat: float | Floats, lons: Floats, lats: Floats) -> Floats:
    """Give great-circle metres from one position to n others, or of n pairs, shape (n,).

    Source: haversine formula on a sphere of `EARTH_RADIUS_M`; error below 0.6 % of the ellipsoid.
    """
    lat1, lat2 = np.radians(lat), np.radians(lats)
    half_lat = np.sin((lat2 - lat1) / 2.0)
    half_lon = np.sin(np.radians(lons - lon) / 2.0)
    root = np.sqrt(half_lat**2 + np.cos(lat1) * np.cos(lat2) * half_lon**2)
    distance: Floats = 2.0 * EARTH_RADIUS_M * np.arcsin(np.minimum(root, 1.0))
    return distance


def travel(lon: float, lat: float, lons: Floats, lats: Floats, model: TravelModel) -> Travel:
    """Estimate the journeys from one position to n others.

    Args:
        lon: Longitude of the origin, degrees.
        lat: Latitude of the origin, degrees.
        lons: Longitudes of the destinations, shape (n,).
        lats: Latitudes of the destinations, shape (n,).
        model: The territory's detour factor and speed.

    Returns:
        Distances and durations in the order of the destinations.
    """
    return by_road(great_circle_m(lon, lat, lons, lats), model)


def by_road(straight: Floats, model: TravelModel) -> Travel:
    """Estimate n journeys from their great-circle metres, shape (n,)."""
    road = straight * model.detour_factor
    return Travel(
        straight_m=straight,
        road_m=road,
        duration_s=model.fixed_s + road * 3.6 / model.speed_kmh,
    )


def one(lon: float, lat: float, to_lon: float, to_lat: float) -> float:
    """Give the great-circle metres between two positions."""
    return float(great_circle_m(lon, lat, np.array([to_lon]), np.array([to_lat]))[0])
