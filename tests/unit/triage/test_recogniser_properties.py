"""What must hold for any text, whoever types it."""

import time
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from triage import measures, persons, scopes, spelling
from triage.recogniser import THRESHOLD, normalise, shipped
from triage.words import MOST_WORDS, vocabulary

R = shipped()
VITAL = (
    *("ne respire plus", "stopped breathing", "convulse", "bouche de travers", "choking"),
    *("veut se suicider", "vomit du sang", "lèvres bleues", "hémorragie", "unresponsive"),
    *("AVP moto", "perte des eaux", "throat swelling", "purpura", "chest pain", "overdose"),
    *("douleur thoracique", "ne réagit plus", "noyade", "hypoglycémie", "coup de couteau"),
    "chute du toit",
)
ANYTHING = st.text(max_size=200)
COMMON = st.lists(
    st.sampled_from(
        (
            *("pas", "no", "not", "sans", "denies", "fever", "fièvre", "toux", "cough", "depuis"),
            *("hier", "homme", "femme", "65 ans", "mère", "history of", "atcd", "brother with"),
            *("avec", "et", "and", "ou", "or", "ni", "mais", "but", "douleur", "pain", "jambe"),
            *("respire", "breathing", "bien", "normal", ":", ",", "-", "(", ")", "chute", "fall"),
            *("ne", "plus", "jamais", "never", "TA 12/8", ".", ";"),
        )
    ),
    max_size=25,
)


def codes(text: str) -> set[str]:
    return {match.code for match in R.recognise(text).matches}


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_accents_and_case_carry_no_meaning(text: str) -> None:
    assume(not any(char.isupper() for char in text))
    assume(text.casefold() == text.lower())
    plain = unicodedata.normalize("NFC", text)
    assert codes(plain) == codes(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize("text", VITAL)
def test_a_vital_complaint_is_vital_in_capitals_and_without_accents(text: str) -> None:
    assert codes(text)
    assert codes(normalise(text)) == codes(text)
    assert codes(text) <= codes(text.upper())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VITAL), COMMON, COMMON)
def test_sentences_around_never_lose_a_vital_complaint(
    vital: str, before: list[str], after: list[str]
) -> None:
    text = f"{' '.join(before)}. {vital}. {' '.join(after)}"
    worst = R.recognise(vital).default_acuity
    got = R.recognise(text)
    assert worst is not None
    assert got.default_acuity is not None
    assert got.default_acuity <= worst


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VITAL), st.sampled_from(VITAL))
def test_two_complaints_are_both_heard(one: str, other: str) -> None:
    both = R.recognise(f"{one}; {other}")
    assert both.default_acuity == min(
        R.recognise(one).default_acuity or "U5", R.recognise(other).default_acuity or "U5"
    )


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_matches_are_sure_and_suggestions_are_not(text: str) -> None:
    got = R.recognise(text)
    assert all(THRESHOLD <= match.score <= 1 for match in got.matches)
    assert all(0 < match.score < THRESHOLD for match in got.suggestions)
    found = [match.code for match in (*got.matches, *got.suggestions)]
    assert len(found) == len(set(found))
    assert [m.default_acuity for m in got.matches] == sorted(m.default_acuity for m in got.matches)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_a_corrected_word_is_near_the_word_typed(word: str) -> None:
    words = {"palpitations", "seizure", "thoracique", "pain"}
    meant = spelling.Spelling(exact=words, stems=set(), known=frozenset()).correct(word)
    if meant is not None:
        assert meant.quality < 1
        assert spelling.one_edit(word, meant.word) or spelling.sound(word) == spelling.sound(
            meant.word
        )


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_scopes_give_one_scope_a_token(text: str) -> None:
    class Token:
        def __init__(self, text: str) -> None:
            self.text = text
            self.is_mark = text in {",", "."}
            self.hard = text == "."

    tokens = [Token(word) for word in text.split()]
    assert len(scopes.Scopes(vocabulary().scopes).over(tokens)) == len(tokens)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789/.,°:-% bphrtsao2ansmoyrkgc", max_size=60))
def test_numbers_read_are_finite_and_one_an_input(text: str) -> None:
    read = (*measures.read(text), *persons.read(text))
    assert len({one.input for one in read}) == len(read)
    for one in read:
        assert isinstance(one.value, str) or abs(one.value) < 1e7


def test_a_very_long_text_is_read_in_time() -> None:
    text = "pas de douleur thoracique, essoufflé, TA 12/8, history of chest pain or fever " * 2000
    begun = time.perf_counter()
    got = R.recognise(text)
    measures.read(text)
    persons.read(text)
    assert time.perf_counter() - begun < 2
    assert got.matches
    assert MOST_WORDS == 400


def test_a_text_of_one_weak_word_offers_the_list_and_asserts_nothing() -> None:
    got = R.recognise("social")
    assert got.matches == ()
    assert [match.code for match in got.suggestions] == ["social"]
    assert got.findings == ()
    assert got.default_acuity == "U2"
