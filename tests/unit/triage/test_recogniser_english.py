"""Hasty English, lay words and the shorthand of emergency departments: our own sentences."""

import tomllib
from pathlib import Path

import pytest

from triage.recogniser import shipped

R = shipped()

SAID = tomllib.loads(Path(__file__).with_name("said_in_english.toml").read_text("utf-8"))["said"]


@pytest.mark.parametrize(
    ("text", "code"), [(text, code) for code, texts in SAID.items() for text in texts]
)
def test_hasty_english_is_understood(text: str, code: str) -> None:
    assert code in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("denies chest pain", "chest-pain"),
        ("denies CP, SOB or syncope", "chest-pain"),
        ("denies CP, SOB or syncope", "dyspnoea"),
        ("denies CP, SOB or syncope", "syncope"),
        ("no SOB", "dyspnoea"),
        ("no h/o seizure", "seizure"),
        ("no LOC", "syncope"),
        ("without vomiting", "vomiting"),
        ("no fever, chills or cough", "infection"),
        ("fever: no", "fever"),
        ("negative for melena", "gi-bleeding"),
        ("no suicidal ideation", "suicidal"),
        ("never had chest pain", "chest-pain"),
        ("not vomiting", "vomiting"),
        ("doesn't have a headache", "headache"),
        ("hay fever season", "fever"),
        ("fell asleep", "injury"),
        ("came back from holiday", "back-pain"),
        ("was cooking dinner", "choking"),
        ("on strike", "stroke"),
        ("blood test requested", "bleeding"),
        ("breathing well", "cardiac-arrest"),
        ("a brother with epilepsy, sore throat today", "seizure"),
        ("family history of stroke, sore throat", "stroke"),
        ("history of asthma, presents with ankle pain", "dyspnoea"),
        ("she feels fit and well, wants a vaccine", "seizure"),
        ("short term memory", "dyspnoea"),
        ("breast feeding question", "baby-unwell"),
        ("certain about it", "visual-loss"),
    ],
)
def test_english_that_denies_or_means_something_else(text: str, code: str) -> None:
    assert code not in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("chest pain not relieved by nitro", "chest-pain"),
        ("no improvement of chest pain", "chest-pain"),
        ("not only headache", "headache"),
        ("chest pain, no SOB", "chest-pain"),
        ("no fever but short of breath", "dyspnoea"),
        ("no cough. chest pain", "chest-pain"),
        ("no meds, chest pain", "chest-pain"),
        ("no known allergies; vomiting", "vomiting"),
        ("2-day history of fever", "fever"),
        ("history of chest pain", "chest-pain"),
        ("vomiting will not stop", "vomiting"),
        ("unable to breathe, no fever", "respiratory-distress"),
    ],
)
def test_english_that_only_looks_like_a_denial(text: str, code: str) -> None:
    assert code in [match.code for match in R.recognise(text).matches]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("chest pian", "chest-pain"),
        ("shortnes of breath", "dyspnoea"),
        ("unconcious", "altered-consciousness"),
        ("seizrue", "seizure"),
        ("diarhea", "diarrhoea"),
        ("stomache ache", "abdominal-pain"),
        ("hedache", "headache"),
        ("vomitting", "vomiting"),
        ("dizzyness", "malaise"),
        ("palpatations", "palpitations"),
        ("alergic reaction", "allergy"),
        ("bleading", "bleeding"),
        ("swoolen leg", "limb-swelling"),
        ("suicidial", "suicidal"),
        ("lacerration", "injury"),
        ("hemorrage", "severe-bleeding"),
        ("anxeity", "anxiety"),
        ("fractrue", "fracture"),
        ("pregnent", "pregnancy"),
    ],
)
def test_misspelled_english_is_understood(text: str, code: str) -> None:
    assert code in [match.code for match in R.recognise(text).matches]
