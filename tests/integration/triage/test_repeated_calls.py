"""A repeated call never gets a lower level unseen; the third in 96 hours goes to a physician."""

from typing import Any

import pytest

from kernel import errors
from tests.integration.triage.centre import Centre
from triage import calls, confirmations
from triage.calls import EndCall
from triage.confirmations import ConfirmAcuity
from triage.model import Call, CallOutcome, Case
from triage.people import CallerGiven, Identity

PHONE = "06 39 98 00 01"
JEANNE = Identity(family_name="Exemple", birth_date="1980-02-29")


async def calling(
    centre: Centre, text: str, phone: str = PHONE, patient: Identity | None = None, **fields: Any
) -> Case:
    call = await centre.call(caller=CallerGiven(phone=phone))
    return await centre.adult(text, call_id=call.id, patient=patient, **fields)


async def end(centre: Centre, call: Call, outcome: CallOutcome, case: Case | None = None) -> None:
    command = EndCall(outcome=outcome, case_id=None if case is None else case.id)
    who = centre.operator
    await centre.database.run(who, lambda tx: calls.end_call(tx, who, call.id, command))


async def test_a_second_call_begins_at_the_level_of_the_first(centre: Centre) -> None:
    first = await calling(centre, "DT")
    await centre.record(first, spo2=90)
    second = await calling(centre, "mal de gorge", "+33 6 39 98 00 01")
    assert second.acuity_proposed == "U1"
    assert second.previous_case_id == first.id
    assert second.calls_96h == 2
    assert second.lower is not None
    assert (second.lower.proposed or "U9") > "U1"
    with pytest.raises(errors.Forbidden):
        await centre.qualify(second, "P3", reason="other_patient")


async def test_what_is_carried_assures_nothing_and_does_not_sound(centre: Centre) -> None:
    first = await calling(centre, "mal de dos")
    await centre.record(first, responds=False, breathes_normally=False)
    second = await calling(centre, "mal de gorge")
    assert second.acuity_proposed == "U0"
    assert second.acuity_assured not in {"U0", "U1"}


async def test_a_physician_confirms_that_it_is_milder_and_it_does_not_come_back(
    centre: Centre,
) -> None:
    await centre.record(await calling(centre, "DT"), spo2=90)
    second = await calling(centre, "mal de gorge")
    assert second.assessment_id is not None
    command = ConfirmAcuity(assessment_id=second.assessment_id, reason="other_patient")
    with pytest.raises(errors.Forbidden):
        await centre.database.run(
            centre.operator,
            lambda tx: confirmations.confirm(tx, centre.operator, second.id, command),
        )
    await centre.database.run(
        centre.physician,
        lambda tx: confirmations.confirm(tx, centre.physician, second.id, command),
    )
    await centre.record(second, hr=80)
    after = await centre.case(second)
    assert after.lower is None
    assert (after.acuity_proposed or "U9") > "U1"


async def test_two_traits_find_the_patient_again_from_another_number(centre: Centre) -> None:
    first = await calling(centre, "DT", patient=JEANNE)
    second = await calling(centre, "mal de gorge", "0639980002", JEANNE)
    assert second.previous_case_id == first.id
    one_trait = Identity(family_name="Exemple")
    stranger = await calling(centre, "mal de gorge", "0639980003", one_trait)
    assert (stranger.previous_case_id, stranger.calls_96h) == (None, 1)


async def test_another_patient_of_one_number_is_not_the_same(centre: Centre) -> None:
    await calling(centre, "DT", patient=JEANNE)
    other = Identity(family_name="Autre", birth_date="1950-01-01")
    second = await calling(centre, "mal de gorge", patient=other)
    assert (second.previous_case_id, second.calls_96h) == (None, 1)
    unsure = await calling(centre, "mal de gorge", patient=Identity(family_name="Autre"))
    assert unsure.previous_case_id is not None


async def test_the_third_call_goes_to_a_physician_and_says_why(centre: Centre) -> None:
    first = await calling(centre, "mal de dos")
    second = await calling(centre, "mal de dos")
    assert "third_call" not in (*first.physician_reasons, *second.physician_reasons)
    third = await calling(centre, "mal de dos")
    assert third.calls_96h == 3
    assert third.physician_required
    assert "third_call" in third.physician_reasons
    assert (await centre.view(third)).proposed_priority != "P3"
    await centre.record(third, hr=80)
    assert "third_call" in (await centre.case(third)).physician_reasons
    with pytest.raises(errors.Forbidden):
        await centre.decide(third, centre.osnp)


async def test_calls_joined_to_one_case_count_too(centre: Centre) -> None:
    case = await calling(centre, "mal de dos")
    for number in (2, 3):
        call = await centre.call(caller=CallerGiven(phone="0639980009"))
        await end(centre, call, "existing_case", case)
        assert (await centre.case(case)).calls_96h == number
    assert "third_call" in (await centre.case(case)).physician_reasons


async def test_errors_and_old_calls_do_not_count(centre: Centre) -> None:
    outcomes: tuple[CallOutcome, ...] = ("error", "malicious", "information")
    for outcome in outcomes:
        await end(centre, await centre.call(caller=CallerGiven(phone=PHONE)), outcome)
    second = await calling(centre, "mal de dos")
    assert second.calls_96h == 2
    await centre.later(97 * 60)
    late = await calling(centre, "mal de gorge")
    assert (late.calls_96h, late.previous_case_id) == (1, None)


async def test_neighbours_do_not_hear_of_it_and_nothing_readable_is_stored(
    centre: Centre,
) -> None:
    await calling(centre, "DT", patient=JEANNE)
    key = CallerGiven(phone=PHONE)
    call = await centre.call(centre.neighbour, caller=key)
    case = await centre.open("mal de gorge", centre.neighbour, call_id=call.id, patient=JEANNE)
    assert (case.calls_96h, case.previous_case_id) == (1, None)
    rows = await centre.admin.fetch("select * from triage.case_file")
    assert "39980001" not in repr([dict(row) for row in rows])


async def test_a_repeated_opening_counts_one_call(centre: Centre) -> None:
    case = await centre.adult("mal de dos", patient=JEANNE)
    assert case.calls_96h == 1
    again = await centre.adult("mal de dos", patient=JEANNE)
    assert (again.calls_96h, again.previous_case_id) == (2, case.id)
