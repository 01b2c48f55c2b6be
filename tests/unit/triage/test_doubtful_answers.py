"""Odd values are asked again, impossible pairs refused; nothing else is touched."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import errors
from triage import library
from triage.finding import Finding
from triage.findings import GivenFinding, RecordedFinding, check, sift
from triage.plausibility import doubt, plausible_table, still_doubtful

LIBRARY = library.load()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stands(key: str, value: float, *, expired: bool = False) -> RecordedFinding:
    return RecordedFinding(
        input=key,
        value=value,
        unanswerable=None,
        observer="caller",
        recorded_by=uuid4(),
        recorded_at=NOW,
        valid_until=NOW,
        expired=expired,
    )


def refusal(*given_: GivenFinding) -> errors.Invalid:
    with pytest.raises(errors.Invalid) as refused:
        check(LIBRARY, given_)
        sift(given_, ())
    return refused.value


def test_every_band_lies_inside_the_range_of_its_input() -> None:
    for key, (low, high) in plausible_table().bands.items():
        entry = LIBRARY.input(key)
        assert entry is not None, key
        assert entry.range is not None, key
        assert entry.range[0] <= low < high <= entry.range[1], key


@pytest.mark.parametrize(
    ("key", "value"), [("spo2", 20), ("spo2", 59), ("temp_c", 42.1), ("hr", 221)]
)
def test_an_odd_value_is_asked_again_and_counts_once_it_is_confirmed(key: str, value: int) -> None:
    odd = GivenFinding(input=key, value=value)
    other = GivenFinding(input="age_y", value=40)
    sifted = sift((odd, other), ())
    assert [one.input for one in sifted.counting] == ["age_y"]
    assert [(one.path, one.value) for one in sifted.to_confirm] == [("$.findings[0]", value)]
    sure = GivenFinding(input=key, value=value, confirmed=True)
    assert sift((sure,), ()).counting == (Finding(input=key, value=value),)


@given(st.sampled_from(sorted(plausible_table().bands)), st.floats(0, 1))
def test_no_plausible_value_is_asked_again(key: str, part: float) -> None:
    low, high = plausible_table().bands[key]
    value = min(high, low + part * (high - low))
    assert doubt(Finding(input=key, value=value), "$") is None


def test_fahrenheit_is_refused_with_value_and_range() -> None:
    refused = refusal(GivenFinding(input="temp_c", value=98.6))
    assert refused.code == "finding_refused"
    assert refused.fields["path"] == "$.findings[0]"
    assert refused.fields["value"] == 98.6
    assert refused.fields["reason"] == "out_of_range"
    assert "45" in str(refused.fields["allowed"])


def test_a_text_is_never_repeated_and_nan_is_said_as_a_word() -> None:
    assert refusal(GivenFinding(input="hr", value="Mireille")).fields["value"] is None
    assert refusal(GivenFinding(input="Mireille", value=1.0)).fields["input"] == ""
    assert refusal(GivenFinding(input="hr", value=float("nan"))).fields["value"] == "nan"


@pytest.mark.parametrize(("sbp", "dbp"), [(120, 120), (110, 111)])
def test_a_diastolic_pressure_is_below_the_systolic(sbp: int, dbp: int) -> None:
    high, low = GivenFinding(input="sbp", value=sbp), GivenFinding(input="dbp", value=dbp)
    assert refusal(high, low).fields["reason"] == "impossible_pair"
    with pytest.raises(errors.Invalid):
        sift((low,), (stands("sbp", sbp),))
    assert sift((low,), (stands("sbp", sbp, expired=True),)).counting
    assert sift((low, GivenFinding(input="sbp", value=180)), (stands("sbp", sbp),)).counting


def test_a_doubtful_value_waits_until_its_input_is_answered() -> None:
    odd = sift((GivenFinding(input="spo2", value=55),), ()).to_confirm
    assert still_doubtful(odd, ["hr"]) == odd
    assert still_doubtful(odd, ["spo2"]) == ()
