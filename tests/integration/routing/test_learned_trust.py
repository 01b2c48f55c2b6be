"""Trust learned from what happened: each outcome once, never from a patient who stays away."""

from typing import Any

import pytest

from directory import service, standings
from directory.standings import Objection, Trusted
from directory.trust import NEWCOMER, Outcome
from events import escalation, handoffs
from kernel import actor as actors
from kernel import errors, ids
from kernel.actor import Actor, Role
from routing import outcomes
from routing.model import Appointment
from tests.integration.routing.world import TERRITORY, Practice, World

SYSTEM = actors.system(TERRITORY)


async def clinic_of(world: World, at: Practice) -> Actor:
    return await world.actor(Role.CLINIC, organisations=(at.organisation_id,))


async def figure(world: World, at: Practice, who: Actor | None = None) -> Trusted:
    reader = who or world.operator
    return await world.database.run(
        reader, lambda tx: standings.of_organisation(tx, reader, at.organisation_id)
    )


def counts(found: Trusted) -> tuple[int, int, int, int]:
    return (found.accepted, found.refused, found.unanswered, found.displaced)


async def answer(world: World, who: Actor, booked: Appointment, *, accept: bool) -> None:
    assert booked.handoff_id is not None
    handed = booked.handoff_id

    async def act(tx: Any) -> None:
        if accept:
            await handoffs.accept(tx, who, handed)
        else:
            await handoffs.refuse(tx, who, handed, reason="other")

    await world.database.run(who, act)
    await world.react()


async def test_nothing_known_is_a_newcomer(world: World) -> None:
    found = await figure(world, await world.practice())
    assert (found.acceptance, counts(found)) == (NEWCOMER, (0, 0, 0, 0))


async def test_accepting_and_refusing_are_learned_once_each(world: World) -> None:
    at = await world.practice()
    clinic = await clinic_of(world, at)
    await answer(world, clinic, await world.booked(at, "U2", kind="overbook"), accept=True)
    raised = await figure(world, at)
    assert counts(raised) == (1, 0, 0, 0)
    assert raised.acceptance > NEWCOMER
    await answer(world, clinic, await world.booked(at, "U2", kind="overbook"), accept=False)
    lowered = await figure(world, at)
    assert counts(lowered) == (1, 1, 0, 0)
    assert lowered.acceptance < raised.acceptance
    await world.react()
    assert counts(await figure(world, at)) == (1, 1, 0, 0)


async def test_silence_where_an_answer_was_owed_is_learned(world: World) -> None:
    at = await world.practice()
    booked = await world.booked(at, "U2", kind="overbook")
    await world.admin.execute(
        "update events.handoff set due_at = kernel.regul_now() - interval '1 s' where id = $1",
        booked.handoff_id,
    )
    async with world.system.transaction(SYSTEM) as tx:
        await escalation.sweep(tx, SYSTEM)
    await world.react()
    assert counts(await figure(world, at)) == (0, 0, 1, 0)


async def test_a_booked_slot_taken_away_by_its_publisher_is_learned(world: World) -> None:
    at = await world.practice()
    clinic = await clinic_of(world, at)
    booked = await world.booked(at)
    await world.database.run(clinic, lambda tx: service.withdraw(tx, clinic, booked.slot_id))
    free = await world.slot(at)
    await world.database.run(clinic, lambda tx: service.withdraw(tx, clinic, free))
    await world.react()
    assert counts(await figure(world, at)) == (0, 0, 0, 1)


async def test_a_patient_who_does_not_come_never_lowers_it(world: World) -> None:
    at = await world.practice()
    clinic = await clinic_of(world, at)
    command = outcomes.Settle(outcome="noshow")
    for _ in range(3):
        booked = await world.booked(at)
        await world.admin.execute(
            "update routing.appointment set starts_at = kernel.regul_now() - interval '1 hour'"
            " where id = $1",
            booked.id,
        )
        async with world.database.transaction(clinic) as tx:
            await outcomes.settle(tx, clinic, booked.id, command)
    await world.react()
    found = await figure(world, at)
    assert (found.acceptance, counts(found)) == (NEWCOMER, (0, 0, 0, 0))


async def test_a_clinic_sees_its_own_figure_only_and_may_contest_it(world: World) -> None:
    at, other = await world.practice(), await world.practice()
    clinic = await clinic_of(world, at)
    await answer(world, clinic, await world.booked(at, "U2", kind="overbook"), accept=False)
    own = await figure(world, at, clinic)
    assert counts(own) == (0, 1, 0, 0)
    with pytest.raises(errors.Forbidden):
        await figure(world, other, clinic)
    with pytest.raises(errors.Forbidden):
        await contest(world, world.operator, at)
    with pytest.raises(errors.Forbidden):
        await contest(world, clinic, other)
    await contest(world, clinic, at)
    shown = await figure(world, at)
    (made,) = shown.contests
    assert made.reason is Objection.NEVER_RECEIVED
    assert made.acceptance == pytest.approx(own.acceptance, abs=1e-6)
    noted = await world.admin.fetchval(
        "select detail from kernel.audit where action = 'trust.contest'"
    )
    assert noted.startswith("never_received at 0.8")
    told = await world.admin.fetchval(
        "select count(*) from events.outbox where kind = 'trust.contested'"
    )
    assert told == 1
    decided = await world.disposition()
    await world.slot(at)
    async with world.database.transaction(world.operator) as tx:
        known = await standings.estimates(tx, [at.organisation_id, other.organisation_id])
    assert known[at.organisation_id].contested
    (place,) = (await world.offers(decided.id)).places
    assert place.acceptance == pytest.approx(own.acceptance, abs=1e-3)
    assert place.asked == own.accepted + own.refused
    assert place.as_of is None or not place.marked


async def contest(world: World, who: Actor, at: Practice) -> Trusted:
    return await world.database.run(
        who,
        lambda tx: standings.contest(tx, who, at.organisation_id, Objection.NEVER_RECEIVED),
    )


async def test_after_twenty_refusals_the_offer_names_a_reliable_place_ten_minutes_further(
    world: World,
) -> None:
    near, far = await world.practice(north_km=1), await world.practice(north_km=8)
    await world.slot(near)
    await world.slot(far)
    decided = await world.disposition()
    before = await world.offers(decided.id)
    assert before.places[0].care_service_id == near.care_service_id
    first, second = (one.travel_s or 0 for one in before.places)
    assert second - first >= 600
    async with world.system.transaction(SYSTEM) as tx:
        for _ in range(20):
            await standings.learn(tx, near.organisation_id, ids.uuid7(), Outcome.REFUSED)
    after = await world.offers(decided.id)
    assert after.places[0].care_service_id == far.care_service_id
    (told,) = [one for one in after.places[1].reasons if one.code == "less_reliable"]
    assert told.values == {"accepted": 0, "asked": 20}
