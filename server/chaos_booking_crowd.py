"""The processes of `chaos booking`: started, killed, started anew, ended; and how a run goes."""

import asyncio
import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import msgspec

from server.chaos_booking_worker import LANES, work
from server.chaos_booking_world import World

ATTEMPTS: Final = 1_000_000
WORKERS: Final = 16
SLOTS: Final = 2_000
POSTGRES_KILLS: Final = 10
EVERY_S: Final = 1.0
STUCK_S: Final = 120.0
"""Seconds after which nobody is waited for any more."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a run goes.

    Attributes:
        attempts: Questions in all.
        workers: At once; four of them are a process.
        slots: Of one to four seats each.
        every_s: Seconds between two kills of a process.
        postgres_kills: How often PostgreSQL is killed, where it may be.
        urls: Of the API's processes; empty = the use cases are asked.
        sabotage: A fault to plant; empty = none.
    """

    attempts: int = ATTEMPTS
    workers: int = WORKERS
    slots: int = SLOTS
    every_s: float = EVERY_S
    postgres_kills: int = POSTGRES_KILLS
    seed: int = 61
    urls: tuple[str, ...] = ()
    sabotage: str = ""


class Crowd:
    """The processes: started, killed, started anew, ended."""

    def __init__(self, world: World, plan: Plan, dsn: str, master: Path, folder: Path) -> None:
        """Prepare.

        Args:
            world: Begun.
            plan: Of the run.
            dsn: Of the service's login.
            master: File of the master key.
            folder: For the journals.
        """
        self._world, self._plan, self._dsn, self._master = world, plan, dsn, master
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["server.chaos_booking_worker"])
        count = max(1, plan.workers // LANES)
        self.journals = [folder / f"{number}.journal" for number in range(count)]
        for journal in self.journals:
            journal.touch()
        self._read = [0] * count
        self._lives = [0] * count
        self._processes: list[BaseProcess | None] = [None] * count
        self.attempts = 0

    async def start(self, number: int) -> None:
        """Start one process, or its next life.

        Args:
            number: Which.
        """
        life = self._lives[number] = self._lives[number] + 1
        task = self._world.task(
            name=f"{number}.{life}",
            seed=self._plan.seed,
            dsn=self._dsn,
            master=str(self._master),
            journal=str(self.journals[number]),
            actors=tuple(self._world.actors[number * LANES : (number + 1) * LANES]),
            needs=await self._world.needs(LANES),
            urls=self._plan.urls,
            sabotage=self._plan.sabotage,
        )
        process = self._context.Process(target=work, args=(task,), daemon=True)
        await asyncio.to_thread(process.start)
        self._processes[number] = process

    async def start_all(self) -> None:
        """Start every process."""
        for number in range(len(self._processes)):
            await self.start(number)

    async def kill(self, number: int) -> None:
        """Kill one process and give it its next life.

        Args:
            number: Which.
        """
        process = self._processes[number]
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.join)
        await self.start(number)

    async def end(self) -> None:
        """Let every process finish its question and go."""
        for process in self._processes:
            if process is not None:
                process.terminate()
        for process in self._processes:
            if process is not None:
                await asyncio.to_thread(process.join, STUCK_S)
                process.kill()

    def count(self) -> int:
        """Count the questions asked so far; notices a process that ended by itself.

        Raises:
            RuntimeError: One did: that is a fault of its own.
        """
        for number, journal in enumerate(self.journals):
            process = self._processes[number]
            if process is not None and process.exitcode is not None:
                raise RuntimeError(f"process {number} ended by itself: {process.exitcode}")
            with journal.open("rb") as file:
                file.seek(self._read[number])
                fresh = file.read()
            self._read[number] += len(fresh)
            self.attempts += fresh.count(b"?[")
        return self.attempts
