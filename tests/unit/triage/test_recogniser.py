import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage import library
from triage.acuity import SCALE
from triage.protocol import Text
from triage.recogniser import Complaint, normalise, shipped
from triage.words import vocabulary

KTAS = Path(__file__).parents[4] / "shared" / "data" / "triage" / "ktas" / "dev.jsonl"
R = shipped()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_the_same_result_twice(text: str) -> None:
    first = R.recognise(text)
    assert first == R.recognise(text)
    assert all(match.words for match in first.matches)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["pas", "no", "douleur", "chest", "l", "d", "œ", "DT", "/", "."])))
def test_words_of_the_trade_in_any_order_never_crash(words: list[str]) -> None:
    R.recognise(" ".join(words))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mal poitrine bras gauche", "chest-pain"),
        ("DT depuis 2h", "chest-pain"),
        ("Douleur thoracique", "chest-pain"),
        ("ant. chest pain", "chest-pain"),
        ("pain, chest", "chest-pain"),
        ("Lt arm pain", "left-arm-pain"),
        ("rt arm pain", "limb-pain"),
        ("dyspnea", "dyspnoea"),
        ("Dyspnée d'effort", "dyspnoea"),
        ("AVP moto", "major-trauma"),
        ("TS médicamenteuse", "suicidal"),
        ("TC avec plaie", "head-injury"),
        ("sezure like motion", "seizure"),
        ("rigth side weakness", "stroke"),
        ("bouche de travers", "stroke"),
        ("LOC - loss of consciousness", "syncope"),
        ("fièvre et frissons", "fever"),
        ("nasal bleeding", "epistaxis"),
        ("ne respire plus", "cardiac-arrest"),
        ("saigne beaucoup", "severe-bleeding"),
        ("ABD PAIN", "abdominal-pain"),
        ("mal de tête", "headache"),
        ("copy", "administrative"),
    ],
)
def test_hasty_french_and_english_are_understood(text: str, code: str) -> None:
    assert R.recognise(text).complaint == code


@pytest.mark.parametrize(
    "text",
    ["no chest pain", "pas de douleur thoracique", "denies chest pain", "sans douleur thoracique"],
)
def test_a_denied_complaint_is_not_stated(text: str) -> None:
    got = R.recognise(text)
    assert "chest-pain" not in [match.code for match in got.matches]
    assert got.findings == ()


def test_a_denial_ends_at_but() -> None:
    got = R.recognise("no chest pain but short of breath")
    assert [match.code for match in got.matches] == ["dyspnoea"]


def test_no_text_has_no_default_and_an_unknown_text_a_cautious_one() -> None:
    assert R.recognise(None).default_acuity is None
    assert R.recognise("").default_acuity is None
    unknown = R.recognise("xqzt wvbn")
    assert unknown.complaint is None
    assert unknown.default_acuity == "U2"


def test_the_default_is_the_most_severe_of_all_matches() -> None:
    got = R.recognise("fever and right hemiparesis")
    assert got.default_acuity == "U1"
    assert {entry.input for entry in got.findings} == {"fever", "focal_deficit"}


def test_the_data_file_speaks_of_declared_inputs_in_both_languages() -> None:
    loaded = library.load()
    for complaint in R.complaints():
        assert complaint.label.fr
        assert complaint.label.en
        assert complaint.default_acuity in SCALE
        for key in complaint.states:
            entry = loaded.input(key)
            assert entry is not None
            assert entry.type == "bool"
    assert len({complaint.code for complaint in R.complaints()}) == len(R.complaints())


def test_every_complaint_of_a_protocol_is_known() -> None:
    for protocol in library.load().protocols:
        for code in protocol.file.complaints:
            assert R.complaint(code) is not None, (protocol.file.id, code)


def test_normalise_drops_accents_and_ligatures() -> None:
    assert normalise("ŒDÈME Élevé") == "oedeme eleve"
    assert Text(fr="a", en="b").fr == "a"


@pytest.mark.skipif(not KTAS.exists(), reason="shared data absent: recorded complaints not tried")
def test_recorded_complaints_are_recognised_nearly_always() -> None:
    lines = KTAS.read_text("utf-8").splitlines()
    texts = [json.loads(line).get("complaint_text") for line in lines]
    said = [text for text in texts if text]
    known = [text for text in said if R.recognise(text).complaint is not None]
    assert len(known) / len(said) > 0.97


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pas de fièvre, douleur thoracique", "chest-pain"),
        ("no fever, chest pain", "chest-pain"),
        ("pas d'allergie, essoufflé", "dyspnoea"),
        ("pas de traitement. Convulse", "seizure"),
        ("ne tousse pas, douleur dans la poitrine", "chest-pain"),
        ("fièvre, pas de toux, douleur thoracique", "chest-pain"),
        ("ne répond pas, ne respire pas", "cardiac-arrest"),
        ("il ne respire pas", "cardiac-arrest"),
        ("ne respire pas bien", "respiratory-distress"),
    ],
)
def test_a_denial_ends_with_its_clause(text: str, code: str) -> None:
    assert code in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    "text",
    [
        "ne tousse pas mais respire normalement",
        "respire normalement, ne tousse pas",
        "ne vomit pas et respire bien",
        "ne respire pas bien",
    ],
)
def test_somebody_who_breathes_is_no_cardiac_arrest(text: str) -> None:
    assert "cardiac-arrest" not in [match.code for match in R.recognise(text).matches]


def test_marks_alone_state_nothing() -> None:
    assert R.recognise(" ... ?!").default_acuity is None


def _spoken(term: str) -> str:
    """Say a term of the data file as somebody might type it."""
    classes = vocabulary().classes
    words = (classes[word][0] if word.isupper() else word for word in term.strip("=~ ?").split())
    return " ".join(words).replace("*", "")


@pytest.mark.parametrize("complaint", R.complaints(), ids=lambda entry: entry.code)
def test_every_term_recognises_its_own_complaint(complaint: Complaint) -> None:
    for term in complaint.terms:
        got = R.recognise(_spoken(term))
        found = {match.code for match in (*got.matches, *got.suggestions)}
        longer = any(match.default_acuity <= complaint.default_acuity for match in got.matches)
        assert complaint.code in found or longer, (term, found)
