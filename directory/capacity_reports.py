"""Reporting and reading beds and emergency places: each report counted once, every one kept."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import msgspec

from directory import capacity
from directory.capacity import LARGEST, CapacityKind, Cause, Figure
from directory.consent import Freshness
from events import outbox
from events.catalogue import CapacityChanged
from kernel import audit, database, errors
from kernel.actor import Actor, Role, require
from kernel.database import Tx
from kernel.inputs import Code

database.refuses("capacity_over_needs_flag", errors.Invalid, "capacity_over_unsaid")
database.refuses("capacity_change_over_needs_flag", errors.Invalid, "capacity_over_unsaid")

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report as its author makes it.

    Attributes:
        sequence: Higher than that of any earlier report of this kind by the care service.
        total: Beds or places that are open.
        occupied: Patients in them.
        over: Allows more patients than places.
        cause: What happened since the report before.
        source: Who speaks: `own`, or the name of the system that counts.
    """

    sequence: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    total: Count
    occupied: Count
    cause: Cause
    over: bool = False
    source: Code = "own"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One report that counted, with its author and cause."""

    kind: CapacityKind
    total: int
    occupied: int
    free: int
    over: bool
    cause: Cause
    sequence: int
    source: str
    actor_id: UUID
    role: Role
    as_of: datetime


class Capacity(Change, frozen=True, kw_only=True):
    """What holds now.

    Attributes:
        freshness: `fresh`, `marked` (older than its source should be) or `outdated` (not used).
    """

    care_service_id: UUID
    freshness: Freshness


class CapacityPage(msgspec.Struct, frozen=True, kw_only=True):
    """What a care service says of its beds and places, by kind."""

    care_service_id: UUID
    capacity: Sequence[Capacity]


class ChangePage(msgspec.Struct, frozen=True, kw_only=True):
    """Reports, newest first; `next_before` goes on where this page ends, None at the end."""

    changes: Sequence[Change]
    next_before: int | None = None


async def report(
    tx: Tx, actor: Actor, care_service_id: UUID, kind: CapacityKind, said: Said
) -> Capacity:
    """Report how many beds or places there are and how many are occupied.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate or a partner of the care service's organisation.
        care_service_id: Which care service.
        kind: What was counted.
        said: The figures, their cause, their sequence.

    Returns:
        What holds now; the same sequence with the same body gives it again and changes nothing.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: `capacity_over_unsaid`, `capacity_cause_contradicts`.
        kernel.errors.Conflict: `sequence_not_newer`, with the `current` one; nothing changed.
    """
    require(actor, "capacity.report")
    place = await tx.fetchrow(SELECT_PLACE, care_service_id)
    if place is None:
        raise errors.Missing("care_service_missing")
    require(actor, "capacity.report", organisation_id=place["organisation_id"])
    await tx.execute(LOCK_CAPACITY, care_service_id, kind.value)
    before = await tx.fetchrow(SELECT_BEFORE, care_service_id, kind.value)
    if before is not None and before["sequence"] >= said.sequence:
        await _said_before(tx, care_service_id, kind, said, before["sequence"])
        return await _now(tx, care_service_id, kind)
    known = None if before is None else Figure(total=before["total"], occupied=before["occupied"])
    given = Figure(total=said.total, occupied=said.occupied, over=said.over)
    figure = capacity.report(known, given, said.cause)
    await tx.execute(
        UPSERT_CAPACITY, care_service_id, kind.value, figure.total, figure.occupied, figure.over,
        said.cause.value, said.sequence, said.source, actor.id, actor.role.value,
    )  # fmt: skip
    await outbox.append(
        tx, actor,
        CapacityChanged(
            capacity=kind.value, total=figure.total, occupied=figure.occupied, over=figure.over,
            cause=said.cause.value, sequence=said.sequence,
        ),
        aggregate_id=care_service_id, territory_id=place["territory_id"],
        organisation_ids=[place["organisation_id"]],
    )  # fmt: skip
    await audit.record(
        tx, actor, "capacity.report", "care_service", care_service_id,
        territory_id=place["territory_id"],
        detail=f"{kind.value} {figure.occupied}/{figure.total} {said.cause.value}",
    )  # fmt: skip
    return await _now(tx, care_service_id, kind)


async def of_care_service(tx: Tx, actor: Actor, care_service_id: UUID) -> CapacityPage:
    """Give what a care service says of its beds and places; empty when it says nothing.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
        kernel.errors.Forbidden: `action_not_allowed`.
    """
    require(actor, "directory.read")
    if await tx.fetchrow(SELECT_PLACE, care_service_id) is None:
        raise errors.Missing("care_service_missing")
    found = (await told(tx, [care_service_id])).get(care_service_id, ())
    return CapacityPage(care_service_id=care_service_id, capacity=found)


async def changes(
    tx: Tx,
    actor: Actor,
    care_service_id: UUID,
    kind: CapacityKind | None,
    page: tuple[int | None, int],
) -> ChangePage:
    """Give the reports of a care service, newest first.

    Args:
        tx: The transaction.
        actor: Anybody who may read the directory.
        care_service_id: Which care service.
        kind: Of one kind; None = of all, by time, one page only.
        page: Sequence before which to go on (None = from the newest), and how many.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
        kernel.errors.Forbidden: `action_not_allowed`.
    """
    require(actor, "directory.read")
    if await tx.fetchrow(SELECT_PLACE, care_service_id) is None:
        raise errors.Missing("care_service_missing")
    before, limit = page
    if kind is None:
        rows = await tx.fetch(SELECT_EVERY_CHANGE, care_service_id, limit)
        return ChangePage(changes=[_change(row) for row in rows])
    rows = await tx.fetch(SELECT_CHANGES, care_service_id, kind.value, before, limit)
    last = rows[-1]["sequence"] if len(rows) == limit else None
    return ChangePage(changes=[_change(row) for row in rows], next_before=last)


async def told(tx: Tx, care_service_ids: Collection[UUID]) -> Mapping[UUID, tuple[Capacity, ...]]:
    """Give what care services say now, by care service; who says nothing is left out.

    Args:
        tx: Any transaction.
        care_service_ids: Whose.
    """
    if not care_service_ids:
        return {}
    return _grouped(await tx.fetch(SELECT_TOLD, list(care_service_ids)))


def _grouped(rows: Iterable[asyncpg.Record]) -> Mapping[UUID, tuple[Capacity, ...]]:
    found: dict[UUID, tuple[Capacity, ...]] = {}
    for row in rows:
        one = _capacity(row)
        found[one.care_service_id] = (*found.get(one.care_service_id, ()), one)
    return found


async def _now(tx: Tx, care_service_id: UUID, kind: CapacityKind) -> Capacity:
    every = (await told(tx, [care_service_id]))[care_service_id]
    return next(one for one in every if one.kind is kind)


async def _said_before(
    tx: Tx, care_service_id: UUID, kind: CapacityKind, said: Said, current: int
) -> None:
    """Accept a repetition, refuse a sequence that is not newer."""
    row = await tx.fetchrow(SELECT_CHANGE, care_service_id, kind.value, said.sequence)
    same = row is not None and (row["total"], row["occupied"], row["cause"], row["source"]) == (
        said.total, said.occupied, said.cause.value, said.source,
    )  # fmt: skip
    if not same:
        raise errors.Conflict(
            "sequence_not_newer", "A later report is already stored.", current=current
        )


def _change(row: asyncpg.Record) -> Change:
    values = {**row, "free": max(0, row["total"] - row["occupied"])}
    return msgspec.convert(values, Change)


def _capacity(row: asyncpg.Record) -> Capacity:
    values = dict(row)
    age = capacity.freshness(
        values["as_of"], values.pop("now"),
        values.pop("marked_after_s"), values.pop("refused_after_s"),
    )  # fmt: skip
    values |= {"free": max(0, row["total"] - row["occupied"]), "freshness": age.value}
    return msgspec.convert(values, Capacity)


SELECT_PLACE: Final = """
select c.organisation_id, l.territory_id
from directory.care_service c join directory.location l on l.id = c.location_id
where c.id = $1
"""

LOCK_CAPACITY: Final = """
select pg_advisory_xact_lock(hashtextextended($1::uuid::text || $2::text, 28))
"""

SELECT_BEFORE: Final = """
select sequence, total, occupied from directory.capacity where care_service_id = $1 and kind = $2
"""

UPSERT_CAPACITY: Final = """
with held as (
    insert into directory.capacity as c (care_service_id, kind, total, occupied, over, cause,
        sequence, source, actor_id, role, as_of)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, kernel.regul_now())
    on conflict (care_service_id, kind) do update
    set total = excluded.total, occupied = excluded.occupied, over = excluded.over,
        cause = excluded.cause, sequence = excluded.sequence, source = excluded.source,
        actor_id = excluded.actor_id, role = excluded.role, as_of = excluded.as_of
    where c.sequence < excluded.sequence
    returning care_service_id, kind, sequence, total, occupied, over, cause, source, actor_id,
        role, as_of)
insert into directory.capacity_change (care_service_id, kind, sequence, total, occupied, over,
    cause, source, actor_id, role, as_of)
select care_service_id, kind, sequence, total, occupied, over, cause, source, actor_id, role, as_of
from held
"""

SELECT_CHANGE: Final = """
select total, occupied, cause, source from directory.capacity_change
where care_service_id = $1 and kind = $2 and sequence = $3
"""

SELECT_CHANGES: Final = """
select kind, total, occupied, over, cause, sequence, source, actor_id, role, as_of
from directory.capacity_change
where care_service_id = $1 and kind = $2 and ($3::bigint is null or sequence < $3)
order by sequence desc
limit $4
"""

SELECT_EVERY_CHANGE: Final = """
select kind, total, occupied, over, cause, sequence, source, actor_id, role, as_of
from directory.capacity_change
where care_service_id = $1
order by as_of desc, kind
limit $2
"""

SELECT_TOLD: Final = """
select c.care_service_id, c.kind, c.total, c.occupied, c.over, c.cause, c.sequence, c.source,
    c.actor_id, c.role, c.as_of, kernel.regul_now() as now, a.marked_after_s, a.refused_after_s
from directory.capacity c
    join lateral (
        select d.marked_after_s, d.refused_after_s from directory.source_limit d
        where d.source in (c.source, '*') order by d.source = '*' limit 1) a on true
where c.care_service_id = any ($1::uuid[])
order by c.care_service_id, c.kind
"""
