"""What a plan must decide: waiting needs, free slots, the arcs between them and their costs.

Pure arrays, so that a whole territory fits and a solver reads it without a Python loop. A pair
that a hard constraint forbids has no arc: no cost can buy it.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints: TypeAlias = npt.NDArray[np.int64]

UNPLACED: Final = -1
"""In an assignment: the need keeps waiting."""
DEAREST: Final = 1 << 40
"""No cost or penalty reaches this: sums over a million needs stay within 64 bits."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on several slots together: a clinic's day, a practitioner's fair share.

    Attributes:
        capacity: Patients the group takes at most.
        parent: Index of the group that holds this one; it has a lower index. None = outermost.
        prices: What the first, second, ... patient costs on top, never falling; the last price
            holds for all further ones. Empty = nothing.
    """

    capacity: int
    parent: int | None = None
    prices: tuple[int, ...] = ()


class Instance(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One assignment problem.

    Attributes:
        penalties: Cost of each need when it is left unplaced, shape (needs,).
        seats: Free seats of each slot, shape (slots,).
        need: Need index of each arc, shape (arcs,), ascending.
        slot: Slot index of each arc, shape (arcs,); no pair twice.
        cost: Cost of each arc, 0 or more, shape (arcs,).
        group_of: Innermost group of each slot or -1, shape (slots,).
        groups: Limits, parents before children.
    """

    penalties: Ints
    seats: Ints
    need: Ints
    slot: Ints
    cost: Ints
    group_of: Ints
    groups: tuple[Group, ...] = ()


def total(instance: Instance, chosen: Ints) -> int:
    """Give the cost of an assignment, prices of groups included.

    Args:
        instance: The problem.
        chosen: Slot index of each need or `UNPLACED`, shape (needs,).

    Raises:
        ValueError: A need is given a slot to which it has no arc.
    """
    placed = chosen[instance.need] == instance.slot
    if int(placed.sum()) != int((chosen != UNPLACED).sum()):
        message = "a need has a slot to which it has no arc"
        raise ValueError(message)
    arcs = int(instance.cost[placed].sum())
    unplaced = int(instance.penalties[chosen == UNPLACED].sum())
    loads = group_loads(instance, chosen)
    priced = zip(instance.groups, loads, strict=True)
    return arcs + unplaced + sum(_price(group, load) for group, load in priced)


def group_loads(instance: Instance, chosen: Ints) -> list[int]:
    """Give how many patients each group takes, those of its inner groups included.

    Args:
        instance: The problem.
        chosen: Slot index of each need or `UNPLACED`, shape (needs,).
    """
    loads = [0] * len(instance.groups)
    inner = instance.group_of[chosen[chosen != UNPLACED]]
    for index, count in zip(*np.unique(inner[inner >= 0], return_counts=True), strict=True):
        loads[int(index)] = int(count)
    for index in range(len(loads) - 1, -1, -1):
        parent = instance.groups[index].parent
        if parent is not None:
            loads[parent] += loads[index]
    return loads


def _price(group: Group, load: int) -> int:
    if not group.prices:
        return 0
    known = group.prices[:load]
    return sum(known) + group.prices[-1] * (load - len(known))


class Part(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A connected part of a problem, which can be solved alone.

    Attributes:
        instance: With indexes of its own.
        needs: Index in the whole of each need of the part.
        slots: Index in the whole of each slot of the part.
    """

    instance: Instance
    needs: Ints
    slots: Ints


def parts(instance: Instance) -> Iterator[Part]:
    """Split a problem where no arc and no group ties it together; parts without a need are left.

    Args:
        instance: The whole.
    """
    labels, count = _labels(instance)
    needs, slots, groups = np.split(
        labels, np.cumsum([len(instance.penalties), len(instance.seats)])
    )
    need_order, need_ends = _sorted(needs, count)
    slot_order, slot_ends = _sorted(slots, count)
    arc_order, arc_ends = _sorted(needs[instance.need], count)
    group_order, group_ends = _sorted(groups, count)
    new_need, new_slot = np.empty_like(needs), np.empty_like(slots)
    for label in range(count):
        mine = need_order[need_ends[label] : need_ends[label + 1]]
        if not len(mine):
            continue
        theirs = slot_order[slot_ends[label] : slot_ends[label + 1]]
        arcs = arc_order[arc_ends[label] : arc_ends[label + 1]]
        limits = group_order[group_ends[label] : group_ends[label + 1]]
        group_of, inner = _grouped(instance, theirs, limits)
        new_need[mine], new_slot[theirs] = np.arange(len(mine)), np.arange(len(theirs))
        yield Part(
            instance=Instance(
                penalties=instance.penalties[mine],
                seats=instance.seats[theirs],
                need=new_need[instance.need[arcs]],
                slot=new_slot[instance.slot[arcs]],
                cost=instance.cost[arcs],
                group_of=group_of,
                groups=inner,
            ),
            needs=mine,
            slots=theirs,
        )


def _labels(instance: Instance) -> tuple[Ints, int]:
    needs, slots = len(instance.penalties), len(instance.seats)
    size = needs + slots + len(instance.groups)
    grouped = np.flatnonzero(instance.group_of >= 0)
    inner = [n for n, one in enumerate(instance.groups) if one.parent is not None]
    outer = [one.parent for one in instance.groups if one.parent is not None]
    ends = np.array(inner, np.int64), np.array(outer, np.int64)
    rows = np.concatenate([instance.need, grouped + needs, ends[0] + needs + slots])
    columns = np.concatenate(
        [
            instance.slot + needs,
            instance.group_of[grouped] + needs + slots,
            ends[1] + needs + slots,
        ]
    )
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(size, size))
    count, labels = connected_components(graph, directed=False)
    return labels.astype(np.int64), int(count)


def _sorted(labels: Ints, count: int) -> tuple[Ints, Ints]:
    order = np.argsort(labels, kind="stable")
    return order, np.searchsorted(labels[order], np.arange(count + 1))


def _grouped(instance: Instance, slots: Ints, limits: Ints) -> tuple[Ints, tuple[Group, ...]]:
    if not len(limits):
        return np.full(len(slots), UNPLACED, np.int64), ()
    new = {int(old): index for index, old in enumerate(limits)}
    groups = tuple(
        msgspec.structs.replace(one, parent=None if one.parent is None else new[one.parent])
        for one in (instance.groups[int(old)] for old in limits)
    )
    inner = [new.get(int(old), -1) for old in instance.group_of[slots]]
    return np.array(inner, np.int64), groups
