"""A live server in this process, on a free port: seen through sockets, as clients see it.

One per module: its tests mark themselves with `loop_scope="module"` and leave the accounts they
change alone for the others (each has its own).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio

from kernel.crypto import KeyRing, read_master
from kernel.database import open_database
from kernel.settings import Settings
from server import accounts
from server.app import create_app
from server.postgres_server import PostgresServer
from server.serve import Server, listen
from tests.integration.server_http.live import Live

START_S = 60.0


class RunningServers(Protocol):
    """What the fixture `servers` of tests/conftest.py gives."""

    postgres: PostgresServer


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Live]:
    """Run the service with the demo accounts."""
    system = await open_database(settings.database_url, "regul_system", 2)
    opened = await accounts.ensure(system, KeyRing(read_master(settings.key_file)))
    await system.close()
    app = create_app(settings)
    server = Server(app, signals=False)
    with listen("127.0.0.1", 0) as door:
        port = int(door.getsockname()[1])
        task = asyncio.create_task(server.serve(sockets=[door]))
        async with asyncio.timeout(START_S):
            while not (server.started and app.services.complete):
                assert not task.done(), task.exception()
                await asyncio.sleep(0.005)
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, timeout=30) as client:
            yield Live(
                app=app,
                server=server,
                port=port,
                client=client,
                accounts={one.login: one for one in opened},
            )
        server.stop()
        async with asyncio.timeout(60):
            await task


def demo_settings(dsn: str, key_file: Path) -> Settings:
    """Give settings of a demo on throw-away servers."""
    return Settings(
        database_url=dsn, key_file=key_file, demo=True, throw_away=True, allow_draft_protocols=True
    )


@pytest.fixture
def live_settings(settings: Settings) -> Settings:
    """Give settings of a demo on a database of this test alone."""
    return msgspec.structs.replace(settings, demo=True, throw_away=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(module_dsn: str, key_file: Path) -> AsyncIterator[Live]:
    """Run the service for a whole module."""
    async with serving(demo_settings(module_dsn, key_file)) as live:
        yield live


@pytest.fixture
def live(served: Live) -> Live:
    """Give the module's service to a client without any cookie."""
    served.client.cookies.clear()
    return served


@pytest_asyncio.fixture(loop_scope="module")
async def live_admin(
    servers: RunningServers, module_dsn: str
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Give a superuser's connection to the module's database."""
    connection = await asyncpg.connect(servers.postgres.dsn(urlsplit(module_dsn).path[1:]))
    yield connection
    await connection.close()
