"""Names of towns that several towns of a country share, so that a name alone says nothing."""

import csv
from functools import cache
from typing import Final

from directory.places import DATA

_FILES: Final = {"FR": DATA / "france" / "homonyms.csv"}


@cache
def names(country: str) -> frozenset[str]:
    """Give the names, in lower case; none for a country whose towns are not listed here.

    Args:
        country: ISO 3166-1 alpha-2 code.
    """
    path = _FILES.get(country)
    if path is None:
        return frozenset()
    with path.open(encoding="utf-8", newline="") as lines:
        return frozenset(row["name"] for row in csv.DictReader(lines))
