"""The durable pull consumers of stream OUT: one for each subscription over NATS, and no other.

What a connection may do at NATS is fixed when it signs in. A subscription that ends, or whose owner
is switched off, therefore loses its consumer: connections that are open then can pull nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from nats.errors import Error as NatsError
from nats.js.api import DeliverPolicy
from nats.js.errors import APIError, NotFoundError

from events import jetstream
from events.jetstream import OUT, Bus, BusAway

_FAILURES: Final = (NatsError, APIError, OSError, TimeoutError)
_PAGE: Final = 256
"""What nats-server answers at once."""


class Unacknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer still owes.

    Attributes:
        waiting: Messages that were not pulled yet.
        pulled: Messages that were pulled and not acknowledged.
    """

    waiting: int
    pulled: int


async def ensure(bus: Bus, subscription_id: UUID) -> None:
    """Make a subscription's consumer; repeating it changes nothing.

    Args:
        bus: The connection.
        subscription_id: Also the consumer's name.

    Raises:
        BusAway: NATS did not answer or refused.
    """
    context = await bus.context()
    name = str(subscription_id)
    try:
        try:
            await context.add_consumer(OUT, jetstream.consumer_config(name))
        except APIError:
            # One that was restarted begins elsewhere, which can't be changed, and need not be.
            await context.consumer_info(OUT, name)
    except _FAILURES as error:
        raise BusAway(str(type(error).__name__)) from error


async def remove(bus: Bus, subscription_id: UUID) -> None:
    """Take a consumer away: pulls that wait on it end, new ones find nobody.

    Args:
        bus: The connection.
        subscription_id: Also the consumer's name.

    Raises:
        BusAway: NATS did not answer.
    """
    context = await bus.context()
    try:
        await context.delete_consumer(OUT, str(subscription_id))
    except NotFoundError:
        return
    except _FAILURES as error:
        raise BusAway(str(type(error).__name__)) from error


async def restart(bus: Bus, subscription_id: UUID, since: datetime | None) -> None:
    """Let a consumer begin anew.

    Args:
        bus: The connection.
        subscription_id: Also the consumer's name.
        since: With messages stored at this moment or later; None = with the oldest one kept.

    Raises:
        BusAway: NATS did not answer.
    """
    await remove(bus, subscription_id)
    context = await bus.context()
    wanted = jetstream.consumer_config(str(subscription_id))
    if since is not None:
        wanted = wanted.evolve(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since)
    try:
        await context.add_consumer(OUT, wanted)
    except _FAILURES as error:
        raise BusAway(str(type(error).__name__)) from error


async def unacknowledged(bus: Bus, subscription_id: UUID) -> Unacknowledged:
    """Ask what a consumer still owes.

    Args:
        bus: The connection.
        subscription_id: Also the consumer's name.

    Raises:
        BusAway: NATS did not answer.
    """
    context = await bus.context()
    try:
        info = await context.consumer_info(OUT, str(subscription_id))
    except NotFoundError:
        return Unacknowledged(waiting=0, pulled=0)
    except _FAILURES as error:
        raise BusAway(str(type(error).__name__)) from error
    return Unacknowledged(waiting=info.num_pending or 0, pulled=info.num_ack_pending or 0)


async def names(bus: Bus) -> Sequence[UUID]:
    """List the subscriptions that have a consumer.

    Args:
        bus: The connection.

    Raises:
        BusAway: NATS did not answer.
    """
    context = await bus.context()
    found: list[str] = []
    try:
        while page := await context.consumers_info(OUT, offset=len(found)):
            found += [one.name for one in page]
            if len(page) < _PAGE:
                break
    except NotFoundError:
        return ()
    except _FAILURES as error:
        raise BusAway(str(type(error).__name__)) from error
    return [UUID(name) for name in found if _is_subscription(name)]


def _is_subscription(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
