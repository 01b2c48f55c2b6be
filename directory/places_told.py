"""Telling that places are new or described otherwise, so that searches read them at once."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from events import outbox
from events.catalogue import PlacesChanged
from kernel.actor import Actor
from kernel.database import Tx

MOST: Final = 200
"""Care services named by one event."""


async def tell(tx: Tx, actor: Actor, care_service_ids: Collection[UUID]) -> None:
    """Tell that care services are new, or that what is said of them changed.

    Args:
        tx: The transaction of the change.
        actor: Who made it.
        care_service_ids: Which; unknown ones are left out.
    """
    if not care_service_ids:
        return
    for row in await tx.fetch(SELECT_OWNERS, list(care_service_ids)):
        found = row["care_service_ids"]
        for first in range(0, len(found), MOST):
            await outbox.append(
                tx, actor, PlacesChanged(care_service_ids=tuple(found[first : first + MOST])),
                aggregate_id=row["organisation_id"], territory_id=row["territory_id"],
                organisation_ids=[row["organisation_id"]],
            )  # fmt: skip


SELECT_OWNERS: Final = """
select c.organisation_id, l.territory_id, array_agg(c.id order by c.id) as care_service_ids
from directory.care_service c join directory.location l on l.id = c.location_id
where c.id = any ($1::uuid[])
group by c.organisation_id, l.territory_id
order by c.organisation_id, l.territory_id
"""
