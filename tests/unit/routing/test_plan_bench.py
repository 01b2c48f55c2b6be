"""The benchmark of plans finds a planted loss, and none where all engines agree."""

import json

import pytest

from benchmarks import routing


@pytest.mark.parametrize(("sabotage", "code"), [([], 0), (["--sabotage"], 1)])
def test_the_benchmark_fails_only_when_a_plan_was_not_the_cheapest(
    sabotage: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert routing.main(["--json", "--quick", "--rounds", "1", *sabotage]) == code
    told = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure for figure in told["figures"]}
    assert figures["totals_wrong"]["met"] is (code == 0)
    assert figures["plan.200x5000.constraints_broken"]["value"] == 0
    assert figures["plan.200x5000.more.first_come"]["value"] > 0
