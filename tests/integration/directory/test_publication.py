"""Publishing a window: sequence, difference, displacement, events; and what readers are shown."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from directory import consent, offers, service, store
from directory.consent import Audience
from directory.model import Interval, Visibility
from kernel import errors
from kernel.database import Database
from kernel.ids import uuid7

CLAIM = "select directory.directory_claim($1, $2, interval '5 min')"


async def live(admin: Any) -> dict[str, tuple[UUID, int]]:
    rows = await admin.fetch(
        "select key, id, capacity from directory.slot where withdrawn_at is null order by key"
    )
    return {row["key"]: (row["id"], row["capacity"]) for row in rows}


async def seats(admin: Any) -> dict[str, int]:
    rows = await admin.fetch("select state, count(*) as n from directory.seat group by state")
    return {row["state"]: row["n"] for row in rows}


async def kinds(admin: Any) -> list[str]:
    rows = await admin.fetch("select kind from events.outbox order by id")
    return [row["kind"] for row in rows]


async def test_publishing_makes_slots_with_free_seats_and_says_so(
    admin: Any, world: Any, publish: Any
) -> None:
    done = await publish([world.slot("a"), world.range(4, key="b")])
    assert (done.added, done.withdrawn, done.displaced) == (2, 0, 0)
    assert await seats(admin) == {"free": 5}
    assert await kinds(admin) == ["availability.published"]


async def test_a_lower_sequence_is_refused_and_changes_nothing(
    admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("a")], sequence=7)
    before = await live(admin)
    for sequence in (6, 7, 0):
        with pytest.raises(errors.Conflict) as refused:
            await publish([world.slot("b", hour=11)], sequence=sequence)
        assert refused.value.code == "sequence_not_newer"
        assert refused.value.fields["current"] == 7
    assert await live(admin) == before
    assert await kinds(admin) == ["availability.published"]


async def test_the_same_sequence_and_body_get_the_same_answer_once_more(
    admin: Any, world: Any, publish: Any
) -> None:
    first = await publish([world.slot("a"), world.slot("b", hour=10)])
    again = await publish([world.slot("b", hour=10), world.slot("a")])
    assert again == first
    assert await kinds(admin) == ["availability.published"]


async def test_twenty_publications_of_one_sequence_at_once_have_one_effect(
    admin: Any, world: Any, publish: Any
) -> None:
    slots = [world.slot(str(hour), hour=hour) for hour in range(8, 18)]
    answers = await asyncio.gather(*(publish(slots) for _ in range(20)))
    assert len(set(map(msgspec.json.encode, answers))) == 1
    assert await seats(admin) == {"free": 10}


async def test_only_the_difference_is_changed(admin: Any, world: Any, publish: Any) -> None:
    await publish([world.slot("a"), world.slot("b", hour=10)])
    before = await live(admin)
    done = await publish([world.slot("b", hour=10), world.slot("c", hour=11)], sequence=2)
    after = await live(admin)
    assert (done.added, done.withdrawn, done.changed) == (1, 1, 0)
    assert set(after) == {"b", "c"}
    assert after["b"] == before["b"]


async def test_a_slot_outside_the_window_is_left_alone(
    admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.slot("a", hour=9), world.slot("b", hour=15)])
    morning = service.Publish(
        schedule_id=world.schedule_id,
        window=Interval(start=world.tomorrow, end=world.tomorrow + timedelta(hours=12)),
        sequence=2,
        slots=(),
    )
    await database.run(world.clinic, lambda tx: service.publish(tx, world.clinic, morning))
    assert set(await live(admin)) == {"b"}


async def test_a_held_or_booked_seat_is_displaced_never_dropped(
    admin: Any, app: Any, world: Any, publish: Any
) -> None:
    await publish([world.range(4)])
    slot = (await live(admin))["r"][0]
    held, booked, lapsed = uuid7(), uuid7(), uuid7()
    for claim in (held, booked, lapsed):
        await app.fetchval(CLAIM, slot, claim)
    await app.execute("select directory.directory_book($1)", booked)
    await admin.execute(
        "update directory.seat set until = kernel.regul_now() - interval '1 s' where claim = $1",
        lapsed,
    )
    done = await publish([], sequence=2)
    assert (done.withdrawn, done.displaced) == (1, 2)
    assert await seats(admin) == {"displaced": 2, "withdrawn": 2}
    payload = msgspec.json.decode(
        await admin.fetchval(
            "select payload::text from events.outbox where kind = 'slot.displaced'"
        )
    )
    assert set(payload["claims"]) == {str(held), str(booked)}
    assert await kinds(admin) == [
        "availability.published",
        "slot.displaced",
        "availability.published",
    ]


async def test_moving_a_booked_slot_displaces_its_patient_and_offers_the_new_time(
    admin: Any, app: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("a", hour=9)])
    old = (await live(admin))["a"][0]
    await app.fetchval(CLAIM, old, uuid7())
    done = await publish([world.slot("a", hour=10)], sequence=2)
    new = (await live(admin))["a"][0]
    assert (done.added, done.withdrawn, done.displaced) == (1, 1, 1)
    assert new != old
    assert await seats(admin) == {"displaced": 1, "free": 1}


async def test_a_smaller_range_gives_up_free_places_first(
    admin: Any, app: Any, world: Any, publish: Any
) -> None:
    await publish([world.range(4)])
    slot = (await live(admin))["r"][0]
    for _ in range(2):
        await app.fetchval(CLAIM, slot, uuid7())
    done = await publish([world.range(2)], sequence=2)
    assert (done.changed, done.displaced) == (1, 0)
    assert await seats(admin) == {"held": 2, "withdrawn": 2}
    done = await publish([world.range(1)], sequence=3)
    assert done.displaced == 1
    assert await seats(admin) == {"held": 1, "withdrawn": 2, "displaced": 1}
    await publish([world.range(5)], sequence=4)
    assert await seats(admin) == {"held": 1, "free": 4, "displaced": 1}


async def test_what_has_ended_is_never_displaced_by_a_later_publication(
    admin: Any, app: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.slot("a")])
    slot = (await live(admin))["a"][0]
    await app.fetchval(CLAIM, slot, uuid7())
    await app.execute(
        "select directory.directory_book(claim) from directory.seat where claim is not null"
    )
    await admin.execute(
        "update directory.slot set ends_at = kernel.regul_now() - interval '1 h',"
        " starts_at = kernel.regul_now() - interval '2 h'"
    )
    past = service.Publish(
        schedule_id=world.schedule_id,
        window=Interval(start=world.tomorrow - timedelta(days=2), end=world.window.end),
        sequence=2,
        slots=(),
    )
    stored = await database.run(world.clinic, lambda tx: service.publish(tx, world.clinic, past))
    assert (stored.withdrawn, stored.displaced) == (0, 0)
    assert await seats(admin) == {"booked": 1}


async def test_publishing_and_claiming_at_once_never_leaves_a_seat_on_a_withdrawn_slot_live(
    admin: Any, app: Any, world: Any, publish: Any
) -> None:
    await publish([world.range(6, key="x"), world.slot("y", hour=12)])
    slot = (await live(admin))["x"][0]

    async def republish() -> None:
        for sequence in range(2, 12):
            kept = [world.slot("y", hour=12)] if sequence % 2 else [world.range(3, key="x")]
            await publish(kept, sequence=sequence)

    await asyncio.gather(republish(), *(app.fetchval(CLAIM, slot, uuid7()) for _ in range(30)))
    wrong = await admin.fetchval(
        "select count(*) from directory.seat s join directory.slot l on l.id = s.slot_id"
        " where l.withdrawn_at is not null and s.state in ('free', 'held', 'booked')"
    )
    crowded = await admin.fetchval(
        "select count(*) from directory.slot l where l.withdrawn_at is null and l.capacity <>"
        " (select count(*) from directory.seat s where s.slot_id = l.id"
        " and s.state in ('free', 'held', 'booked'))"
    )
    assert (wrong, crowded) == (0, 0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"end": timedelta(0)}, "slot_ends_before_start"),
        ({"start": timedelta(days=2)}, "slot_outside_window"),
        ({"capacity": 2}, "slot_capacity"),
    ],
)
async def test_a_publication_that_contradicts_itself_is_refused(
    admin: Any, world: Any, publish: Any, change: dict[str, Any], code: str
) -> None:
    slot = world.slot("a")
    if "start" in change:
        moved = slot.start + change["start"]
        slot = msgspec.structs.replace(slot, start=moved, end=moved + timedelta(minutes=5))
    elif "end" in change:
        slot = msgspec.structs.replace(slot, end=slot.start)
    else:
        slot = msgspec.structs.replace(slot, **change)
    with pytest.raises(errors.Invalid) as refused:
        await publish([slot])
    assert refused.value.code == code
    assert await live(admin) == {}


async def test_a_key_said_twice_for_one_start_is_refused(world: Any, publish: Any) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await publish([world.slot("a"), world.slot("a", end=world.slot("a", hour=10).end)])
    assert refused.value.code == "slot_repeated"


async def test_only_its_own_clinic_publishes_a_schedule(world: Any, publish: Any) -> None:
    for actor, code in (
        (world.stranger, "other_organisation"),
        (world.operator, "action_not_allowed"),
    ):
        with pytest.raises(errors.Forbidden) as refused:
            await publish([], actor=actor)
        assert refused.value.code == code


async def test_an_unknown_schedule_or_slot_is_missing(database: Database, world: Any) -> None:
    command = service.Publish(schedule_id=uuid7(), window=world.window, sequence=1, slots=())
    with pytest.raises(errors.Missing):
        await database.run(world.clinic, lambda tx: service.publish(tx, world.clinic, command))
    with pytest.raises(errors.Missing):
        await database.run(world.clinic, lambda tx: service.withdraw(tx, world.clinic, uuid7()))


async def test_withdrawing_twice_gives_the_same_answer(
    admin: Any, app: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.slot("a")])
    slot = (await live(admin))["a"][0]
    await app.fetchval(CLAIM, slot, uuid7())
    answers = [
        await database.run(world.clinic, lambda tx: service.withdraw(tx, world.clinic, slot))
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0].displaced == 1
    assert (await kinds(admin)).count("slot.displaced") == 1


async def test_sql_shows_what_the_pure_consent_rule_shows(
    admin: Any, database: Database, world: Any, publish: Any
) -> None:
    shown = [
        world.slot(visibility.value, hour=9 + number, visibility=visibility)
        for number, visibility in enumerate(Visibility)
    ]
    await publish(shown)
    for paused in (False, True):
        for release in (None, 3_600, 86_400, 10 * 86_400):
            await admin.execute(
                "update directory.schedule set paused = $1, release_before_s = $2", paused, release
            )
            async with database.transaction(world.operator) as tx:
                now = await tx.fetchval("select kernel.regul_now()")
                diary = await store.find_diary(tx, world.schedule_id)
                assert diary is not None
                for audience in Audience:
                    found = await store.shown_slots(
                        tx, world.schedule_id, world.window, audience, (None, 100)
                    )
                    expected = {
                        slot.key
                        for slot in shown
                        if consent.shows(diary.schedule, slot.visibility, slot.start, audience, now)
                    }
                    assert {slot.key for slot in found} == expected


async def test_each_reader_is_an_audience(database: Database, world: Any, publish: Any) -> None:
    await publish(
        [world.slot("p"), world.slot("s", hour=10, visibility=Visibility.SNP)],
    )
    seen = {}
    for name in ("clinic", "operator", "stranger"):
        actor = getattr(world, name)
        async with database.transaction(actor) as tx:
            found = await service.slots(tx, actor, world.schedule_id, world.window, (None, 10))
        seen[name] = [slot.key for slot in found]
    assert seen == {"clinic": ["p", "s"], "operator": ["p", "s"], "stranger": ["p"]}


async def test_pages_of_slots_follow_each_other_without_a_gap(
    database: Database, world: Any, publish: Any
) -> None:
    slots = [world.slot(f"{number:02d}", hour=8 + number // 2) for number in range(11)]
    await publish(slots)
    found: list[str] = []
    after = None
    async with database.transaction(world.operator) as tx:
        while page := await service.slots(
            tx, world.operator, world.schedule_id, world.window, (after, 4)
        ):
            found += [slot.key for slot in page]
            after = page[-1].id
    assert sorted(found) == [slot.key for slot in slots]


async def test_care_services_are_found_by_code_and_nearness(database: Database, world: Any) -> None:
    wanted = offers.Search(service="general_practice", lon=2.31, lat=49.9, radius_m=2_000)
    found = await database.run(
        world.operator, lambda tx: service.care_services(tx, world.operator, wanted)
    )
    assert [one.id for one in found] == [world.care_service_id]
    assert found[0].schedules == (world.schedule_id,)
    assert found[0].distance_m == pytest.approx(716, abs=2)
    far = msgspec.structs.replace(wanted, radius_m=500)
    assert (
        await database.run(
            world.operator, lambda tx: service.care_services(tx, world.operator, far)
        )
        == []
    )
    with pytest.raises(errors.Invalid):
        await database.run(
            world.operator,
            lambda tx: service.care_services(tx, world.operator, offers.Search(service="magic")),
        )
