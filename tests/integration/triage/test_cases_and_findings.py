from typing import Any

import asyncpg
import msgspec
import pytest

from kernel import errors, ids
from kernel.actor import Role, system
from tests.integration.triage.centre import CLINIC, EVALUATOR, TERRITORY, Centre
from triage import cases, participants, recording
from triage.assessment import Observation
from triage.cases import CloseCase, PlaceGiven
from triage.engine import assess
from triage.finding import Finding
from triage.findings import GivenFinding
from triage.people import Identity
from triage.recording import RecordFindings

IDENTITY = Identity(
    family_name="Lefèvre", given_name="Jeanne", birth_date="1980-02-29", ins="1" * 15
)


async def test_opening_recognises_the_words_and_evaluates_at_once(centre: Centre) -> None:
    case = await centre.open("mal poitrine bras gauche", age_years=61.0, sex="M")
    assert case.complaint == "chest-pain"
    assert case.state == "taken"
    assert case.acuity_proposed == "U1"
    assert case.acuity_worst == "U0"
    assert case.responsible_actor_id == centre.operator.id
    assert await centre.kinds(case) == ["case.opened", "assessment.recorded"]


async def test_signs_in_the_words_are_recorded_as_read_by_software(centre: Centre) -> None:
    case = await centre.adult("vomit du sang, SpO2 97, pas de fièvre, ne répond plus")
    found = {one.input: one for one in (await centre.view(case)).findings}
    assert found["vomits_or_coughs_blood"].value is True
    assert found["vomits_or_coughs_blood"].observer == "recogniser"
    for waits_for_a_human in ("spo2", "fever", "responds"):
        assert waits_for_a_human not in found


async def test_a_complaint_without_protocol_is_taken_by_a_physician(centre: Centre) -> None:
    assert not (await centre.adult("mal de dos")).physician_required
    assert (await centre.adult("transfert")).physician_required


async def test_nothing_known_gives_no_level_and_a_physician(centre: Centre) -> None:
    case = await centre.open()
    assert case.acuity_assured is None
    assert case.acuity_proposed is None
    assert case.physician_required


async def test_identity_and_words_are_stored_sealed_only_and_read_back(centre: Centre) -> None:
    place = PlaceGiven(lon=2.3, lat=49.9, insee="80021", address="12 rue des Lilas")
    case = await centre.adult("mal au ventre chez Lefevre", patient=IDENTITY, place=place)
    for everything in ("select * from triage.case_file", "select * from triage.patient"):
        for row in await centre.admin.fetch(everything):
            text = repr(dict(row))
            for secret in ("Lef", "Jeanne", "1980-02-29", "Lilas", "ventre chez"):
                assert secret not in text
    view = await centre.view(case)
    assert view.patient == IDENTITY
    assert view.address == "12 rue des Lilas"
    assert view.complaint_text == "mal au ventre chez Lefevre"
    assert view.case.place is not None
    assert view.case.place.insee == "80021"


async def test_no_event_carries_identity_or_words(centre: Centre) -> None:
    case = await centre.adult("douleur thoracique", patient=IDENTITY)
    rows = await centre.admin.fetch("select * from events.outbox where case_id = $1", case.id)
    told = repr([dict(row) for row in rows])
    assert "Lef" not in told
    assert "douleur" not in told


async def test_reading_a_case_is_audited(centre: Centre) -> None:
    case = await centre.adult()
    await centre.view(case)
    assert await centre.audited(case) == ["case.open", "case.read"]


async def test_answers_raise_the_level_and_are_kept_with_the_digest(centre: Centre) -> None:
    case = await centre.adult("mal au ventre")
    recorded = await centre.record(case, spo2=91, hr=88)
    assert recorded.result.assured == "U1"
    after = await centre.case(case)
    assert (after.acuity_assured, after.assessment_id) == ("U1", recorded.id)
    row = await centre.admin.fetchrow("select * from triage.assessment where id = $1", recorded.id)
    assert set(row["digests"]) == {one.digest for one in recorded.result.protocols}


async def test_a_stored_assessment_is_reproduced_from_what_is_stored(centre: Centre) -> None:
    case = await centre.open("DT", age_years=55.5, sex="F")
    recorded = await centre.record(case, pain_now=True, minutes_lasting=20, quality="pressure")
    row = await centre.admin.fetchrow("select * from triage.assessment where id = $1", recorded.id)
    findings = msgspec.json.decode(row["findings"], type=tuple[Finding, ...])
    observation = msgspec.json.decode(row["observation"], type=Observation)
    protocols = [EVALUATOR.library.by_digest(digest) for digest in row["digests"]]
    again = assess([one for one in protocols if one is not None], findings, observation)
    stored = await centre.database.run(
        centre.physician, lambda tx: recording.stored(tx, recorded.id)
    )
    assert again == recorded.result == stored.result


async def test_a_correction_stands_beside_what_it_corrects(centre: Centre) -> None:
    case = await centre.adult()
    await centre.record(case, temp_c=41)
    await centre.record(case, temp_c=37)
    rows = await centre.admin.fetch(
        "select value, superseded_at from triage.finding where input = 'temp_c' order by id"
    )
    assert [(row["value"], row["superseded_at"] is None) for row in rows] == [
        ("41", False), ("37", True),
    ]  # fmt: skip


async def test_age_and_sex_of_the_case_follow_the_findings(centre: Centre) -> None:
    case = await centre.open()
    await centre.record(case, age_y=33.5, sex="F")
    after = await centre.case(case)
    assert (after.age_years, after.sex) == (33.5, "F")


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (GivenFinding(input="temp_c", value=98.6), "out_of_range"),
        (GivenFinding(input="pregnant", value="yes"), "wrong_type"),
        (GivenFinding(input="mood", value=True), "unknown_input"),
    ],
)
async def test_an_impossible_answer_is_refused_and_nothing_is_written(
    centre: Centre, finding: GivenFinding, reason: str
) -> None:
    case = await centre.adult()
    command = RecordFindings(findings=(GivenFinding(input="hr", value=60.0), finding))
    with pytest.raises(errors.Invalid) as refused:
        await centre.database.run(
            centre.operator,
            lambda tx: recording.record(tx, centre.operator, EVALUATOR, case.id, command),
        )
    assert refused.value.code == "finding_refused"
    assert refused.value.fields["reason"] == reason
    assert refused.value.fields["path"] == "$.findings[1]"
    assert (
        await centre.admin.fetchval("select count(*) from triage.finding where input = 'hr'") == 0
    )


async def test_an_input_answered_twice_in_one_request_is_refused(centre: Centre) -> None:
    case = await centre.adult()
    twice = RecordFindings(findings=(GivenFinding(input="hr", value=60.0),) * 2)
    with pytest.raises(errors.Invalid) as refused:
        await centre.database.run(
            centre.operator,
            lambda tx: recording.record(tx, centre.operator, EVALUATOR, case.id, twice),
        )
    assert refused.value.code == "finding_twice"


async def test_a_corrected_complaint_never_lowers_the_default(centre: Centre) -> None:
    case = await centre.adult("respiratory distress")
    assert case.default_acuity == "U1"
    command = RecordFindings(complaint="skin")
    await centre.database.run(
        centre.operator,
        lambda tx: recording.record(tx, centre.operator, EVALUATOR, case.id, command),
    )
    after = await centre.case(case)
    assert (after.complaint, after.default_acuity) == ("skin", "U1")
    with pytest.raises(errors.Invalid):
        await centre.adult(complaint="no-such-complaint")


async def test_no_draft_runs_where_the_setting_forbids_it(centre: Centre) -> None:
    strict = msgspec.structs.replace(EVALUATOR, allow_draft=False)
    case = await centre.adult("DT")
    recorded = await centre.database.run(
        centre.operator,
        lambda tx: recording.record(tx, centre.operator, strict, case.id, RecordFindings()),
    )
    assert recorded.result.protocols == ()
    assert recorded.result.assured is None
    assert recorded.result.physician_required


async def test_a_neighbour_sees_nothing_and_a_clinic_only_where_it_takes_part(
    centre: Centre,
) -> None:
    case = await centre.adult("DT", patient=IDENTITY)
    for stranger in (centre.neighbour, centre.clinic):
        with pytest.raises(errors.Missing):
            await centre.view(case, stranger)
    for _ in range(2):
        await centre.database.run(
            centre.physician, lambda tx: participants.add(tx, case.id, CLINIC, TERRITORY)
        )
    view = await centre.view(case, centre.clinic)
    assert view.patient == IDENTITY
    assert view.findings
    with pytest.raises(errors.Missing):
        await centre.view(case, centre.neighbour)


async def test_a_case_has_exactly_one_responsible_in_the_database(
    centre: Centre, admin: Any
) -> None:
    case = await centre.adult()
    for actor_id, organisation_id in ((None, None), (centre.operator.id, CLINIC)):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await admin.execute(
                "update triage.case_file set responsible_actor_id = $2,"
                " responsible_organisation_id = $3 where id = $1",
                case.id,
                actor_id,
                organisation_id,
            )
        assert refused.value.constraint_name == "case_file_one_responsible"


async def test_responsibility_passes_to_an_organisation_and_back(centre: Centre) -> None:
    case = await centre.adult()
    robot = system()
    await centre.system.run(
        robot, lambda tx: cases.hand_to(tx, robot, case.id, organisation_id=CLINIC)
    )
    assert (await centre.case(case)).responsible_organisation_id == CLINIC
    await centre.database.run(
        centre.physician,
        lambda tx: cases.hand_to(tx, centre.physician, case.id, actor_id=centre.physician.id),
    )
    after = await centre.case(case)
    assert after.responsible_actor_id == centre.physician.id
    assert after.responsible_organisation_id is None


async def test_a_case_moves_along_its_table_only(centre: Centre) -> None:
    case = await centre.adult()
    who = centre.physician
    with pytest.raises(errors.Conflict) as refused:
        await centre.database.run(who, lambda tx: cases.move(tx, who, case.id, "arrived"))
    assert refused.value.fields["state"] == "taken"
    await centre.decide(case, kind="ORIENT", service="general_practice")
    for _ in range(2):
        moved = await centre.database.run(who, lambda tx: cases.move(tx, who, case.id, "oriented"))
        assert moved.state == "oriented"


async def test_a_participating_clinic_says_that_the_patient_arrived(centre: Centre) -> None:
    case = await centre.adult()
    await centre.decide(case, kind="ORIENT", service="general_practice")
    who = centre.clinic
    with pytest.raises(errors.Missing):
        await centre.database.run(who, lambda tx: cases.move(tx, who, case.id, "arrived"))
    await centre.database.run(
        centre.physician, lambda tx: participants.add(tx, case.id, CLINIC, TERRITORY)
    )
    moved = await centre.database.run(who, lambda tx: cases.move(tx, who, case.id, "arrived"))
    assert moved.state == "arrived"


async def test_every_case_ends_with_a_disposition(centre: Centre) -> None:
    case = await centre.adult()
    who, command = centre.physician, CloseCase(outcome="advice_given")
    with pytest.raises(errors.Conflict) as refused:
        await centre.database.run(who, lambda tx: cases.close(tx, who, case.id, command))
    assert refused.value.code == "case_without_disposition"
    await centre.decide(case)
    closed = await centre.database.run(who, lambda tx: cases.close(tx, who, case.id, command))
    assert (closed.state, closed.close_outcome) == ("closed", "advice_given")
    assert (await centre.kinds(case))[-1] == "case.closed"
    for act in (centre.record(case, hr=60), centre.decide(case), centre.qualify(case)):
        with pytest.raises(errors.Conflict) as again:
            await act
        assert again.value.code == "case_closed"


async def test_an_operator_does_not_close_what_no_one_decided(centre: Centre) -> None:
    case = await centre.adult()
    who = centre.operator
    with pytest.raises(errors.Forbidden) as refused:
        await centre.database.run(
            who, lambda tx: cases.close(tx, who, case.id, CloseCase(outcome="error"))
        )
    assert refused.value.code == "physician_only"


async def test_what_does_not_exist_is_missing(centre: Centre) -> None:
    nothing = msgspec.structs.replace(await centre.adult(), id=ids.uuid7())
    for act in (centre.view(nothing), centre.record(nothing, hr=60), centre.qualify(nothing)):
        with pytest.raises(errors.Missing):
            await act


async def test_an_actor_without_a_centre_opens_no_case(centre: Centre) -> None:
    robot = msgspec.structs.replace(centre.operator, territory_id=None, role=Role.SYSTEM)
    with pytest.raises(errors.Forbidden) as refused:
        await centre.open(actor=robot)
    assert refused.value.code == "territory_needed"
