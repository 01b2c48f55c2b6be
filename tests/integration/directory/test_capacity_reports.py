"""Reports of beds: author, cause and history kept; concurrent reports; the flag in the database."""

import asyncio
import random
from typing import Any

import asyncpg
import msgspec
import pytest

from directory import capacity_reports
from directory.capacity import CapacityKind, Cause
from directory.capacity_reports import Capacity, Said
from directory.consent import Freshness
from kernel import errors
from kernel.actor import Actor
from kernel.database import Database
from kernel.ids import uuid7

BED = CapacityKind.HOSPITAL_BED


@pytest.fixture
def report(database: Database, world: Any) -> Any:
    async def act(
        sequence: int, occupied: int, cause: Cause = Cause.CENSUS, *, who: Actor | None = None,
        total: int = 12, over: bool = False, kind: CapacityKind = BED,
    ) -> Capacity:  # fmt: skip
        said = Said(sequence=sequence, total=total, occupied=occupied, cause=cause, over=over)
        actor = who or world.clinic
        return await database.run(
            actor,
            lambda tx: capacity_reports.report(tx, actor, world.care_service_id, kind, said),
        )

    return act


async def history(admin: Any) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await admin.fetch(
        "select sequence, total, occupied, over, cause, actor_id from directory.capacity_change"
        " order by sequence"
    )
    return found


async def test_free_goes_down_and_up_and_every_change_has_author_and_cause(
    report: Any, admin: Any, world: Any, database: Database
) -> None:
    frees = [
        (await report(1, 9)).free,
        (await report(2, 10, Cause.ADMISSION)).free,
        (await report(3, 6, Cause.DISCHARGE)).free,
        (await report(4, 6, Cause.CLOSING, total=8)).free,
    ]
    assert frees == [3, 2, 6, 2]
    rows = await history(admin)
    assert [row["cause"] for row in rows] == ["census", "admission", "discharge", "closing"]
    assert {row["actor_id"] for row in rows} == {world.clinic.id}
    page = await database.run(
        world.operator,
        lambda tx: capacity_reports.changes(
            tx, world.operator, world.care_service_id, BED, (None, 3)
        ),
    )
    assert [one.sequence for one in page.changes] == [4, 3, 2]
    assert page.next_before == 2
    told = await admin.fetch("select payload from events.outbox where kind = 'capacity.changed'")
    assert len(told) == 4
    assert msgspec.json.decode(told[1]["payload"])["cause"] == "admission"


async def test_a_lower_sequence_is_refused_and_changes_nothing(report: Any, admin: Any) -> None:
    await report(7, 9)
    for sequence in (6, 7, 1):
        with pytest.raises(errors.Conflict) as refused:
            await report(sequence, 4)
        assert refused.value.fields["current"] == 7
    assert [row["occupied"] for row in await history(admin)] == [9]


async def test_the_same_report_again_gets_the_same_answer_and_one_effect(
    report: Any, admin: Any
) -> None:
    answers = await asyncio.gather(*(report(1, 9) for _ in range(10)))
    assert len({msgspec.json.encode(one) for one in answers}) == 1
    assert len(await history(admin)) == 1


async def test_of_many_reports_at_once_the_counter_equals_the_last_of_the_history(
    report: Any, admin: Any
) -> None:
    drawn = random.Random(8)
    said = [(number, drawn.randint(0, 12)) for number in range(1, 41)]
    drawn.shuffle(said)
    results = await asyncio.gather(
        *(report(number, occupied) for number, occupied in said), return_exceptions=True
    )
    kept = [one for one in results if isinstance(one, Capacity)]
    assert all(isinstance(one, Capacity | errors.Conflict) for one in results)
    rows = await history(admin)
    assert [row["sequence"] for row in rows] == sorted(one.sequence for one in kept)
    assert rows[-1]["sequence"] == 40
    stored = await admin.fetchrow("select sequence, total, occupied from directory.capacity")
    assert tuple(stored) == (40, 12, rows[-1]["occupied"]) == (40, 12, dict(said)[40])


async def test_two_winners_of_one_sequence_cannot_be(report: Any, admin: Any) -> None:
    results = await asyncio.gather(
        *(report(1, number) for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, Capacity) for one in results) == 1
    assert len(await history(admin)) == 1


async def test_more_occupied_than_total_needs_the_flag_even_past_the_use_case(
    report: Any, admin: Any, world: Any
) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await report(1, 13)
    assert refused.value.code == "capacity_over_unsaid"
    assert (await report(2, 13, over=True)).over
    with pytest.raises(asyncpg.CheckViolationError) as broken:
        await admin.execute("update directory.capacity set occupied = 20, over = false")
    assert broken.value.constraint_name == "capacity_over_needs_flag"
    with pytest.raises(asyncpg.PostgresError):
        await admin.execute("delete from directory.capacity_change")


async def test_only_the_owner_reports_and_a_missing_place_is_missing(
    report: Any, world: Any, database: Database
) -> None:
    for who in (world.stranger, world.operator):
        with pytest.raises(errors.Forbidden):
            await report(1, 9, who=who)
    said = Said(sequence=1, total=1, occupied=0, cause=Cause.CENSUS)
    with pytest.raises(errors.Missing):
        await database.run(
            world.clinic,
            lambda tx: capacity_reports.report(tx, world.clinic, uuid7(), BED, said),
        )


async def test_an_old_figure_is_marked_then_outdated_by_the_limit_of_its_source(
    report: Any, admin: Any, database: Database, world: Any
) -> None:
    await report(1, 9)

    async def age(hours: int) -> Freshness:
        await admin.execute(
            "update directory.capacity set as_of = kernel.regul_now() - make_interval(hours => $1)",
            hours,
        )
        page = await database.run(
            world.operator,
            lambda tx: capacity_reports.of_care_service(tx, world.operator, world.care_service_id),
        )
        return page.capacity[0].freshness

    assert [await age(hours) for hours in (0, 5, 25)] == ["fresh", "marked", "outdated"]
