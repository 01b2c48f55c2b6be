"""PostgreSQL killed under a running service: 503 with Retry-After, then recovery by itself."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from kernel.crypto import KeyRing
from kernel.database import open_database
from kernel.settings import Settings
from server import accounts
from server.app import create_app
from server.bootstrap import prepare
from server.layout import Layout
from server.postgres_server import PostgresServer
from server.serve import Server, listen

DEADLINE_S = 40.0


async def until_alive(postgres: PostgresServer) -> None:
    """Start PostgreSQL until it answers: a killed one may leave children for a moment."""
    async with asyncio.timeout(DEADLINE_S):
        while not await postgres.alive():
            if postgres.process is None or postgres.process.exit_code() is not None:
                postgres.start()
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def own_postgres() -> AsyncIterator[tuple[PostgresServer, str]]:
    """Run a PostgreSQL that this test may kill; give it and the service's DSN."""
    with tempfile.TemporaryDirectory(prefix="regul-away-", ignore_cleanup_errors=True) as home:
        await asyncio.to_thread(Path(home).chmod, 0o755)
        layout = Layout(Path(home) / ".regul")
        postgres = PostgresServer(layout, throw_away=True)
        try:
            postgres.start()
            await until_alive(postgres)
            yield postgres, await prepare(postgres.dsn(), layout)
        finally:
            if postgres.process is not None:
                postgres.process.stop()


async def until(client: httpx.AsyncClient, key: str, status: int) -> httpx.Response:
    """Ask until the status comes; every other answer must be a 503 that says when to come back."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await client.get("/api/v1/handoffs", headers={"authorization": key})
            if answer.status_code == status:
                return answer
            assert answer.status_code in {200, 503}, answer.text
            await asyncio.sleep(0.05)


async def test_a_killed_database_is_a_503_and_the_service_recovers_by_itself(
    own_postgres: tuple[PostgresServer, str], key_file: Path, keys: KeyRing
) -> None:
    postgres, dsn = own_postgres
    system = await open_database(dsn, "regul_system", 2)
    opened = {one.login: one for one in await accounts.ensure(system, keys)}
    await system.close()
    chosen = Settings(database_url=dsn, key_file=key_file, demo=True, throw_away=True)
    server = Server(create_app(chosen), signals=False)
    key = f"Bearer {opened['operator'].key}"
    with listen("127.0.0.1", 0) as door:
        task = asyncio.create_task(server.serve(sockets=[door]))
        base = f"http://127.0.0.1:{door.getsockname()[1]}"
        try:
            async with httpx.AsyncClient(base_url=base, timeout=60) as client:
                async with asyncio.timeout(DEADLINE_S):
                    while not server.started:
                        await asyncio.sleep(0.01)
                await until(client, key, 200)
                assert postgres.process is not None
                postgres.process.signal(signal.SIGKILL)
                away = await until(client, key, 503)
                assert away.json()["code"] in {"database_away", "directory_loading"}
                assert int(away.headers["retry-after"]) >= 1
                assert (await client.get("/healthz")).status_code == 200
                await until_alive(postgres)
                back = await until(client, key, 200)
                assert back.headers["content-type"] == "application/json"
        finally:
            server.stop()
            await task
