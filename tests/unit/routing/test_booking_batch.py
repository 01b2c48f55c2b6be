"""Who asks together shares a statement; nobody waits for a timer, and nobody is forgotten."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from kernel import errors
from routing.booking_batch import MOST, Gatherer


class Statements:
    """Stands for the database: answers when it is let."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []
        self.let = asyncio.Event()
        self.error: Exception | None = None

    async def act(self, scope: str, items: Sequence[int]) -> Mapping[int, int]:
        self.seen.append((scope, tuple(items)))
        await self.let.wait()
        if self.error is not None:
            raise self.error
        return {number: item * 10 for number, item in enumerate(items) if item >= 0}


async def test_who_comes_alone_goes_at_once_and_who_comes_meanwhile_goes_together() -> None:
    statements = Statements()
    gatherer: Gatherer[str, int, int] = Gatherer(statements.act, lanes=1)
    tasks = [asyncio.create_task(gatherer.submit("a", number)) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert statements.seen == [("a", (0,))]
    statements.let.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40]
    assert statements.seen[1:] == [("a", (1, 2, 3, 4))]


async def test_scopes_never_share_a_statement_and_none_starves() -> None:
    statements = Statements()
    gatherer: Gatherer[str, int, int] = Gatherer(statements.act, lanes=1)
    wanted = [("a", number) for number in range(2 * MOST)] + [("b", 7)]
    tasks = [asyncio.create_task(gatherer.submit(*one)) for one in wanted]
    await asyncio.sleep(0)
    statements.let.set()
    assert await asyncio.gather(*tasks) == [number * 10 for _, number in wanted]
    assert all(len(items) <= MOST for _, items in statements.seen)
    scopes = [scope for scope, _ in statements.seen]
    assert scopes == ["a", "a", "b", "a"]


async def test_an_item_that_left_nothing_behind_costs_the_others_nothing() -> None:
    statements = Statements()
    statements.let.set()
    gatherer: Gatherer[str, int, int] = Gatherer(statements.act, lanes=1)
    told = await asyncio.gather(*(gatherer.submit("a", one) for one in (1, 2, -3, 4)))
    assert told == [10, 20, None, 40]


async def test_a_statement_that_failed_leaves_each_to_ask_again() -> None:
    statements = Statements()
    statements.let.set()
    statements.error = errors.Unavailable("database_away", "away", 1)
    gatherer: Gatherer[str, int, int] = Gatherer(statements.act, lanes=2)
    told = await asyncio.gather(*(gatherer.submit("a", one) for one in range(4)))
    assert told == [None] * 4
    statements.error = None
    assert await gatherer.submit("a", 5) == 50


async def test_who_goes_away_stops_neither_the_statement_nor_the_others() -> None:
    statements = Statements()
    gatherer: Gatherer[str, int, int] = Gatherer(statements.act, lanes=1)
    gone = asyncio.create_task(gatherer.submit("a", 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(gatherer.submit("a", one)) for one in (2, 3)]
    await asyncio.sleep(0)
    gone.cancel()
    waiting[0].cancel()
    statements.let.set()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await waiting[1] == 30
    assert statements.seen == [("a", (1,)), ("a", (2, 3))]


async def test_a_fault_of_ours_is_told_to_everybody_and_the_next_goes_on() -> None:
    statements = Statements()
    statements.let.set()
    statements.error = ValueError("a fault")
    gatherer: Gatherer[str, int, int] = Gatherer(statements.act, lanes=1)
    with pytest.raises(ValueError, match="a fault"):
        await gatherer.submit("a", 1)
    statements.error = None
    assert await gatherer.submit("a", 2) == 20
