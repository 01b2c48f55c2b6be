"""What is typed is understood or refused beside its field; what the rooms say is shown whole."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import assessed, deciding, desk, forms, newcall, render, stream, views
from console.catalogue import Words
from console.forms import Form
from events.catalogue import AssessmentRecorded, AvailabilityPublished, Event
from events.model import StoredEvent
from kernel import errors
from triage import library
from triage.assessment import Observation
from triage.engine import assess
from triage.finding import Finding
from triage.findings import GivenFinding, RecordedFinding
from triage.plausibility import ToConfirm
from triage.protocol import Answer
from triage.standing import Standing

NOW = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)
PROTOCOLS = library.load()


def a_form(**values: str) -> views.CallForm:
    given: dict[str, str] = {"place": "Amiens", "phone": "0612345678", "complaint": "dt"}
    return newcall.typed(Form(values=given | values))


@pytest.mark.parametrize(
    ("text", "insee"),
    [
        ("Amiens", "80021"),
        ("amiens (80000)", "80021"),
        ("80000", "80021"),
        ("Abbeville", "80001"),
        ("Saint-Valery-sur-Somme", "80721"),
        ("saint valery sur somme", "80721"),
    ],
)
def test_a_commune_is_found_as_people_type_it(text: str, insee: str) -> None:
    found = newcall.find_commune(text)
    assert found is not None
    assert found.insee == insee


def test_an_unknown_commune_is_not_guessed() -> None:
    assert newcall.find_commune("Nullepart") is None
    assert newcall.find_commune("") is None


def test_suggestions_begin_as_typed_and_the_largest_comes_first() -> None:
    assert newcall.suggest("am")[0].label.startswith("Amiens")
    assert newcall.suggest("a") == ()


@pytest.mark.parametrize(
    ("text", "number"),
    [("06 12 34 56 78", "+33612345678"), ("+44 7911 123456", "+447911123456"), ("12", None)],
)
def test_a_phone_is_kept_in_one_form(text: str, number: str | None) -> None:
    assert newcall.read_phone(text) == number


@pytest.mark.parametrize(
    ("text", "years"),
    [("54", 54.0), ("54 ans", 54.0), ("8 m", 8 / 12), ("18 mois", 1.5), ("126", None), ("x", None)],
)
def test_an_age_is_read_in_years_or_months(text: str, years: float | None) -> None:
    assert newcall.read_age(text) == years


def test_a_case_needs_place_number_and_complaint() -> None:
    _, wrong = newcall.understand(newcall.typed(Form(values={})))
    assert wrong == {"place": "required", "phone": "required", "complaint": "required"}


def test_a_call_that_ends_without_a_case_needs_nothing() -> None:
    said, wrong = newcall.understand(newcall.typed(Form(values={"end_as": "error"})))
    assert (said.end_as, wrong) == ("error", {})


def test_a_chosen_complaint_is_its_code_and_typed_words_are_kept() -> None:
    label = desk.complaints(Words())[0]
    assert newcall.understand(a_form(complaint=label.label))[0].complaint == label.code
    said, _ = newcall.understand(a_form(complaint="dt serre fort"))
    assert (said.complaint, said.text) == (None, "dt serre fort")


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=6))
def test_any_form_is_understood_or_refused(values: dict[str, str]) -> None:
    said, wrong = newcall.understand(newcall.typed(Form(values=values)))
    assert isinstance(said, newcall.Understood)
    assert set(wrong) <= {"place", "phone", "complaint", "age"}


def test_answers_take_the_type_of_their_question() -> None:
    def read(**values: str) -> GivenFinding | None:
        return desk.understand(PROTOCOLS, Form(values=values))

    assert read(input="responds", value="true") == GivenFinding(input="responds", value=True)
    assert read(input="age_y", value="12,5") == GivenFinding(input="age_y", value=12.5)
    assert read(input="sex", value="F") == GivenFinding(input="sex", value="F")
    assert read(input="age_y", value="vieux") is None
    assert read(input="no-such-question", value="true") is None
    told = read(input="responds", unanswerable="caller_cannot_know")
    assert told == GivenFinding(input="responds", unanswerable="caller_cannot_know")


def recorded(key: str, value: Answer | None, *, expired: bool = False) -> RecordedFinding:
    return RecordedFinding(
        input=key,
        value=value,
        unanswerable=None,
        observer="caller",
        recorded_by=UUID(int=1),
        recorded_at=NOW,
        valid_until=NOW,
        expired=expired,
    )


@pytest.mark.parametrize("language", ["fr", "en"])
def test_old_answers_are_asked_again_odd_ones_shown_and_the_trace_is_whole(language: str) -> None:
    findings = (recorded("age_y", 67.0), recorded("responds", value=True, expired=True))
    fresh = tuple(one.finding() for one in findings if not one.expired)
    result = assess(PROTOCOLS.choose("chest-pain", allow_draft=True), fresh, Observation())
    seen = assessed.Seen(
        case_id=UUID(int=1),
        result=result,
        standing=Standing(assured=None, worst="U0", proposed="U1"),
        findings=findings,
        to_confirm=(ToConfirm(path="$", input="spo2", value=55.0, plausible=(60.0, 100.0)),),
    )
    shown = assessed.view(seen, PROTOCOLS, Words(language=language))
    assert [one.input for one in shown.expired] == ["responds"]
    assert {one.input: one.expired for one in shown.answers} == {"age_y": False, "responds": True}
    assert [(one.value, one.usual) for one in shown.odd] == [("55", "60\u2013100")]
    assert len(shown.trace.possible) == len(result.trace.possible)
    assert all(one.why and one.asks for one in shown.trace.possible)
    assert len(shown.trace.open_inputs) == len(result.trace.open_inputs)
    assert shown.trace.scores
    assert all(score.parts for score in shown.trace.scores)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_assessment_says_level_question_reasons_and_sources(language: str) -> None:
    findings = (Finding(input="age_y", value=67.0), Finding(input="responds", value=True))
    chosen = PROTOCOLS.choose("chest_pain", allow_draft=True)
    result = assess(chosen, findings, Observation(default_acuity="U1"))
    words = Words(language=language)
    seen = assessed.Seen(
        case_id=UUID(int=1),
        result=result,
        standing=Standing(assured="U0", worst="U0", proposed="U0"),
        findings=tuple(recorded(one.input, one.value) for one in findings),
    )
    shown = assessed.view(seen, PROTOCOLS, words)
    assert (shown.assured, shown.sure) == ("U0", ("U0",))
    assert shown.question is not None
    assert shown.question.input not in {one.input for one in shown.others}
    assert {one.input for one in shown.answers} == {"age_y", "responds"}
    assert all(one.sources for one in shown.reasons)
    assert shown.draft
    assert not {one.input for one in shown.others} & {"age_y", "responds"}


def test_what_is_said_before_leaving_is_the_complaint_s_own() -> None:
    findings = (Finding(input="age_y", value=44.0), Finding(input="sex", value="M"))
    result = assess(PROTOCOLS.choose("chest-pain", allow_draft=True), findings, Observation())
    nets = deciding.nets(result, PROTOCOLS)
    chest = PROTOCOLS.get("chest-pain-phone")
    assert chest is not None
    assert nets[0] == chest.file.safety_net
    assert set(nets) == set(result.safety_net)


def test_the_scale_shows_what_is_assured_and_what_is_still_possible() -> None:
    assert assessed.interval("U2", "U0") == (("U2",), ("U0", "U1"))
    assert assessed.interval("U2", "U2") == (("U2",), ())
    assert assessed.interval(None, "U4") == ((), ("U4", "U5"))
    assert assessed.interval("U5", None) == (("U5",), ())


def test_identifiers_that_our_pages_did_not_write_are_refused() -> None:
    with pytest.raises(errors.Malformed):
        Form(values={"slot_id": "1"}).id("slot_id")
    assert Form(values={}).id_or_none("offer_id") is None
    assert forms.unreadable().code == "form_unreadable"


@pytest.mark.parametrize("address", ["//evil.example/x", "https://evil.example", "\\\\evil", "x"])
def test_the_way_back_stays_on_our_origin(address: str) -> None:
    assert render.own_path(address) == "/"
    assert render.own_path("/poste/nouveau") == "/poste/nouveau"


def an_event(event: Event, aggregate: str, case_id: UUID | None, position: int) -> StoredEvent:
    return StoredEvent(
        position=position,
        epoch=1,
        event_id=UUID(int=position),
        kind="x",
        aggregate=aggregate,
        aggregate_id=UUID(int=9),
        version=1,
        territory_id=UUID(int=8),
        case_id=case_id,
        organisation_ids=(),
        actor_id=UUID(int=7),
        correlation_id="",
        occurred_at=NOW,
        event=event,
    )


def test_a_page_of_events_says_each_thing_once_with_the_last_position() -> None:
    case_id = UUID(int=5)
    urgent = AssessmentRecorded(
        assessment_id=UUID(int=6), protocol="p", digest="d", acuity_assured="U0"
    )
    published = AvailabilityPublished(
        care_service_id=UUID(int=4), sequence=1, starts_at=NOW, ends_at=NOW
    )
    page = [
        an_event(urgent, "case", case_id, 11),
        an_event(urgent, "case", case_id, 12),
        an_event(published, "schedule", None, 13),
    ]
    told = [(one.event, one.data) for one in stream.messages(page)]
    assert sorted(told) == [
        ("case-changed", str(case_id)),
        ("queue-changed", "1"),
        ("urgent", "1"),
        ("week-changed", "1"),
    ]
    assert {one.id for one in stream.messages(page)} == {13}
