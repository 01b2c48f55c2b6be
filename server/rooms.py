"""Which rooms bring routes, pages and workers; the only list of them."""

import importlib
from collections.abc import Sequence
from typing import Any, Final

API_ROOMS: Final = ("events.api", "triage.api", "directory.api", "routing.api")
PAGE_ROOMS: Final = ("console.pages",)


def api_routes() -> Sequence[Any]:
    """Give the route handlers of all rooms, to be mounted under /api/v1."""
    return _routes(API_ROOMS)


def page_routes() -> Sequence[Any]:
    """Give the pages and static files, to be mounted at the root."""
    return _routes(PAGE_ROOMS)


def _routes(names: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for name in names:
        try:
            found += importlib.import_module(name).ROUTES
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    return found
