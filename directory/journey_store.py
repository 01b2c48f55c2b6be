"""Where journeys are kept: territories' estimates, and what a routing engine said of each place."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import numpy as np

from directory.distance import TravelModel
from directory.journeys import CODE, WHOLE, Journeys, Legs
from directory.model import LocationId
from kernel.database import Tx


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place whose journeys are to be asked; position in degrees."""

    id: LocationId
    lon: float
    lat: float


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """How much is known of journeys.

    Attributes:
        places: Where patients go to.
        asked: Of these a router was asked.
        oldest: When the oldest answer was given; None without one.
        routers: Names of those who answered.
    """

    places: int
    asked: int
    oldest: datetime | None
    routers: Sequence[str]


async def read(tx: Tx) -> Journeys:
    """Read all that is known of journeys; any transaction."""
    models = {
        row["territory_id"]: TravelModel(
            detour_factor=row["detour_factor"], speed_kmh=row["speed_kmh"], fixed_s=row["fixed_s"]
        )
        for row in await tx.fetch(SELECT_MODELS)
    }
    reaches = {
        LocationId(row["location_id"]): Legs(
            np.frombuffer(row["communes"], dtype=CODE),
            np.frombuffer(row["duration_s"], dtype=WHOLE),
            np.frombuffer(row["road_m"], dtype=WHOLE),
        )
        for row in await tx.fetch(SELECT_JOURNEYS)
    }
    return Journeys(models, reaches)


async def due(tx: Tx, router: str, age: timedelta, limit: int) -> tuple[Place, ...]:
    """Give places that a router is to be asked about: never asked first, then the oldest.

    Args:
        tx: Any transaction.
        router: Its name; what another one said is due.
        age: Older answers are due, and those of places that moved.
        limit: At most as many.
    """
    rows = await tx.fetch(SELECT_DUE, router, age, limit)
    return tuple(Place(id=LocationId(row["id"]), lon=row["lon"], lat=row["lat"]) for row in rows)


async def keep(tx: Tx, place: Place, router: str, reach: Legs) -> None:
    """Keep what a router said of a place; it replaces what was said before.

    Args:
        tx: A transaction under `regul_system`.
        place: As it was asked about.
        router: Its name.
        reach: What it said.
    """
    await tx.execute(
        UPSERT_JOURNEY, place.id, place.lon, place.lat, reach.communes.tobytes(),
        reach.duration_s.tobytes(), reach.road_m.tobytes(), router,
    )  # fmt: skip


async def set_model(tx: Tx, territory_id: UUID, model: TravelModel) -> None:
    """Set the estimate of a territory; a transaction under `regul_system`."""
    await tx.execute(
        UPSERT_MODEL, territory_id, model.detour_factor, model.speed_kmh, model.fixed_s
    )


async def known(tx: Tx) -> Known:
    """Tell how much is known of journeys; any transaction."""
    row = await tx.fetchrow(SELECT_KNOWN)
    return Known(
        places=row["places"], asked=row["asked"], oldest=row["oldest"], routers=row["routers"]
    )


SELECT_MODELS: Final = """
select territory_id, detour_factor, speed_kmh, fixed_s from directory.travel_model
"""

SELECT_JOURNEYS: Final = """
select location_id, communes, duration_s, road_m from directory.journey
"""

SELECT_DUE: Final = """
select l.id, l.lon, l.lat
from directory.location l left join directory.journey j on j.location_id = l.id
where exists (select from directory.care_service c
        where c.location_id = l.id and c.active and 'office' = any (c.modalities))
    and (j.location_id is null or j.router <> $1 or (j.lon, j.lat) <> (l.lon, l.lat)
        or j.asked_at < kernel.regul_now() - $2::interval)
order by j.asked_at nulls first, l.id
limit $3
"""

UPSERT_JOURNEY: Final = """
insert into directory.journey as j (location_id, lon, lat, communes, duration_s, road_m, router)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (location_id) do update set lon = excluded.lon, lat = excluded.lat,
    communes = excluded.communes, duration_s = excluded.duration_s, road_m = excluded.road_m,
    router = excluded.router, asked_at = kernel.regul_now()
"""

UPSERT_MODEL: Final = """
insert into directory.travel_model as m (territory_id, detour_factor, speed_kmh, fixed_s)
values ($1, $2, $3, $4)
on conflict (territory_id) do update set detour_factor = excluded.detour_factor,
    speed_kmh = excluded.speed_kmh, fixed_s = excluded.fixed_s
"""

SELECT_KNOWN: Final = """
select count(*) as places, count(j.location_id) as asked, min(j.asked_at) as oldest,
    coalesce(array_agg(distinct j.router) filter (where j.router is not null), '{}') as routers
from directory.location l left join directory.journey j on j.location_id = l.id
where exists (select from directory.care_service c
    where c.location_id = l.id and c.active and 'office' = any (c.modalities))
"""
