"""`chaos cases`: cases run through the API while each server is killed in turn.

PostgreSQL, nats-server, the API and the worker get SIGKILL, one after the other, until the last
case has ended. Afterwards everything is read again from outside: no case lost, no seat twice, one
responsible for each, every event received once and in its number. `--sabotage` plants faults in
the data of its own servers; each must be found.
"""

import argparse
import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from server import cli, replay, replay_run, replay_sabotage
from server.demo import DEMO, Instance
from server.replay_cases import RecordedCase
from server.replay_run import Options, Outcome
from server.report import Figure, Report, machine, show
from server.stack import Stack, throw_away_home
from server.world_script import presentation

VICTIMS: Final = ("postgres", "nats", "api", "worker")
CASES: Final = 120
EVERY_S: Final = 2.0


class Killer:
    """Kills one server after the other.

    Attributes:
        back_s: Seconds until each answered again, by name.
    """

    def __init__(self, stack: Stack, every_s: float) -> None:
        """Choose the victims: servers that are ours.

        Args:
            stack: Entered.
            every_s: Seconds between a return and the next kill.
        """
        self._stack = stack
        self._every_s = every_s
        ours = {*stack.embedded, "api", "worker"}
        self._victims = tuple(name for name in VICTIMS if name in ours)
        self.back_s: dict[str, list[float]] = {name: [] for name in self._victims}

    async def run(self) -> None:
        """Kill until cancelled."""
        for name in itertools.cycle(self._victims):
            await asyncio.sleep(self._every_s)
            began = time.monotonic()
            self._stack.kill(name)
            await self._stack.wait_ready(name)
            self.back_s[name].append(time.monotonic() - began)

    def figures(self) -> list[Figure]:
        """Give how often each was killed and the longest it took to answer again."""
        return [
            figure
            for name, times in self.back_s.items()
            for figure in (
                Figure(name=f"kills.{name}", value=len(times), unit="kills"),
                Figure(name=f"back.{name}", value=round(max(times, default=0.0), 2), unit="s"),
            )
        ]


@asynccontextmanager
async def running(killer: Killer) -> AsyncIterator[asyncio.Event]:
    """Kill beside the block until the event is set or the block ends.

    Args:
        killer: Of a running stack.

    Yields:
        Set it to end the killing.
    """
    enough = asyncio.Event()
    task = asyncio.create_task(killer.run())

    async def end() -> None:
        await enough.wait()
        task.cancel()

    ender = asyncio.create_task(end())
    try:
        yield enough
    finally:
        enough.set()
        await asyncio.gather(task, ender, return_exceptions=True)


async def run(
    cases: Sequence[RecordedCase], seed: int, every_s: float, fault: str | None = None
) -> tuple[Outcome, Killer]:
    """Replay on throw-away servers that are killed meanwhile.

    Args:
        cases: What is replayed.
        seed: Of the run.
        every_s: Seconds between a return and the next kill.
        fault: A fault to plant, see `replay_sabotage`.

    Returns:
        What was seen, and the kills.
    """
    with throw_away_home() as home:
        instance = Instance()
        async with Stack(home, throw_away=True, settings=DEMO, seed=instance.fill) as stack:
            killer = Killer(stack, every_s)
            async with replay_sabotage.planting(stack, fault) as plant, running(killer) as enough:

                def told(done: int) -> None:
                    if done == len(cases):
                        enough.set()

                how = Options(seed=seed, progress=told, before_check=plant)
                if fault is not None:
                    how = msgspec.structs.replace(how, settle_s=replay_sabotage.SETTLE_S)
                return await replay_run.run(replay.where_of(stack), cases, how), killer


def invented(number: int, seed: int) -> list[RecordedCase]:
    """Draw cases from the demo's world.

    Args:
        number: How many.
        seed: Of the draw.
    """
    dice = random.Random(seed)
    return [msgspec.structs.replace(presentation(dice), id=f"chaos-{n}") for n in range(number)]


def _report(outcome: Outcome, killer: Killer, seed: int) -> Report:
    seen = replay.reported(outcome, (), seed)
    return msgspec.structs.replace(
        seen, name="chaos cases", figures=[*killer.figures(), *seen.figures]
    )


def _sabotaged(cases: Sequence[RecordedCase], options: argparse.Namespace) -> int:
    wanted = replay.FAULTS if options.sabotage == "all" else (options.sabotage,)
    figures = []
    for fault in wanted:
        outcome, _ = asyncio.run(run(cases, options.seed, options.every, fault))
        found = not replay.held(replay.reported(outcome, (), options.seed))
        figures.append(Figure(name=f"found.{fault}", value=found, goal="true", met=found))
    report = Report(
        name="chaos cases --sabotage",
        version=cli.version(),
        machine=machine(),
        seed=options.seed,
        figures=figures,
    )
    show(report, json=options.json)
    return replay.WRONG if replay.held(report) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul chaos cases", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="recorded cases; invented ones if none")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--cases", type=int, default=CASES, help="no more than this many")
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds between kills")
    parser.add_argument("--seed", type=int, default=80, help="of cases, places and offers")
    parser.add_argument(
        "--sabotage",
        nargs="?",
        const="all",
        choices=("all", *replay.FAULTS),
        help="plant faults: exit 1 when each was found, 0 when one escaped",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Run cases under kills and report.

    Args:
        arguments: See `regul chaos cases --help`.

    Returns:
        0: every invariant held; 1: one broke, or every planted fault was found.
    """
    options = _parser().parse_args(arguments)
    cases = invented(options.cases, options.seed)
    if options.file is not None:
        cases, _ = replay.load(options.file, options.cases)
    if options.sabotage:
        return _sabotaged(cases, options)
    outcome, killer = asyncio.run(run(cases, options.seed, options.every))
    replay.tell(outcome)
    report = _report(outcome, killer, options.seed)
    show(report, json=options.json)
    return 0 if replay.held(report) else replay.WRONG
