"""A second look at every plan, before anything of it is proposed.

It shares no code with the solvers and believes nothing they say: each hard constraint is counted
again from the problem itself.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from routing.plan_instance import UNPLACED, Instance

Rule: TypeAlias = Literal[
    "need_missing", "slot_unknown", "pair_forbidden", "slot_overfull", "group_overfull"
]


class Violation(msgspec.Struct, frozen=True):
    """One broken constraint.

    Attributes:
        rule: Which.
        index: Of the need, slot or group that it is about.
    """

    rule: Rule
    index: int


def violations(instance: Instance, chosen: Sequence[int]) -> list[Violation]:
    """Give every hard constraint that an assignment breaks; empty = it may be proposed.

    Args:
        instance: The problem.
        chosen: Slot index of each need or `UNPLACED`, in the order of the needs.
    """
    if len(chosen) != len(instance.penalties):
        return [Violation("need_missing", min(len(chosen), len(instance.penalties)))]
    found: list[Violation] = []
    allowed = set(zip(instance.need.tolist(), instance.slot.tolist(), strict=True))
    used: Counter[int] = Counter()
    for need, slot in enumerate(chosen):
        if slot == UNPLACED:
            continue
        if not 0 <= slot < len(instance.seats):
            found.append(Violation("slot_unknown", need))
            continue
        if (need, slot) not in allowed:
            found.append(Violation("pair_forbidden", need))
        used[slot] += 1
    for slot, count in sorted(used.items()):
        if count > instance.seats[slot]:
            found.append(Violation("slot_overfull", slot))
    return found + _overfull_groups(instance, used)


def _overfull_groups(instance: Instance, used: Counter[int]) -> list[Violation]:
    loads: Counter[int] = Counter()
    for slot, count in used.items():
        group: int | None = int(instance.group_of[slot])
        while group is not None and group >= 0:
            loads[group] += count
            group = instance.groups[group].parent
    return [
        Violation("group_overfull", index)
        for index, count in sorted(loads.items())
        if count > instance.groups[index].capacity
    ]
