"""Takes a national register in: weighs it in one reading, writes it in a second.

Both readings go line by line. Each batch is a transaction of its own; a run that is killed goes on
where it was.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from directory import feed_intake, feed_registers, feed_store, feed_weighing
from directory.feed_intake import Reading
from directory.feed_registers import Entry, Findings, Weight
from directory.feed_rows import RegisterRow
from directory.feed_store import Feed, FeedKind, Run
from directory.feed_weighing import Weighed
from interop import registers
from kernel.actor import Actor
from kernel.database import Database
from server.feed_sources import Located, Outcome

REGISTERS: Final[Mapping[FeedKind, Callable[[Path], Iterator[RegisterRow]]]] = {
    "finess": registers.finess,
    "rpps": registers.rpps,
}


async def run(database: Database, actor: Actor, feed: Feed, located: Located) -> Outcome:
    """Take a register in, or go on with it.

    Args:
        database: Pool under `regul_system`.
        actor: The system, in the feed's territory.
        feed: The register.
        located: Its file.

    Raises:
        kernel.errors.RegulError: It cannot be read as a whole, or somebody else takes it in.
    """
    async with database.transaction(actor) as tx:
        now: datetime = await tx.fetchval(feed_intake.SELECT_NOW)
        known = await feed_registers.known(tx, feed)
        settled = feed.digest == located.digest
        if settled and await feed_store.open_run(tx, feed.id) is None:
            await feed_intake.unchanged(tx, actor, feed, None)
            return Outcome(state="unchanged")
    found, keys = Findings(), set[str]()
    weight = Weight(known)
    await asyncio.to_thread(_weigh, feed, located.path, (found, keys, weight))
    weighed = Weighed(
        share=feed_weighing.weight(weight.survey), tallies=found.tallies, faults=found.faults
    )
    reading = Reading(digest=located.digest, etag=located.etag, as_of=now)
    started = await database.run(
        actor, lambda tx: feed_intake.start(tx, actor, feed, reading, weighed)
    )
    if started is None:
        return Outcome(state="unchanged")
    if started.state == "held":
        return Outcome(state="held", run=started)
    written = await _write(database, actor, (feed, started), located.path)
    unsure = "rows.unreadable" in found.tallies
    async with database.transaction(actor) as tx:
        named = None
        if not unsure:
            named = {
                noun: {key for key in keys if feed_registers.noun(key, feed) == noun}
                for noun in feed_registers.nouns(feed)
            }
        await feed_intake.finish(tx, actor, feed, started, named)
    return Outcome(state="done", run=started, written=written)


def _batches(feed: Feed, path: Path, found: Findings) -> Iterator[tuple[Entry, ...]]:
    rows = REGISTERS[feed.kind](path)
    return feed_registers.batches(feed_registers.entries(rows, feed, found))


def _weigh(feed: Feed, path: Path, gathered: tuple[Findings, set[str], Weight]) -> None:
    found, keys, weight = gathered
    for batch in _batches(feed, path, found):
        weight.add(batch)
        keys.update(entry.key for entry in batch)


async def _write(database: Database, actor: Actor, running: tuple[Feed, Run], path: Path) -> int:
    """Write the batches that are not in yet; give how many rows were written."""
    feed, started = running
    remaining = islice(enumerate(_batches(feed, path, Findings())), started.position, None)
    written = 0
    while (numbered := await asyncio.to_thread(next, remaining, None)) is not None:
        async with database.transaction(actor) as tx:
            written += await feed_registers.take(tx, actor, feed, started, numbered)
    return written
