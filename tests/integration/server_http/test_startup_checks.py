"""What a process refuses to start on: one plain sentence each; a database away is waited for."""

import asyncio
from pathlib import Path
from typing import TypeAlias

import asyncpg
import httpx
import msgspec
import pytest

from kernel.crypto import ensure_master
from kernel.database import Database, open_database
from kernel.settings import Settings
from server import startup
from server.app import create_app
from server.refusal import Refusal
from server.serve import Server, listen
from server.services import Services
from triage import library
from triage.protocol import Need

Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_a_restricted_login_on_a_migrated_database_passes(
    database: Database, live_settings: Settings
) -> None:
    await startup.check_database(database, live_settings)


async def test_a_superuser_is_refused(admin_dsn: str, live_settings: Settings) -> None:
    pool = await open_database(admin_dsn, "regul_app", 1)
    try:
        with pytest.raises(Refusal, match="superuser"):
            await startup.check_database(pool, live_settings)
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("change", "undo", "word"),
    [
        ("alter role regul_test bypassrls", "alter role regul_test nobypassrls", "BYPASSRLS"),
        ("alter role regul_app bypassrls", "alter role regul_app nobypassrls", "BYPASSRLS"),
        (
            "alter table kernel.key owner to regul_test",
            "alter table kernel.key owner to regul_owner",
            "owns tables",
        ),
    ],
)
async def test_a_login_that_row_policies_do_not_bind_is_refused(
    database: Database,
    live_settings: Settings,
    admin: Admin,
    change: str,
    undo: str,
    word: str,
) -> None:
    await admin.execute(change)
    try:
        with pytest.raises(Refusal, match=word):
            await startup.check_database(database, live_settings)
    finally:
        await admin.execute(undo)


@pytest.mark.parametrize(
    "body",
    ["select clock_timestamp() + interval '1 day'", "select '2026-01-01T00:00:00Z'::timestamptz"],
)
async def test_a_replaced_clock_is_refused(
    database: Database, live_settings: Settings, admin: Admin, body: str
) -> None:
    await admin.execute(
        "create or replace function kernel.regul_now() returns timestamptz language sql volatile "
        f"as $$ {body} $$"
    )
    with pytest.raises(Refusal, match="regul_now"):
        await startup.check_database(database, live_settings)


async def test_a_database_that_forgets_is_refused_unless_it_is_thrown_away(
    database: Database, live_settings: Settings
) -> None:
    lasting = msgspec.structs.replace(live_settings, throw_away=False)
    with pytest.raises(Refusal, match=r"(fsync|full_page_writes|synchronous_commit) = off"):
        await startup.check_database(database, lasting)


async def test_a_missing_migration_is_refused(
    database: Database, live_settings: Settings, admin: Admin
) -> None:
    await admin.execute("delete from public.regul_migration where number = 2")
    with pytest.raises(Refusal, match="lacks 1 migration"):
        await startup.check_database(database, live_settings)
    await admin.execute("drop table public.regul_migration")
    with pytest.raises(Refusal, match="is empty"):
        await startup.check_database(database, live_settings)


async def test_a_missing_master_key_is_refused(live_settings: Settings, tmp_path: Path) -> None:
    missing = msgspec.structs.replace(live_settings, key_file=tmp_path / "none")
    with pytest.raises(Refusal, match="can't be read"):
        Services(missing)
    (tmp_path / "short").write_text("abcd", "ascii")
    short = msgspec.structs.replace(live_settings, key_file=tmp_path / "short")
    with pytest.raises(Refusal, match="64 hexadecimal digits"):
        Services(short)


def test_a_protocol_that_asks_for_an_unknown_code_is_refused() -> None:
    shipped = library.load()
    startup.check_codes(shipped)
    first = shipped.protocols[0]
    wrong = Need(acuity=("U3",), service="no_such_service", skills=("no_such_skill",))
    file = msgspec.structs.replace(first.file, needs=(wrong,))
    changed = library.Library(protocols=(msgspec.structs.replace(first, file=file),))
    with pytest.raises(Refusal, match="no_such_service, no_such_skill"):
        startup.check_codes(changed)


async def test_nats_that_is_away_never_stops_a_start(nats_url: str) -> None:
    assert await startup.check_nats(nats_url)
    assert not await startup.check_nats("nats://127.0.0.1:1")


async def test_an_old_nats_server_is_refused() -> None:
    left = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b'INFO {"server_id":"X","version":"2.14.2","go":"go1","host":"127.0.0.1","port":1,'
            b'"headers":true,"max_payload":1048576,"proto":1}\r\nPONG\r\n'
        )
        await writer.drain()
        while await reader.read(4096):
            continue
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(Refusal, match=r"2\.14\.2 is too old"):
            await startup.check_nats(f"nats://127.0.0.1:{port}")
        await asyncio.wait_for(left.wait(), 60)
    finally:
        server.close()
        await server.wait_closed()


def test_a_used_port_is_refused() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(Refusal, match="Cannot listen"):
        listen("127.0.0.1", taken.getsockname()[1])


async def test_a_check_that_refuses_later_stops_the_server(
    live_settings: Settings, admin: Admin
) -> None:
    await admin.execute("delete from public.regul_migration where number = 2")
    app = create_app(live_settings)
    server = Server(app, signals=False)
    with listen("127.0.0.1", 0) as door:
        async with asyncio.timeout(60):
            await server.serve(sockets=[door])
    assert app.services.refusal is not None
    assert not app.services.ready


async def test_without_a_database_the_answer_is_503_with_the_time_to_come_back(
    live_settings: Settings, tmp_path: Path
) -> None:
    ensure_master(tmp_path / "key")
    nowhere = msgspec.structs.replace(
        live_settings, database_url="postgresql://regul:x@127.0.0.1:1/none"
    )
    server = Server(create_app(nowhere), signals=False)
    with listen("127.0.0.1", 0) as door:
        base = f"http://127.0.0.1:{door.getsockname()[1]}"
        task = asyncio.create_task(server.serve(sockets=[door]))
        try:
            async with httpx.AsyncClient(base_url=base) as client, asyncio.timeout(60):
                while not server.started:
                    await asyncio.sleep(0.005)
                answer = await client.get("/api/v1/status")
                assert (answer.status_code, answer.json()["code"]) == (503, "starting")
                assert int(answer.headers["retry-after"]) >= 1
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.get("/readyz")).status_code == 503
        finally:
            server.stop()
            await task
