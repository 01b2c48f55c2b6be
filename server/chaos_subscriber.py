"""`chaos subscriber`: messages dropped, doubled, reordered; does a partner's subscriber repair all?

The subscriber is the one of `examples/subscriber.py`, unchanged. Events are written to a real
PostgreSQL and numbered by the real dispatcher; between OUT and the subscriber stands a line that
drops, doubles and swaps messages. What is missing is read over HTTP, as far as it was sent.
"""

import argparse
import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from events import cloudevents, deliveries, dispatcher, sequencer
from kernel.actor import system
from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database
from server import chaos_world, cli
from server.layout import LOOPBACK
from server.report import Figure, Report, against_goal, machine, show
from server.stack import throw_away_home

SIZE: Final = 10_000
SHARE: Final = 0.25
"""Of the messages that a fault befalls."""
FAULTS: Final = ("drop", "double", "reorder")
PAGE: Final = 500
SABOTAGES: Final = ("no-repair", "no-numbers")
WRONG: Final = 1


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of a faulty line.

    Attributes:
        arrivals: Indexes of messages in the order of their arrival, each with how many were sent
            by then.
        faults: How many of each kind befell them.
    """

    arrivals: Sequence[tuple[int, int]]
    faults: dict[str, int]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the subscriber made of it.

    Attributes:
        faults: Of each kind.
        sent: Messages before the line.
        missing: Numbers that it never handled.
        twice: Effects beyond the first.
        out_of_order: Neighbours whose order was wrong.
        repairs: How often it asked for what was missing.
    """

    faults: dict[str, int]
    sent: int
    missing: int
    twice: int
    out_of_order: int
    repairs: int

    @property
    def held(self) -> bool:
        """Say whether each event was handled once, in order."""
        return not (self.missing or self.twice or self.out_of_order)


def line(count: int, faults: int, seed: int) -> Line:
    """Draw what a line does to messages; the last one always arrives.

    Args:
        count: How many messages.
        faults: How many faults befall them.
        seed: Of the draw.
    """
    dice = random.Random(seed)
    # Neighbours stay whole, so that each fault is one of its own.
    befallen = {2 * one for one in dice.sample(range((count - 2) // 2), faults)}
    done = dict.fromkeys(FAULTS, 0)
    arrivals: list[tuple[int, int]] = []
    index = 0
    while index < count:
        kind = dice.choice(FAULTS) if index in befallen else ""
        if kind:
            done[kind] += 1
        if kind == "reorder":
            arrivals += [(index + 1, index + 2), (index, index + 2)]
            index += 1
        elif kind != "drop":
            arrivals += [(index, index + 1)] * (2 if kind == "double" else 1)
        index += 1
    return Line(arrivals=arrivals, faults=done)


class _Service:
    """Answers the question for events by number, as far as they were sent."""

    def __init__(self, events: Sequence[bytes]) -> None:
        self.sent = 0
        self.asked = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                after, limit = int(asked["after"][0]), int(asked["limit"][0])
                body = b",".join(events[after : min(after + limit, service.sent)])
                service.asked += 1
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"events":[' + body + b"]}")

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server.server_port}"

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


async def numbered(database: Database, keys: KeyRing, count: int, seed: int) -> list[bytes]:
    """Write events, have them numbered, and give each as it stands on stream OUT.

    Args:
        database: Pool under `regul_system`, of an empty database.
        keys: Makes pseudonyms.
        count: How many.
        seed: Of their ids.
    """
    world = await chaos_world.settle(database)
    await chaos_world.write_all(database, world, chaos_world.planned(seed, 0, count))
    while await sequencer.step(database):
        pass
    while await dispatcher.decide_step(database):
        pass
    found: list[bytes] = []
    async with database.transaction(system()) as tx:
        (outlet,) = await deliveries.outlets(tx)
        while page := await deliveries.page(tx, outlet.id, len(found), PAGE):
            found += [
                cloudevents.encode(
                    cloudevents.of_delivery(one, outlet.id, outlet.recipient_id, keys)
                )
                for one in page
            ]
    return found


async def suffer(events: Sequence[bytes], faulty: Line, sabotage: str = "") -> Outcome:
    """Let the example's subscriber take what comes out of the line.

    Args:
        events: As on stream OUT.
        faulty: The line.
        sabotage: `no-repair`: it does not ask for what is missing; `no-numbers`: it handles
            whatever comes.
    """
    module = chaos_world.example()
    handled: list[int] = []

    def handle(event: Any) -> None:  # noqa: ANN401 - a type of the example's
        handled.append(event.number)

    service = _Service(events)
    with TemporaryDirectory() as folder, contextlib.chdir(folder), service.answering():
        subscriber = module.Subscriber(service.url, chaos_world.KEY, "chaos", handle)
        take = _sabotaged(subscriber, handle, sabotage)
        for index, sent in faulty.arrivals:
            service.sent = sent
            event = msgspec.json.decode(events[index], type=module.Event)
            done = take(event)
            if done is not None:
                await done
    return Outcome(
        faults=faulty.faults,
        sent=len(events),
        missing=len(events) - len(set(handled)),
        twice=len(handled) - len(set(handled)),
        out_of_order=sum(after < before for before, after in chaos_world.runs(handled)),
        repairs=service.asked,
    )


def _sabotaged(
    subscriber: Any,  # noqa: ANN401 - a type of the example's
    handle: Callable[[Any], None],
    sabotage: str,
) -> Callable[[Any], Any]:
    if sabotage == "no-numbers":
        return handle

    async def no_repair() -> None:
        """Believe that nothing is missing."""
        subscriber.number += 1

    if sabotage == "no-repair":
        subscriber.repair = no_repair
    take: Callable[[Any], Any] = subscriber.take
    return take


def figures(outcome: Outcome) -> list[Figure]:
    """Give what is reported.

    Args:
        outcome: Of a run.
    """
    return [
        Figure(name="messages", value=outcome.sent, unit="messages"),
        *(
            Figure(name=f"faults.{kind}", value=number, unit="faults")
            for kind, number in outcome.faults.items()
        ),
        against_goal("missing", outcome.missing, "events", "== 0"),
        against_goal("handled_twice", outcome.twice, "events", "== 0"),
        against_goal("out_of_order", outcome.out_of_order, "events", "== 0"),
        Figure(name="questions", value=outcome.repairs, unit="requests"),
    ]


async def run(database: Database, keys: KeyRing, size: int, seed: int, sabotage: str) -> Outcome:
    """Run once on a database.

    Args:
        database: Pool under `regul_system`, of an empty database.
        keys: Makes pseudonyms.
        size: How many faults.
        seed: Of events and faults.
        sabotage: See `suffer`; empty = none.
    """
    count = int(size / SHARE)
    events = await numbered(database, keys, count, seed)
    return await suffer(events, line(count, size, seed), sabotage)


async def _own(options: argparse.Namespace, sabotage: str) -> Outcome:
    with throw_away_home() as home:
        key_file = Path(home.parent) / "chaos.key"
        async with (
            chaos_world.stack(home, api=False, worker=False, nats_url="unused") as stack,
            chaos_world.writing(stack.dsn) as database,
        ):
            keys = KeyRing(ensure_master(key_file))
            return await run(database, keys, options.size, options.seed, sabotage)


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos subscriber --help`.

    Returns:
        0: each event was handled once, in order; 1: not, or every planted fault was found.
    """
    parser = argparse.ArgumentParser(prog="regul chaos subscriber", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--size", type=int, default=SIZE, help="faults")
    parser.add_argument("--seed", type=int, default=80, help="of events and faults")
    parser.add_argument("--sabotage", nargs="?", const="all", choices=("all", *SABOTAGES))
    options = parser.parse_args(arguments)
    wanted = SABOTAGES if options.sabotage == "all" else (options.sabotage,)
    if options.sabotage:
        found = {one: not asyncio.run(_own(options, one)).held for one in wanted}
        told = [Figure(name=f"found.{k}", value=v, goal="true", met=v) for k, v in found.items()]
        code = WRONG if all(found.values()) else 0
    else:
        outcome = asyncio.run(_own(options, ""))
        told, code = figures(outcome), 0 if outcome.held else WRONG
    show(
        Report(
            name=f"chaos subscriber{' --sabotage' if options.sabotage else ''}",
            version=cli.version(),
            machine=machine(),
            seed=options.seed,
            figures=told,
        ),
        json=options.json,
    )
    return code
