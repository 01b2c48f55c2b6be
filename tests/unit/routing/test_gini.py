"""The Gini coefficient: none when all have the same, order and unit don't matter, transfers do."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.fairness import Share, gini, grouped
from server.routing_fairness import text

AMOUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=30)


def test_known_values() -> None:
    assert gini([]) == gini([0, 0]) == gini([7]) == gini([3, 3, 3]) == 0
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert gini([1, 2, 3, 4]) == pytest.approx(0.25)


@given(AMOUNTS)
def test_it_is_half_the_mean_difference_over_the_mean(amounts: list[int]) -> None:
    count, total = len(amounts), sum(amounts)
    apart = sum(abs(one - other) for one in amounts for other in amounts)
    wanted = apart / (2 * count * total) if total else 0.0
    assert gini(amounts) == pytest.approx(wanted, abs=1e-9)
    assert gini([3 * one for one in reversed(amounts)]) == pytest.approx(wanted, abs=1e-9)


@given(AMOUNTS)
def test_giving_from_the_richest_to_the_poorest_never_raises_it(amounts: list[int]) -> None:
    ordered = sorted(amounts)
    moved = (ordered[-1] - ordered[0]) // 2
    ordered[0] += moved
    ordered[-1] -= moved
    assert gini(ordered) <= gini(amounts) + 1e-9


def share(number: int, service: str, first: int, lottery: float) -> Share:
    return Share(
        territory_id=UUID(int=1), service=service, care_service_id=UUID(int=number),
        in_reach=9, shown=5, first=first, lottery=lottery,
    )  # fmt: skip


def test_only_those_of_one_service_are_compared_and_the_favoured_stand_on_top() -> None:
    groups = grouped([share(1, "b", 0, 2.0), share(2, "b", 4, 2.0), share(3, "a", 1, 1.0)])
    assert [(one.service, one.offers) for one in groups] == [("a", 1), ("b", 4)]
    assert [one.care_service_id.int for one in groups[1].shares] == [2, 1]
    assert (groups[1].gini_first, groups[1].gini_lottery) == (0.5, 0.0)


def test_the_text_shows_one_care_service_with_the_figures_of_its_group() -> None:
    groups = grouped([share(number, "b", number, 2.0) for number in range(1, 9)])
    one = text(groups, 30, UUID(int=3), 10)
    assert one.count("by lots") == 2
    assert str(UUID(int=3)) in one
    assert text(groups, 30, None, 2).count("in reach     9") == 4
    assert text(groups, 30, UUID(int=99), 2) == "No offer with a place in the last 30 days.\n"
