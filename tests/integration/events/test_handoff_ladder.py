"""The ladder on real PostgreSQL: it climbs until a human takes it, and tells nobody off duty."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from events import deadlines, dispatcher, duty, escalation, handoffs, sequencer, subscriptions
from events.duty import SetDuty, SetPost
from events.model import Handoff, Owner, State
from events.subscriptions import NewSubscription
from kernel import actor, errors
from kernel.actor import Actor
from kernel.database import Database, Tx
from tests.integration.events.world import World

SYSTEM = actor.system()


class Clock:
    """Moves the database's clock."""

    def __init__(self, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.admin = admin
        self.ahead = timedelta(0)

    async def by(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)
        moved = f"clock_timestamp() + interval '{self.ahead.total_seconds()} s'"
        await self.admin.execute(
            "create or replace function kernel.regul_now() returns timestamptz"
            f" language sql volatile as $$ select {moved} $$"
        )


@pytest_asyncio.fixture
async def clock(admin: "asyncpg.Connection[asyncpg.Record]") -> Clock:
    return Clock(admin)


async def ask(database: Database, world: World, **changes: object) -> Handoff:
    request = world.request(**changes)
    return await database.run(
        world.physician, lambda tx: handoffs.request(tx, world.physician, request)
    )


async def read(database: Database, world: World, one: Handoff) -> Handoff:
    return await database.run(world.physician, lambda tx: handoffs.get(tx, world.physician, one.id))


async def say(
    database: Database,
    who: Actor,
    *,
    on_duty: bool,
    until: datetime | None = None,
    actor_id: UUID | None = None,
) -> None:
    said = SetDuty(on_duty=on_duty, until=until, actor_id=actor_id)
    await database.run(who, lambda tx: duty.put(tx, who, said))


async def take(database: Database, who: Actor, one: Handoff) -> Handoff:
    return await database.run(who, lambda tx: escalation.take(tx, who, one.id))


async def steps(system_database: Database, one: Handoff) -> list[tuple[object, ...]]:
    async with system_database.transaction(SYSTEM) as tx:
        rows = await tx.fetch(
            "select kind, payload ->> 'level' as level, payload ->> 'role' as role,"
            " payload ->> 'reason' as reason from events.outbox"
            " where aggregate_id = $1 order by version",
            one.id,
        )
    return [tuple(row) for row in rows]


async def test_it_climbs_step_by_step_until_a_human_takes_it(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    one = await ask(database, world, acuity="U1")
    for seconds in (31, 61, 61, 121):
        await clock.by(seconds)
        await deadlines.step(system_database)
    assert await steps(system_database, one) == [
        ("handoff.requested", None, None, None),
        ("handoff.overdue", None, None, "undelivered"),
        ("handoff.escalated", "1", "supervisor", "undelivered"),
        ("handoff.escalated", "2", "physician", "undelivered"),
        ("handoff.escalated", "3", "centre", "undelivered"),
        ("handoff.escalated", "3", "centre", "undelivered"),
    ]
    taken = await take(database, world.supervisor, one)
    assert (taken.state, taken.owner, taken.taken_by) == (
        State.TAKEN, Owner.DUTY, world.supervisor.id,
    )  # fmt: skip
    await clock.by(150)
    assert await deadlines.step(system_database) == 0


async def test_a_step_told_to_a_role_leaves_the_sender_responsible(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    one = await ask(database, world)
    await clock.by(56)
    await deadlines.step(system_database)
    found = await read(database, world, one)
    assert (found.state, found.owner) == (State.ESCALATED, Owner.SENDER)


async def test_nobody_off_duty_is_told_and_the_setting_stays(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    async with system_database.transaction(SYSTEM) as tx:
        await duty.set_roster(tx, world.territory_id, 1, actor_id=world.supervisor.id)
    await say(database, world.supervisor, on_duty=False)
    one = await ask(database, world)
    await clock.by(3601)
    await deadlines.step(system_database)
    found = await read(database, world, one)
    assert (found.level, found.escalated_to_role, found.escalated_to_actor_id) == (
        2, "physician", None,
    )  # fmt: skip
    rota = await database.run(world.physician, lambda tx: duty.rota(tx, world.physician))
    assert {one.actor_id: one.on_duty for one in rota.staff} == {
        world.supervisor.id: False,
        world.physician.id: True,
    }


async def test_the_end_of_a_shift_is_off_duty(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    async with system_database.transaction(SYSTEM) as tx:
        await duty.set_roster(tx, world.territory_id, 1, actor_id=world.physician.id)
        now = await tx.fetchval("select kernel.regul_now()")
    await say(database, world.physician, on_duty=True, until=now + timedelta(minutes=30))
    early, late = await ask(database, world), await ask(database, world)
    await clock.by(56)
    await deadlines.step(system_database)
    assert (await read(database, world, early)).escalated_to_actor_id == world.physician.id
    await clock.by(3600)
    await deadlines.step(system_database)
    assert (await read(database, world, late)).escalated_to_role == "supervisor" or (
        await read(database, world, late)
    ).level > 1


async def test_who_goes_off_duty_drops_nothing(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    one = await ask(database, world)
    await clock.by(56)
    await deadlines.step(system_database)
    await take(database, world.supervisor, one)
    await say(database, world.supervisor, on_duty=False)
    await deadlines.step(system_database)
    found = await read(database, world, one)
    assert (found.state, found.overdue_reason, found.level) == (State.ESCALATED, "let_go", 2)
    assert found.escalated_to_role == "physician"


async def test_one_colleague_takes_it_and_a_late_receiver_still_accepts(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    one = await ask(database, world)
    with pytest.raises(errors.Conflict):
        await take(database, world.physician, one)
    await clock.by(56)
    await deadlines.step(system_database)
    await take(database, world.physician, one)
    with pytest.raises(errors.Conflict):
        await take(database, world.supervisor, one)
    accepted = await database.run(
        world.clinic, lambda tx: handoffs.accept(tx, world.clinic, one.id)
    )
    assert accepted.owner is Owner.RECEIVER


async def test_what_was_taken_and_forgotten_climbs_again(
    database: Database, system_database: Database, world: World, clock: Clock
) -> None:
    one = await ask(database, world, acuity="U1")
    await clock.by(31)
    await deadlines.step(system_database)
    await take(database, world.supervisor, one)
    await clock.by(301)
    await deadlines.step(system_database)
    found = await read(database, world, one)
    assert (found.state, found.level, found.owner) == (State.ESCALATED, 2, Owner.DUTY)
    assert found.escalated_to_actor_id == world.supervisor.id


async def test_a_human_may_escalate_before_the_clock(
    database: Database, system_database: Database, world: World
) -> None:
    one = await ask(database, world)
    who = world.physician
    raised = await database.run(who, lambda tx: escalation.raise_now(tx, who, one.id))
    assert (raised.state, raised.level, raised.overdue_reason) == (State.ESCALATED, 1, "by_hand")
    again = await database.run(who, lambda tx: escalation.raise_now(tx, who, one.id))
    assert again.level == 2
    await database.run(world.clinic, lambda tx: handoffs.accept(tx, world.clinic, one.id))
    with pytest.raises(errors.Conflict):
        await database.run(who, lambda tx: escalation.raise_now(tx, who, one.id))


async def test_a_system_that_confirmed_the_message_has_delivered_and_not_accepted(
    database: Database,
    system_database: Database,
    world: World,
    clock: Clock,
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    async def subscribe(tx: Tx) -> UUID:
        wish = NewSubscription(kinds=("handoff.requested",))
        return (await subscriptions.create(tx, world.partner, wish)).id

    mine = await database.run(world.partner, subscribe)
    await dispatcher.decide_step(system_database)
    one = await ask(database, world)
    while await sequencer.step(system_database):
        pass
    await dispatcher.decide_step(system_database)
    await admin.execute(
        "insert into events.progress (subscription_id, sent_number, confirmed_number)"
        " values ($1, 1, 1) on conflict (subscription_id) do update"
        " set sent_number = 1, confirmed_number = 1",
        mine,
    )
    await clock.by(56)
    await deadlines.step(system_database)
    found = await read(database, world, one)
    assert (found.state, found.owner, found.answered_by) == (State.DELIVERED, Owner.SENDER, None)
    await clock.by(3600)
    await deadlines.step(system_database)
    assert (await read(database, world, one)).overdue_reason == "silent"


async def test_the_patient_arrives_and_then_it_is_completed(
    database: Database, world: World
) -> None:
    one, who = await ask(database, world), world.clinic
    with pytest.raises(errors.Conflict):
        await database.run(who, lambda tx: handoffs.arrive(tx, who, one.id))
    await database.run(who, lambda tx: handoffs.accept(tx, who, one.id))
    there = await database.run(who, lambda tx: handoffs.arrive(tx, who, one.id))
    assert (there.state, there.owner, there.ended_at) == (State.ARRIVED, Owner.RECEIVER, None)
    done = await database.run(who, lambda tx: handoffs.complete(tx, who, one.id))
    assert done.state is State.COMPLETED


async def test_only_a_supervisor_sets_others_and_the_roster(
    database: Database, world: World
) -> None:
    with pytest.raises(errors.Forbidden):
        await say(database, world.physician, on_duty=False, actor_id=world.supervisor.id)
    with pytest.raises(errors.Invalid):
        await say(database, world.supervisor, on_duty=False, actor_id=world.clinic.id)
    boss = world.supervisor

    async def put(wish: SetPost) -> duty.Rota:
        return await database.run(boss, lambda tx: duty.put_post(tx, boss, wish))

    for wrong in (SetPost(level=9, role="physician"), SetPost(level=1), SetPost(level=1, role="x")):
        with pytest.raises(errors.Invalid):
            await put(wrong)
    rota = await put(SetPost(level=1, actor_id=world.physician.id))
    assert [one.actor_id for one in rota.posts] == [world.physician.id]
