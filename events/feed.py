"""Reads the feed from PostgreSQL, in the order of positions."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue
from events.model import StoredEvent
from kernel.database import Tx


async def head(tx: Tx) -> int:
    """Give the last position.

    Args:
        tx: Any transaction.

    Returns:
        0 before the first event.
    """
    last: int = await tx.fetchval(SELECT_HEAD)
    return last


async def read(tx: Tx, after: int, limit: int) -> Sequence[StoredEvent]:
    """Read events the actor of the transaction may see.

    Args:
        tx: A transaction; under `regul_system` it sees all.
        after: Position before the first one wanted.
        limit: Most events.

    Returns:
        In order of positions.
    """
    rows = await tx.fetch(SELECT_EVENTS, after, limit)
    return [stored(row) for row in rows]


async def of_case(tx: Tx, case_id: UUID) -> Sequence[StoredEvent]:
    """Read the events of one case that the actor of the transaction may see.

    Args:
        tx: A transaction.
        case_id: The case.

    Returns:
        In order of positions; those without a position yet are left out.
    """
    rows = await tx.fetch(SELECT_OF_CASE, case_id)
    return [stored(row) for row in rows]


async def retained(tx: Tx, seconds: int) -> int:
    """Give the first position that is not older than this.

    Args:
        tx: A transaction under `regul_system`.
        seconds: Age.

    Returns:
        The position; the next one to come when all are older.
    """
    first: int = await tx.fetchval(SELECT_RETAINED, float(seconds))
    return first


async def ids(tx: Tx, first: int, last: int) -> dict[int, str]:
    """Give the ids of the events from one position to another.

    Args:
        tx: A transaction under `regul_system`.
        first: First position.
        last: Last position, included.

    Returns:
        Position -> id of its event.
    """
    rows = await tx.fetch(SELECT_IDS, first, last)
    return {row["position"]: str(row["event_id"]) for row in rows}


def stored(row: asyncpg.Record) -> StoredEvent:
    """Make a stored event from a row with the columns of `SELECT_EVENTS`.

    Args:
        row: The row.

    Returns:
        The event; one of a kind that this version doesn't know has no fields.
    """
    decoder = _DECODERS.get(row["kind"])
    return StoredEvent(
        position=row["position"],
        epoch=row["epoch"],
        event_id=row["event_id"],
        kind=row["kind"],
        aggregate=row["aggregate"],
        aggregate_id=row["aggregate_id"],
        version=row["version"],
        territory_id=row["territory_id"],
        case_id=row["case_id"],
        organisation_ids=tuple(row["organisation_ids"]),
        actor_id=row["actor_id"],
        correlation_id=row["correlation_id"],
        occurred_at=row["occurred_at"],
        event=catalogue.Event() if decoder is None else decoder.decode(row["payload"]),
    )


_DECODERS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = MappingProxyType(
    {kind: msgspec.json.Decoder(one) for kind, one in catalogue.KINDS.items()}
)

SELECT_HEAD: Final = """
select coalesce(max(position), 0) from events.position
"""
SELECT_EVENTS: Final = """
select p.position, p.epoch, o.event_id, o.kind, o.aggregate, o.aggregate_id, o.version,
    o.territory_id, o.case_id, o.organisation_ids, o.actor_id, o.correlation_id, o.occurred_at,
    o.payload
from events.position p join events.outbox o on o.id = p.outbox_id
where p.position > $1
order by p.position limit $2
"""
SELECT_OF_CASE: Final = """
select p.position, p.epoch, o.event_id, o.kind, o.aggregate, o.aggregate_id, o.version,
    o.territory_id, o.case_id, o.organisation_ids, o.actor_id, o.correlation_id, o.occurred_at,
    o.payload
from events.outbox o join events.position p on p.outbox_id = o.id
where o.case_id = $1
order by p.position
"""
SELECT_RETAINED: Final = """
select coalesce(
    (select min(p.position) from events.position p join events.outbox o on o.id = p.outbox_id
     where o.occurred_at > kernel.regul_now() - make_interval(secs => $1::float8)),
    (select coalesce(max(position), 0) + 1 from events.position))
"""
SELECT_IDS: Final = """
select p.position, o.event_id from events.position p join events.outbox o on o.id = p.outbox_id
where p.position between $1 and $2
"""
