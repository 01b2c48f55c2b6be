"""A publisher's consent by schedule: set by its own people, told, audited; claims keep to it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import absences, agreements, consent, loading, reading, service, store
from directory.consent import Audience, Consent
from directory.model import CareServiceId, Need, Schedule, ScheduleId, Visibility
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor, Role
from kernel.database import Database
from kernel.ids import uuid7
from tests.integration.directory.conftest import insert_actor

CLAIM = "select directory.directory_claim($1, $2, interval '5 min')"
RELEASE = "select directory.directory_release($1)"
REFUSAL = "select directory.directory_refusal($1)"
RELEASED_AT = "select directory.released_at($1, $2, $3::smallint, $4)"


async def agree(database: Database, who: Actor, schedule_id: UUID, **wanted: Any) -> Consent:
    return await database.run(
        who, lambda tx: agreements.agree(tx, who, schedule_id, Consent(**wanted))
    )


async def slot_ids(admin: Any) -> list[UUID]:
    rows = await admin.fetch(
        "select id from directory.slot where withdrawn_at is null order by starts_at, id"
    )
    return [row["id"] for row in rows]


async def test_a_change_of_consent_is_told_and_audited_once(
    admin: Any, database: Database, world: Any
) -> None:
    for _ in range(2):
        await agree(database, world.clinic, world.schedule_id, quota_per_day=4, release_min=1080)
    told = await admin.fetch("select payload from events.outbox where kind = 'consent.changed'")
    assert len(told) == 1
    payload = msgspec.json.decode(told[0]["payload"])
    assert (payload["quota_per_day"], payload["release_min"]) == (4, 1080)
    noted = await admin.fetch(
        "select detail, actor_id from kernel.audit where action = 'schedule.consent'"
    )
    assert [row["actor_id"] for row in noted] == [world.clinic.id]
    assert "quota=None" in noted[0]["detail"].split("->")[0]
    assert "quota=4" in noted[0]["detail"].split("->")[1]


async def test_delegates_may_set_it_and_nobody_else(
    system_database: Database, database: Database, world: Any
) -> None:
    delegate = await insert_actor(
        system_database,
        Actor(id=uuid7(), role=Role.DELEGATE, organisation_ids=(world.organisation_id,)),
    )
    assert (await agree(database, delegate, world.schedule_id, paused=True)).paused
    for who in (world.stranger, world.operator):
        with pytest.raises(errors.Forbidden):
            await agree(database, who, world.schedule_id, paused=False)
    with pytest.raises(errors.Missing):
        await agree(database, world.clinic, uuid7())


async def test_fifty_claims_at_once_against_a_quota_of_four_have_exactly_four_winners(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    slots = [world.slot(f"{number:02d}", hour=8 + number / 4) for number in range(20)]
    await publish([*slots, world.range(30)])
    await agree(database, world.clinic, world.schedule_id, quota_per_day=4)
    known = await slot_ids(admin)
    wanted = [known[number % len(known)] for number in range(50)]
    got = await asyncio.gather(*(app.fetchval(CLAIM, slot, uuid7()) for slot in wanted))
    assert sum(number is not None for number in got) == 4
    row = await admin.fetchrow("select used, quota from directory.quota_day")
    assert tuple(row) == (4, 4)


async def test_a_place_given_back_or_lapsed_counts_no_longer(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.range(9)])
    (slot,) = await slot_ids(admin)
    await agree(database, world.clinic, world.schedule_id, quota_per_day=2)
    first, second, third = uuid7(), uuid7(), uuid7()
    assert await app.fetchval(CLAIM, slot, first) is not None
    assert await app.fetchval(CLAIM, slot, second) is not None
    assert await app.fetchval(CLAIM, slot, third) is None
    await app.fetchval(RELEASE, first)
    assert await app.fetchval(CLAIM, slot, third) is not None
    assert await app.fetchval(REFUSAL, slot) == "quota_spent"
    await admin.execute(
        "update directory.seat set until = kernel.regul_now() - interval '1 ms' where claim = $1",
        second,
    )
    assert await app.fetchval(REFUSAL, slot) is None
    assert await app.fetchval(CLAIM, slot, uuid7()) is not None


async def test_a_claim_that_rolls_back_gives_its_part_of_the_quota_to_who_waits(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.range(9)])
    (slot,) = await slot_ids(admin)
    await agree(database, world.clinic, world.schedule_id, quota_per_day=1)
    async with app.acquire() as first:
        opened = first.transaction()
        await opened.start()
        assert await first.fetchval(CLAIM, slot, uuid7()) == 1
        second = asyncio.create_task(app.fetchval(CLAIM, slot, uuid7()))
        await until_waiting(admin)
        await opened.rollback()
        assert await second == 1


async def until_waiting(admin: Any) -> None:
    async with asyncio.timeout(60):
        while not await admin.fetchval(
            "select exists (select 1 from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock')"
        ):
            await asyncio.sleep(0.005)


async def test_a_change_of_consent_waits_for_claims_that_had_not_seen_it(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.range(9)])
    (slot,) = await slot_ids(admin)
    async with app.acquire() as first:
        opened = first.transaction()
        await opened.start()
        assert await first.fetchval(CLAIM, slot, uuid7()) == 1
        pausing = asyncio.create_task(
            agree(database, world.clinic, world.schedule_id, quota_per_day=1)
        )
        await until_waiting(admin)
        assert not pausing.done()
        await opened.commit()
        await pausing
    assert await app.fetchval(CLAIM, slot, uuid7()) is None


async def test_a_quota_lowered_below_what_is_taken_takes_nothing_back_and_lets_nobody_in(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.range(9)])
    (slot,) = await slot_ids(admin)
    await agree(database, world.clinic, world.schedule_id, quota_per_day=5)
    for _ in range(3):
        assert await app.fetchval(CLAIM, slot, uuid7()) is not None
    await agree(database, world.clinic, world.schedule_id, quota_per_day=1)
    assert await app.fetchval(CLAIM, slot, uuid7()) is None
    held = await admin.fetchval("select count(*) from directory.seat where state = 'held'")
    assert held == 3
    await agree(database, world.clinic, world.schedule_id)
    assert await app.fetchval(CLAIM, slot, uuid7()) is not None


def policies() -> Iterator[dict[str, Any]]:
    """Give consents on both sides of every edge of tomorrow's slots."""
    for paused in (False, True):
        for before_s in (None, 0, 3_600, 86_400, 10 * 86_400):
            for at_min in (None, 0, 420, 1439):
                for quota in (None, 0, 1, 3):
                    yield {
                        "paused": paused, "release_before_s": before_s,
                        "release_min": at_min, "quota_per_day": quota,
                    }  # fmt: skip


async def test_no_request_returns_or_claims_a_slot_that_visibility_or_consent_forbids(
    app: Any, admin: Any, database: Database, system_database: Database, world: Any, publish: Any
) -> None:
    """Lists, the snapshot and claims agree with the pure rule for every policy and audience."""
    shown = [
        world.slot(f"{day}{one.value}", hour=6 + 24 * day + 3 * number, visibility=one)
        for day in (0, 1)
        for number, one in enumerate(Visibility)
    ]
    whole = msgspec.structs.replace(world.window, end=world.tomorrow + timedelta(days=3))
    command = service.Publish(
        schedule_id=world.schedule_id, window=whole, sequence=1, slots=tuple(shown)
    )
    await database.run(world.clinic, lambda tx: service.publish(tx, world.clinic, command))
    ids = await slot_ids(admin)
    assert await app.fetchval(CLAIM, ids[0], uuid7()) == 1  # one place of the first day is taken
    need = Need(service="general_practice", earliest=datetime.now(UTC))
    for wanted in policies():
        await agree(database, world.clinic, world.schedule_id, **wanted)
        async with system_database.transaction(actors.system()) as tx:
            snapshot = await loading.load(tx)
            now = await tx.fetchval("select kernel.regul_now()")
            schedule = (await loading_schedules(tx))[world.schedule_id]
            for audience in Audience:
                allowed = {
                    one.key
                    for one in shown
                    if consent.shows(schedule, one.visibility, one.start, audience, now)
                }
                page = await store.shown_slots(tx, world.schedule_id, whole, audience, (None, 100))
                assert {one.key for one in page} == allowed, (wanted, audience)
                starts = {one.start for one in shown if one.key in allowed}
                found = snapshot.bookable(CareServiceId(world.care_service_id), need, now, audience)
                assert {one.start for one in found} == starts - {shown[0].start}, wanted
        for slot, one in zip(ids[1:], shown[1:], strict=True):
            claim = uuid7()
            won = await app.fetchval(CLAIM, slot, claim) is not None
            assert won == consent.shows(
                schedule, one.visibility, one.start, Audience.CENTRE, now
            ), (wanted, one.key)
            await app.fetchval(RELEASE, claim)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (2, 2), (1, 2), (3, 3)])
async def test_an_absence_hides_its_local_days_in_lists_snapshot_and_claims_alike(
    app: Any, admin: Any, database: Database, system_database: Database, world: Any,
    first: int, last: int,
) -> None:  # fmt: skip
    """Slots around both local midnights of Paris: the pure rule and the database agree."""
    hours = [22.5, 23.5, 46.5, 47.5, 70.5]
    shown = [world.slot(f"{hour}", hour=hour) for hour in hours]
    whole = msgspec.structs.replace(world.window, end=world.tomorrow + timedelta(days=4))
    command = service.Publish(
        schedule_id=world.schedule_id, window=whole, sequence=1, slots=tuple(shown)
    )
    day = world.tomorrow.date()
    away = absences.Absent(
        since=day + timedelta(days=first), until=day + timedelta(days=last),
        schedule_id=world.schedule_id,
    )  # fmt: skip
    await database.run(world.clinic, lambda tx: absences.be_absent(tx, world.clinic, away))
    await database.run(world.clinic, lambda tx: service.publish(tx, world.clinic, command))
    need = Need(service="general_practice", earliest=datetime.now(UTC))
    async with system_database.transaction(actors.system()) as tx:
        snapshot = await loading.load(tx)
        now = await tx.fetchval("select kernel.regul_now()")
        schedule = (await loading_schedules(tx))[world.schedule_id]
        page = await store.shown_slots(tx, world.schedule_id, whole, Audience.CENTRE, (None, 100))
    allowed = {
        one.key
        for one in shown
        if consent.shows(schedule, one.visibility, one.start, Audience.CENTRE, now)
    }
    paris = ZoneInfo("Europe/Paris")
    assert allowed == {
        one.key
        for one in shown
        if not away.since <= one.start.astimezone(paris).date() <= away.until
    }
    assert {one.key for one in page} == allowed
    found = snapshot.bookable(CareServiceId(world.care_service_id), need, now)
    assert {one.start for one in found} == {one.start for one in shown if one.key in allowed}
    for slot, one in zip(await slot_ids(admin), shown, strict=True):
        assert (await app.fetchval(CLAIM, slot, uuid7()) is not None) is (one.key in allowed)


async def loading_schedules(tx: Any) -> dict[ScheduleId, Schedule]:
    rows = await tx.fetch(reading.SELECT_SCHEDULES, None)
    return {one.id: one for one in reading.schedules(rows)}


ZONES = ["Europe/Paris", "America/Cayenne", "Indian/Reunion", "America/Miquelon", "Pacific/Noumea"]


async def test_sql_releases_a_slot_at_the_moment_of_the_pure_rule_in_every_zone(
    admin: Any,
) -> None:
    """Around both clock changes, at every hour, for each kind of hold-back and release time."""
    days = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25), date(2026, 10, 26)]
    for zone in ZONES:
        for day in days:
            for hour in range(0, 24, 5):
                start = datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC)
                for before_s in (None, 0, 5_400, 86_400):
                    for at_min in (None, 0, 150, 420, 1439):
                        schedule = Schedule(
                            id=ScheduleId(UUID(int=1)), care_service_id=CareServiceId(UUID(int=2)),
                            release_before_s=before_s, release_min=at_min, zone=zone,
                        )  # fmt: skip
                        expected = consent.released_at(schedule, start)
                        found = await admin.fetchval(RELEASED_AT, start, before_s, at_min, zone)
                        if expected is None:
                            assert found == datetime.min, "-infinity"  # noqa: DTZ901
                        else:
                            assert found == expected, (zone, start, before_s, at_min)


@given(
    st.integers(0, 366 * 24 * 60).map(
        lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n)
    ),
    st.none() | st.integers(0, 200_000),
    st.none() | st.integers(0, 1439),
    st.sampled_from(ZONES),
)
def test_nothing_is_released_before_its_hold_back_or_its_hour(
    start: datetime, before_s: int | None, at_min: int | None, zone: str
) -> None:
    schedule = Schedule(
        id=ScheduleId(UUID(int=1)), care_service_id=CareServiceId(UUID(int=2)),
        release_before_s=before_s, release_min=at_min, zone=zone,
    )  # fmt: skip
    found = consent.released_at(schedule, start)
    if before_s is None and at_min is None:
        assert found is None
        return
    assert found is not None
    if before_s is not None:
        assert found >= start - timedelta(seconds=before_s)
    if at_min is not None:
        held = (start - timedelta(seconds=before_s or 0)).astimezone(ZoneInfo(zone))
        local = found.astimezone(ZoneInfo(zone))
        assert local.date() == held.date()
        assert local.hour * 60 + local.minute >= at_min


async def test_a_mirrored_diary_older_than_its_source_may_be_is_marked_then_not_bookable(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.slot("a")])
    (slot,) = await slot_ids(admin)
    await admin.execute("update directory.schedule set ownership = 'mirrored', source = 'editor'")
    await admin.execute("insert into directory.source_limit values ('editor', 600, 7200)")
    for minutes, freshness, refusal in (
        (1, "fresh", None), (11, "marked", None), (121, "outdated", "outdated"),
    ):  # fmt: skip
        await admin.execute(
            "update directory.schedule set as_of = kernel.regul_now() - make_interval(mins => $1)",
            minutes,
        )
        async with database.transaction(world.clinic) as tx:
            (seen,) = await service.diaries(tx, world.clinic, None, (None, 5))
            schedule = (await loading_schedules(tx))[world.schedule_id]
            now = await tx.fetchval("select kernel.regul_now()")
        assert seen.freshness == freshness == consent.freshness(schedule, now)
        assert await app.fetchval(REFUSAL, slot) == refusal
        shown = consent.shows(
            schedule, Visibility.PUBLIC, world.slot("a").start, Audience.CENTRE, now
        )
        assert shown is (refusal is None)
    assert await app.fetchval(CLAIM, slot, uuid7()) is None
