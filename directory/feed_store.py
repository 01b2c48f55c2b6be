"""SQL about feeds: which there are, their runs with faults, and the aliases of partner ids."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from directory.feed_doctor import Fault
from kernel import database, errors
from kernel.database import Tx

FeedKind: TypeAlias = Literal["smart", "csv", "fhir", "finess", "rpps"]
RunState: TypeAlias = Literal["running", "held", "done", "abandoned"]
Noun: TypeAlias = Literal["organisation", "location", "practitioner", "role", "schedule"]

database.refuses("feed_address_once", errors.Conflict, "feed_known")
database.refuses("feed_run_one_open", errors.Conflict, "feed_run_elsewhere")
database.refuses("feed_of_diaries_has_organisation", errors.Invalid, "feed_organisation_missing")
database.refuses("feed_organisation_id_fkey", errors.Missing, "organisation_missing")


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A publisher's feed.

    Attributes:
        address: Folder, file or https URL.
        zone: IANA zone of its places, where they name none.
        country: ISO 3166-1 alpha-2 code.
        organisation_id: Under whom its places and diaries stand; None for registers.
        codes: The publisher's codes and what they mean in ours.
        etag: Of the last run that was done.
        digest: SHA-256 of its content then.
        changed_at: Since when the content is the same.
        polled_at: When it was last asked.
    """

    id: UUID
    kind: FeedKind
    address: str
    publisher: str
    zone: str
    country: str
    territory_id: UUID
    organisation_id: UUID | None
    codes: Mapping[str, str]
    etag: str | None = None
    digest: bytes | None = None
    changed_at: datetime | None = None
    polled_at: datetime | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One taking in of a feed.

    Attributes:
        position: Batches that are in.
        share: Part of what was stored that it changes, 0 to 1.
        released_by: Who let it go on although it changes much.
    """

    id: UUID
    feed_id: UUID
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    as_of: datetime | None
    digest: bytes
    etag: str | None
    position: int
    share: float
    released_by: str | None


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's id and ours, with the fingerprint of the row as it was published."""

    key: str
    id: UUID
    fingerprint: bytes


async def insert_feed(tx: Tx, feed: Feed) -> None:
    """Write a new feed with the meaning of its codes."""
    await tx.execute(
        INSERT_FEED, feed.id, feed.kind, feed.address, feed.publisher, feed.zone, feed.country,
        feed.territory_id, feed.organisation_id,
    )  # fmt: skip
    await tx.execute(INSERT_CODES, feed.id, list(feed.codes), list(feed.codes.values()))


async def feeds(tx: Tx, feed_id: UUID | None = None) -> Sequence[Feed]:
    """Give all feeds, or the one that is named, by id."""
    codes: dict[UUID, dict[str, str]] = {}
    for row in await tx.fetch(SELECT_CODES, feed_id):
        codes.setdefault(row["feed_id"], {})[row["code"]] = row["service"]
    rows = await tx.fetch(SELECT_FEEDS, feed_id)
    return [Feed(**dict(row), codes=codes.get(row["id"], {})) for row in rows]


async def polled(tx: Tx, feed_id: UUID) -> None:
    """Keep when a feed was last asked."""
    await tx.execute(UPDATE_POLLED, feed_id)


async def settled(tx: Tx, run: Run) -> None:
    """Keep what the last run that was done had read."""
    await tx.execute(UPDATE_SETTLED, run.feed_id, run.etag, run.digest)


async def insert_run(tx: Tx, run: Run) -> None:
    """Open a run.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`: another one is open.
    """
    await tx.execute(
        INSERT_RUN, run.id, run.feed_id, run.state, run.as_of, run.digest, run.etag, run.share
    )


async def open_run(tx: Tx, feed_id: UUID) -> Run | None:
    """Give the run of a feed that is running or held, if there is one."""
    row = await tx.fetchrow(SELECT_OPEN_RUN, feed_id)
    return None if row is None else Run(**dict(row))


async def last_runs(tx: Tx, feed_id: UUID, count: int) -> Sequence[Run]:
    """Give the last runs of a feed, newest first."""
    return [Run(**dict(row)) for row in await tx.fetch(SELECT_RUNS, feed_id, count)]


async def advance(tx: Tx, run_id: UUID, position: int) -> bool:
    """Count one more batch in; False when the run is not at this position any more."""
    return await tx.fetchval(UPDATE_POSITION, run_id, position) is not None


async def is_running(tx: Tx, run_id: UUID) -> bool:
    """Tell whether a run is open and not held, and keep it so until the transaction ends."""
    return await tx.fetchval(LOCK_RUNNING, run_id) is not None


async def end_run(tx: Tx, run_id: UUID, state: RunState) -> None:
    """End a run that is open."""
    await tx.execute(UPDATE_ENDED, run_id, state)


async def release(tx: Tx, run_id: UUID, by: str) -> Run | None:
    """Let a held run go on; None when it is not held."""
    row = await tx.fetchrow(UPDATE_RELEASED, run_id, by)
    return None if row is None else Run(**dict(row))


async def replace_findings(
    tx: Tx, run_id: UUID, tallies: Mapping[str, int], faults: Sequence[Fault]
) -> None:
    """Keep what the doctor found in a run."""
    await tx.execute(INSERT_TALLIES, run_id, list(tallies), list(tallies.values()))
    await tx.execute(
        INSERT_FAULTS, run_id, list(range(len(faults))), [one.code for one in faults],
        [one.row for one in faults], [one.key for one in faults], [one.file for one in faults],
        [one.line for one in faults], [one.original for one in faults],
        [one.repaired for one in faults],
    )  # fmt: skip


async def tallies(tx: Tx, run_id: UUID) -> Mapping[str, int]:
    """Give how many rows and faults of each sort a run had, by name."""
    return {row["name"]: row["value"] for row in await tx.fetch(SELECT_TALLIES, run_id)}


async def faults(tx: Tx, run_id: UUID, count: int) -> Sequence[Fault]:
    """Give the first faults of a run, in the order of the files."""
    rows = await tx.fetch(SELECT_FAULTS, run_id, count)
    return [msgspec.convert(dict(row), Fault) for row in rows]


async def aliases(
    tx: Tx, feed_id: UUID, noun: Noun, keys: Sequence[str] | None = None
) -> Mapping[str, Alias]:
    """Give the aliases of a feed that are not gone, of these keys or all, by key."""
    if keys is None:
        rows = await tx.fetch(SELECT_ALIASES, feed_id, noun)
    else:
        rows = await tx.fetch(SELECT_ALIASES_NAMED, feed_id, noun, list(keys))
    return {row["key"]: Alias(**dict(row)) for row in rows}


async def upsert_aliases(tx: Tx, feed_id: UUID, noun: Noun, found: Iterable[Alias]) -> None:
    """Keep partner ids as aliases of ours; one that had gone is back."""
    given = list(found)
    await tx.execute(
        UPSERT_ALIASES, feed_id, noun, [one.key for one in given], [one.id for one in given],
        [one.fingerprint for one in given],
    )  # fmt: skip


async def gone(tx: Tx, feed_id: UUID, noun: Noun, keys: Sequence[str]) -> None:
    """Mark aliases that a feed no longer names; what they stand for stays."""
    await tx.execute(UPDATE_GONE, feed_id, noun, list(keys))


INSERT_FEED: Final = """
insert into directory.feed (id, kind, address, publisher, zone, country, territory_id,
    organisation_id)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

INSERT_CODES: Final = """
insert into directory.feed_code (feed_id, code, service)
select $1, code, service from unnest($2::text[], $3::text[]) as n (code, service)
"""

SELECT_FEEDS: Final = """
select id, kind, address, publisher, zone, country, territory_id, organisation_id, etag, digest,
    changed_at, polled_at
from directory.feed where $1::uuid is null or id = $1
order by id
"""

SELECT_CODES: Final = """
select feed_id, code, service from directory.feed_code where $1::uuid is null or feed_id = $1
"""

UPDATE_POLLED: Final = """
update directory.feed set polled_at = kernel.regul_now() where id = $1
"""

UPDATE_SETTLED: Final = """
update directory.feed set etag = $2, digest = $3, polled_at = kernel.regul_now(),
    changed_at = case when digest is distinct from $3 then kernel.regul_now() else changed_at end
where id = $1
"""

INSERT_RUN: Final = """
insert into directory.feed_run (id, feed_id, state, as_of, digest, etag, share)
values ($1, $2, $3, $4, $5, $6, $7)
"""

SELECT_OPEN_RUN: Final = """
select id, feed_id, state, started_at, ended_at, as_of, digest, etag, position, share, released_by
from directory.feed_run where feed_id = $1 and state in ('running', 'held')
"""

SELECT_RUNS: Final = """
select id, feed_id, state, started_at, ended_at, as_of, digest, etag, position, share, released_by
from directory.feed_run where feed_id = $1
order by started_at desc, id desc
limit $2
"""

UPDATE_POSITION: Final = """
update directory.feed_run set position = position + 1
where id = $1 and position = $2 and state = 'running'
returning position
"""

LOCK_RUNNING: Final = """
select 1 from directory.feed_run where id = $1 and state = 'running' for update
"""

UPDATE_ENDED: Final = """
update directory.feed_run set state = $2, ended_at = kernel.regul_now()
where id = $1 and state in ('running', 'held')
"""

UPDATE_RELEASED: Final = """
update directory.feed_run set state = 'running', released_by = $2, released_at = kernel.regul_now()
where id = $1 and state = 'held'
returning id, feed_id, state, started_at, ended_at, as_of, digest, etag, position, share,
    released_by
"""

INSERT_TALLIES: Final = """
insert into directory.feed_tally (run_id, name, value)
select $1, name, value from unnest($2::text[], $3::integer[]) as n (name, value)
"""

INSERT_FAULTS: Final = """
insert into directory.feed_fault (run_id, number, code, noun, key, file, line, original, repaired)
select $1, number, code, noun, key, file, line, original, repaired
from unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
        $8::text[], $9::text[])
    as n (number, code, noun, key, file, line, original, repaired)
"""

SELECT_TALLIES: Final = """
select name, value from directory.feed_tally where run_id = $1 order by name
"""

SELECT_FAULTS: Final = """
select code, noun as row, key, file, line, original, repaired
from directory.feed_fault where run_id = $1
order by number
limit $2
"""

SELECT_ALIASES: Final = """
select key, id, fingerprint from directory.feed_alias
where feed_id = $1 and noun = $2 and gone_at is null
"""

# By the index for each key: a batch of a register asks for a thousand among millions.
SELECT_ALIASES_NAMED: Final = """
select a.key, a.id, a.fingerprint
from unnest($3::text[]) as n (key)
    join directory.feed_alias a on a.feed_id = $1 and a.noun = $2 and a.key = n.key
where a.gone_at is null
"""

UPSERT_ALIASES: Final = """
insert into directory.feed_alias (feed_id, noun, key, id, fingerprint)
select $1, $2, key, id, fingerprint
from unnest($3::text[], $4::uuid[], $5::bytea[]) as n (key, id, fingerprint)
on conflict on constraint feed_alias_once
do update set id = excluded.id, fingerprint = excluded.fingerprint, gone_at = null
"""

UPDATE_GONE: Final = """
update directory.feed_alias set gone_at = kernel.regul_now()
where feed_id = $1 and noun = $2 and key = any ($3::text[]) and gone_at is null
"""
