"""The published tables read a second time, in another form than the protocol files write them.

The files give bands (upper bound, points). Here each item is a list of the published phrases
"points: condition", evaluated most points first, transcribed from the sources apart from the
files: NEWS2 from the chart (RCP 2017), Bedside PEWS from table 1 of Parshuram 2009 (its own
">= or <=" phrases), TEWS from the charts of the SATS manual 2012 as implementations of the chart
give them. Both readings must agree at every whole number of the range and around every edge.
"""

from collections.abc import Mapping
from typing import Final

import pytest

from triage import library
from triage.expression import Value, evaluate
from triage.protocol import ParsedScore, decode
from triage.scoring import score

LIBRARY: Final = library.load()
Phrases = tuple[tuple[int, str], ...]
"""(points, phrase) from the most points down; a phrase is of the form `>= 190 or <= 80`."""

NEWS2: Final[dict[str, Phrases]] = {
    "rr": ((3, "<= 8 or >= 25"), (2, "21..24"), (1, "9..11"), (0, "12..20")),
    "sbp": ((3, "<= 90 or >= 220"), (2, "91..100"), (1, "101..110"), (0, "111..219")),
    "hr": (
        (3, "<= 40 or >= 131"),
        (2, "111..130"),
        (1, "41..50 or 91..110"),
        (0, "51..90"),
    ),
}
NEWS2_TENTHS: Final[Phrases] = (
    (3, "<= 35.0"),
    (2, ">= 39.1"),
    (1, "35.1..36.0 or 38.1..39.0"),
    (0, "36.1..38.0"),
)
NEWS2_SPO2: Final[dict[tuple[bool, bool], Phrases]] = {
    (False, False): ((3, "<= 91"), (2, "92..93"), (1, "94..95"), (0, ">= 96")),
    (False, True): ((3, "<= 91"), (2, "92..93"), (1, "94..95"), (0, ">= 96")),
    (True, False): ((3, "<= 83"), (2, "84..85"), (1, "86..87"), (0, ">= 88")),
    (True, True): (
        (3, "<= 83 or >= 97"),
        (2, "84..85 or 95..96"),
        (1, "86..87 or 93..94"),
        (0, "88..92"),
    ),
}
"""Keyed by (target 88-92 % set, on oxygen)."""

PEWS_AGES: Final[tuple[dict[str, Value], ...]] = (
    {"age_y": 0.0, "age_mo": 2.0},
    {"age_y": 0.0, "age_mo": 3.0},
    {"age_y": 1.0},
    {"age_y": 4.0},
    {"age_y": 12.0},
)
PEWS_OLDEST: Final[tuple[dict[str, Value], ...]] = (
    {"age_y": 0.0, "age_mo": 0.0},
    {"age_y": 0.0, "age_mo": 11.0},
    {"age_y": 3.0},
    {"age_y": 11.0},
    {"age_y": 17.0},
)
"""The other end of each age band."""
PEWS: Final[dict[str, tuple[Phrases, ...]]] = {
    "hr": (
        ((4, ">= 190 or <= 80"), (2, ">= 180 or <= 90"), (1, ">= 150 or <= 110"), (0, "")),
        ((4, ">= 180 or <= 70"), (2, ">= 170 or <= 80"), (1, ">= 150 or <= 100"), (0, "")),
        ((4, ">= 170 or <= 60"), (2, ">= 150 or <= 70"), (1, ">= 120 or <= 90"), (0, "")),
        ((4, "> 150 or <= 50"), (2, ">= 130 or <= 60"), (1, ">= 110 or <= 70"), (0, "")),
        ((4, ">= 140 or <= 40"), (2, ">= 120 or < 50"), (1, ">= 100 or <= 60"), (0, "")),
    ),
    "sbp": (
        ((4, ">= 130 or <= 45"), (2, ">= 100 or <= 50"), (1, ">= 80 or <= 60"), (0, "")),
        ((4, ">= 150 or <= 60"), (2, ">= 120 or <= 70"), (1, ">= 100 or <= 80"), (0, "")),
        ((4, ">= 160 or <= 65"), (2, ">= 125 or <= 75"), (1, ">= 110 or <= 90"), (0, "")),
        ((4, ">= 170 or <= 70"), (2, ">= 140 or <= 80"), (1, ">= 120 or <= 90"), (0, "")),
        ((4, ">= 190 or <= 75"), (2, ">= 150 or <= 85"), (1, ">= 130 or <= 100"), (0, "")),
    ),
    "rr": (
        ((4, ">= 91 or <= 15"), (2, ">= 81 or <= 19"), (1, ">= 61 or <= 29"), (0, "")),
        ((4, ">= 81 or <= 15"), (2, ">= 71 or <= 19"), (1, ">= 51 or <= 24"), (0, "")),
        ((4, ">= 71 or <= 12"), (2, ">= 61 or <= 15"), (1, ">= 41 or <= 19"), (0, "")),
        ((4, ">= 51 or <= 10"), (2, ">= 41 or <= 14"), (1, ">= 31 or <= 19"), (0, "")),
        ((4, ">= 30 or <= 9"), (2, ">= 23 or <= 10"), (1, ">= 17 or <= 11"), (0, "")),
    ),
}
TEWS: Final[dict[str, dict[str, Phrases]]] = {
    "tews-adult": {
        "rr": ((3, "> 29"), (2, "< 9 or 21..29"), (1, "15..20"), (0, "9..14")),
        "hr": ((3, "> 129"), (2, "< 41 or 111..129"), (1, "41..50 or 101..110"), (0, "51..100")),
        "sbp": ((3, "< 71"), (2, "71..80 or > 199"), (1, "81..100"), (0, "101..199")),
    },
    "tews-child": {
        "rr": ((3, "< 15"), (2, "15..16 or >= 27"), (1, "22..26"), (0, "17..21")),
        "hr": ((3, "< 60"), (2, "60..79 or >= 130"), (1, "100..129"), (0, "80..99")),
    },
    "tews-infant": {
        "rr": ((3, "< 20 or >= 50"), (2, "20..25 or 40..49"), (0, "26..39")),
        "hr": ((3, "< 70 or >= 160"), (2, "70..79 or 131..159"), (0, "80..130")),
    },
}


def holds(phrase: str, value: float) -> bool:
    """Tell whether a value is in one of the parts of a published phrase; "" is the rest."""
    if not phrase:
        return True
    for part in phrase.split(" or "):
        if ".." in part:
            low, high = (float(end) for end in part.split(".."))
            if low <= value <= high:
                return True
            continue
        sign, bound = part.split()
        limit = float(bound)
        if {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[
            sign
        ]:
            return True
    return False


def published(phrases: Phrases, value: float) -> int:
    """Give the points of the first phrase that holds."""
    return next(points for points, phrase in phrases if holds(phrase, value))


def table(protocol: str) -> ParsedScore:
    """Give the score of a protocol."""
    found = LIBRARY.get(protocol)
    assert found is not None
    (parsed,) = found.scores
    return parsed


def points(parsed: ParsedScore, item: str, answers: Mapping[str, Value]) -> int:
    """Give the settled points of one item or group of a score."""
    (part,) = [entry for entry in score(parsed, dict(answers)).contributions if entry.item == item]
    assert part.low == part.high, (item, dict(answers))
    return part.low


def whole_numbers(protocol: str, key: str) -> range:
    """Give every whole number that the input accepts."""
    found = LIBRARY.get(protocol)
    assert found is not None
    entry = found.input(key)
    assert entry is not None
    assert entry.range is not None
    return range(int(entry.range[0]), int(entry.range[1]) + 1)


@pytest.mark.parametrize("key", sorted(NEWS2))
def test_news2_agrees_with_the_chart_at_every_whole_number(key: str) -> None:
    parsed = table("news2")
    for value in whole_numbers("news2", key):
        assert points(parsed, key, {key: float(value)}) == published(NEWS2[key], value), value


def test_news2_temperature_agrees_with_the_chart_at_every_tenth() -> None:
    parsed = table("news2")
    for tenth in range(250, 451):
        value = tenth / 10
        assert points(parsed, "temp", {"temp_c": value}) == published(NEWS2_TENTHS, value), value


@pytest.mark.parametrize(("target", "oxygen"), sorted(NEWS2_SPO2))
def test_news2_saturation_agrees_with_both_scales(target: bool, oxygen: bool) -> None:
    parsed = table("news2")
    for value in whole_numbers("news2", "spo2"):
        answers = {"spo2": float(value), "hypercapnic_target": target, "on_oxygen": oxygen}
        expected = published(NEWS2_SPO2[target, oxygen], value)
        assert points(parsed, "spo2", answers) == expected, value


def test_news2_scores_two_for_oxygen_and_three_for_anything_but_alert() -> None:
    parsed = table("news2")
    assert [points(parsed, "oxygen", {"on_oxygen": given}) for given in (False, True)] == [0, 2]
    levels = [points(parsed, "consciousness", {"acvpu": level}) for level in "ACVPU"]
    assert levels == [0, 3, 3, 3, 3]


@pytest.mark.parametrize("band", range(5))
@pytest.mark.parametrize("key", sorted(PEWS))
def test_pews_agrees_with_table_1_at_every_whole_number(key: str, band: int) -> None:
    parsed = table("bedside-pews")
    for ages in (PEWS_AGES, PEWS_OLDEST):
        for value in whole_numbers("bedside-pews", key):
            got = points(parsed, key, ages[band] | {key: float(value)})
            assert got == published(PEWS[key][band], value), (ages[band], value)


def test_pews_items_without_age_agree_with_table_1() -> None:
    parsed = table("bedside-pews")
    assert [points(parsed, "spo2", {"spo2": float(v)}) for v in (90, 91, 94, 95)] == [2, 1, 1, 0]
    assert [points(parsed, "crt", {"crt_s": v}) for v in (0.0, 2.9, 3.0, 30.0)] == [0, 0, 4, 4]
    words = ("normal", "mild", "moderate", "severe")
    assert [points(parsed, "effort", {"resp_effort": word}) for word in words] == [0, 1, 2, 4]
    oxygen = [
        sum(
            points(parsed, item, {"on_oxygen": given, "high_oxygen": high})
            for item in ("oxygen", "oxygen_high")
        )
        for given, high in ((False, False), (False, True), (True, False), (True, True))
    ]
    assert oxygen == [0, 0, 2, 4]


def test_pews_reaches_its_published_maximum_of_26() -> None:
    worst: dict[str, Value] = {"age_y": 5.0, "hr": 200.0, "sbp": 60.0, "rr": 60.0, "crt_s": 5.0}
    worst |= {"resp_effort": "severe", "spo2": 80.0, "on_oxygen": True, "high_oxygen": True}
    result = score(table("bedside-pews"), worst)
    assert (result.low, result.high) == (26, 26)


@pytest.mark.parametrize(
    ("protocol", "key"), [(name, key) for name, keys in TEWS.items() for key in keys]
)
def test_tews_agrees_with_the_charts_at_every_whole_number(protocol: str, key: str) -> None:
    parsed = table(protocol)
    for value in whole_numbers(protocol, key):
        expected = published(TEWS[protocol][key], value)
        assert points(parsed, key, {key: float(value)}) == expected, value


@pytest.mark.parametrize("protocol", sorted(TEWS))
def test_tews_temperature_and_trauma_agree_with_the_charts(protocol: str) -> None:
    parsed = table(protocol)
    cold_to_hot = [points(parsed, "temp", {"temp_c": v}) for v in (34.9, 35.0, 38.4, 38.5)]
    assert cold_to_hot == [2, 0, 0, 2]
    assert [points(parsed, "trauma", {"injury": hurt}) for hurt in (False, True)] == [0, 1]


def test_tews_mobility_and_consciousness_agree_with_the_charts() -> None:
    adult, child, infant = (table(name) for name in ("tews-adult", "tews-child", "tews-infant"))
    ways = ("walking", "with_help", "stretcher")
    assert [points(adult, "mobility", {"mobility": way}) for way in ways] == [0, 1, 2]
    for parsed in (child, infant):
        assert [points(parsed, "mobility", {"moves_less": v}) for v in (False, True)] == [0, 2]
    for parsed, confused in ((adult, 2), (child, 2), (infant, 1)):
        levels = [points(parsed, "consciousness", {"acvpu": level}) for level in "AVCPU"]
        assert levels == [0, 1, confused, 2, 3]


def test_a_column_shifted_by_one_is_found() -> None:
    """The fault of a published implementation: 101-199 mmHg scored as 81-100 and back."""
    raw = (library.PROTOCOLS_DIRECTORY / "tews-adult.toml").read_bytes()
    shifted = raw.replace(b"[100, 1], [199, 0]", b"[100, 0], [199, 1]", 1)
    assert shifted != raw
    (parsed,) = decode(shifted).scores
    wrong = [
        value
        for value in whole_numbers("tews-adult", "sbp")
        if points(parsed, "sbp", {"sbp": float(value)})
        != published(TEWS["tews-adult"]["sbp"], value)
    ]
    assert wrong == list(range(81, 200))


IITT_UNDER_12: Final[dict[float, dict[str, tuple[int, int]]]] = {
    0.5: {"hr": (90, 180), "rr": (25, 50)},
    1.0: {"hr": (80, 160), "rr": (20, 40)},
    4.0: {"hr": (80, 160), "rr": (20, 40)},
    5.0: {"hr": (70, 140), "rr": (10, 30)},
    11.0: {"hr": (70, 140), "rr": (10, 30)},
}
"""Age in years: (low, high); below the first or above the second is a high-risk vital sign."""


@pytest.mark.parametrize("age", sorted(IITT_UNDER_12))
@pytest.mark.parametrize("key", ["hr", "rr"])
def test_high_risk_vital_signs_under_12_agree_with_the_chart(age: float, key: str) -> None:
    found = LIBRARY.get("iitt-child")
    assert found is not None
    (parsed,) = [p for p in found.rules if p.rule.id == "high_risk_vital_signs"]
    low, high = IITT_UNDER_12[age][key]
    healthy: dict[str, Value] = {"age_y": age, "temp_c": 37.0}
    healthy |= {name: float(bounds[0]) for name, bounds in IITT_UNDER_12[age].items()}
    for value in whole_numbers("iitt-child", key):
        got = evaluate(parsed.effective, healthy | {key: float(value)})
        assert got is (value < low or value > high), value
