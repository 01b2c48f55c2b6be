"""The table of a handoff's states, explored exhaustively: nobody is ever without an owner."""

import pytest

from events import model
from events.model import Command, Owner, State

SORTS = pytest.mark.parametrize("required", [True, False])


def reachable(start: State, *, required: bool) -> set[State]:
    table = model.transitions(acknowledgement_required=required)
    found, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        for (source, _), after in table.items():
            if source is state and after not in found:
                found.add(after)
                waiting.append(after)
    return found


@SORTS
def test_an_end_is_reachable_from_every_state_that_can_occur(*, required: bool) -> None:
    first = model.first_state(acknowledgement_required=required)
    for state in reachable(first, required=required):
        assert reachable(state, required=required) & model.END_STATES


@SORTS
def test_no_state_is_without_an_owner(*, required: bool) -> None:
    for state in State:
        assert model.owner(state, acknowledgement_required=required) in set(Owner)


@SORTS
def test_ends_are_final(*, required: bool) -> None:
    table = model.transitions(acknowledgement_required=required)
    assert not {source for source, _ in table} & model.END_STATES


def test_every_state_and_command_is_used_where_an_answer_is_required() -> None:
    table = model.transitions(acknowledgement_required=True)
    assert reachable(State.REQUESTED, required=True) == set(State)
    assert {command for _, command in table} == set(Command)


@SORTS
def test_a_command_leads_to_one_state_from_everywhere(*, required: bool) -> None:
    table = model.transitions(acknowledgement_required=required)
    for (_, command), after in table.items():
        assert after is model.target(command)


def test_silence_always_ends_with_somebody_on_duty() -> None:
    table = model.transitions(acknowledgement_required=True)
    for state in (State.REQUESTED, State.DELIVERED, State.SEEN):
        overdue = table[state, Command.EXPIRE]
        assert model.owner(table[overdue, Command.ESCALATE], acknowledgement_required=True) is (
            Owner.DUTY
        )


def test_only_acceptance_makes_the_receiver_responsible_where_an_answer_is_required() -> None:
    owned = {
        state
        for state in State
        if model.owner(state, acknowledgement_required=True) is Owner.RECEIVER
    }
    assert owned == {State.ACCEPTED, State.COMPLETED}


def test_delivery_never_accepts() -> None:
    table = model.transitions(acknowledgement_required=True)
    assert table[State.REQUESTED, Command.DELIVER] is State.DELIVERED
    assert (State.DELIVERED, Command.COMPLETE) not in table


def test_a_late_acceptance_still_takes_over() -> None:
    table = model.transitions(acknowledgement_required=True)
    for state in (State.OVERDUE, State.ESCALATED):
        assert table[state, Command.ACCEPT] is State.ACCEPTED


def test_a_published_slot_never_expires() -> None:
    commands = {command for _, command in model.transitions(acknowledgement_required=False)}
    assert not commands & {Command.EXPIRE, Command.ESCALATE}


def test_the_more_urgent_the_sooner_an_answer_is_due() -> None:
    times = [model.ANSWER_WITHIN[level] for level in ("U0", "U1", "U2", "U3", "U4", "U5")]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
