"""The same assignment solved by what people would use instead; each gives its total cost."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import networkx as nx
import numpy as np
from ortools.sat.python import cp_model
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, milp
from scipy.sparse import coo_array

from routing.plan_instance import Instance


def dense(instance: Instance) -> int:
    """Solve by SciPy's dense assignment, one private column for each need that stays unplaced."""
    needs, slots = len(instance.penalties), len(instance.seats)
    never = int(instance.penalties.max()) * 4
    costs = np.full((needs, slots + needs), never, np.int64)
    costs[instance.need, instance.slot] = instance.cost
    costs[np.arange(needs), slots + np.arange(needs)] = instance.penalties
    rows, columns = linear_sum_assignment(costs)
    return int(costs[rows, columns].sum())


def cp_sat(instance: Instance) -> int:
    """Solve by CP-SAT, one literal an arc."""
    model = cp_model.CpModel()
    needs, slots = len(instance.penalties), len(instance.seats)
    arcs = [model.new_bool_var("") for _ in instance.need]
    left = [model.new_bool_var("") for _ in range(needs)]
    of_need: list[list[cp_model.IntVar]] = [[one] for one in left]
    of_slot: list[list[cp_model.IntVar]] = [[] for _ in range(slots)]
    for arc, need, slot in zip(arcs, instance.need, instance.slot, strict=True):
        of_need[need].append(arc)
        of_slot[slot].append(arc)
    for literals in of_need:
        model.add_exactly_one(literals)
    for literals in of_slot:
        if len(literals) > 1:
            model.add_at_most_one(literals)
    weights = [*instance.cost.tolist(), *instance.penalties.tolist()]
    model.minimize(cp_model.LinearExpr.weighted_sum([*arcs, *left], weights))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    solver.solve(model)
    return round(solver.objective_value)


def highs(instance: Instance) -> int:
    """Solve by HiGHS, through SciPy, as a mixed integer program."""
    needs, slots, arcs = len(instance.penalties), len(instance.seats), len(instance.need)
    columns = np.concatenate([np.arange(arcs), np.arange(arcs), arcs + np.arange(needs)])
    rows = np.concatenate([instance.need, needs + instance.slot, np.arange(needs)])
    matrix = coo_array((np.ones(len(rows)), (rows, columns)), shape=(needs + slots, arcs + needs))
    lower = np.concatenate([np.ones(needs), np.zeros(slots)])
    upper = np.concatenate([np.ones(needs), instance.seats])
    answer = milp(
        np.concatenate([instance.cost, instance.penalties]),
        constraints=LinearConstraint(matrix.tocsr(), lower, upper),
        bounds=Bounds(0, 1),
        integrality=np.ones(arcs + needs, np.int64),
    )
    if answer.fun is None:
        raise RuntimeError(answer.message)
    return round(answer.fun)


def networkx(instance: Instance) -> int:
    """Solve by networkx's network simplex."""
    needs, slots = len(instance.penalties), len(instance.seats)
    end = needs + slots
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_node(end, demand=needs)
    for need, penalty in enumerate(instance.penalties.tolist()):
        graph.add_node(need, demand=-1)
        graph.add_edge(need, end, capacity=1, weight=penalty)
    columns = (instance.need, instance.slot + needs, instance.cost)
    for need, slot, cost in zip(*(column.tolist() for column in columns), strict=True):
        graph.add_edge(need, slot, capacity=1, weight=cost)
    for slot in np.unique(instance.slot).tolist():
        graph.add_edge(needs + slot, end, capacity=int(instance.seats[slot]), weight=0)
    return int(nx.network_simplex(graph)[0])


PEERS: Final[Mapping[str, Callable[[Instance], int]]] = MappingProxyType(
    {
        "scipy_linear_sum_assignment": dense,
        "cp_sat": cp_sat,
        "highs": highs,
        "networkx_network_simplex": networkx,
    }
)
