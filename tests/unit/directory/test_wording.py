"""Free text becomes a service code, a name or postcode becomes a place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import codes, gazetteer, wording


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("Ophtalmo", "ophthalmology"),
        ("l'œil", "ophthalmology"),
        ("kinésithérapeute ce soir", "physiotherapy"),
        ("cardiolgue", "cardiology"),
        ("DENTSITE", "dental"),
        ("médecins généralistes pour mon fils", "general_practice"),
        ("sage-femme", "midwifery"),
        ("gynéco", "gynaecology"),
        ("prise de sang demain", "laboratory"),
        ("urgences psychiatriques", "psychiatric_emergency"),
        ("family doctor", "general_practice"),
        ("nurse", "nursing"),
    ],
)
def test_what_people_say_is_understood(text: str, service: str) -> None:
    assert wording.services(text)[0] == service


@pytest.mark.parametrize("text", ["", "rien", "xyz abc", "2026", "?!", "oui non"])
def test_what_names_no_care_is_not_guessed(text: str) -> None:
    assert wording.services(text) == ()


def test_every_service_is_found_by_its_labels() -> None:
    for code, one in codes.load().service.items():
        assert wording.services(one.fr)[0] == code
        assert wording.services(one.en)[0] == code


@given(st.text(max_size=200))
def test_any_text_is_read_without_failing(text: str) -> None:
    assert set(wording.services(text)) <= codes.load().service.keys()
    gazetteer.find(text)


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_typo_distance_is_symmetric_and_zero_for_the_same(one: str, other: str) -> None:
    assert wording.distance(one, other) == wording.distance(other, one)
    assert (wording.distance(one, other) == 0) == (one == other)


def test_a_swap_is_one_typo() -> None:
    assert wording.distance("dentsite", "dentiste") == 1


@pytest.mark.parametrize(
    ("text", "insee"),
    [
        ("Amiens", "80021"),
        ("80000", "80021"),
        ("80000 AMIENS", "80021"),
        ("St Etienne", "42218"),
        ("Saint-Denis (93)", "93066"),
        ("69003", "69383"),
        ("Ajaccio 2a", "2A004"),
    ],
)
def test_a_place_is_found_by_what_is_written_on_an_envelope(text: str, insee: str) -> None:
    assert gazetteer.find(text)[0].insee == insee


def test_homonyms_are_all_given() -> None:
    assert {one.department for one in gazetteer.find("Saint-Denis")} >= {"93", "974"}
    assert gazetteer.find("Nulle-Part") == ()
