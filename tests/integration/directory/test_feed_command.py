"""`./regul feeds` as a process: killed between batches, registering, running, reporting."""

import asyncio
import json
import signal
from typing import Any

import msgspec

from kernel.database import Database
from kernel.ids import uuid7
from tests.integration.directory.feeds import Small, command, mirrored, state


async def test_a_run_that_is_killed_between_batches_goes_on_where_it_was(
    admin: Any, system_database: Database, world: Any, small: Small, database_dsn: str
) -> None:
    small.places = 150
    feed = await mirrored(system_database, world, small)
    # The tenth diary waits for this lock after some batches are in: there the process is killed.
    stop = "create function public.stop() returns trigger language plpgsql as $$ begin"
    stop += " if new.key = '77-9' then perform pg_advisory_xact_lock(42); end if;"
    stop += " return new; end $$; grant execute on function public.stop() to public;"
    stop += " create trigger stop before insert on directory.slot for each row"
    stop += " execute function public.stop()"
    await admin.execute(stop)
    await admin.execute("select pg_advisory_lock(42)")
    process = command(database_dsn, "run", str(feed.id))
    async with asyncio.timeout(30):
        while not await admin.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        ):
            assert process.poll() is None, process.communicate()[0]
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = await admin.fetchrow("select state, position from directory.feed_run")
    half = (await state(admin))[0]
    assert run["state"] == "running"
    assert 2 < run["position"] < 17
    assert 0 < half < 600
    await admin.execute("select pg_advisory_unlock(42)")
    await admin.execute("update directory.feed_poll set leased_until = kernel.regul_now()")
    said, _ = command(database_dsn, "run", str(feed.id)).communicate(timeout=60)
    assert "done" in said, said
    assert (await state(admin))[:5] == (600, 600, 150, 150, 1)
    assert await admin.fetchval("select state from directory.feed_run") == "done"


async def test_the_command_registers_runs_and_reports(
    admin: Any, world: Any, small: Small, database_dsn: str
) -> None:
    def say(*words: str, code: int = 0) -> str:
        process = command(database_dsn, *words)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == code, said
        return said

    folder = str(small.write())
    fixed = ("--publisher", "small", "--territory", "80", "--zone", "Europe/Paris")
    whose = ("--organisation", str(world.organisation_id))
    unknown = say("add", "smart", folder, *fixed, *whose, "--code", "57=nonsense", code=2)
    assert "service_unknown" in unknown
    assert "feed_organisation_missing" in say("add", "smart", folder, *fixed, code=2)
    feed_id = say("add", "smart", folder, *fixed, *whose, "--code", "57=nursing").strip()
    assert "feed_known" in say("add", "smart", folder, *fixed, *whose, code=2)
    assert "never asked" in say("list")
    assert "12 diaries published" in say("run")
    assert "unchanged" in say("run", feed_id)
    report = json.loads(say("report", feed_id, "--json"))
    assert report["run"]["state"] == "done"
    assert report["tallies"]["rows.periods"] == 48
    small.places = 5
    small.write()
    held = say("run", code=3)
    run_id = held.split("release ")[1].split()[0]
    assert "go on" in say("release", run_id, "--by", "Mme Essai")
    assert "7 withdrawn" in say("run")
    assert "12 places" not in say("report", feed_id)
    assert "feed_missing" in say("run", str(uuid7()), code=2)
    assert msgspec.json.decode(json.dumps(report))["frozen_since"] is None
