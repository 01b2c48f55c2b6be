"""Keep child servers running: start, ask, restart with a growing pause, stop in reverse order.

A service that ends is started again on the same port and data. One that runs but has not answered
for a long time is killed first. Liveness is the service's own answer, never its process id.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol, Self

from server.process import Process
from server.refusal import Refusal

READY_S: Final = 60.0
ASK_EVERY_S: Final = 1.0
DEAF_AFTER_S: Final = 60.0
DEAF_ASKS: Final = 3
"""Unanswered questions before a kill: a pause of our own process proves nothing."""
GRACE_S: Final = 60.0
LOOK_EVERY_S: Final = 0.02
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0
QUICK_DEATH_S: Final = 10.0


class Service(Protocol):
    """What a supervisor can keep running."""

    @property
    def name(self) -> str:
        """Give its name: `postgres`, `nats`, `api`, `worker`, ..."""

    @property
    def process(self) -> Process | None:
        """Give its process since the last start."""

    def start(self) -> None:
        """Start it without waiting for it; must be called in the main thread."""

    async def alive(self) -> bool:
        """Ask it; True when it can do its work."""


def tell(text: str) -> None:
    """Print one line about a service to stderr."""
    print(f"regul: {text}", file=sys.stderr, flush=True)


class Supervisor:
    """Keeps services running until it is stopped; use as an async context manager."""

    def __init__(
        self, say: Callable[[str], None] = tell, *, deaf_after_s: float = DEAF_AFTER_S
    ) -> None:
        """Keep nothing yet.

        Args:
            say: Receives one line for a person at each restart.
            deaf_after_s: A service that has not answered for so long is killed, in seconds.
        """
        self._deaf_after_s = deaf_after_s
        self._say = say
        self._services: dict[str, Service] = {}
        self._ready: dict[str, asyncio.Event] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self.restarts: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self.stop()

    async def add(self, service: Service, ready_s: float = READY_S) -> None:
        """Start a service, wait until it answers, then keep it running.

        Args:
            service: What to keep.
            ready_s: How long its first answer may take, in seconds.

        Raises:
            Refusal: It ended or did not answer in time; the message says what it wrote last.
        """
        self._services[service.name] = service
        self._ready[service.name] = asyncio.Event()
        self.restarts[service.name] = 0
        service.start()
        try:
            await self._until_ready(service, ready_s)
        except TimeoutError:
            raise Refusal(f"{service.name} does not answer.{last_words(service)}") from None
        self._watches[service.name] = asyncio.create_task(
            self._watch(service), name=f"watch {service.name}"
        )

    def kill(self, name: str) -> None:
        """Kill a service with SIGKILL, as a crash would; it is started again.

        Args:
            name: Its name.
        """
        self._ready[name].clear()
        process = self._services[name].process
        if process is not None:
            process.signal(signal.SIGKILL)

    async def wait_ready(self, name: str, timeout_s: float = READY_S) -> None:
        """Wait until a service answers (again).

        Args:
            name: Its name.
            timeout_s: How long to wait, in seconds.

        Raises:
            TimeoutError: It does not.
        """
        async with asyncio.timeout(timeout_s):
            await self._ready[name].wait()

    async def stop(self) -> None:
        """Stop every service, the last one added first, each with its own stop signal."""
        for name in reversed(self._services):
            watch = self._watches.pop(name, None)
            if watch is not None:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watch
            process = self._services[name].process
            if process is not None and process.exit_code() is None:
                await asyncio.to_thread(process.stop)
        self._services.clear()

    async def _until_ready(self, service: Service, ready_s: float) -> None:
        async with asyncio.timeout(ready_s):
            while not await service.alive():
                process = service.process
                if process is None or process.exit_code() is not None:
                    raise Refusal(f"{service.name} ended at its start.{last_words(service)}")
                await asyncio.sleep(LOOK_EVERY_S)
        self._ready[service.name].set()

    async def _watch(self, service: Service) -> None:
        pause = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            await self._until_ended(service)
            self._ready[service.name].clear()
            self.restarts[service.name] += 1
            lived = time.monotonic() - began
            pause = FIRST_PAUSE_S if lived > QUICK_DEATH_S else min(2 * pause, LONGEST_PAUSE_S)
            code = service.process.exit_code() if service.process else None
            self._say(f"{service.name} ended ({code}); starting it again")
            await asyncio.sleep(pause)
            with contextlib.suppress(Refusal, TimeoutError, OSError):
                service.start()
                await self._until_ready(service, GRACE_S)

    async def _until_ended(self, service: Service) -> None:
        """Return when the process has ended; kill it when it stays deaf."""
        process = service.process
        asked = answered = time.monotonic()
        unanswered = 0
        while process is not None and process.exit_code() is None:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            if now - asked < ASK_EVERY_S:
                continue
            asked = now
            if await service.alive():
                answered, unanswered = time.monotonic(), 0
                self._ready[service.name].set()
                continue
            unanswered += 1
            if unanswered >= DEAF_ASKS and now - answered > self._deaf_after_s:
                self._say(f"{service.name} does not answer; killing it")
                process.signal(signal.SIGKILL)


def last_words(service: Service) -> str:
    """Give the last line a service wrote, as the end of a sentence; empty when it wrote none.

    Args:
        service: Which service.
    """
    lines = service.process.said().splitlines() if service.process else []
    return f" It said: {lines[-1].strip()}" if lines else ""
