"""A seeded territory of waiting patients and free slots, and how others would place them.

Patients need one speciality each; slots belong to clinics of one speciality, twenty a clinic,
over fourteen days. The cost of a pair is the wait in quarter hours times the weight of the
urgency (1 to 16) plus the distance. A patient may have the cheapest slots and a seeded choice of
dearer ones: lists differ as language, access and skills make them differ.
"""

from typing import Final

import msgspec
import numpy as np

from routing.plan_instance import UNPLACED, Group, Instance, Ints

WEIGHTS: Final = np.array([1, 2, 4, 8, 16])
SHARES: Final = (0.25, 0.35, 0.25, 0.10, 0.05)
PENALTY: Final = 10_000_000
DAYS: Final = 14
QUARTERS: Final = 96
SIDE_KM: Final = 100
PER_CLINIC: Final = 20


class Territory(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An instance and what its comparisons need.

    Attributes:
        instance: With one seat a slot.
        start: Quarter hour of each slot.
        weight: Of each patient's urgency.
    """

    instance: Instance
    start: Ints
    weight: Ints


def territory(needs: int, slots: int, arcs: int, seed: int, *, day_cap: int | None) -> Territory:
    """Draw a territory.

    Args:
        needs: Patients who wait.
        slots: Free slots.
        arcs: Slots a patient may have.
        seed: Of everything.
        day_cap: Patients a clinic takes a day at most; None = no such limit.
    """
    rng = np.random.default_rng(seed)
    kinds = max(1, min(20, needs // 25))
    clinics = max(1, slots // PER_CLINIC)
    where, kind = rng.random((clinics, 2)) * SIDE_KM, rng.integers(0, kinds, clinics)
    clinic, start = rng.integers(0, clinics, slots), rng.integers(0, DAYS * QUARTERS, slots)
    home, wants = rng.random((needs, 2)) * SIDE_KM, rng.integers(0, kinds, needs)
    weight = rng.choice(WEIGHTS, needs, p=SHARES)
    rows: list[Ints] = []
    for need in range(needs):
        fit = np.flatnonzero(kind[clinic] == wants[need])
        far = np.hypot(*(where[clinic[fit]] - home[need]).T)
        cost = weight[need] * start[fit] + (far * 20).astype(np.int64)
        order = np.argsort(cost, kind="stable")[: 8 * arcs]
        count = min(arcs, len(order))
        near = order[: count // 2]
        rest = rng.choice(order[count // 2 :], count - len(near), replace=False)
        taken = np.concatenate([near, rest]).astype(np.int64)
        rows.append(np.stack([np.full(count, need), fit[taken], cost[taken]]))
    need, slot, cost = np.concatenate(rows, axis=1).astype(np.int64)
    day = clinic * DAYS + start // QUARTERS
    instance = Instance(
        penalties=np.full(needs, PENALTY, np.int64),
        seats=np.ones(slots, np.int64),
        need=need,
        slot=slot,
        cost=cost,
        group_of=np.full(slots, UNPLACED, np.int64) if day_cap is None else day,
        groups=() if day_cap is None else (Group(capacity=day_cap),) * (clinics * DAYS),
    )
    return Territory(instance=instance, start=start, weight=weight)


def first_come(place: Territory) -> Ints:
    """Give each patient, in the order of calling, the earliest slot that is left."""
    return _one_by_one(place, range(len(place.weight)), place.start[place.instance.slot])


def by_urgency(place: Territory) -> Ints:
    """Give each patient, the most urgent first, the cheapest slot that is left."""
    order = np.argsort(-place.weight, kind="stable")
    return _one_by_one(place, order.tolist(), place.instance.cost)


def _one_by_one(place: Territory, order: range | list[int], wish: Ints) -> Ints:
    instance = place.instance
    ends = np.searchsorted(instance.need, np.arange(len(instance.penalties) + 1))
    free = instance.seats.copy()
    room = [group.capacity for group in instance.groups]
    chosen = np.full(len(instance.penalties), UNPLACED, np.int64)
    for need in order:
        arcs = slice(ends[need], ends[need + 1])
        for slot in instance.slot[arcs][np.argsort(wish[arcs], kind="stable")]:
            group = int(instance.group_of[slot])
            if free[slot] and (group < 0 or room[group]):
                free[slot] -= 1
                chosen[need] = slot
                if group >= 0:
                    room[group] -= 1
                break
    return chosen
