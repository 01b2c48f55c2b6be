"""Labelled cases: what is entered, and that labels never are."""

import json

import msgspec
import pytest

from triage import baselines, library, reader
from triage.labelled import VITALS, Facts, UnreadableCase, read, recorded
from triage.proposing import propose

LIBRARY = library.load()
CASE = {
    "id": "a",
    "site": 1,
    "age_y": 58,
    "sex": "M",
    "injury": False,
    "complaint_text": "chest pain",
    "avpu": "A",
    "pain_present": True,
    "pain_nrs": 4,
    "sbp": 85,
    "dbp": 50,
    "hr": 120,
    "rr": 26,
    "temp_c": 36.5,
    "spo2": None,
    "gold": {"ktas": 2},
    "reference": {"nurse_ktas": 3},
}


def facts(**changes: object) -> Facts:
    (case,) = read([json.dumps(CASE | changes).encode()])
    return case.facts


def test_every_recorded_field_is_entered_and_nothing_absent_is() -> None:
    got = {entry.input: entry.value for entry in recorded(facts())}
    assert got == {
        "age_y": 58, "sex": "M", "injury": False, "acvpu": "A", "responds": True,
        "pain_now": True, "pain_nrs": 4, "sbp": 85, "dbp": 50, "hr": 120, "rr": 26,
        "temp_c": 36.5,
    }  # fmt: skip


def test_masked_vital_signs_are_unobtainable_not_unknown() -> None:
    got = {entry.input: entry for entry in recorded(facts(), mask_vitals=True)}
    assert {key for key, entry in got.items() if entry.unanswerable} == set(VITALS)
    assert all(got[key].value is None for key in VITALS)
    assert got["pain_nrs"].value == 4


@pytest.mark.parametrize(
    ("avpu", "answers"), [("A", True), ("V", True), ("P", False), ("U", False)]
)
def test_who_reacts_to_pain_only_does_not_answer(avpu: str, answers: bool) -> None:
    got = {entry.input: entry.value for entry in recorded(facts(avpu=avpu))}
    assert got["responds"] is answers


def test_facts_have_no_field_for_a_label() -> None:
    fields = {field.name for field in msgspec.structs.fields(Facts)}
    assert not fields & {"gold", "reference", "ktas", "nurse_ktas", "urgency", "diagnosis"}


def test_permuting_labels_changes_no_proposal() -> None:
    said = ["chest pain", "ankle injury", "fever", "dizziness", "mental change", None]
    lines = [CASE | {"id": str(i), "complaint_text": text} for i, text in enumerate(said)]
    permuted = [
        line | {"gold": {"ktas": 1 + (i + 2) % 5}, "reference": {"nurse_ktas": 1 + i % 5}}
        for i, line in enumerate(lines)
    ]
    before, after = (
        [
            propose(LIBRARY, reader.shipped(), case.facts)
            for case in read(json.dumps(one).encode() for one in some)
        ]
        for some in (lines, permuted)
    )
    assert before == after


def test_what_was_recorded_stands_above_the_words() -> None:
    got = propose(LIBRARY, reader.shipped(), facts(complaint_text="80 ans, douleur thoracique"))
    assert got == propose(LIBRARY, reader.shipped(), facts(complaint_text="douleur thoracique"))


def test_without_words_and_signs_there_is_no_level() -> None:
    healthy = Facts(id="b", age_y=40, sex="M", avpu="A", sbp=120, hr=70, rr=16, temp_c=36.8)
    assert propose(LIBRARY, reader.shipped(), healthy).proposed is None


def test_a_vital_sign_that_nobody_can_take_never_lowers_a_proposal() -> None:
    for text in ("fever", "general weakness", "melena", "dyspnea", "epigastric pain"):
        case = Facts(
            id="c", age_y=60, sex="M", avpu="A", complaint_text=text, sbp=130, hr=80, rr=16
        )
        known = propose(LIBRARY, reader.shipped(), case).proposed
        hidden = propose(LIBRARY, reader.shipped(), case, mask_vitals=True).proposed
        assert known is not None
        assert hidden is not None
        assert hidden <= known


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"id": "a"}',
        b'{"id": "a", "gold": {}}',
        b'{"id": "a", "gold": {"ktas": 6}}',
        b'{"id": "a", "gold": {"ktas": 2, "urgency": "em"}}',
        b'{"id": "", "gold": {"ktas": 2}}',
        b"\xff",
        b"[1",
    ],
)
def test_a_line_without_one_label_is_refused_by_its_number(line: bytes) -> None:
    good = json.dumps(CASE).encode()
    with pytest.raises(UnreadableCase, match="line 3"):
        list(read([good, b"\n", line]))


def test_the_nurses_fields_are_read_apart() -> None:
    (case,) = read([json.dumps(CASE).encode()])
    assert (case.label.gold.ktas, case.label.reference.nurse_ktas) == (2, 3)


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, 2),
        ({"sbp": 120, "hr": 80, "rr": 16}, 4),
        ({"sbp": 120, "hr": 80, "rr": 25}, 3),
        ({"sbp": 105, "hr": 115, "rr": 22}, 3),
        ({"sbp": None, "hr": None, "rr": None, "temp_c": None}, 4),
    ],
)
def test_levels_of_the_news2_bands(changes: dict[str, float | None], level: int) -> None:
    news2 = LIBRARY.get("news2")
    assert news2 is not None
    assert baselines.news2_level(news2, facts(**changes)) == level


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"avpu": "P"}, 1),
        ({"avpu": "V", "hr": 80, "rr": 16}, 2),
        ({"hr": 101, "rr": 16}, 2),
        ({"hr": 100, "rr": 20}, 3),
        ({"hr": 100, "rr": 20, "spo2": 91}, 2),
        ({"hr": 100, "rr": 20, "pain_nrs": 7}, 2),
    ],
)
def test_levels_of_the_danger_zone(changes: dict[str, object], level: int) -> None:
    assert baselines.danger_zone_level(facts(**changes)) == level


def test_the_regression_learns_from_other_folds_only_and_repeats_itself() -> None:
    some = [
        Facts(id=str(i), complaint_text="stroke" if i % 2 else "sprain", hr=70 + i % 7)
        for i in range(60)
    ]
    labels = [2 if i % 2 else 4 for i in range(60)]
    first = baselines.logistic(some, labels, folds=5, seed=3)
    assert first.levels == labels
    assert all((p > 0.5) == (label == 2) for p, label in zip(first.danger, labels, strict=True))
    assert first == baselines.logistic(some, labels, folds=5, seed=3)
    with pytest.raises(ValueError, match="folds"):
        baselines.logistic(some[:3], labels[:3], folds=5, seed=3)


def test_a_word_of_a_single_case_is_no_feature() -> None:
    """A model cannot look a case up: what only one case says is never learnt."""
    some = [Facts(id=str(i), complaint_text=f"word{chr(97 + i % 26)}{i}") for i in range(20)]
    labels = [2, 4] * 10
    got = baselines.logistic(some, labels, folds=4, seed=1)
    assert len({round(p, 6) for p in got.danger}) <= 4
