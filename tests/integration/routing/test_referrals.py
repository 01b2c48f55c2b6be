"""Referrals and the waiting list: somebody answers in time, or it escalates; never a dead end."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from events import escalation, handoffs
from events.model import Handoff
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor, Role
from kernel.database import Tx
from routing import placements, referrals, waiting
from routing.model import Referral, ReferralState, WaitingEntry, WaitingState
from tests.integration.routing import patients
from tests.integration.routing.world import OTHER_TERRITORY, Practice, World
from triage import cases
from triage.model import Case


async def department(world: World, service: str = "emergency_department") -> Practice:
    return await world.practice(service, intake="referral")


async def send(
    world: World, disposition_id: UUID, at: Practice, answer_within_s: int | None = None
) -> Referral:
    wish = referrals.Send(
        disposition_id=disposition_id,
        care_service_id=at.care_service_id,
        instructions="Allergie à la pénicilline.",
        answer_within_s=answer_within_s,
    )
    return await world.database.run(
        world.operator, lambda tx: referrals.send(tx, world.operator, wish, world.keys)
    )


async def test_a_referral_is_a_handoff_with_a_deadline_and_the_sender_stays_responsible(
    world: World,
) -> None:
    at = await department(world)
    decided = await world.disposition("U1", "emergency_department")
    sent = await send(world, decided.id, at)
    assert (sent.state, sent.service) == (ReferralState.SENT, "emergency_department")
    assert sent.due_at is not None
    assert sent.due_at - sent.sent_at < timedelta(seconds=125)
    assert await world.kinds(decided.case_id) == ["handoff.requested", "referral.sent"]
    assert await world.responsible(decided.case_id) == world.operator.id
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    read = await world.database.run(
        clinic, lambda tx: referrals.get(tx, clinic, sent.id, world.keys)
    )
    assert read.instructions == "Allergie à la pénicilline."


async def test_a_faster_answer_may_be_asked_for_never_a_slower_one(world: World) -> None:
    decided = await world.disposition("U1", "emergency_department")
    fast = await send(world, decided.id, await department(world), 5)
    slow = await send(world, decided.id, await department(world), 3600)
    assert fast.due_at is not None
    assert slow.due_at is not None
    assert fast.due_at - fast.sent_at < timedelta(seconds=8)
    assert slow.due_at - slow.sent_at < timedelta(seconds=125)


async def test_an_accepted_referral_makes_its_receiver_responsible_until_arrival(
    world: World,
) -> None:
    at = await department(world)
    decided = await world.disposition("U2", "emergency_department")
    sent = await send(world, decided.id, at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    assert sent.handoff_id is not None
    handoff_id = sent.handoff_id
    await world.database.run(clinic, lambda tx: handoffs.accept(tx, clinic, handoff_id))
    await world.react()
    assert await world.responsible(decided.case_id) == at.organisation_id
    arrived = await world.database.run(
        clinic,
        lambda tx: referrals.settle(tx, clinic, sent.id, referrals.Settle(outcome="completed")),
    )
    assert arrived.state is ReferralState.COMPLETED
    assert await patients.state(world.admin, decided.case_id) == "arrived"
    assert await world.responsible(decided.case_id) == at.organisation_id


async def test_a_patient_who_arrives_before_the_answer_is_accepted_by_that(world: World) -> None:
    at = await department(world)
    decided = await world.disposition("U2", "emergency_department")
    sent = await send(world, decided.id, at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    wish = referrals.Settle(outcome="completed")
    await world.database.run(clinic, lambda tx: referrals.settle(tx, clinic, sent.id, wish))
    await world.react()
    assert (await world.kinds(decided.case_id))[2:] == [
        "handoff.accepted", "referral.updated", "handoff.completed", "referral.updated",
    ]  # fmt: skip


async def test_a_refused_referral_waits_again_at_its_sender(world: World) -> None:
    at = await department(world, "smur")
    decided = await world.disposition("U0", "smur")
    sent = await send(world, decided.id, at)
    assert await patients.state(world.admin, decided.case_id) == "engaged"
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    assert sent.handoff_id is not None
    handoff_id = sent.handoff_id
    await world.database.run(clinic, lambda tx: handoffs.refuse(tx, clinic, handoff_id, "no_team"))
    await world.react()
    assert await world.waits(decided.case_id) == [("handoff_refused", "waiting", world.operator.id)]
    assert await world.responsible(decided.case_id) == world.operator.id


async def test_a_refusal_takes_no_patient_from_another_receiver_who_accepted(world: World) -> None:
    first, second = await department(world), await department(world)
    decided = await world.disposition("U1", "emergency_department")
    for at, accepts in ((second, True), (first, False)):
        sent = await send(world, decided.id, at)
        clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
        handoff_id = sent.handoff_id
        assert handoff_id is not None
        if accepts:
            await world.database.run(clinic, lambda tx: handoffs.accept(tx, clinic, handoff_id))  # noqa: B023
        else:
            await world.database.run(
                clinic,
                lambda tx: handoffs.refuse(tx, clinic, handoff_id, "full"),  # noqa: B023
            )
        await world.react()
    assert await world.waits(decided.case_id) == []
    assert await world.responsible(decided.case_id) == second.organisation_id


async def test_a_waiting_need_is_owned_by_staff_of_its_centre_only(world: World) -> None:
    decided = await world.disposition()
    stranger = await world.actor(Role.CLINIC, organisations=(UUID(int=7),))
    wish = waiting.Enter(disposition_id=decided.id, owner_id=stranger.id)
    with pytest.raises(errors.Invalid) as refused:
        await world.database.run(world.operator, lambda tx: waiting.enter(tx, world.operator, wish))
    assert refused.value.code == "owner_unknown"


async def test_silence_goes_to_the_one_on_duty(world: World) -> None:
    at = await department(world)
    supervisor = await world.actor(Role.SUPERVISOR)
    await world.admin.execute(
        "insert into events.roster (territory_id, level, actor_id) values ($1, 1, $2)",
        world.operator.territory_id,
        supervisor.id,
    )
    decided = await world.disposition("U1", "emergency_department")
    await send(world, decided.id, at)
    await world.admin.execute("update events.handoff set due_at = due_at - interval '1 hour'")
    system = actors.system()
    await world.system.run(system, lambda tx: escalation.sweep(tx, system))
    await world.react()
    assert await world.responsible(decided.case_id) == supervisor.id


async def test_silence_or_a_call_off_takes_no_patient_from_who_accepted(world: World) -> None:
    supervisor = await world.actor(Role.SUPERVISOR)
    await world.admin.execute(
        "insert into events.roster (territory_id, level, actor_id) values ($1, 1, $2)",
        world.operator.territory_id,
        supervisor.id,
    )
    took, silent = await department(world), await department(world)
    decided = await world.disposition("U1", "emergency_department")
    first = (await send(world, decided.id, took)).handoff_id
    unanswered = await send(world, decided.id, silent)
    clinic = await world.actor(Role.CLINIC, organisations=(took.organisation_id,))
    assert first is not None
    await world.database.run(clinic, lambda tx: handoffs.accept(tx, clinic, first))
    await world.admin.execute("update events.handoff set due_at = due_at - interval '1 hour'")
    system = actors.system()
    await world.system.run(system, lambda tx: escalation.sweep(tx, system))
    await world.react()
    assert await world.responsible(decided.case_id) == took.organisation_id
    off = await read(world, world.operator, unanswered.id)
    assert off.state is ReferralState.CANCELLED
    late = await world.actor(Role.CLINIC, organisations=(silent.organisation_id,))
    assert unanswered.handoff_id is not None
    stale = unanswered.handoff_id
    with pytest.raises(errors.Conflict) as refusal:
        await world.database.run(late, lambda tx: handoffs.accept(tx, late, stale))
    assert refusal.value.code == "handoff_state"


async def test_of_two_receivers_who_accept_at_once_one_has_the_patient(world: World) -> None:
    decided = await world.disposition("U1", "emergency_department")
    asked = []
    for at in (await department(world), await department(world)):
        sent = await send(world, decided.id, at)
        clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
        assert sent.handoff_id is not None
        asked.append((clinic, sent.handoff_id))

    async def accept(who: Actor, handoff_id: UUID) -> object:
        return await world.database.run(who, lambda tx: handoffs.accept(tx, who, handoff_id))

    told = await asyncio.gather(*(accept(*one) for one in asked), return_exceptions=True)
    assert Counter(type(one) for one in told) == {Handoff: 1, errors.Conflict: 1}
    (lost,) = [one for one in told if isinstance(one, errors.Conflict)]
    assert lost.code == "patient_taken_elsewhere"
    await world.react()
    won = next(one for one in told if isinstance(one, Handoff))
    assert await world.responsible(decided.case_id) == won.to_organisation_id


async def test_who_refused_reads_the_file_no_longer_until_asked_again(world: World) -> None:
    at = await department(world)
    decided = await world.disposition("U2", "emergency_department")
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))

    async def file(tx: Tx) -> Case:
        return await cases.get(tx, clinic, decided.case_id)

    first = (await send(world, decided.id, at)).handoff_id
    assert first is not None
    assert (await world.database.run(clinic, file)).id == decided.case_id
    await world.database.run(clinic, lambda tx: handoffs.refuse(tx, clinic, first, "no_capacity"))
    await world.react()
    assert await world.waits(decided.case_id) == [
        ("refused_no_capacity", "waiting", world.operator.id)
    ]
    with pytest.raises(errors.Missing):
        await world.database.run(clinic, file)
    await send(world, decided.id, at)
    await world.react()
    assert (await world.database.run(clinic, file)).id == decided.case_id


async def test_the_same_receiver_is_asked_once_at_a_time(world: World) -> None:
    at = await department(world)
    decided = await world.disposition("U1", "emergency_department")
    told = await asyncio.gather(
        *(send(world, decided.id, at) for _ in range(5)), return_exceptions=True
    )
    assert Counter(type(one) for one in told) == {Referral: 1, errors.Conflict: 4}
    with pytest.raises(errors.Missing):
        await send(world, decided.id, Practice(
            organisation_id=at.organisation_id, care_service_id=decided.id,
            schedule_id=decided.id, location_id=decided.id,
        ))  # fmt: skip


async def test_staff_calls_a_referral_off_and_a_receiver_may_not(world: World) -> None:
    at = await department(world)
    decided = await world.disposition("U1", "emergency_department")
    sent = await send(world, decided.id, at)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    wish = referrals.Settle(outcome="cancelled")
    with pytest.raises(errors.Forbidden):
        await world.database.run(clinic, lambda tx: referrals.settle(tx, clinic, sent.id, wish))
    gone = await world.database.run(
        world.operator, lambda tx: referrals.settle(tx, world.operator, sent.id, wish)
    )
    assert gone.state is ReferralState.CANCELLED
    assert await world.responsible(decided.case_id) == world.operator.id
    with pytest.raises(errors.Conflict) as refusal:
        await world.database.run(
            world.operator, lambda tx: referrals.settle(tx, world.operator, sent.id, wish)
        )
    assert refusal.value.code == "referral_state"


async def test_another_organisation_and_territory_see_no_referral(world: World) -> None:
    at, other = await department(world), await department(world)
    decided = await world.disposition("U1", "emergency_department")
    sent = await send(world, decided.id, at)
    for who in (
        await world.actor(Role.OPERATOR, OTHER_TERRITORY),
        await world.actor(Role.CLINIC, organisations=(other.organisation_id,)),
    ):
        with pytest.raises(errors.Missing):
            await read(world, who, sent.id)


async def read(world: World, who: Actor, referral_id: UUID) -> Referral:
    return await world.database.run(who, lambda tx: referrals.get(tx, who, referral_id, world.keys))


async def enter(
    world: World, disposition_id: UUID, deadline: datetime | None = None
) -> WaitingEntry:
    wish = waiting.Enter(disposition_id=disposition_id, deadline=deadline)
    return await world.database.run(
        world.operator, lambda tx: waiting.enter(tx, world.operator, wish)
    )


async def test_a_need_without_a_place_has_an_owner_a_deadline_and_a_reason(world: World) -> None:
    decided = await world.disposition("U2")
    entry = await enter(world, decided.id)
    assert entry.owner_id == world.operator.id
    assert entry.deadline - entry.entered_at == timedelta(minutes=15)
    assert entry.constraint == "no_place_published"
    assert await world.kinds(decided.case_id) == ["waiting.entered"]
    with pytest.raises(errors.Conflict) as refusal:
        await enter(world, decided.id)
    assert refusal.value.code == "already_waiting"


async def test_a_deadline_may_be_earlier_never_later(world: World) -> None:
    early, late = await world.disposition("U2"), await world.disposition("U2")
    now = datetime.now(UTC)
    sooner = await enter(world, early.id, now + timedelta(minutes=2))
    assert sooner.deadline == now + timedelta(minutes=2)
    later = await enter(world, late.id, now + timedelta(days=2))
    assert later.deadline - later.entered_at == timedelta(minutes=15)


async def test_advice_without_a_due_time_still_gets_a_deadline(world: World) -> None:
    decided = await world.disposition("U5")
    entry = await enter(world, decided.id)
    assert entry.deadline - entry.entered_at == timedelta(hours=8)


async def test_what_waits_past_its_deadline_escalates_once(world: World) -> None:
    decided = await world.disposition("U2")
    await enter(world, decided.id)
    system = actors.system()

    async def sweep() -> int:
        return await world.system.run(system, lambda tx: waiting.escalate(tx, system))

    assert await sweep() == 0
    await world.admin.execute("update routing.waiting_entry set deadline = entered_at")
    assert [await sweep(), await sweep()] == [1, 0]
    assert await world.kinds(decided.case_id) == ["waiting.entered", "waiting.escalated"]


async def test_the_waiting_list_is_ordered_by_urgency_and_paged(world: World) -> None:
    entries = [
        await enter(world, (await world.disposition(acuity)).id)
        for acuity in ("U4", "U2", "U3", "U2")
    ]
    stranger = await world.actor(Role.OPERATOR, OTHER_TERRITORY)

    async def page(after: UUID | None) -> tuple[WaitingEntry, ...]:
        return await world.database.run(
            world.operator,
            lambda tx: waiting.page(tx, world.operator, "waiting", after=after, limit=3),
        )

    first = await page(None)
    rest = await page(first[-1].id)
    assert [one.id for one in (*first, *rest)] == [entries[index].id for index in (1, 3, 2, 0)]
    unseen = await world.database.run(
        stranger, lambda tx: waiting.page(tx, stranger, "waiting", after=None, limit=10)
    )
    assert unseen == ()


async def test_a_referral_ends_the_waiting(world: World) -> None:
    decided = await world.disposition("U1", "emergency_department")
    entry = await enter(world, decided.id)
    await send(world, decided.id, await department(world))
    found = await world.database.run(
        world.operator, lambda tx: waiting.get(tx, world.operator, entry.id)
    )
    assert found.state is WaitingState.PLACED
    seen = await world.database.run(
        world.operator, lambda tx: placements.of_case(tx, world.operator, decided.case_id)
    )
    assert (len(seen.waiting), len(seen.referrals), seen.holds) == (1, 1, ())


async def test_a_closed_case_waits_no_longer(world: World) -> None:
    decided = await world.disposition()
    await enter(world, decided.id)
    wish = cases.CloseCase(outcome="cancelled_by_caller")
    await world.database.run(
        world.operator, lambda tx: cases.close(tx, world.operator, decided.case_id, wish)
    )
    await world.react()
    assert await world.waits(decided.case_id) == [
        ("no_place_published", "closed", world.operator.id)
    ]
