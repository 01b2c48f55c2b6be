"""Takes a feed in: fetches or opens it, examines it, and hands it over batch by batch.

Each batch is a transaction of its own; a run that is killed goes on where it was. What is the same
as before writes nothing but when it was asked.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from directory import feed_doctor, feed_intake, feed_offers, feed_people, gazetteer, homonyms
from directory.feed_doctor import Circumstances, Examination
from directory.feed_intake import Reading, Taken
from directory.feed_offers import Gazetteer, Offers
from directory.feed_rows import FeedContent
from directory.feed_store import Feed, FeedKind, Noun, Run
from interop import availability_csv, fhir_bundle, smart_scheduling
from kernel import actor as actors
from kernel.actor import Actor
from kernel.database import Database
from server import feed_register_runs, feed_sources
from server.feed_sources import Located, Outcome

READERS: Final[Mapping[FeedKind, Callable[[Path], FeedContent]]] = {
    "smart": smart_scheduling.read,
    "csv": availability_csv.read,
    "fhir": fhir_bundle.read,
}


def read(feed: Feed, folder: Path) -> FeedContent:
    """Read the rows of a feed whose files lie in a folder (or are that one file).

    Raises:
        kernel.errors.Invalid: The reader of its format refuses it as a whole.
    """
    return READERS[feed.kind](folder)


def diagnose(feed: Feed, content: FeedContent, now: datetime) -> Examination:
    """Examine rows without taking them in."""
    return feed_doctor.examine(content, circumstances(feed, b"", now))


def examine(
    feed: Feed, content: FeedContent, digest: bytes, now: datetime
) -> tuple[Examination, Offers]:
    """Examine what was read and say what of it can be taken in."""
    found = feed_doctor.examine(content, circumstances(feed, digest, now))
    return found, feed_offers.prepare(found, feed, Gazetteer(gazetteer.communes()))


def circumstances(feed: Feed, content: bytes, now: datetime) -> Circumstances:
    """Give what the doctor is to know of a feed."""
    same = feed.digest == content
    return Circumstances(
        country=feed.country,
        zone=feed.zone,
        now=now,
        unchanged_since=feed.changed_at if same else None,
        homonyms=homonyms.names(feed.country),
    )


async def run(database: Database, feed: Feed, *, loopback: bool = False) -> Outcome:
    """Take a feed in, or go on with it.

    Args:
        database: Pool under `regul_system`.
        feed: Which feed.
        loopback: It may be fetched from this machine.

    Raises:
        kernel.errors.RegulError: It cannot be had or read as a whole, or somebody else takes it in.
    """
    actor = actors.system(feed.territory_id)
    with feed_sources.spool() as folder:
        found = await asyncio.to_thread(feed_sources.locate, feed, folder, loopback=loopback)
        if found is None:
            await database.run(actor, lambda tx: feed_intake.unchanged(tx, actor, feed, None))
            return Outcome(state="unchanged")
        if feed.kind in feed_register_runs.REGISTERS:
            return await feed_register_runs.run(database, actor, feed, found)
        return await _run(database, actor, feed, found)


async def _run(database: Database, actor: Actor, feed: Feed, located: Located) -> Outcome:
    async with database.transaction(actor) as tx:
        now: datetime = await tx.fetchval(feed_intake.SELECT_NOW)
    content = await asyncio.to_thread(read, feed, located.path)
    prepared = await asyncio.to_thread(examine, feed, content, located.digest, now)
    found, _ = prepared
    reading = Reading(
        digest=located.digest, etag=located.etag, as_of=min(content.as_of or now, now)
    )
    started = await database.run(
        actor, lambda tx: feed_intake.begin(tx, actor, feed, reading, prepared)
    )
    if started is None:
        fresh = None if found.count("frozen_feed") else reading.as_of
        await database.run(actor, lambda tx: feed_intake.unchanged(tx, actor, feed, fresh))
        return Outcome(state="unchanged", examination=found)
    if started.state == "held":
        return Outcome(state="held", run=started, examination=found)
    return await _take(database, actor, (feed, started), prepared)


async def _take(
    database: Database,
    actor: Actor,
    running: tuple[Feed, Run],
    prepared: tuple[Examination, Offers],
) -> Outcome:
    """Take the batches that are not in yet, then what the feed no longer names."""
    feed, started = running
    found, offers = prepared
    unsure = bool(found.content.broken)
    taken = Taken()
    for numbered in list(enumerate(feed_intake.batches(offers)))[started.position :]:
        async with database.transaction(actor) as tx:
            taken = added(
                taken,
                await feed_intake.take(tx, actor, feed, started, numbered, unsure=unsure),
            )
    async with database.transaction(actor) as tx:
        people = await feed_people.take(tx, actor, feed, found.content, offers)
    named: dict[Noun, frozenset[str]] = {
        "location": frozenset(one.key for one in found.content.places),
        "schedule": frozenset(one.key for one in found.content.diaries),
        "practitioner": frozenset(one.key for one in found.content.workers),
        "organisation": frozenset(one.key for one in found.content.bodies),
        "role": frozenset(one.key for one in found.content.roles),
    }
    withdrawn = 0
    while not unsure:
        async with database.transaction(actor) as tx:
            some = await feed_intake.drop_gone(tx, actor, feed, started, named)
        withdrawn += some
        if not some:
            break
    async with database.transaction(actor) as tx:
        await feed_intake.finish(tx, actor, feed, started, None if unsure else named)
    return Outcome(
        state="done", run=started, taken=taken, people=people, withdrawn=withdrawn,
        examination=found,
    )  # fmt: skip


def added(one: Taken, other: Taken) -> Taken:
    """Add what two batches did."""
    return Taken(
        places=one.places + other.places,
        diaries=one.diaries + other.diaries,
        published=one.published + other.published,
        displaced=one.displaced + other.displaced,
    )
