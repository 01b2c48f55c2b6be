"""Places fought for by processes that are killed: small at each change, in full at night."""

import asyncio
from pathlib import Path

import pytest

from server import chaos_booking
from server.chaos_booking import Outcome
from server.chaos_booking_crowd import POSTGRES_KILLS, Plan
from server.chaos_booking_world import SABOTAGES


async def fight(dsn: str, admin_dsn: str, home: Path, plan: Plan) -> Outcome:
    async def spared() -> None:
        """The PostgreSQL of the tests is not killed."""

    return await chaos_booking.run(plan, dsn, admin_dsn, home / "master.key", spared)


async def test_no_seat_is_given_twice_and_no_answer_is_false_while_workers_are_killed(
    database_dsn: str, admin_dsn: str, tmp_path: Path
) -> None:
    plan = Plan(attempts=1_200, slots=200, every_s=0.6, postgres_kills=0)
    seen = await fight(database_dsn, admin_dsn, tmp_path, plan)
    assert seen.held, (seen.wrongs, seen.first)
    assert seen.kills["process"] >= 1
    assert min(seen.asked[verb] for verb in ("hold", "book", "cancel", "release")) > 0
    assert seen.refused["slot_taken"] > 0


@pytest.mark.parametrize(
    "fault",
    [
        one if one == "stale-read" else pytest.param(one, marks=pytest.mark.nightly)
        for one in SABOTAGES
    ],
)
async def test_a_planted_fault_of_booking_is_found(
    database_dsn: str, admin_dsn: str, tmp_path: Path, fault: str
) -> None:
    plan = Plan(attempts=800, slots=100, postgres_kills=0, sabotage=fault)
    assert not (await fight(database_dsn, admin_dsn, tmp_path, plan)).held


@pytest.mark.nightly
def test_a_hundred_thousand_attempts_while_workers_and_postgresql_are_killed() -> None:
    seen = asyncio.run(chaos_booking.on_own_servers(Plan(attempts=100_000)))
    assert seen.held, (seen.wrongs, seen.first)
    assert seen.kills["postgres"] == POSTGRES_KILLS


def test_the_same_holds_over_http_across_processes_of_the_api() -> None:
    plan = Plan(attempts=200, slots=60, postgres_kills=0)
    seen = asyncio.run(chaos_booking.on_own_servers(plan, http=2))
    assert seen.held, (seen.wrongs, seen.first)
    assert min(seen.asked[verb] for verb in ("hold", "book")) > 0


@pytest.mark.nightly
def test_ten_thousand_over_http_across_four_processes() -> None:
    plan = Plan(attempts=chaos_booking.HTTP_ATTEMPTS)
    seen = asyncio.run(chaos_booking.on_own_servers(plan, http=4))
    assert seen.held, (seen.wrongs, seen.first)
