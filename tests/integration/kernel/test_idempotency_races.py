"""A write that is sent twice has its effect once, whatever the order and the speed."""

import asyncio
from uuid import UUID

import pytest

from kernel import errors, idempotency, ids
from kernel.actor import Actor, Role
from kernel.database import Database, Tx
from kernel.identity import Account, Territory, save_account, save_territory

TERRITORY = Territory(
    id=UUID(int=80), code="80", name="Nowhere", time_zone="Europe/Paris", country="FR"
)
OPERATOR = Actor(id=UUID(int=81), role=Role.OPERATOR, territory_id=TERRITORY.id)
COLLEAGUE = Actor(id=UUID(int=82), role=Role.OPERATOR, territory_id=TERRITORY.id)
BODY = b"POST /holds {}"


@pytest.fixture
async def actors(system_database: Database) -> None:
    async with system_database.transaction(OPERATOR) as tx:
        await save_territory(tx, TERRITORY)
        for actor in (OPERATOR, COLLEAGUE):
            await save_account(tx, Account(actor=actor, login=str(actor.id)))


class Writes:
    """Counts effects: each makes a session row, so that what commits can be counted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def write(self, key: str | None, body: bytes = BODY, actor: Actor = OPERATOR) -> UUID:
        """Send one write."""

        async def act(tx: Tx) -> tuple[UUID, UUID]:
            made = ids.uuid7()
            await tx.execute(
                """insert into kernel.session (token_hash, actor_id, expires_at)
                values ($1, $2, now())""",
                made.bytes,
                actor.id,
            )
            self.began.set()
            await self.go_on.wait()
            return made, made

        async def again(_tx: Tx, reference: UUID) -> UUID:
            return reference

        async def guarded(tx: Tx) -> UUID:
            return await idempotency.once(tx, actor, key, body, act=act, again=again)

        return await self.database.run(actor, guarded)

    async def effects(self) -> int:
        """Count what was committed."""
        async with self.database.plain() as tx:
            count: int = await tx.fetchval("select count(*) from kernel.session")
        return count


@pytest.fixture
def writes(database: Database, actors: None) -> Writes:
    return Writes(database)


async def test_twelve_twins_have_one_effect_and_one_answer(writes: Writes) -> None:
    answers = await asyncio.gather(*(writes.write("k") for _ in range(12)))
    assert len(set(answers)) == 1
    assert await writes.effects() == 1


async def test_a_repetition_gives_the_same_answer(writes: Writes) -> None:
    first = await writes.write("k")
    assert await writes.write("k") == first
    assert await writes.write("other") != first
    assert await writes.effects() == 2


async def test_another_body_under_the_same_key_is_refused(writes: Writes) -> None:
    await writes.write("k")
    with pytest.raises(errors.Invalid) as refused:
        await writes.write("k", b"another")
    assert refused.value.code == "idempotency_key_reused"
    assert await writes.effects() == 1


async def test_keys_of_two_actors_never_meet(writes: Writes) -> None:
    first = await writes.write("k")
    assert await writes.write("k", b"another", COLLEAGUE) != first


@pytest.mark.parametrize("key", [None, ""], ids=["none", "empty"])
async def test_a_write_without_a_key_is_refused(writes: Writes, key: str | None) -> None:
    with pytest.raises(errors.Malformed) as refused:
        await writes.write(key)
    assert refused.value.code == "idempotency_key_missing"


@pytest.mark.parametrize("key", ["é", "a\nb", "a" * 201], ids=["accent", "newline", "long"])
async def test_an_unusable_key_is_refused(writes: Writes, key: str) -> None:
    with pytest.raises(errors.Malformed) as refused:
        await writes.write(key)
    assert refused.value.code == "idempotency_key_unusable"


async def test_a_twin_of_a_running_write_is_told_to_come_back(writes: Writes) -> None:
    writes.go_on.clear()
    first = asyncio.create_task(writes.write("k"))
    await writes.began.wait()
    with pytest.raises(errors.TooEarly) as refused:
        await writes.write("k")
    assert refused.value.code == "idempotency_key_running"
    writes.go_on.set()
    assert await first == await writes.write("k")


async def test_a_write_that_failed_may_be_sent_again(writes: Writes) -> None:
    async def fail(tx: Tx) -> tuple[UUID, UUID]:
        raise errors.Conflict("slot_taken")

    async def never(_tx: Tx, _reference: UUID) -> UUID:
        pytest.fail("nothing was made")

    async def guarded(tx: Tx) -> UUID:
        return await idempotency.once(tx, OPERATOR, "k", BODY, act=fail, again=never)

    with pytest.raises(errors.Conflict):
        await writes.database.run(OPERATOR, guarded)
    await writes.write("k", b"a corrected body")
    assert await writes.effects() == 1
