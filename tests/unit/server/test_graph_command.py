"""`./regul directory graph` on the demonstration: what its answers say, and how it refuses."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server import directory_graph
from server.directory_graph_report import span
from server.refusal import Refusal


def asked(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """Ask the demonstration and give the JSON that is printed."""
    assert directory_graph.main([*words, "--demo", "--json"]) == code
    return msgspec.json.decode(capsys.readouterr().out)


def test_a_path_says_each_visit_with_journey_and_wait(capsys: pytest.CaptureFixture[str]) -> None:
    chain = ("path", "general_practice", "imaging", "cardiology", "--place", "Amiens")
    found = asked(capsys, *chain)
    assert [one["care_service"]["service"] for one in found["stops"]] == [*chain[1:4]]
    assert found["waiting_s"] == sum(one["wait_s"] for one in found["stops"])
    assert found["duration_s"] >= found["waiting_s"] + sum(x["travel_s"] for x in found["stops"])
    assert found["stops"][0]["travel_s"] > 0, "he comes from his commune"
    doctor = found["stops"][0]["care_service"]["care_service_id"]
    onward = asked(capsys, "path", "imaging", "--from", doctor, "--seen")
    assert onward["stops"][0]["wait_s"] == 0
    assert asked(capsys, "path", "police", "--from", doctor, code=1)["stops"] == []
    assert directory_graph.main([*chain, "--demo"]) == 0
    assert "3 visits in" in capsys.readouterr().out


def test_a_closing_names_who_depends_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    heaviest = asked(capsys, "closing")[0]
    told = asked(capsys, "closing", heaviest["care_service"]["care_service_id"])
    assert len(told["losses"]) == heaviest["losses"] > 0
    assert told["care_service"]["service"] in told["losses"][0]["services"]
    assert directory_graph.main(["closing", "--demo"]) == 0
    assert heaviest["care_service"]["name"] in capsys.readouterr().out


def test_coverage_asks_for_free_places_only_when_told(capsys: pytest.CaptureFixture[str]) -> None:
    (wide,) = asked(capsys, "coverage", "cardiology")
    (soon,) = asked(capsys, "coverage", "cardiology", "--within", "4")
    (near,) = asked(capsys, "coverage", "cardiology", "--radius-km", "5")
    assert set(wide["communes_without"]) <= set(soon["communes_without"])
    assert set(wide["communes_without"]) < set(near["communes_without"])
    assert (wide["radius_m"], near["radius_m"], wide["communes"]) == (20_000, 5_000, 771)


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".svg", "<svg"), (".dot", "digraph"), (".json", "{")]
)
def test_a_drawing_is_written_as_the_name_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str, begins: str
) -> None:
    file = tmp_path / f"referrals{suffix}"
    heaviest = asked(capsys, "closing")[0]["care_service"]["care_service_id"]
    told = asked(capsys, "draw", str(file), "--around", heaviest)
    assert file.read_text("utf-8").startswith(begins)
    assert told == {"file": str(file), "nodes": told["nodes"], "edges": told["edges"]}
    assert asked(capsys, "draw", str(file), "--service", "police", code=1)["nodes"] == 0


def test_what_cannot_be_asked_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = "00000000-0000-0000-0000-000000000001"
    for words in (
        ["path", "magic", "--place", "Amiens"],
        ["path", "imaging", "--place", "Atlantis"],
        ["path", "imaging", "--from", nobody],
        ["path", "imaging", "--place", "Amiens", "--seen"],
        ["closing", nobody],
        ["coverage", "magic"],
        ["coverage", "cardiology", "--department", "XX"],
    ):
        with pytest.raises(Refusal):
            directory_graph.main([*words, "--demo"])
    with pytest.raises(SystemExit):
        directory_graph.main(["draw", "map.png", "--demo"])
    assert "ends in .svg" in capsys.readouterr().err


def test_a_length_of_time_is_written_in_whole_minutes() -> None:
    assert span(timedelta(days=1, hours=2, minutes=5, seconds=20)) == "1 d 2 h 5 min"
    assert span(timedelta()) == "0 min"
