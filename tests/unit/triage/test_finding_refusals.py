import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage import library
from triage.acuity import as_acuity
from triage.finding import Finding

LIBRARY = library.load()


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (Finding(input="temp_c", value=98.6), "out_of_range"),
        (Finding(input="temp_c", value=math.nan), "out_of_range"),
        (Finding(input="temp_c", value=math.inf), "out_of_range"),
        (Finding(input="temp_c", value=True), "wrong_type"),
        (Finding(input="temp_c", value="hot"), "wrong_type"),
        (Finding(input="pregnant", value=1), "wrong_type"),
        (Finding(input="acvpu", value="Z"), "not_a_choice"),
        (Finding(input="acvpu", value=3.0), "not_a_choice"),
        (Finding(input="acvpu"), "value_or_unanswerable"),
        (Finding(input="acvpu", value="A", unanswerable="refused"), "value_or_unanswerable"),
        (Finding(input="mood", value="good"), "unknown_input"),
    ],
)
def test_an_impossible_finding_is_refused_with_what_is_allowed(
    finding: Finding, reason: str
) -> None:
    (refused,) = LIBRARY.refusals([finding])
    assert refused.reason == reason
    assert refused.allowed


@pytest.mark.parametrize(
    "finding",
    [
        Finding(input="temp_c", value=45),
        Finding(input="temp_c", value=25.0),
        Finding(input="acvpu", value="C"),
        Finding(input="pregnant", value=False),
        Finding(input="pregnant", unanswerable="refused"),
    ],
)
def test_a_possible_finding_is_accepted(finding: Finding) -> None:
    assert LIBRARY.refusals([finding]) == ()


@given(st.text(), st.none() | st.booleans() | st.floats() | st.text())
def test_no_finding_crashes_the_check(key: str, value: bool | float | str | None) -> None:
    LIBRARY.refusals([Finding(input=key, value=value)])


def test_a_refusal_never_repeats_what_was_said() -> None:
    (refused,) = LIBRARY.refusals([Finding(input="Jean Dupont", value="0612345678")])
    assert "Jean" not in repr(refused)
    assert "0612345678" not in repr(refused)


def test_a_level_is_read_from_its_text() -> None:
    assert as_acuity("U3") == "U3"
    with pytest.raises(ValueError, match="acuity"):
        as_acuity("U6")
