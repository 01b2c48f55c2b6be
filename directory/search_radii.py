"""How far a search goes around a patient, and how it widens: by department, from the real table.

Reads our own file `data/france/search_radius.csv` (origin and licence beside it), once per
process. Where the table says nothing (abroad, or a 0 in the source) `ELSEWHERE` counts.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from directory import gazetteer
from directory.distance import SearchRadius

RADIUS_FILE: Final = Path(__file__).parent / "data" / "france" / "search_radius.csv"
ELSEWHERE: Final = SearchRadius(default_m=10_000, step_m=10_000, maximum_m=50_000)
"""Great-circle metres where the table has none: the middle of the table's own range."""
_OVERSEAS: Final = "97"


@cache
def table() -> Mapping[str, SearchRadius]:
    """Read the table, by department code; a department without a radius is left out."""
    with RADIUS_FILE.open(encoding="utf-8", newline="") as lines:
        return MappingProxyType(
            {
                row["department"]: SearchRadius(
                    default_m=int(row["default_m"]),
                    step_m=int(row["step_m"]),
                    maximum_m=int(row["maximum_m"] or ELSEWHERE.maximum_m),
                )
                for row in csv.DictReader(lines)
                if row["default_m"]
            }
        )


def department_of(commune: str) -> str:
    """Give the department of a commune's national code: three characters overseas, else two."""
    return commune[:3] if commune.startswith(_OVERSEAS) else commune[:2]


def of_department(department: str) -> SearchRadius:
    """Give the radius of a department code; `ELSEWHERE` when the table has none."""
    return table().get(department, ELSEWHERE)


def around(lon: float, lat: float, commune: str | None = None) -> SearchRadius:
    """Give the radius that counts for a patient.

    Args:
        lon: Longitude of the patient, degrees.
        lat: Latitude of the patient, degrees.
        commune: National code when known; otherwise that of the nearest centre is taken.
    """
    if commune is None:
        nearest = gazetteer.nearest(lon, lat, gazetteer.NEAR_M)
        return ELSEWHERE if nearest is None else of_department(nearest.department)
    return of_department(department_of(commune))
