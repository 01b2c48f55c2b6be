"""Open slots read from the database straight into columns: no Python object for each value."""

import io
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from directory import columns
from directory.columns import Slots
from directory.model import Schedule
from kernel.database import Tx

_HEADER: Final = 19
_TRAILER: Final = 2
COPIED: Final = np.dtype(
    [
        ("fields", ">i2"),
        *(
            part
            for name, width in (
                ("id", "V16"), ("schedule_id", "V16"), ("start", ">i8"), ("end", ">i8"),
                ("capacity", ">i2"), ("free", ">i2"), ("kind", ">i2"), ("modality", ">i2"),
                ("visibility", ">i2"),
            )
            for part in ((f"bytes_of_{name}", ">i4"), (name, width))
        ),
    ]
)  # fmt: skip
"""One row of either statement in PostgreSQL's binary COPY format: a count of fields, then the
length and the value of each. Source: PostgreSQL documentation, COPY, Binary Format."""


async def copied(tx: Tx, schedule_ids: Sequence[UUID] | None) -> bytes:
    """Give the open slots of some schedules, or of all, in PostgreSQL's binary COPY format.

    Args:
        tx: Any transaction.
        schedule_ids: Whose; None = everybody's.
    """
    read = io.BytesIO()

    async def write(part: bytes) -> None:
        read.write(part)

    if schedule_ids is None:
        await tx.copy_from_query(SELECT_OPEN_SLOTS, output=write, format="binary")
    else:
        await tx.copy_from_query(
            SELECT_OPEN_SLOTS_OF, list(schedule_ids), output=write, format="binary"
        )
    return read.getvalue()


def pasted(sent: bytes, schedules: Sequence[Schedule]) -> Slots:
    """Read what `copied` gave.

    Args:
        sent: The copy.
        schedules: `diary` of the result indexes these; slots of others are left out.

    Returns:
        In the order sent.
    """
    count = (len(sent) - _HEADER - _TRAILER) // COPIED.itemsize
    rows = np.frombuffer(sent, dtype=COPIED, offset=_HEADER, count=count)
    if not schedules:
        return columns.EMPTY
    slots = np.empty(count, dtype=columns.SLOT)
    for field in columns.SLOT.names or ():
        if field != "diary":
            slots[field] = rows[field]
    known = _sortable(np.array([schedule.id.bytes for schedule in schedules], dtype="V16"))
    owners = _sortable(rows["schedule_id"])
    order = np.argsort(known)
    places = np.searchsorted(known[order], owners)
    slots["diary"] = order[np.minimum(places, len(known) - 1)]
    mine: Slots = slots[known[slots["diary"]] == owners]
    return mine


def _sortable(ids: NDArray[np.void]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(ids).view("S16")


# Each column has one width and no nulls, so that the binary copy is an array (`COPIED`). The
# codes are places in `columns.KINDS`, `MODALITIES` and `VISIBILITIES`.
# All of them: seats are counted before they meet their slots, in narrow rows.
SELECT_OPEN_SLOTS: Final = """
with moment as materialized (select kernel.regul_now() as now)
select l.id, l.schedule_id, l.starts_at, l.ends_at, l.capacity, f.free,
    (case l.kind when 'slot' then 0 when 'range' then 1 else 2 end)::smallint as kind,
    (case l.modality when 'office' then 0 when 'home_visit' then 1 when 'teleconsultation' then 2
        else 3 end)::smallint as modality,
    (case l.visibility when 'PUBLIC' then 0 when 'PRO' then 1 when 'SNP' then 2
        else 3 end)::smallint as visibility
from directory.slot l
    join (
        select s.slot_id, count(*)::smallint as free
        from directory.seat s, moment
        where s.state = 'free' or (s.state = 'held' and s.until <= moment.now)
        group by s.slot_id) f on f.slot_id = l.id,
    moment
where l.withdrawn_at is null and l.starts_at > moment.now
"""

SELECT_OPEN_SLOTS_OF: Final = """
with moment as materialized (select kernel.regul_now() as now)
select l.id, l.schedule_id, l.starts_at, l.ends_at, l.capacity, count(*)::smallint as free,
    (case l.kind when 'slot' then 0 when 'range' then 1 else 2 end)::smallint as kind,
    (case l.modality when 'office' then 0 when 'home_visit' then 1 when 'teleconsultation' then 2
        else 3 end)::smallint as modality,
    (case l.visibility when 'PUBLIC' then 0 when 'PRO' then 1 when 'SNP' then 2
        else 3 end)::smallint as visibility
from directory.slot l join directory.seat s on s.slot_id = l.id, moment
where l.withdrawn_at is null and l.starts_at > moment.now
    and (s.state = 'free' or (s.state = 'held' and s.until <= moment.now))
    and l.schedule_id = any ($1::uuid[])
group by l.id
"""
