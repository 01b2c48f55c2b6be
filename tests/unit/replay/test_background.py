"""Work beside a block ends with it, whatever a library does with the cancellation."""

import asyncio
import contextlib

import pytest

from server import background


async def test_a_swallowed_cancellation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "AGAIN_S", 0.01)
    cancelled = 0

    async def stubborn() -> None:
        nonlocal cancelled
        while cancelled < 2:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            cancelled += 1

    async with asyncio.timeout(5), background.beside(stubborn()):
        await asyncio.sleep(0)

    assert cancelled == 2


async def test_what_the_work_raises_is_not_lost() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with background.beside(broken()):
            await asyncio.sleep(0.01)
