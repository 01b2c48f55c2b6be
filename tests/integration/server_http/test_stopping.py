"""SIGTERM ends `serve` and `work` within five seconds, also when PostgreSQL and NATS are away."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.settings import Settings
from tests.integration.server_http.conftest import serving

ROOT = Path(__file__).resolve().parents[3]
LONGEST_STOP_S = 10
"""Five seconds are meant; a machine that does everything at once may take twice as long."""


@pytest.fixture
def silent() -> Iterator[int]:
    """Give the port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as door:
        yield int(door.getsockname()[1])


async def start(command: str, **variables: str) -> asyncio.subprocess.Process:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REGUL_")},
        "PYTHONPATH": str(ROOT),
        "REGUL_PORT": "0",
        "REGUL_THROW_AWAY": "1",
        **variables,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "server.cli",
        command,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )


async def said(process: asyncio.subprocess.Process, word: bytes) -> None:
    """Wait until the process has written a line with this word."""
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while word not in (line := await process.stderr.readline()):
            assert line, "the process ended"


async def stopped_in(process: asyncio.subprocess.Process) -> float:
    """Send SIGTERM; give the seconds until the end."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 60)
    return time.monotonic() - began


@pytest.mark.parametrize("command", ["work", "serve"])
@pytest.mark.parametrize("away", ["refused", "silent"])
async def test_a_process_stops_while_everything_is_away(
    command: str, away: str, silent: int, key_file: Path
) -> None:
    port = silent if away == "silent" else 1
    process = await start(
        command,
        DATABASE_URL=f"postgresql://regul:x@127.0.0.1:{port}/none",
        NATS_URL=f"nats://127.0.0.1:{port}",
        REGUL_KEY_FILE=str(key_file),
    )
    await said(process, b"nats.away")
    assert await stopped_in(process) < LONGEST_STOP_S


@pytest.mark.parametrize("command", ["work", "serve"])
async def test_a_running_process_stops_with_exit_code_0(command: str, settings: Settings) -> None:
    process = await start(
        command,
        DATABASE_URL=settings.database_url,
        NATS_URL=settings.nats_url,
        REGUL_KEY_FILE=str(settings.key_file),
    )
    await said(process, b"server.started")
    assert await stopped_in(process) < LONGEST_STOP_S
    assert process.returncode == 0


async def test_a_live_stream_ends_when_the_service_stops(live_settings: Settings) -> None:
    async with (
        serving(live_settings) as live,
        live.client.stream("GET", "/api/v1/events", headers=live.bearer(), timeout=60) as answer,
    ):
        assert answer.status_code == 200
        live.server.stop()
        began = time.monotonic()
        async for _ in answer.aiter_bytes():
            continue
        assert time.monotonic() - began < 5
