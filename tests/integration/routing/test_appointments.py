"""Appointments: booked once, told to whom it concerns, never without somebody responsible."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from events import handoffs
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor, Role
from routing import appointments, incoming, outcomes, waiting
from routing.model import Appointment, AppointmentState
from tests.integration.routing import patients
from tests.integration.routing.world import OTHER_TERRITORY, Practice, World


async def read(world: World, who: Actor, appointment_id: UUID) -> Appointment:
    return await world.database.run(
        who, lambda tx: appointments.get(tx, who, appointment_id, world.keys)
    )


async def cancel(
    world: World, who: Actor, appointment_id: UUID, reason: str = "reason"
) -> Appointment:
    wish = appointments.Cancel(reason=reason)
    return await world.database.run(
        who, lambda tx: appointments.cancel(tx, who, appointment_id, wish)
    )


async def day_of(
    world: World, who: Actor, at: Practice, day: date, after: UUID | None
) -> tuple[Appointment, ...]:
    return await world.database.run(
        who, lambda tx: incoming.page(tx, who, at.organisation_id, day, after=after, limit=2)
    )


async def test_booking_consumes_the_hold_and_writes_everything_at_once(world: World) -> None:
    at = await world.practice()
    slot_id = await world.slot(at)
    decided = await world.disposition()
    held = await world.hold(slot_id, decided.id)
    booked = await world.book(held.id, instructions="Sonner à l'interphone.")
    assert booked.state is AppointmentState.BOOKED
    assert (booked.claim, booked.organisation_id) == (held.id, at.organisation_id)
    assert await world.seat(slot_id) == ("booked",)
    assert await world.kinds(decided.case_id) == [
        "hold.placed", "appointment.booked", "handoff.requested", "handoff.delivered",
    ]  # fmt: skip
    assert await world.responsible(decided.case_id) == at.organisation_id
    assert await patients.state(world.admin, decided.case_id) == "oriented"
    sealed = await world.admin.fetchval(
        "select instructions from routing.appointment where id = $1", booked.id
    )
    assert b"interphone" not in sealed
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    read = await world.database.run(
        clinic, lambda tx: appointments.get(tx, clinic, booked.id, world.keys)
    )
    assert read.instructions == "Sonner à l'interphone."


async def test_a_booked_hold_no_longer_counts_among_live_holds(world: World) -> None:
    at = await world.practice()
    for _ in range(12):
        await world.booked(at)
    live = await world.admin.fetchval("select cardinality(live) from routing.hold_allowance")
    assert live == 0


@pytest.mark.parametrize(
    ("acuity", "kind", "ownership"),
    [("U2", "slot", "owned"), ("U3", "overbook", "owned"), ("U3", "slot", "mirrored")],
)
async def test_urgent_extra_and_mirrored_places_wait_for_a_named_answer(
    world: World, acuity: str, kind: str, ownership: str
) -> None:
    at = await world.practice(ownership=ownership)
    booked = await world.booked(at, acuity, kind)
    mirrored = ownership == "mirrored"
    assert booked.state is (AppointmentState.PENDING if mirrored else AppointmentState.BOOKED)
    assert await world.responsible(booked.case_id) == world.operator.id
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    assert booked.handoff_id is not None
    await world.database.run(
        clinic,
        lambda tx: handoffs.accept(tx, clinic, booked.handoff_id),  # type: ignore[arg-type]
    )
    await world.react()
    assert await world.responsible(booked.case_id) == at.organisation_id
    state = await world.admin.fetchval(
        "select state from routing.appointment where id = $1", booked.id
    )
    assert state == "booked"
    assert ("appointment.confirmed" in await world.kinds(booked.case_id)) is mirrored


async def test_a_lapsed_hold_can_not_be_booked(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id)
    await world.lapse(held.id)
    with pytest.raises(errors.Expired) as refusal:
        await world.book(held.id)
    assert refusal.value.code == "hold_expired"
    assert await world.admin.fetchval("select count(*) from routing.appointment") == 0


async def test_a_slot_withdrawn_under_a_hold_says_so_with_the_next_best(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id)
    await world.admin.execute(
        "update directory.seat set state = 'displaced', until = null where slot_id = $1", slot_id
    )
    with pytest.raises(errors.Conflict) as refusal:
        await world.book(held.id)
    assert refusal.value.code == "slot_withdrawn"
    assert "next_best" in refusal.value.fields


async def test_a_hold_is_booked_once_whoever_else_tries(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id)
    told = await asyncio.gather(*(world.book(held.id) for _ in range(8)), return_exceptions=True)
    assert Counter(type(one) for one in told) == {Appointment: 1, errors.Conflict: 7}
    assert {one.code for one in told if isinstance(one, errors.Conflict)} == {"hold_used"}


async def test_a_released_hold_can_not_be_booked(world: World) -> None:
    from routing import holds

    held = await world.hold(
        await world.slot(await world.practice()), (await world.disposition()).id
    )
    await world.database.run(world.operator, lambda tx: holds.release(tx, world.operator, held.id))
    with pytest.raises(errors.Conflict) as refusal:
        await world.book(held.id)
    assert refusal.value.code == "hold_released"


async def test_the_second_lock_refuses_a_double_even_when_the_seat_is_sabotaged(
    world: World,
) -> None:
    slot_id = await world.slot(await world.practice())
    first = await world.hold(slot_id, (await world.disposition()).id)
    await world.book(first.id)
    await world.admin.execute(
        "update directory.seat set state = 'free', claim = null where slot_id = $1", slot_id
    )
    second = await world.hold(slot_id, (await world.disposition()).id)
    with pytest.raises(errors.Conflict) as refusal:
        await world.book(second.id)
    assert refusal.value.code == "slot_taken"
    assert await world.admin.fetchval("select count(*) from routing.appointment") == 1


async def test_a_disposition_has_one_live_appointment(world: World) -> None:
    at = await world.practice()
    decided = await world.disposition()
    first = await world.hold(await world.slot(at), decided.id)
    second = await world.hold(await world.slot(at), decided.id)
    await world.book(first.id)
    with pytest.raises(errors.Conflict) as refusal:
        await world.book(second.id)
    assert refusal.value.code == "disposition_placed"


async def test_staff_cancels_the_seat_is_free_and_the_canceller_looks_after_the_patient(
    world: World,
) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    other = await world.actor(Role.OSNP)
    gone = await world.database.run(
        other,
        lambda tx: appointments.cancel(
            tx, other, booked.id, appointments.Cancel(reason="patient_prefers_other")
        ),
    )
    assert (gone.state, gone.cancel_reason) == (
        AppointmentState.CANCELLED,
        "patient_prefers_other",
    )
    assert await world.seat(booked.slot_id) == ("free",)
    await world.react()
    assert await world.responsible(booked.case_id) == other.id
    assert (await world.kinds(booked.case_id))[-2:] == [
        "handoff.cancelled", "appointment.cancelled",
    ]  # fmt: skip
    assert await world.waits(booked.case_id) == []
    again = await world.hold(booked.slot_id, booked.disposition_id)
    assert (await world.book(again.id)).state is AppointmentState.BOOKED


async def test_cancelling_twice_is_a_conflict_and_frees_nobody_elses_seat(world: World) -> None:
    booked = await world.booked(await world.practice())
    wish = appointments.Cancel(reason="x")

    async def cancel() -> Appointment:
        return await world.database.run(
            world.operator, lambda tx: appointments.cancel(tx, world.operator, booked.id, wish)
        )

    await cancel()
    await world.hold(booked.slot_id, (await world.disposition()).id)
    with pytest.raises(errors.Conflict) as refusal:
        await cancel()
    assert refusal.value.fields["state"] == "cancelled"
    assert await world.seat(booked.slot_id) == ("held",)


async def test_a_receiver_who_cancels_leaves_a_waiting_entry_owned_by_who_booked(
    world: World,
) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    await world.database.run(
        clinic,
        lambda tx: appointments.cancel(
            tx, clinic, booked.id, appointments.Cancel(reason="doctor_ill")
        ),
    )
    await world.react()
    assert await world.waits(booked.case_id) == [
        ("receiver_cancelled", "waiting", world.operator.id)
    ]
    assert await world.responsible(booked.case_id) == world.operator.id


async def test_a_refused_appointment_frees_the_seat_and_waits_again(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at, "U2")
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    await world.database.run(
        clinic,
        lambda tx: handoffs.refuse(tx, clinic, booked.handoff_id, "full"),  # type: ignore[arg-type]
    )
    await world.react()
    assert await world.seat(booked.slot_id) == ("free",)
    assert await world.waits(booked.case_id) == [("handoff_refused", "waiting", world.operator.id)]
    assert await world.responsible(booked.case_id) == world.operator.id
    assert await patients.state(world.admin, booked.case_id) == "decided"


async def test_a_withdrawn_booked_slot_becomes_a_waiting_entry_and_then_a_new_place(
    world: World,
) -> None:
    from directory import service

    at, other = await world.practice(), await world.practice()
    booked = await world.booked(at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    await world.database.run(clinic, lambda tx: service.withdraw(tx, clinic, booked.slot_id))
    await world.react()
    assert await world.seat(booked.slot_id) == ("withdrawn",)
    assert await world.waits(booked.case_id) == [("slot_displaced", "waiting", world.operator.id)]
    again = await world.hold(await world.slot(other), booked.disposition_id)
    await world.book(again.id)
    assert (await world.waits(booked.case_id))[0][1] == "placed"
    assert await world.responsible(booked.case_id) == other.organisation_id
    assert "waiting.placed" in await world.kinds(booked.case_id)


async def test_the_patient_came(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at, "U2")
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    settled = await world.database.run(
        clinic,
        lambda tx: outcomes.settle(tx, clinic, booked.id, outcomes.Settle(outcome="fulfilled")),
    )
    await world.react()
    assert settled.state is AppointmentState.FULFILLED
    assert await world.responsible(booked.case_id) == at.organisation_id
    assert await patients.state(world.admin, booked.case_id) == "arrived"
    assert (await world.kinds(booked.case_id))[-3:] == [
        "handoff.accepted", "handoff.completed", "appointment.fulfilled",
    ]  # fmt: skip


async def test_a_missed_patient_goes_back_to_who_booked_and_is_called(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    wish = outcomes.Settle(outcome="noshow")

    async def settle() -> Appointment:
        return await world.database.run(
            clinic, lambda tx: outcomes.settle(tx, clinic, booked.id, wish)
        )

    with pytest.raises(errors.Conflict) as refusal:
        await settle()
    assert refusal.value.code == "appointment_not_begun"
    await world.admin.execute(
        "update routing.appointment set starts_at = starts_at - interval '1 day' where id = $1",
        booked.id,
    )
    assert (await settle()).state is AppointmentState.NOSHOW
    await world.react()
    owed = await world.admin.fetchrow("select reason, owner_id, case_id from triage.callback")
    assert tuple(owed) == ("missed_appointment", world.operator.id, booked.case_id)
    assert await world.responsible(booked.case_id) == world.operator.id


async def test_only_its_territory_and_its_organisation_see_an_appointment(world: World) -> None:
    at, elsewhere = await world.practice(), await world.practice()
    booked = await world.booked(at)
    day = (booked.starts_at + timedelta(hours=1)).date()  # the tests' clock stands in France
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    stranger = await world.actor(Role.OPERATOR, OTHER_TERRITORY)
    neighbour = await world.actor(Role.CLINIC, organisations=(elsewhere.organisation_id,))
    for who in (stranger, neighbour):
        with pytest.raises(errors.Missing):
            await read(world, who, booked.id)
        with pytest.raises((errors.Missing, errors.Forbidden)):
            await cancel(world, who, booked.id)
    with pytest.raises(errors.Forbidden):
        await world.database.run(
            neighbour, lambda tx: incoming.page(tx, neighbour, at.organisation_id, day)
        )
    seen = await world.database.run(
        clinic, lambda tx: incoming.page(tx, clinic, at.organisation_id, day)
    )
    days = await world.database.run(
        clinic, lambda tx: incoming.page(tx, clinic, at.organisation_id, day - timedelta(days=2))
    )
    assert ([one.id for one in seen], days) == ([booked.id], ())
    unscoped = await world.database.pool.fetchval("select count(*) from routing.appointment")
    assert unscoped == 0


async def test_a_clinics_day_is_paged(world: World) -> None:
    at = await world.practice()
    noon = datetime.now(UTC).replace(hour=10, minute=0) + timedelta(days=2)
    made = [
        await world.booked(at, begins_in=noon - datetime.now(UTC) + timedelta(minutes=number))
        for number in range(5)
    ]
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    found: list[Appointment] = []
    after: UUID | None = None
    while True:
        page = await day_of(world, clinic, at, noon.date(), after)
        if not page:
            break
        found.extend(page)
        after = page[-1].id
    assert [one.id for one in found] == [one.id for one in made]


async def test_constraints_refuse_what_the_code_never_writes(world: World) -> None:
    booked = await world.booked(await world.practice())
    with pytest.raises(asyncpg.CheckViolationError):
        await world.admin.execute(
            "update routing.appointment set cancel_reason = 'x' where id = $1", booked.id
        )
    with pytest.raises(asyncpg.UniqueViolationError):
        await world.admin.execute(
            "insert into routing.appointment select (jsonb_populate_record(a,"
            " jsonb_build_object('id', gen_random_uuid(), 'claim', gen_random_uuid(),"
            " 'disposition_id', gen_random_uuid()))).* from routing.appointment a"
        )


async def test_waiting_entries_are_not_made_twice_by_a_repeated_reaction(world: World) -> None:
    booked = await world.booked(await world.practice())
    system = actors.system()

    async def owe() -> object:
        return await world.system.run(
            system,
            lambda tx: waiting.owe_place(
                tx, system, booked.disposition_id, owner_id=world.operator.id, constraint="x"
            ),
        )

    assert await owe() is None, "the patient still has this place"
    await world.system.run(system, lambda tx: appointments.call_off(tx, system, booked.id, "x"))
    assert [await owe() is None, await owe() is None] == [False, True]


async def test_a_place_lost_after_the_case_was_closed_owes_a_call_back(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at)
    await world.admin.execute(
        "update triage.case_file set state = 'closed', closed_at = now(), close_outcome = 'x'"
    )
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    wish = appointments.Cancel(reason="ill")
    await world.database.run(clinic, lambda tx: appointments.cancel(tx, clinic, booked.id, wish))
    await world.react()
    assert await world.waits(booked.case_id) == []
    owed = await world.admin.fetch("select reason, state from triage.callback")
    assert [tuple(one) for one in owed] == [("no_place", "due")]


async def test_what_happens_to_an_appointment_of_a_closed_case_is_still_recorded(
    world: World,
) -> None:
    at = await world.practice()
    booked, open_hold = await world.booked(at), await world.disposition()
    held = await world.hold(await world.slot(at), open_hold.id)
    await world.admin.execute(
        "update triage.case_file set state = 'closed', closed_at = now(), close_outcome = 'x'"
    )
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    wish = outcomes.Settle(outcome="fulfilled")
    await world.database.run(clinic, lambda tx: outcomes.settle(tx, clinic, booked.id, wish))
    assert await patients.state(world.admin, booked.case_id) == "closed"
    with pytest.raises(errors.Conflict) as refusal:
        await world.book(held.id)
    assert refusal.value.code == "case_closed"
