import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from kernel import errors
from kernel.actor import Actor
from tests.integration.triage.centre import SAID, Centre
from triage import dispositions, qualification
from triage.dispositions import ReflexDispatch, SafetyNetSaid
from triage.model import Case, Disposition, Stream
from triage.qualification import Take


async def take(centre: Centre, case: Case, actor: Actor, **fields: Any) -> Case:
    command = Take(**fields)
    return await centre.database.run(
        actor, lambda tx: qualification.take(tx, actor, case.id, command)
    )


async def queue(centre: Centre, stream: Stream = "AMU", actor: Actor | None = None) -> list[Any]:
    who = actor or centre.physician
    found = await centre.database.run(who, lambda tx: qualification.queue(tx, who, stream))
    return [(one.case.id, one.not_qualified, one.sounds) for one in found.cases]


async def dispatch(centre: Centre, case: Case, actor: Actor | None = None) -> Disposition:
    who = actor or centre.operator
    return await centre.database.run(
        who, lambda tx: dispositions.dispatch(tx, who, case.id, ReflexDispatch(), centre.keys)
    )


async def calm(centre: Centre) -> Case:
    """Open a case in which no vital danger is left to ask about."""
    case = await centre.adult("mal de dos")
    await centre.admin.execute(
        "update triage.case_file set interval_closed = true, acuity_worst = 'U4' where id = $1",
        case.id,
    )
    return await centre.case(case)


async def test_a_qualified_case_enters_the_physicians_queue_of_its_stream(centre: Centre) -> None:
    case = await centre.adult("DT")
    after = await centre.qualify(case, "P1", "AMU")
    assert (after.state, after.priority, after.stream) == ("awaiting_physician", "P1", "AMU")
    assert [one[0] for one in await queue(centre, "AMU")] == [case.id]
    assert await queue(centre, "PSY") == []
    assert (await centre.kinds(case))[-1] == "case.qualified"


async def test_a_transfer_to_another_stream_keeps_the_place(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"), "P1", "AMU")
    moved = await centre.qualify(case, "P1", "SNP")
    assert moved.awaiting_since == case.awaiting_since
    assert await queue(centre, "AMU") == []
    assert [one[0] for one in await queue(centre, "SNP")] == [case.id]


async def test_the_queue_is_in_working_order_and_only_u0_sounds(centre: Centre) -> None:
    mild = await centre.qualify(await calm(centre), "P2")
    possible = await centre.qualify(await centre.adult("mal de dos"), "P2")
    arrest = await centre.adult()
    await centre.record(arrest, responds=False, breathes_normally=False)
    await centre.qualify(arrest, "P0")
    said = await centre.qualify(await calm(centre), "P1")
    assert await queue(centre) == [
        (arrest.id, False, True),
        (said.id, False, False),
        (possible.id, True, False),
        (mild.id, False, False),
    ]


async def test_a_neighbour_sees_another_queue(centre: Centre) -> None:
    await centre.qualify(await centre.adult("DT"))
    assert await queue(centre, actor=centre.neighbour) == []


async def test_a_milder_priority_needs_a_reason_and_for_u0_to_u2_a_physician(
    centre: Centre,
) -> None:
    urgent = await centre.adult("respiratory distress")
    assert urgent.acuity_proposed == "U1"
    with pytest.raises(errors.Forbidden):
        await centre.qualify(urgent, "P3", reason="known_patient")
    with pytest.raises(errors.Invalid) as refused:
        await centre.qualify(urgent, "P3", actor=centre.physician)
    assert refused.value.code == "reason_missing"
    after = await centre.qualify(urgent, "P3", actor=centre.physician, reason="known_patient")
    assert after.priority == "P3"


async def test_only_listed_complaints_go_without_regulation(centre: Centre) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await centre.qualify(await centre.adult("DT"), "NR")
    assert refused.value.code == "unregulated_not_listed"
    paper = await centre.adult(complaint="administrative")
    after = await centre.qualify(paper, "NR", "SNP")
    assert (after.state, after.awaiting_since) == ("qualified", None)
    assert await queue(centre, "SNP") == []
    decided = await centre.decide(after, centre.operator, acuity="U4")
    assert decided.decided_role == "operator"


async def test_answers_end_what_goes_without_regulation(centre: Centre) -> None:
    paper = await centre.qualify(await centre.adult(complaint="administrative"), "NR", "SNP")
    await centre.record(paper, responds=True, breathes_normally=False)
    worse = await centre.case(paper)
    assert worse.acuity_assured == "U1"
    with pytest.raises(errors.Forbidden) as refused:
        await centre.decide(worse, centre.operator)
    assert refused.value.code == "physician_only"


async def test_a_decided_case_that_becomes_vital_is_owed_a_physician_again(centre: Centre) -> None:
    case = await centre.qualify(await calm(centre), "P2")
    await centre.decide(case, centre.physician, kind="CONSEIL", acuity="U4", reason="examined")
    assert await queue(centre) == []
    await centre.record(case, responds=True, breathes_normally=False)
    assert [one[0] for one in await queue(centre)] == [case.id]


async def test_a_human_who_raises_a_decided_case_brings_it_back(centre: Centre) -> None:
    case = await centre.qualify(await calm(centre), "P2")
    await centre.decide(case, centre.physician, kind="CONSEIL", acuity="U4", reason="examined")
    after = await centre.qualify(case, "P1", reason="called_again", actor=centre.physician)
    assert (after.state, after.decided_at) == ("awaiting_physician", None)
    assert [one[0] for one in await queue(centre)] == [case.id]


async def test_a_due_time_is_never_later_than_the_level_allows(centre: Centre) -> None:
    case = await centre.qualify(await calm(centre), "P2")
    late = datetime.now(UTC) + timedelta(days=30)
    decided = await centre.decide(case, acuity="U3", due_at=late)
    assert decided.due_at is not None
    assert decided.due_at - decided.decided_at <= timedelta(hours=12, seconds=1)


async def test_one_of_many_physicians_takes_a_case(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"))

    async def attempt(actor: Actor) -> str:
        try:
            await take(centre, case, actor)
        except errors.Conflict as refused:
            return refused.code
        return "taken"

    both = [centre.physician, centre.colleague] * 4
    outcomes = await asyncio.gather(*(attempt(actor) for actor in both))
    after = await centre.case(case)
    assert outcomes.count("taken") == 4
    assert outcomes.count("case_taken") == 4
    assert after.responsible_actor_id == after.taken_by


async def test_a_case_is_taken_over_only_from_who_has_it(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"))
    await take(centre, case, centre.physician)
    with pytest.raises(errors.Conflict):
        await take(centre, case, centre.colleague, from_actor_id=centre.operator.id)
    after = await take(centre, case, centre.colleague, from_actor_id=centre.physician.id)
    assert after.responsible_actor_id == centre.colleague.id


async def test_a_physician_decides_and_both_levels_are_kept(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("respiratory distress"))
    with pytest.raises(errors.Invalid) as refused:
        await centre.decide(case, acuity="U3")
    assert refused.value.code == "reason_missing"
    decided = await centre.decide(case, acuity="U3", reason="known_asthma", care_level="R4")
    assert (decided.acuity, decided.acuity_proposed) == ("U3", "U1")
    after = await centre.case(case)
    assert (after.state, after.care_level) == ("decided", "R4")
    assert after.responsible_actor_id == centre.physician.id
    assert await queue(centre) == []
    assert (await centre.kinds(case))[-1] == "disposition.decided"


async def test_upward_is_free(centre: Centre) -> None:
    decided = await centre.decide(await calm(centre), kind="INTER", acuity="U0", service="smur")
    assert decided.acuity == "U0"
    assert decided.reason is None


@pytest.mark.parametrize("kind", ["CONSEIL", "PMT", "ORIENT"])
async def test_advice_needs_what_was_said(centre: Centre, kind: str) -> None:
    case = await centre.adult("mal de dos")
    blank = SafetyNetSaid(worsening_signs="  ", call_back="Demain", read_back=True)
    for said in (None, blank):
        with pytest.raises(errors.Invalid) as refused:
            await centre.decide(case, kind=kind, service="general_practice", safety_net=said)
        assert refused.value.code == "safety_net_missing"
    decided = await centre.decide(case, kind=kind, service="general_practice")
    assert decided.read_back is True
    view = await centre.view(case)
    assert view.dispositions[0].worsening_signs == SAID.worsening_signs
    row = await centre.admin.fetchrow("select * from triage.disposition")
    assert "Douleur" not in repr(dict(row))


async def test_a_decision_to_send_names_a_service(centre: Centre) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await centre.decide(await centre.adult("mal de dos"), kind="INTER", safety_net=None)
    assert refused.value.code == "service_missing"


async def test_the_due_time_follows_from_the_level(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    decided = await centre.decide(case, kind="ORIENT", acuity="U2", service="general_practice")
    assert decided.due_at is not None
    assert (decided.due_at - decided.decided_at).total_seconds() == pytest.approx(7200, abs=1)
    assert (await centre.decide(case, acuity="U5", reason="mild")).due_at is None


async def test_an_osnp_decides_what_is_delegated_and_not_open(centre: Centre) -> None:
    still_open = await centre.adult("mal de dos")
    with pytest.raises(errors.Forbidden) as refused:
        await centre.decide(still_open, centre.osnp)
    assert refused.value.code == "physician_only"
    case = await calm(centre)
    with pytest.raises(errors.Forbidden) as other:
        await centre.decide(case, centre.osnp, kind="PMT")
    assert other.value.code == "not_delegated"
    decided = await centre.decide(case, centre.osnp, kind="ORIENT", service="general_practice")
    assert decided.decided_role == "osnp"
    with pytest.raises(errors.Forbidden):
        await centre.decide(case, centre.osnp, care_level="R4")


async def test_an_operator_does_not_decide(centre: Centre) -> None:
    with pytest.raises(errors.Forbidden):
        await centre.decide(await calm(centre), centre.operator)


async def test_a_dispatch_at_once_needs_an_assured_u0_or_p0(centre: Centre) -> None:
    case = await centre.adult("DT")
    with pytest.raises(errors.Conflict) as refused:
        await dispatch(centre, case)
    assert refused.value.code == "dispatch_not_assured"
    await centre.record(case, responds=False, breathes_normally=False)
    sent = await dispatch(centre, case)
    assert (sent.kind, sent.acuity, sent.reflex, sent.service) == ("INTER", "U0", True, "smur")


async def test_after_a_dispatch_at_once_the_physician_is_still_owed(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"), "P0")
    await dispatch(centre, case)
    after = await centre.case(case)
    assert after.decided_at is None
    assert after.responsible_actor_id == centre.operator.id
    assert [one[0] for one in await queue(centre)] == [case.id]
    await centre.decide(after, kind="INTER", acuity="U0", service="smur", safety_net=None)
    assert await queue(centre) == []


async def test_several_decisions_stand_in_one_case(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    first = await centre.decide(case, kind="PMT", service="pharmacy")
    second = await centre.decide(case, kind="ORIENT", service="general_practice")
    view = await centre.view(case)
    assert [one.id for one in view.dispositions] == [first.id, second.id]


async def test_the_database_itself_refuses_a_lower_level_without_a_reason(
    centre: Centre, admin: Any
) -> None:
    case = await centre.adult("respiratory distress")
    for role, reason, constraint in (
        ("physician", None, "disposition_lower_has_reason"),
        ("osnp", "x", "disposition_lower_by_physician"),
    ):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await admin.execute(
                "insert into triage.disposition (id, case_id, territory_id, kind, acuity,"
                " acuity_proposed, reason, decided_by, decided_role)"
                " values (gen_random_uuid(), $1, $2, 'PASPLUS', 'U4', 'U1', $3, $4, $5)",
                case.id,
                case.territory_id,
                reason,
                centre.physician.id,
                role,
            )
        assert refused.value.constraint_name == constraint


async def test_dispositions_and_assessments_are_never_changed(centre: Centre, admin: Any) -> None:
    await centre.decide(await centre.adult("mal de dos"))
    for forbidden in ("delete from triage.disposition", "delete from triage.assessment"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await admin.execute(forbidden)


async def test_a_case_open_again_is_carried_out_by_a_physician_or_on_ones_word(
    centre: Centre,
) -> None:
    case = await calm(centre)
    told = await centre.decide(case, centre.osnp, kind="ORIENT", service="general_practice")
    word = await centre.decide(case, kind="ORIENT", service="general_practice")

    async def carry_out(actor: Actor, decided: Disposition) -> None:
        now = await centre.case(case)
        await centre.database.run(
            actor, lambda tx: dispositions.carry_out(tx, actor, now, decided.id)
        )

    await carry_out(centre.operator, told)
    await centre.admin.execute(
        "update triage.case_file set interval_closed = false, acuity_worst = 'U1' where id = $1",
        case.id,
    )
    with pytest.raises(errors.Forbidden) as refused:
        await carry_out(centre.operator, told)
    assert refused.value.code == "physician_only"
    await carry_out(centre.physician, told)
    await carry_out(centre.operator, word)
