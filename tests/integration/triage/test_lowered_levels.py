"""A milder level waits for a human; the level in force stays until somebody entitled confirms."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from kernel import errors, ids
from kernel.actor import Actor
from tests.integration.triage.centre import EVALUATOR, Centre
from triage import confirmations, qualification
from triage.assessment import Observation
from triage.confirmations import AcuityConfirmation, ConfirmAcuity
from triage.engine import assess
from triage.finding import Finding
from triage.model import Case
from triage.standing import Levels, Standing, stand


async def confirm(
    centre: Centre,
    case: Case,
    actor: Actor | None = None,
    *,
    assessment_id: UUID | None = None,
    reason: str | None = "misheard",
) -> AcuityConfirmation:
    who = actor or centre.physician
    named = assessment_id or case.assessment_id or ids.uuid7()
    command = ConfirmAcuity(assessment_id=named, reason=reason)
    return await centre.database.run(
        who, lambda tx: confirmations.confirm(tx, who, case.id, command)
    )


async def corrected(centre: Centre) -> Case:
    """A patient said not to breathe, who breathes."""
    case = await centre.adult("mal de dos")
    await centre.record(case, responds=False, breathes_normally=False)
    await centre.record(case, responds=True, breathes_normally=True)
    return await centre.case(case)


async def test_a_corrected_answer_lowers_nothing_before_it_is_confirmed(centre: Centre) -> None:
    case = await corrected(centre)
    assert case.acuity_assured == case.acuity_worst == case.acuity_proposed == "U0"
    assert case.lower is not None
    assert case.lower.assessment_id == case.assessment_id
    assert (case.lower.assured or "U9") > "U0"
    view = await centre.view(case)
    assert view.assessment is not None
    assert view.assessment.result.assured == case.lower.assured
    assert view.assessment.standing.assured == "U0"
    assert view.assessment.standing.lower == Levels(
        assured=case.lower.assured, proposed=case.lower.proposed
    )


async def test_queue_decision_and_event_go_by_the_level_in_force(centre: Centre) -> None:
    case = await centre.qualify(await corrected(centre), "P0")
    queue = await centre.database.run(
        centre.physician, lambda tx: qualification.queue(tx, centre.physician, "AMU")
    )
    assert [one.sounds for one in queue.cases] == [True]
    with pytest.raises(errors.Forbidden):
        await centre.decide(case, centre.osnp, acuity="U4", reason="calm")
    with pytest.raises(errors.Invalid) as refused:
        await centre.decide(case, acuity="U4")
    assert refused.value.code == "reason_missing"
    decided = await centre.decide(case, acuity="U4", reason="examined")
    assert (decided.acuity, decided.acuity_proposed) == ("U4", "U0")
    payload = await centre.admin.fetchval(
        "select payload from events.outbox where case_id = $1 and kind = 'assessment.recorded'"
        " order by id desc limit 1",
        case.id,
    )
    told = msgspec.json.decode(payload)
    assert (told["acuity_assured"], told["lower_waits"]) == ("U0", True)


async def test_a_physician_confirms_and_both_levels_are_kept(centre: Centre) -> None:
    case = await corrected(centre)
    assert case.lower is not None
    confirmed = await confirm(centre, case)
    assert (confirmed.from_assured, confirmed.from_proposed) == ("U0", "U0")
    assert (confirmed.to_assured, confirmed.to_proposed) == (
        case.lower.assured,
        case.lower.proposed,
    )
    after = await centre.case(case)
    assert after.lower is None
    assert (after.acuity_assured, after.acuity_proposed) == (
        case.lower.assured,
        case.lower.proposed,
    )
    view = await centre.view(case)
    assert view.confirmations == (confirmed,)
    assert view.assessment is not None
    assert after.acuity_worst == view.assessment.result.worst
    assert (await centre.kinds(case))[-1] == "acuity.lowered"
    assert "acuity.confirm" in await centre.audited(case)


async def test_u0_to_u2_is_confirmed_by_a_physician_only_with_a_reason_always(
    centre: Centre,
) -> None:
    case = await corrected(centre)
    for actor in (centre.operator, centre.osnp):
        with pytest.raises(errors.Forbidden) as refused:
            await confirm(centre, case, actor)
        assert refused.value.code == "physician_only"
    with pytest.raises(errors.Invalid) as unexplained:
        await confirm(centre, case, reason=None)
    assert unexplained.value.code == "reason_missing"
    with pytest.raises(errors.Forbidden):
        await confirm(centre, case, centre.clinic)
    with pytest.raises(errors.Missing):
        await confirm(centre, case, centre.neighbour)


async def test_below_u2_the_operator_confirms(centre: Centre) -> None:
    case = await corrected(centre)
    await confirm(centre, case)
    await centre.admin.execute(
        "update triage.case_file set acuity_assured = 'U3', acuity_proposed = 'U3' where id = $1",
        case.id,
    )
    await centre.record(case)
    case = await centre.case(case)
    assert case.lower is not None
    await confirm(centre, case, centre.operator)
    assert (await centre.case(case)).lower is None


async def test_nothing_is_confirmed_twice_and_nothing_that_does_not_wait(centre: Centre) -> None:
    calm = await centre.adult("mal de dos")
    with pytest.raises(errors.Conflict) as nothing:
        await confirm(centre, calm)
    assert nothing.value.code == "nothing_to_confirm"
    case = await corrected(centre)
    await confirm(centre, case)
    with pytest.raises(errors.Conflict) as again:
        await confirm(centre, case)
    assert again.value.code == "nothing_to_confirm"


async def test_one_of_two_who_confirm_at_once_does(centre: Centre) -> None:
    case = await corrected(centre)

    async def attempt(actor: Actor) -> str:
        try:
            await confirm(centre, case, actor)
        except errors.Conflict as refused:
            return refused.code
        return "confirmed"

    both = [centre.physician, centre.colleague] * 3
    outcomes = sorted(await asyncio.gather(*(attempt(actor) for actor in both)))
    assert outcomes == ["confirmed", *["nothing_to_confirm"] * 5]
    assert await centre.admin.fetchval("select count(*) from triage.acuity_confirmation") == 1


async def test_who_confirms_has_seen_the_last_answers(centre: Centre) -> None:
    case = await corrected(centre)
    await centre.record(case, hr=80)
    with pytest.raises(errors.Conflict) as outdated:
        await confirm(centre, case)
    assert outdated.value.code == "assessment_outdated"
    last = (await centre.case(case)).assessment_id
    assert outdated.value.fields["assessment_id"] == str(last)
    await confirm(centre, case, assessment_id=last)


async def test_what_rests_on_answers_too_old_by_now_is_not_confirmed(centre: Centre) -> None:
    case = await corrected(centre)
    await centre.later(24 * 60)
    with pytest.raises(errors.Conflict) as aged:
        await confirm(centre, case)
    assert aged.value.code == "answers_too_old"
    again = await centre.record(case)
    assert again.expired
    await confirm(centre, case, assessment_id=again.id)


async def test_a_correction_while_somebody_confirms_is_never_lost(centre: Centre) -> None:
    for _ in range(6):
        case = await corrected(centre)

        async def confirming(case: Case = case) -> str:
            try:
                await confirm(centre, case)
            except errors.Conflict as refused:
                return refused.code
            return "confirmed"

        outcome, _ = await asyncio.gather(
            confirming(), centre.record(case, responds=False, breathes_normally=False)
        )
        after = await centre.case(case)
        assert outcome in {"confirmed", "assessment_outdated"}
        assert after.acuity_assured == "U0"
        assert after.lower is None


async def test_what_waits_ends_when_the_answers_are_as_grave_again(centre: Centre) -> None:
    case = await corrected(centre)
    await centre.record(case, responds=False, breathes_normally=False)
    after = await centre.case(case)
    assert (after.acuity_assured, after.lower) == ("U0", None)


async def test_the_levels_in_force_are_reproduced_from_what_is_stored(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    before = Levels()
    for answers in (
        {"spo2": 91.0}, {"responds": False, "breathes_normally": False},
        {"responds": True, "breathes_normally": True}, {"spo2": 98.0},
    ):  # fmt: skip
        recorded = await centre.record(case, **answers)
        row = await centre.admin.fetchrow(
            "select * from triage.assessment where id = $1", recorded.id
        )
        decode: Any = msgspec.json.decode
        fresh = decode(row["findings"], type=tuple[Finding, ...])
        aged = decode(row["expired"], type=tuple[Finding, ...])
        observation = decode(row["observation"], type=Observation)
        found = [EVALUATOR.library.by_digest(one) for one in row["digests"]]
        protocols = [one for one in found if one is not None]
        said = [assess(protocols, given, observation) for given in (fresh, (*fresh, *aged))]
        levels = [Levels(assured=one.assured, proposed=one.proposed) for one in said]
        if before == Levels():
            before = Levels(assured=case.acuity_assured, proposed=case.acuity_proposed)
        again = stand(before, levels[0], levels[1], said[0].worst)
        assert again == decode(row["standing"], type=Standing)
        before = Levels(assured=again.assured, proposed=again.proposed)


async def test_the_database_itself_refuses_what_no_one_may_confirm(centre: Centre) -> None:
    case = await corrected(centre)
    for role, reason, milder, constraint in (
        ("operator", "x", "U4", "acuity_confirmation_by_physician"),
        ("physician", "", "U4", "acuity_confirmation_has_reason"),
        ("physician", "x", "U0", "acuity_confirmation_is_milder"),
    ):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await centre.admin.execute(
                "insert into triage.acuity_confirmation (id, case_id, territory_id, assessment_id,"
                " from_assured, from_proposed, to_assured, to_proposed, reason, confirmed_by,"
                " confirmed_role) values (gen_random_uuid(), $1, $2, $3, 'U0', 'U0', $4, $4, $5,"
                " $6, $7)",
                case.id,
                case.territory_id,
                case.assessment_id,
                milder,
                reason,
                centre.physician.id,
                role,
            )
        assert refused.value.constraint_name == constraint
    await confirm(centre, case)
    with pytest.raises(asyncpg.RestrictViolationError):
        await centre.admin.execute("delete from triage.acuity_confirmation")
