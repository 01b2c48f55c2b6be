"""A practitioner who is away: one command empties days, and nobody concerned is forgotten."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from directory import absences
from directory.absences import Absent, Emptied
from kernel import errors
from kernel.actor import Actor, Role
from routing import placements
from tests.integration.routing.world import Practice, World

PARIS = ZoneInfo("Europe/Paris")
TOMORROW = timedelta(days=1)


def day(ahead: timedelta) -> date:
    return (datetime.now(UTC) + ahead).astimezone(PARIS).date()


async def away(world: World, who: Actor, at: Practice, since: date, until: date) -> Emptied:
    command = Absent(since=since, until=until, schedule_id=at.schedule_id)
    return await world.database.run(who, lambda tx: absences.be_absent(tx, who, command))


async def test_an_absence_tells_every_hold_and_owes_every_patient_a_place(world: World) -> None:
    at = await world.practice()
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    booked = [await world.booked(at, begins_in=TOMORROW) for _ in range(3)]
    held_for = await world.disposition()
    held = await world.hold(await world.slot(at, begins_in=TOMORROW), held_for.id, hold_s=600)
    free = await world.slot(at, begins_in=TOMORROW)
    later = await world.slot(at, begins_in=3 * TOMORROW)

    done = await away(world, clinic, at, day(TOMORROW), day(TOMORROW))
    assert done == Emptied(schedules=1, withdrawn=5, displaced=4)
    await world.react()

    for one in booked:
        assert await world.waits(one.case_id) == [("slot_displaced", "waiting", world.operator.id)]
        assert await world.seat(one.slot_id) == ("withdrawn",)
    assert await world.kinds(held.case_id) == ["hold.placed", "hold.displaced"]
    found = await world.database.run(
        world.operator, lambda tx: placements.of_case(tx, world.operator, held.case_id)
    )
    assert (found.holds, [one.id for one in found.displaced]) == ((), [held.id])
    with pytest.raises(errors.Conflict) as refusal:
        await world.book(held.id)
    assert refusal.value.code == "slot_withdrawn"
    assert (await world.seat(free), await world.seat(later)) == (("withdrawn",), ("free",))


async def test_the_same_absence_again_changes_nothing(world: World) -> None:
    at = await world.practice()
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    await world.booked(at, begins_in=TOMORROW)
    await away(world, clinic, at, day(TOMORROW), day(TOMORROW))
    count = "select count(*) from events.outbox"
    before = await world.admin.fetchval(count)
    again = await away(world, clinic, at, day(TOMORROW), day(TOMORROW))
    assert again == Emptied(schedules=1, withdrawn=0, displaced=0)
    assert await world.admin.fetchval(count) == before


async def test_an_absence_of_a_role_empties_all_its_diaries_and_no_other(world: World) -> None:
    ours, second, other = [await world.practice() for _ in range(3)]
    clinic = await world.actor(
        Role.CLINIC, organisations=(ours.organisation_id, second.organisation_id)
    )
    role = await world.admin.fetchval(
        "with person as (insert into directory.practitioner (id, rpps, family, given)"
        " values (gen_random_uuid(), '10000000017', 'Test', 'Test') returning id)"
        " insert into directory.role (id, practitioner_id, organisation_id, location_id, service)"
        " select gen_random_uuid(), person.id, $1, $2, 'general_practice' from person returning id",
        ours.organisation_id,
        ours.location_id,
    )
    await world.admin.execute(
        "update directory.care_service set role_id = $1 where id = any ($2::uuid[])",
        role,
        [ours.care_service_id, second.care_service_id],
    )
    slots = [await world.slot(at, begins_in=TOMORROW) for at in (ours, second, other)]
    command = Absent(since=day(TOMORROW), until=day(TOMORROW), role_id=role)
    done = await world.database.run(clinic, lambda tx: absences.be_absent(tx, clinic, command))
    assert done == Emptied(schedules=2, withdrawn=2, displaced=0)
    assert [(await world.seat(one))[0] for one in slots] == ["withdrawn", "withdrawn", "free"]


async def test_only_the_publisher_empties_its_diary_and_only_sensible_days(world: World) -> None:
    at = await world.practice()
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    stranger = await world.actor(
        Role.CLINIC, organisations=((await world.practice()).organisation_id,)
    )
    for who in (stranger, world.operator):
        with pytest.raises(errors.Forbidden):
            await away(world, who, at, day(TOMORROW), day(TOMORROW))
    for since, until in (
        (date(2026, 5, 2), date(2026, 5, 1)),
        (date(2026, 5, 2), date(2027, 5, 3)),
        (date(9999, 12, 31), date(9999, 12, 31)),
    ):
        with pytest.raises(errors.Invalid) as refusal:
            await away(world, clinic, at, since, until)
        assert refusal.value.code == "absence_range"
