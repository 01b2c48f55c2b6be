"""What the webhook sender reads and writes: who is due, what was confirmed, what failed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from events.webhook_signing import Scheme
from kernel.database import Tx

LEASE_S: Final = 30
"""How long a claim lasts without news of its sender; longer than one attempt."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that something is to be sent to, claimed by one sender.

    Attributes:
        id: The subscription.
        recipient_id: Under whose pseudonyms.
        organisation_ids: For whom its owner acts.
        endpoint: Where.
        scheme: Of the signatures.
        key_generation: The present key.
        overlapping: The key before counts too.
        last_number: Last number given.
        confirmed_number: Last number confirmed.
        attempts: Failed attempts on what is next.
        failing: It failed the last time.
        test_id: A test event that is to be sent.
        beat: Its heartbeat is due.
        epoch: Of the feed.
        now: By the database's clock.
    """

    id: UUID
    recipient_id: UUID
    organisation_ids: tuple[UUID, ...]
    endpoint: str
    scheme: Scheme
    key_generation: int
    overlapping: bool
    last_number: int
    confirmed_number: int
    attempts: int
    failing: bool
    test_id: UUID | None
    beat: bool
    epoch: int
    now: datetime


async def claim(tx: Tx, sender: UUID, limit: int, *, failing: bool) -> Sequence[Due]:
    """Claim webhooks that something is to be sent to.

    Args:
        tx: A transaction under `regul_system`.
        sender: Who claims.
        limit: Most webhooks.
        failing: Those that failed the last time, or the others.

    Returns:
        The claimed ones; each is this sender's for `LEASE_S`.
    """
    rows = await tx.fetch(CLAIM, sender, limit, failing, float(LEASE_S))
    return [msgspec.convert(dict(row), Due) for row in rows]


async def confirm(tx: Tx, due: Due, sender: UUID, number: int) -> bool:
    """Note that the subscriber took a number.

    Args:
        tx: A transaction under `regul_system`.
        due: Which.
        sender: Who claimed it.
        number: The number after the one confirmed before.

    Returns:
        Whether to go on: False when it was paused, ended, replayed or claimed by another.
    """
    goes_on: bool | None = await tx.fetchval(CONFIRM, due.id, sender, number, float(LEASE_S))
    return bool(goes_on)


async def answered(tx: Tx, due: Due, sender: UUID, test_id: UUID | None) -> bool:
    """Note that the subscriber took a message without a number.

    Args:
        tx: A transaction under `regul_system`.
        due: Which.
        sender: Who claimed it.
        test_id: The test that it was, if it was one.

    Returns:
        Whether the claim still holds.
    """
    if test_id is not None:
        await tx.execute(SETTLE_TEST, due.id, test_id)
    return await tx.fetchval(NOTE_ANSWERED, due.id, sender, float(LEASE_S)) is not None


async def fail(
    tx: Tx, due: Due, sender: UUID, failure: str, *, took_s: float, again_in_s: float
) -> None:
    """Note a failed attempt and let go of the webhook.

    Args:
        tx: A transaction under `regul_system`.
        due: Which.
        sender: Who claimed it.
        failure: Code.
        took_s: How long the attempt took, seconds.
        again_in_s: When the next one is due, seconds.
    """
    await tx.execute(FAIL, due.id, sender, failure, took_s, again_in_s)


async def stop(tx: Tx, due: Due, reason: str) -> None:
    """Send nothing more until the subscriber resumes.

    Args:
        tx: A transaction under `regul_system`.
        due: Which.
        reason: `gone` or `given_up`.
    """
    await tx.execute(STOP, due.id, reason)


async def recover(tx: Tx, due: Due) -> None:
    """Close the alarms of a webhook that works again.

    Args:
        tx: A transaction under `regul_system`.
        due: Which.
    """
    await tx.execute(CLOSE_ALARMS, due.id)


async def release(tx: Tx, due: Due, sender: UUID) -> bool:
    """Let go of a webhook.

    Args:
        tx: A transaction under `regul_system`.
        due: Which.
        sender: Who claimed it.

    Returns:
        Whether something is due again.
    """
    return bool(await tx.fetchval(RELEASE, due.id, sender))


async def release_all(tx: Tx, sender: UUID) -> None:
    """Let go of everything that a sender claimed; it ends.

    Args:
        tx: A transaction under `regul_system`.
        sender: Which.
    """
    await tx.execute(RELEASE_ALL, sender)


CLAIM: Final = """
update events.progress p
set claim = $1, claimed_until = kernel.regul_now() + make_interval(secs => $4::float8)
from (
    select w.subscription_id, s.recipient_id, s.endpoint, s.scheme, s.key_generation,
        coalesce(s.former_until > kernel.regul_now(), false) as overlapping, s.last_number,
        s.test_id, a.organisation_ids,
        coalesce(coalesce(w.beat_at, s.created_at)
            <= kernel.regul_now() - make_interval(secs => s.heartbeat_s), false) as beat
    from events.progress w
    join events.subscription s on s.id = w.subscription_id
    join events.subscriber a on a.id = s.actor_id
    where s.delivery = 'webhook' and s.active and s.paused_at is null and s.stopped_at is null
      and a.active
      and (w.failing_since is not null) = $3
      and (w.next_try_at is null or w.next_try_at <= kernel.regul_now())
      and (w.claimed_until is null or w.claimed_until <= kernel.regul_now())
      and (w.confirmed_number < s.last_number or s.test_id is not null
        or coalesce(w.beat_at, s.created_at)
            <= kernel.regul_now() - make_interval(secs => s.heartbeat_s))
    order by w.next_try_at nulls first, w.subscription_id
    limit $2 for update of w skip locked) due
where p.subscription_id = due.subscription_id
returning p.subscription_id as id, due.recipient_id, due.organisation_ids, due.endpoint,
    due.scheme, due.key_generation, due.overlapping, due.last_number, p.confirmed_number,
    p.attempts, p.failing_since is not null as failing, due.test_id, due.beat,
    (select coalesce(max(epoch), 0) from events.epoch) as epoch, kernel.regul_now() as now
"""
CONFIRM: Final = """
update events.progress p
set confirmed_number = $3, sent_number = greatest(p.sent_number, $3),
    confirmed_at = kernel.regul_now(), beat_at = kernel.regul_now(), attempts = 0,
    next_try_at = null, failing_since = null, failure = null,
    claimed_until = kernel.regul_now() + make_interval(secs => $4::float8)
from events.subscription s
where p.subscription_id = $1 and p.claim = $2 and p.confirmed_number = $3 - 1
  and s.id = p.subscription_id
returning s.active and s.paused_at is null
"""
SETTLE_TEST: Final = """
update events.subscription set test_id = null where id = $1 and test_id = $2
"""
NOTE_ANSWERED: Final = """
update events.progress
set beat_at = kernel.regul_now(), attempts = 0, next_try_at = null, failing_since = null,
    failure = null, claimed_until = kernel.regul_now() + make_interval(secs => $3::float8)
where subscription_id = $1 and claim = $2
returning true
"""
FAIL: Final = """
update events.progress
set attempts = attempts + 1, failure = $3,
    failing_since = coalesce(failing_since,
        kernel.regul_now() - make_interval(secs => $4::float8)),
    next_try_at = kernel.regul_now() + make_interval(secs => $5::float8),
    claim = null, claimed_until = null
where subscription_id = $1 and claim = $2
"""
STOP: Final = """
update events.subscription set stopped_at = kernel.regul_now(), stop_reason = $2
where id = $1 and stopped_at is null
"""
CLOSE_ALARMS: Final = """
update events.subscription_alarm set closed_at = kernel.regul_now()
where subscription_id = $1 and closed_at is null
"""
RELEASE: Final = """
update events.progress p set claim = null, claimed_until = null
from events.subscription s
where p.subscription_id = $1 and p.claim = $2 and s.id = p.subscription_id
returning s.active and s.paused_at is null and s.stopped_at is null
    and (p.confirmed_number < s.last_number or s.test_id is not null)
"""
RELEASE_ALL: Final = """
update events.progress set claim = null, claimed_until = null where claim = $1
"""
