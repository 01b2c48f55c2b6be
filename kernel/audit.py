"""The audit trail: who did or read what, append-only, chained by hash in the order of writing.

Rows are written inside the business transaction through `kernel.audit_append`; a worker chains
them afterwards (`chain`), so that no two requests wait for each other.
"""

import hashlib
import operator
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from kernel.actor import Actor
from kernel.database import Tx

_BATCH: Final = 1000
GENESIS: Final = bytes(32)
"""What the first record's hash is chained to."""


async def record(
    tx: Tx,
    actor: Actor,
    action: str,
    resource_kind: str,
    resource_id: UUID | None = None,
    *,
    case_id: UUID | None = None,
    territory_id: UUID | None = None,
    detail: str = "",
) -> None:
    """Write one audit row; reads of patient data are written before the answer leaves.

    Args:
        tx: The transaction of what is audited.
        actor: Who did it.
        action: A key of `kernel/permissions.toml`.
        resource_kind: Noun of the glossary.
        resource_id: Which one.
        case_id: The patient's case, when there is one.
        territory_id: Defaults to the actor's.
        detail: Codes only, never a name or free text.
    """
    await tx.execute(
        AUDIT_APPEND,
        actor.id,
        action,
        resource_kind,
        resource_id,
        case_id,
        territory_id or actor.territory_id,
        actor.request_id,
        detail,
    )


async def chain(tx: Tx) -> int:
    """Chain what was written since the last call; one worker at a time calls this.

    Args:
        tx: A transaction under `regul_system`, holding the sequencer's advisory lock.

    Returns:
        How many records were chained (at most a thousand).
    """
    rows = await tx.fetch(SELECT_UNCHAINED, _BATCH)
    if not rows:
        return 0
    last = await tx.fetchrow(SELECT_LAST_LINK)
    position, link = (last["position"], last["hash"]) if last else (0, GENESIS)
    links: list[tuple[int, int, bytes]] = []
    for row in sorted(rows, key=operator.itemgetter("id")):
        position += 1
        link = hashlib.sha256(link + position.to_bytes(8) + row["record"].encode()).digest()
        links.append((position, row["id"], link))
    await tx.execute(
        INSERT_LINKS,
        [one[0] for one in links],
        [one[1] for one in links],
        [one[2] for one in links],
    )
    return len(links)


async def verify(tx: Tx) -> int | None:
    """Check the whole chain.

    Args:
        tx: A transaction under `regul_system`.

    Returns:
        The first position that does not fit, or None when all fit.
    """
    link, expected = GENESIS, 0
    async for row in tx.cursor(SELECT_CHAIN):
        expected += 1
        link = hashlib.sha256(link + expected.to_bytes(8) + row["record"].encode()).digest()
        if row["position"] != expected or row["hash"] != link:
            return expected
    return None


async def of_case(tx: Tx, case_id: UUID) -> Sequence[tuple[str, ...]]:
    """List a case's audit rows, oldest first.

    Args:
        tx: The transaction.
        case_id: The case.

    Returns:
        Rows of (time in ISO 8601, actor label, action, resource kind, detail).
    """
    rows = await tx.fetch(SELECT_OF_CASE, case_id)
    return [tuple(str(value) for value in row.values()) for row in rows]


AUDIT_APPEND: Final = """
select kernel.audit_append($1, $2, $3, $4, $5, $6, $7, $8)
"""
SELECT_UNCHAINED: Final = """
delete from kernel.audit_pending p
using kernel.audit a
where a.id = p.audit_id
  and p.audit_id in (select audit_id from kernel.audit_pending order by audit_id limit $1)
returning a.id, kernel.audit_record(a) as record
"""
SELECT_LAST_LINK: Final = """
select position, hash from kernel.audit_chain order by position desc limit 1
"""
INSERT_LINKS: Final = """
insert into kernel.audit_chain (position, audit_id, hash)
select * from unnest($1::bigint[], $2::bigint[], $3::bytea[])
"""
SELECT_CHAIN: Final = """
select c.position, c.hash, kernel.audit_record(a) as record
from kernel.audit_chain c left join kernel.audit a on a.id = c.audit_id
order by c.position
"""
SELECT_OF_CASE: Final = """
select to_char(a.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at, w.label, a.action,
       a.resource_kind, a.detail
from kernel.audit a join kernel.actor w on w.id = a.actor_id
where a.case_id = $1
order by a.id
"""
