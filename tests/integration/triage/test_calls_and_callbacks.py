from typing import Any
from uuid import UUID

import pytest

from kernel import errors
from kernel.actor import Actor
from tests.integration.triage.centre import Centre
from triage import callbacks, calls
from triage.callbacks import Attempt, ScheduleCallback
from triage.calls import EndCall, OpenIncident
from triage.model import Call, Callback
from triage.people import CallerGiven


async def end(centre: Centre, call: Call, actor: Actor | None = None, **fields: Any) -> Call:
    who = actor or centre.operator
    command = EndCall(**fields)
    return await centre.database.run(who, lambda tx: calls.end_call(tx, who, call.id, command))


async def schedule(centre: Centre, actor: Actor | None = None, **fields: Any) -> Callback:
    who = actor or centre.operator
    command = ScheduleCallback(**fields)
    return await centre.database.run(who, lambda tx: callbacks.schedule(tx, who, command))


async def attempt(centre: Centre, callback: Callback, outcome: Any) -> Callback:
    command = Attempt(outcome=outcome)
    return await centre.database.run(
        centre.operator,
        lambda tx: callbacks.attempt(tx, centre.operator, callback.id, command),
    )


async def owed(centre: Centre, after: UUID | None = None, limit: int = 200) -> list[UUID]:
    found = await centre.database.run(
        centre.operator, lambda tx: callbacks.owed(tx, centre.operator, after, limit)
    )
    return [one.id for one in found]


async def test_a_call_precedes_any_case_and_may_end_as_information(centre: Centre) -> None:
    call = await centre.call()
    assert call.case_id is None
    ended = await end(centre, call, outcome="information")
    assert ended.outcome == "information"
    assert ended.ended_at is not None


async def test_name_and_number_of_a_caller_are_stored_sealed_only(centre: Centre) -> None:
    call = await centre.call(caller=CallerGiven(name="Mireille Dupont", phone="06 12 34 56 78"))
    row = await centre.admin.fetchrow("select * from triage.caller where call_id = $1", call.id)
    stored = b"".join(value for value in row.values() if isinstance(value, bytes))
    assert b"Dupont" not in stored
    assert b"12345678" not in stored
    assert row["phone_token"] is not None


async def test_a_number_is_found_again_however_it_was_spelled(centre: Centre) -> None:
    for phone in ("+33 6 12 34 56 78", "0612345678"):
        await centre.call(caller=CallerGiven(phone=phone))
    tokens = await centre.admin.fetchval("select count(distinct phone_token) from triage.caller")
    assert tokens == 1


async def test_a_call_joined_to_a_case_shows_its_caller_there(centre: Centre) -> None:
    call = await centre.call(caller=CallerGiven(relation="spouse", name="Anne"))
    case = await centre.adult(call_id=call.id)
    ended = await end(centre, call, outcome="case", case_id=case.id)
    view = await centre.view(case)
    assert ended.case_id == case.id
    assert view.callers == (CallerGiven(relation="spouse", name="Anne"),)
    assert [one.id for one in view.calls] == [call.id]


async def test_a_call_can_not_end_as_a_case_without_naming_it(centre: Centre) -> None:
    call = await centre.call()
    with pytest.raises(errors.Invalid) as refused:
        await end(centre, call, outcome="existing_case")
    assert refused.value.code == "case_needed"


async def test_ending_a_call_twice_changes_nothing_and_otherwise_conflicts(centre: Centre) -> None:
    call = await centre.call()
    first = await end(centre, call, outcome="error")
    assert await end(centre, call, outcome="error") == first
    with pytest.raises(errors.Conflict) as refused:
        await end(centre, call, outcome="malicious")
    assert refused.value.code == "call_ended"


async def test_a_call_belongs_to_one_case_only(centre: Centre) -> None:
    call = await centre.call()
    await centre.adult(call_id=call.id)
    with pytest.raises(errors.Conflict) as refused:
        await centre.adult(call_id=call.id)
    assert refused.value.code == "call_of_another_case"


async def test_a_call_nobody_answered_leaves_a_callback_owed(centre: Centre) -> None:
    call = await centre.call()
    await end(centre, call, outcome="no_answer")
    row = await centre.admin.fetchrow("select reason, owner_id from triage.callback")
    assert (row["reason"], row["owner_id"]) == ("hang_up", centre.operator.id)


async def test_an_incident_joins_calls_without_merging_their_cases(centre: Centre) -> None:
    incident = await centre.database.run(
        centre.operator,
        lambda tx: calls.open_incident(tx, centre.operator, OpenIncident(kind="traffic")),
    )
    first = await centre.adult(incident_id=incident.id)
    second = await centre.adult(incident_id=incident.id)
    assert first.id != second.id
    assert first.incident_id == second.incident_id == incident.id
    with pytest.raises(errors.Missing):
        await centre.adult(incident_id=first.id)


async def test_a_callback_stays_owed_until_somebody_is_reached(centre: Centre) -> None:
    case = await centre.adult()
    callback = await schedule(centre, case_id=case.id, reason="follow_up")
    assert (await attempt(centre, callback, "no_answer")).state == "due"
    done = await attempt(centre, callback, "reached")
    assert (done.state, done.attempts) == ("done", 2)
    with pytest.raises(errors.Conflict) as refused:
        await attempt(centre, callback, "reached")
    assert refused.value.code == "callback_settled"
    assert await owed(centre) == []


async def test_owed_calls_come_earliest_first_and_page_by_cursor(centre: Centre) -> None:
    case = await centre.adult()
    late = await schedule(centre, case_id=case.id, reason="follow_up", due_in_s=3600)
    soon = await schedule(centre, case_id=case.id, reason="follow_up", due_in_s=60)
    assert await owed(centre) == [soon.id, late.id]
    assert await owed(centre, after=soon.id) == [late.id]
    assert await owed(centre, limit=1) == [soon.id]


async def test_a_callback_is_about_something_that_exists_here(centre: Centre) -> None:
    case = await centre.adult()
    with pytest.raises(errors.Invalid):
        await schedule(centre, reason="follow_up")
    with pytest.raises(errors.Missing):
        await schedule(centre, centre.neighbour, case_id=case.id, reason="follow_up")


async def test_a_call_the_system_owes_falls_to_who_is_responsible(centre: Centre) -> None:
    from kernel.actor import system

    case = await centre.adult()
    command = ScheduleCallback(case_id=case.id, reason="missed_appointment")
    callback = await centre.system.run(
        system(), lambda tx: callbacks.schedule(tx, system(), command)
    )
    assert callback.owner_id == centre.operator.id


async def test_calls_and_callbacks_of_a_neighbour_are_not_seen(centre: Centre) -> None:
    call = await centre.call()
    with pytest.raises(errors.Missing):
        await centre.database.run(centre.neighbour, lambda tx: calls.get(tx, call.id))


async def test_a_clinic_opens_no_call(centre: Centre) -> None:
    with pytest.raises(errors.Forbidden):
        await centre.call(actor=centre.clinic)
