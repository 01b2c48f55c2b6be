"""All addresses of the console: pages, fragments, the live feed and static files."""

from pathlib import Path
from typing import Any, Final

from litestar import Router
from litestar.di import Provide
from litestar.static_files import create_static_files_router

from console import (
    cabinet,
    deaths,
    desk,
    login,
    orientation,
    place,
    reader,
    refusals,
    relais,
    sources,
    stream,
    subscribers,
    watching,
)
from kernel.errors import RegulError

STATIC: Final = Path(__file__).parent / "static"


ROUTES: Final[list[Any]] = [
    Router(
        "/",
        route_handlers=[
            login.login,
            login.start,
            login.preferences,
            *stream.ROUTES,
            *relais.ROUTES,
            *cabinet.ROUTES,
            *desk.ROUTES,
            *deaths.ROUTES,
            *watching.ROUTES,
            *orientation.ROUTES,
            *place.ROUTES,
            *sources.ROUTES,
            *subscribers.ROUTES,
        ],
        dependencies={
            "who": Provide(reader.provide),
            "known": Provide(reader.provide_known),
        },
        exception_handlers={RegulError: refusals.show},
        include_in_schema=False,
    ),
    create_static_files_router(path="/static", directories=[STATIC], include_in_schema=False),
]
"""Mounted at the root by `server`."""
