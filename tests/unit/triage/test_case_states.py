import re
from pathlib import Path
from typing import get_args

import pytest

from triage.entitlement import fitting_priority, priority_table
from triage.model import TRANSITIONS, State, sources

STATES: tuple[State, ...] = get_args(State)
SCHEMA = Path(__file__).parents[3] / "triage" / "schema" / "0030_triage_cases.sql"


def test_the_table_names_every_state_and_the_schema_the_same() -> None:
    text = SCHEMA.read_text("utf-8")
    found = re.search(r"case_file_state_known check \(state in \(([^)]*)\)", text)
    assert found is not None
    assert set(re.findall(r"'(\w+)'", found[1])) == set(STATES) == set(TRANSITIONS)


@pytest.mark.parametrize("state", STATES)
def test_sources_are_the_table_read_backwards(state: State) -> None:
    assert set(sources(state)) == {one for one in STATES if state in TRANSITIONS[one]}


def test_every_state_is_reached_from_taken_and_can_be_closed() -> None:
    reached: set[State] = {"taken"}
    while more := {two for one in reached for two in TRANSITIONS[one]} - reached:
        reached |= more
    assert reached == set(STATES)
    assert set(sources("closed")) == set(STATES) - {"closed"}


def test_nothing_follows_closed_and_nothing_returns_to_taken() -> None:
    assert TRANSITIONS["closed"] == frozenset()
    assert sources("taken") == ()


def test_the_proposed_priority_of_a_level_is_the_first_allowed() -> None:
    assert fitting_priority("U0") == "P0"
    assert fitting_priority("U1") == "P1"
    assert fitting_priority(None) == "P2"
    assert set(priority_table().allowed) == {"U0", "U1", "U2", "U3", "U4", "U5"}
