"""Both catalogues say the same things, and every text a page asks for exists."""

import re
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import catalogue
from console.catalogue import Words

ROOM = Path(catalogue.__file__).parent
LITERAL = re.compile(r"""\b[tn]\(\s*["']([a-z_.A-Z0-9]+)["']""")
FAMILY = re.compile(r"""(?:\bt\(|code\()\s*["']([a-z_.]+?)\.?["']\s*(?:~|,)""")


def sources() -> list[Path]:
    return [*ROOM.glob("templates/*.html"), *ROOM.glob("*.py")]


def test_both_catalogues_have_the_same_keys() -> None:
    assert set(catalogue.texts("fr")) == set(catalogue.texts("en"))


def test_both_languages_use_the_same_placeholders() -> None:
    def names(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    french, english = catalogue.texts("fr"), catalogue.texts("en")
    assert [key for key in french if names(french[key]) != names(english[key])] == []


def test_every_key_that_is_used_exists() -> None:
    known = catalogue.texts("fr")
    missing = set()
    for path in sources():
        for key in LITERAL.findall(path.read_text("utf-8")):
            if key not in known and f"{key}.one" not in known and not key.endswith("."):
                missing.add(f"{path.name}: {key}")
    assert missing == set()


def test_every_family_that_is_used_has_texts() -> None:
    families = {key.split(".")[0] for key in catalogue.texts("fr")}
    used = {
        family.split(".")[0]
        for path in sources()
        for family in FAMILY.findall(path.read_text("utf-8"))
    }
    assert used - families == set()


def test_english_is_not_french() -> None:
    french, english = catalogue.texts("fr"), catalogue.texts("en")
    same = [key for key in french if len(french[key]) > 24 and french[key] == english[key]]
    assert same == []


def test_times_follow_the_reader() -> None:
    moment = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)
    assert Words(language="fr").clock(moment) == "17\u202fh\u202f20"
    assert Words(language="en").clock(moment) == "17:20"
    assert Words(language="fr").when(moment, moment).startswith("aujourd'hui")


def test_infants_are_counted_in_months() -> None:
    assert Words(language="fr").age(0.67) == "8 mois"
    assert Words(language="fr").age(1.99) == "2 ans"
    assert Words(language="en").age(54.0) == "54 years"
    assert Words(language="fr").age(None) == "âge inconnu"


def test_french_phones_are_written_in_pairs() -> None:
    assert catalogue.phone("+33612345678") == "06 12 34 56 78"
    assert catalogue.phone("+447911123456") == "+44 7911 123456"
    assert catalogue.phone("standard") == "standard"


def test_initials_leave_titles_out() -> None:
    assert catalogue.initials("Dr Denis Exemple") == "DE"
    assert catalogue.initials("Ariane Modèle (ARM)") == "AM"
    assert catalogue.initials("") == ""


@pytest.mark.parametrize("language", ["fr", "en"])
@given(seconds=st.floats(min_value=0, max_value=10_000_000))
def test_any_duration_is_short(language: str, seconds: float) -> None:
    assert 0 < len(Words(language=language).span(seconds)) <= 12
