"""The sequencer: gives each committed event the next position, and chains it by hash.

One at a time, by an advisory lock that ends with each batch's transaction: a stalled process
blocks nobody for longer than the database lets a transaction idle, and can't number anything
twice (`position` is a primary key). It reads a queue, not a cursor over ids, so a transaction that
commits late is never skipped. A writer of an aggregate holds the aggregate's row until its commit,
so the order of ids is the order of versions.
"""

import hashlib
from typing import Final

from events.listening import SEQUENCED, Bell
from kernel import actor, audit
from kernel.database import Database, Tx

BATCH: Final = 500
GENESIS: Final = bytes(32)
"""What the first position's hash is chained to."""
_LOCK: Final = 7_304_010
_SYSTEM: Final = actor.system()


class _NothingToDo(Exception):
    """Rolls back: a commit would ring the bell that woke us, for ever."""


async def run(database: Database, bell: Bell) -> None:
    """Sequence for as long as the process lives.

    Args:
        database: Pool under `regul_system`.
        bell: Rings after commits.
    """
    while True:
        if not await step(database):
            await bell.wait()


async def step(database: Database) -> int:
    """Sequence one batch, and chain one batch of audit rows.

    Args:
        database: Pool under `regul_system`.

    Returns:
        How many of both; 0 when there was nothing or another process is at it.
    """
    try:
        async with database.transaction(_SYSTEM) as tx:
            if not await tx.fetchval(TRY_LOCK, _LOCK):
                raise _NothingToDo
            sequenced = await _sequence(tx)
            if sequenced:
                await tx.execute(NOTIFY, SEQUENCED)
            done = sequenced + await audit.chain(tx)
            if not done:
                raise _NothingToDo
            return done
    except _NothingToDo:
        return 0


async def _sequence(tx: Tx) -> int:
    rows = await tx.fetch(TAKE_PENDING, BATCH)
    if not rows:
        return 0
    epoch = await _epoch(tx)
    last = await tx.fetchrow(SELECT_LAST)
    position, link = (last["position"], last["hash"]) if last else (0, GENESIS)
    positions: list[tuple[int, int, bytes]] = []
    for row in rows:
        position += 1
        link = chained(link, position, row["record"])
        positions.append((position, row["id"], link))
    await tx.execute(
        INSERT_POSITIONS,
        [one[0] for one in positions],
        [one[1] for one in positions],
        [one[2] for one in positions],
        epoch,
    )
    return len(positions)


async def _epoch(tx: Tx) -> int:
    """Begin a new epoch when the database is another one than before: restored or promoted."""
    row = await tx.fetchrow(SELECT_EPOCH)
    if row["epoch"] is not None and row["known"] == row["cluster"]:
        known: int = row["epoch"]
        return known
    begun: int = await tx.fetchval(INSERT_EPOCH, row["cluster"])
    return begun


async def verify(tx: Tx) -> int | None:
    """Check the whole chain of the feed.

    Args:
        tx: A transaction under `regul_system`.

    Returns:
        The first position that does not fit, or None when all fit.
    """
    link, expected = GENESIS, 0
    async for row in tx.cursor(SELECT_CHAIN):
        expected += 1
        link = chained(link, expected, row["record"])
        if row["position"] != expected or row["hash"] != link:
            return expected
    return None


def chained(link: bytes, position: int, record: str) -> bytes:
    """Give the hash of a position.

    Args:
        link: Hash of the position before.
        position: The position.
        record: Canonical text of the event, `events.outbox_record`.

    Returns:
        SHA-256, 32 bytes.
    """
    return hashlib.sha256(link + position.to_bytes(8) + record.encode()).digest()


TRY_LOCK: Final = """
select pg_try_advisory_xact_lock($1)
"""
NOTIFY: Final = """
select pg_notify($1, '')
"""
TAKE_PENDING: Final = """
with taken as (
    delete from events.pending
    where outbox_id in (select outbox_id from events.pending order by outbox_id limit $1)
    returning outbox_id)
select o.id, events.outbox_record(o) as record
from taken join events.outbox o on o.id = taken.outbox_id
order by o.id
"""
SELECT_LAST: Final = """
select position, hash from events.position order by position desc limit 1
"""
SELECT_EPOCH: Final = """
select (select max(epoch) from events.epoch) as epoch,
    (select cluster from events.epoch order by epoch desc limit 1) as known,
    (select system_identifier::text from pg_control_system())
        || ':' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as cluster
"""
INSERT_EPOCH: Final = """
insert into events.epoch (epoch, cluster)
select coalesce(max(epoch), 0) + 1, $1 from events.epoch
returning epoch
"""
INSERT_POSITIONS: Final = """
insert into events.position (position, outbox_id, hash, epoch)
select given.position, given.outbox_id, given.hash, $4
from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as given (position, outbox_id, hash)
"""
SELECT_CHAIN: Final = """
select p.position, p.hash, events.outbox_record(o) as record
from events.position p left join events.outbox o on o.id = p.outbox_id
order by p.position
"""
