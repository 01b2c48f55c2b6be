"""The best plan for all waiting needs at once: min-cost flow, one connected part at a time.

A need sends one unit to one of its slots or, at its penalty, straight to the end: it keeps
waiting. Slots pass what they take to their group, groups to the group around them, so that caps
of a clinic's day and rising prices of a fair share stay inside the flow and the answer stays
exact (nested limits keep the matrix totally unimodular).
"""

from typing import Final

import numpy as np
from ortools.graph.python import min_cost_flow

from routing.plan_instance import UNPLACED, Group, Instance, Ints, parts

_STEPS: Final = 64
"""Prices that differ are drawn as so many arcs of a group at most."""


class UnsolvedError(RuntimeError):
    """The solver refused a problem that always has an answer: a defect, never the data."""


def solve(instance: Instance) -> Ints:
    """Give the cheapest assignment.

    Args:
        instance: The problem.

    Returns:
        Slot index of each need or `UNPLACED`, shape (needs,).

    Raises:
        UnsolvedError: The solver failed.
    """
    chosen = np.full(len(instance.penalties), UNPLACED, np.int64)
    for part in parts(instance):
        if not len(part.slots):
            continue
        found = _solve_part(part.instance)
        placed = found != UNPLACED
        chosen[part.needs[placed]] = part.slots[found[placed]]
    return chosen


def _solve_part(instance: Instance) -> Ints:
    needs, slots = len(instance.penalties), len(instance.seats)
    end = needs + slots + len(instance.groups)
    solver = min_cost_flow.SimpleMinCostFlow()
    arcs = solver.add_arcs_with_capacity_and_unit_cost(
        instance.need, instance.slot + needs, np.ones_like(instance.need), instance.cost
    )
    each = np.arange(needs)
    solver.add_arcs_with_capacity_and_unit_cost(
        each, np.full(needs, end), np.ones(needs, np.int64), instance.penalties
    )
    after = np.where(instance.group_of >= 0, instance.group_of + needs + slots, end)
    solver.add_arcs_with_capacity_and_unit_cost(
        np.arange(slots) + needs, after, instance.seats, np.zeros(slots, np.int64)
    )
    for index, group in enumerate(instance.groups):
        outer = end if group.parent is None else group.parent + needs + slots
        for capacity, price in _steps(group, needs):
            solver.add_arc_with_capacity_and_unit_cost(
                index + needs + slots, outer, capacity, price
            )
    solver.set_nodes_supplies(np.append(each, end), np.append(np.ones(needs, np.int64), -needs))
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise UnsolvedError(str(status))
    used = solver.flows(arcs) > 0
    chosen = np.full(needs, UNPLACED, np.int64)
    chosen[instance.need[used]] = instance.slot[used]
    return chosen


def _steps(group: Group, needs: int) -> list[tuple[int, int]]:
    """Give the arcs of a group: how many patients each carries, and at what price."""
    capacity = min(group.capacity, needs)
    steps = [(1, price) for price in group.prices[: min(_STEPS, capacity)]]
    left = capacity - len(steps)
    if left > 0:
        steps.append((left, group.prices[-1] if group.prices else 0))
    return steps
