"""What the plan of all waiting needs costs, in time and beside what people do today.

Flow and kept plan against SciPy, CP-SAT, HiGHS and networkx on one seeded territory, interleaved,
medians; every exact engine must give the same total (exit 1). The cost of serving first come, and
of serving the most urgent first, is told in percent above the optimum. `--sabotage` lets the kept
plan lose one need's best slot: the difference must then be found.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks._plan_peers import PEERS
from benchmarks._waiting_territory import (
    PENALTY,
    Territory,
    by_urgency,
    first_come,
    territory,
)
from routing import plan_check, plan_flow
from routing.plan_instance import UNPLACED, Instance, Ints, total
from routing.plan_online import OnlinePlan
from server import report
from server.cli import version

SMALL = (200, 5000, 25)
LARGE = (5000, 50_000, 40)
NIGHT = (20_000, 200_000, 50)
DAY_CAP = 2
CHANGES = 500


def timed(work: Callable[[], object], rounds: int) -> float:
    """Give the median of the times of `rounds` runs, milliseconds."""
    return statistics.median(_once(work) for _ in range(rounds))


def _once(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def kept(instance: Instance, *, sabotage: bool) -> tuple[OnlinePlan[int, int], list[float]]:
    """Build a plan need by need; give it and the milliseconds of each insertion."""
    plan: OnlinePlan[int, int] = OnlinePlan()
    for slot, seats in enumerate(instance.seats.tolist()):
        plan.add_slot(slot, seats, {})
    spent: list[float] = []
    for need, costs in enumerate(wishes(instance)):
        if sabotage and need == 0:
            del costs[min(costs, key=costs.__getitem__)]
        spent.append(_once(lambda n=need, c=costs: plan.add_need(n, c, PENALTY)))  # type: ignore[misc]
    return plan, spent


def wishes(instance: Instance) -> list[dict[int, int]]:
    """Give the slots of each need with their costs."""
    ends = np.searchsorted(instance.need, np.arange(len(instance.penalties) + 1))
    slots, costs = instance.slot.tolist(), instance.cost.tolist()
    return [
        dict(zip(slots[a:b], costs[a:b], strict=True)) for a, b in itertools.pairwise(ends.tolist())
    ]


def changed(plan: OnlinePlan[int, int], instance: Instance) -> list[float]:
    """Let needs leave and come back; give the milliseconds of each of the two changes."""
    spent: list[float] = []
    whole = wishes(instance)
    for need in np.linspace(0, len(whole) - 1, min(CHANGES, len(whole)), dtype=int).tolist():
        spent.append(_once(lambda n=need: plan.drop_need(n)))  # type: ignore[misc]
        spent.append(_once(lambda n=need: plan.add_need(n, whole[n], PENALTY)))  # type: ignore[misc]
    return spent


def compared(size: tuple[int, int, int], seed: int, rounds: int) -> tuple[list[report.Figure], int]:
    """Time flow and peers on one territory without caps; count the totals that differ."""
    instance = territory(*size, seed, day_cap=None).instance
    best = total(instance, plan_flow.solve(instance))
    times: dict[str, list[float]] = {name: [] for name in ("flow", *PEERS)}
    wrong = 0
    for _ in range(rounds):
        times["flow"].append(_once(lambda: plan_flow.solve(instance)))
        for name, solve in PEERS.items():
            began = time.perf_counter()
            wrong += solve(instance) != best
            times[name].append((time.perf_counter() - began) * 1e3)
    middle = {name: statistics.median(spent) for name, spent in times.items()}
    name = f"plan.{size[0]}x{size[1]}.pure"
    figure = report.Figure(
        name=name,
        value=round(middle["flow"], 3),
        unit="ms",
        against={peer: round(middle["flow"] / middle[peer], 4) for peer in PEERS},
    )
    return [figure], wrong


def capped(size: tuple[int, int, int], seed: int, rounds: int, goal: str) -> list[report.Figure]:
    """Time the flow with caps by clinic and day, and compare its cost with serving one by one."""
    place = territory(*size, seed, day_cap=DAY_CAP)
    chosen = plan_flow.solve(place.instance)
    broken = len(plan_check.violations(place.instance, chosen.tolist()))
    name = f"plan.{size[0]}x{size[1]}"
    spent = timed(lambda: plan_flow.solve(place.instance), rounds)
    return [
        report.against_goal(f"{name}.caps", round(spent, 3), "ms", goal),
        report.against_goal(f"{name}.constraints_broken", broken, "constraints", "== 0"),
        *_beside(name, place, chosen),
    ]


def _beside(name: str, place: Territory, chosen: Ints) -> list[report.Figure]:
    """Tell what serving one by one costs more than the optimum, and whom it leaves unplaced."""
    best = total(place.instance, chosen)
    figures = [_unplaced(f"{name}.unplaced.optimum", chosen)]
    for who, way in (("first_come", first_come(place)), ("by_urgency", by_urgency(place))):
        more = (total(place.instance, way) / best - 1) * 100
        figures.append(report.Figure(name=f"{name}.more.{who}", value=round(more, 1), unit="%"))
        figures.append(_unplaced(f"{name}.unplaced.{who}", way))
    return figures


def _unplaced(name: str, way: Ints) -> report.Figure:
    return report.Figure(name=name, value=int((way == UNPLACED).sum()), unit="needs")


def online(
    size: tuple[int, int, int], seed: int, *, sabotage: bool
) -> tuple[list[report.Figure], int]:
    """Time insertions and departures; count the totals that differ from solving anew."""
    instance = territory(*size, seed, day_cap=None).instance
    plan, inserted = kept(instance, sabotage=sabotage)
    best = total(instance, plan_flow.solve(instance))
    wrong = int(plan.total() != best)
    spent = changed(plan, instance)
    wrong += int(plan.total() != best)
    name = f"online.{size[0]}"
    figures = [
        report.Figure(name=f"{name}.insert.p50", value=_share(inserted, 0.5), unit="ms"),
        report.against_goal(f"{name}.insert.p99", _share(inserted, 0.99), "ms", "<= 2"),
        report.against_goal(f"{name}.change.p99", _share(spent, 0.99), "ms", "<= 2"),
    ]
    return figures, wrong


def _share(spent: list[float], share: float) -> float:
    return round(report.percentile(spent, share), 4)


def main(arguments: list[str]) -> int:
    """Measure and report.

    Args:
        arguments: Options after the name.

    Returns:
        1 when two exact engines differ, 0 else.
    """
    parser = argparse.ArgumentParser(prog="./regul bench routing", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the small territory alone")
    parser.add_argument("--night", action="store_true", help="the largest territory too")
    parser.add_argument("--sabotage", action="store_true")
    given = parser.parse_args(arguments)
    figures, wrong = compared(SMALL, given.seed, given.rounds)
    figures += capped(SMALL, given.seed, given.rounds, "<= 10")
    size = SMALL if given.quick else LARGE
    added, differing = online(size, given.seed, sabotage=given.sabotage)
    figures += added
    wrong += differing
    if not given.quick:
        figures += capped(LARGE, given.seed, given.rounds, "<= 450")
    if given.night:
        figures += capped(NIGHT, given.seed, given.rounds, "<= 2000")
    figures.append(report.against_goal("totals_wrong", wrong, "totals", "== 0"))
    report.show(
        report.Report(
            name="bench routing",
            version=version(),
            machine=report.machine(),
            figures=figures,
            seed=given.seed,
            runs=given.rounds,
        ),
        json=given.json,
    )
    return 1 if wrong else 0
