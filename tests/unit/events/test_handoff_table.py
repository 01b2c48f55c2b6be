"""The table of a handoff's states, explored exhaustively: nobody is ever without an owner."""

from collections.abc import Iterator

import pytest

from events import ladder, model
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
        after = table[overdue, Command.ESCALATE]
        assert model.owner(after, acknowledgement_required=True, duty_named=True) is Owner.DUTY
        assert table[after, Command.ESCALATE] is State.ESCALATED
        assert table[after, Command.TAKE] is State.TAKEN


def test_only_acceptance_makes_the_receiver_responsible_where_an_answer_is_required() -> None:
    owned = {
        state
        for state in State
        if model.owner(state, acknowledgement_required=True) is Owner.RECEIVER
    }
    assert owned == {State.ACCEPTED, State.ARRIVED, State.COMPLETED}


def test_delivery_never_accepts() -> None:
    table = model.transitions(acknowledgement_required=True)
    assert table[State.REQUESTED, Command.DELIVER] is State.DELIVERED
    assert (State.DELIVERED, Command.COMPLETE) not in table


def test_a_late_acceptance_still_takes_over() -> None:
    table = model.transitions(acknowledgement_required=True)
    for state in (State.OVERDUE, State.ESCALATED, State.TAKEN):
        assert table[state, Command.ACCEPT] is State.ACCEPTED


def test_a_published_slot_never_expires() -> None:
    commands = {command for _, command in model.transitions(acknowledgement_required=False)}
    assert not commands & {Command.EXPIRE, Command.ESCALATE}


def test_the_more_urgent_the_sooner_an_answer_is_due() -> None:
    times = [
        ladder.shipped().answer_within(level) for level in ("U0", "U1", "U2", "U3", "U4", "U5")
    ]
    assert times == sorted(times)
    assert len(set(times)) == len(times)


# Two receivers are asked for one patient, in every order of everything that can happen.
Lease = tuple[State | None, bool]
"""State of one request (None: not sent yet), and whether a colleague on duty was named."""
Patient = tuple[Lease, Lease]


def holds(lease: Lease) -> bool:
    """Whether this receiver answers for the patient: what the index handoff_one_taker counts."""
    state, named = lease
    if state is None or state in model.END_STATES:
        return False
    return model.owner(state, acknowledgement_required=True, duty_named=named) is Owner.RECEIVER


def steps(patient: Patient) -> Iterator[tuple[str, Patient]]:
    """Everything that can happen next: the table, and what the database adds to it."""
    table = model.transitions(acknowledgement_required=True)
    for place in (0, 1):
        (state, named), other = patient[place], patient[1 - place]
        if state is None:
            yield f"{place} ask", arranged(place, (State.REQUESTED, False), other)
            continue
        for (source, command), after in table.items():
            if source is not state or (command is Command.ACCEPT and holds(other)):
                continue
            ways = (named, True) if command is Command.ESCALATE else (named,)
            for way in {True} if command is Command.TAKE else set(ways):
                yield f"{place} {command}", arranged(place, (after, way), other)
        if holds(other) and state in model.UNANSWERED:
            yield f"{place} superseded", arranged(place, (State.CANCELLED, named), other)


def arranged(place: int, lease: Lease, other: Lease) -> Patient:
    return (lease, other) if place == 0 else (other, lease)


def explored() -> dict[Patient, set[Patient]]:
    begin: Patient = ((None, False), (None, False))
    found: dict[Patient, set[Patient]] = {}
    waiting = [begin]
    while waiting:
        patient = waiting.pop()
        if patient in found:
            continue
        found[patient] = {after for _, after in steps(patient)}
        waiting.extend(found[patient])
    return found


EXPLORED = explored()


def over(patient: Patient) -> bool:
    return any(state is State.COMPLETED for state, _ in patient)


def test_every_order_of_two_requests_was_seen() -> None:
    assert len(EXPLORED) > 200
    assert {state for patient in EXPLORED for state, _ in patient} == {None, *State}


def test_at_every_instant_at_most_one_receiver_answers_for_the_patient() -> None:
    assert not [patient for patient in EXPLORED if holds(patient[0]) and holds(patient[1])]


def test_at_every_instant_each_lease_names_exactly_one_owner() -> None:
    for patient in EXPLORED:
        for state, named in patient:
            if state is not None:
                whose = model.owner(state, acknowledgement_required=True, duty_named=named)
                assert (whose is Owner.DUTY) <= named


def test_from_everywhere_the_patient_can_still_arrive_somewhere() -> None:
    good = {patient for patient in EXPLORED if over(patient)}
    grown = True
    while grown:
        more = {one for one, after in EXPLORED.items() if one not in good and after & good}
        grown, good = bool(more), good | more
    stuck = set(EXPLORED) - good
    # Only where both were refused or called off: routing owes a new place, a new request.
    assert all(state in model.END_STATES for one in stuck for state, _ in one)


def test_a_stale_request_never_blocks_another_receiver() -> None:
    for patient in EXPLORED:
        for place in (0, 1):
            stale, asked = patient[1 - place], patient[place]
            if stale[0] in {None, State.ACCEPTED, State.ARRIVED} or asked[0] is not State.SEEN:
                continue
            accepted = arranged(place, (State.ACCEPTED, asked[1]), stale)
            assert accepted in EXPLORED[patient]


def test_silence_of_everybody_never_rests_before_a_human() -> None:
    table = model.transitions(acknowledgement_required=True)
    clock = (Command.EXPIRE, Command.ESCALATE)
    for state in set(model.UNANSWERED):
        assert any((state, command) in table for command in clock)
