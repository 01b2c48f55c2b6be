"""The kinds of chaos that need a whole Régul, at the size of every change and of the night."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import chaos, chaos_bus_away, chaos_feed
from server.refusal import Refusal

ROOT = Path(__file__).resolve().parents[3]


def away(*arguments: str) -> chaos_bus_away.Outcome:
    options = chaos_bus_away.parser().parse_args(list(arguments))
    return asyncio.run(chaos_bus_away.run(options, options.sabotage or ""))


def test_every_kind_has_its_module_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert chaos.main(["--help"]) == 0
    told = capsys.readouterr().out
    for kind in ("cases", "feed", "bus-loss", "bus-away", "subscriber"):
        assert kind in told
    with pytest.raises(Refusal, match="no chaos 'nothing'"):
        chaos.main(["nothing"])


def test_every_event_is_told_once_and_in_order_while_everything_is_killed() -> None:
    outcome = asyncio.run(chaos_feed.run(300, 7, 0.5))

    assert min(outcome.kills.values()) >= 1
    assert outcome.events >= 300
    assert outcome.held, outcome


# nats-py leaves the socket of a connect that failed; the example connects while nobody is there.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nobody_at_work_notices_that_the_bus_is_away_and_consumers_resume() -> None:
    # A process of its own: nats-py leaves writers of cut connections to the garbage collector.
    command = ["chaos", "bus-away", "--seconds", "2", "--restarts", "1", "--json"]
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "REGUL_ROOT": str(ROOT)},
        timeout=300,
    )
    told = {one["name"]: one for one in json.loads(ran.stdout)["figures"]}
    assert ran.returncode == 0, told
    assert told["calls_while_away"]["value"] >= chaos_bus_away.LEAST_CALLS
    assert told["resumed"]["value"] == 1
    assert "Traceback" not in ran.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("sabotage", chaos_feed.SABOTAGES)
def test_a_fault_of_the_feed_is_found(sabotage: str) -> None:
    assert not asyncio.run(chaos_feed.run(300, 7, 1.0, sabotage)).held


@pytest.mark.nightly
def test_ten_thousand_events_under_a_kill_each_second() -> None:
    outcome = asyncio.run(chaos_feed.run(10_000, 7, 1.0))
    assert outcome.held, outcome


@pytest.mark.nightly
def test_five_minutes_without_the_bus_and_fifty_restarts() -> None:
    outcome = away()
    assert outcome.held, outcome


@pytest.mark.nightly
def test_a_subscriber_that_never_comes_back_is_found() -> None:
    assert not away("--seconds", "1", "--restarts", "2", "--sabotage").held
