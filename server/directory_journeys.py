"""`./regul directory journeys`: what is known of travel times; docs/journeys.md."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from directory import journey_store
from directory.distance import TravelModel
from directory.journey_store import Known
from kernel import actor, audit, errors, identity
from kernel.database import Database, Tx, open_database
from kernel.settings import Settings
from server import journey_refresh
from server.configuration import read_settings
from server.refusal import Refusal

T = TypeVar("T")
AWAY: Final = 1
_DEFAULT: Final = TravelModel()


def main(arguments: list[str]) -> int:
    """Say what is known, ask the routing engine, or set a territory's estimate.

    Args:
        arguments: The words after `directory journeys`.

    Returns:
        0; 1 when the routing engine is away.
    """
    options = _options(arguments)
    if options.territory is not None:
        model = TravelModel(
            detour_factor=options.detour, speed_kmh=options.speed, fixed_s=options.fixed
        )
        _with_database(lambda database, _: _set(database, options.territory, model))
        return 0
    if options.refresh and not _with_database(_refresh):
        sys.stderr.write("regul: the routing engine does not answer; what it said before stays.\n")
        return AWAY
    _say(_with_database(_known), json=options.json)
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regul directory journeys", description=__doc__)
    parser.add_argument("--refresh", action="store_true", help="ask for what is due now")
    parser.add_argument("--territory", metavar="CODE", help="set the estimate of this territory")
    parser.add_argument("--detour", type=float, default=_DEFAULT.detour_factor, help="1 to 3")
    parser.add_argument("--speed", type=float, default=_DEFAULT.speed_kmh, help="km/h")
    parser.add_argument("--fixed", type=float, default=_DEFAULT.fixed_s, help="seconds of each")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _with_database(act: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Open the database of DATABASE_URL for one command.

    Raises:
        Refusal: It is not set, or what was asked is refused.
    """
    settings = read_settings()

    async def do() -> T:
        database = await open_database(settings.database_url, "regul_system", 2)
        try:
            return await act(database, settings)
        finally:
            await database.close()

    try:
        return asyncio.run(do())
    except errors.RegulError as problem:
        raise Refusal(f"{problem.code}: {problem}") from problem


async def _known(database: Database, _: Settings) -> Known:
    async with database.transaction(actor.system()) as tx:
        return await journey_store.known(tx)


async def _refresh(database: Database, settings: Settings) -> bool:
    """Ask for all that is due; False when the engine is away."""
    router = journey_refresh.router(settings)
    if router is None:
        raise Refusal("REGUL_ROUTER_URL is not set: journeys are estimated.")
    try:
        while await journey_refresh.refresh(database, router) == journey_refresh.BATCH:
            pass
    except errors.Unavailable as problem:
        if problem.code != "router_away":
            raise
        return False
    return True


async def _set(database: Database, code: str, model: TravelModel) -> None:
    system = actor.system()

    async def write(tx: Tx) -> None:
        territory_id = await identity.territory_of_code(tx, code)
        if territory_id is None:
            raise errors.Missing("territory_missing", "There is no such territory.")
        await journey_store.set_model(tx, territory_id, model)
        await audit.record(
            tx, system, "travel_model.set", "territory", territory_id, territory_id=territory_id
        )

    await database.run(system, write)


def _say(known: Known, *, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(known).decode() + "\n")
        return
    sys.stdout.write(f"{known.asked} of {known.places} places have journeys from a router\n")
    if known.oldest is not None:
        sys.stdout.write(f"oldest {known.oldest:%Y-%m-%d %H:%M} UTC\n")
    for name in known.routers:
        sys.stdout.write(f"asked: {name}\n")
