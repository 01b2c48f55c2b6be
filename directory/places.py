"""The shipped files of a demonstration territory: communes, hospital sites, search radius.

Only our own files under `directory/data/` are read here (origin and licence beside them); readers
of foreign formats live in interop.
"""

import csv
from pathlib import Path
from typing import Final

import msgspec

from directory.distance import SearchRadius

DATA: Final = Path(__file__).parent / "data"


class Commune(msgspec.Struct, frozen=True, kw_only=True):
    """One commune: national code, name, inhabitants, centre in degrees, postcodes."""

    insee: str
    name: str
    population: int
    lon: float
    lat: float
    postcodes: tuple[str, ...]


class Hospital(msgspec.Struct, frozen=True, kw_only=True):
    """One real hospital site.

    Attributes:
        assumed: Service codes that the demonstration assumes there; not from FINESS.
    """

    finess: str
    name: str
    site: str
    commune: str
    postcode: str
    lon: float
    lat: float
    kind: str
    ownership: str
    assumed: frozenset[str]


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Search radius of the department and its barycentre; metres and degrees."""

    default_radius_m: int
    step_m: int
    maximum_radius_m: int
    barycentre_lon: float
    barycentre_lat: float

    @property
    def radius(self) -> SearchRadius:
        """Give the widening rule."""
        return SearchRadius(
            default_m=self.default_radius_m, step_m=self.step_m, maximum_m=self.maximum_radius_m
        )


class Territory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of one department."""

    department: str
    name: str
    zone: str
    gp_density_per_100k: float
    search: Search


def territory(folder: str = "somme") -> Territory:
    """Read the facts of a demonstration territory."""
    return msgspec.toml.decode((DATA / folder / "territory.toml").read_bytes(), type=Territory)


def communes(folder: str = "somme") -> tuple[Commune, ...]:
    """Read the communes, by national code."""
    with (DATA / folder / "communes.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Commune(
                insee=row["insee"],
                name=row["name"],
                population=int(row["population"]),
                lon=float(row["lon"]),
                lat=float(row["lat"]),
                postcodes=tuple(row["postcodes"].split("|")),
            )
            for row in csv.DictReader(lines)
        )


def hospitals(folder: str = "somme") -> tuple[Hospital, ...]:
    """Read the hospital sites, by FINESS."""
    with (DATA / folder / "hospitals.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Hospital(
                finess=row["finess"],
                name=row["name"],
                site=row["site"],
                commune=row["commune"],
                postcode=row["postcode"],
                lon=float(row["lon"]),
                lat=float(row["lat"]),
                kind=row["kind"],
                ownership=row["ownership"],
                assumed=frozenset(filter(None, row["assumed"].split("|"))),
            )
            for row in csv.DictReader(lines)
        )


def outline(folder: str = "somme") -> bytes:
    """Give the GeoJSON outline: the department first, then its communes."""
    return (DATA / folder / "outline.geojson").read_bytes()
