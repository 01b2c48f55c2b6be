"""A live server in this process, on a free port: seen through sockets, as clients see it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.settings import Settings
from server import accounts
from server.app import create_app
from server.serve import Server, listen
from tests.integration.server_http.live import Live


@pytest.fixture
def live_settings(settings: Settings) -> Settings:
    """Give settings of a demo on throw-away servers."""
    return msgspec.structs.replace(settings, demo=True, throw_away=True)


@pytest_asyncio.fixture
async def live(
    live_settings: Settings, system_database: Database, keys: KeyRing
) -> AsyncIterator[Live]:
    """Run the service on a fresh database with the demo accounts."""
    opened = await accounts.ensure(system_database, keys)
    app = create_app(live_settings)
    server = Server(app, signals=False)
    with listen("127.0.0.1", 0) as door:
        port = int(door.getsockname()[1])
        task = asyncio.create_task(server.serve(sockets=[door]))
        async with asyncio.timeout(15):
            while not (server.started and app.services.complete):
                assert not task.done(), task.exception()
                await asyncio.sleep(0.005)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield Live(
                app=app,
                server=server,
                port=port,
                client=client,
                accounts={one.login: one for one in opened},
            )
        server.stop()
        async with asyncio.timeout(10):
            await task
