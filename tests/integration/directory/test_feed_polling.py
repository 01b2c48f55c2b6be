"""Registered feeds are asked by the worker when they are due, by one runner at a time."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from directory import feed_polls, feed_store
from directory.feed_store import Feed
from kernel import actor as actors
from kernel import errors
from kernel.database import Database
from kernel.settings import Settings
from server import feed_polling
from tests.integration.directory.feeds import Small, mirrored, register, state

SYSTEM = actors.system()


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, datetime.now(UTC))


async def poll(system: Database, feed: Feed) -> feed_polls.Poll:
    async with system.transaction(SYSTEM) as tx:
        return (await feed_polls.polls(tx))[feed.id]


async def known(system: Database, feed: Feed) -> Feed:
    async with system.transaction(SYSTEM) as tx:
        return (await feed_store.feeds(tx, feed.id))[0]


async def until(condition: Any, seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_the_worker_asks_a_feed_when_it_is_due_and_again_after_its_interval(
    system_database: Database, admin: Any, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    asking = asyncio.create_task(feed_polling.run(system_database, Settings()))

    async def asked_since(moment: datetime) -> bool:
        stands, at = await poll(system_database, feed), await known(system_database, feed)
        return at.polled_at is not None and at.polled_at > moment and stands.leased_until is None

    try:
        await until(lambda: asked_since(datetime.min.replace(tzinfo=UTC)))
        stored = await state(admin)
        first = await poll(system_database, feed)
        assert stored[0] == small.places * len(small.hours)
        assert 200 < (first.due_at - datetime.now(UTC)).total_seconds() < 400
        moment: datetime = await admin.fetchval("select kernel.regul_now()")
        await admin.execute("update directory.feed_poll set due_at = kernel.regul_now()")
        await until(lambda: asked_since(moment))
        assert await state(admin) == stored, "the same again writes nothing"
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def test_two_workers_never_run_the_same_feed_at_once(
    system_database: Database, admin: Any, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    told = await asyncio.gather(
        *(feed_polling.take(system_database, feed, loopback=False) for _ in range(4)),
        return_exceptions=True,
    )
    refused = [one for one in told if isinstance(one, errors.Conflict)]
    assert len(refused) == 3
    assert {one.code for one in refused} == {"feed_run_elsewhere"}
    assert await admin.fetchval("select count(*) from directory.feed_run") == 1


async def test_who_lost_the_lease_stops_and_cannot_settle_it(
    system_database: Database, world: Any, small: Small, admin: Any
) -> None:
    feed = await mirrored(system_database, world, small)
    async with system_database.transaction(SYSTEM) as tx:
        first = await feed_polls.lease(tx, feed.id, only_due=True)
    assert first is not None
    async with system_database.transaction(SYSTEM) as tx:
        assert await feed_polls.lease(tx, feed.id, only_due=False) is None
    await admin.execute("update directory.feed_poll set leased_until = kernel.regul_now()")
    async with system_database.transaction(SYSTEM) as tx:
        second = await feed_polls.lease(tx, feed.id, only_due=True)
        assert second == first + 1
        assert not await feed_polls.renew(tx, feed.id, first)
        await feed_polls.settle(tx, feed.id, first, "late")
        assert await feed_polls.renew(tx, feed.id, second)
    stands = await poll(system_database, feed)
    assert (stands.problem, stands.failures) == (None, 0)


async def test_a_feed_that_fails_is_asked_less_often_and_begins_anew_after_a_success(
    system_database: Database, admin: Any, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    manifest = small.folder / "bulk-publish.json"
    good = manifest.read_text()
    manifest.write_text("{}")
    pauses = []
    for failures in (1, 2, 3):
        with pytest.raises(errors.RegulError):
            await feed_polling.take(system_database, feed, loopback=False)
        stands = await poll(system_database, feed)
        assert (stands.failures, stands.problem) == (failures, "feed_manifest_unreadable")
        pauses.append((stands.due_at - datetime.now(UTC)).total_seconds())
    assert pauses[0] < pauses[1] < pauses[2]
    manifest.write_text(good)
    await feed_polling.take(system_database, feed, loopback=False)
    stands = await poll(system_database, feed)
    assert (stands.failures, stands.problem) == (0, None)


async def test_a_feed_with_interval_zero_is_never_asked_by_itself(
    system_database: Database, admin: Any, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    await admin.execute("update directory.feed_poll set interval_s = 0")
    async with system_database.transaction(SYSTEM) as tx:
        assert await feed_polls.due(tx, 10) == []
        assert await feed_polls.lease(tx, feed.id, only_due=True) is None


async def test_the_booking_links_of_a_feed_are_kept_by_slot_and_follow_it(
    system_database: Database, admin: Any, world: Any, small: Small
) -> None:
    link = "http://fhir-registry.smarthealthit.org/StructureDefinition/booking-deep-link"
    small.places = 1
    folder = small.write()
    rows = [json.loads(one) for one in (folder / "rows.ndjson").read_text().splitlines()]
    slots = [one for one in rows if one["resourceType"] == "Slot"]
    urls = ["https://editor.example/b/1", "javascript:alert(1)", "http://plain.example/b/3", None]
    for slot, url in zip(slots, urls, strict=True):
        if url is not None:
            slot["extension"] = [{"url": link, "valueUrl": url}]
    (folder / "rows.ndjson").write_text("\n".join(map(json.dumps, rows)))
    feed = await register(
        system_database, world, folder, zone="Europe/Paris", country="FR", publisher="small"
    )
    await feed_polling.take(system_database, feed, loopback=False)
    stored = await admin.fetch("select url from directory.slot_link")
    assert [row["url"] for row in stored] == ["https://editor.example/b/1"]
    slots[0]["extension"][0]["valueUrl"] = "https://editor.example/b/2"
    (folder / "rows.ndjson").write_text("\n".join(map(json.dumps, rows)))
    again = await known(system_database, feed)
    await feed_polling.take(system_database, again, loopback=False)
    stored = await admin.fetch("select url from directory.slot_link")
    assert [row["url"] for row in stored] == ["https://editor.example/b/2"]
    del slots[0]["extension"]
    (folder / "rows.ndjson").write_text("\n".join(map(json.dumps, rows)))
    await feed_polling.take(system_database, again, loopback=False)
    assert await admin.fetchval("select count(*) from directory.slot_link") == 0
