"""What a run of a feed found, as it is kept and as its publisher is told."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from directory import feed_doctor, feed_offers, feed_store
from directory.feed_doctor import Examination, Fault
from directory.feed_offers import Offers
from directory.feed_rows import BrokenRow
from directory.feed_store import Run
from kernel import errors
from kernel.actor import Actor, require
from kernel.database import Tx

MOST_TOLD: Final = 100_000
"""Faults of one report."""
KEPT: Final = 2_000
"""Faults of one sort that are kept one by one; all are counted."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher of a feed is told.

    Attributes:
        run: The last run; None when there was none.
        tallies: Rows and faults of that run, by name.
        faults: Its faults in the order of the files, the first of each sort; unreadable rows say
            their reason as `original`.
        frozen_since: Since when the content is the same, when that is too long.
    """

    publisher: str
    address: str
    run: Run | None
    tallies: Mapping[str, int]
    faults: tuple[Fault, ...]
    frozen_since: datetime | None


async def letter(tx: Tx, actor: Actor, feed_id: UUID) -> Letter:
    """Give the report to a publisher about the last run of its feed.

    Raises:
        kernel.errors.Missing: `feed_missing`.
    """
    require(actor, "directory.read")
    feed = next(iter(await feed_store.feeds(tx, feed_id)), None)
    if feed is None:
        raise errors.Missing("feed_missing")
    run = next(iter(await feed_store.last_runs(tx, feed_id, 1)), None)
    now: datetime = await tx.fetchval(SELECT_NOW)
    since = feed.changed_at
    return Letter(
        publisher=feed.publisher,
        address=feed.address,
        run=run,
        tallies={} if run is None else await feed_store.tallies(tx, run.id),
        faults=() if run is None else tuple(await feed_store.faults(tx, run.id, MOST_TOLD)),
        frozen_since=since if since and now - since > feed_doctor.FROZEN_AFTER else None,
    )


def findings(found: Examination, offers: Offers) -> tuple[dict[str, int], tuple[Fault, ...]]:
    """Give the counts of a run, and the faults that are kept one by one."""
    content = found.content
    faults = (*found.faults, *offers.quarantined)
    tallies = {
        "rows.places": len(content.places),
        "rows.diaries": len(content.diaries),
        "rows.periods": len(content.periods),
        "rows.bookable": len(found.bookable),
        "rows.unreadable": len(content.broken),
        "taken.places": len(offers.places),
        "taken.diaries": len(offers.diaries),
        "taken.slots": sum(len(one.free) for one in offers.diaries),
    }
    totals = feed_doctor.totals(faults, content.broken)
    tallies.update({f"fault.{code}": count for code, count in totals.items()})
    seen: Counter[str] = Counter()
    kept = []
    for fault in (*faults, *map(_unreadable, content.broken)):
        seen[fault.code] += 1
        if seen[fault.code] <= KEPT:
            kept.append(_storable(fault))
    return tallies, tuple(kept)


def _unreadable(row: BrokenRow) -> Fault:
    return Fault(
        code="unreadable", row="feed", key="", file=row.file, line=row.line, original=row.reason
    )


def _storable(fault: Fault) -> Fault:
    repaired = None if fault.repaired is None else feed_offers.text(fault.repaired)
    return msgspec.structs.replace(
        fault,
        key=feed_offers.text(fault.key),
        file=feed_offers.text(fault.file),
        original=feed_offers.text(fault.original),
        repaired=repaired,
    )


SELECT_NOW: Final = """
select kernel.regul_now()
"""
