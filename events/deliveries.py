"""Delivery rows: which event has which number for which subscription; decided in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from events import feed
from events.model import StoredEvent
from kernel.database import Tx


class Outlet(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that is served over NATS.

    Attributes:
        id: The subscription.
        actor_id: Its owner.
        recipient_id: Under whose pseudonyms.
        last_number: Last number given.
        paused: Nothing is published now.
        test_id: A test event that is to be published.
        replay_after: Its consumer is to begin anew after this number.
        replay_since: When the event after that one happened; None when there is none.
        heartbeat_s: Seconds of silence after which a sign of life is sent.
        epoch: Of the feed.
        now: By the database's clock.
    """

    id: UUID
    actor_id: UUID
    recipient_id: UUID
    last_number: int
    paused: bool
    test_id: UUID | None
    replay_after: int | None
    replay_since: datetime | None
    heartbeat_s: int | None
    epoch: int
    now: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one subscription.

    Attributes:
        number: The subscription's own gapless number, from 1.
        position: Place in the feed.
        epoch: Of the position.
        event: The event; none when the subscriber may no longer see it.
    """

    number: int
    position: int
    epoch: int
    event: StoredEvent | None


async def decide(tx: Tx, limit: int) -> int:
    """Decide who receives the next positions and number it.

    Args:
        tx: A transaction under `regul_system`.
        limit: Most positions.

    Returns:
        How many positions were decided; 0 when there are none or another transaction is at it.
    """
    cursor = await tx.fetchval(LOCK_CURSOR)
    if cursor is None:
        return 0
    until: int = await tx.fetchval(SELECT_UNTIL, cursor, limit)
    await tx.execute(BEGIN_SUBSCRIPTIONS, cursor)
    if until == cursor:
        return 0
    await tx.execute(INSERT_DELIVERIES, cursor, until)
    await tx.execute(ADVANCE_CURSOR, until)
    return until - int(cursor)


async def outlets(tx: Tx) -> Sequence[Outlet]:
    """List the active subscriptions over NATS whose owners may sign in there.

    Args:
        tx: A transaction under `regul_system`.

    Returns:
        In order of ids.
    """
    return [msgspec.convert(dict(row), Outlet) for row in await tx.fetch(SELECT_OUTLETS)]


async def settle_replay(tx: Tx, subscription_id: UUID, after: int) -> None:
    """Note that a consumer began anew.

    Args:
        tx: A transaction under `regul_system`.
        subscription_id: Which.
        after: As it was asked for.
    """
    await tx.execute(SETTLE_REPLAY, subscription_id, after)


async def settle_test(tx: Tx, subscription_id: UUID, test_id: UUID) -> None:
    """Note that a test event was published.

    Args:
        tx: A transaction under `regul_system`.
        subscription_id: Which.
        test_id: The event.
    """
    await tx.execute(SETTLE_TEST, subscription_id, test_id)


async def note_sent(
    tx: Tx, subscription_ids: Sequence[UUID], sent: Sequence[int], confirmed: Sequence[int]
) -> None:
    """Note how far subscriptions over NATS are.

    Args:
        tx: A transaction under `regul_system`.
        subscription_ids: Which.
        sent: For each, the last number in OUT.
        confirmed: For each, the last number that was acknowledged.
    """
    await tx.execute(NOTE_SENT, list(subscription_ids), list(sent), list(confirmed))


async def page(tx: Tx, subscription_id: UUID, after: int, limit: int) -> Sequence[Delivery]:
    """Read a subscription's events by number.

    Args:
        tx: A transaction under `regul_system`, or the subscriber's own.
        subscription_id: Which.
        after: Number before the first one wanted.
        limit: Most events.

    Returns:
        In order of numbers; scope and rights are looked at again, now.
    """
    rows = await tx.fetch(SELECT_DELIVERIES, subscription_id, after, limit)
    return [
        Delivery(
            number=row["event_number"],
            position=row["position"],
            epoch=row["epoch"],
            event=feed.stored(row) if row["visible"] else None,
        )
        for row in rows
    ]


async def before_kept(tx: Tx, subscription_id: UUID, seconds: int) -> int:
    """Give the number before the first one young enough for the stream.

    Args:
        tx: A transaction under `regul_system`.
        subscription_id: Which.
        seconds: What the stream keeps.

    Returns:
        The number; the last one given when all are older.
    """
    number: int = await tx.fetchval(SELECT_BEFORE_KEPT, subscription_id, float(seconds))
    return number


async def event_at(tx: Tx, subscription_id: UUID, number: int) -> UUID | None:
    """Give the id of the event that has a number.

    Args:
        tx: A transaction under `regul_system`.
        subscription_id: Whose number.
        number: Which.

    Returns:
        Its id, or None when the number was not given.
    """
    event_id: UUID | None = await tx.fetchval(SELECT_EVENT_AT, subscription_id, number)
    return event_id


LOCK_CURSOR: Final = """
select position from events.consumer where name = 'dispatcher' for update skip locked
"""
SELECT_UNTIL: Final = """
select coalesce(max(position), $1::bigint) from events.position
where position > $1 and position <= $1 + $2::bigint
"""
BEGIN_SUBSCRIPTIONS: Final = """
update events.subscription set from_position = $1 where from_position is null
"""
INSERT_DELIVERIES: Final = """
with matched as (
    select s.id, s.last_number, p.position,
        row_number() over (partition by s.id order by p.position) as place
    from events.position p
    join events.outbox o on o.id = p.outbox_id
    join events.subscription s on s.active and s.from_position < p.position
        and o.kind = any (s.kinds)
    where p.position > $1 and p.position <= $2 and events.in_scope(s, o)),
numbered as (
    insert into events.delivery (subscription_id, event_number, position)
    select id, last_number + place, position from matched
    returning subscription_id, event_number)
update events.subscription s set last_number = n.last_number
from (select subscription_id, max(event_number) as last_number from numbered group by 1) n
where s.id = n.subscription_id
"""
ADVANCE_CURSOR: Final = """
update events.consumer set position = $1 where name = 'dispatcher' and position < $1
"""
SELECT_OUTLETS: Final = """
select s.id, s.actor_id, s.recipient_id, s.last_number, s.paused_at is not null as paused,
    s.test_id, s.replay_after, s.heartbeat_s,
    case when s.replay_after is not null then (
        select o.occurred_at from events.delivery d
        join events.position p on p.position = d.position
        join events.outbox o on o.id = p.outbox_id
        where d.subscription_id = s.id and d.event_number = s.replay_after + 1) end as replay_since,
    e.epoch, kernel.regul_now() as now
from events.subscription s
join events.subscriber a on a.id = s.actor_id
cross join (select coalesce(max(epoch), 0) as epoch from events.epoch) e
where s.active and s.delivery = 'nats' and a.active and a.has_key
order by s.id
"""
SETTLE_REPLAY: Final = """
update events.subscription set replay_after = null where id = $1 and replay_after = $2
"""
SETTLE_TEST: Final = """
update events.subscription set test_id = null where id = $1 and test_id = $2
"""
NOTE_SENT: Final = """
update events.progress p
set sent_number = n.sent, confirmed_number = n.confirmed,
    confirmed_at = case when n.confirmed > p.confirmed_number then kernel.regul_now()
        else p.confirmed_at end
from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as n (id, sent, confirmed)
where p.subscription_id = n.id and p.sent_number <= n.sent
"""
SELECT_DELIVERIES: Final = """
select d.event_number, o.id is not null and events.in_scope(s, o) as visible,
    p.position, p.epoch, o.event_id, o.kind, o.aggregate, o.aggregate_id, o.version,
    o.territory_id, o.case_id, o.organisation_ids, o.actor_id, o.correlation_id, o.occurred_at,
    o.payload
from events.delivery d
join events.subscription s on s.id = d.subscription_id
join events.position p on p.position = d.position
left join events.outbox o on o.id = p.outbox_id
where d.subscription_id = $1 and d.event_number > $2 and d.event_number <= $2 + $3::bigint
order by d.event_number
"""
SELECT_BEFORE_KEPT: Final = """
select coalesce(
    (select min(d.event_number) - 1
     from events.delivery d
     join events.position p on p.position = d.position
     join events.outbox o on o.id = p.outbox_id
     where d.subscription_id = $1
       and o.occurred_at > kernel.regul_now() - make_interval(secs => $2::float8)),
    (select last_number from events.subscription where id = $1))
"""
SELECT_EVENT_AT: Final = """
select o.event_id
from events.delivery d
join events.position p on p.position = d.position
join events.outbox o on o.id = p.outbox_id
where d.subscription_id = $1 and d.event_number = $2
"""
