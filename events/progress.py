"""Where subscriptions stand: what was sent and confirmed, what waits, and who owns a failure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx

ALARM_AFTER_S: Final = 45
"""Seconds of failing after which somebody is named; the first attempt may have taken 15 of them."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription's state at this moment (`$status`); it is told while nothing can be sent too.

    Attributes:
        id: The subscription.
        label: Of its owner.
        delivery: `nats`, `webhook` or `sse`.
        kinds: Kinds of events.
        state: `active`, `paused`, `stopped` or `ended`.
        stop_reason: `gone` or `given_up`.
        last_number: Last number given.
        sent_number: Last number put on the way.
        confirmed_number: Last number confirmed: 2xx, acknowledgement at NATS, or written to the
            stream.
        confirmed_at: When that was.
        lag: Events that are numbered and not confirmed.
        waiting_since: When the oldest of them happened; None without one.
        attempts: Failed attempts of a webhook on the present message.
        next_try_at: When it is tried again.
        failing_since: Start of the first failed attempt.
        failure: Code of the last failure, e.g. `http_500`, `not_in_time`.
        heartbeat_s: As wished.
        epoch: Of the feed; when it changes numbers may mean other events.
        now: By the database's clock, UTC.
    """

    id: UUID
    label: str
    delivery: str
    kinds: tuple[str, ...]
    state: str
    stop_reason: str | None
    last_number: int
    sent_number: int
    confirmed_number: int
    confirmed_at: datetime | None
    lag: int
    waiting_since: datetime | None
    attempts: int
    next_try_at: datetime | None
    failing_since: datetime | None
    failure: str | None
    heartbeat_s: int | None
    epoch: int
    now: datetime


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that fails, and who looks after it.

    Attributes:
        id: Of the alarm.
        subscription_id: Which fails.
        reason: `failing`, `gone` or `given_up`.
        owner_role: Role of the first step of the roster.
        owner_actor_id: The person named there.
        raised_at: When.
        taken_by: Who said that they look after it.
        taken_at: When.
    """

    id: UUID
    subscription_id: UUID
    reason: str
    owner_role: str
    owner_actor_id: UUID | None
    raised_at: datetime
    taken_by: UUID | None
    taken_at: datetime | None


async def standing(tx: Tx, actor: Actor, subscription_id: UUID) -> Standing:
    """Tell where one subscription stands.

    Args:
        tx: The transaction.
        actor: Its owner, or a supervisor of a territory it hears of.
        subscription_id: Which.

    Returns:
        Its standing.

    Raises:
        Missing: `subscription_missing`.
    """
    require(actor, "subscription.watch")
    row = await tx.fetchrow(SELECT_STANDING, subscription_id)
    if row is None:
        code = "subscription_missing"
        raise errors.Missing(code, "No such subscription.")
    return msgspec.convert(dict(row), Standing)


async def standings(tx: Tx, actor: Actor) -> Sequence[Standing]:
    """List where the subscriptions stand that concern the actor, the most late first.

    Args:
        tx: The transaction.
        actor: A subscriber (its own), or a supervisor (those that hear of its territory).

    Returns:
        All but ended ones.
    """
    require(actor, "subscription.watch")
    rows = await tx.fetch(SELECT_STANDINGS)
    return [msgspec.convert(dict(row), Standing) for row in rows]


async def alarms(tx: Tx, actor: Actor) -> Sequence[Alarm]:
    """List the open alarms of the actor's territory; a subscriber sees none.

    Args:
        tx: The transaction.
        actor: Who asks.

    Returns:
        Oldest first.
    """
    require(actor, "subscription.watch")
    return [msgspec.convert(dict(row), Alarm) for row in await tx.fetch(SELECT_ALARMS)]


async def take(tx: Tx, actor: Actor, alarm_id: UUID) -> Alarm:
    """Say that one looks after a subscription that fails.

    Args:
        tx: The transaction.
        actor: Of the centre.
        alarm_id: Which.

    Returns:
        The alarm; it closes by itself once the subscription works.

    Raises:
        Missing: `alarm_missing`: none that is open here.
    """
    require(actor, "subscription.alarm")
    row = await tx.fetchrow(TAKE_ALARM, alarm_id, actor.id)
    if row is None:
        code = "alarm_missing"
        raise errors.Missing(code, "No such open alarm.")
    await audit.record(tx, actor, "subscription.alarm", "subscription_alarm", alarm_id)
    return msgspec.convert(dict(row), Alarm)


async def raise_alarms(tx: Tx) -> int:
    """Name an owner for each webhook that failed long enough or stopped; close what is over.

    Args:
        tx: A transaction under `regul_system`.

    Returns:
        How many alarms were raised now.
    """
    await tx.execute(CLOSE_SETTLED)
    due = await tx.fetch(SELECT_UNOWNED, float(ALARM_AFTER_S))
    raised = 0
    for row in due:
        raised += (
            await tx.fetchval(
                INSERT_ALARM, ids.uuid7(), row["id"], row["territory_id"], row["reason"]
            )
            is not None
        )
    return raised


async def streamed(tx: Tx, subscription_id: UUID, number: int) -> None:
    """Note what was written to an open stream.

    Args:
        tx: A transaction of the subscriber.
        subscription_id: Which.
        number: The last number written.
    """
    await tx.execute(NOTE_STREAMED, subscription_id, number)


SELECT_STANDING: Final = """
select l.id, l.label, l.delivery, l.kinds,
    case when not l.active then 'ended' when l.stopped_at is not null then 'stopped'
        when l.paused_at is not null then 'paused' else 'active' end as state,
    l.stop_reason, l.last_number, l.sent_number, l.confirmed_number, l.confirmed_at,
    greatest(0, l.last_number - l.confirmed_number) as lag, l.waiting_since, l.attempts,
    l.next_try_at, l.failing_since, l.failure, l.heartbeat_s,
    (select coalesce(max(epoch), 0) from events.epoch) as epoch, kernel.regul_now() as now
from events.subscription_lag($1::uuid) l
"""
SELECT_STANDINGS: Final = """
select l.id, l.label, l.delivery, l.kinds,
    case when not l.active then 'ended' when l.stopped_at is not null then 'stopped'
        when l.paused_at is not null then 'paused' else 'active' end as state,
    l.stop_reason, l.last_number, l.sent_number, l.confirmed_number, l.confirmed_at,
    greatest(0, l.last_number - l.confirmed_number) as lag, l.waiting_since, l.attempts,
    l.next_try_at, l.failing_since, l.failure, l.heartbeat_s,
    (select coalesce(max(epoch), 0) from events.epoch) as epoch, kernel.regul_now() as now
from events.subscription_lag(null) l
where l.active
order by l.stopped_at is null, l.failing_since is null, l.waiting_since nulls last, l.id
"""
SELECT_ALARMS: Final = """
select id, subscription_id, reason, owner_role, owner_actor_id, raised_at, taken_by, taken_at
from events.subscription_alarm where closed_at is null
order by raised_at, id
"""
TAKE_ALARM: Final = """
update events.subscription_alarm set taken_by = $2, taken_at = kernel.regul_now()
where id = $1 and closed_at is null
returning id, subscription_id, reason, owner_role, owner_actor_id, raised_at, taken_by, taken_at
"""
CLOSE_SETTLED: Final = """
update events.subscription_alarm a set closed_at = kernel.regul_now()
from events.subscription s
join events.progress p on p.subscription_id = s.id
where a.closed_at is null and s.id = a.subscription_id
  and (not s.active or (s.stopped_at is null and p.failing_since is null))
"""
SELECT_UNOWNED: Final = """
select distinct s.id, o.territory_id,
    case when s.stop_reason is not null then s.stop_reason else 'failing' end as reason
from events.subscription s
join events.progress p on p.subscription_id = s.id
join events.delivery d on d.subscription_id = s.id and d.event_number > p.confirmed_number
    and d.event_number <= p.confirmed_number + 200
join events.position n on n.position = d.position
join events.outbox o on o.id = n.outbox_id
where s.active and s.delivery = 'webhook'
  and (s.stopped_at is not null
    or p.failing_since <= kernel.regul_now() - make_interval(secs => $1::float8))
  and not exists (select from events.subscription_alarm a
    where a.subscription_id = s.id and a.territory_id = o.territory_id and a.closed_at is null)
limit 100
"""
INSERT_ALARM: Final = """
insert into events.subscription_alarm (id, subscription_id, territory_id, reason, owner_role,
    owner_actor_id)
select $1::uuid, $2::uuid, $3::uuid, $4::text, coalesce(r.role, 'supervisor'), r.actor_id
from (select 1) one
left join events.roster r on r.territory_id = $3::uuid and r.level = 1
on conflict do nothing
returning id
"""
NOTE_STREAMED: Final = """
update events.progress
set sent_number = greatest(sent_number, $2), confirmed_number = greatest(confirmed_number, $2),
    confirmed_at = kernel.regul_now()
where subscription_id = $1
"""
