"""Moving an appointment: at every instant exactly one is live, and a refusal changes nothing."""

import asyncio

import pytest

from kernel import errors
from kernel.actor import Actor, Role
from kernel.settings import Settings
from routing import rescheduling
from routing.model import Appointment, AppointmentState, Hold
from tests.integration.routing.serving import serving
from tests.integration.routing.world import Practice, World

LIVE = (
    "select count(*) from routing.appointment"
    " where disposition_id = $1 and state in ('pending', 'booked')"
)


async def move(
    world: World, booked: Appointment, to: Hold, who: Actor | None = None
) -> Appointment:
    actor = who or world.operator
    wish = rescheduling.Reschedule(hold_id=to.id, reason="patient_prefers_other")
    return await world.database.run(
        actor, lambda tx: rescheduling.reschedule(tx, actor, booked.id, wish, world.keys)
    )


async def held_for(world: World, booked: Appointment, at: Practice, kind: str = "slot") -> Hold:
    return await world.hold(await world.slot(at, kind=kind), booked.disposition_id)


async def test_a_moved_appointment_frees_its_seat_and_is_told_with_where_it_was(
    world: World,
) -> None:
    at, other = await world.practice(), await world.practice()
    decided = await world.disposition()
    first = await world.hold(await world.slot(at), decided.id)
    booked = await world.book(first.id, instructions="Sonner au deux.")
    moved = await move(world, booked, await held_for(world, booked, other))
    assert moved.state is AppointmentState.BOOKED
    assert moved.instructions == "Sonner au deux."
    assert await world.seat(booked.slot_id) == ("free",)
    assert await world.seat(moved.slot_id) == ("booked",)
    await world.react()
    assert await world.responsible(booked.case_id) == other.organisation_id
    assert await world.waits(booked.case_id) == []
    kinds = await world.kinds(booked.case_id)
    assert kinds[-1] == "appointment.rescheduled"
    assert "appointment.cancelled" in kinds
    former = await world.admin.fetchval(
        "select payload ->> 'former_slot_id' from events.outbox"
        " where kind = 'appointment.rescheduled'"
    )
    assert former == str(booked.slot_id)


async def test_what_refuses_the_new_place_leaves_the_former_as_it_was(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    lapsed = await held_for(world, booked, at)
    await world.lapse(lapsed.id)
    with pytest.raises(errors.Expired):
        await move(world, booked, lapsed)
    stranger = await world.hold(await world.slot(at), (await world.disposition()).id)
    with pytest.raises(errors.Conflict) as refusal:
        await move(world, booked, stranger)
    assert refusal.value.code == "other_disposition"
    mirror = await world.practice(ownership="mirrored")
    for unsure in (
        await held_for(world, booked, at, "overbook"), await held_for(world, booked, mirror)
    ):  # fmt: skip
        with pytest.raises(errors.Conflict) as refusal:
            await move(world, booked, unsure)
        assert refusal.value.code == "place_unconfirmed"
    assert await world.seat(booked.slot_id) == ("booked",)
    assert await world.admin.fetchval(LIVE, booked.disposition_id) == 1
    assert "appointment.rescheduled" not in await world.kinds(booked.case_id)


async def test_a_receiver_moves_nobody(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    with pytest.raises(errors.Forbidden):
        await move(world, booked, await held_for(world, booked, at), clinic)


async def test_of_four_who_move_it_at_once_one_does_and_one_is_live_at_every_instant(
    world: World,
) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    wanted = [await held_for(world, booked, at) for _ in range(4)]
    moves = asyncio.gather(*(move(world, booked, hold) for hold in wanted), return_exceptions=True)
    seen = set()
    while not moves.done():
        seen.add(await world.admin.fetchval(LIVE, booked.disposition_id))
    seen.add(await world.admin.fetchval(LIVE, booked.disposition_id))
    assert seen == {1}
    answers = await moves
    moved = [one for one in answers if isinstance(one, Appointment)]
    assert len(moved) == 1
    assert {type(one) for one in answers} == {Appointment, errors.Conflict}
    assert await world.seat(moved[0].slot_id) == ("booked",)
    states = [await world.seat(hold.slot_id) for hold in wanted]
    assert states.count(("held",)) == len(wanted) - 1


async def test_moving_again_under_the_same_key_has_one_effect_and_one_answer(
    world: World, settings: Settings
) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    held = await held_for(world, booked, at)
    path = f"/appointments/{booked.id}/reschedule"
    body = {"hold_id": str(held.id), "reason": "patient_prefers_other"}
    async with serving(world, settings) as service:
        answers = [await service.ask("POST", path, body, key="move") for _ in range(3)]
        assert {one.status_code for one in answers} == {200}
        assert len({one.text for one in answers}) == 1
        again = await service.ask("POST", path, body, key="other")
        assert again.status_code == 409
        assert again.json()["code"] == "appointment_state"
        missing = await service.ask("POST", path, body)
        assert missing.json()["code"] == "idempotency_key_missing"
    assert await world.admin.fetchval(LIVE, booked.disposition_id) == 1
