"""Use cases of feeds: registering one, taking one in batch by batch, releasing a run that was held.

A run is opened when its content is read and examined, then every batch is one transaction that
moves the run's position with it: whatever is killed between two batches goes on from there. A run
that would change much of what is stored is held until a human releases it.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from directory import (
    codes,
    feed_letter,
    feed_offers,
    feed_polls,
    feed_store,
    feed_weighing,
    feed_writing,
    places_told,
    publication,
    service,
)
from directory.feed_doctor import Examination
from directory.feed_offers import Diary, Offers, Place
from directory.feed_store import Alias, Feed, Noun, Run
from directory.feed_weighing import Weighed
from directory.feed_writing import Mirror
from directory.model import OrganisationKind, ScheduleId
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.ids import uuid7

PLACES: Final = 100
"""Places of one batch."""
DIARIES: Final = 10
"""Diaries of one batch; each may be published in the same transaction."""

Batch: TypeAlias = tuple[Place, ...] | tuple[Diary, ...]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a feed, before it is known whether anything is to be done.

    Attributes:
        digest: SHA-256 of the rows, whatever the manifest says.
        etag: Of the manifest or file, where it came over HTTP.
        as_of: When the publisher says that it was made; at most the moment of reading.
    """

    digest: bytes
    etag: str | None
    as_of: datetime


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch did.

    Attributes:
        places: Locations written.
        diaries: Care services written.
        published: Diaries whose slots changed.
        displaced: Seats somebody held or was booked on that the source does not have any more.
    """

    places: int = 0
    diaries: int = 0
    published: int = 0
    displaced: int = 0


async def register(tx: Tx, actor: Actor, feed: Feed, *, interval_s: int | None = None) -> None:
    """Keep a new feed, and ask it from now on.

    Args:
        tx: The transaction.
        actor: An administrator or the system.
        feed: The feed.
        interval_s: Seconds between two questions; 0 = never by itself, None = usual for its kind.

    Raises:
        kernel.errors.Invalid: `feed_interval`: longer than a week.
        kernel.errors.Invalid: `service_unknown`: a code stands for no service code of ours;
            `organisation_kind_unknown`: likewise, of the categories of a register of places;
            `feed_organisation_missing`: a feed of diaries needs one.
        kernel.errors.Conflict: `feed_known`: this address is a feed already.
        kernel.errors.Missing: `organisation_missing`.
    """
    require(actor, "directory.write")
    kinds = {kind.value for kind in OrganisationKind}
    if feed.kind == "finess" and (strange := sorted({*feed.codes.values()} - kinds)):
        raise errors.Invalid(
            "organisation_kind_unknown", "There is no such kind.", named=strange[0]
        )
    unknown = codes.load().unknown_services(feed.codes.values())
    if feed.kind != "finess" and unknown:
        raise errors.Invalid("service_unknown", "There is no such service code.", named=unknown[0])
    await feed_store.insert_feed(tx, feed)
    usual = feed_polls.usual_interval_s(feed.kind)
    await feed_polls.insert(tx, feed.id, usual if interval_s is None else interval_s)
    await audit.record(
        tx, actor, "directory.write", "feed", feed.id, territory_id=feed.territory_id
    )


async def find(tx: Tx, actor: Actor, feed_id: UUID) -> Feed:
    """Give a feed.

    Raises:
        kernel.errors.Missing: `feed_missing`.
    """
    require(actor, "directory.read")
    found = await feed_store.feeds(tx, feed_id)
    if not found:
        raise errors.Missing("feed_missing")
    return found[0]


async def unchanged(tx: Tx, actor: Actor, feed: Feed, as_of: datetime | None) -> None:
    """Keep that a feed was asked and says the same; its diaries are as fresh as it says.

    Args:
        tx: The transaction.
        actor: The system.
        feed: The feed.
        as_of: When the publisher says that it was made; None = it did not say or has stopped.
    """
    require(actor, "directory.write")
    await feed_store.polled(tx, feed.id)
    if as_of is not None:
        known = await feed_store.aliases(tx, feed.id, "schedule")
        await feed_writing.confirm(tx, [one.id for one in known.values()], as_of)


async def begin(
    tx: Tx, actor: Actor, feed: Feed, reading: Reading, prepared: tuple[Examination, Offers]
) -> Run | None:
    """Open a run of a feed of diaries, or go on with the one that was interrupted.

    Args:
        tx: The transaction.
        actor: The system.
        feed: The feed.
        reading: What was read.
        prepared: What the doctor says, and what of it can be taken in.

    Returns:
        The run, `held` when it would change too much; None when there is nothing to do.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: somebody else opened one at this moment.
    """
    found, offers = prepared
    if feed.digest == reading.digest and await feed_store.open_run(tx, feed.id) is None:
        return None
    now: datetime = await tx.fetchval(SELECT_NOW)
    share = await feed_weighing.survey(tx, feed, offers, now)
    tallies, faults = feed_letter.findings(found, offers)
    weighed = Weighed(share=share, tallies=tallies, faults=faults)
    return await start(tx, actor, feed, reading, weighed)


async def start(tx: Tx, actor: Actor, feed: Feed, reading: Reading, weighed: Weighed) -> Run | None:
    """Open a run, or go on with the one that was interrupted on the same content.

    Args:
        tx: The transaction.
        actor: The system.
        feed: The feed.
        reading: What was read.
        weighed: What taking it in would change.

    Returns:
        The run, `held` when it would change too much; None when there is nothing to do.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: somebody else opened one at this moment.
    """
    require(actor, "directory.write")
    before = await feed_store.open_run(tx, feed.id)
    if before is not None and before.digest == reading.digest:
        return before
    if before is not None:
        await feed_store.end_run(tx, before.id, "abandoned")
    elif feed.digest == reading.digest:
        return None
    now: datetime = await tx.fetchval(SELECT_NOW)
    run = Run(
        id=uuid7(), feed_id=feed.id, state=weighed.state,
        started_at=now, ended_at=None, as_of=min(reading.as_of, now), digest=reading.digest,
        etag=reading.etag, position=0, share=weighed.share, released_by=None,
    )  # fmt: skip
    await feed_store.insert_run(tx, run)
    await feed_store.replace_findings(tx, run.id, weighed.tallies, weighed.faults)
    await audit.record(
        tx, actor, "directory.write", "feed_run", run.id, territory_id=feed.territory_id,
        detail=run.state,
    )  # fmt: skip
    return run


def batches(offers: Offers) -> Sequence[Batch]:
    """Cut what can be taken in into batches, places first; the same content gives the same ones."""
    places = offers.places
    diaries = offers.diaries
    return [
        *(places[start : start + PLACES] for start in range(0, len(places), PLACES)),
        *(diaries[start : start + DIARIES] for start in range(0, len(diaries), DIARIES)),
    ]


async def take(
    tx: Tx, actor: Actor, feed: Feed, run: Run, numbered: tuple[int, Batch], *, unsure: bool
) -> Taken:
    """Take one batch in.

    Args:
        tx: The transaction.
        actor: The system, in the feed's territory.
        feed: The feed.
        run: The run.
        numbered: Number of the batch from 0, and its rows.
        unsure: Rows of the feed could not be read: nobody loses a seat for being in one of those.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: the run is not at this batch.
    """
    require(actor, "directory.write")
    position, batch = numbered
    if not await feed_store.advance(tx, run.id, position):
        raise errors.Conflict("feed_run_elsewhere", "Somebody else is taking this feed in.")
    places = [one for one in batch if isinstance(one, Place)]
    if places:
        return Taken(places=await _take_places(tx, feed, places))
    diaries = [one for one in batch if isinstance(one, Diary)]
    return await _take_diaries(tx, actor, (feed, run), diaries, unsure=unsure)


async def _take_places(tx: Tx, feed: Feed, places: Sequence[Place]) -> int:
    changed = await _changed(tx, feed, "location", places)
    if changed:
        await feed_writing.upsert_locations(tx, changed)
        aliases = [
            Alias(key=one.key, id=one.location.id, fingerprint=one.fingerprint) for one in changed
        ]
        await feed_store.upsert_aliases(tx, feed.id, "location", aliases)
    return len(changed)


Row = TypeVar("Row", Place, Diary)


async def _changed(tx: Tx, feed: Feed, noun: Noun, rows: Sequence[Row]) -> list[Row]:
    """Give the rows that are new or say something else than before."""
    known = await feed_store.aliases(tx, feed.id, noun, [one.key for one in rows])
    prints = {key: alias.fingerprint for key, alias in known.items()}
    return [one for one in rows if prints.get(one.key) != one.fingerprint]


async def _take_diaries(
    tx: Tx, actor: Actor, running: tuple[Feed, Run], diaries: Sequence[Diary], *, unsure: bool
) -> Taken:
    feed, run = running
    changed = await _changed(tx, feed, "schedule", diaries)
    if changed:
        await feed_writing.upsert_diaries(tx, feed, changed)
        aliases = [
            Alias(key=one.key, id=one.schedule_id, fingerprint=one.fingerprint) for one in changed
        ]
        await feed_store.upsert_aliases(tx, feed.id, "schedule", aliases)
        await places_told.tell(tx, actor, [one.care_service_id for one in changed])
    mirrors = await feed_writing.mirrors(tx, [one.schedule_id for one in diaries])
    published = displaced = 0
    for one in diaries:
        mirror = mirrors[one.schedule_id]
        slots = feed_offers.wanted(one, mirror.slots, unsure=unsure)
        lost = await _publish(tx, actor, run, (one.schedule_id, mirror), slots)
        if lost is not None:
            published, displaced = published + 1, displaced + lost
        await feed_writing.link(tx, one.schedule_id, one.links)
    if run.as_of is not None:
        await feed_writing.confirm(tx, [one.schedule_id for one in diaries], run.as_of)
    return Taken(diaries=len(changed), published=published, displaced=displaced)


async def _publish(
    tx: Tx,
    actor: Actor,
    run: Run,
    diary: tuple[ScheduleId, Mirror],
    slots: tuple[publication.PublishedSlot, ...],
) -> int | None:
    """Publish a diary where its slots differ from what is stored; give the displaced seats."""
    schedule_id, mirror = diary
    change = publication.diff((one.slot for one in mirror.slots), slots, run.started_at)
    if not (change.added or change.resized or change.withdrawn):
        return None
    done = await service.publish(
        tx,
        actor,
        service.Publish(
            schedule_id=schedule_id,
            window=feed_offers.window(run.started_at),
            sequence=mirror.sequence + 1,
            slots=slots,
        ),
    )
    if run.as_of is not None:
        await feed_writing.date(tx, schedule_id, run.as_of)
    return done.displaced


async def drop_gone(
    tx: Tx, actor: Actor, feed: Feed, run: Run, named: Mapping[Noun, frozenset[str]]
) -> int:
    """Withdraw some of the diaries that a feed no longer names; what they were stays known.

    Args:
        tx: The transaction.
        actor: The system, in the feed's territory.
        feed: The feed.
        run: The run, its batches all in.
        named: Keys of all rows of the feed, taken in or quarantined, by noun.

    Returns:
        How many diaries were withdrawn now; 0 when none is left.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: the run is open no more.
    """
    require(actor, "directory.write")
    await _still_running(tx, run)
    known = await feed_store.aliases(tx, feed.id, "schedule")
    gone = [alias for key, alias in sorted(known.items()) if key not in named["schedule"]]
    some = gone[:DIARIES]
    mirrors = await feed_writing.mirrors(tx, [one.id for one in some])
    for alias in some:
        schedule_id = ScheduleId(alias.id)
        await _publish(tx, actor, run, (schedule_id, mirrors[schedule_id]), ())
    await feed_writing.deactivate(tx, [one.id for one in some])
    await feed_store.gone(tx, feed.id, "schedule", [one.key for one in some])
    return len(some)


async def finish(
    tx: Tx, actor: Actor, feed: Feed, run: Run, named: Mapping[Noun, AbstractSet[str]] | None
) -> None:
    """End a run whose batches are all in: from now on the same content means nothing to do.

    Args:
        tx: The transaction.
        actor: The system.
        feed: The feed.
        run: The run.
        named: Keys of all rows of the feed, by noun; None when some could not be read.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: the run is open no more.
    """
    require(actor, "directory.write")
    await _still_running(tx, run)
    for noun, keys in () if named is None else named.items():
        if noun == "schedule":
            continue
        known = await feed_store.aliases(tx, feed.id, noun)
        missing = sorted(known.keys() - keys)
        await feed_store.gone(tx, feed.id, noun, missing)
    await feed_store.end_run(tx, run.id, "done")
    await feed_store.settled(tx, run)


async def _still_running(tx: Tx, run: Run) -> None:
    """Refuse a runner that slept while another took the feed over."""
    if not await feed_store.is_running(tx, run.id):
        raise errors.Conflict("feed_run_elsewhere", "Somebody else is taking this feed in.")


async def release(tx: Tx, actor: Actor, run_id: UUID, by: str) -> Run:
    """Let a run that was held go on.

    Args:
        tx: The transaction.
        actor: The system.
        run_id: Which run.
        by: Name of the human who looked at it.

    Raises:
        kernel.errors.Conflict: `feed_run_not_held`.
    """
    require(actor, "directory.write")
    run = await feed_store.release(tx, run_id, by)
    if run is None:
        raise errors.Conflict("feed_run_not_held", "This run is not held.")
    await audit.record(tx, actor, "directory.write", "feed_run", run.id, detail="released")
    return run


SELECT_NOW: Final = """
select kernel.regul_now()
"""
