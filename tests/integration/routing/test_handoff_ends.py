"""What becomes of the patient's case when a handoff ends: arrived, taken on duty, died."""

from events import escalation, handoffs
from kernel.actor import Role
from routing import referrals
from routing.model import ReferralState
from tests.integration.routing import patients
from tests.integration.routing.world import World
from triage import deaths
from triage.deaths import ReportDeath


async def test_arrival_moves_the_case_and_a_taker_is_responsible(world: World) -> None:
    at = await world.practice("emergency_department", intake="referral")
    decided = await world.disposition("U2", "emergency_department")
    wish = referrals.Send(disposition_id=decided.id, care_service_id=at.care_service_id)
    who = world.operator
    sent = await world.database.run(who, lambda tx: referrals.send(tx, who, wish, world.keys))
    handoff_id = sent.handoff_id
    assert handoff_id is not None
    await world.database.run(who, lambda tx: escalation.raise_now(tx, who, handoff_id))
    colleague = await world.actor(Role.SUPERVISOR)
    await world.database.run(colleague, lambda tx: escalation.take(tx, colleague, handoff_id))
    await world.react()
    assert await world.responsible(decided.case_id) == colleague.id
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    await world.database.run(clinic, lambda tx: handoffs.accept(tx, clinic, handoff_id))
    await world.database.run(clinic, lambda tx: handoffs.arrive(tx, clinic, handoff_id))
    await world.react()
    assert await world.responsible(decided.case_id) == at.organisation_id
    assert await patients.state(world.admin, decided.case_id) == "arrived"


async def test_a_reported_death_stops_no_handoff_and_a_confirmed_one_calls_off_what_is_asked(
    world: World,
) -> None:
    at = await world.practice("emergency_department", intake="referral")
    decided = await world.disposition("U2", "emergency_department")
    wish = referrals.Send(disposition_id=decided.id, care_service_id=at.care_service_id)
    who = world.operator
    sent = await world.database.run(who, lambda tx: referrals.send(tx, who, wish, world.keys))
    case_id = decided.case_id
    told = await world.database.run(
        who, lambda tx: deaths.report(tx, who, case_id, ReportDeath(source="caller"))
    )
    await world.react()
    found = await world.database.run(who, lambda tx: referrals.find(tx, sent.id))
    assert found is not None
    assert found.state is ReferralState.SENT
    await world.database.run(who, lambda tx: deaths.confirm(tx, who, told.id))
    await world.react()
    found = await world.database.run(who, lambda tx: referrals.find(tx, sent.id))
    handed = await world.database.run(who, lambda tx: handoffs.of_subject(tx, sent.id))
    assert found is not None
    assert handed is not None
    assert (found.state, handed.state) == (ReferralState.CANCELLED, "cancelled")
