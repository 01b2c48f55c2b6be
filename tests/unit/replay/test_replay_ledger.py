"""The book-keeping on which a replay's invariants are checked."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.replay_ledger import (
    EXPECTED,
    Ending,
    Inbox,
    NumberedEvent,
    Steps,
    invariants,
    totals,
    twice,
    unannounced,
)
from server.replay_policy import NO_LEVEL, TABLE, decide

ONE = UUID(int=1)
SLOT = UUID(int=9)


def event(number: int, kind: str = "case.opened", name: str = "") -> NumberedEvent:
    return NumberedEvent(number=number, id=name or str(number), kind=kind, subject="c")


def ending(**changes: object) -> Ending:
    whole = Ending(
        source_id="a",
        journey="j",
        case_id=ONE,
        acuity="U3",
        outcome="appointment",
        responsible=(ONE,),
        dispositions=1,
        seat=(SLOT, 0),
    )
    return msgspec.structs.replace(whole, **changes)


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)))
def test_a_gap_is_seen_whatever_the_order_of_arrival(order: list[int], gone: set[int]) -> None:
    inbox = Inbox()
    for number in order:
        if number not in gone:
            inbox.receive(event(number))

    highest = max(set(order) - gone, default=0)
    assert inbox.missing() == sorted(n for n in gone if n < highest)
    assert inbox.whole_up_to == min((n - 1 for n in gone if n <= 11), default=11)


def test_the_same_event_twice_counts_once() -> None:
    inbox = Inbox()
    inbox.receive(event(1))

    assert not inbox.receive(event(1))
    assert (len(inbox), inbox.repeated, inbox.contradictions()) == (1, 1, ())


def test_two_events_under_one_number_contradict() -> None:
    inbox = Inbox()
    inbox.receive(event(1, name="x"))
    inbox.receive(event(1, name="y"))

    assert inbox.contradictions() == (1,)


def test_a_seat_held_by_two_cases_is_found() -> None:
    assert twice([ending(), ending(source_id="b", case_id=SLOT)]) == [(SLOT, 0)]
    assert twice([ending(), ending(seat=(SLOT, 1)), ending(seat=None)]) == []


@pytest.mark.parametrize("kind", EXPECTED["appointment"])
def test_each_expected_event_is_missed_when_it_does_not_come(kind: str) -> None:
    others = {one.split("|")[0] for one in EXPECTED["appointment"] if one != kind}

    assert unannounced([ending()], {"j": frozenset(others)}) == [("a", (kind,))]


@pytest.mark.parametrize("kind", ["appointment.booked", "appointment.pending"])
def test_a_pending_appointment_is_announced_as_well(kind: str) -> None:
    received = {one for one in EXPECTED["appointment"] if "|" not in one} | {kind}

    assert unannounced([ending()], {"j": frozenset(received)}) == []


def test_what_others_cause_later_belongs_to_the_journey_of_the_case() -> None:
    inbox = Inbox()
    for number, (kind, journey) in enumerate(
        [("call.received", "j"), ("case.opened", "j"), ("handoff.accepted", "receiver")], start=1
    ):
        subject = "" if kind == "call.received" else "p"
        inbox.receive(
            NumberedEvent(number=number, id=kind, kind=kind, subject=subject, journey=journey)
        )

    expected = {"call.received", "case.opened", "handoff.accepted"}
    assert inbox.kinds_by_journey() == {"j": expected}


def broken(endings: list[Ending], *, expected: int = 1, silent: int = 0) -> set[str]:
    figures = invariants(endings, expected=expected, inbox=Inbox(), silent=silent)
    return {figure.name for figure in figures if figure.met is False}


def test_each_planted_fault_breaks_its_invariant() -> None:
    assert broken([ending()]) == set()
    assert broken([]) == {"lost"}
    assert broken([ending(), ending()], expected=2) == {"booked_twice"}
    assert broken([ending(dispositions=0)]) == {"without_disposition"}
    assert broken([ending(responsible=())]) == {"not_one_responsible"}
    assert broken([ending(responsible=(ONE, SLOT))]) == {"not_one_responsible"}
    assert broken([ending()], silent=1) == {"unannounced"}


def test_totals_are_per_level_and_outcome() -> None:
    figures = totals([ending(), ending(), ending(acuity="none", outcome="waiting"), ending()])

    assert [(figure.name, figure.value) for figure in figures] == [
        ("cases.U3.appointment", 3),
        ("cases.none.waiting", 1),
    ]


def test_each_step_gives_three_percentiles_in_milliseconds() -> None:
    steps = Steps()
    for i in range(100):
        steps.add("offer", (i + 1) / 1000)

    assert [(figure.name, figure.value) for figure in steps.figures()] == [
        ("step.offer.p50", 50.0),
        ("step.offer.p95", 95.0),
        ("step.offer.p99", 99.0),
    ]


def test_a_more_severe_level_is_never_answered_with_less() -> None:
    order = ["referral", "referral", "appointment", "appointment", "appointment", "advice"]

    assert [TABLE[level].engagement for level in sorted(TABLE)] == order
    assert TABLE["U2"].otherwise == "referral"


def test_no_level_is_seen_rather_than_advised() -> None:
    assert decide(None) is NO_LEVEL
    assert NO_LEVEL.engagement == "appointment"
    assert NO_LEVEL.reason
