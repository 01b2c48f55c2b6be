"""Where a commune is: by name or postcode, over the whole country.

Reads our own file `data/france/communes.csv` (origin and licence beside it), once per process.
"""

import csv
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from directory import distance, wording

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

ZONES_FILE: Final = Path(__file__).parent / "data" / "france" / "zones.toml"
COMMUNES_FILE: Final = Path(__file__).parent / "data" / "france" / "communes.csv"
NEAR_M: Final = 30_000
"""A place farther than this from every commune's centre lies in none."""
_POSTCODE: Final = 5
_DEPARTMENT: Final = re.compile(r"[0-9][0-9]|2[ABab]|97[0-9]")
_DISTRICTS: Final = 9
"""A city with as many postcodes has a district for each. Source: Lyon, the smallest, has nine."""
_OF_DISTRICTS: Final = frozenset({"13055", "69123", "75056"})
"""Marseille, Lyon and Paris, whose municipal districts stand beside them in the file."""
_SAINT: Final = {"st": "saint", "ste": "sainte"}


class Commune(msgspec.Struct, frozen=True):
    """One commune: national code, name, department, inhabitants, centre in degrees, postcodes."""

    insee: str
    name: str
    department: str
    population: int
    lon: float
    lat: float
    postcodes: tuple[str, ...]


@cache
def communes() -> tuple[Commune, ...]:
    """Read the communes, by national code."""
    with COMMUNES_FILE.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        return tuple(
            Commune(
                insee,
                name,
                department,
                int(people),
                float(lon),
                float(lat),
                tuple(codes.split("|")),
            )
            for insee, name, department, people, lon, lat, codes in rows
        )


class _Zones(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default: str
    departments: dict[str, str]


@cache
def _zones() -> _Zones:
    return msgspec.toml.decode(ZONES_FILE.read_bytes(), type=_Zones)


def zone(department: str) -> str:
    """Give the IANA zone whose clock a department follows."""
    return _zones().departments.get(department, _zones().default)


@cache
def _by_code() -> dict[str, Commune]:
    return {one.insee: one for one in communes()}


def commune(insee: str) -> Commune | None:
    """Give the commune of a national code, or None."""
    return _by_code().get(insee)


def of_department(department: str) -> tuple[Commune, ...]:
    """Give the communes of a department, each inhabitant once: a city's districts, not the city."""
    return tuple(
        one for one in communes() if one.department == department and one.insee not in _OF_DISTRICTS
    )


@cache
def _by_name() -> dict[str, list[Commune]]:
    found: dict[str, list[Commune]] = {}
    for one in communes():
        found.setdefault(key(one.name), []).append(one)
    return found


@cache
def _by_postcode() -> dict[str, list[Commune]]:
    found: dict[str, list[Commune]] = {}
    for one in communes():
        for postcode in one.postcodes:
            found.setdefault(postcode, []).append(one)
    return found


@cache
def _tree() -> "cKDTree":
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import, first needed here

    lons = np.array([one.lon for one in communes()])
    lats = np.array([one.lat for one in communes()])
    return cKDTree(distance.unit_vectors(lons, lats))


def nearest(lon: float, lat: float, within_m: float) -> Commune | None:
    """Give the commune whose centre is nearest, or None when none is so near.

    The first call of a process reads the file (about 0.2 s).

    Args:
        lon: Longitude, degrees.
        lat: Latitude, degrees.
        within_m: Great-circle metres.
    """
    chord, row = _tree().query(distance.unit_vector(lon, lat))
    if chord > distance.chord(within_m):
        return None
    return communes()[int(row)]


def around(lon: float, lat: float, count: int, within_m: float) -> tuple[Commune, ...]:
    """Give the communes whose centres are nearest, nearest first.

    Args:
        lon: Longitude, degrees.
        lat: Latitude, degrees.
        count: At most as many, at least one.
        within_m: Great-circle metres.
    """
    limit = distance.chord(within_m)
    every = communes()
    ranks = range(1, min(count, len(every)) + 1)
    found = _tree().query(distance.unit_vector(lon, lat), k=ranks)
    chords, rows = np.atleast_1d(found[0]), np.atleast_1d(found[1])
    return tuple(every[row] for row in rows[chords <= limit].tolist())


def key(name: str) -> str:
    """Give what spellings of a name have in common: "St Étienne" is "saint-etienne"."""
    return " ".join(_SAINT.get(word, word) for word in wording.plain(name).split())


def find(text: str) -> tuple[Commune, ...]:
    """Give the communes that a text may mean, the likeliest first.

    Args:
        text: A name, a postcode, or both ("80000 Amiens"); a name with its department
            ("Saint-Denis 93"). All that is written must fit.

    Returns:
        Several for a homonym or a shared postcode: a district of a city before the city, then the
        most populous first.
    """
    words = text.replace(",", " ").replace("(", " ").replace(")", " ").split()
    postcodes = [word for word in words if word.isdigit() and len(word) == _POSTCODE]
    departments = [word.upper() for word in words if _DEPARTMENT.fullmatch(word)]
    name = key(" ".join(word for word in words if word not in postcodes and not _is_number(word)))
    found = _by_postcode().get(postcodes[0], []) if postcodes else _by_name().get(name, [])
    fitting = [
        one
        for one in found
        if (not name or key(one.name) == name)
        and (not departments or one.department in departments)
    ]
    return tuple(
        sorted(
            fitting, key=lambda one: (_city(one) and bool(postcodes), -one.population, one.insee)
        )
    )


def _city(one: Commune) -> bool:
    return len(one.postcodes) >= _DISTRICTS


def _is_number(word: str) -> bool:
    return bool(_DEPARTMENT.fullmatch(word))
