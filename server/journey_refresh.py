"""Keeps the journeys to each place: asks the routing engine in the background, place by place.

Places that were never asked about come first, then the oldest answers. An engine that is away is
asked again later; what it said before stays, and where it said nothing searches use the estimate.
Two processes that ask about one place write the same row: that does no harm.
"""

import asyncio
from datetime import timedelta
from typing import Final, Never

from directory import gazetteer, journey_store, journeys
from directory.journey_store import Place
from directory.journeys import Leg, Router
from interop.osrm import Osrm
from kernel import actor, errors, telemetry
from kernel.database import Database, Tx
from kernel.settings import Settings
from server.refusal import Refusal

ZONES: Final = 200
"""Communes asked about around each place."""
ZONES_WITHIN_M: Final = 60_000
AGE: Final = timedelta(days=30)
"""Roads change slowly: answers that are older are asked again."""
BATCH: Final = 20
IDLE_S: Final = 60.0
AWAY_S: Final = 30.0


def router(settings: Settings) -> Router | None:
    """Give the routing engine of the settings, or None when there is none.

    Raises:
        Refusal: `REGUL_ROUTER_URL` is no http or https URL.
    """
    if not settings.router_url:
        return None
    try:
        return Osrm(settings.router_url)
    except ValueError as problem:
        raise Refusal(f"REGUL_ROUTER_URL: {problem}.") from problem


async def keep(database: Database, router: Router) -> Never:
    """Ask for ever: what is due now, then what becomes due.

    Args:
        database: Pool under `regul_system`.
        router: The engine.
    """
    away = False
    while True:
        try:
            done = await refresh(database, router)
        except errors.Unavailable as problem:
            if not away:
                telemetry.logger().warning("router.away", code=problem.code)
            away = True
            await asyncio.sleep(AWAY_S)
            continue
        if away:
            telemetry.logger().info("router.back")
        away = False
        if done < BATCH:
            await asyncio.sleep(IDLE_S)


async def refresh(database: Database, router: Router, limit: int = BATCH) -> int:
    """Ask about the places that are due.

    Args:
        database: Pool under `regul_system`.
        router: The engine.
        limit: At most as many.

    Returns:
        How many were asked about; fewer than `limit` = nothing is due any more.

    Raises:
        kernel.errors.Unavailable: The engine, or the database, is away; what was said is kept.
    """
    async with database.transaction(actor.system()) as tx:
        places = await journey_store.due(tx, router.name, AGE, limit)
    for place in places:
        reach = journeys.packed(await asyncio.to_thread(_ask, router, place))

        async def write(tx: Tx, place: Place = place, reach: journeys.Legs = reach) -> None:
            await journey_store.keep(tx, place, router.name, reach)

        await database.run(actor.system(), write)
    return len(places)


def _ask(router: Router, place: Place) -> dict[str, Leg | None]:
    """Ask about one place; nothing is known of it when the engine refuses the question."""
    zones = gazetteer.around(place.lon, place.lat, ZONES, ZONES_WITHIN_M)
    if not zones:
        return {}
    try:
        legs = router.to_one(place.lon, place.lat, [(one.lon, one.lat) for one in zones])
    except errors.Invalid as refused:
        telemetry.logger().warning("router.refused", code=refused.code)
        return {}
    return {zone.insee: leg for zone, leg in zip(zones, legs, strict=True)}
