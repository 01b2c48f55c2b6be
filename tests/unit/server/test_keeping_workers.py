"""A worker that fails is started again; the others go on; a stop ends all of them."""

import asyncio

import pytest

from server import supervision, work
from server.team import Worker


async def test_a_worker_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_S", 0.001)
    runs: list[int] = []
    third = asyncio.Event()

    async def run() -> None:
        runs.append(1)
        if len(runs) == 3:
            third.set()
            await asyncio.Event().wait()
        message = "planted"
        raise RuntimeError(message)

    stop = asyncio.Event()
    team = asyncio.create_task(work.run([Worker(name="x", run=run)], stop))
    await asyncio.wait_for(third.wait(), 5)
    stop.set()
    await asyncio.wait_for(team, 5)
    assert len(runs) == 3


async def test_one_that_fails_does_not_disturb_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_S", 0.001)
    steps = asyncio.Queue[int]()

    async def fail() -> None:
        message = "planted"
        raise RuntimeError(message)

    async def steady() -> None:
        for step in range(100):
            await steps.put(step)
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    stop = asyncio.Event()
    team = asyncio.create_task(
        work.run([Worker(name="a", run=fail), Worker(name="b", run=steady)], stop)
    )
    seen = [await asyncio.wait_for(steps.get(), 5) for _ in range(100)]
    stop.set()
    await asyncio.wait_for(team, 5)
    assert seen == list(range(100))


async def test_a_worker_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    swallowed: list[int] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append(1)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(supervision.end([task]), 5)
    assert task.cancelled()
    assert swallowed == [1]
