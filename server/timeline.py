"""The timeline of `demo --once`: each step is something seen from outside, or it is not there."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from server.client import AwayError, RefusedError
from server.report import Figure, against_goal

T = TypeVar("T")

LOOK_EVERY_S: Final = 0.05
PATIENCE_S: Final = 20.0


class UnobservedError(Exception):
    """What should have been seen was not; the message says what."""


class Step(msgspec.Struct, kw_only=True):
    """One step of a journey.

    Attributes:
        name: Unique, such as `A.appointment`.
        began_s: Seconds since the timeline began.
        took_s: How long it took.
        saw: What was observed, in codes and counts.
        missed: Why it was not observed; empty when it was.
    """

    name: str
    began_s: float
    took_s: float = 0.0
    saw: str = ""
    missed: str = ""


class Timeline:
    """Steps in the order in which they happened."""

    def __init__(self, *, quiet: bool) -> None:
        """Begin now.

        Args:
            quiet: Print no line per step (the report is JSON).
        """
        self._began = time.monotonic()
        self._quiet = quiet
        self.steps: list[Step] = []

    @contextlib.asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Step]:
        """Do one step; what is raised inside ends the journey it belongs to.

        Args:
            name: Unique, such as `A.appointment`.

        Yields:
            The step; write into `saw` what was observed.

        Raises:
            UnobservedError: The step was refused, not answered or not observed.
        """
        step = Step(name=name, began_s=time.monotonic() - self._began)
        self.steps.append(step)
        try:
            yield step
        except (UnobservedError, RefusedError, AwayError, TimeoutError) as error:
            step.missed = str(error) or type(error).__name__
            raise UnobservedError(step.missed) from error
        except (msgspec.MsgspecError, LookupError) as error:
            step.missed = f"an answer of another shape: {error}"
            raise UnobservedError(step.missed) from error
        finally:
            step.took_s = time.monotonic() - self._began - step.began_s
            self._tell(step)

    @property
    def complete(self) -> bool:
        """Tell whether every step was observed."""
        return all(not step.missed for step in self.steps)

    def figures(self) -> list[Figure]:
        """Give each step's time, and how many steps were not observed."""
        missed = sum(bool(step.missed) for step in self.steps)
        times = [
            Figure(name=step.name, value=round(step.took_s * 1000, 1), unit="ms")
            for step in self.steps
        ]
        return [*times, against_goal("steps.not_observed", missed, "steps", "== 0")]

    def _tell(self, step: Step) -> None:
        if self._quiet:
            if step.missed:
                sys.stderr.write(f"{step.name}: {step.missed}\n")
            return
        mark = "MISSED" if step.missed else "ok"
        line = f"{step.began_s:7.2f} s  {mark:<6}  {step.name:<34}  {step.missed or step.saw}"
        sys.stdout.write(line.rstrip() + "\n")
        sys.stdout.flush()


def ensure(condition: object, what: str) -> None:
    """Refuse to go on when something is not as it should be.

    Args:
        condition: What must be true.
        what: What was not observed.

    Raises:
        UnobservedError: It is not.
    """
    if not condition:
        raise UnobservedError(what)


async def until(
    look: Callable[[], Awaitable[T | None]], what: str, timeout_s: float = PATIENCE_S
) -> T:
    """Look again and again until something is there.

    Args:
        look: Gives it, or None (or another false value) when it is not there yet.
        what: What is waited for, for the message.
        timeout_s: How long, in seconds.

    Raises:
        UnobservedError: It never came.
    """
    end = time.monotonic() + timeout_s
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > end:
            raise UnobservedError(f"{what} did not come within {timeout_s:g} s")
        await asyncio.sleep(LOOK_EVERY_S)
