"""A slot stands where its schedule does, for life."""

from typing import Any

import asyncpg
import pytest

from kernel.ids import uuid7

INSERT_COPY = """
insert into directory.slot (id, schedule_id, care_service_id, organisation_id, location_id,
    territory_id, key, kind, modality, visibility, starts_at, ends_at, capacity)
select gen_random_uuid(), schedule_id, coalesce($1, care_service_id),
    coalesce($2, organisation_id), coalesce($3, location_id), coalesce($4, territory_id), 'copy',
    kind, modality, visibility, starts_at, ends_at, capacity
from directory.slot where key = 'a'
"""


async def test_a_slot_elsewhere_than_its_schedule_is_refused(
    admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("a")])
    for wrong in range(4):
        given = [uuid7() if at == wrong else None for at in range(4)]
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await admin.execute(INSERT_COPY, *given)
        assert refused.value.constraint_name == "slot_copies_schedule"
    existing = await admin.fetchval(
        "select id from directory.organisation where id <> $1", world.organisation_id
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(INSERT_COPY, None, existing, None, None)
    await admin.execute(INSERT_COPY, None, None, None, None)


async def test_a_slot_never_moves(admin: Any, world: Any, publish: Any) -> None:
    await publish([world.slot("a")])
    for change in (
        "update directory.slot set schedule_id = schedule_id",
        "update directory.slot set care_service_id = care_service_id",
        "update directory.slot set organisation_id = organisation_id",
        "update directory.slot set location_id = location_id",
        "update directory.slot set territory_id = territory_id",
    ):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await admin.execute(change)
        assert refused.value.constraint_name == "slot_never_moves"
