"""Signs of life of background components, by the database's clock."""

from collections.abc import Sequence
from typing import Final

import msgspec

from kernel.database import Tx


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """The last sign of life of one component.

    Attributes:
        component: Its name, such as `worker`.
        healthy: What it said of itself.
        age_s: Seconds since then.
    """

    component: str
    healthy: bool
    age_s: float


async def beat(tx: Tx, component: str, *, healthy: bool = True) -> None:
    """Say that a component lives.

    Args:
        tx: Under `regul_system`.
        component: Its name.
        healthy: Whether it does its work.
    """
    await tx.execute(UPSERT_BEAT, component, healthy)


async def beats(tx: Tx) -> Sequence[Beat]:
    """List the last sign of life of every component, by name.

    Args:
        tx: Any connection.
    """
    rows = await tx.fetch(SELECT_BEATS)
    return [
        Beat(component=row["component"], healthy=row["healthy"], age_s=row["age_s"]) for row in rows
    ]


UPSERT_BEAT: Final = """
insert into kernel.heartbeat (component, healthy, beat_at) values ($1, $2, kernel.regul_now())
on conflict (component) do update set healthy = excluded.healthy, beat_at = excluded.beat_at
"""
SELECT_BEATS: Final = """
select component, healthy, extract(epoch from kernel.regul_now() - beat_at)::float8 as age_s
from kernel.heartbeat
order by component
"""
