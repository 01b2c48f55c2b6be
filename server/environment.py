"""Refuse an environment where another distribution owns one of our package names.

`events`, `routing` and their neighbours are top-level names: Régul is an application with its own
environment, and a foreign package of the same name would be imported half the time.
"""

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from server.refusal import Refusal

ROOMS: Final = (
    "kernel",
    "events",
    "triage",
    "directory",
    "routing",
    "console",
    "interop",
    "server",
)
OURS: Final = "regul"


def foreign_owners(owners: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """List (room, distribution) pairs where another distribution owns one of our names.

    Args:
        owners: Top-level name to distributions, as `packages_distributions()` gives it.
    """
    return [(room, owner) for room in ROOMS for owner in sorted(set(owners.get(room, ())) - {OURS})]


def strangers(root: Path) -> list[tuple[str, Path]]:
    """List (room, file) pairs that Python would import from outside a directory.

    Args:
        root: The directory that holds our rooms.
    """
    found = []
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        if spec is None:
            continue
        places = [Path(spec.origin)] if spec.origin else []
        places += [Path(place) / "__init__.py" for place in spec.submodule_search_locations or ()]
        found += [(room, place) for place in places if place.resolve().parent.parent != root]
    return found


def refuse_foreign_packages(root: Path | None = None) -> None:
    """Check that each room is ours and is imported from beside this package.

    Args:
        root: The directory that holds our rooms; the one of this package when None.

    Raises:
        Refusal: Another distribution or directory provides one of our names.
    """
    for room, owner in foreign_owners(importlib.metadata.packages_distributions()):
        raise Refusal(
            f"The installed distribution {owner!r} owns the package name {room!r}, which is "
            f"Régul's: run Régul in an environment of its own."
        )
    for room, place in strangers(root or Path(__file__).resolve().parent.parent):
        raise Refusal(
            f"The package {room!r} would be imported from {place}, which is not Régul's: "
            f"remove it from the path."
        )
