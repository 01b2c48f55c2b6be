"""Parked events: a reaction failed for good; a human sees it and has it tried again, or lets it be.

Only the aggregate of the event waits, with its later events in order; everything else goes on.
`./regul parked` lists, replays and dismisses.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from events import feed
from events.model import StoredEvent
from kernel.database import Tx

BEHIND: Final = "behind"
"""Reason of an event that waits for an earlier one of its aggregate."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A parked event.

    Attributes:
        consumer: The follower.
        event_id: The event.
        position: Its place in the feed.
        aggregate_id: What it is about; later events of it are parked too.
        reason: Class or stable code of the failure, or `behind`.
        kind: Of the event.
        parked_at: Since when.
        tries: How often a human had it tried again in vain.
        wanted: It shall be tried again and was not yet.
    """

    consumer: str
    event_id: UUID
    position: int
    aggregate_id: UUID
    reason: str
    kind: str
    parked_at: datetime
    tries: int
    wanted: bool


async def parked(tx: Tx, limit: int = 200) -> list[DeadLetter]:
    """List what is parked and not settled.

    Args:
        tx: Any transaction; under `regul_app`, events that the actor may see.
        limit: Most rows.

    Returns:
        Oldest first.
    """
    rows = await tx.fetch(SELECT_DEAD_LETTERS, limit)
    return [msgspec.convert(dict(row), DeadLetter) for row in rows]


async def any_parked(tx: Tx) -> bool:
    """Say whether anything waits for a human.

    Args:
        tx: Any connection; no actor's scope is needed.
    """
    return bool(await tx.fetchval(SELECT_ANY))


async def replay(tx: Tx, aggregate_ids: Sequence[UUID] | None = None) -> int:
    """Ask the followers to try parked events again, in order; they do within seconds.

    Args:
        tx: A transaction under `regul_system`.
        aggregate_ids: About what; None means everything.

    Returns:
        How many events will be tried.
    """
    return len(await tx.fetch(WANT, None if aggregate_ids is None else list(aggregate_ids)))


async def dismiss(tx: Tx, event_id: UUID) -> int:
    """Let a parked event be: its effect is not wanted any more; later ones may be replayed.

    Args:
        tx: A transaction under `regul_system`.
        event_id: Which; for all followers that parked it.

    Returns:
        For how many followers it was open.
    """
    return len(await tx.fetch(DISMISS, event_id))


async def is_parked(tx: Tx, consumer: str, aggregate_id: UUID) -> bool:
    """Say whether an aggregate waits.

    Args:
        tx: A transaction under `regul_system`.
        consumer: The follower.
        aggregate_id: The aggregate.
    """
    return bool(await tx.fetchval(SELECT_PARKED, consumer, aggregate_id))


async def park(tx: Tx, consumer: str, event: StoredEvent, reason: str) -> None:
    """Put an event aside; it joins a replay of its aggregate that is wanted already.

    Args:
        tx: A transaction under `regul_system`.
        consumer: The follower.
        event: The event.
        reason: Class or stable code of the failure, or `BEHIND`.
    """
    await tx.execute(
        INSERT_DEAD_LETTER, consumer, event.event_id, event.position, event.aggregate_id, reason
    )


async def wanted(tx: Tx, consumer: str) -> StoredEvent | None:
    """Give the oldest parked event that shall be tried again.

    Args:
        tx: A transaction under `regul_system` that holds the follower's cursor.
        consumer: The follower.
    """
    row = await tx.fetchrow(SELECT_WANTED, consumer)
    return None if row is None else feed.stored(row)


async def settle(tx: Tx, consumer: str, event_id: UUID) -> None:
    """Close a parked event: it had its effect.

    Args:
        tx: The transaction of the effect.
        consumer: The follower.
        event_id: The event.
    """
    await tx.execute(SETTLE, consumer, event_id)


async def failed_again(tx: Tx, consumer: str, event: StoredEvent, reason: str) -> None:
    """Keep an event parked, with those behind it, until a human asks once more.

    Args:
        tx: A transaction under `regul_system`.
        consumer: The follower.
        event: The event.
        reason: Class or stable code of the failure.
    """
    await tx.execute(FAILED_AGAIN, consumer, event.event_id, event.aggregate_id, reason)


SELECT_DEAD_LETTERS: Final = """
select d.consumer, d.event_id, d.position, d.aggregate_id, d.reason, o.kind, d.parked_at, d.tries,
    d.replay_wanted_at is not null as wanted
from events.dead_letter d join events.outbox o on o.event_id = d.event_id
where d.settled_at is null
order by d.position, d.consumer limit $1
"""
SELECT_ANY: Final = """
select exists (select from events.dead_letter where settled_at is null)
"""
WANT: Final = """
update events.dead_letter set replay_wanted_at = kernel.regul_now()
where settled_at is null and ($1::uuid[] is null or aggregate_id = any ($1::uuid[]))
returning event_id
"""
DISMISS: Final = """
update events.dead_letter
set settled_at = kernel.regul_now(), settled_how = 'dismissed', replay_wanted_at = null
where event_id = $1 and settled_at is null
returning consumer
"""
SELECT_PARKED: Final = """
select exists (select from events.dead_letter
    where consumer = $1 and aggregate_id = $2 and settled_at is null)
"""
INSERT_DEAD_LETTER: Final = """
insert into events.dead_letter (consumer, event_id, position, aggregate_id, reason,
    replay_wanted_at)
values ($1, $2, $3, $4, $5, (select max(replay_wanted_at) from events.dead_letter
    where consumer = $1 and aggregate_id = $4 and settled_at is null))
on conflict on constraint dead_letter_once do nothing
"""
SELECT_WANTED: Final = """
select p.position, p.epoch, o.event_id, o.kind, o.aggregate, o.aggregate_id, o.version,
    o.territory_id, o.case_id, o.organisation_ids, o.actor_id, o.correlation_id, o.occurred_at,
    o.payload
from events.dead_letter d
join events.outbox o on o.event_id = d.event_id
join events.position p on p.outbox_id = o.id
where d.consumer = $1 and d.settled_at is null and d.replay_wanted_at is not null
order by d.position limit 1
"""
SETTLE: Final = """
update events.dead_letter
set settled_at = kernel.regul_now(), settled_how = 'replayed', replay_wanted_at = null
where consumer = $1 and event_id = $2 and settled_at is null
"""
FAILED_AGAIN: Final = """
update events.dead_letter
set replay_wanted_at = null,
    tries = tries + case when event_id = $2 then 1 else 0 end,
    reason = case when event_id = $2 then $4 else reason end
where consumer = $1 and aggregate_id = $3 and settled_at is null
"""
