"""The HTTP application: routes of every room behind one guard, one lifespan, one description."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import Receive, Scope, Send

from directory.snapshot import Snapshot
from events.live import Hub
from kernel import errors
from kernel.edge import Edge
from kernel.health import Health
from kernel.identity import DemoAccount
from kernel.settings import Settings
from server import accounts, auth, description, event_contracts, problems, status, visits
from server.guard import Guard
from server.requests import Request
from server.rooms import api_routes, page_routes
from server.services import Services
from triage.library import Library

API: Final = "/api/v1"


async def provide_edge(request: Request) -> Edge:
    """Give a route its edge: the actor with the ids of this request, the database, the keys.

    Args:
        request: The request.

    Raises:
        Unauthenticated: The address is open and nobody known is asking.
    """
    visit = visits.of(request.scope)
    services: Services = request.app.state.services
    if visit.actor is None:
        raise errors.Unauthenticated("sign_in_needed", "Sign in or send an API key.")
    return Edge(
        actor=visits.actor_of(visit),
        database=services.database,
        keys=services.keys,
        settings=services.settings,
        idempotency_key=request.headers.get("idempotency-key"),
        fingerprint=visit.fingerprint,
    )


async def provide_health(request: Request) -> Health:
    """Give the service's condition, at most a second old.

    Args:
        request: The request.
    """
    services: Services = request.app.state.services
    return await services.watch.look()


async def provide_demo_accounts(request: Request) -> tuple[DemoAccount, ...]:
    """Give the accounts of the one-click sign-in; none outside a demo.

    Args:
        request: The request.
    """
    services: Services = request.app.state.services
    return await accounts.offered(services.database, demo=services.settings.demo)


async def provide_live(request: Request) -> Hub:
    """Give the live feed of this process.

    Args:
        request: The request.
    """
    services: Services = request.app.state.services
    return services.hub


async def provide_snapshot(request: Request) -> Snapshot:
    """Give the present snapshot of the directory.

    Args:
        request: The request.
    """
    services: Services = request.app.state.services
    return services.snapshot


async def provide_library(request: Request) -> Library:
    """Give the triage protocols of this process.

    Args:
        request: The request.
    """
    services: Services = request.app.state.services
    return services.library


DEPENDENCIES: Final[Mapping[str, Provide]] = {
    "edge": Provide(provide_edge),
    "health": Provide(provide_health),
    "library": Provide(provide_library),
    "live": Provide(provide_live),
    "snapshot": Provide(provide_snapshot),
    "demo_accounts": Provide(provide_demo_accounts),
}


def routes(services: Services) -> Litestar:
    """Assemble the routes, without the guard.

    Args:
        services: What they stand on.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.services = services
        app.state.drain = services.drain
        async with services.opened():
            yield

    api = Router(API, route_handlers=[*api_routes(), *status.API_ROUTES, description.openapi])
    return Litestar(
        route_handlers=[api, *page_routes(), *auth.ROUTES, *status.ROUTES, *event_contracts.ROUTES],
        dependencies=dict(DEPENDENCIES),
        exception_handlers=dict(problems.HANDLERS),
        openapi_config=description.config(),
        request_class=Request,
        lifespan=[lifespan],
        logging_config=None,
    )


class App:
    """The ASGI application.

    Attributes:
        services: What it stands on; `services.drain` ends live streams.
        litestar: The routes behind the guard.
    """

    def __init__(self, settings: Settings) -> None:
        """Assemble; opens nothing before the lifespan starts.

        Args:
            settings: As read at the start.

        Raises:
            Refusal: The master key can't be read.
        """
        self.services = Services(settings)
        self.litestar = routes(self.services)
        self._guard = Guard(
            self.litestar,
            self.services.doorkeeper,
            settings.allowed_hosts,
            ready=lambda: self.services.ready,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection.

        Args:
            scope: Of ASGI.
            receive: Of ASGI.
            send: Of ASGI.
        """
        await self._guard(scope, receive, send)


def create_app(settings: Settings) -> App:
    """Give the application for these settings.

    Args:
        settings: As read at the start.
    """
    return App(settings)
