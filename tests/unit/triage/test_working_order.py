from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from triage.acuity import SCALE, Acuity
from triage.working_order import WaitingCase, working_order

START = datetime(2026, 1, 1, tzinfo=UTC)


def waiting(
    number: int,
    *,
    assured: Acuity | None = None,
    worst: Acuity | None = "U3",
    proposed: Acuity | None = None,
    closed: bool = False,
    said: Acuity | None = None,
) -> WaitingCase:
    return WaitingCase(
        case_id=UUID(int=number),
        assured=assured,
        worst=worst,
        proposed=proposed or assured,
        closed=closed,
        said=said,
        opened_at=START + timedelta(minutes=number),
    )


levels = st.sampled_from([None, *SCALE])
cases = st.lists(
    st.builds(
        waiting,
        st.integers(0, 1000),
        assured=levels,
        worst=levels,
        proposed=levels,
        closed=st.booleans(),
        said=st.sampled_from([None, "U0", "U1"]),
    ),
    unique_by=lambda case: case.case_id,
)


def order(entries: list[WaitingCase]) -> list[int]:
    return [ranked.case_id.int for ranked in working_order(entries)]


def test_assured_urgent_first_then_open_urgent_oldest_first_then_the_rest() -> None:
    entries = [
        waiting(1, assured="U3", worst="U3", closed=True),
        waiting(2, assured="U4", worst="U1"),
        waiting(3, assured=None, worst="U0"),
        waiting(4, assured="U1", worst="U0"),
        waiting(5, assured="U0", worst="U0", closed=True),
        waiting(6, assured="U2", worst="U2", closed=True),
    ]
    assert order(entries) == [5, 4, 2, 3, 6, 1]


def test_only_open_cases_with_a_vital_worst_are_not_qualified() -> None:
    marks = {
        ranked.case_id.int: ranked.not_qualified
        for ranked in working_order(
            [
                waiting(1, assured="U4", worst="U1"),
                waiting(2, assured="U4", worst="U1", closed=True),
                waiting(3, assured="U1", worst="U0"),
                waiting(4, assured="U4", worst="U2"),
            ]
        )
    }
    assert marks == {1: True, 2: False, 3: False, 4: False}


@given(cases)
def test_only_an_assured_u0_sounds(entries: list[WaitingCase]) -> None:
    assured = {entry.case_id: entry.assured for entry in entries}
    for ranked in working_order(entries):
        assert ranked.sounds == (assured[ranked.case_id] == "U0")


def test_a_human_said_p0_ranks_first_and_does_not_sound() -> None:
    entries = [
        waiting(1, assured="U1"),
        waiting(2, assured="U4", said="U0"),
        waiting(3, worst="U0"),
    ]
    assert order(entries) == [2, 1, 3]
    assert not any(ranked.sounds for ranked in working_order(entries))


@given(cases)
def test_the_order_is_total_and_does_not_depend_on_arrival(entries: list[WaitingCase]) -> None:
    assert order(entries) == order(entries[::-1])
    assert sorted(order(entries)) == sorted(entry.case_id.int for entry in entries)
    assert [ranked.rank for ranked in working_order(entries)] == list(range(len(entries)))


@given(cases)
def test_no_milder_case_stands_before_an_assured_vital_one(entries: list[WaitingCase]) -> None:
    assured = {entry.case_id: entry.counts_as() for entry in entries}
    vital = [assured[ranked.case_id] in {"U0", "U1"} for ranked in working_order(entries)]
    assert vital == sorted(vital, reverse=True)
