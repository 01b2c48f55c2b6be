import pytest

from triage.acuity import DUE_MINUTES, SCALE, as_acuity, is_more_severe, most_severe


def test_the_scale_runs_from_dispatch_to_advice_with_its_delays() -> None:
    assert SCALE == ("U0", "U1", "U2", "U3", "U4", "U5")
    assert DUE_MINUTES == {"U0": 0, "U1": 0, "U2": 120, "U3": 720, "U4": 2880, "U5": None}


def test_the_most_severe_level_counts_and_no_level_is_none() -> None:
    assert most_severe("U3", None, "U1", "U5") == "U1"
    assert most_severe(None, None) is None
    assert most_severe() is None


@pytest.mark.parametrize("index", range(5))
def test_a_level_outranks_the_next_and_never_itself(index: int) -> None:
    upper, lower = SCALE[index], SCALE[index + 1]
    assert is_more_severe(upper, lower)
    assert not is_more_severe(lower, upper)
    assert not is_more_severe(upper, upper)
    assert is_more_severe(lower, None)


def test_a_level_is_read_by_its_name_only() -> None:
    assert [as_acuity(level) for level in SCALE] == list(SCALE)
    for text in ("U6", "u1", "", "U"):
        with pytest.raises(ValueError, match="U0, U1"):
            as_acuity(text)
