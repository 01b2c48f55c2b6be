"""The connection to NATS: kept for ever, publishes in order, knows the two streams' settings.

NATS is transport and replay; PostgreSQL is the record. Whatever fails here is tried again later by
who called, so everything that can go wrong ends as `BusAway` or as a refusal that is handed back.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RawStreamMsg,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError

from kernel.telemetry import logger

FEED: Final = "FEED"
"""Internal copy of the feed: sequence = position."""
OUT: Final = "OUT"
"""What subscribers pull: `out.<subscription id>`."""
KEPT_S: Final = 7 * 24 * 3600
"""How long the streams keep a message; older ones come from PostgreSQL."""
WRONG_LAST_SEQUENCE: Final = 10071
STORE_NOT_MADE: Final = 10049
"""The files of a stream of that name that was just dropped are still being removed."""
_FILES_GO_S: Final = (0.05, 0.1, 0.2, 0.4)
NOBODY: Final = 503
"""No stream stores this subject."""
OLDEST: Final = (2, 14, 3)
"""Source: advisories.nats.io secnote-2026-16, -18, -26."""
_BYTES: Final = 512 * 1024 * 1024
_TIMEOUT_S: Final = 5.0
_DUPLICATES_S: Final = 3600


class BusAway(Exception):
    """NATS doesn't answer now; PostgreSQL keeps what shall be sent."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message to publish.

    Attributes:
        subject: Where.
        body: JSON.
        headers: With the fence and the message's id.
    """

    subject: str
    body: bytes
    headers: dict[str, str]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered to one message.

    Attributes:
        sequence: Its place in the stream; 0 when refused.
        refusal: Error code of the server; 0 when stored.
        duplicate: It was stored before.
    """

    sequence: int = 0
    refusal: int = 0
    duplicate: bool = False


class _Error(msgspec.Struct, kw_only=True):
    err_code: int = 1


class _Answer(msgspec.Struct, kw_only=True):
    seq: int = 0
    duplicate: bool = False
    error: _Error | None = None


class Bus:
    """The process' connection to NATS."""

    def __init__(self, url: str, name: str) -> None:
        """Prepare; `run` connects.

        Args:
            url: Of the server, with the service's own user.
            name: Shown in the server's monitoring.
        """
        self._url = url
        self._name = name
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
            return [await _publish_one(client, messages[0])]
        inbox = client.new_inbox()
        answers: dict[int, Receipt] = {}
        complete = asyncio.Event()

        async def take(message: Msg) -> None:  # nats-py awaits its callbacks
            answers[int(message.subject.rpartition(".")[2])] = _receipt(message)
            if len(answers) == len(messages):
                complete.set()

        try:
            answered = await client.subscribe(f"{inbox}.*", cb=take)
            try:
                for index, one in enumerate(messages):
                    reply = f"{inbox}.{index}"
                    await client.publish(one.subject, one.body, reply=reply, headers=one.headers)
                async with asyncio.timeout(_TIMEOUT_S):
                    await complete.wait()
            finally:
                if client.is_connected:
                    await answered.unsubscribe()
        except (NatsError, OSError, TimeoutError) as error:
            message = "NATS did not answer"
            raise BusAway(message) from error
        return [answers[index] for index in range(len(messages))]

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
        except (NatsError, APIError, OSError, TimeoutError) as error:
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
        wanted = stream_config(name, subject, first_sequence)
        for again_in_s in (*_FILES_GO_S, None):
            try:
                await context.add_stream(wanted)
            except (NatsError, APIError, OSError, TimeoutError) as error:
                busy = getattr(error, "err_code", None) == STORE_NOT_MADE
                if not busy or again_in_s is None:
                    raise BusAway(str(type(error).__name__)) from error
                await asyncio.sleep(again_in_s)
            else:
                return

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
        except (NatsError, APIError, OSError, TimeoutError) as error:
            raise BusAway(str(type(error).__name__)) from error

    async def ensure_consumer(self, name: str) -> None:
        """Make a subscription's durable pull consumer on OUT; repeating it changes nothing.

        Args:
            name: The subscription's id; it filters `out.<id>`.

        Raises:
            BusAway: NATS did not answer or refused.
        """
        context = await self.context()
        try:
            await context.add_consumer(OUT, consumer_config(name))
        except (NatsError, APIError, OSError, TimeoutError) as error:
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
        except (NatsError, APIError, OSError, TimeoutError) as error:
            raise BusAway(str(type(error).__name__)) from error


def stream_config(name: str, subject: str, first_sequence: int) -> StreamConfig:
    """Give the settings of our streams.

    Args:
        name: `FEED` or `OUT`.
        subject: What it stores.
        first_sequence: Sequence of its first message.

    Returns:
        On disk, full means refused (never silently dropped), nothing can be deleted or purged.
    """
    return StreamConfig(
        name=name,
        subjects=[subject],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=_BYTES,
        max_age=KEPT_S,
        deny_delete=True,
        deny_purge=True,
        allow_direct=False,
        duplicate_window=_DUPLICATES_S,
        first_seq=first_sequence,
    )


def consumer_config(name: str) -> ConsumerConfig:
    """Give the settings of a subscriber's consumer.

    Args:
        name: The subscription's id.

    Returns:
        Durable, pulled, each message acknowledged, at most 20 attempts, 256 in flight.
    """
    return ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=f"out.{name}",
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=30,
        max_deliver=20,
        max_ack_pending=256,
    )


def refuse_old(version: object) -> None:
    """Refuse a server with known holes.

    Args:
        version: As the server tells it, for example `2.15.1`.

    Raises:
        RuntimeError: It is older than 2.14.3.
    """
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", str(version))
    if match is None or tuple(int(part) for part in match.groups()) < OLDEST:
        message = f"nats-server {version} is older than {'.'.join(map(str, OLDEST))}"
        raise RuntimeError(message)


def fenced(headers: Mapping[str, str], name: str, sequence: int) -> dict[str, str]:
    """Add a fence to headers: the message is stored only as the next one.

    Args:
        headers: The message's own.
        name: `Nats-Expected-Last-Sequence` or `Nats-Expected-Last-Subject-Sequence`.
        sequence: What must be the last.

    Returns:
        New headers.
    """
    return {**headers, name: str(sequence)}


async def _publish_one(client: Client, one: Outgoing) -> Receipt:
    try:
        return _receipt(
            await client.request(one.subject, one.body, timeout=_TIMEOUT_S, headers=one.headers)
        )
    except NoRespondersError:
        return Receipt(refusal=NOBODY)
    except (NatsError, OSError, TimeoutError) as error:
        message = "NATS did not answer"
        raise BusAway(message) from error


def _receipt(message: Msg) -> Receipt:
    if message.headers and message.headers.get(nats.js.api.Header.STATUS) == str(NOBODY):
        return Receipt(refusal=NOBODY)
    answer = _ANSWER.decode(message.data)
    if answer.error is not None:
        return Receipt(refusal=answer.error.err_code)
    return Receipt(sequence=answer.seq, duplicate=answer.duplicate)


_ANSWER: Final = msgspec.json.Decoder(_Answer)
