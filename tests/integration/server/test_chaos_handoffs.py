"""`chaos handoffs` at a size for each change: nobody drops a patient; planted faults are found."""

import asyncpg
import pytest

from kernel.database import Database
from server import chaos_handoffs
from server.chaos_handoffs_world import FAULTS
from server.report import Report

SIZE = 150
SEED = 81


async def test_each_handoff_is_answered_or_told_to_a_human_in_time(
    database: Database, system_database: Database, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    outcome = await chaos_handoffs.run(database, system_database, admin, size=SIZE, seed=SEED)
    assert len(outcome.lives) >= SIZE
    assert not any(chaos_handoffs.wrongs(outcome).values()), chaos_handoffs.wrongs(outcome)
    told: Report = chaos_handoffs.report(outcome, SEED)
    figures = {one.name: one.value for one in told.figures}
    assert figures["answered_or_escalated_in_time"] == 100
    assert 0 not in {figures["steps"], figures["taken_on_duty"], figures["accepted"]}


@pytest.mark.parametrize(
    "fault",
    [
        one if one == "stopped-clock" else pytest.param(one, marks=pytest.mark.nightly)
        for one in FAULTS
    ],
)
async def test_a_planted_fault_is_found(
    database: Database,
    system_database: Database,
    admin: "asyncpg.Connection[asyncpg.Record]",
    fault: str,
) -> None:
    outcome = await chaos_handoffs.run(
        database, system_database, admin, size=40, seed=SEED, fault=fault
    )
    assert any(chaos_handoffs.wrongs(outcome).values())
