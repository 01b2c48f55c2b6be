"""The booking benchmark finds a planted double, and finds none where none is."""

import json

import pytest

from benchmarks import booking

SMALL = [
    "--json",
    *("--runs", "1", "--each", "3", "--pairs", "8", "--seats", "8", "--attempts", "64"),
    *("--bookings", "16", "--http", "0"),
]


@pytest.mark.parametrize(("sabotage", "code"), [([], 0), (["--sabotage"], 1)])
def test_the_benchmark_fails_only_when_a_seat_was_given_twice(
    sabotage: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert booking.main([*SMALL, *sabotage]) == code
    told = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure for figure in told["figures"]}
    assert figures["fight_doubles"]["met"] is (code == 0)
    assert {"booking_rls_ratio", "booking_encryption_ratio"} <= figures.keys()
    assert figures["one_trip.not_plain"]["met"]
