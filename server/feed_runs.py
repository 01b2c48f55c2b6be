"""Takes a feed in: fetches or opens it, examines it, and hands it over batch by batch.

Each batch is a transaction of its own; a run that is killed goes on where it was. What is the same
as before writes nothing but when it was asked.
"""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from directory import feed_doctor, feed_intake, feed_offers, homonyms, places
from directory.feed_doctor import Circumstances, Examination
from directory.feed_intake import Reading, Taken
from directory.feed_offers import Gazetteer, Offers
from directory.feed_rows import FeedContent
from directory.feed_store import Feed, FeedKind, Noun, Run
from interop import availability_csv, feed_fetching, fhir_bundle, smart_scheduling
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor
from kernel.database import Database

State: TypeAlias = Literal["unchanged", "held", "done"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What running a feed did.

    Attributes:
        run: The run; None when nothing was to be done.
        taken: All batches together.
        withdrawn: Diaries that the feed no longer names.
        examination: What the doctor says; None when the publisher said that nothing changed.
    """

    state: State
    run: Run | None = None
    taken: Taken = msgspec.field(default_factory=Taken)
    withdrawn: int = 0
    examination: Examination | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A feed that lies on this machine now."""

    content: FeedContent
    digest: bytes
    etag: str | None


def is_remote(address: str) -> bool:
    """Tell whether a feed is fetched over HTTP."""
    return "://" in address


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


def digest(folder: Path) -> bytes:
    """Give the SHA-256 of a feed's rows, without its manifest, which may change by itself."""
    total = hashlib.sha256()
    for path in [folder] if folder.is_file() else sorted(folder.glob("*.ndjson")):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.digest()


@contextmanager
def spool() -> Iterator[Path]:
    """Give a folder for what is fetched, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="regul-feed-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def open_feed(feed: Feed, folder: Path, *, loopback: bool) -> Opened | None:
    """Fetch or open a feed and read it; None when its publisher says that nothing changed.

    Raises:
        kernel.errors.RegulError: It cannot be had or read.
    """
    etag = None
    here = Path(feed.address)
    if is_remote(feed.address):
        source = feed_fetching.Source(folder, loopback=loopback)
        if feed.kind == "smart":
            here, fetched = folder, source.smart(feed.address, feed.etag)
        else:
            here = folder / "feed"
            fetched = source.file(feed.address, feed.etag, here)
        if fetched is None:
            return None
        etag = fetched.etag or None
    elif not here.exists():
        raise errors.Unavailable("feed_away", "The files of the feed are not there.", 60)
    return Opened(content=read(feed, here), digest=digest(here), etag=etag)


def diagnose(feed: Feed, content: FeedContent, now: datetime) -> Examination:
    """Examine rows without taking them in."""
    return feed_doctor.examine(content, circumstances(feed, b"", now))


def examine(feed: Feed, opened: Opened, now: datetime) -> tuple[Examination, Offers]:
    """Examine what was read and say what of it can be taken in."""
    found = feed_doctor.examine(opened.content, circumstances(feed, opened.digest, now))
    return found, feed_offers.prepare(found, feed, Gazetteer(places.communes()))


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
    async with database.transaction(actor) as tx:
        now: datetime = await tx.fetchval(feed_intake.SELECT_NOW)
    with spool() as folder:
        opened = await asyncio.to_thread(open_feed, feed, folder, loopback=loopback)
    if opened is None:
        await database.run(actor, lambda tx: feed_intake.unchanged(tx, actor, feed, None))
        return Outcome(state="unchanged")
    found, offers = await asyncio.to_thread(examine, feed, opened, now)
    reading = Reading(
        digest=opened.digest, etag=opened.etag, as_of=min(opened.content.as_of or now, now)
    )
    started = await database.run(
        actor, lambda tx: feed_intake.begin(tx, actor, feed, reading, (found, offers))
    )
    if started is None:
        fresh = None if found.count("frozen_feed") else reading.as_of
        await database.run(actor, lambda tx: feed_intake.unchanged(tx, actor, feed, fresh))
        return Outcome(state="unchanged", examination=found)
    if started.state == "held":
        return Outcome(state="held", run=started, examination=found)
    return await _take(database, actor, (feed, started), (found, offers))


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
    named: dict[Noun, frozenset[str]] = {
        "location": frozenset(one.key for one in found.content.places),
        "schedule": frozenset(one.key for one in found.content.diaries),
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
    return Outcome(state="done", run=started, taken=taken, withdrawn=withdrawn, examination=found)


def added(one: Taken, other: Taken) -> Taken:
    """Add what two batches did."""
    return Taken(
        places=one.places + other.places,
        diaries=one.diaries + other.diaries,
        published=one.published + other.published,
        displaced=one.displaced + other.displaced,
    )
