"""One transaction an actor: its scope ends with it, errors become refusals, retries are bounded."""

from uuid import UUID

import asyncpg
import pytest

from kernel import actor as actors
from kernel import database as kernel_database
from kernel import errors
from kernel.actor import Actor, Role
from kernel.database import Database, Tx, Wakeup, open_database

SCOPE = """
select kernel.current_actor() as actor, kernel.current_territory() as territory,
       kernel.current_organisations() as organisations, current_user::text as role
"""
STAFF = Actor(id=UUID(int=1), role=Role.OPERATOR, territory_id=UUID(int=80))
CLINIC = Actor(id=UUID(int=2), role=Role.CLINIC, organisation_ids=(UUID(int=9), UUID(int=10)))


async def test_a_transaction_has_the_scope_of_its_actor(database: Database) -> None:
    async with database.transaction(STAFF) as tx:
        staff = await tx.fetchrow(SCOPE)
    async with database.transaction(CLINIC) as tx:
        clinic = await tx.fetchrow(SCOPE)
    assert tuple(staff) == (STAFF.id, STAFF.territory_id, [], "regul_app")
    assert tuple(clinic) == (CLINIC.id, None, list(CLINIC.organisation_ids), "regul_app")


async def test_no_scope_is_left_for_the_next_on_the_same_connection(database_dsn: str) -> None:
    pool = await open_database(database_dsn, "regul_app", 1)
    try:
        async with pool.transaction(CLINIC) as tx:
            await tx.fetchrow(SCOPE)
        with pytest.raises(RuntimeError, match="planted"):
            async with pool.transaction(STAFF):
                message = "planted"
                raise RuntimeError(message)
        async with pool.plain() as tx:
            assert tuple(await tx.fetchrow(SCOPE)) == (None, None, [], "regul_app")
    finally:
        await pool.close()


async def test_an_error_rolls_everything_back(database: Database) -> None:
    with pytest.raises(errors.Conflict):
        async with database.transaction(STAFF) as tx:
            await tx.execute(
                "select kernel.audit_append($1,'a','b',null,null,null,'','')", STAFF.id
            )
            code = "planted"
            raise errors.Conflict(code)
    async with database.plain() as tx:
        assert await tx.fetchval("select txid_current_if_assigned()") is None


async def test_on_commit_is_called_after_commits_only(database: Database) -> None:
    calls: list[int] = []
    database.on_commit = lambda: calls.append(1)
    async with database.transaction(STAFF) as tx:
        await tx.execute("select 1")
        assert calls == []
    assert calls == [1]
    with pytest.raises(errors.Conflict):
        async with database.transaction(STAFF):
            code = "planted"
            raise errors.Conflict(code)
    assert calls == [1]


@pytest.mark.parametrize(
    ("statement", "family", "code"),
    [
        ("select 'a'::uuid", errors.Malformed, "value_not_storable"),
        ("select 1 / 0", errors.Malformed, "value_not_storable"),
        ("select 10000000000::int", errors.Malformed, "value_not_storable"),
        (
            "insert into kernel.session values ('a', gen_random_uuid(), now(), now())",
            errors.Conflict,
            "session_actor_id_fkey",
        ),
    ],
    ids=["uuid", "division", "range", "constraint"],
)
async def test_a_database_error_becomes_a_refusal_without_values(
    database: Database, statement: str, family: type[errors.RegulError], code: str
) -> None:
    with pytest.raises(family) as refused:
        async with database.transaction(STAFF) as tx:
            await tx.execute(statement)
    assert refused.value.code == code
    async with database.plain() as tx:
        assert await tx.fetchval("select 1") == 1


async def test_a_connection_that_is_killed_is_a_503_and_the_next_request_works(
    database: Database, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    with pytest.raises(errors.Unavailable) as refused:
        async with database.transaction(STAFF) as tx:
            backend = await tx.fetchval("select pg_backend_pid()")
            await admin.execute("select pg_terminate_backend($1)", backend)
            await tx.execute("select 1")
    assert refused.value.code == "database_away"
    async with database.transaction(STAFF) as tx:
        assert await tx.fetchval("select 1") == 1


async def test_a_named_constraint_stands_for_its_refusal(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        kernel_database.CONFLICTS, "session_actor_id_fkey", (errors.Missing, "actor_unknown")
    )
    with pytest.raises(errors.Missing) as refused:
        async with database.transaction(STAFF) as tx:
            await tx.execute(
                "insert into kernel.session values ('a', gen_random_uuid(), now(), now())"
            )
    assert refused.value.code == "actor_unknown"


async def test_a_lock_that_does_not_come_is_a_503(database: Database, admin_dsn: str) -> None:
    holder = await asyncpg.connect(admin_dsn)
    try:
        async with holder.transaction():
            await holder.execute("lock table kernel.session")
            with pytest.raises(errors.Unavailable) as refused:
                async with database.transaction(STAFF) as tx:
                    await tx.execute("select actor_id from kernel.session")
        assert refused.value.code == "row_busy"
    finally:
        await holder.close()


async def test_a_serialisation_failure_is_tried_once_more(database: Database) -> None:
    tries: list[int] = []

    async def act(tx: Tx) -> int:
        tries.append(1)
        if len(tries) == 1:
            await tx.execute("do $$ begin raise exception 'x' using errcode = '40001'; end $$")
        return 7

    assert await database.run(STAFF, act) == 7
    assert len(tries) == 2


async def test_requests_cannot_change_what_only_workers_may(database: Database) -> None:
    for statement in (
        "update kernel.actor set role = 'administrator'",
        "delete from kernel.audit",
        "insert into kernel.territory values (gen_random_uuid(), 'x', 'x', 'x', 'FR')",
        "delete from kernel.idempotency",
        "update kernel.key set wrapped = null",
        "create table kernel.mine (a int)",
    ):
        with pytest.raises(asyncpg.PostgresError):
            async with database.transaction(STAFF) as tx:
                await tx.execute(statement)


async def test_a_wake_up_is_sent_after_a_commit(database: Database, admin_dsn: str) -> None:
    import asyncio

    heard = asyncio.Event()
    listener = await asyncpg.connect(admin_dsn)
    await listener.add_listener("regul_feed", lambda *_: heard.set())
    database.on_commit = wakeup = Wakeup(database, "regul_feed")
    running = asyncio.create_task(wakeup.run())
    try:
        async with database.transaction(actors.system()) as tx:
            await tx.execute("select 1")
        await asyncio.wait_for(heard.wait(), 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await listener.close()
