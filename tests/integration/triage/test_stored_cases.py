"""Stored answers leave as codes and numbers only, and reading them is audited."""

from datetime import UTC, datetime, timedelta

import msgspec

from kernel.actor import system
from kernel.settings import Settings
from server import stored_cases
from tests.integration.triage.centre import Centre
from triage import case_lines
from triage.people import Identity
from triage.stored_cases import export

IDENTITY = Identity(
    family_name="Lefèvre", given_name="Jeanne", birth_date="1980-02-29", ins="1" * 15
)
DAY = timedelta(days=1)


async def test_answers_leave_without_anybodys_name_and_can_be_read_again(centre: Centre) -> None:
    case = await centre.open("mal poitrine chez Lefèvre", patient=IDENTITY, age_years=61.0)
    empty = await centre.open()
    now = datetime.now(UTC)
    actor = system()
    async with centre.system.transaction(actor) as tx:
        found = await export(tx, actor, now - DAY, now + DAY, 10)
    by_id = {one.id: one for one in found}
    assert set(by_id) == {str(case.id), str(empty.id)}
    mine = by_id[str(case.id)]
    assert mine.complaint == "chest-pain"
    assert mine.findings["age_y"] == 61.0
    lines = [msgspec.json.encode(one) for one in found]
    assert all(b"Lef" not in line and b"poitrine" not in line for line in lines)
    assert list(case_lines.read(lines)) == list(found)
    read = await centre.admin.fetch(
        "select case_id from kernel.audit where detail = 'answers_exported'"
    )
    assert {row["case_id"] for row in read} == {case.id, empty.id}


async def test_only_cases_of_the_period_leave_and_no_more_than_asked_for(centre: Centre) -> None:
    for _ in range(3):
        await centre.open()
    now = datetime.now(UTC)
    actor = system()
    async with centre.system.transaction(actor) as tx:
        assert len(await export(tx, actor, now - DAY, now + DAY, 2)) == 2
        assert await export(tx, actor, now + DAY, now + 2 * DAY, 10) == ()
        assert await export(tx, actor, now - DAY, now - DAY / 2, 10) == ()


async def test_the_command_reads_the_database_of_the_settings(
    centre: Centre, settings: Settings
) -> None:
    case = await centre.open("mal au ventre")
    now = datetime.now(UTC)
    (found,) = await stored_cases._read(settings, now - DAY, now + DAY, 10)
    assert found.id == str(case.id)


def test_a_day_begins_at_midnight_utc() -> None:
    assert stored_cases._day("2026-11-23") == datetime(2026, 11, 23, tzinfo=UTC)
