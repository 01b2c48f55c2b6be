"""Routes of subscribers: pausing, replay, tests, keys, where they stand, and their own stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import ServerSentEvent

from events import progress, subscription_control, subscription_stream, subscriptions
from events.live import Hub
from events.progress import Alarm, Standing
from events.subscription_control import Keys, Replay, Rotation
from events.subscriptions import Subscription
from kernel.actor import require
from kernel.database import Tx
from kernel.edge import Edge

Number = Annotated[int, QueryParameter(ge=-1, le=2**62)]
Since = Annotated[datetime | None, QueryParameter()]


class Standings(msgspec.Struct, frozen=True, kw_only=True):
    """Where subscriptions stand, the most late first, and who looks after those that fail."""

    subscriptions: Sequence[Standing]
    alarms: Sequence[Alarm]


@get(
    "/subscriptions/{subscription_id:uuid}/status",
    operation_id="GetSubscriptionStatus",
    summary="Tell what was sent, what was confirmed and what fails",
    tags=["events"],
)
async def get_status(edge: NamedDependency[Edge], subscription_id: FromPath[UUID]) -> Standing:
    """Tell where a subscription stands, also while nothing can be sent.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(lambda tx: progress.standing(tx, edge.actor, subscription_id))


@get(
    "/subscription-standings",
    operation_id="ListSubscriptionStandings",
    summary="List where subscriptions stand: one's own, or all that hear of the territory",
    tags=["events"],
)
async def list_standings(edge: NamedDependency[Edge]) -> Standings:
    """List where subscriptions stand: a subscriber's own, a supervisor's territory's.

    Args:
        edge: The request.
    """

    async def read(tx: Tx) -> Standings:
        return Standings(
            subscriptions=await progress.standings(tx, edge.actor),
            alarms=await progress.alarms(tx, edge.actor),
        )

    return await edge.run(read)


@post(
    "/subscription-alarms/{alarm_id:uuid}/take",
    operation_id="TakeSubscriptionAlarm",
    status_code=200,
    summary="Say that one looks after a subscription that fails",
    tags=["events"],
)
async def take_alarm(edge: NamedDependency[Edge], alarm_id: FromPath[UUID]) -> Alarm:
    """Say that one looks after a subscription that fails. 404 `alarm_missing`.

    Args:
        edge: The request.
        alarm_id: Which.
    """
    return await edge.run(lambda tx: progress.take(tx, edge.actor, alarm_id))


@post(
    "/subscriptions/{subscription_id:uuid}/pause",
    operation_id="PauseSubscription",
    status_code=200,
    summary="Send nothing until resumed; numbering goes on",
    tags=["events"],
)
async def pause(edge: NamedDependency[Edge], subscription_id: FromPath[UUID]) -> Subscription:
    """Send nothing until resumed; numbering goes on. 409 `subscription_ended`.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(lambda tx: subscription_control.pause(tx, edge.actor, subscription_id))


@post(
    "/subscriptions/{subscription_id:uuid}/resume",
    operation_id="ResumeSubscription",
    status_code=200,
    summary="Send again from what was confirmed last",
    tags=["events"],
)
async def resume(edge: NamedDependency[Edge], subscription_id: FromPath[UUID]) -> Subscription:
    """Send again from what was confirmed last. 409 `subscription_ended`.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(lambda tx: subscription_control.resume(tx, edge.actor, subscription_id))


@delete(
    "/subscriptions/{subscription_id:uuid}",
    operation_id="EndSubscription",
    status_code=200,
    summary="End a subscription for good",
    tags=["events"],
)
async def end(edge: NamedDependency[Edge], subscription_id: FromPath[UUID]) -> Subscription:
    """End a subscription for good; connections that are open at NATS pull nothing any more.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(lambda tx: subscription_control.end(tx, edge.actor, subscription_id))


@post(
    "/subscriptions/{subscription_id:uuid}/test",
    operation_id="TestSubscription",
    status_code=202,
    summary="Ask for a test event over the subscription's own delivery",
    tags=["events"],
)
async def test(edge: NamedDependency[Edge], subscription_id: FromPath[UUID]) -> Subscription:
    """Ask for a test event over the subscription's own delivery. 409 `test_over_stream`.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(lambda tx: subscription_control.test(tx, edge.actor, subscription_id))


@post(
    "/subscriptions/{subscription_id:uuid}/replay",
    operation_id="ReplaySubscription",
    status_code=202,
    summary="Send again, from any number or moment",
    tags=["events"],
)
async def replay(
    edge: NamedDependency[Edge], subscription_id: FromPath[UUID], data: JSONBody[Replay]
) -> Subscription:
    """Send again, from any number or moment. 422 `replay_start_needed`, 409 `replay_over_stream`.

    Args:
        edge: The request.
        subscription_id: Which.
        data: From where.
    """
    return await edge.run(
        lambda tx: subscription_control.replay(tx, edge.actor, subscription_id, data)
    )


@get(
    "/subscriptions/{subscription_id:uuid}/keys",
    operation_id="ListSubscriptionKeys",
    summary="Give the keys with which a webhook's signatures are checked",
    tags=["events"],
)
async def list_keys(edge: NamedDependency[Edge], subscription_id: FromPath[UUID]) -> Keys:
    """Give the keys with which a webhook's signatures are checked. 409 `no_webhook`.

    Args:
        edge: The request.
        subscription_id: Which.
    """
    return await edge.run(
        lambda tx: subscription_control.verifying_keys(tx, edge.actor, subscription_id, edge.keys)
    )


@post(
    "/subscriptions/{subscription_id:uuid}/keys",
    operation_id="RotateSubscriptionKeys",
    summary="Change a webhook's signing key; both sign for a while",
    tags=["events"],
)
async def rotate_keys(
    edge: NamedDependency[Edge], subscription_id: FromPath[UUID], data: JSONBody[Rotation]
) -> Keys:
    """Change a webhook's signing key; both sign for a while. 409 `no_webhook`.

    Args:
        edge: The request.
        subscription_id: Which.
        data: For how long the former key counts.
    """
    return await edge.run(
        lambda tx: subscription_control.rotate(tx, edge.actor, subscription_id, edge.keys, data)
    )


@get(
    "/subscriptions/{subscription_id:uuid}/stream",
    operation_id="StreamSubscription",
    summary="Follow a subscription as server-sent events; `id` is its number",
    tags=["events"],
)
async def stream(
    edge: NamedDependency[Edge],
    live: NamedDependency[Hub],
    request: Request[Any, Any, Any],
    subscription_id: FromPath[UUID],
    *,
    after: Number = -1,
    since: Since = None,
) -> ServerSentEvent:
    """Follow a subscription as server-sent events; `id` is its number.

    Last-Event-ID goes on after a number; without it `after`, then `since` says where to begin, and
    without any of them only what comes is sent. 400 `last_event_id_unusable`.

    Args:
        edge: The request.
        live: The process' live feed.
        request: For the header.
        subscription_id: Which.
        after: Number before the first one wanted; -1 = not named.
        since: Events that happened at this moment or later.
    """
    require(edge.actor, "event.read")
    known = await edge.run(lambda tx: subscriptions.get(tx, edge.actor, subscription_id))
    seen = subscription_stream.number_of(request.headers.get("last-event-id"))
    named = None if after < 0 else after
    begin = named if seen is None else seen
    if begin is None and since is not None:
        begin = await edge.run(
            lambda tx: subscriptions.number_before(tx, edge.actor, subscription_id, since)
        )
    begin = known.last_number if begin is None else begin
    drain: asyncio.Event = request.app.state.drain
    messages: AsyncIterator[Any] = subscription_stream.messages(edge, live, known, begin, drain)
    return ServerSentEvent(messages, retry_duration=subscription_stream.RETRY_MS)


ROUTES: Final = [
    get_status,
    list_standings,
    take_alarm,
    pause,
    resume,
    end,
    test,
    replay,
    list_keys,
    rotate_keys,
    stream,
]
