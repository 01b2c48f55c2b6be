"""Which rooms bring routes and pages; the only list of them."""

from collections.abc import Sequence
from typing import Any

from console import pages
from directory import api as directory_api
from events import api as events_api
from events import lease_api
from routing import api as routing_api
from triage import api as triage_api


def api_routes() -> Sequence[Any]:
    """Give the route handlers of all rooms, to be mounted under /api/v1."""
    return [
        *events_api.ROUTES,
        *lease_api.ROUTES,
        *triage_api.ROUTES,
        *directory_api.ROUTES,
        *routing_api.ROUTES,
    ]


def page_routes() -> Sequence[Any]:
    """Give the pages and static files, to be mounted at the root."""
    return pages.ROUTES
