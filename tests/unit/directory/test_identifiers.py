"""Rules of French identifiers: shape, check digit, prefix."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import identifiers, places
from directory.identifiers import System
from kernel import errors

HOSPITALS = Path(__file__).resolve().parents[4] / "shared/data/france/eurostat_hospitals_FR.csv"
BODY_LENGTH = {System.RPPS: 10, System.FINESS: 8, System.SIRET: 13}


@st.composite
def numbers(draw: st.DrawFn) -> tuple[System, str]:
    system = draw(st.sampled_from(sorted(BODY_LENGTH)))
    length = BODY_LENGTH[system]
    body = draw(st.text("0123456789", min_size=length, max_size=length))
    if system is System.FINESS and draw(st.booleans()):
        body = "2" + draw(st.sampled_from("AB")) + body[2:]
    if body.startswith("356000000"):
        body = "1" + body[1:]
    return system, identifiers.make(system, body)


@given(numbers())
def test_a_number_made_with_its_check_digit_is_accepted(made: tuple[System, str]) -> None:
    system, value = made
    assert identifiers.parse(system, value).checked


@given(numbers(), st.data())
def test_one_wrong_digit_is_reported(made: tuple[System, str], data: st.DataObject) -> None:
    system, value = made
    place = data.draw(st.sampled_from([i for i, c in enumerate(value) if c.isdigit()]))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != value[place]]))
    wrong = value[:place] + other + value[place + 1 :]
    assert not identifiers.parse(system, wrong).checked


@given(numbers())
def test_the_prefixed_form_reads_back_to_the_bare_one(made: tuple[System, str]) -> None:
    found = identifiers.parse(*made)
    assert identifiers.parse(found.system, identifiers.show(found)) == found


@given(st.sampled_from(System), st.text(max_size=20))
def test_any_text_is_an_identifier_or_a_stable_refusal(system: System, text: str) -> None:
    try:
        code = identifiers.parse(system, text).system.value
    except errors.Malformed as refused:
        code = refused.code
    assert code in {system.value, "identifier_malformed"}


@given(st.text("0123456789", min_size=10, max_size=10), st.integers(0, 999))
def test_a_rank_has_the_check_digit_of_its_professional(body: str, rank: int) -> None:
    value = f"{identifiers.make(System.RPPS, body)}{rank:03d}"
    assert identifiers.show(identifiers.parse(System.RPPS_RANK, "4" + value)) == "4" + value
    assert identifiers.parse(System.RPPS_RANK, value).checked
    wrong = str((int(value[10]) + 1) % 10)
    assert not identifiers.parse(System.RPPS_RANK, value[:10] + wrong + value[11:]).checked


@pytest.mark.parametrize(
    ("system", "bare"), [(System.ADELI, "801234567"), (System.ADELI_RANK, "80123456701")]
)
def test_a_number_of_adeli_is_shown_with_a_zero(system: System, bare: str) -> None:
    for text in (bare, "0" + bare):
        assert identifiers.show(identifiers.parse(system, text)) == "0" + bare


def test_prefixes_are_the_national_ones() -> None:
    rpps = identifiers.parse(System.RPPS, "10005681340")
    finess = identifiers.parse(System.FINESS, "800 006 124")
    siret = identifiers.parse(System.SIRET, "732 829 320 00074")
    assert identifiers.show(rpps) == "810005681340"
    assert identifiers.show(finess) == "1800006124"
    assert identifiers.show(siret) == "373282932000074"
    assert rpps.checked
    assert finess.checked
    assert siret.checked


def test_branches_of_la_poste_are_checked_by_the_sum_of_their_digits() -> None:
    assert identifiers.parse(System.SIRET, "35600000000048").checked
    assert identifiers.parse(System.SIRET, "35600000049837").checked
    assert not identifiers.parse(System.SIRET, "35600000049838").checked


def test_shipped_hospital_sites_have_right_finess_numbers() -> None:
    for site in places.hospitals():
        assert identifiers.parse(System.FINESS, site.finess).checked


@pytest.mark.skipif(not HOSPITALS.exists(), reason="SKIPPED LOUDLY: ../shared/data is absent")
def test_every_french_hospital_site_passes_the_check_digit() -> None:
    with HOSPITALS.open(encoding="utf-8", newline="") as lines:
        values = [row["id"].zfill(9) for row in csv.DictReader(lines)]
    assert len(values) == 5368
    assert all(identifiers.parse(System.FINESS, value).checked for value in values)
