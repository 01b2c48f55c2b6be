"""One slot at a time: sequence, displacement, what stays; and absences as standing rules."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest

from directory import absences, loading, service, single_slots
from directory.absences import Absence, Absent
from directory.model import CareServiceId, Need, Visibility
from directory.single_slots import AddSlot, ChangeSlot
from directory.store import Published
from kernel import actor as actors
from kernel import errors
from kernel.database import Database
from kernel.ids import uuid7

CLAIM = "select directory.directory_claim($1, $2, interval '5 min')"
REFUSAL = "select directory.directory_refusal($1)"


async def live(admin: Any) -> dict[str, tuple[UUID, int, str]]:
    rows = await admin.fetch(
        "select key, id, capacity, visibility from directory.slot where withdrawn_at is null"
    )
    return {row["key"]: (row["id"], row["capacity"], row["visibility"]) for row in rows}


@pytest.fixture
def add(database: Database, world: Any) -> Any:
    async def act(slot: Any, sequence: int) -> Published:
        command = AddSlot(schedule_id=world.schedule_id, sequence=sequence, slot=slot)
        return await database.run(
            world.clinic, lambda tx: single_slots.add(tx, world.clinic, command)
        )

    return act


@pytest.fixture
def change(database: Database, world: Any) -> Any:
    async def act(slot_id: UUID, sequence: int, who: Any = None, **values: Any) -> Published:
        command = ChangeSlot(slot_id=slot_id, sequence=sequence, **values)
        actor = who or world.clinic
        return await database.run(actor, lambda tx: single_slots.change(tx, actor, command))

    return act


async def test_one_slot_is_added_beside_the_others_once(
    admin: Any, world: Any, publish: Any, add: Any
) -> None:
    await publish([world.slot("a")])
    before = await live(admin)
    answers = await asyncio.gather(*(add(world.slot("b"), 2) for _ in range(8)))
    assert len({msgspec.json.encode(one) for one in answers}) == 1
    after = await live(admin)
    assert (set(after), after["a"]) == ({"a", "b"}, before["a"])


async def test_a_lower_sequence_changes_no_single_slot(
    admin: Any, database: Database, world: Any, publish: Any, add: Any, change: Any
) -> None:
    await publish([world.range(4)], sequence=5)
    before = await live(admin)
    slot_id = before["r"][0]
    attempts = (
        lambda: add(world.slot("b"), 5),
        lambda: change(slot_id, 4, capacity=2),
        lambda: database.run(
            world.clinic, lambda tx: service.withdraw(tx, world.clinic, slot_id, 3)
        ),
    )
    for attempt in attempts:
        with pytest.raises(errors.Conflict) as refused:
            await attempt()
        assert (refused.value.code, refused.value.fields["current"]) == ("sequence_not_newer", 5)
    assert await live(admin) == before


async def test_fewer_places_displace_only_those_that_no_longer_fit(
    app: Any, admin: Any, world: Any, publish: Any, change: Any
) -> None:
    await publish([world.range(4)])
    slot_id = (await live(admin))["r"][0]
    claims = [uuid7() for _ in range(3)]
    for claim in claims:
        await app.fetchval(CLAIM, slot_id, claim)
    done = await change(slot_id, 2, capacity=2, visibility=Visibility.SNP)
    assert (done.changed, done.displaced) == (1, 1)
    assert (await live(admin))["r"] == (slot_id, 2, "SNP")
    again = await change(slot_id, 2, capacity=2, visibility=Visibility.SNP)
    assert again == done


async def test_another_time_displaces_who_holds_it_and_adds_it_anew(
    app: Any, admin: Any, world: Any, publish: Any, change: Any
) -> None:
    await publish([world.slot("a"), world.slot("b", 11)])
    before = await live(admin)
    claim = uuid7()
    await app.fetchval(CLAIM, before["a"][0], claim)
    moved = world.slot("a", 15)
    done = await change(before["a"][0], 2, start=moved.start, end=moved.end)
    assert (done.added, done.withdrawn, done.displaced) == (1, 1, 1)
    after = await live(admin)
    assert after["a"][0] != before["a"][0]
    assert after["b"] == before["b"]
    told = await admin.fetchval("select payload from events.outbox where kind = 'slot.displaced'")
    assert msgspec.json.decode(told)["claims"] == [str(claim)]
    with pytest.raises(errors.Missing):
        await change(before["a"][0], 3, capacity=1)


async def test_single_changes_are_for_the_owner_and_for_slots_to_come(
    admin: Any, world: Any, publish: Any, add: Any, change: Any
) -> None:
    await publish([world.slot("a")])
    slot_id = (await live(admin))["a"][0]
    for who in (world.stranger, world.operator):
        with pytest.raises(errors.Forbidden):
            await change(slot_id, 9, who=who, visibility=Visibility.PRO)
    with pytest.raises(errors.Invalid):
        await change(slot_id, 9, capacity=3)
    old = world.slot("old", -72)
    with pytest.raises(errors.Conflict) as refused:
        await add(old, 9)
    assert refused.value.code == "slot_over"


def _day(world: Any) -> date:
    return world.slot("a").start.astimezone(ZoneInfo("Europe/Paris")).date()  # type: ignore[no-any-return]


@pytest.fixture
def away(database: Database, world: Any) -> Any:
    async def act(days: int = 1) -> Sequence[Absence]:
        day = _day(world)
        command = Absent(
            since=day, until=day + timedelta(days=days - 1), schedule_id=world.schedule_id
        )
        await database.run(world.clinic, lambda tx: absences.be_absent(tx, world.clinic, command))
        return await database.run(
            world.clinic, lambda tx: absences.standing(tx, world.clinic, world.schedule_id)
        )

    return act


async def _bookable(database: Database, world: Any) -> int:
    async with database.transaction(actors.system()) as tx:
        snapshot = await loading.load(tx)
        now = await tx.fetchval("select kernel.regul_now()")
    need = Need(service="general_practice", earliest=now)
    return len(snapshot.bookable(CareServiceId(world.care_service_id), need, now))


async def test_slots_published_during_an_absence_are_hidden_until_it_is_ended(
    admin: Any, app: Any, database: Database, world: Any, publish: Any, away: Any
) -> None:
    await publish([world.slot("a"), world.slot("b", 10)])
    (absence,) = await away()
    assert await live(admin) == {}
    assert await away() == [absence], "the same again is one absence"
    await publish([world.slot("a"), world.slot("c", 11)], sequence=2)
    slots = await live(admin)
    assert set(slots) == {"a", "c"}
    assert await _bookable(database, world) == 0
    assert await app.fetchval(REFUSAL, slots["a"][0]) == "absent"
    assert await app.fetchval(CLAIM, slots["a"][0], uuid7()) is None
    for _ in range(2):
        await database.run(world.clinic, lambda tx: absences.end(tx, world.clinic, absence.id))
    assert await _bookable(database, world) == 2
    assert await app.fetchval(CLAIM, slots["a"][0], uuid7()) == 1
    told = await admin.fetch("select payload from events.outbox where kind = 'absence.changed'")
    assert [msgspec.json.decode(row["payload"]).get("ended", False) for row in told] == [
        False,
        True,
    ]


async def test_an_absence_hides_its_own_days_only_and_is_ended_by_its_people_only(
    admin: Any, database: Database, world: Any, publish: Any, away: Any
) -> None:
    (absence,) = await away()
    await publish([world.slot("a")])
    later = service.Publish(
        schedule_id=world.schedule_id,
        window=msgspec.structs.replace(
            world.window,
            start=world.window.end + timedelta(days=1),
            end=world.window.end + timedelta(days=2),
        ),
        sequence=2,
        slots=(world.slot("later", 57),),
    )
    await database.run(world.clinic, lambda tx: service.publish(tx, world.clinic, later))
    assert await _bookable(database, world) == 1
    for who in (world.stranger, world.operator):
        with pytest.raises(errors.Forbidden):
            async with database.transaction(who) as tx:
                await absences.end(tx, who, absence.id)
    with pytest.raises(errors.Missing):
        await database.run(world.clinic, lambda tx: absences.end(tx, world.clinic, uuid7()))
