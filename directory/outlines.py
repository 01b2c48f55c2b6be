"""Outlines of communes as SVG paths: our own file where we have one, else a mark at each centre."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from directory import places
from directory.gazetteer import Commune

_MARK: Final = 1.2
"""Half the side of the square that stands for a commune without an outline, in pixels."""

Ring = Sequence[tuple[float, float]]


class _Properties(msgspec.Struct, frozen=True):
    code: str


class _Geometry(msgspec.Struct, frozen=True):
    type: str
    coordinates: msgspec.Raw


class _Feature(msgspec.Struct, frozen=True):
    properties: _Properties
    geometry: _Geometry

    def rings(self) -> tuple[Ring, ...]:
        """Give the rings of all polygons."""
        if self.geometry.type == "Polygon":
            return msgspec.json.decode(self.geometry.coordinates, type=tuple[Ring, ...])
        parts = msgspec.json.decode(self.geometry.coordinates, type=tuple[tuple[Ring, ...], ...])
        return tuple(ring for part in parts for ring in part)


class _Collection(msgspec.Struct, frozen=True):
    features: tuple[_Feature, ...]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """How degrees become pixels: equirectangular, true to scale at the middle latitude.

    Attributes:
        west: Longitude of the left edge.
        north: Latitude of the upper edge.
        across: Pixels of one degree of longitude.
        down: Pixels of one degree of latitude.
        width: Pixels.
        height: Pixels.
    """

    west: float
    north: float
    across: float
    down: float
    width: float
    height: float

    def point(self, lon: float, lat: float) -> tuple[float, float]:
        """Give the pixel of a position, one decimal."""
        return (
            round((lon - self.west) * self.across, 1),
            round((self.north - lat) * self.down, 1),
        )

    def path(self, rings: Sequence[Ring]) -> str:
        """Give the SVG path of some rings."""
        parts = []
        for ring in rings:
            points = [self.point(lon, lat) for lon, lat in ring]
            parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points[:-1]) + "Z")
        return "".join(parts)


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """A department ready to be drawn.

    Attributes:
        land: Path of the whole.
        communes: Path of each commune, by national code.
        centres: Position of each outline, degrees, same keys.
    """

    frame: Frame
    land: str
    communes: Mapping[str, str]
    centres: Mapping[str, tuple[float, float]]


def of_department(department: str, communes: Sequence[Commune], width: float) -> Outline:
    """Give the outline of a department.

    Args:
        department: Code; there is an outline of 80, others get a mark for each commune.
        communes: Its communes, at least one.
        width: Pixels.
    """
    if department == places.territory().department:
        features = msgspec.json.decode(places.outline(), type=_Collection).features
        frame = _frame([point for one in features for ring in one.rings() for point in ring], width)
        land, *parts = features
        return Outline(
            frame=frame,
            land=frame.path(land.rings()),
            communes={one.properties.code: frame.path(one.rings()) for one in parts},
            centres={one.properties.code: _middle(one.rings()[0]) for one in parts},
        )
    frame = _frame([(one.lon, one.lat) for one in communes], width)
    marks = {one.insee: _mark(*frame.point(one.lon, one.lat)) for one in communes}
    centres = {one.insee: (one.lon, one.lat) for one in communes}
    return Outline(frame=frame, land="".join(marks.values()), communes=marks, centres=centres)


def _frame(points: Ring, width: float) -> Frame:
    lons, lats = [one[0] for one in points], [one[1] for one in points]
    middle = math.radians((min(lats) + max(lats)) / 2)
    across = width / max(max(lons) - min(lons), 0.01)
    down = across / math.cos(middle)
    return Frame(
        west=min(lons), north=max(lats), across=across, down=down,
        width=width, height=round((max(lats) - min(lats)) * down, 1),
    )  # fmt: skip


def _middle(ring: Ring) -> tuple[float, float]:
    return (sum(one[0] for one in ring) / len(ring), sum(one[1] for one in ring) / len(ring))


def _mark(x: float, y: float) -> str:
    side = 2 * _MARK
    return f"M{x - _MARK:.1f} {y - _MARK:.1f}h{side:g}v{side:g}h-{side:g}Z"
