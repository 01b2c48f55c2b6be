"""Feeds taken in: the real capture, the same again, changes held, kills, aliases, the report."""

import asyncio
import http.server
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from directory import feed_intake, feed_letter
from kernel import actor as actors
from kernel import errors
from kernel.database import Database
from kernel.ids import uuid7
from server import feed_sources
from tests.integration.directory.feeds import Small, again, at, mirrored, register, state

CAPTURE = Path("../shared/data/smart-scheduling-links/rite-aid-nj-2023-03-24")
CAPTURED = datetime(2023, 3, 24, 20, 30, tzinfo=UTC)
here = pytest.mark.skipif(not CAPTURE.is_dir(), reason="LOUD: the recorded feed is absent")
CLAIM = "select directory.directory_claim($1, $2, interval '5 min')"


@here
async def test_the_real_capture_is_taken_in_whole(
    admin: Any, system_database: Database, world: Any
) -> None:
    await at(admin, CAPTURED)
    feed = await register(system_database, world, CAPTURE)
    done = await again(system_database, feed)
    assert (done.state, done.taken.places, done.taken.diaries) == ("done", 112, 112)
    # 112 periods have nothing left; each of the others is a range of its own.
    assert (await state(admin))[0] == 1430
    async with system_database.transaction(actors.system()) as tx:
        told = await feed_letter.letter(tx, actors.system(), feed.id)
    assert told.tallies["rows.periods"] == 1542
    assert told.tallies["fault.repeated_id"] == 1430
    assert told.tallies["fault.suspect_offset"] == 1542
    assert told.tallies["fault.lost_leading_zero"] == 112
    assert len(told.faults) == 1430 + 1542 + 112
    postcode = await admin.fetchval(
        "select l.postcode from directory.location l join directory.feed_alias a on a.id = l.id"
        " where a.key = '116'"
    )
    assert postcode == "08332-3762"


@here
async def test_the_same_again_writes_nothing_but_when_it_was_asked(
    admin: Any, system_database: Database, world: Any
) -> None:
    await at(admin, CAPTURED)
    feed = await register(system_database, world, CAPTURE)
    await again(system_database, feed)
    before = await state(admin)
    await at(admin, CAPTURED + timedelta(minutes=10))
    done = await again(system_database, feed)
    assert done.state == "unchanged"
    assert await state(admin) == before
    asked = await admin.fetchval("select polled_at from directory.feed")
    assert asked == CAPTURED + timedelta(minutes=10)


async def test_only_the_diaries_that_changed_are_published(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    small.gone = {(3, 10)}
    small.write()
    done = await again(system_database, feed)
    assert (done.state, done.taken.published, done.taken.diaries) == ("done", 1, 0)
    assert (await state(admin))[0] == 47


async def test_a_diary_is_mirrored_and_says_its_source_and_age(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    small.made = small.now - timedelta(hours=2)
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    row = await admin.fetchrow(
        "select ownership, source, as_of from directory.schedule where source = 'small' limit 1"
    )
    assert (row["ownership"], row["source"], row["as_of"]) == ("mirrored", "small", small.made)
    small.made = small.now - timedelta(hours=1)
    small.write()
    assert (await again(system_database, feed)).state == "unchanged"
    ages = await admin.fetch("select distinct as_of from directory.schedule where source = 'small'")
    assert [one["as_of"] for one in ages] == [small.made]


async def test_a_feed_that_stands_still_too_long_is_frozen_whatever_date_it_bears(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    later = small.now + timedelta(hours=25)
    await at(admin, later)
    small.made = later - timedelta(minutes=1)
    manifest = {"transactionTime": small.made.isoformat(), "request": "x", "output": []}
    (small.folder / "bulk-publish.json").write_text(json.dumps(manifest))
    done = await again(system_database, feed)
    assert done.examination is not None
    assert done.examination.count("frozen_feed") == 1
    newest = await admin.fetchval("select max(as_of) from directory.schedule")
    assert newest < later - timedelta(hours=24)
    async with system_database.transaction(actors.system()) as tx:
        told = await feed_letter.letter(tx, actors.system(), feed.id)
    assert told.frozen_since is not None


@pytest.mark.parametrize("change", ["places", "hours"])
async def test_a_run_that_changes_much_is_held_until_a_human_releases_it(
    admin: Any, system_database: Database, world: Any, small: Small, change: str
) -> None:
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    before = await state(admin)
    if change == "places":
        small.places = 8
    else:
        small.hours = range(9, 11)
    small.write()
    assert (await again(system_database, feed)).state == "held"
    done = await again(system_database, feed)
    assert done.state == "held"
    assert (await state(admin))[:4] == before[:4]
    assert done.run is not None
    held = done.run.id
    async with system_database.transaction(actors.system()) as tx:
        run = await feed_intake.release(tx, actors.system(), held, "Mme Essai")
    assert run.state == "running"
    done = await again(system_database, feed)
    assert done.state == "done"
    assert (await state(admin))[0] == (32 if change == "places" else 24)
    with pytest.raises(errors.Conflict) as refused:
        async with system_database.transaction(actors.system()) as tx:
            await feed_intake.release(tx, actors.system(), held, "Mme Essai")
    assert refused.value.code == "feed_run_not_held"


async def test_what_a_feed_no_longer_names_is_withdrawn_and_stays_known(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    small.places = 11
    small.write()
    done = await again(system_database, feed)
    assert (done.state, done.withdrawn) == ("done", 1)
    gone = await admin.fetch(
        "select noun, key from directory.feed_alias where gone_at is not null order by noun"
    )
    assert [(one["noun"], one["key"]) for one in gone] == [("location", "L11"), ("schedule", "S11")]
    assert await admin.fetchval("select count(*) from directory.care_service where not active") == 1
    small.places = 12
    small.write()
    await again(system_database, feed)
    assert (await state(admin))[0] == 48
    assert await admin.fetchval("select count(*) from directory.feed_alias") == 24


async def test_unreadable_rows_never_withdraw_a_diary(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    small.places = 11
    small.extra = ['{"resourceType":"Schedule","id":"S11",']
    small.write()
    done = await again(system_database, feed)
    assert (done.state, done.withdrawn) == ("done", 0)
    assert (await state(admin))[0] == 48


async def claim(admin: Any, key: str) -> UUID:
    slot_id = await admin.fetchval("select id from directory.slot where key = $1", key)
    mark = uuid7()
    assert await admin.fetchval(CLAIM, slot_id, mark) is not None
    await admin.execute("select * from directory.directory_book($1)", mark)
    return mark


@pytest.mark.parametrize("left", [None, 3])
async def test_a_place_that_we_took_is_ours_when_its_source_calls_it_full(
    admin: Any, system_database: Database, world: Any, small: Small, left: int | None
) -> None:
    small.left = left
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    mark = await claim(admin, "3-10")
    small.busy = {(3, 10), (4, 10)}
    small.write()
    done = await again(system_database, feed)
    assert (done.state, done.taken.displaced) == ("done", 0)
    seats = await admin.fetch(
        "select s.state, s.claim from directory.seat s join directory.slot l on l.id = s.slot_id"
        " where l.key in ('3-10', '4-10') and l.withdrawn_at is null and s.state <> 'withdrawn'"
    )
    assert [(one["state"], one["claim"]) for one in seats] == [("booked", mark)]


async def test_places_that_are_left_are_counted_beside_ours(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    small.left = 3
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    await claim(admin, "3-10")
    small.left = 2
    small.write()
    await again(system_database, feed)
    rows = await admin.fetch(
        "select s.state, count(*) as n from directory.seat s"
        " join directory.slot l on l.id = s.slot_id where l.key = '3-10' group by s.state"
    )
    assert {one["state"]: one["n"] for one in rows} == {"booked": 1, "free": 2}


async def test_a_place_that_its_source_withdraws_is_displaced_and_told(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    await again(system_database, feed)
    mark = await claim(admin, "3-10")
    small.gone = {(3, 10)}
    small.write()
    done = await again(system_database, feed)
    assert done.taken.displaced == 1
    seat = await admin.fetchrow("select state, claim from directory.seat where claim = $1", mark)
    assert seat["state"] == "displaced"
    told = await admin.fetchval("select count(*) from events.outbox where kind = 'slot.displaced'")
    assert told == 1


async def test_unknown_codes_and_places_without_a_position_are_quarantined(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    small.extra = [
        json.dumps(
            {"resourceType": "Schedule", "id": "X", "actor": [{"reference": "Location/L1"}],
             "serviceType": [{"coding": [{"code": "999"}]}]}
        ),
        '{"resourceType":"Location","id":"Y","name":"Nowhere"}',
        '{"resourceType":"Location","id":"a\\u0000b","name":"Nul"}',
    ]  # fmt: skip
    feed = await mirrored(system_database, world, small)
    done = await again(system_database, feed)
    assert (done.taken.places, done.taken.diaries) == (12, 12)
    async with system_database.transaction(actors.system()) as tx:
        told = await feed_letter.letter(tx, actors.system(), feed.id)
    found = {(one.code, one.key, one.original) for one in told.faults}
    assert ("unknown_code", "X", "999") in found
    assert ("no_position", "Y", "") in found
    assert ("unreadable", "", "key_unusable") in found


async def test_two_at_once_have_one_effect(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    feed = await mirrored(system_database, world, small)
    done = await asyncio.gather(
        again(system_database, feed), again(system_database, feed), return_exceptions=True
    )
    assert all(
        isinstance(one, feed_sources.Outcome)
        or (isinstance(one, errors.Conflict) and one.code == "feed_run_elsewhere")
        for one in done
    )
    await again(system_database, feed)
    assert (await state(admin))[:3] == (48, 48, 12)


async def test_a_feed_over_http_is_asked_with_its_etag(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    small.write()
    rows = (small.folder / "rows.ndjson").read_bytes()
    asked: list[tuple[str, str | None]] = []

    class Publisher(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            etag = self.headers.get("If-None-Match")
            asked.append((self.path, etag))
            self.send_response(304 if etag == '"1"' else 200)
            self.send_header("ETag", '"1"')
            self.end_headers()
            made: dict[str, Any] = {"transactionTime": small.made.isoformat(), "output": []}
            made["output"] = [{"type": "Slot", "url": "/rows"}]
            if etag != '"1"':
                self.wfile.write(rows if self.path == "/rows" else json.dumps(made).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        feed = await register(
            system_database, world, f"http://127.0.0.1:{server.server_address[1]}/manifest"
        )
        assert (await again(system_database, feed)).taken.published == 12
        before = await state(admin)
        assert (await again(system_database, feed)).state == "unchanged"
        server.shutdown()
    assert asked == [("/manifest", None), ("/rows", None), ("/manifest", '"1"')]
    assert await state(admin) == before


async def test_a_csv_is_taken_in_with_its_visibility_and_modality(
    admin: Any, system_database: Database, world: Any, small: Small
) -> None:
    day = (small.now + timedelta(days=2)).date()
    lines = ["place;place_name;city;postcode;lon;lat;diary;service;modality;visibility;start;end"]
    lines += [
        f"p;Cabinet;Amiens;80000;2.3;49.9;d;general_practice;home_visit;PRO;"
        f"{day}T{hour:02}:00:00+00:00;{day}T{hour:02}:20:00+00:00"
        for hour in (9, 10)
    ]
    path = small.folder / "slots.csv"
    path.write_text("\n".join(lines))
    feed = await register(system_database, world, path, kind="csv", codes={}, country="FR")
    assert (await again(system_database, feed)).state == "done"
    rows = await admin.fetch("select modality, visibility, kind from directory.slot")
    assert [tuple(row.values()) for row in rows] == [("home_visit", "PRO", "slot")] * 2
    assert (await again(system_database, feed)).state == "unchanged"
