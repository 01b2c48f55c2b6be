"""Routes of subscriptions and the live feed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from events import cloudevents, subscriber_routes, subscriptions
from events.cloudevents import CloudEvent
from events.live import Hub
from events.subscriptions import NewSubscription, Subscription
from kernel import errors
from kernel.actor import require
from kernel.database import Tx
from kernel.edge import Edge

LONGEST_STREAM_S: Final = 900.0
"""A live stream ends then; the client comes back, and its rights are looked up again."""
RETRY_MS: Final = 500
_PAGE: Final = 100
_LONGEST_POSITION: Final = 18

# Bounds of a parameter stand in its marker: beside FromQuery msgspec.Meta would be dropped.
Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Number = Annotated[int, QueryParameter(ge=0, le=2**63 - 1)]


class SubscriptionPage(msgspec.Struct, frozen=True, kw_only=True):
    """All subscriptions of an actor, oldest first."""

    subscriptions: Sequence[Subscription]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a subscription's events, by number."""

    events: Sequence[CloudEvent]


@post(
    "/subscriptions",
    operation_id="Subscribe",
    summary="Subscribe to kinds of events in a scope",
    tags=["events"],
)
async def subscribe(edge: NamedDependency[Edge], data: JSONBody[NewSubscription]) -> Subscription:
    """Subscribe to kinds of events in a scope. 422 `kind_unknown`, `webhook_address_refused`.

    Args:
        edge: The request.
        data: The wish.
    """

    async def act(tx: Tx) -> tuple[UUID, Subscription]:
        loopback = edge.settings.webhooks_to_loopback
        made = await subscriptions.create(tx, edge.actor, data, loopback=loopback)
        return made.id, made

    return await edge.once_if_keyed(act, lambda tx, one: subscriptions.get(tx, edge.actor, one))


@get(
    "/subscriptions",
    operation_id="ListSubscriptions",
    summary="List the actor's own subscriptions",
    tags=["events"],
)
async def list_subscriptions(edge: NamedDependency[Edge]) -> SubscriptionPage:
    """List the actor's own subscriptions.

    Args:
        edge: The request.
    """
    found = await edge.run(lambda tx: subscriptions.page(tx, edge.actor))
    return SubscriptionPage(subscriptions=found)


@get(
    "/subscriptions/{subscription_id:uuid}",
    operation_id="GetSubscription",
    summary="Read a subscription and where it stands",
    tags=["events"],
)
async def get_subscription(
    edge: NamedDependency[Edge], subscription_id: FromPath[UUID]
) -> Subscription:
    """Read a subscription and where it stands. 404 `subscription_missing`.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(lambda tx: subscriptions.get(tx, edge.actor, subscription_id))


@get(
    "/subscriptions/{subscription_id:uuid}/events",
    operation_id="ListSubscriptionEvents",
    summary="Read events by number from the record: the repair of a gap, or a replay",
    tags=["events"],
)
async def list_subscription_events(
    edge: NamedDependency[Edge],
    subscription_id: FromPath[UUID],
    after: Number = 0,
    since: FromQuery[datetime | None] = None,
    limit: Limit = _PAGE,
) -> EventPage:
    """Read events by number from the record: the repair of a gap, or a replay.

    Args:
        edge: The request.
        subscription_id: Which.
        after: Number before the first one wanted.
        since: Only events that happened at this moment or later, and those between them.
        limit: At most 200.
    """

    async def read(tx: Tx) -> Sequence[CloudEvent]:
        before = 0
        if since is not None:
            before = await subscriptions.number_before(tx, edge.actor, subscription_id, since)
        return await subscriptions.events(
            tx, edge.actor, subscription_id, edge.keys, after=max(after, before), limit=limit
        )

    return EventPage(events=await edge.run(read))


@get(
    "/events",
    operation_id="FollowEvents",
    summary="Follow what the actor may see as server-sent events; `id` is the position",
    tags=["events"],
)
async def follow_events(
    edge: NamedDependency[Edge], live: NamedDependency[Hub], request: Request[Any, Any, Any]
) -> ServerSentEvent:
    """Follow what the actor may see as server-sent events; `id` is the position.

    The header Last-Event-ID (or `?after=`) goes on after a position; without it only what comes
    is sent. `reconnect` asks the client to come back. 400 `last_event_id_unusable`.

    Args:
        edge: The request.
        live: The process' live feed.
        request: For the header.
    """
    require(edge.actor, "event.read")
    after = _position(request.headers.get("last-event-id") or request.query_params.get("after"))
    drain: asyncio.Event = request.app.state.drain
    return ServerSentEvent(_messages(edge, live, after, drain), retry_duration=RETRY_MS)


async def _messages(
    edge: Edge, live: Hub, after: int | None, drain: asyncio.Event
) -> AsyncIterator[ServerSentEventMessage]:
    actor = edge.actor
    recipient = subscriptions.recipient_of(actor) or actor.id
    loop = asyncio.get_running_loop()
    until = loop.time() + LONGEST_STREAM_S
    yield ServerSentEventMessage(comment="live")
    async for page in live.follow(actor, after, drain):
        for event in page:
            told = cloudevents.envelope(event, event.position, recipient, edge.keys)
            yield ServerSentEventMessage(
                data=cloudevents.encode(told).decode(), event=event.kind, id=str(event.position)
            )
        if not page:
            yield ServerSentEventMessage(comment="live")
        if loop.time() > until:
            break
    yield ServerSentEventMessage(event="reconnect", data="", retry=RETRY_MS)


def _position(text: str | None) -> int | None:
    if text is None or not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST_POSITION:
        code = "last_event_id_unusable"
        raise errors.Malformed(code, "Last-Event-ID is the position of an event.")
    return int(text)


ROUTES: Final = [
    subscribe,
    list_subscriptions,
    get_subscription,
    list_subscription_events,
    follow_events,
    *subscriber_routes.ROUTES,
]
