"""Takes the national registers in: sites of FINESS and people of RPPS, a thousand at a time.

A register is read twice: once to weigh what it would change, once to write it. Numbers are checked
and stored bare; a wrong check digit is reported and kept, a wrong shape is quarantined.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from directory import feed_exercises, feed_offers, feed_store, identifiers
from directory.feed_doctor import Fault, FaultCode
from directory.feed_exercises import Exercise
from directory.feed_letter import KEPT
from directory.feed_rows import BrokenRow, FeedOrganisation, FeedPerson, RegisterRow
from directory.feed_store import Alias, Feed, Noun, Run
from directory.identifiers import Identifier, System
from directory.model import OrganisationKind
from kernel import errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.ids import uuid7

OTHER_NUMBER: Final = "not_rpps"
"""Reason of a row that another register numbers; it is counted and left out."""
BATCH: Final = 1_000
"""Rows of one batch."""
_FINESS_LENGTH: Final = 9


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A site as it is stored; `key` is its FINESS."""

    key: str
    name: str
    kind: OrganisationKind
    siret: str | None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A professional as stored; `key` is the RPPS."""

    key: str
    family: str
    given: str


Entry: TypeAlias = Site | Person | Exercise


class Findings:
    """Counts of a register and the faults that are kept one by one."""

    def __init__(self) -> None:
        """Start with nothing found."""
        self.tallies: dict[str, int] = {}
        self.faults: list[Fault] = []

    def count(self, name: str) -> None:
        """Count one."""
        self.tallies[name] = self.tallies.get(name, 0) + 1

    def add(self, fault: Fault) -> None:
        """Count a fault, and keep it while there are few of its sort."""
        self.count(f"fault.{fault.code}")
        if self.tallies[f"fault.{fault.code}"] <= KEPT:
            self.faults.append(fault)


def entries(rows: Iterable[RegisterRow], feed: Feed, found: Findings) -> Iterator[Entry]:
    """Turn a register's rows into what is stored; each key counts once, the first time.

    Where somebody works follows the person; a line whose work cannot be taken is counted.

    Args:
        rows: As read.
        feed: Says which kind a category stands for.
        found: Gets the counts and faults.
    """
    seen: set[str] = set()
    for row in rows:
        found.count("rows")
        if isinstance(row, BrokenRow) and row.reason == OTHER_NUMBER:
            found.count("rows.other_number")
            continue
        if isinstance(row, BrokenRow):
            found.count("rows.unreadable")
            found.add(
                Fault(
                    code="unreadable", row="feed", key="", file=row.file, line=row.line,
                    original=row.reason,
                )
            )  # fmt: skip
            continue
        entry = (
            _site(row, feed, found) if isinstance(row, FeedOrganisation) else _person(row, found)
        )
        if entry is not None and entry.key not in seen:
            seen.add(entry.key)
            found.count("taken")
            yield entry
        if isinstance(entry, Person) and isinstance(row, FeedPerson) and row.exercise is not None:
            work = feed_exercises.exercise(row.exercise, entry.key, feed)
            if isinstance(work, str):
                found.count(f"exercises.{work}")
            elif work.key not in seen:
                seen.add(work.key)
                found.count("exercises.taken")
                yield work


def _site(row: FeedOrganisation, feed: Feed, found: Findings) -> Site | None:
    def fault(code: FaultCode, original: str, repaired: str | None = None) -> None:
        found.add(
            Fault(
                code=code, row="organisation", key=feed_offers.text(row.finess), line=row.line,
                original=feed_offers.text(original), repaired=repaired,
            )
        )  # fmt: skip

    kind = feed.codes.get(row.category)
    if kind is None:
        fault("unknown_code", row.category)
        return None
    number = _finess(row.finess)
    if number is None:
        fault("malformed_identifier", row.finess)
        return None
    if number.value != row.finess:
        fault("lost_leading_zero", row.finess, number.value)
    if not number.checked:
        fault("suspect_identifier", row.finess)
    siret = _parsed(System.SIRET, row.siret) if row.siret else None
    if row.siret and siret is None:
        fault("malformed_identifier", row.siret)
    elif siret is not None and not siret.checked:
        fault("suspect_identifier", row.siret)
    return Site(
        key=number.value,
        name=feed_offers.text(row.name),
        kind=OrganisationKind(kind),
        siret=None if siret is None else siret.value,
    )


def _finess(published: str) -> Identifier | None:
    """Read a number; a swallowed zero comes back where the check digit fits."""
    found = _parsed(System.FINESS, published)
    if found is None and len(published) == _FINESS_LENGTH - 1:
        whole = _parsed(System.FINESS, "0" + published)
        return whole if whole is not None and whole.checked else None
    return found


def _parsed(system: System, text: str) -> Identifier | None:
    try:
        return identifiers.parse(system, text)
    except errors.Malformed:
        return None


def _person(row: FeedPerson, found: Findings) -> Person | None:
    number = _parsed(System.RPPS, row.rpps)
    if number is None or not number.checked:
        found.add(
            Fault(
                code="suspect_identifier" if number else "malformed_identifier",
                row="practitioner", key=feed_offers.text(row.rpps), line=row.line,
                original=feed_offers.text(row.rpps),
            )
        )  # fmt: skip
    if number is None:
        return None
    return Person(
        key=number.value, family=feed_offers.text(row.family), given=feed_offers.text(row.given)
    )


def nouns(feed: Feed) -> tuple[Noun, ...]:
    """Give what a register is about; keys of one noun are never keys of another."""
    return ("organisation",) if feed.kind == "finess" else ("practitioner", "role")


def noun(key: str, feed: Feed) -> Noun:
    """Give what a key of a register stands for."""
    if feed.kind == "finess":
        return "organisation"
    return "role" if "/" in key else "practitioner"


async def known(tx: Tx, feed: Feed, keys: Sequence[str] | None = None) -> Mapping[str, Alias]:
    """Give the aliases of a register that are not gone, of these keys or all, by key."""
    found: dict[str, Alias] = {}
    for one in nouns(feed):
        found |= await feed_store.aliases(tx, feed.id, one, keys)
    return found


def batches(rows: Iterable[Entry]) -> Iterator[tuple[Entry, ...]]:
    """Cut entries into batches; the same file gives the same ones."""
    remaining = iter(rows)
    while batch := tuple(islice(remaining, BATCH)):
        yield batch


class Weight:
    """How much of what is stored a register changes, counted batch by batch."""

    def __init__(self, known: Mapping[str, Alias]) -> None:
        """Start with what is stored, by key."""
        self._known = known
        self._same = self._changed = self._new = 0

    def add(self, batch: Sequence[Entry]) -> None:
        """Compare a batch with what is stored."""
        for entry in batch:
            stored = self._known.get(entry.key)
            if stored is None:
                self._new += 1
            elif stored.fingerprint == feed_offers.fingerprint(entry):
                self._same += 1
            else:
                self._changed += 1

    @property
    def survey(self) -> feed_offers.Survey:
        """Give the sum; what was not met is gone."""
        stored = len(self._known)
        return feed_offers.Survey(stored=stored, changed=stored - self._same + self._new)


async def take(
    tx: Tx, actor: Actor, feed: Feed, run: Run, numbered: tuple[int, Sequence[Entry]]
) -> int:
    """Take one batch in; give how many rows were new or said something else than before.

    Args:
        tx: The transaction.
        actor: The system.
        feed: The register.
        run: The run.
        numbered: Number of the batch from 0, and its rows.

    Raises:
        kernel.errors.Conflict: `feed_run_elsewhere`.
    """
    require(actor, "directory.write")
    position, batch = numbered
    if not await feed_store.advance(tx, run.id, position):
        raise errors.Conflict("feed_run_elsewhere", "Somebody else is taking this feed in.")
    stored = await known(tx, feed, [one.key for one in batch])
    prints = {one.key: feed_offers.fingerprint(one) for one in batch}
    changed = sorted(
        (
            one
            for one in batch
            if one.key not in stored or stored[one.key].fingerprint != prints[one.key]
        ),
        key=lambda one: one.key,
    )
    if not changed:
        return 0
    ids = await _write(tx, feed, changed)
    for one in nouns(feed):
        aliases = [
            Alias(key=key, id=ours, fingerprint=prints[key])
            for key, ours in ids.items()
            if noun(key, feed) == one
        ]
        await feed_store.upsert_aliases(tx, feed.id, one, aliases)
    return len(changed)


async def _write(tx: Tx, feed: Feed, changed: Sequence[Entry]) -> Mapping[str, UUID]:
    """Write rows; whoever has the number already keeps its id."""
    sites = [one for one in changed if isinstance(one, Site)]
    people = [one for one in changed if isinstance(one, Person)]
    work = [one for one in changed if isinstance(one, Exercise)]
    found: dict[str, UUID] = {}
    if sites:
        rows = await tx.fetch(
            UPSERT_SITES, [uuid7() for _ in sites], [one.key for one in sites],
            [one.name for one in sites], [one.kind.value for one in sites],
            [one.siret for one in sites],
        )  # fmt: skip
        found |= {row["key"]: row["id"] for row in rows}
    if people:
        rows = await tx.fetch(
            UPSERT_PEOPLE, [uuid7() for _ in people], [one.key for one in people],
            [one.family for one in people], [one.given for one in people],
        )  # fmt: skip
        found |= {row["key"]: row["id"] for row in rows}
    if work:
        found |= await feed_exercises.write(tx, feed, work)
    return found


UPSERT_SITES: Final = """
insert into directory.organisation as o (id, finess, name, kind, siret)
select id, finess, name, kind, siret
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
    as n (id, finess, name, kind, siret)
on conflict on constraint organisation_finess_unique
do update set name = excluded.name, kind = excluded.kind, siret = excluded.siret
returning o.id, o.finess as key
"""

UPSERT_PEOPLE: Final = """
insert into directory.practitioner as p (id, rpps, family, given)
select id, rpps, family, given
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as n (id, rpps, family, given)
on conflict on constraint practitioner_rpps_unique
do update set family = excluded.family, given = excluded.given
returning p.id, p.rpps as key
"""
