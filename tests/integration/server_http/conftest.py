"""A live server in this process, on a free port: seen through sockets, as clients see it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.settings import Settings
from server import accounts
from server.accounts import Opened
from server.app import App, create_app
from server.serve import Server, listen


class Live(msgspec.Struct, kw_only=True):
    """A running service and a client of it."""

    app: App
    server: Server
    port: int
    client: httpx.AsyncClient
    accounts: Mapping[str, Opened]

    def bearer(self, login: str = "operator") -> dict[str, str]:
        """Give the header that signs a demo account in."""
        return {"authorization": f"Bearer {self.accounts[login].key}"}

    async def get(self, path: str, login: str = "operator", **options: Any) -> httpx.Response:
        """Ask as a demo account."""
        headers = {**self.bearer(login), **options.pop("headers", {})}
        return await self.client.get(path, headers=headers, **options)

    async def post(self, path: str, login: str = "operator", **options: Any) -> httpx.Response:
        """Post as a demo account."""
        headers = {**self.bearer(login), **options.pop("headers", {})}
        return await self.client.post(path, headers=headers, **options)

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and give everything that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


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
            while not server.started:
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
