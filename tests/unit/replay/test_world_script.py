"""The live world keeps to the load figures and invents nobody who could exist."""

import random
from datetime import UTC, datetime, timedelta

from server import world_script

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
SOMME = 566_000


def of_day(day: datetime) -> float:
    hours = (day + timedelta(hours=hour) for hour in range(24))
    return sum(world_script.calls_per_hour(hour, SOMME) for hour in hours)


def test_a_weekday_has_about_the_recorded_number_of_case_files() -> None:
    expected = world_script.DOSSIERS_PER_DAY * SOMME / 1_000_000

    assert 0.85 < of_day(MONDAY) / expected < 1.15


def test_weekends_are_busier_and_nights_are_quiet() -> None:
    sunday = of_day(MONDAY + timedelta(days=6)) / of_day(MONDAY)
    night = world_script.calls_per_hour(MONDAY + timedelta(hours=4), SOMME)

    assert round(sunday, 3) == 1.6
    assert night < world_script.calls_per_hour(MONDAY + timedelta(hours=19), SOMME) / 3


def test_calls_never_come_faster_than_the_bound() -> None:
    dice = random.Random(1)

    waits = [world_script.wait_s(dice, 400, 2.0) for _ in range(2000)]

    assert min(waits) == 2.0
    assert 8 < sum(waits) / len(waits) < 11


def test_callers_are_fictitious() -> None:
    dice = random.Random(1)

    people = [world_script.person(dice) for _ in range(200)]

    assert all(one.phone.startswith("+3363998") and len(one.phone) == 12 for one in people)
    assert all(one.family.endswith("(fictif)") for one in people)


def test_the_same_seed_gives_the_same_world() -> None:
    first = [world_script.presentation(random.Random(7)) for _ in range(3)]
    again = [world_script.presentation(random.Random(7)) for _ in range(3)]

    assert first == again
