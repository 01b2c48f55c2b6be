"""The directory's benchmark on a small world: nothing wrong, and a planted fault is found."""

import msgspec
import pytest

from benchmarks import _france, directory
from server.report import Report

needs_data = pytest.mark.skipif(
    not (_france.DATA / "communes_clean.csv").exists(),
    reason="the shared data of France is not beside this clone",
)
SMALL = ["--json", "--size", "0.004", "--needs", "30", "--memory-only"]


@needs_data
def test_the_outward_search_is_that_of_judging_everybody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert directory.main(SMALL) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    figures = {one.name: one.value for one in report.figures}
    assert figures["different_answers"] == 0
    assert {"search_20.p99", "peer.networkx_search_20.p50"} <= figures.keys()


@needs_data
def test_a_dropped_place_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert directory.main([*SMALL, "--sabotage"]) == 1
    capsys.readouterr()
