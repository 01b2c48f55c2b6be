"""When each feed is asked, and by whom: one runner at a time, under a lease that is counted.

A runner that was killed loses its lease by time; one that only slept finds that somebody else has
counted on, and stops. Failures double the pause, up to six hours; a success begins anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from directory.feed_store import FeedKind
from kernel import database, errors
from kernel.database import Tx

LEASE_S: Final = 20.0
"""Seconds a runner has a feed for, unless it says that it goes on."""
LONGEST_PAUSE_S: Final = 21_600.0
"""Seconds between two questions to a feed that keeps failing."""
_REGISTER_S: Final = 86_400
_DIARIES_S: Final = 300

database.refuses("feed_poll_interval_range", errors.Invalid, "feed_interval")


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """When a feed is asked.

    Attributes:
        interval_s: Seconds between two questions; 0 = never by itself.
        failures: In a row.
        problem: Code of the last failure; None after a success.
    """

    interval_s: int
    due_at: datetime
    leased_until: datetime | None
    failures: int
    problem: str | None


def usual_interval_s(kind: FeedKind) -> int:
    """Give how often a kind of feed is asked when nothing is said: diaries often, registers daily.

    Source: SMART Scheduling Links asks clients to poll every one to five minutes.
    """
    return _REGISTER_S if kind in {"finess", "rpps"} else _DIARIES_S


async def insert(tx: Tx, feed_id: UUID, interval_s: int) -> None:
    """Begin to ask a feed, now.

    Raises:
        kernel.errors.Invalid: `feed_interval`: longer than a week.
    """
    await tx.execute(INSERT_POLL, feed_id, interval_s)


async def polls(tx: Tx) -> Mapping[UUID, Poll]:
    """Give when each feed is asked."""
    return {row["feed_id"]: _poll(dict(row)) for row in await tx.fetch(SELECT_POLLS)}


def _poll(fields: dict[str, object]) -> Poll:
    return msgspec.convert({key: fields[key] for key in fields if key != "feed_id"}, Poll)


async def due(tx: Tx, limit: int) -> Sequence[UUID]:
    """Give feeds that are to be asked now and that nobody is asking, longest due first."""
    return [row["feed_id"] for row in await tx.fetch(SELECT_DUE, limit)]


async def lease(tx: Tx, feed_id: UUID, *, only_due: bool) -> int | None:
    """Take a feed for a while.

    Args:
        tx: A transaction of the system.
        feed_id: Which.
        only_due: Not before its time; False when a human asks for it.

    Returns:
        The number of this lease; None when somebody else has it, or it is not due.
    """
    taken: int | None = await tx.fetchval(TAKE_LEASE, feed_id, LEASE_S, only_due)
    return taken


async def renew(tx: Tx, feed_id: UUID, generation: int) -> bool:
    """Keep a lease; False when it was lost."""
    return await tx.fetchval(RENEW_LEASE, feed_id, generation, LEASE_S) is not None


async def settle(tx: Tx, feed_id: UUID, generation: int, problem: str | None) -> None:
    """Give a lease back with what came of it; does nothing when it was lost.

    Args:
        tx: A transaction of the system.
        feed_id: Which.
        generation: Number of the lease.
        problem: Code of what went wrong; None for a success.
    """
    await tx.execute(SETTLE_LEASE, feed_id, generation, problem, LONGEST_PAUSE_S)


INSERT_POLL: Final = """
insert into directory.feed_poll (feed_id, interval_s) values ($1, $2)
"""

SELECT_POLLS: Final = """
select feed_id, interval_s, due_at, leased_until, failures, problem from directory.feed_poll
"""

SELECT_DUE: Final = """
select feed_id from directory.feed_poll
where interval_s > 0 and due_at <= kernel.regul_now()
  and (leased_until is null or leased_until <= kernel.regul_now())
order by due_at limit $1
"""

TAKE_LEASE: Final = """
update directory.feed_poll
set generation = generation + 1, leased_until = kernel.regul_now() + make_interval(secs => $2)
where feed_id = $1 and (leased_until is null or leased_until <= kernel.regul_now())
  and (not $3 or (interval_s > 0 and due_at <= kernel.regul_now()))
returning generation
"""

RENEW_LEASE: Final = """
update directory.feed_poll set leased_until = kernel.regul_now() + make_interval(secs => $3)
where feed_id = $1 and generation = $2 and leased_until > kernel.regul_now()
returning feed_id
"""

# A tenth of chance either way, so that feeds added together are not asked together for ever.
SETTLE_LEASE: Final = """
update directory.feed_poll
set leased_until = null, problem = $3,
    failures = case when $3::text is null then 0 else failures + 1 end,
    due_at = kernel.regul_now() + make_interval(secs => (0.9 + 0.2 * random())
        * case when $3 is null then interval_s
            else least(greatest($4::float8, interval_s),
                greatest(interval_s, 30) * power(2, least(failures, 12))) end)
where feed_id = $1 and generation = $2
"""
