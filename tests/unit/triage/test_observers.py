"""Who can obtain an answer, and which numbers an input accepts."""

import math

import pytest

from triage.finding import LAY_CALLER, PROFESSIONAL, Finding, ObserverContext, refusal
from triage.format import Input, Observer, Text

ASK = Text(fr="?", en="?")


def question(*by: Observer, device: str | None = None) -> Input:
    return Input(key="x", type="number", ask=ASK, by=by, device=device)


@pytest.mark.parametrize(
    ("entry", "lay", "equipped", "professional"),
    [
        (question("caller"), True, True, True),
        (question("bystander"), True, False, True),
        (question("professional"), False, False, True),
        (question("caller", "professional"), True, True, True),
        (question("professional", "caller"), True, True, True),
        (question("caller", device="oximeter"), False, True, True),
        (question("caller", device="thermometer"), False, False, True),
        (question("professional", device="oximeter"), False, False, True),
        (question(), False, False, False),
    ],
)
def test_somebody_here_with_the_device_can_obtain_an_answer(
    entry: Input, *, lay: bool, equipped: bool, professional: bool
) -> None:
    alone = ObserverContext(observers=("caller",), devices=("oximeter",))
    assert LAY_CALLER.can_obtain(entry) is lay
    assert alone.can_obtain(entry) is equipped
    assert PROFESSIONAL.can_obtain(entry) is professional


@pytest.mark.parametrize("value", [-1e300, -0.1, 0.0, 5.0, 1e300])
def test_a_number_without_a_range_may_be_any_finite_one(value: float) -> None:
    assert refusal(question("caller"), Finding(input="x", value=value)) is None


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_refused(value: float) -> None:
    for entry in (question("caller"), Input(key="x", type="number", ask=ASK, range=(0.0, 9.0))):
        found = refusal(entry, Finding(input="x", value=value))
        assert found is not None
        assert found.reason == "out_of_range"


@pytest.mark.parametrize(
    ("unit", "allowed"), [("kg", "0 to 9.5 kg"), (None, "0 to 9.5"), ("", "0 to 9.5")]
)
def test_a_refusal_tells_the_range_with_its_unit(unit: str | None, allowed: str) -> None:
    entry = Input(key="x", type="number", ask=ASK, unit=unit, range=(0.0, 9.5))
    found = refusal(entry, Finding(input="x", value=9.6))
    assert found is not None
    assert found.allowed == allowed
    assert refusal(entry, Finding(input="x", value=9.5)) is None
    assert refusal(entry, Finding(input="x", value=0.0)) is None
