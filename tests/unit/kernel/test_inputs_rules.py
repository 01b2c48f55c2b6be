"""What clients may send: no control signs, bounded, aware times between 1900 and 2200."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import errors, inputs

FORBIDDEN = [chr(n) for n in range(32) if n not in {9, 10, 13}] + ["\x7f", "\x85", "\u2028"]


@pytest.mark.parametrize("sign", FORBIDDEN, ids=[hex(ord(one)) for one in FORBIDDEN])
def test_control_signs_are_refused(sign: str) -> None:
    for kind in (inputs.Text, inputs.ShortText):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(f"a{sign}b", kind)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200))
def test_other_text_is_taken_as_it_is(text: str) -> None:
    assert msgspec.convert(text, inputs.Text) == text


def test_line_breaks_are_text() -> None:
    assert msgspec.convert("a\r\n\tb", inputs.Text) == "a\r\n\tb"


OUT_OF_BOUNDS: tuple[tuple[object, Any], ...] = (
    ("a" * 4_001, inputs.Text),
    ("a" * 201, inputs.ShortText),
    ("", inputs.ShortText),
    ("", inputs.Code),
    ("a b", inputs.Code),
    ("é", inputs.Code),
    ("٣", inputs.Code),
    (-1, inputs.Small),
    (10_001, inputs.Small),
    (2**63, inputs.Sequence64),
    (True, inputs.Small),
    (180.1, inputs.Longitude),
    (-90.1, inputs.Latitude),
    (float("nan"), inputs.Latitude),
    (datetime(2026, 1, 1), inputs.UtcTime),  # noqa: DTZ001
)


def test_values_out_of_bounds_are_refused() -> None:
    for value, kind in OUT_OF_BOUNDS:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)


@pytest.mark.parametrize(
    "value",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=23))),
        datetime(1899, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2200, 1, 1, 0, 0, 1, tzinfo=UTC),
    ],
    ids=str,
)
def test_times_far_away_are_refused(value: datetime) -> None:
    with pytest.raises(errors.Malformed) as refused:
        inputs.utc(value, "due_at")
    assert (refused.value.code, refused.value.fields["path"]) == ("time_out_of_range", "due_at")


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 2),  # noqa: DTZ001 - hypothesis wants naive bounds
        max_value=datetime(2199, 12, 31),  # noqa: DTZ001 - same
        timezones=st.timezones(),
    )
)
def test_the_instant_stays_the_same_in_utc(value: datetime) -> None:
    moved = inputs.utc(value, "at")
    assert moved.tzinfo is UTC
    assert moved == value.astimezone(UTC)
