"""How old what a source tells may be: a setting of the centre, by source, for everybody to read.

Older than the first limit is marked and ranked down; older than the second is not bookable, and a
reported capacity is no longer used. A diary that is kept here has no age; `own` is what people
report by hand.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from events import outbox
from events.catalogue import SourceLimitChanged
from kernel import audit, database, errors
from kernel.actor import Actor, require
from kernel.database import Tx

database.refuses("source_limit_order", errors.Invalid, "source_limit_order")

COMMON: Final = "*"
LONGEST_S: Final = 366 * 86_400
_SOURCE: Final = re.compile(r"^[A-Za-z0-9_.:-]{1,64}$", re.ASCII)

Seconds = Annotated[int, msgspec.Meta(ge=60, le=LONGEST_S)]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ages in seconds; the second is never below the first."""

    marked_after_s: Seconds
    refused_after_s: Seconds


class SourceLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The limit of one source, and what it feeds.

    Attributes:
        source: Name of the editor; `own` = reported by hand; `*` = every other.
        own_limit: It has a limit of its own, else the common one holds.
        diaries: Mirrored diaries it feeds.
        last_told: When it last spoke of any of them.
        marked: How many of them are older than the first limit.
        refused: How many of them are older than the second.
    """

    source: str
    marked_after_s: int
    refused_after_s: int
    own_limit: bool
    diaries: int
    last_told: datetime | None
    marked: int
    refused: int


async def every(tx: Tx, actor: Actor) -> Sequence[SourceLimit]:
    """Give the limits of all sources, the common one first, then by name.

    Raises:
        kernel.errors.Forbidden: `action_not_allowed`.
    """
    require(actor, "source_limit.read")
    return [SourceLimit(**row) for row in await tx.fetch(SELECT_LIMITS)]


async def set_to(tx: Tx, actor: Actor, source: str, limit: Limit | None) -> Sequence[SourceLimit]:
    """Set the limit of a source, or take it away; the same again tells nothing.

    Args:
        tx: The transaction.
        actor: A supervisor or an administrator.
        source: Name of the source; `*` = every one without its own.
        limit: The ages; None = the common limit holds again.

    Returns:
        All limits as they are now.

    Raises:
        kernel.errors.Forbidden: `action_not_allowed`.
        kernel.errors.Malformed: `source_malformed`.
        kernel.errors.Invalid: `source_limit_order`: not bookable before it is marked;
            `source_limit_common`: the common limit can't be taken away.
    """
    require(actor, "source_limit.set")
    if source != COMMON and _SOURCE.match(source) is None:
        raise errors.Malformed("source_malformed", "A source is named by a code.", path="source")
    if limit is None and source == COMMON:
        raise errors.Invalid("source_limit_common", "The common limit can't be taken away.")
    if limit is not None and limit.refused_after_s < limit.marked_after_s:
        raise errors.Invalid("source_limit_order", "It is marked before it is not bookable.")
    if limit is None:
        changed = await tx.fetchval(DELETE_LIMIT, source)
    else:
        ages = (limit.marked_after_s, limit.refused_after_s)
        changed = await tx.fetchval(UPSERT_LIMIT, source, *ages)
    if changed is not None:
        await _tell(tx, actor, source, limit)
    return await every(tx, actor)


async def _tell(tx: Tx, actor: Actor, source: str, limit: Limit | None) -> None:
    """Tell every territory: all their searches follow it."""
    told = SourceLimitChanged(
        source="any" if source == COMMON else source,
        marked_after_s=None if limit is None else limit.marked_after_s,
        refused_after_s=None if limit is None else limit.refused_after_s,
    )
    named = uuid5(NAMESPACE_URL, f"source-limit:{source}")
    territory_id = actor.territory_id or await tx.fetchval(SELECT_TERRITORY)
    if territory_id is not None:
        await outbox.append(tx, actor, told, aggregate_id=named, territory_id=territory_id)
    ages = "common" if limit is None else f"{limit.marked_after_s} {limit.refused_after_s}"
    await audit.record(
        tx, actor, "source_limit.set", "source_limit", named,
        territory_id=territory_id, detail=f"{source} {ages}",
    )  # fmt: skip


SELECT_LIMITS: Final = """
with fed as (
    select s.source, count(*) as diaries, max(s.as_of) as last_told,
        count(*) filter (where s.as_of + make_interval(secs => a.marked_after_s)
            <= kernel.regul_now()) as marked,
        count(*) filter (where s.as_of + make_interval(secs => a.refused_after_s)
            <= kernel.regul_now()) as refused
    from directory.schedule s
        join lateral (
            select d.marked_after_s, d.refused_after_s from directory.source_limit d
            where d.source in (s.source, '*') order by d.source = '*' limit 1) a on true
    where s.ownership = 'mirrored'
    group by s.source)
select n.source, l.marked_after_s, l.refused_after_s, l.source = n.source as own_limit,
    coalesce(f.diaries, 0) as diaries, f.last_told, coalesce(f.marked, 0) as marked,
    coalesce(f.refused, 0) as refused
from (select source from directory.source_limit union select source from fed) n
    left join fed f on f.source = n.source
    join lateral (
        select d.source, d.marked_after_s, d.refused_after_s from directory.source_limit d
        where d.source in (n.source, '*') order by d.source = '*' limit 1) l on true
order by n.source <> '*', n.source
"""

UPSERT_LIMIT: Final = """
insert into directory.source_limit as l (source, marked_after_s, refused_after_s)
values ($1, $2, $3)
on conflict (source) do update
set marked_after_s = excluded.marked_after_s, refused_after_s = excluded.refused_after_s
where (l.marked_after_s, l.refused_after_s)
    is distinct from (excluded.marked_after_s, excluded.refused_after_s)
returning source
"""

DELETE_LIMIT: Final = """
delete from directory.source_limit where source = $1 returning source
"""

SELECT_TERRITORY: Final = """
select territory_id from directory.location order by id limit 1
"""
