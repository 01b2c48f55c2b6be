"""Idempotency keys: a write that is sent twice has its effect once.

The key's row commits together with the effect. It holds the status and a reference to what was
made, never a body: the answer to a repetition is read again from the reference.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeGuard, TypeVar
from uuid import UUID

import asyncpg

from kernel import errors
from kernel.actor import Actor
from kernel.database import Tx

_LONGEST: Final = 200

T = TypeVar("T")


def usable(key: str | None) -> TypeGuard[str]:
    """Tell whether a key is one: printable ASCII of 1-200 signs.

    Args:
        key: Value of the header, when there was one.
    """
    return key is not None and 0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()


async def once(
    tx: Tx,
    actor: Actor,
    key: str | None,
    body: bytes,
    *,
    act: Callable[[Tx], Awaitable[tuple[UUID, T]]],
    again: Callable[[Tx, UUID], Awaitable[T]],
) -> T:
    """Run a write once per key.

    Args:
        tx: The transaction of the write.
        actor: Keys of different actors never meet.
        key: Value of the `Idempotency-Key` header.
        body: Method, path and body of the request as sent; another body under the same key is
            refused.
        act: The write; gives the id of what it made and the answer.
        again: Reads the answer of a write that already happened.

    Returns:
        The answer, the same for each repetition.

    Raises:
        Malformed: `idempotency_key_missing`, `idempotency_key_unusable`.
        Invalid: `idempotency_key_reused`: the same key came with another body.
        TooEarly: `idempotency_key_running`: the first attempt is still running after two seconds.
    """
    if not key:
        code = "idempotency_key_missing"
        raise errors.Malformed(code, "This write needs an Idempotency-Key header.")
    if not usable(key):
        code = "idempotency_key_unusable"
        raise errors.Malformed(code, "The Idempotency-Key is not printable ASCII of 1-200 signs.")
    digest = hashlib.sha256(body).digest()
    try:
        fresh = await tx.fetchval(CLAIM_KEY, actor.id, key, digest)
    except asyncpg.LockNotAvailableError as error:
        code = "idempotency_key_running"
        raise errors.TooEarly(code, "The first attempt is still running.") from error
    if fresh is None:
        row = await tx.fetchrow(SELECT_KEY, actor.id, key)
        if row is None or row["reference"] is None or row["digest"] != digest:
            code = "idempotency_key_reused"
            raise errors.Invalid(code, "This key was used with another body.")
        return await again(tx, row["reference"])
    reference, answer = await act(tx)
    await tx.execute(FINISH_KEY, actor.id, key, reference)
    return answer


CLAIM_KEY: Final = """
insert into kernel.idempotency (actor_id, key, digest) values ($1, $2, $3)
on conflict on constraint idempotency_one_effect do nothing
returning true
"""
SELECT_KEY: Final = """
select digest, reference from kernel.idempotency where actor_id = $1 and key = $2
"""
FINISH_KEY: Final = """
update kernel.idempotency set reference = $3 where actor_id = $1 and key = $2
"""
