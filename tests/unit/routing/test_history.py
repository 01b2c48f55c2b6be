"""The checker of histories: silent on what may happen, and it finds each planted fault."""

import math
import random
import uuid
from collections.abc import Callable

import msgspec
import pytest

from directory.seat_states import SeatState
from routing import history
from routing.history import Operation, Version

SLOT = uuid.UUID(int=7)
FREE, HELD, BOOKED = SeatState.FREE, SeatState.HELD, SeatState.BOOKED
DISPLACED, WITHDRAWN = SeatState.DISPLACED, SeatState.WITHDRAWN
OFFSET = 1_000.0


class Story:
    """What truly happened to one seat, told by callers whose calls overlap."""

    def __init__(self, seed: int, length: int = 40) -> None:
        self.dice = random.Random(seed)
        self.operations: dict[str, Operation] = {}
        self.versions: list[Version] = []
        self.claims = 0
        self.write(FREE, None, self.ask("publish", 0.0, "ok"), 0.0)
        for number in range(length):
            self.step(1.0 + number * 0.3)

    def ask(self, verb: str, at: float, result: str, claim: uuid.UUID | None = None) -> str:
        """Somebody asked some time before, and heard some time after."""
        lived = self.dice.random() > 0.03
        key = f"{verb}{len(self.operations)}"
        self.operations[key] = Operation(
            id=key,
            verb=verb,
            slot_id=SLOT,
            claim=claim,
            called=at - self.dice.expovariate(3),
            returned=at + self.dice.expovariate(3) if lived else math.inf,
            result=result if lived else "",
        )
        return key

    def write(
        self, state: SeatState, claim: uuid.UUID | None, key: str, at: float, lasts: float = 0
    ) -> None:
        until = at + OFFSET + lasts if state is HELD else None
        self.versions.append(
            Version(
                slot_id=SLOT, seat=1, state=state, claim=claim, until=until, at=at + OFFSET,
                operation=key,
            )
        )  # fmt: skip

    def step(self, at: float) -> None:
        now = self.versions[-1]
        lapsed = now.until is not None and now.until <= at + OFFSET
        chance = self.dice.random()
        if now.state is WITHDRAWN:
            self.ask("hold", at, "slot_withdrawn")
        elif now.state is FREE or lapsed:
            self.claims += 1
            claim = uuid.UUID(int=self.claims)
            self.write(HELD, claim, self.ask("hold", at, "ok", claim), at, 2.0)
        elif chance < 0.4:
            self.ask("hold", at, "slot_taken")
        elif now.state is HELD and chance < 0.8:
            self.write(BOOKED, now.claim, self.ask("book", at, "ok", now.claim), at)
        elif now.state is DISPLACED:
            self.write(WITHDRAWN, None, self.ask("cancel", at, "ok", now.claim), at)
        elif chance < 0.97:
            verb = "cancel" if now.state is BOOKED else "release"
            self.write(FREE, None, self.ask(verb, at, "ok", now.claim), at)
        else:
            self.write(DISPLACED, now.claim, self.ask("withdraw", at, "ok"), at)

    def kinds(self) -> set[str]:
        found = history.check(self.versions, self.operations, offset=OFFSET)
        return {one.kind for one in found}


@pytest.mark.parametrize("block", range(4))
def test_what_may_happen_is_never_called_wrong(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        assert Story(seed).kinds() == set(), seed


def double(story: Story) -> bool:
    booked = [n for n, one in enumerate(story.versions) if one.state is BOOKED]
    if not booked:
        return False
    number, thief = story.dice.choice(booked), uuid.UUID(int=9999)
    was = story.versions[number]
    key = story.ask("hold", was.at - OFFSET, "ok", thief)
    taken = msgspec.structs.replace(was, state=HELD, claim=thief, operation=key, until=was.at + 2)
    story.versions.insert(number + 1, taken)
    return True


def lost(story: Story) -> bool:
    key = story.ask("book", 5.0, "ok", uuid.UUID(int=8888))
    story.operations[key].result = "ok"
    return True


def phantom(story: Story) -> bool:
    number = story.dice.randrange(1, len(story.versions))
    story.versions[number] = msgspec.structs.replace(story.versions[number], operation=None)
    return True


def refused_but_done(story: Story) -> bool:
    number = story.dice.randrange(1, len(story.versions))
    asked = story.operations[story.versions[number].operation or ""]
    asked.result, asked.returned = "slot_taken", min(asked.returned, 99.0)
    return True


def false_refusal(story: Story) -> bool:
    """Refused after the first publication was answered, before anybody asked for a place."""
    story.operations["publish0"].returned = 0.1
    for one in story.operations.values():
        if one.id != "publish0":
            one.called = max(one.called, 0.6)
    asked = story.operations[story.ask("hold", 0.5, "slot_taken")]
    asked.called, asked.returned, asked.result = 0.45, 0.55, "slot_taken"
    return True


def out_of_order(story: Story) -> bool:
    """Answered before what it followed was asked for."""
    number = story.dice.randrange(2, len(story.versions))
    asked = story.operations[story.versions[number].operation or ""]
    asked.called, asked.returned = -9.0, -8.0
    return story.operations[story.versions[number - 1].operation or ""].called > -8.0


FAULTS = (double, lost, phantom, refused_but_done, false_refusal, out_of_order)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found(fault: Callable[[Story], bool]) -> None:
    planted = 0
    for seed in range(80):
        story = Story(seed)
        if fault(story):
            planted += 1
            assert fault.__name__ in story.kinds(), (seed, story.kinds())
    assert planted > 40


def test_a_hold_whose_time_has_passed_may_be_taken_and_no_sooner() -> None:
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    operations = {
        "p": Operation(id="p", verb="publish", called=0, returned=1, result="ok"),
        "a": Operation(id="a", verb="hold", claim=first, called=1, returned=2, result="ok"),
        "b": Operation(id="b", verb="hold", claim=second, called=3, returned=5, result="ok"),
    }

    def version(
        state: SeatState, claim: uuid.UUID | None, until: float | None, at: float, key: str
    ) -> Version:
        return Version(
            slot_id=SLOT, seat=1, state=state, claim=claim, until=until, at=at, operation=key
        )

    def seen(at: float) -> list[Version]:
        return [
            version(FREE, None, None, 0.5, "p"),
            version(HELD, first, 4.0, 1.5, "a"),
            version(HELD, second, 9.0, at, "b"),
        ]

    assert history.check(seen(4.1), operations, offset=0.0) == []
    assert [one.kind for one in history.check(seen(3.9), operations, offset=0.0)] == ["double"]
