"""A subscription as server-sent events: numbered, resumable, read from PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from litestar.response import ServerSentEventMessage

from events import cloudevents, deliveries, listening, progress, subscriptions
from events.deliveries import Delivery
from events.live import Hub
from events.subscriptions import Subscription
from kernel import errors, ids
from kernel.edge import Edge

LONGEST_STREAM_S: Final = 900.0
"""A stream ends then; the client comes back, and its rights are looked up again."""
RETRY_MS: Final = 500
PAGE: Final = 100
BEAT_S: Final = 10.0
"""Silence after which a stream says that it lives, where no heartbeat was asked for."""
_LOOK_S: Final = 1.0
_LONGEST_NUMBER: Final = 18


def number_of(text: str | None) -> int | None:
    """Read a Last-Event-ID.

    Args:
        text: Of the header; None when there was none.

    Returns:
        The number.

    Raises:
        Malformed: `last_event_id_unusable`.
    """
    if text is None or not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        code = "last_event_id_unusable"
        raise errors.Malformed(code, "Last-Event-ID is the number of an event.")
    return int(text)


async def messages(
    edge: Edge, live: Hub, known: Subscription, after: int, drain: asyncio.Event
) -> AsyncIterator[ServerSentEventMessage]:
    """Give a subscription's events as they come.

    Args:
        edge: The request; its rights are looked at anew for each page.
        live: Rings when there may be news.
        known: The subscription.
        after: Number before the first one wanted.
        drain: Ends the stream cleanly.

    Yields:
        Numbered events, signs of life (event `subscription.heartbeat` where one was asked for),
        `ended` when the subscription has ended, and `reconnect` at the end.
    """
    loop = asyncio.get_running_loop()
    bell = live.bell()
    until, told, epoch = loop.time() + LONGEST_STREAM_S, loop.time(), 0
    yield ServerSentEventMessage(comment="live")
    while not drain.is_set() and loop.time() < until:
        try:
            state, page = await _page(edge, known, after)
        except errors.Unavailable:
            state, page = "away", ()
        except errors.Missing:
            state, page = "ended", ()
        for one in page:
            epoch = one.epoch
            envelope = cloudevents.of_delivery(one, known.id, known.recipient_id, edge.keys)
            yield ServerSentEventMessage(
                data=cloudevents.encode(envelope).decode(),
                event=envelope.type.removeprefix("regul."),
                id=str(one.number),
            )
            after = one.number
        if state == "ended" and not page:
            yield ServerSentEventMessage(event="ended", data="")
            return
        if page:
            told = loop.time()
            await _note(edge, known, after)
        elif loop.time() - told >= (known.heartbeat_s or BEAT_S):
            told = loop.time()
            yield _beat(known, after, epoch)
        if len(page) < PAGE:
            await _pause(bell, drain)
    yield ServerSentEventMessage(event="reconnect", data="", retry=RETRY_MS)


async def _page(edge: Edge, known: Subscription, after: int) -> tuple[str, Sequence[Delivery]]:
    async with edge.database.transaction(edge.actor) as tx:
        now = await subscriptions.get(tx, edge.actor, known.id)
        if now.state == "paused" or after >= now.last_number:
            return now.state, ()
        return now.state, await deliveries.page(tx, known.id, after, PAGE)


async def _note(edge: Edge, known: Subscription, number: int) -> None:
    try:
        async with edge.database.transaction(edge.actor) as tx:
            await progress.streamed(tx, known.id, number)
    except errors.Unavailable:
        return


def _beat(known: Subscription, after: int, epoch: int) -> ServerSentEventMessage:
    if known.heartbeat_s is None:
        return ServerSentEventMessage(comment="live")
    told = cloudevents.sign(
        cloudevents.HEARTBEAT,
        ids.uuid7(),
        known.id,
        number=after,
        epoch=epoch,
        at=datetime.now(UTC),
    )
    return ServerSentEventMessage(
        data=cloudevents.encode(told).decode(), event=cloudevents.HEARTBEAT
    )


async def _pause(bell: listening.Bell, drain: asyncio.Event) -> None:
    """Wait for news, a second at most: a pause, an end and a drain are noticed too."""
    ringing = asyncio.create_task(bell.wait(_LOOK_S))
    ending = asyncio.create_task(drain.wait())
    try:
        await asyncio.wait({ringing, ending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ringing.cancel()
        ending.cancel()
