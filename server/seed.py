"""The demonstration territory and its accounts, written once; running it again costs little.

Real places of the Somme, invented practitioners, fourteen days of diaries from today. A database
that has both already is left alone, so that a second start is fast; when its diaries run out, the
days that are missing are added.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from kernel import identity
from kernel.actor import system
from kernel.crypto import KeyRing, read_master
from kernel.database import Database, open_database
from server import accounts
from server.accounts import TERRITORY, Opened
from server.refusal import Refusal

if TYPE_CHECKING:
    from directory.seed import Seed

SHORTEST_AHEAD: Final = timedelta(days=7)
"""Diaries that end sooner than this are written on."""
FIRST_ON_DUTY: Final = 1
"""Step of the escalation: a handoff that nobody answers goes to the regulating physicians."""
CAPITAL: Final = "80021"
"""Amiens: the demo's clinics are there."""


class Seeded(msgspec.Struct, frozen=True, kw_only=True):
    """What a seeding did.

    Attributes:
        accounts: With their keys, in the order of the sign-in page.
        care_services: How many were written now; 0 when nothing was to be done.
        seats: How many were written now.
    """

    accounts: tuple[Opened, ...]
    care_services: int = 0
    seats: int = 0


def today() -> date:
    """Give the present day on the wall clock of the territory."""
    return datetime.now(ZoneInfo(TERRITORY.time_zone)).date()


async def ensure(dsn: str, key_file: Path) -> Seeded:
    """Write territory, directory, diaries, roster and accounts where they are missing.

    Args:
        dsn: Of the service's login on a migrated database.
        key_file: The instance's master key; the accounts' keys are derived from it.
    """
    keys = KeyRing(read_master(key_file))
    database = await open_database(dsn, "regul_system", 2)
    try:
        known = await _known(database, keys)
        return await _write(database, keys) if known is None else Seeded(accounts=known)
    finally:
        await database.close()


def key(key_file: Path, login: str) -> str:
    """Give the API key of a demo account of an instance.

    Args:
        key_file: The instance's master key.
        login: Of the account.

    Raises:
        Refusal: The key file can't be read.
    """
    try:
        return accounts.key_of(KeyRing(read_master(key_file)), login)
    except (OSError, ValueError):
        raise Refusal(f"The master key {key_file} can't be read: set REGUL_KEY_FILE.") from None


def places(territory: "Seed") -> Mapping[str, Sequence[UUID]]:
    """Choose the organisations that the demo's accounts act for.

    Args:
        territory: As generated.

    Returns:
        For `clinic` and `clinic-2` a surgery in Amiens with diaries of its own, shown at once;
        for `partner-a` and `partner-b` a hospital with SMUR each; for `all` everybody.
    """
    rows = territory.rows
    located = {place.id: place for place in rows.locations}
    owners = {service.id: service.organisation_id for service in rows.care_services}
    later = {
        owners[one.care_service_id]
        for one in territory.schedules
        if one.ownership != "owned" or one.release_before_s is not None
    }
    publishing = {owners[one.care_service_id] for one in territory.schedules} - later
    surgeries = [
        service.organisation_id
        for service in rows.care_services
        if service.service == "general_practice"
        and service.organisation_id in publishing
        and "duty" not in service.skills
        and located[service.location_id].commune == CAPITAL
    ]
    hospitals = [
        service.organisation_id for service in rows.care_services if service.service == "smur"
    ]
    clinics = list(dict.fromkeys(surgeries))
    partners = list(dict.fromkeys(hospitals))
    return {
        "clinic": clinics[:1],
        "clinic-2": clinics[1:2],
        "partner-a": partners[:1],
        "partner-b": partners[1:2],
        "all": [organisation.id for organisation in rows.organisations],
    }


def organisations() -> Mapping[str, Sequence[UUID]]:
    """Give the organisations of the demo's accounts; the same in every instance."""
    from directory import somme

    return places(somme.generate(today(), TERRITORY.id))


async def _known(database: Database, keys: KeyRing) -> tuple[Opened, ...] | None:
    """Give the accounts when everything is there already and lasts, else None."""
    from directory import seeding

    found: list[Opened] = []
    async with database.transaction(system(TERRITORY.id)) as tx:
        for account in accounts.opened(keys, {}):
            actor = await identity.of_key(tx, identity.digest(account.key))
            if actor is None:
                return None
            own = actor.organisation_ids
            found.append(msgspec.structs.replace(account, organisation_ids=own))
        last = await seeding.last_day(tx, TERRITORY.id)
    enough = last is not None and last >= today() + SHORTEST_AHEAD
    return tuple(found) if enough else None


async def _write(database: Database, keys: KeyRing) -> Seeded:
    from directory import seeding, somme
    from events import duty

    territory = somme.generate(today(), TERRITORY.id)
    opened = await accounts.ensure(database, keys, places(territory))
    async with database.transaction(system(TERRITORY.id)) as tx:
        await seeding.write(tx, territory)
        await duty.set_roster(tx, TERRITORY.id, FIRST_ON_DUTY, role="physician")
    return Seeded(
        accounts=opened,
        care_services=len(territory.rows.care_services),
        seats=territory.seats,
    )
