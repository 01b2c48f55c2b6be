"""Plans: the flow is the cheapest there is, and the kept plan equals it after every change."""

import itertools
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from routing import plan_check, plan_flow
from routing.plan_instance import UNPLACED, Group, Instance, Ints, group_loads, parts, total
from routing.plan_online import OnlinePlan

SEEDS = st.integers(0, 2**32 - 1)


def instance(
    costs: Mapping[int, Mapping[int, int]],
    penalties: Mapping[int, int],
    seats: Mapping[int, int],
    group_of: Mapping[int, int] | None = None,
    groups: tuple[Group, ...] = (),
) -> Instance:
    needs, slots = sorted(costs), sorted(seats)
    index = {slot: n for n, slot in enumerate(slots)}
    arcs = [
        (n, index[slot], cost) for n, need in enumerate(needs) for slot, cost in costs[need].items()
    ]
    columns = np.array(arcs, np.int64).reshape(-1, 3).T.copy()
    inner = [(group_of or {}).get(slot, -1) for slot in slots]
    return Instance(
        penalties=np.array([penalties[need] for need in needs], np.int64),
        seats=np.array([seats[slot] for slot in slots], np.int64),
        need=columns[0],
        slot=columns[1],
        cost=columns[2],
        group_of=np.array(inner, np.int64),
        groups=groups,
    )


def small(rng: random.Random, grouped: bool) -> Instance:
    needs, slots = rng.randrange(1, 5), rng.randrange(0, 4)
    groups = (
        (
            Group(capacity=rng.randrange(3), prices=(1, 7)),
            Group(capacity=rng.randrange(1, 4), parent=0, prices=(0, 3, 9)),
            Group(capacity=rng.randrange(1, 4), parent=0),
        )
        if grouped
        else ()
    )
    return instance(
        {
            n: {s: rng.randrange(12) for s in range(slots) if rng.random() < 0.7}
            for n in range(needs)
        },
        {n: rng.choice([3, 10, 1000]) for n in range(needs)},
        {s: rng.randrange(3) for s in range(slots)},
        {s: rng.randrange(-1, 3) for s in range(slots)} if grouped else None,
        groups,
    )


def brute(problem: Instance) -> int:
    """Try every assignment."""
    choices: list[list[int]] = [[UNPLACED] for _ in problem.penalties]
    for need, slot in zip(problem.need.tolist(), problem.slot.tolist(), strict=True):
        choices[need].append(slot)
    tried = (np.array(one, np.int64) for one in itertools.product(*choices))
    return min(total(problem, one) for one in tried if fits(problem, one))


def fits(problem: Instance, chosen: Ints) -> bool:
    used = np.bincount(chosen[chosen != UNPLACED], minlength=len(problem.seats))
    loads = group_loads(problem, chosen)
    return bool((used <= problem.seats).all()) and all(
        load <= group.capacity for load, group in zip(loads, problem.groups, strict=True)
    )


@given(SEEDS, st.booleans())
def test_the_flow_finds_what_trying_everything_finds(seed: int, grouped: bool) -> None:
    problem = small(random.Random(seed), grouped)
    chosen = plan_flow.solve(problem)
    assert plan_check.violations(problem, chosen.tolist()) == []
    assert total(problem, chosen) == brute(problem)


@given(SEEDS)
def test_the_flow_equals_the_dense_assignment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    needs, slots = int(rng.integers(1, 20)), int(rng.integers(20, 30))
    costs = rng.integers(0, 1000, (needs, slots))
    problem = Instance(
        penalties=np.full(needs, 10_000, np.int64),
        seats=np.ones(slots, np.int64),
        need=np.repeat(np.arange(needs), slots),
        slot=np.tile(np.arange(slots), needs),
        cost=costs.ravel(),
        group_of=np.full(slots, -1, np.int64),
    )
    rows, columns = linear_sum_assignment(costs)
    assert total(problem, plan_flow.solve(problem)) == costs[rows, columns].sum()


@given(SEEDS)
def test_parts_share_nothing_and_leave_no_arc_out(seed: int) -> None:
    problem = small(random.Random(seed), grouped=True)
    found = list(parts(problem))
    needs = [int(need) for part in found for need in part.needs]
    slots = [int(slot) for part in found for slot in part.slots]
    assert sorted(needs) == list(range(len(problem.penalties)))
    assert len(slots) == len(set(slots))
    assert sum(len(part.instance.need) for part in found) == len(problem.need)


@given(SEEDS)
def test_the_check_finds_each_planted_fault(seed: int) -> None:
    rng = random.Random(seed)
    problem = small(rng, grouped=True)
    chosen = plan_flow.solve(problem).tolist()
    need = rng.randrange(len(chosen))
    chosen[need] = rng.randrange(-1, len(problem.seats) + 1)
    arcs = zip(problem.need.tolist(), problem.slot.tolist(), strict=True)
    known = chosen[need] < len(problem.seats)
    permitted = chosen[need] == UNPLACED or (known and (need, chosen[need]) in set(arcs))
    sound = known and permitted and fits(problem, np.array(chosen, np.int64))
    assert (plan_check.violations(problem, chosen) == []) is sound


def test_a_plan_of_another_size_is_refused() -> None:
    problem = instance({0: {0: 1}}, {0: 9}, {0: 1})
    assert [one.rule for one in plan_check.violations(problem, [])] == ["need_missing"]


class Mirror:
    """The same changes made to a kept plan and to a plain description, solved anew each time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.plan: OnlinePlan[int, int] = OnlinePlan()
        self.costs: dict[int, dict[int, int]] = {}
        self.penalties: dict[int, int] = {}
        self.seats: dict[int, int] = {}
        self.ids = itertools.count()

    def add_need(self) -> None:
        need = next(self.ids)
        self.costs[need] = self.priced(self.seats)
        self.penalties[need] = self.rng.choice([5, 15, 100])
        self.plan.add_need(need, self.costs[need], self.penalties[need])

    def add_slot(self) -> None:
        slot = next(self.ids)
        self.seats[slot] = self.rng.randrange(4)
        wanted = self.priced(self.costs)
        for need, cost in wanted.items():
            self.costs[need][slot] = cost
        self.plan.add_slot(slot, self.seats[slot], wanted)

    def drop_need(self) -> None:
        if self.costs:
            need = self.rng.choice(sorted(self.costs))
            del self.costs[need], self.penalties[need]
            self.plan.drop_need(need)

    def drop_seat(self) -> None:
        free = sorted(slot for slot, seats in self.seats.items() if seats)
        if free:
            slot = self.rng.choice(free)
            self.seats[slot] -= 1
            self.plan.drop_seat(slot)

    def drop_slot(self) -> None:
        if self.seats:
            slot = self.rng.choice(sorted(self.seats))
            del self.seats[slot]
            for costs in self.costs.values():
                costs.pop(slot, None)
            self.plan.drop_slot(slot)

    def change(self) -> None:
        changes = (self.add_need, self.add_slot, self.drop_need, self.drop_seat, self.drop_slot)
        self.rng.choices(changes, (6, 4, 2, 2, 1))[0]()

    def best(self) -> int:
        problem = instance(self.costs, self.penalties, self.seats)
        return total(problem, plan_flow.solve(problem))

    def priced(self, others: Mapping[int, object]) -> dict[int, int]:
        return {one: self.rng.randrange(20) for one in others if self.rng.random() < 0.6}


@given(SEEDS)
def test_a_kept_plan_costs_what_solving_anew_costs_after_every_change(seed: int) -> None:
    mirror = Mirror(seed)
    for _ in range(25):
        mirror.change()
        assert mirror.plan.total() == mirror.best()
        taken = [slot for slot in mirror.plan.placed().values() if slot is not None]
        assert all(taken.count(slot) <= seats for slot, seats in mirror.seats.items())


@given(SEEDS)
def test_the_price_of_a_slot_is_what_the_others_lose_with_a_seat_of_it(seed: int) -> None:
    mirror = Mirror(seed)
    for _ in range(20):
        mirror.change()
    for slot in [one for one, seats in mirror.seats.items() if seats]:
        price, before = mirror.plan.price(slot), mirror.plan.total()
        mirror.plan.drop_seat(slot)
        assert mirror.plan.total() - before >= price >= 0
        mirror.seats[slot] -= 1
        assert mirror.plan.total() == mirror.best()


def test_a_slot_that_a_need_may_not_have_is_no_assignment() -> None:
    problem = instance({0: {0: 1}}, {0: 9}, {0: 1, 1: 1})
    with pytest.raises(ValueError, match="no arc"):
        total(problem, np.array([1], np.int64))
