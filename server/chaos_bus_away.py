"""`chaos bus-away`: the bus is stopped for a while, then restarted again and again.

While it is away, calls are taken through the API: none may fail. When it is back, the backlog must
arrive at a subscriber (the example's, over NATS) in order, and after each restart its next event
must come over NATS by itself, without a question to the API.
"""

import argparse
import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from server import chaos_world, cli
from server.background import beside
from server.chaos_bus_loss import started
from server.client import AwayError, Client
from server.layout import Layout
from server.nats_server import NatsServer
from server.report import Figure, Report, against_goal, machine, percentile, show
from server.stack import throw_away_home

SECONDS: Final = 300.0
RESTARTS: Final = 50
CALLS_A_SECOND: Final = 20
LEAST_CALLS: Final = 20
"""A slow machine stays without the bus until so many were taken."""
RESUMED_S: Final = 60.0
"""Longest wait for an event: a message lost on its way comes again after 30 s."""
SABOTAGES: Final = ("deaf-subscriber",)
WRONG: Final = 1
_FAILURES: Final = (NatsError, JetStreamError, OSError, TimeoutError)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        calls: Taken while the bus was away.
        failed: Of these, refused or unanswered at the first attempt.
        slowest_ms: p99 of their answers.
        drained_s: From the server's start until the whole backlog had arrived; -1 = never.
        out_of_order: Neighbours of numbers that do not follow each other.
        restarts: Of the server.
        resumed: After how many of them the next event came over NATS.
        resumed_s: p99 of the seconds it took.
        questions: Events that the subscriber had to ask the API for.
    """

    calls: int
    failed: int
    slowest_ms: float
    drained_s: float
    out_of_order: int
    restarts: int
    resumed: int
    resumed_s: float
    questions: int

    @property
    def held(self) -> bool:
        """Say whether nobody noticed and everything arrived."""
        return not (
            self.failed or self.out_of_order or self.drained_s < 0 or self.resumed < self.restarts
        )


class Receiver:
    """The example's subscriber, in this process.

    Attributes:
        numbers: In the order of arrival.
    """

    def __init__(self, api: str, bus: str, world: chaos_world.World, *, deaf: bool) -> None:
        """Prepare.

        Args:
            api: Address of the HTTP service.
            bus: Address of nats-server, without credentials.
            world: Whose subscription.
            deaf: Sabotage: it stops at the first thing that goes wrong.
        """
        self.numbers: list[int] = []
        self._api, self._bus, self._deaf = api, bus, deaf
        self._id = str(world.subscription_id)
        self._subscriber: Any = None

    @property
    def questions(self) -> int:
        """Give how many events were asked for over HTTP."""
        return int(self._subscriber.repaired) if self._subscriber else 0

    async def run(self) -> None:
        """Receive until cancelled."""
        module = chaos_world.example()

        def handle(event: Any) -> None:  # noqa: ANN401 - a type of the example's
            self.numbers.append(event.number)

        self._subscriber = module.Subscriber(self._api, chaos_world.KEY, self._id, handle)
        while True:
            with contextlib.suppress(*_FAILURES):
                async for message in module.messages(self._bus, chaos_world.KEY, self._id):
                    await self._subscriber.take(
                        msgspec.json.decode(message.data, type=module.Event)
                    )
                    await message.ack()
                    if self._deaf:
                        await asyncio.Event().wait()
            await asyncio.sleep(0.1)

    async def until(self, number: int, within_s: float) -> float:
        """Wait for a number; give the seconds it took, -1 when it did not come.

        Args:
            number: Which.
            within_s: How long.
        """
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            if self.numbers and self.numbers[-1] >= number:
                return time.monotonic() - began
            await asyncio.sleep(0.01)
        return -1.0


class Desk:
    """An operator who takes calls, one after the other.

    Attributes:
        taken: How many.
        failed: How many were refused or had to be asked for twice.
        times_ms: Of each answer.
    """

    def __init__(self, url: str) -> None:
        """Prepare.

        Args:
            url: Of the HTTP service.
        """
        self._client = Client(url, chaos_world.OPERATOR_KEY, patience_s=30)
        self.taken = self.failed = 0
        self.times_ms: list[float] = []

    async def take(self) -> None:
        """Take one call."""
        began = time.monotonic()
        self.taken += 1
        try:
            answer = await self._client.call("POST", "/api/v1/calls", {"channel": "phone"})
            self.failed += answer.status >= 400 or answer.attempts > 1  # noqa: PLR2004 - refusals
        except AwayError:
            self.failed += 1
        self.times_ms.append((time.monotonic() - began) * 1000)

    async def work(self, seconds: float) -> None:
        """Take calls for a while, and at least `LEAST_CALLS`.

        Args:
            seconds: How long.
        """
        until, enough = time.monotonic() + seconds, self.taken + LEAST_CALLS
        while time.monotonic() < until or self.taken < enough:
            await asyncio.gather(self.take(), asyncio.sleep(1 / CALLS_A_SECOND))

    async def close(self) -> None:
        """Close the lines."""
        await self._client.close()


async def _end(server: NatsServer, how: signal.Signals) -> None:
    if server.process is not None:
        server.process.signal(how)
        while server.process.exit_code() is None:  # noqa: ASYNC110 - a process calls nobody
            await asyncio.sleep(0.01)


async def _restarts(
    server: NatsServer, desk: Desk, receiver: Receiver, count: int, within_s: float
) -> list[float]:
    """Restart the server again and again; give how long the next event took each time."""
    found = []
    for number in range(count):
        await _end(server, signal.SIGKILL if number % 2 else signal.SIGINT)
        server.start()
        await desk.take()
        found.append(await receiver.until(desk.taken, within_s))
    return found


async def _measured(
    server: NatsServer, desk: Desk, receiver: Receiver, options: argparse.Namespace, within_s: float
) -> Outcome:
    await desk.take()
    await receiver.until(1, within_s)
    await _end(server, signal.SIGKILL)
    await desk.work(options.seconds)
    calls, failed, times = desk.taken - 1, desk.failed, desk.times_ms[1:]
    server.start()
    drained_s = await receiver.until(desk.taken, within_s + calls / 100)
    resumed = await _restarts(server, desk, receiver, options.restarts, within_s)
    return Outcome(
        calls=calls,
        failed=failed,
        slowest_ms=percentile(times, 0.99),
        drained_s=drained_s,
        out_of_order=sum(1 for _ in chaos_world.runs([0, *receiver.numbers])),
        restarts=options.restarts,
        resumed=sum(one >= 0 for one in resumed),
        resumed_s=percentile(resumed, 0.99),
        questions=receiver.questions,
    )


async def run(options: argparse.Namespace, sabotage: str = "") -> Outcome:
    """Run once on throw-away servers.

    Args:
        options: `seconds` away, `restarts`.
        sabotage: `deaf-subscriber`: it never comes back; empty = none.
    """
    with throw_away_home() as home, TemporaryDirectory() as folder, contextlib.chdir(folder):
        bus_home = home.parent / "bus"
        bus_home.mkdir(mode=0o755)
        server = NatsServer(Layout(bus_home / ".regul"))
        try:
            await started(server)
            url, seed_file = server.url, server.seed_file
            async with chaos_world.stack(home, nats_url=url, seed_file=seed_file) as stack:
                async with chaos_world.writing(stack.dsn) as database:
                    world = await chaos_world.settle(database)
                bus, deaf = chaos_world.bus_of(url), bool(sabotage)
                receiver = Receiver(stack.base_url, bus, world, deaf=deaf)
                desk = Desk(stack.base_url)
                async with beside(receiver.run()):
                    patience_s = 3.0 if sabotage else RESUMED_S
                    return await _measured(server, desk, receiver, options, patience_s)
        finally:
            if server.process is not None:
                server.process.stop()


def figures(outcome: Outcome) -> Sequence[Figure]:
    """Give what is reported.

    Args:
        outcome: Of a run.
    """
    return [
        Figure(name="calls_while_away", value=outcome.calls, unit="calls"),
        against_goal("failed", outcome.failed, "calls", "== 0"),
        Figure(name="answer.p99", value=round(outcome.slowest_ms, 1), unit="ms"),
        against_goal("drained", round(outcome.drained_s, 2), "s", ">= 0"),
        against_goal("out_of_order", outcome.out_of_order, "events", "== 0"),
        Figure(name="restarts", value=outcome.restarts, unit="restarts"),
        against_goal("resumed", outcome.resumed, "restarts", f"== {outcome.restarts}"),
        Figure(name="resumed.p99", value=round(outcome.resumed_s, 2), unit="s"),
        Figure(name="asked_by_api", value=outcome.questions, unit="events"),
    ]


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    made = argparse.ArgumentParser(prog="regul chaos bus-away", description=__doc__)
    made.add_argument("--json", action="store_true", help="one JSON object on stdout")
    made.add_argument("--seconds", type=float, default=SECONDS, help="how long it is away")
    made.add_argument("--restarts", type=int, default=RESTARTS, help="of nats-server")
    made.add_argument("--sabotage", nargs="?", const="all", choices=("all", *SABOTAGES))
    return made


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos bus-away --help`.

    Returns:
        0: nobody noticed; 1: somebody did, or every planted fault was found.
    """
    options = parser().parse_args(arguments)
    outcome = asyncio.run(run(options, options.sabotage or ""))
    told = list(figures(outcome))
    code = 0 if outcome.held else WRONG
    if options.sabotage:
        found = not outcome.held
        told = [Figure(name="found.deaf-subscriber", value=found, goal="true", met=found)]
    name = f"chaos bus-away{' --sabotage' if options.sabotage else ''}"
    show(
        Report(name=name, version=cli.version(), machine=machine(), figures=told),
        json=options.json,
    )
    return code
