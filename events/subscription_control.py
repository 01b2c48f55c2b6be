"""What a subscriber does with its subscription: pause, resume, end, test, replay, change keys."""

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import msgspec

from events import subscriptions, webhook_signing
from events.subscriptions import Subscription
from events.webhook_signing import VerifyingKey
from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.crypto import KeyRing
from kernel.database import Tx

LONGEST_OVERLAP_S: Final = 7 * 24 * 3600


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where to send again; exactly one of the two.

    Attributes:
        after: Number before the first one wanted.
        since: Events that happened at this moment or later.
    """

    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish for a new signing key.

    Attributes:
        overlap_s: For how long messages are signed with the former key too, seconds; 0 when it
            is no longer secret.
    """

    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_OVERLAP_S)] = 24 * 3600


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """With what a subscriber checks signatures.

    Attributes:
        scheme: `v1a` or `v1`.
        keys: The present one first; at most two.
    """

    scheme: str
    keys: tuple[VerifyingKey, ...]


async def pause(tx: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """Send nothing until resumed; events keep being numbered and can be read by number.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.

    Returns:
        The subscription.

    Raises:
        Missing: `subscription_missing`.
        Conflict: `subscription_ended`.
    """
    return await _change(tx, actor, subscription_id, PAUSE)


async def resume(tx: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """Send again, after what was confirmed last; also the way out of `stopped`.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.

    Returns:
        The subscription.

    Raises:
        Missing: `subscription_missing`.
        Conflict: `subscription_ended`.
    """
    resumed = await _change(tx, actor, subscription_id, RESUME)
    await tx.execute(FORGET_FAILURES, subscription_id)
    return resumed


async def end(tx: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """End it for good: nothing is numbered any more, NATS lets nobody pull it.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.

    Returns:
        The subscription; its events can still be read by number.

    Raises:
        Missing: `subscription_missing`.
        Conflict: `subscription_ended`.
    """
    return await _change(tx, actor, subscription_id, END)


async def test(tx: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """Ask for a test event, `regul.subscription.test`: it has no number of its own.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.

    Returns:
        The subscription; the test follows over its own delivery.

    Raises:
        Missing: `subscription_missing`.
        Conflict: `subscription_ended`, `test_over_stream`: SSE needs none, its stream beats.
    """
    known = await subscriptions.get(tx, actor, subscription_id)
    if known.delivery == "sse":
        code = "test_over_stream"
        raise errors.Conflict(code, "An open stream beats by itself.")
    return await _change(tx, actor, subscription_id, ASK_TEST, ids.uuid7())


async def replay(tx: Tx, actor: Actor, subscription_id: UUID, wish: Replay) -> Subscription:
    """Send again what was sent before; subscribers pass over numbers they know.

    At NATS the consumer begins anew within what the stream keeps; older numbers are read by API.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.
        wish: From where.

    Returns:
        The subscription.

    Raises:
        Missing: `subscription_missing`.
        Invalid: `replay_start_needed`.
        Conflict: `subscription_ended`, `replay_over_stream`: an SSE client names the number itself.
    """
    known = await subscriptions.get(tx, actor, subscription_id)
    if (wish.after is None) == (wish.since is None):
        code = "replay_start_needed"
        raise errors.Invalid(code, "Name either a number or a moment.", path="after")
    if known.delivery == "sse":
        code = "replay_over_stream"
        raise errors.Conflict(code, "A stream begins at the number that its client names.")
    if wish.since is not None:
        after = await subscriptions.number_before(tx, actor, subscription_id, wish.since)
    else:
        after = wish.after or 0
    after = min(after, known.last_number)
    if known.delivery == "nats":
        return await _change(tx, actor, subscription_id, REPLAY_NATS, after)
    changed = await _change(tx, actor, subscription_id, TOUCH)
    await tx.execute(REWIND, subscription_id, after)
    return changed


async def rotate(
    tx: Tx, actor: Actor, subscription_id: UUID, keys: KeyRing, wish: Rotation
) -> Keys:
    """Change the signing key; for a while messages carry both signatures.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.
        keys: The ring of the master key.
        wish: How long the former key counts.

    Returns:
        The keys, the new one first.

    Raises:
        Missing: `subscription_missing`.
        Conflict: `no_webhook`: another delivery has no signing key; `subscription_ended`.
    """
    _require_webhook(await subscriptions.get(tx, actor, subscription_id))
    overlap = timedelta(seconds=wish.overlap_s)
    changed = await _change(tx, actor, subscription_id, ROTATE, overlap)
    return _keys(changed, keys)


async def verifying_keys(tx: Tx, actor: Actor, subscription_id: UUID, keys: KeyRing) -> Keys:
    """Give the keys with which the subscriber checks signatures.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.
        keys: The ring of the master key.

    Returns:
        The keys, the present one first.

    Raises:
        Missing: `subscription_missing`.
        Conflict: `no_webhook`.
    """
    known = await subscriptions.get(tx, actor, subscription_id)
    _require_webhook(known)
    await audit.record(
        tx, actor, "subscription.manage", "subscription", subscription_id, detail="keys read"
    )
    if known.former_until is not None and await tx.fetchval(SELECT_IS_PAST, known.former_until):
        known = msgspec.structs.replace(known, former_until=None)
    return _keys(known, keys)


def _require_webhook(known: Subscription) -> None:
    if known.delivery != "webhook":
        code = "no_webhook"
        raise errors.Conflict(code, "Only a webhook has signing keys.")


def _keys(known: Subscription, keys: KeyRing) -> Keys:
    scheme = known.scheme or "v1a"

    def key(generation: int) -> str:
        secret = webhook_signing.seed(keys, known.id, generation)
        return webhook_signing.verifying_key(scheme, secret)

    now = [VerifyingKey(key=key(known.key_generation))]
    if known.former_until is not None:
        now.append(VerifyingKey(key=key(known.key_generation - 1), until=known.former_until))
    return Keys(scheme=scheme, keys=tuple(now))


async def _change(
    tx: Tx, actor: Actor, subscription_id: UUID, statement: str, *values: object
) -> Subscription:
    require(actor, "subscription.manage")
    changed = await tx.fetchval(statement, subscription_id, *values)
    known = await subscriptions.get(tx, actor, subscription_id)
    if changed is None:
        code = "subscription_ended"
        raise errors.Conflict(code, "This subscription has ended.")
    await audit.record(tx, actor, "subscription.manage", "subscription", subscription_id)
    return known


PAUSE: Final = """
update events.subscription set paused_at = coalesce(paused_at, kernel.regul_now())
where id = $1 and active
returning id
"""
RESUME: Final = """
update events.subscription set paused_at = null, stopped_at = null, stop_reason = null
where id = $1 and active
returning id
"""
END: Final = """
update events.subscription set active = false
where id = $1 and active
returning id
"""
ASK_TEST: Final = """
update events.subscription set test_id = $2
where id = $1 and active
returning id
"""
REPLAY_NATS: Final = """
update events.subscription set replay_after = $2
where id = $1 and active
returning id
"""
TOUCH: Final = """
update events.subscription set replay_after = null
where id = $1 and active
returning id
"""
ROTATE: Final = """
update events.subscription
set key_generation = key_generation + 1,
    former_until = case when $2::interval > interval '0' then kernel.regul_now() + $2 end
where id = $1 and active
returning id
"""
FORGET_FAILURES: Final = """
update events.progress
set attempts = 0, next_try_at = null, failing_since = null, failure = null
where subscription_id = $1
"""
REWIND: Final = """
update events.progress
set confirmed_number = $2, sent_number = $2, attempts = 0, next_try_at = null,
    failing_since = null, failure = null
where subscription_id = $1
"""
SELECT_IS_PAST: Final = """
select $1::timestamptz <= kernel.regul_now()
"""
