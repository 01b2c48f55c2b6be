"""The embedded servers survive kill -9, keep port and data, and never outlive their parent."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest

from server.bootstrap import is_superuser
from server.layout import LOOPBACK, Layout
from server.nats_server import NatsServer
from server.postgres_server import PostgresServer
from server.process import command_line
from server.refusal import Refusal
from server.stack import Stack, throw_away_home
from server.supervisor import Supervisor
from tests.conftest import Servers

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 60.0


@pytest.fixture
def home() -> Iterator[Path]:
    with throw_away_home() as path:
        yield path


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def stack_in(home: Path) -> Stack:
    return Stack(home, api=False, worker=False, throw_away=True, environ={})


async def test_a_stack_gives_a_restricted_login_on_a_migrated_database(home: Path) -> None:
    async with stack_in(home) as stack:
        connection = await asyncpg.connect(stack.dsn)
        strong = await connection.fetchval(
            "select rolsuper or rolbypassrls from pg_roles where rolname = session_user"
        )
        count = await connection.fetchval("select count(*) from public.regul_migration")
        await connection.close()
    assert strong is False
    assert count > 0


async def test_postgres_killed_is_back_on_the_same_port_with_its_rows(home: Path) -> None:
    async with stack_in(home) as stack:
        assert stack.postgres is not None
        dsn, port = stack.postgres.dsn("regul"), stack.postgres.port
        connection = await asyncpg.connect(dsn)
        await connection.execute("create table kept (n int)")
        await connection.executemany("insert into kept values ($1)", [(n,) for n in range(100)])
        connection.terminate()
        stack.kill("postgres")
        await stack.wait_ready("postgres")
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select count(*) from kept") == 100
        await connection.close()
        assert (stack.postgres.port, stack.supervisor.restarts["postgres"]) == (port, 1)


async def test_nats_killed_is_back_with_every_acknowledged_message(home: Path) -> None:
    async with stack_in(home) as stack:
        connection = await nats.connect(stack.nats_url)
        jetstream = connection.jetstream()
        await jetstream.add_stream(name="KEPT", subjects=["kept"])
        for number in range(50):
            await jetstream.publish("kept", str(number).encode())
        await connection.close()
        stack.kill("nats")
        await stack.wait_ready("nats")
        connection = await nats.connect(stack.nats_url)
        info = await connection.jetstream().stream_info("KEPT")
        await connection.close()
    assert info.state.messages == 50


async def test_a_second_stack_in_the_same_directory_is_refused(home: Path) -> None:
    async with stack_in(home):
        with pytest.raises(Refusal, match="already runs"):
            async with stack_in(home):
                pass


async def test_existing_servers_are_used_instead_of_embedded_ones(
    home: Path, servers: Servers, nats_url: str
) -> None:
    admin_dsn = servers.postgres.dsn("regul_existing")
    await execute(servers.postgres.dsn(), "create database regul_existing")
    environ = {"DATABASE_URL": admin_dsn, "NATS_URL": nats_url}
    stack = Stack(home, api=False, worker=False, environ=environ)
    async with stack:
        assert stack.embedded == []
        assert stack.nats_url == nats_url
        assert stack.dsn != admin_dsn
        assert not await is_superuser(stack.dsn)
        derived = stack.dsn
    again = Stack(home, api=False, worker=False, environ={**environ, "DATABASE_URL": derived})
    async with again:
        assert again.dsn == derived
    await execute(servers.postgres.dsn(), "drop database regul_existing with (force)")


async def test_a_database_that_does_not_answer_is_refused(home: Path, servers: Servers) -> None:
    dsn = servers.postgres.dsn().replace(str(servers.postgres.port), "1")
    stack = Stack(home, api=False, worker=False, environ={"DATABASE_URL": dsn, "NATS_URL": "x"})
    with pytest.raises(Refusal, match="Cannot connect to PostgreSQL"):
        async with stack:
            pass


async def test_a_second_start_keeps_data_and_ports(home: Path) -> None:
    async with stack_in(home) as first:
        before = (first.dsn, first.nats_url)
    async with stack_in(home) as second:
        assert (second.dsn, second.nats_url) == before


PARENT = """
import asyncio, sys
from pathlib import Path
from server.stack import Stack
async def main():
    async with Stack(Path(sys.argv[1]), api=False, worker=False, environ={}) as stack:
        pids = [stack.postgres.process.pid, stack.nats.process.pid]
        print(*pids, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def parent_of_a_stack(home: Path) -> "tuple[subprocess.Popen[str], list[int]]":
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, str(home)], stdout=subprocess.PIPE, text=True, env=env
    )
    assert parent.stdout is not None
    return parent, [int(word) for word in parent.stdout.readline().split()]


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + WAIT_S
    while any(map(command_line, pids)):
        assert time.monotonic() < until, [command_line(pid) for pid in pids]
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
async def test_killing_the_parent_leaves_no_server_running(home: Path) -> None:
    parent, pids = parent_of_a_stack(home)
    assert len(pids) == 2
    parent.kill()
    parent.communicate()
    wait_until_gone(pids)
    async with stack_in(home) as stack:
        assert stack.dsn


async def test_killing_parent_and_servers_together_does_not_stop_the_next_start(
    home: Path,
) -> None:
    parent, pids = parent_of_a_stack(home)
    for pid in (*pids, parent.pid):
        os.kill(pid, signal.SIGKILL)
    parent.communicate()
    async with stack_in(home) as stack:
        assert stack.dsn


@pytest.mark.parametrize("name", ["postgres", "nats", "api"])
def test_a_used_port_is_refused_in_one_sentence(home: Path, name: str) -> None:
    layout = Layout(home)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        with pytest.raises(Refusal, match=r"^Port \d+ for \w+ is in use"):
            layout.port(name, taken.getsockname()[1])


async def test_a_server_left_over_by_an_earlier_instance_is_replaced(home: Path) -> None:
    layout = Layout(home)
    left = PostgresServer(layout, throw_away=True)
    left.start()
    async with asyncio.timeout(WAIT_S):
        while not await left.alive():
            await asyncio.sleep(0.02)
    async with stack_in(home) as stack:
        assert stack.postgres is not None
        assert await stack.postgres.alive()
    assert left.process is not None
    assert left.process.exit_code() is not None


def fake(directory: Path, name: str, says: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_a_too_old_postgres_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake(tmp_path, "postgres", "postgres (PostgreSQL) 13.22 (Debian 13.22-0+deb11u1)")
    fake(tmp_path, "initdb", "")
    monkeypatch.setenv("REGUL_POSTGRES_BIN", str(old.parent))
    with pytest.raises(Refusal, match="too old"):
        PostgresServer(Layout(home))


def test_a_missing_postgres_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGUL_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(Refusal, match="No PostgreSQL server found"):
        PostgresServer(Layout(home))


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("nats-server: v2.14.2", "too old"),
        ("nats-server: v2.9.25", "too old"),
        ("hello", "tells no version"),
    ],
)
def test_a_too_old_nats_server_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, reason: str
) -> None:
    monkeypatch.setenv("REGUL_NATS_SERVER", str(fake(tmp_path, "nats-server", says)))
    with pytest.raises(Refusal, match=reason):
        NatsServer(Layout(home))


def test_a_nats_server_that_does_not_run_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGUL_NATS_SERVER", str(tmp_path / "none"))
    with pytest.raises(Refusal, match="does not run"):
        NatsServer(Layout(home))


def test_an_unwritable_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="Cannot write"):
        Layout(tmp_path / "file" / ".regul")


def test_data_of_another_postgres_version_is_refused(home: Path) -> None:
    layout = Layout(home)
    (layout.data / "postgres").mkdir()
    (layout.data / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(Refusal, match="holds data of PostgreSQL 12"):
        PostgresServer(layout)


async def test_a_server_that_runs_but_does_not_answer_is_killed_and_started_again(
    home: Path,
) -> None:
    layout = Layout(home)
    server = NatsServer(layout)
    said: list[str] = []
    async with Supervisor(said.append, deaf_after_s=0.5) as supervisor:
        await supervisor.add(server)
        assert server.process is not None
        server.process.signal(signal.SIGSTOP)
        async with asyncio.timeout(WAIT_S):
            while supervisor.restarts["nats"] == 0 or not await server.alive():
                await asyncio.sleep(0.05)
    assert said[0] == "nats does not answer; killing it"


class Brief:
    """A service that ends as soon as it has started."""

    name = "brief"

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.process = None

    def start(self) -> None:
        from server.process import Process

        command = ["/bin/sh", "-c", "echo no luck; exit 3"]
        log = self._layout.logs / "brief.log"
        self.process = Process(command, log=log, stop_signal=signal.SIGTERM)  # type: ignore[assignment]

    async def alive(self) -> bool:
        return False


async def test_a_service_that_ends_at_its_start_is_refused_with_its_last_words(home: Path) -> None:
    async with Supervisor() as supervisor:
        with pytest.raises(Refusal, match=r"brief ended at its start. It said: no luck"):
            await supervisor.add(Brief(Layout(home)))


async def test_secrets_are_private_and_stay(home: Path) -> None:
    layout = Layout(home)
    secret = layout.secret("some")
    assert layout.secret("some") == secret
    assert (layout.keys / "some").stat().st_mode & 0o777 == 0o600
    assert layout.keys.stat().st_mode & 0o777 == 0o700
