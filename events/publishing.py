"""Messages to JetStream and what the server answers: one, many in flight, or a whole batch at once.

Each way keeps the order and the fence. A batch is stored whole or not at all (`Nats-Batch-*`,
nats-server 2.12 and newer): one answer and one sync for up to a thousand messages.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

WRONG_LAST_SEQUENCE: Final = 10071
NOBODY: Final = 503
"""No stream stores this subject."""
IN_BATCH_BEFORE: Final = 10201
"""A message of a batch is stored already: of two who publish the same, the other was faster."""
FENCES: Final = frozenset({0, NOBODY, WRONG_LAST_SEQUENCE, IN_BATCH_BEFORE})
"""Answers that mean: look again where the stream stands; anything else is trouble."""
TIMEOUT_S: Final = 5.0
MOST_IN_BATCH: Final = 1000
"""Source: docs.nats.io, limits of atomic batches."""


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


async def one(client: Client, message: Outgoing) -> Receipt:
    """Publish one message and wait for its answer.

    Args:
        client: Connected.
        message: With its fence.

    Raises:
        BusAway: No answer came; it may be stored.
    """
    return await _asked(client, message.subject, message.body, message.headers)


async def in_flight(client: Client, messages: Sequence[Outgoing]) -> Sequence[Receipt]:
    """Publish in order, all in flight at once.

    Args:
        client: Connected.
        messages: At most some hundreds, each with its fence.

    Returns:
        A receipt for each, in the same order.

    Raises:
        BusAway: Not all answers came; some messages may be stored.
    """
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
            for index, each in enumerate(messages):
                reply = f"{inbox}.{index}"
                await client.publish(each.subject, each.body, reply=reply, headers=each.headers)
            async with asyncio.timeout(TIMEOUT_S):
                await complete.wait()
        finally:
            if client.is_connected:
                await answered.unsubscribe()
    except (NatsError, OSError, TimeoutError) as error:
        message = "NATS did not answer"
        raise BusAway(message) from error
    return [answers[index] for index in range(len(messages))]


async def batch(client: Client, messages: Sequence[Outgoing]) -> Receipt:
    """Publish in order, all or nothing.

    Args:
        client: Connected.
        messages: At most a thousand; the first one's fence is the batch's.

    Returns:
        The receipt of the last one; the others stand right before it.

    Raises:
        BusAway: No answer came; all may be stored, or none.
    """
    name = uuid.uuid4().hex
    try:
        for number, each in enumerate(messages[:-1], start=1):
            headers = each.headers if number == 1 else _unfenced(each.headers)
            labels = {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
            await client.publish(each.subject, each.body, headers={**headers, **labels})
    except (NatsError, OSError, TimeoutError) as error:
        message = "NATS did not take it"
        raise BusAway(message) from error
    last = messages[-1]
    labels = {
        "Nats-Batch-Id": name,
        "Nats-Batch-Sequence": str(len(messages)),
        "Nats-Batch-Commit": "1",
    }
    return await _asked(client, last.subject, last.body, {**_unfenced(last.headers), **labels})


def _unfenced(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.startswith(_FENCE)}


async def _asked(client: Client, subject: str, body: bytes, headers: dict[str, str]) -> Receipt:
    try:
        return _receipt(await client.request(subject, body, timeout=TIMEOUT_S, headers=headers))
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


_FENCE: Final = "Nats-Expected-"
_ANSWER: Final = msgspec.json.Decoder(_Answer)
