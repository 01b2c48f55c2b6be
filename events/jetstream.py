"""The connection to NATS: kept for ever; asks, makes and publishes to the two streams.

NATS is transport and replay; PostgreSQL is the record. Whatever fails here is tried again later by
who called, so everything that can go wrong ends as `BusAway` or as a refusal that is handed back.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    RawStreamMsg,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from events import publishing, streams
from events.publishing import (
    FENCES,
    NOBODY,
    WRONG_LAST_SEQUENCE,
    BusAway,
    Outgoing,
    Receipt,
    fenced,
)
from events.streams import FEED, KEPT_S, OUT, consumer_config, refuse_old, stream_config
from kernel.telemetry import logger

__all__ = [
    "FEED",
    "FENCES",
    "KEPT_S",
    "NOBODY",
    "OUT",
    "WRONG_LAST_SEQUENCE",
    "Bus",
    "BusAway",
    "Outgoing",
    "Receipt",
    "consumer_config",
    "fenced",
    "refuse_old",
    "stream_config",
]

STORE_NOT_MADE: Final = 10049
"""The files of a stream of that name that was just dropped are still being removed."""
_FILES_GO_S: Final = (0.05, 0.1, 0.2, 0.4)
_TIMEOUT_S: Final = publishing.TIMEOUT_S
_IDS_S: Final = 2.0
_TROUBLE: Final = (NatsError, APIError, OSError, TimeoutError)


class Bus:
    """The process' connection to NATS.

    Attributes:
        connections: How often it was made; a change means that the server may be another.
    """

    def __init__(self, url: str, name: str, replicas: int = 1) -> None:
        """Prepare; `run` connects.

        Args:
            url: Of the server, with the service's own user.
            name: Shown in the server's monitoring.
            replicas: Copies of each stream: 1 on a single server, 3 on a cluster.
        """
        self._url = url
        self._name = name
        self._replicas = replicas
        self.connections = 0
        self._client: Client | None = None
        self._ready = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Say whether the server can be reached now."""
        return self._client is not None and self._client.is_connected

    async def run(self) -> None:
        """Connect and stay connected for as long as the process lives.

        Raises:
            RuntimeError: The server is older than the oldest safe one.
        """

        async def away() -> None:  # nats-py awaits its callbacks
            logger().warning("nats.away")

        async def back() -> None:  # nats-py awaits its callbacks
            self.connections += 1
            logger().info("nats.back")

        async def ignore(_: Exception) -> None:
            """Each failed attempt; `nats.away` was logged once."""

        client = Client()
        try:
            await client.connect(
                self._url,
                name=self._name,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                ping_interval=5,
                connect_timeout=2,
                disconnected_cb=away,
                reconnected_cb=back,
                error_cb=ignore,
            )
            refuse_old(client.connected_server_version)
            self._client = client
            self.connections += 1
            self._ready.set()
            await asyncio.Event().wait()
        finally:
            self._client = None
            self._ready.clear()
            await client.close()

    async def client(self) -> Client:
        """Give the connection.

        Returns:
            A connected client.

        Raises:
            BusAway: It isn't connected now.
        """
        if self._client is None or not self._client.is_connected:
            message = "NATS is away"
            raise BusAway(message)
        return self._client

    async def context(self) -> JetStreamContext:
        """Give the JetStream interface.

        Returns:
            For administration of streams and consumers.

        Raises:
            BusAway: NATS isn't connected now.
        """
        return (await self.client()).jetstream(timeout=_TIMEOUT_S)

    async def publish(self, messages: Sequence[Outgoing]) -> Sequence[Receipt]:
        """Publish in order, all in flight at once.

        Args:
            messages: At most some hundreds.

        Returns:
            A receipt for each, in the same order.

        Raises:
            BusAway: Not all answers came; some messages may be stored.
        """
        client = await self.client()
        if len(messages) == 1:
            return [await publishing.one(client, messages[0])]
        return await publishing.in_flight(client, messages)

    async def publish_whole(self, messages: Sequence[Outgoing]) -> Receipt:
        """Publish in order, all or nothing: one answer for all.

        Args:
            messages: At most a thousand; the first one's fence counts for all.

        Returns:
            The receipt of the last one; the others stand right before it.

        Raises:
            BusAway: No answer came; all may be stored, or none.
        """
        client = await self.client()
        if len(messages) == 1:
            return await publishing.one(client, messages[0])
        return await publishing.batch(client, messages)

    async def stream(self, name: str) -> StreamInfo | None:
        """Look at a stream.

        Args:
            name: `FEED` or `OUT`.

        Returns:
            Its state, or None when there is no such stream.

        Raises:
            BusAway: NATS did not answer.
        """
        context = await self.context()
        try:
            return await context.stream_info(name)
        except NotFoundError:
            return None
        except _TROUBLE as error:
            raise BusAway(str(type(error).__name__)) from error

    async def create(self, name: str, subject: str, first_sequence: int) -> None:
        """Make a stream.

        Args:
            name: `FEED` or `OUT`.
            subject: What it stores.
            first_sequence: Sequence of its first message.

        Raises:
            BusAway: NATS did not answer or refused.
        """
        context = await self.context()
        wanted = stream_config(name, subject, first_sequence, self._replicas)
        for again_in_s in (*_FILES_GO_S, None):
            try:
                await context.add_stream(wanted)
            except _TROUBLE as error:
                busy = getattr(error, "err_code", None) == STORE_NOT_MADE
                if not busy or again_in_s is None:
                    raise BusAway(str(type(error).__name__)) from error
                await asyncio.sleep(again_in_s)
            else:
                return

    async def settle(self, info: StreamInfo) -> None:
        """Give a stream that an older version made the settings of this one.

        Args:
            info: Of the stream.

        Raises:
            BusAway: NATS did not answer or refused.
        """
        if streams.settled(info, self._replicas):
            return
        context = await self.context()
        name = str(info.config.name)
        wanted = stream_config(name, streams.SUBJECTS[name], None, self._replicas)
        try:
            await context.update_stream(wanted)
        except _TROUBLE as error:
            raise BusAway(str(type(error).__name__)) from error
        logger().info("stream.settled", stream=name)

    async def drop(self, name: str) -> None:
        """Delete a stream that tells of another past; it is rebuilt from PostgreSQL.

        Args:
            name: `FEED` or `OUT`.

        Raises:
            BusAway: NATS did not answer.
        """
        context = await self.context()
        try:
            await context.delete_stream(name)
        except NotFoundError:
            return
        except _TROUBLE as error:
            raise BusAway(str(type(error).__name__)) from error

    async def message(self, name: str, **which: Any) -> RawStreamMsg | None:  # noqa: ANN401
        """Read one stored message.

        Args:
            name: The stream.
            **which: `seq=` a sequence, or `subject=` for the last one of a subject.

        Returns:
            The message, or None when there is none.

        Raises:
            BusAway: NATS did not answer.
        """
        context = await self.context()
        try:
            return await context.get_msg(name, **which)
        except NotFoundError:
            return None
        except _TROUBLE as error:
            raise BusAway(str(type(error).__name__)) from error

    async def has(self, name: str, sequence: int) -> bool:
        """Say whether a stream can give a message.

        Args:
            name: The stream.
            sequence: Where.

        Raises:
            BusAway: NATS did not answer.
        """
        context = await self.context()
        try:
            await context.get_msg(name, seq=sequence)
        except (ServiceUnavailableError, NatsError, OSError, TimeoutError) as error:
            if isinstance(error, APIError) and not isinstance(error, ServiceUnavailableError):
                return False
            raise BusAway(str(type(error).__name__)) from error
        return True

    async def ids(self, name: str, first: int, count: int) -> dict[int, str]:
        """Read the ids of stored messages, without their bodies.

        Args:
            name: The stream.
            first: Sequence to begin at.
            count: Most messages.

        Returns:
            Sequence -> `Nats-Msg-Id`; a message that is damaged or gone is missing.

        Raises:
            BusAway: NATS did not answer.
        """
        context = await self.context()
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=first,
            ack_policy=AckPolicy.NONE,
            headers_only=True,
            mem_storage=True,
            inactive_threshold=_TIMEOUT_S,
        )
        found: dict[int, str] = {}
        try:
            pull = await context.pull_subscribe(streams.SUBJECTS[name], stream=name, config=config)
            try:
                while len(found) < count:
                    for one in await pull.fetch(count - len(found), timeout=_IDS_S):
                        headers = one.headers or {}
                        found[one.metadata.sequence.stream] = headers.get("Nats-Msg-Id", "")
            except TimeoutError:
                pass  # fewer are there than wanted
            finally:
                with contextlib.suppress(*_TROUBLE):
                    await pull.unsubscribe()
        except _TROUBLE as error:
            raise BusAway(str(type(error).__name__)) from error
        return found
