"""State tables: what is settled stays settled, and the schema knows the same states."""

import re
from pathlib import Path

import pytest

from routing import model
from routing.model import AppointmentState, AppointmentVerb, ReferralState, ReferralVerb

SCHEMA = (Path(model.__file__).parent / "schema" / "0040_routing_places.sql").read_text("utf-8")


def known(constraint: str) -> set[str]:
    """Give the states that a check of the schema allows."""
    match = re.search(rf"{constraint}\s+check \(state in\s+\(([^)]*)\)", SCHEMA)
    assert match is not None, constraint
    return set(re.findall(r"'(\w+)'", match[1]))


@pytest.mark.parametrize(
    ("constraint", "states"),
    [
        ("hold_state_known", model.HoldState),
        ("appointment_state_known", AppointmentState),
        ("referral_state_known", ReferralState),
        ("waiting_entry_state_known", model.WaitingState),
    ],
)
def test_the_schema_allows_exactly_the_states_of_the_model(
    constraint: str, states: type[model.HoldState]
) -> None:
    assert known(constraint) == {state.value for state in states}


def test_the_schema_refuses_the_same_number_of_holds_as_the_model() -> None:
    assert f"cardinality(live) <= {model.HOLDS_PER_ACTOR}" in SCHEMA


def test_a_settled_appointment_never_changes_again() -> None:
    sources = {state for state, _ in model.APPOINTMENT_TRANSITIONS}
    assert sources == {AppointmentState.PENDING, AppointmentState.BOOKED}


def test_an_ended_referral_never_changes_again() -> None:
    sources = {state for state, _ in model.REFERRAL_TRANSITIONS}
    assert sources == {ReferralState.SENT, ReferralState.ACCEPTED}


def test_every_state_can_be_reached_and_every_verb_is_used() -> None:
    reached = set(model.APPOINTMENT_TRANSITIONS.values()) | {AppointmentState.PENDING}
    assert reached == set(AppointmentState)
    assert {verb for _, verb in model.APPOINTMENT_TRANSITIONS} == set(AppointmentVerb)
    assert set(model.REFERRAL_TRANSITIONS.values()) | {ReferralState.SENT} == set(ReferralState)
    assert {verb for _, verb in model.REFERRAL_TRANSITIONS} == set(ReferralVerb)


@pytest.mark.parametrize(
    ("verb", "states"),
    [
        (AppointmentVerb.CANCEL, ("booked", "pending")),
        (AppointmentVerb.CONFIRM, ("pending",)),
        (AppointmentVerb.FULFIL, ("booked",)),
        (AppointmentVerb.MISS, ("booked",)),
    ],
)
def test_where_clauses_hold_the_states_of_the_table(
    verb: AppointmentVerb, states: tuple[str, ...]
) -> None:
    assert model.before(verb) == states


def test_a_receiver_may_not_complete_what_nobody_accepted() -> None:
    assert model.referral_before(ReferralVerb.COMPLETE) == ("accepted",)
