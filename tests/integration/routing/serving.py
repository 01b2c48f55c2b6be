"""The running service over the small territory, and its people as HTTP clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from kernel.actor import Actor
from kernel.settings import Settings
from server.app import create_app
from server.serve import Server, listen
from tests.integration.routing.world import World


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A client of the running service; an actor of the world signs in with its id as key."""

    client: httpx.AsyncClient
    world: World

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: Actor | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """Send one request with an actor's API key and, when given, an idempotency key."""
        person = who or self.world.operator
        headers = {"authorization": f"Bearer {person.id}"}
        if key is not None:
            headers["idempotency-key"] = key
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=headers)


@contextlib.asynccontextmanager
async def serving(world: World, settings: Settings) -> AsyncIterator[Service]:
    """Run the service on the world's database; its snapshot holds what was published before."""
    throw_away = msgspec.structs.replace(settings, throw_away=True)
    server = Server(create_app(throw_away), signals=False)
    with listen("127.0.0.1", 0) as door:
        port = int(door.getsockname()[1])
        task = asyncio.create_task(server.serve(sockets=[door]))
        async with asyncio.timeout(60):
            while not server.started:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.005)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            async with asyncio.timeout(60):
                while (await client.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.01)
            try:
                yield Service(client=client, world=world)
            finally:
                server.stop()
                async with asyncio.timeout(60):
                    await task
