import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage import library, measures, persons, reader
from triage.phrases import Phrasebook
from triage.recogniser import shipped as recogniser
from triage.words import vocabulary

SHARED = Path(__file__).parents[4] / "shared" / "data" / "triage"
R = reader.shipped()


def number(text: str, key: str) -> float | str | None:
    return next((one.value for one in measures.read(text) if one.input == key), None)


def person(text: str, key: str) -> float | str | None:
    return next((one.value for one in persons.read(text) if one.input == key), None)


def stated(text: str) -> set[str]:
    return {fact.input for fact in R.read(text).facts if fact.kind == "sign"}


def denied(text: str) -> set[str]:
    return {fact.input for fact in R.read(text).facts if fact.kind == "denial"}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("BP 95/65", "sbp", 95),
        ("BP of 126/82 mmHg", "dbp", 82),
        ("TA 14/8", "sbp", 140),
        ("ta 9/5", "dbp", 50),
        ("tension à 22", "sbp", 220),
        ("180/100 mmHg", "sbp", 180),
        ("PAS 85", "sbp", 85),
        ("systolic blood pressure of 88", "sbp", 88),
        ("HR 112", "hr", 112),
        ("heart rate 112 bpm", "hr", 112),
        ("pouls à 45", "hr", 45),
        ("FC: 130", "hr", 130),
        ("pulse is 48", "hr", 48),
        ("tachycardic at 140", "hr", 140),
        ("RR 28", "rr", 28),
        ("respiratory rate of 32", "rr", 32),
        ("FR 40", "rr", 40),
        ("24 breaths per minute", "rr", 24),
        ("SpO2 91%", "spo2", 91),
        ("sat 88 % en air ambiant", "spo2", 88),
        ("O2 saturation on room air of 91%", "spo2", 91),
        ("sature à 85", "spo2", 85),
        ("temperature of 104°F (40°C)", "temp_c", 40),
        ("fever to 102.2", "temp_c", 39),
        ("fever of 100.4°F (38.0°C)", "temp_c", 38),
        ("T 38,5", "temp_c", 38.5),
        ("39°2", "temp_c", 39.2),
        ("39,5 de fièvre", "temp_c", 39.5),
        ("40 de fievre", "temp_c", 40),
        ("temp 34.2", "temp_c", 34.2),
        ("101 F", "temp_c", 38.3),
        ("glycémie 0,45 g/L", "glucose_mmol_l", 2.5),
        ("dextro 4 g/l", "glucose_mmol_l", 22.2),
        ("blood sugar 54 mg/dL", "glucose_mmol_l", 3),
        ("glucose 450", "glucose_mmol_l", 25),
        ("BM 2.8", "glucose_mmol_l", 2.8),
        ("glucose 3.1 mmol/L", "glucose_mmol_l", 3.1),
        ("EVA 8", "pain_nrs", 8),
        ("douleur 7/10", "pain_nrs", 7),
        ("pain 9 out of 10", "pain_nrs", 9),
        ("pain is 10/10", "pain_nrs", 10),
        ("GCS 9", "gcs", 9),
        ("Glasgow à 15", "gcs", 15),
        ("cap refill 4 s", "crt_s", 4),
        ("enceinte 32 SA", "gestation_weeks", 32),
        ("20 weeks pregnant", "gestation_weeks", 20),
        ("depuis 2h", "hours_since_onset", 2),
        ("depuis 30 min", "hours_since_onset", 0.5),
        ("for 3 days", "hours_since_onset", 72),
        ("2-day history of cough", "hours_since_onset", 48),
        ("il y a 3 jours", "hours_since_onset", 72),
        ("x 2 weeks", "hours_since_onset", 336),
        ("of 30 minutes’ duration", "hours_since_onset", 0.5),
    ],
)
def test_a_number_is_read_in_the_unit_of_its_input(text: str, key: str, value: float) -> None:
    assert number(text, key) == pytest.approx(value, abs=0.05)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("spo2 5 %", "spo2"),
        ("fever for 3 days", "temp_c"),
        ("fièvre depuis 38 jours", "temp_c"),
        ("temp 98765", "temp_c"),
        ("65-year-old man", "hours_since_onset"),
        ("12/05 rendez-vous", "sbp"),
        ("BP normal, 2 children", "sbp"),
        ("75 ans", "hr"),
        ("3/4 de la bouteille", "pain_nrs"),
        ("glucose 5.5", "glucose_mmol_l"),
        ("06 12 34 56 78", "hr"),
        ("80 rue de Paris", "sbp"),
    ],
)
def test_a_number_that_is_something_else_is_left_alone(text: str, key: str) -> None:
    assert number(text, key) is None


def test_of_several_values_the_worst_is_taken() -> None:
    assert number("SpO2 97 % then SpO2 84 %", "spo2") == 84
    assert number("HR 80, later HR 150", "hr") == 150
    assert number("T 37.1 puis T 39.4", "temp_c") == 39.4


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("A 65-year-old man", 65),
        ("24 year-old", 24),
        ("54 yo F", 54),
        ("homme de 54 ans", 54),
        ("H 72 ans DT", 72),
        ("femme 80ans chute", 80),
        ("61 year old Male", 61),
        ("aged 45", 45),
        ("âgé de 7 ans", 7),
        ("douleur depuis 3 ans, femme de 40 ans", 40),
        ("34M chest pain", 34),
        ("bébé de 8 mois", 0.67),
        ("nourrisson 18 mois", 1.5),
        ("6-week-old baby", 0.12),
        ("10 day old", 0.03),
        ("newborn", 0),
    ],
)
def test_the_age_is_read(text: str, age: float) -> None:
    assert person(text, "age_y") == pytest.approx(age, abs=0.01)


@pytest.mark.parametrize(
    "text", ["depuis 3 ans", "il y a 2 ans", "traité pendant 4 ans", "5-year history"]
)
def test_a_duration_is_no_age(text: str) -> None:
    assert person(text, "age_y") is None


def test_months_are_given_under_two_years_only() -> None:
    assert person("nourrisson de 5 mois", "age_mo") == 5
    assert person("3 ans", "age_mo") is None


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("65-year-old man", "M"),
        ("12-year-old girl, her father calls", "F"),
        ("femme de 30 ans, son mari appelle", "F"),
        ("34M", "M"),
        ("F 28 ans", "F"),
        ("H 50 ans", "M"),
        ("Mrs. S is a 35 year-old woman", "F"),
        ("he collapsed", "M"),
        ("a man and a woman", None),
        ("chest pain", None),
    ],
)
def test_the_sex_is_read_only_when_plain(text: str, sex: str | None) -> None:
    assert person(text, "sex") == sex


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("enceinte de 8 mois, saigne", {"pregnant", "ongoing_bleeding"}),
        ("selles noires", {"black_or_bloody_stool"}),
        ("melena since yesterday", {"black_or_bloody_stool"}),
        ("vomit du sang", {"vomits_or_coughs_blood"}),
        ("a perdu connaissance", {"recent_faint"}),
        ("sweating profusely, pale", {"grey_clammy"}),
        ("sueurs froides", {"grey_clammy"}),
        ("bouche de travers", {"focal_deficit"}),
        ("nuque raide et photophobie", {"stiff_neck", "light_hurts"}),
        ("lèvres bleues", {"blue_lips"}),
        ("n'arrive pas à finir ses phrases", {"cannot_speak_sentence"}),
        ("pain radiating to left arm", {"spreads"}),
        ("chimio il y a 8 jours, fièvre", {"chemo_recent", "immunosuppressed", "fever"}),
        ("mollet gonflé et douloureux", {"leg_swollen"}),
        ("ventre dur comme du bois", {"rigid_belly"}),
        ("worst headache of her life", {"thunderclap", "headache"}),
        ("trismus", {"cannot_open_mouth"}),
        ("tetanie", set()),
        ("lockjaw", {"cannot_open_mouth"}),
        ("T 39,2", {"fever"}),
        ("avale une pile bouton", {"button_battery"}),
        ("saddle anaesthesia", {"saddle_numbness"}),
        ("took an overdose of paracetamol", {"attempt_made", "poisoning"}),
        ("bébé mou refuse le biberon", {"floppy", "feeds_less_than_half"}),
    ],
)
def test_what_the_words_assert_is_stated(text: str, keys: set[str]) -> None:
    assert keys <= stated(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("pas de fièvre", "fever"),
        ("no fever", "fever"),
        ("afebrile", "fever"),
        ("apyrétique", "fever"),
        ("denies chest pain", "chest_pain"),
        ("sans perte de connaissance", "recent_faint"),
        ("no h/o melena", "black_or_bloody_stool"),
        ("denies hemoptysis, chills, or weight loss", "vomits_or_coughs_blood"),
        ("denies hemoptysis, chills, or weight loss", "fever"),
        ("no stridor", "noisy_breathing_in"),
        ("ni vomissement ni diarrhée", "diarrhoea"),
        ("fever: no", "fever"),
        ("fièvre absente", "fever"),
        ("n'a pas de raideur de nuque", "stiff_neck"),
        ("ne vomit pas", "nausea_vomiting"),
        ("vomit pas", "nausea_vomiting"),
    ],
)
def test_what_is_denied_is_denied_and_not_stated(text: str, key: str) -> None:
    assert key in denied(text)
    assert key not in stated(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("history of asthma", "breathless"),
        ("family history of stroke", "focal_deficit"),
        ("a brother with asthma", "asthma_or_copd"),
        ("previous episode of melena", "black_or_bloody_stool"),
        ("ATCD AVC", "focal_deficit"),
    ],
)
def test_the_past_and_the_family_are_not_the_present(text: str, key: str) -> None:
    assert key not in stated(text)


def test_facts_of_the_person_stay_true_when_told_of_the_past() -> None:
    assert {"asthma_or_copd", "diabetic"} <= stated("history of COPD and diabetes")


@pytest.mark.parametrize(
    ("text", "value"),
    [("severe abdominal pain", 7), ("severe pain 9/10", 9), ("douleur modérée", 5), ("pain", None)],
)
def test_a_word_for_the_strength_of_pain_counts_where_no_number_is_told(
    text: str, value: float | None
) -> None:
    got = {fact.input: fact.value for fact in R.read(text).facts}
    assert got.get("pain_nrs") == value


def test_a_strength_read_from_words_is_never_entered_without_a_human() -> None:
    assert "pain_nrs" not in {finding.input for finding in R.read("severe pain").alarming}


def test_stated_wins_over_denied() -> None:
    got = {fact.input: fact for fact in R.read("no fever. later fever 39.5").facts}
    assert got["fever"].value is True


def test_only_worse_signs_may_be_entered_without_a_human() -> None:
    got = R.read("homme 54 ans, douleur thoracique, SpO2 98, pas de fièvre, conscient")
    alarming = {finding.input for finding in got.alarming}
    assert "chest_pain" in alarming
    assert alarming.isdisjoint({"age_y", "sex", "spo2", "fever", "responds"})
    full = {finding.input: finding.value for finding in got.full}
    assert full["fever"] is False
    assert full["spo2"] == 98
    assert full["age_y"] == 54


def test_every_fact_names_the_words_that_say_it() -> None:
    for fact in R.read("femme 30 ans TA 9/5, saigne beaucoup, pas de fievre, enceinte").facts:
        assert fact.words
        assert re.search(r"[a-z0-9]", fact.words)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_read_the_same_way_twice(text: str) -> None:
    assert R.read(text) == R.read(text)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "BP",
                "/",
                "120",
                "80",
                "9",
                "°",
                "F",
                "ne",
                "pas",
                "fever",
                ":",
                "no",
                ".",
                ",",
                "T",
                "or",
            ]
        )
    )
)
def test_pieces_of_measures_in_any_order_never_crash(pieces: list[str]) -> None:
    R.read(" ".join(pieces))


def test_every_sign_is_a_declared_input_and_agrees_with_its_worse_direction() -> None:
    loaded = library.load()
    file = reader.shipped()
    for sign in file.signs:
        for key, value in sign.says.items():
            entry = loaded.input(key)
            assert entry is not None, key
            assert entry.type == {bool: "bool", int: "number", str: "choice"}[type(value)], key
            if isinstance(value, bool) and not sign.reassures:
                assert entry.worse != ("false" if value else "true"), key


def test_numbers_read_lie_in_the_range_of_their_input() -> None:
    loaded = library.load()
    for text in (
        "TA 300/20 FC 300 FR 120 SpO2 40 T 45 glucose 60 mmol EVA 10 cap refill 30 s",
        "newborn",
    ):
        for finding in R.read(text).full:
            assert not loaded.refusals([finding]), finding.input


@pytest.mark.skipif(not SHARED.exists(), reason="shared data absent: vignettes not tried")
def test_every_emergency_among_the_vignettes_is_found() -> None:
    lines = (SHARED / "semigran" / "dev.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    missed = []
    for case in cases:
        default = R.read(case["text"]).recognition.default_acuity
        if case["gold"]["urgency"] == "em" and (default is None or default > "U2"):
            missed.append(case["id"])
    assert missed == []


def test_the_recogniser_of_the_reader_is_the_shipped_one() -> None:
    assert R.read("DT").recognition == recogniser().recognise("DT")


@pytest.mark.parametrize(
    ("text", "letter"),
    [("GCS 15", "A"), ("GCS 14", "C"), ("GCS 10", "V"), ("GCS 6", "P"), ("GCS 3", "U")],
)
def test_a_glasgow_sum_is_told_as_a_letter_to_confirm(text: str, letter: str) -> None:
    fact = next(fact for fact in R.read(text).facts if fact.input == "acvpu")
    assert (fact.value, fact.kind) == (letter, "measure")


def test_a_denied_reassurance_says_nothing() -> None:
    assert "responds" not in {fact.input for fact in R.read("not alert and oriented").facts}


def test_a_sign_that_dispatches_at_once_waits_for_a_human() -> None:
    got = R.read("ne réagit plus")
    assert next(fact for fact in got.facts if fact.input == "responds").vital
    assert "responds" not in {finding.input for finding in got.alarming}
    assert "altered_mental" in {finding.input for finding in got.alarming}


def test_a_term_names_only_classes_of_the_vocabulary() -> None:
    with pytest.raises(ValueError, match="names no class"):
        Phrasebook(vocabulary(), [("owner", "NOSUCHCLASS pain")])


def test_the_words_of_an_unordered_term_stand_close_together() -> None:
    book = Phrasebook(vocabulary(), [("owner", "alpha beta gamma")])
    assert book.hits(book.read("gamma one beta two alpha"))
    assert not book.hits(book.read("alpha one two three beta four five six gamma"))
    assert not book.hits(book.read("alpha. beta gamma"))
