"""The clinic's consent form: what is typed is understood or told, and comes back as stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import agreement
from console.agreement import Typed
from directory.consent import Consent
from directory.model import Ownership
from directory.store import DiaryView
from tests.unit.console.shown import an_agreement


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (Typed(), Consent()),
        (Typed(paused=True), Consent(paused=True)),
        (
            Typed(quota="4", hours="24", clock="18h"),
            Consent(quota_per_day=4, release_before_s=86_400, release_min=1080),
        ),
        (Typed(quota="0", hours="1,5"), Consent(quota_per_day=0, release_before_s=5400)),
        (Typed(hours="0.5", clock="07:30"), Consent(release_before_s=1800, release_min=450)),
    ],
)
def test_a_consent_form_is_understood(typed: Typed, expected: Consent) -> None:
    assert agreement.understand(typed) == (expected, {})


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        (Typed(quota="many"), {"quota": "quota_unreadable"}),
        (Typed(quota="1001"), {"quota": "quota_unreadable"}),
        (Typed(quota="-1"), {"quota": "quota_unreadable"}),
        (Typed(hours="1e3"), {"hours": "hours_unreadable"}),
        (Typed(hours="2209"), {"hours": "hours_unreadable"}),
        (Typed(hours="١"), {"hours": "hours_unreadable"}),
        (Typed(clock="24:00"), {"clock": "time_unreadable"}),
        (Typed(clock="18:75"), {"clock": "time_unreadable"}),
    ],
)
def test_what_cannot_be_understood_is_told_beside_its_field(
    typed: Typed, wrong: dict[str, str]
) -> None:
    assert agreement.understand(typed) == (None, wrong)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_nothing_that_is_typed_makes_a_defect(quota: str, hours: str, clock: str) -> None:
    found, wrong = agreement.understand(Typed(quota=quota, hours=hours, clock=clock))
    assert (found is None) == bool(wrong)


@given(
    st.none() | st.integers(0, 1000),
    st.none() | st.integers(0, 92 * 4),
    st.none() | st.integers(0, 1439),
)
def test_what_is_stored_comes_back_as_it_was(
    quota: int | None, hours: int | None, clock: int | None
) -> None:
    """Hold-backs of whole quarters of an hour, as the form can be typed."""
    before_s = None if hours is None else hours * 900
    diary = an_agreement().diary
    shown = DiaryView(
        **{name: getattr(diary, name) for name in diary.__struct_fields__}
        | {
            "quota_per_day": quota,
            "release_before_s": before_s,
            "release_min": clock,
            "ownership": Ownership.OWNED,
        }
    )
    assert agreement.understand(agreement.typed(shown)) == (
        Consent(
            paused=diary.paused, quota_per_day=quota, release_before_s=before_s, release_min=clock
        ),
        {},
    )
