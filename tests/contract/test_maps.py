"""The maps of ARCHITECTURE.md: every module of a mapped room stands in it, and nothing else."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
SAID = re.compile(r"`([a-z][a-z0-9_]*)`")


def mapped(room: str) -> set[str]:
    """Give the words in code type of a room's map that could be modules."""
    section = PAGE.partition(f"## Where to find what in `{room}/`")[2].partition("\n## ")[0]
    return set(SAID.findall(section))


@pytest.mark.parametrize("room", ["triage"])
def test_every_module_of_a_large_room_stands_in_its_map(room: str) -> None:
    modules = {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__"}
    assert modules - mapped(room) == set()


@pytest.mark.parametrize("room", ["triage", "server"])
def test_a_map_names_no_module_that_is_gone(room: str) -> None:
    modules = {path.stem for path in ROOT.glob(f"{room}/**/*.py")}
    assert mapped(room) - modules - {"test", "rooms", "check"} == set()
