"""A subscriber as a partner would write one: durable pull consumer, inbox, gaps filled by the API.

It looks at the service from outside: signs in to NATS with its API key, reads its own subject of
stream OUT, acknowledges each message after noting it, and when a number is missing or NATS is
away reads the same numbered events over HTTP.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import msgspec
import nats.errors
from nats.aio.client import Client as Nats

from server.background import beside
from server.client import AwayError, Client, RefusedError
from server.replay_ledger import Inbox, NumberedEvent

STREAM: Final = "OUT"
BATCH: Final = 100
FETCH_S: Final = 0.5
TYPE_PREFIX: Final = "regul."
PAUSE_S: Final = 0.2
CONNECT_S: Final = 2
PAGE: Final = 200


class Subscription(msgspec.Struct, frozen=True):
    """What the service answers to a subscription, as far as a subscriber needs it."""

    id: UUID


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on the wire (CloudEvents 1.0, structured JSON), as far as it is read here."""

    id: str
    type: str
    number: int
    subject: str = ""
    correlationid: str = ""
    data: dict[str, Any] = {}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of numbered events over HTTP."""

    events: list[CloudEvent]


def noted(event: CloudEvent) -> NumberedEvent:
    """Give what the inbox keeps of an event.

    Args:
        event: As received.
    """
    return NumberedEvent(
        number=event.number,
        id=event.id,
        kind=event.type.removeprefix(TYPE_PREFIX),
        subject=event.subject,
        journey=event.correlationid,
    )


class Subscriber:
    """One subscription with its inbox, kept up to date until it is closed.

    Attributes:
        id: Of the subscription.
        inbox: What was received, over NATS or to fill gaps.
        over_nats: How many messages came over NATS.
        received: Each event as it came over NATS, by number.
    """

    def __init__(self, client: Client, nats_url: str, key: str, subscription: UUID) -> None:
        """Take an existing subscription; `open_subscriber` makes one.

        Args:
            client: Asks as the subscriber.
            nats_url: Address of the server, without credentials.
            key: The subscriber's API key, also its NATS password.
            subscription: Its id.
        """
        self.id = subscription
        self.inbox = Inbox()
        self.over_nats = 0
        self.received: dict[int, CloudEvent] = {}
        self._client = client
        self._nats_url = nats_url
        self._key = key

    async def run(self) -> None:
        """Read from NATS for ever; a server that is away is waited for."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, nats.errors.Error):
                await self._read()
            await asyncio.sleep(PAUSE_S)

    async def fill_gaps(self) -> None:
        """Read over HTTP whatever lies behind the first missing number."""
        while True:
            after = self.inbox.whole_up_to
            path = f"/api/v1/subscriptions/{self.id}/events?after={after}&limit={PAGE}"
            page = await self._client.get(path, Page)
            for event in page.events:
                self.inbox.receive(noted(event))
            if len(page.events) < PAGE:
                return

    async def _read(self) -> None:
        inbox = f"_INBOX_{self.id}".encode()
        connection = Nats()
        try:
            await connection.connect(
                self._nats_url,
                user=str(self.id),
                password=self._key,
                inbox_prefix=inbox,
                connect_timeout=CONNECT_S,
                allow_reconnect=False,
                error_cb=_quiet,
            )
            stream = connection.jetstream()
            pull = await stream.pull_subscribe_bind(
                consumer=str(self.id), stream=STREAM, inbox_prefix=inbox + b"."
            )
            while not connection.is_closed:
                for message in await _fetch(pull):
                    event = msgspec.json.decode(message.data, type=CloudEvent)
                    self.over_nats += 1
                    self.received[event.number] = event
                    self.inbox.receive(noted(event))
                    await message.ack()
        finally:
            # Also after a connect that failed: nats-py leaves its socket open then.
            await connection.close()


@contextlib.asynccontextmanager
async def following(subscriber: Subscriber) -> AsyncIterator[Subscriber]:
    """Keep a subscriber reading while a block runs.

    Args:
        subscriber: Which.

    Yields:
        The same subscriber.
    """
    async with beside(subscriber.run()):
        yield subscriber


async def settle(subscriber: Subscriber) -> None:
    """Fill the gaps once; a service that is away or refuses leaves them open.

    Args:
        subscriber: Which.
    """
    with contextlib.suppress(AwayError, RefusedError):
        await subscriber.fill_gaps()


async def _fetch(pull: Any) -> list[Any]:  # noqa: ANN401 - nats-py publishes no types
    try:
        messages: list[Any] = await pull.fetch(BATCH, timeout=FETCH_S)
    except (TimeoutError, nats.errors.TimeoutError):
        return []
    return messages


async def _quiet(_error: Exception) -> None:
    """Keep nats-py from printing: a broken line is expected and tried again."""
