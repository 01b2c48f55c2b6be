"""How old a source may be: set by those who may, told, and felt by searches and claims."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from directory import loading, source_limits
from directory.model import CareServiceId, Need
from directory.source_limits import Limit, SourceLimit
from events import sequencer
from kernel import actor as actors
from kernel import errors
from kernel.actor import Actor, Role
from kernel.database import Database
from kernel.ids import uuid7
from tests.integration.directory.conftest import insert_actor

REFUSAL = "select directory.directory_refusal(id) from directory.slot"


@pytest_asyncio.fixture
async def supervisor(system_database: Database, world: Any) -> Actor:
    return await insert_actor(
        system_database,
        Actor(id=uuid7(), role=Role.SUPERVISOR, territory_id=world.territory_id),
    )


@pytest.fixture
def set_to(database: Database, supervisor: Actor) -> Any:
    async def act(
        source: str, marked_h: float = 1, refused_h: float = 24, *, who: Actor | None = None,
        away: bool = False,
    ) -> dict[str, SourceLimit]:  # fmt: skip
        limit = Limit(marked_after_s=int(marked_h * 3600), refused_after_s=int(refused_h * 3600))
        actor = who or supervisor
        found: Sequence[SourceLimit] = await database.run(
            actor,
            lambda tx: source_limits.set_to(tx, actor, source, None if away else limit),
        )
        return {one.source: one for one in found}

    return act


async def test_a_supervisor_sets_how_old_a_source_may_be_and_claims_follow_at_once(
    admin: Any, database: Database, world: Any, publish: Any, set_to: Any
) -> None:
    await publish([world.slot("a")])
    await admin.execute(
        "update directory.schedule set ownership = 'mirrored', source = 'editor',"
        " as_of = kernel.regul_now() - interval '3 hours'"
    )

    async def bookable() -> int:
        async with database.transaction(actors.system()) as tx:
            snapshot = await loading.load(tx)
            now = await tx.fetchval("select kernel.regul_now()")
        need = Need(service="general_practice", earliest=now)
        return len(snapshot.bookable(CareServiceId(world.care_service_id), need, now))

    found = await set_to("other", 1, 24)
    assert (found["editor"].own_limit, found["editor"].diaries) == (False, 1)
    assert (found["editor"].marked, found["editor"].refused) == (1, 0)
    assert await bookable() == 1
    found = await set_to("editor", 1, 2)
    assert (found["editor"].own_limit, found["editor"].refused) == (True, 1)
    assert await admin.fetchval(REFUSAL) == "outdated"
    assert await bookable() == 0
    for _ in range(2):
        found = await set_to("editor", away=True)
    assert not found["editor"].own_limit
    assert await admin.fetchval(REFUSAL) is None
    kinds = await admin.fetch("select payload from events.outbox where kind = 'limit.changed'")
    assert len(kinds) == 3, "saying the same again tells nothing"


async def test_a_keeper_reads_anew_when_a_limit_changes(
    database: Database, system_database: Database, admin: Any, world: Any, publish: Any,
    set_to: Any,
) -> None:  # fmt: skip
    await publish([world.slot("a")])
    await admin.execute("update directory.schedule set ownership = 'mirrored', source = 'editor'")
    keeper = loading.Keeper(database)

    def refused_after_s() -> int | None:
        diary = keeper.snapshot.diaries[CareServiceId(world.care_service_id)][0]
        return diary.schedule.refused_after_s

    await keeper.step()
    assert refused_after_s() == 24 * 3600
    await set_to("editor", 1, 2)
    while await sequencer.step(system_database):
        pass
    async with asyncio.timeout(60):
        while refused_after_s() != 2 * 3600:
            await keeper.step()


async def test_what_makes_no_sense_or_is_not_theirs_is_refused(
    database: Database, world: Any, set_to: Any
) -> None:
    for who in (world.operator, world.clinic):
        with pytest.raises(errors.Forbidden):
            await set_to("editor", who=who)
    with pytest.raises(errors.Forbidden):
        await database.run(world.clinic, lambda tx: source_limits.every(tx, world.clinic))
    for source, marked_h, refused_h, away, code in (
        ("editor", 24, 1, False, "source_limit_order"),
        ("*", 1, 24, True, "source_limit_common"),
        ("a b", 1, 24, False, "source_malformed"),
    ):
        with pytest.raises(errors.RegulError) as refused:
            await set_to(source, marked_h, refused_h, away=away)
        assert refused.value.code == code
    assert (await set_to("*", 2, 48))["*"].marked_after_s == timedelta(hours=2).total_seconds()
