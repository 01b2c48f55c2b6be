"""Handoffs on real PostgreSQL: one answer wins, silence escalates, nobody else answers."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from events import deadlines, duty, handoffs
from events.model import Handoff, Owner, State
from kernel import actor, errors
from kernel.actor import Actor
from kernel.database import Database, Tx
from tests.integration.events.world import World

SYSTEM = actor.system()


async def ask(database: Database, world: World, **changes: object) -> Handoff:
    request = world.request(**changes)
    return await database.run(
        world.physician, lambda tx: handoffs.request(tx, world.physician, request)
    )


async def answer(
    database: Database,
    who: Actor,
    handoff: Handoff,
    verb: Callable[[Tx, Actor, UUID], Awaitable[Handoff]],
) -> Handoff:
    return await database.run(who, lambda tx: verb(tx, who, handoff.id))


async def refuse(tx: Tx, who: Actor, handoff_id: UUID) -> Handoff:
    return await handoffs.refuse(tx, who, handoff_id, "full")


async def read(database: Database, world: World, handoff: Handoff) -> Handoff:
    return await answer(database, world.physician, handoff, handoffs.get)


async def kinds_of(system_database: Database, handoff: Handoff) -> list[str]:
    async with system_database.transaction(SYSTEM) as tx:
        rows = await tx.fetch(
            "select kind from events.outbox where aggregate_id = $1 order by version", handoff.id
        )
    return [row["kind"] for row in rows]


async def test_a_handoff_goes_from_asking_to_completed(
    database: Database, system_database: Database, world: World
) -> None:
    handoff = await ask(database, world)
    assert (handoff.state, handoff.owner) == (State.REQUESTED, Owner.SENDER)

    delivered = await answer(database, world.clinic, handoff, handoffs.get)
    assert (delivered.state, delivered.owner) == (State.DELIVERED, Owner.SENDER)
    seen = await answer(database, world.clinic, handoff, handoffs.see)
    assert (seen.seen_by, seen.owner) == (world.clinic.id, Owner.SENDER)
    accepted = await answer(database, world.clinic, handoff, handoffs.accept)
    assert (accepted.acceptance, accepted.owner) == ("human", Owner.RECEIVER)
    completed = await answer(database, world.clinic, handoff, handoffs.complete)
    assert completed.ended_at is not None
    assert await kinds_of(system_database, handoff) == [
        "handoff.requested",
        "handoff.delivered",
        "handoff.seen",
        "handoff.accepted",
        "handoff.completed",
    ]


async def test_of_many_acceptances_at_once_one_wins(
    database: Database, system_database: Database, world: World
) -> None:
    handoff = await ask(database, world)
    results = await asyncio.gather(
        *(answer(database, world.clinic, handoff, handoffs.accept) for _ in range(8)),
        return_exceptions=True,
    )

    won = [one for one in results if isinstance(one, Handoff)]
    lost = [one for one in results if isinstance(one, errors.Conflict)]
    assert (len(won), len(lost)) == (1, 7)
    assert {one.code for one in lost} == {"handoff_state"}
    assert (await kinds_of(system_database, handoff)).count("handoff.accepted") == 1


async def test_of_acceptance_and_refusal_at_once_one_wins(database: Database, world: World) -> None:
    for _ in range(5):
        handoff = await ask(database, world)
        results = await asyncio.gather(
            answer(database, world.clinic, handoff, handoffs.accept),
            answer(database, world.clinic, handoff, refuse),
            return_exceptions=True,
        )
        (won,) = [one for one in results if isinstance(one, Handoff)]
        assert (await read(database, world, handoff)).state == won.state


async def test_acceptance_against_the_clock_ends_accepted_whoever_is_first(
    database: Database, system_database: Database, world: World
) -> None:
    for _ in range(10):
        handoff = await ask(database, world, due_s=0)
        accepted, *_ = await asyncio.gather(
            answer(database, world.clinic, handoff, handoffs.accept),
            deadlines.step(system_database),
            deadlines.step(system_database),
        )
        assert accepted.state is State.ACCEPTED
        await deadlines.step(system_database)
        assert (await read(database, world, handoff)).state is State.ACCEPTED
        kinds = await kinds_of(system_database, handoff)
        assert kinds[-1] == "handoff.accepted"
        assert len(kinds) == len(set(kinds))


async def test_silence_becomes_overdue_and_goes_to_the_roster_once(
    database: Database, system_database: Database, world: World
) -> None:
    async with system_database.transaction(SYSTEM) as tx:
        await duty.set_roster(tx, world.territory_id, 1, actor_id=world.physician.id)
    handoff = await ask(database, world, due_s=0)
    await asyncio.gather(*(deadlines.step(system_database) for _ in range(4)))
    await deadlines.step(system_database)

    found = await read(database, world, handoff)
    assert (found.state, found.owner) == (State.ESCALATED, Owner.DUTY)
    assert found.escalated_to_actor_id == world.physician.id
    assert await kinds_of(system_database, handoff) == [
        "handoff.requested",
        "handoff.overdue",
        "handoff.escalated",
    ]


async def test_without_a_roster_it_goes_to_the_supervisors(
    database: Database, system_database: Database, world: World
) -> None:
    handoff = await ask(database, world, due_s=0)
    await deadlines.step(system_database)

    assert (await read(database, world, handoff)).escalated_to_role == "supervisor"


async def test_the_deadline_is_the_databases_clock(
    database: Database,
    system_database: Database,
    world: World,
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    handoff = await ask(database, world, acuity="U3")
    assert await deadlines.step(system_database) == 0
    await admin.execute(
        "create or replace function kernel.regul_now() returns timestamptz language sql volatile"
        " as $$ select clock_timestamp() + interval '61 minutes' $$"
    )
    await deadlines.step(system_database)

    assert (await read(database, world, handoff)).state is State.ESCALATED


async def test_publishing_a_slot_is_acceptance_and_never_expires(
    database: Database, system_database: Database, world: World
) -> None:
    handoff = await ask(
        database, world, subject_kind="appointment", acknowledgement_required=False, due_s=0
    )
    assert (handoff.state, handoff.owner) == (State.DELIVERED, Owner.RECEIVER)
    assert (handoff.acceptance, handoff.due_at) == ("publication", None)
    assert await deadlines.step(system_database) == 0
    completed = await answer(database, world.clinic, handoff, handoffs.complete)
    assert completed.acceptance == "publication"


@pytest.mark.parametrize("changes", [{"acuity": "U2"}, {"subject_kind": "referral"}])
async def test_urgent_cases_and_referrals_are_always_acknowledged(
    database: Database, world: World, changes: dict[str, object]
) -> None:
    wish = {"subject_kind": "appointment", "acknowledgement_required": False, **changes}
    assert (await ask(database, world, **wish)).acknowledgement_required


async def test_another_organisation_neither_sees_nor_answers(
    database: Database, world: World
) -> None:
    handoff = await ask(database, world)
    for verb in (handoffs.get, handoffs.see, handoffs.accept, refuse):
        with pytest.raises(errors.Missing, match="handoff"):
            await answer(database, world.other_clinic, handoff, verb)


async def test_the_sender_does_not_accept_for_the_receiver(
    database: Database, world: World
) -> None:
    handoff = await ask(database, world, from_organisation_id=world.organisations[1])
    with pytest.raises(errors.Forbidden) as refusal:
        await answer(database, world.other_clinic, handoff, handoffs.accept)
    assert refusal.value.code == "other_organisation"


async def test_a_system_must_name_the_human_who_accepted(database: Database, world: World) -> None:
    handoff = await ask(database, world)
    with pytest.raises(errors.Invalid) as refusal:
        await answer(database, world.partner, handoff, handoffs.accept)
    assert refusal.value.code == "person_not_named"
    accepted = await database.run(
        world.partner,
        lambda tx: handoffs.accept(tx, world.partner, handoff.id, person="rpps:10000000001"),
    )
    assert accepted.answered_person == "rpps:10000000001"


async def test_a_refusal_leaves_the_sender_responsible(database: Database, world: World) -> None:
    handoff = await ask(database, world)
    refused = await answer(database, world.clinic, handoff, refuse)
    assert (refused.owner, refused.refusal_reason) == (Owner.SENDER, "full")


async def test_listing_delivers_to_the_receiver_only(database: Database, world: World) -> None:
    handoff = await ask(database, world)

    async def listed(who: Actor) -> list[State]:
        found = await database.run(who, lambda tx: handoffs.page(tx, who, None, None, 10))
        return [one.state for one in found if one.id == handoff.id]

    assert await listed(world.physician) == [State.REQUESTED]
    assert await listed(world.clinic) == [State.DELIVERED]
    assert await listed(world.other_clinic) == []


async def test_every_read_and_transition_is_audited(
    database: Database, system_database: Database, world: World
) -> None:
    handoff = await ask(database, world)
    await answer(database, world.clinic, handoff, handoffs.get)
    await answer(database, world.clinic, handoff, handoffs.accept)

    async with system_database.transaction(SYSTEM) as tx:
        rows = await tx.fetch(
            "select action, actor_id from kernel.audit where resource_id = $1 order by id",
            handoff.id,
        )
    assert [tuple(row) for row in rows] == [
        ("handoff.request", world.physician.id),
        ("handoff.read", world.clinic.id),
        ("handoff.deliver", world.clinic.id),
        ("handoff.answer", world.clinic.id),
    ]


async def test_the_board_gives_the_most_urgent_however_many_came_before(
    database: Database, world: World
) -> None:
    async def many(tx: Tx) -> None:
        for _ in range(handoffs.MOST + 5):
            await handoffs.request(tx, world.physician, world.request(acuity="U4"))

    await database.run(world.physician, many)
    urgent = await ask(database, world, acuity="U0")

    shelves = await database.run(world.physician, lambda tx: handoffs.board(tx, world.physician))
    (waiting,) = [shelf for shelf in shelves if shelf.state is State.REQUESTED]
    assert waiting.total >= handoffs.MOST + 6
    assert len(waiting.handoffs) == handoffs.MOST
    assert urgent.id in {one.id for one in waiting.handoffs}
    assert waiting.handoffs[0].acuity == "U0"


async def test_the_board_keeps_what_was_answered_lately_latest_first(
    database: Database, world: World
) -> None:
    first, second = await ask(database, world), await ask(database, world)
    await answer(database, world.clinic, second, handoffs.accept)
    await answer(database, world.clinic, first, handoffs.accept)

    shelves = await database.run(world.clinic, lambda tx: handoffs.board(tx, world.clinic))
    (accepted,) = [shelf for shelf in shelves if shelf.state is State.ACCEPTED]
    shown = [one.id for one in accepted.handoffs]
    assert shown.index(first.id) < shown.index(second.id)
