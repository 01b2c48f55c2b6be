"""Full republications during bookings, a short while: nothing lost, nothing doubled."""

from pathlib import Path

import asyncpg
import pytest

from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database
from server import chaos_availability
from server.chaos_availability import Outcome
from server.chaos_availability_world import FAULTS

SEED = 41


async def storm(
    database: Database,
    system: Database,
    admin: "asyncpg.Connection[asyncpg.Record]",
    home: Path,
    fault: str | None = None,
) -> Outcome:
    keys = KeyRing(ensure_master(home / "master.key"))
    return await chaos_availability.run(
        (database, system), admin, keys, seed=SEED, lasting_s=3.0, fault=fault
    )


async def test_no_booking_is_lost_or_doubled_while_everything_is_published_anew(
    database: Database,
    system_database: Database,
    admin: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    seen = await storm(database, system_database, admin, tmp_path)
    assert not any(seen.wrongs.values()), seen.wrongs
    assert seen.notes.publish_ms
    assert seen.notes.booked
    assert seen.displaced


@pytest.mark.parametrize(
    "fault",
    [one if one == "loses" else pytest.param(one, marks=pytest.mark.nightly) for one in FAULTS],
)
async def test_a_planted_fault_of_publishing_is_found(
    database: Database,
    system_database: Database,
    admin: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
    fault: str,
) -> None:
    seen = await storm(database, system_database, admin, tmp_path, fault)
    assert any(seen.wrongs.values())
