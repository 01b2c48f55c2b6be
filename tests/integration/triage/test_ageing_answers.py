"""Answers age, waiting patients are called again, overdue calls told: by the database's clock."""

from typing import Any
from uuid import UUID

import pytest

from kernel import errors
from kernel.actor import system
from tests.integration.triage.centre import EVALUATOR, Centre
from triage import callbacks, qualification, recalls, recording
from triage.callbacks import Attempt
from triage.findings import GivenFinding
from triage.model import Callback, Case
from triage.recording import RecordFindings


async def owed(centre: Centre) -> list[Callback]:
    found = await centre.database.run(
        centre.operator, lambda tx: callbacks.owed(tx, centre.operator, None, 100)
    )
    return list(found)


async def attempt(centre: Centre, callback_id: UUID, outcome: Any) -> Callback:
    return await centre.database.run(
        centre.operator,
        lambda tx: callbacks.attempt(tx, centre.operator, callback_id, Attempt(outcome=outcome)),
    )


async def told(centre: Centre) -> int:
    return await centre.system.run(system(), lambda tx: recalls.tell_overdue(tx, system()))


async def due_in(centre: Centre, case: Case) -> float:
    """Give the minutes from when the patient was last heard of to the call that is owed."""
    after = await centre.case(case)
    assert after.recall_due_at is not None
    return (after.recall_due_at - after.heard_at).total_seconds() / 60


async def test_an_answer_too_old_is_open_again_and_lowers_nothing(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    before = await centre.record(case, spo2=91)
    assert before.result.assured == "U1"
    await centre.later(24 * 60)
    view = await centre.view(case)
    assert {one.input for one in view.findings if one.expired} == {"spo2"}
    after = await centre.record(case)
    assert after.expired == ("spo2",)
    assert "spo2" in after.result.trace.open_inputs
    stands = await centre.case(case)
    assert (stands.acuity_assured, stands.lower) == ("U1", None)
    again = await centre.record(case, spo2=98)
    assert again.expired == ()
    assert (await centre.case(case)).acuity_assured == "U1"
    assert again.standing.lower is not None


async def test_what_does_not_age_stays(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    await centre.later(24 * 60)
    after = await centre.record(case)
    assert {"age_y", "sex"} & set(after.expired) == set()


async def test_a_waiting_case_is_called_again_by_its_level(centre: Centre) -> None:
    table = recalls.recall_table()
    case = await centre.adult("mal de dos")
    assert await due_in(centre, case) == table.unknown.vital_possible
    await centre.record(case, spo2=91)
    assert await due_in(centre, case) == table.minutes["U1"]
    await centre.record(case, responds=False, breathes_normally=False)
    assert await due_in(centre, case) == table.minutes["U0"]
    count = await centre.admin.fetchval(
        "select count(*) from triage.callback where reason = 'recall' and state = 'due'"
    )
    assert count == 1


async def test_a_human_s_priority_counts_for_the_call_too(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("mal de dos"), "P0")
    assert await due_in(centre, case) == recalls.recall_table().minutes["U0"]


async def test_overdue_is_seen_by_a_read_before_any_worker_looked(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"))
    assert await owed(centre) == []
    assert not (await centre.case(case)).recall_overdue
    await centre.later(16)
    assert (await centre.case(case)).recall_overdue
    queue = await centre.database.run(
        centre.physician, lambda tx: qualification.queue(tx, centre.physician, "AMU")
    )
    assert [one.case.recall_overdue for one in queue.cases] == [True]
    listed = await owed(centre)
    assert [(one.case_id, one.reason, one.owner_id) for one in listed] == [
        (case.id, "recall", centre.operator.id)
    ]


async def test_an_overdue_call_is_told_once_per_deadline(centre: Centre) -> None:
    case = await centre.adult("DT")
    assert await told(centre) == 0
    await centre.later(16)
    assert [await told(centre), await told(centre)] == [1, 0]
    assert (await centre.kinds(case))[-1] == "callback.due"
    await centre.record(case, hr=80)
    assert await told(centre) == 0
    await centre.later(40)
    assert [await told(centre), await told(centre)] == [1, 0]


async def test_a_call_that_reached_somebody_is_owed_again_later(centre: Centre) -> None:
    case = await centre.adult("DT")
    await centre.later(16)
    (due,) = await owed(centre)
    assert (await attempt(centre, due.id, "no_answer")).state == "due"
    assert [one.id for one in await owed(centre)] == [due.id]
    assert (await attempt(centre, due.id, "reached")).state == "done"
    assert await owed(centre) == []
    assert await due_in(centre, case) == recalls.recall_table().minutes["U1"]
    await centre.later(32)
    (given_up,) = await owed(centre)
    assert given_up.id != due.id
    await attempt(centre, given_up.id, "abandoned")
    assert await owed(centre) == []
    await centre.later(48)
    assert len(await owed(centre)) == 1


async def test_a_worsening_told_at_the_call_ranks_at_once(centre: Centre) -> None:
    first = await centre.qualify(await centre.adult("DT"))
    second = await centre.qualify(await centre.adult("mal de dos"))
    await centre.record(second, responds=False, breathes_normally=False)
    queue = await centre.database.run(
        centre.physician, lambda tx: qualification.queue(tx, centre.physician, "AMU")
    )
    assert [(one.case.id, one.sounds) for one in queue.cases] == [
        (second.id, True),
        (first.id, False),
    ]


async def test_no_call_is_owed_to_who_was_decided_or_needs_no_regulation(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"))
    await centre.decide(case)
    paper = await centre.qualify(await centre.adult(complaint="administrative"), "NR", "SNP")
    for one in (case, paper):
        assert (await centre.case(one)).recall_due_at is None
    states = await centre.admin.fetch("select state from triage.callback where reason = 'recall'")
    assert {row["state"] for row in states} == {"withdrawn"}


async def test_the_owner_of_the_call_is_who_answers_for_the_patient(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("DT"))
    command = qualification.Take()
    await centre.database.run(
        centre.physician, lambda tx: qualification.take(tx, centre.physician, case.id, command)
    )
    await centre.later(16)
    (due,) = await owed(centre)
    assert due.owner_id == centre.physician.id


async def test_an_odd_value_is_set_aside_and_the_others_are_recorded(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    odd = await centre.record(case, spo2=55, hr=80)
    assert [(one.path, one.input, one.value) for one in odd.to_confirm] == [
        ("$.findings[0]", "spo2", 55)
    ]
    assert odd.result.assured not in {"U0", "U1"}
    names = {one.input for one in (await centre.view(case)).findings}
    assert "hr" in names
    assert "spo2" not in names
    still = await centre.record(case, rr=16)
    assert [one.input for one in still.to_confirm] == ["spo2"]
    command = RecordFindings(findings=(GivenFinding(input="spo2", value=55, confirmed=True),))
    sure = await centre.database.run(
        centre.operator,
        lambda tx: recording.record(tx, centre.operator, EVALUATOR, case.id, command),
    )
    assert sure.to_confirm == ()
    assert sure.result.assured in {"U0", "U1"}
    stored = await centre.database.run(centre.operator, lambda tx: recording.stored(tx, still.id))
    assert stored == still


async def test_an_impossible_pair_is_refused_beside_what_stands(centre: Centre) -> None:
    case = await centre.adult("mal de dos")
    await centre.record(case, sbp=120)
    with pytest.raises(errors.Invalid) as refused:
        await centre.record(case, dbp=130)
    assert refused.value.fields["reason"] == "impossible_pair"
    assert refused.value.fields["value"] == 130
