"""A plan that stays the cheapest while needs and slots come and go, one at a time.

Each change costs one shortest augmenting path over kept prices (Jonker and Volgenant, 1987,
doi:10.1007/BF02278710, as dual-feasible successive shortest paths), not a new solve. After every
change the plan is an optimum of the pure problem; caps of groups are `plan_flow`'s.

Kept at all times, with u the worth of a need and v <= 0 the price of a slot:
    cost - u - v >= 0 on every arc, and 0 where the need has the slot;
    u <= penalty of the need, and equal while it is unplaced;
    v = 0 while a seat of the slot is free.
"""

import heapq
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

N = TypeVar("N")
S = TypeVar("S")
V = TypeVar("V")
_FAR: Final = 1 << 62


class OnlinePlan(Generic[N, S]):
    """The cheapest assignment of what waits now. Ids of needs and slots are the caller's."""

    def __init__(self) -> None:
        """Set up an empty plan."""
        self._costs: dict[N, dict[S, int]] = {}
        self._penalty: dict[N, int] = {}
        self._worth: dict[N, int] = {}
        self._place: dict[N, S | None] = {}
        self._wanted: dict[S, dict[N, int]] = {}
        self._seats: dict[S, int] = {}
        self._price: dict[S, int] = {}
        self._taken: dict[S, dict[N, None]] = {}

    def place(self, need: N) -> S | None:
        """Give the slot planned for a need; None while nothing fits it.

        Args:
            need: One of the plan.
        """
        return self._place[need]

    def placed(self) -> Mapping[N, S | None]:
        """Give the whole plan: every need with its slot."""
        return dict(self._place)

    def price(self, slot: S) -> int:
        """Give what a further patient in this slot would cost all the others, 0 or more.

        Args:
            slot: One of the plan.
        """
        return -self._price[slot]

    def total(self) -> int:
        """Give the cost of the plan."""
        return sum(
            self._penalty[need] if slot is None else self._costs[need][slot]
            for need, slot in self._place.items()
        )

    def add_need(self, need: N, costs: Mapping[S, int], penalty: int) -> None:
        """Take a new need in.

        Args:
            need: Not yet in the plan.
            costs: By slot of the plan, 0 or more; a slot that is not here is forbidden.
            penalty: Cost of leaving it unplaced, 0 or more.
        """
        self._costs[need] = dict(costs)
        self._penalty[need] = penalty
        for slot, cost in costs.items():
            self._wanted[slot][need] = cost
        self._place_need(need)

    def drop_need(self, need: N) -> None:
        """Let a need go: it has its appointment, or nobody waits any more.

        Args:
            need: One of the plan.
        """
        slot = self._place.pop(need)
        for one in self._costs.pop(need):
            del self._wanted[one][need]
        del self._penalty[need], self._worth[need]
        if slot is not None:
            del self._taken[slot][need]
            self._fill_seat(slot)

    def add_slot(self, slot: S, seats: int, costs: Mapping[N, int]) -> None:
        """Take a new slot in.

        Args:
            slot: Not yet in the plan.
            seats: How many patients it takes.
            costs: By need of the plan, 0 or more; a need that is not here may not have it.
        """
        self._wanted[slot] = dict(costs)
        for need, cost in costs.items():
            self._costs[need][slot] = cost
        cheapest = min((cost - self._worth[need] for need, cost in costs.items()), default=0)
        self._price[slot] = min(0, cheapest)
        self._seats[slot] = 0
        self._taken[slot] = {}
        for _ in range(seats):
            self._seats[slot] += 1
            self._fill_seat(slot)

    def drop_seat(self, slot: S) -> None:
        """Take one seat away: booked by somebody outside the plan, or withdrawn.

        Args:
            slot: With at least one seat.
        """
        self._seats[slot] -= 1
        taken = self._taken[slot]
        if len(taken) > self._seats[slot]:
            need = next(iter(taken))
            del taken[need]
            self._place_need(need)

    def drop_slot(self, slot: S) -> None:
        """Take a slot away with all its seats.

        Args:
            slot: One of the plan.
        """
        for need in self._wanted.pop(slot):
            del self._costs[need][slot]
        del self._seats[slot], self._price[slot]
        for need in self._taken.pop(slot):
            self._place_need(need)

    def _place_need(self, start: N) -> None:
        """Find the cheapest chain of moves that takes one unplaced need in."""
        self._worth[start] = 0  # a worth kept from before would make reduced costs negative
        self._place[start] = None
        search: _Search[S, N] = _Search()
        rows: dict[N, int] = {}
        loser, give_up = start, _FAR
        frontier: list[N] = [start]
        reach, goal = 0, None
        while True:
            for need in frontier:
                rows[need] = reach
                base = reach - self._worth[need]
                if base + self._penalty[need] < give_up:
                    loser, give_up = need, base + self._penalty[need]
                for slot, cost in self._costs[need].items():
                    search.reach(slot, base + cost - self._price[slot], need)
            found = search.settle(give_up)
            if found is None:
                reach = give_up
                break
            reach, slot = found
            if len(self._taken[slot]) < self._seats[slot]:
                goal = slot
                break
            frontier = list(self._taken[slot])
        for need, far in rows.items():
            self._worth[need] += reach - far
        for slot, far in search.settled.items():
            self._price[slot] -= reach - far
        self._shift(start, goal, loser, search.via)

    def _shift(self, start: N, goal: S | None, loser: N, via: Mapping[S, N]) -> None:
        """Move every need of the chain one slot on; without a goal the loser stays unplaced."""
        slot = goal
        if slot is None:
            slot = self._leave(loser)
        while slot is not None:
            need = via[slot]
            before = self._leave(need)
            self._taken[slot][need] = None
            self._place[need] = slot
            slot = None if need == start else before

    def _leave(self, need: N) -> S | None:
        slot = self._place[need]
        self._place[need] = None
        if slot is not None:
            del self._taken[slot][need]
        return slot

    def _fill_seat(self, start: S) -> None:
        """Give a free seat to whom it helps most, along the cheapest chain of moves."""
        if self._price[start] == 0 or len(self._taken[start]) >= self._seats[start]:
            return
        search: _Search[S, tuple[N, S]] = _Search()
        search.reach(start, 0, None)
        reach = _FAR
        step: tuple[N, S] | None = None
        while (found := search.settle(reach)) is not None:
            far, hole = found
            base = far - self._price[hole]
            if base < reach:
                reach, step = base, search.via.get(hole)
            for need, cost in self._wanted[hole].items():
                reached = base + cost - self._worth[need]
                slot = self._place[need]
                if slot is not None:
                    search.reach(slot, reached, (need, hole))
                elif reached < reach:
                    reach, step = reached, (need, hole)
        self._cheapen(search.settled, reach)
        while step is not None:
            need, hole = step
            self._leave(need)
            self._taken[hole][need] = None
            self._place[need] = hole
            step = search.via.get(hole)

    def _cheapen(self, settled: Mapping[S, int], reach: int) -> None:
        """Lower the price of every slot on the way of the free seat, and the worth inside it."""
        for slot, far in settled.items():
            if far < reach:
                self._price[slot] += reach - far
                for need in self._taken[slot]:
                    self._worth[need] -= reach - far


class _Search(Generic[S, V]):
    """Dijkstra's search over slots: how near each is and by what step it was reached.

    Attributes:
        settled: Distance of the slots whose shortest way is known.
        via: The last step to each slot that was reached by one.
    """

    def __init__(self) -> None:
        self.settled: dict[S, int] = {}
        self.via: dict[S, V] = {}
        self._near: dict[S, int] = {}
        self._heap: list[tuple[int, int, S]] = []

    def reach(self, slot: S, far: int, step: V | None) -> None:
        """Note a way to a slot when it is the shortest so far."""
        if far < self._near.get(slot, _FAR):
            self._near[slot] = far
            if step is not None:
                self.via[slot] = step
            # The second number keeps ids of the caller from being compared, and equals in order.
            heapq.heappush(self._heap, (far, len(self._heap) + len(self.settled), slot))

    def settle(self, within: int) -> tuple[int, S] | None:
        """Take the nearest slot that is not settled and nearer than `within`; None: no such."""
        while self._heap and self._heap[0][0] < within:
            far, _, slot = heapq.heappop(self._heap)
            if slot not in self.settled and far == self._near[slot]:
                self.settled[slot] = far
                return far, slot
        return None
