"""A partner's subscriber: pulls its own numbered events, finds gaps, repairs them, acknowledges.

    python examples/subscriber.py https://regul.example nats://regul.example:4222 KEY SUBSCRIPTION

Needs nats-py and msgspec only. The last number is kept in `<subscription>.number`; a real
subscriber keeps it in the same transaction as the effect.
"""
# ruff: noqa: INP001, S310, T201 - a script, which asks its own address and prints what it gets

import asyncio
import contextlib
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import nats
from nats.errors import Error as NatsError
from nats.js.errors import FetchTimeoutError


class Event(msgspec.Struct, frozen=True):
    """The part of a CloudEvent that every subscriber needs."""

    id: str
    type: str
    number: int
    epoch: int
    subject: str = ""
    data: dict[str, Any] = {}


class Page(msgspec.Struct, frozen=True):
    """What the service answers to a question for events by number."""

    events: list[Event]


class Subscriber:
    """Handles each event once, in the order of its numbers."""

    def __init__(
        self, api: str, key: str, subscription: str, handle: Callable[[Event], None]
    ) -> None:
        """Take where to ask, as whom, and what to do with each event."""
        self._api, self._key, self._id, self._handle = api, key, subscription, handle
        self._kept = Path(f"{subscription}.number")
        self.number = int(self._kept.read_text()) if self._kept.exists() else 0
        self.repaired = 0

    async def take(self, event: Event) -> None:
        """Handle an event: a repetition is passed over, a gap is filled first."""
        if event.number > self.number + 1:
            await self.repair()
        if event.number == self.number + 1:
            self._done(event)

    async def repair(self) -> None:
        """Read what was missed from the service's record, by number."""
        while page := await asyncio.to_thread(self._page):
            for event in page:
                self._done(event)
                self.repaired += 1

    def _done(self, event: Event) -> None:
        self._handle(event)
        self.number = event.number
        new = self._kept.with_suffix(".new")
        new.write_text(str(self.number))
        new.replace(self._kept)  # whole or not at all: a kill may come between two bytes

    def _page(self) -> list[Event]:
        path = f"/api/v1/subscriptions/{self._id}/events?after={self.number}&limit=200"
        headers = {"Authorization": f"Bearer {self._key}"}
        request = urllib.request.Request(self._api + path, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=Page).events


async def messages(bus: str, key: str, subscription: str) -> AsyncIterator[Any]:
    """Pull for ever; the user name is the subscription, the password the API key."""
    inbox = f"_INBOX_{subscription}"
    connection: Any = None
    try:
        while True:  # what signing in grants ends after a while: sign in again, pull anew
            with contextlib.suppress(NatsError, TimeoutError, OSError):
                if connection is None or connection.is_closed:
                    who: Any = {"user": subscription, "password": key, "allow_reconnect": False}
                    connection = await nats.connect(bus, inbox_prefix=inbox.encode(), **who)
                pull = await connection.jetstream().pull_subscribe_bind(
                    consumer=subscription, stream="OUT", inbox_prefix=f"{inbox}.".encode()
                )
                try:
                    while True:  # one at a time: nats-py holds several back until all are there
                        with contextlib.suppress(FetchTimeoutError):  # nothing yet; pull again
                            for message in await pull.fetch(1, timeout=5, heartbeat=1):
                                yield message
                finally:
                    with contextlib.suppress(NatsError):
                        await pull.unsubscribe()
            await asyncio.sleep(0.1)
    finally:
        if connection is not None:
            await connection.close()


async def main(api: str, bus: str, key: str, subscription: str) -> None:
    """Print each event as it is handled."""
    subscriber = Subscriber(api, key, subscription, lambda event: print(event, flush=True))
    async for message in messages(bus, key, subscription):
        with contextlib.suppress(OSError):  # the API is away: not acknowledged, it comes again
            await subscriber.take(msgspec.json.decode(message.data, type=Event))
            await message.ack()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
