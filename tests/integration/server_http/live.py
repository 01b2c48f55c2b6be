"""What a test of the HTTP service holds: the running service and a client of it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from server.accounts import Opened
from server.app import App
from server.serve import Server


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
            async with asyncio.timeout(60):
                return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
