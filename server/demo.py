"""The `demo` subcommand: everything on this machine, a small live world in it, or one proof run.

`./regul demo` keeps its data in `.regul/` and uses it again at the next start. `--once` starts
throw-away servers, runs the three journeys headless and says what it observed.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Final

from kernel.settings import Settings
from server import demo_editor, seed
from server.accounts import Opened
from server.layout import port_in_use
from server.stack import Stack, default_home, until_signal

DEMO: Final = {"REGUL_DEMO": "1", "REGUL_ALLOW_DRAFT_PROTOCOLS": "1"}
"""Settings of a demo's children: one-click sign-in, protocols that nobody has signed yet."""
KEPT: Final = {**DEMO, "REGUL_FEEDS_FROM_LOOPBACK": "1"}
"""Of a demo that is kept: it asks an editor of its own on this machine."""
_STARTED: Final = 19
"""Place of the start time after the name in /proc/self/stat. Source: proc_pid_stat(5), field 22."""


class Instance:
    """A demo's stack with what its seeding gave.

    Attributes:
        seeded: What the seeding did; None before the stack was entered.
    """

    def __init__(self) -> None:
        """Begin with nothing seeded."""
        self.seeded: seed.Seeded | None = None

    async def fill(self, stack: Stack) -> None:
        """Seed a stack's database; given to `Stack` as `seed`.

        Args:
            stack: With a migrated database.
        """
        self.seeded = await seed.ensure(stack.dsn, stack.layout.keys / "master.key")

    @property
    def accounts(self) -> tuple[Opened, ...]:
        """Give the demo's accounts with their keys."""
        return () if self.seeded is None else self.seeded.accounts


def main(arguments: list[str]) -> int:
    """Run the demo until Ctrl-C, or the journeys once.

    Args:
        arguments: See `--help`.

    Returns:
        0 after a clean stop; with `--once` 0 when every step was observed, else 1.
    """
    options = _parser().parse_args(arguments)
    if options.once:
        from server import once

        return once.main(json=options.json, seed=options.seed)
    if options.json:
        _parser().error("--json goes with --once")
    asyncio.run(_keep(options))
    return 0


def age_s() -> float:
    """Give how long this process has lived, seconds: what a person waited since Enter."""
    try:
        fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:  # no /proc: the processor time so far is the nearest thing
        return time.process_time()
    born_s = int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - born_s


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="run the three journeys and stop")
    parser.add_argument("--json", action="store_true", help="with --once: one JSON object")
    parser.add_argument("--port", type=int, default=0, help="port of the console (8015 if free)")
    parser.add_argument("--seed", type=int, default=80, help="of every random choice")
    parser.add_argument("--quiet-world", action="store_true", help="no invented calls")
    parser.add_argument("--speed", type=float, default=20.0, help="how much busier than reality")
    return parser


async def _keep(options: argparse.Namespace) -> None:
    port = options.port or (0 if port_in_use(Settings().port) else Settings().port)
    instance = Instance()
    stack = Stack(default_home(), api_port=port, settings=KEPT, seed=instance.fill)
    async with stack, contextlib.AsyncExitStack() as world:
        asked = asyncio.create_task(until_signal())
        await asyncio.sleep(0)  # the handlers stand before the greeting invites Ctrl-C
        _greet(stack, instance, age_s())
        await demo_editor.begin(stack, instance.accounts)
        if not options.quiet_world:
            from server import live_world

            living = live_world.LiveWorld(
                stack.base_url, instance.accounts, seed=options.seed, speed=options.speed
            )
            await world.enter_async_context(living)
        await asked
        print("\nregul: stopping", file=sys.stderr, flush=True)


def _greet(stack: Stack, instance: Instance, took_s: float) -> None:
    """Print what a person needs: the address, the accounts, how to stop."""
    print(f"Régul demo, Somme (80), fictitious people only. Ready in {took_s:.1f} s.")
    if instance.seeded is not None and instance.seeded.care_services:
        written = instance.seeded
        print(f"Written now: {written.care_services} care services, {written.seats} seats.")
    print(f"\n  Console   {stack.base_url}/")
    print(f"  API       {stack.base_url}/api/v1 (description: /api/v1/openapi.json)")
    print(f"  NATS      {stack.nats_url.rpartition('@')[2] or stack.nats_url}\n")
    width = max((len(account.login) for account in instance.accounts), default=0)
    for account in instance.accounts:
        print(f"  {account.login:<{width}}  {account.key}  {account.label}")
    print("\nSign in by one click on the console, or send `Authorization: Bearer <key>`.")
    print("Ctrl-C stops everything.", flush=True)
