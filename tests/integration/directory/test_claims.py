"""Claims on seats under races: exactly as many winners as places, and never a lost place."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from directory import service
from directory.publication import PublishedSlot
from kernel.actor import Actor
from kernel.database import Database
from kernel.ids import uuid7

CLAIM = "select directory.directory_claim($1, $2, $3)"
BOOK = "select slot_id, seat from directory.directory_book($1)"
RELEASE = "select directory.directory_release($1)"
EXTEND = "select directory.directory_extend($1, $2)"
MINUTES = timedelta(minutes=5)
ROUNDS = 40
"""Claims that kept the row lock of a seat they had lost met in a deadlock about once in 20."""


async def slot_id(admin: Any, key: str = "r") -> UUID:
    found: UUID = await admin.fetchval(
        "select id from directory.slot where key = $1 and withdrawn_at is null", key
    )
    return found


async def states(admin: Any, slot: UUID) -> list[str]:
    rows = await admin.fetch(
        "select state from directory.seat where slot_id = $1 order by number", slot
    )
    return [row["state"] for row in rows]


async def withdraw(database: Database, clinic: Actor, slot: UUID) -> service.Withdrawn:
    return await database.run(clinic, lambda tx: service.withdraw(tx, clinic, slot))


async def expire(admin: Any, claim: UUID) -> None:
    await admin.execute(
        "update directory.seat set until = kernel.regul_now() - interval '1 ms' where claim = $1",
        claim,
    )


async def test_fifty_claims_on_a_range_of_four_have_exactly_four_winners(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.range(4)])
    slot = await slot_id(admin)
    claims = [uuid7() for _ in range(50)]
    numbers = await asyncio.gather(*(app.fetchval(CLAIM, slot, one, MINUTES) for one in claims))
    assert sorted(number for number in numbers if number is not None) == [1, 2, 3, 4]
    assert await states(admin, slot) == ["held"] * 4


async def test_a_claim_that_rolls_back_costs_nobody_the_place(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot = await slot_id(admin)
    async with app.acquire() as first:
        opened = first.transaction()
        await opened.start()
        assert await first.fetchval(CLAIM, slot, uuid7(), MINUTES) == 1
        second = asyncio.create_task(app.fetchval(CLAIM, slot, uuid7(), MINUTES))
        await until_waiting(admin)
        assert not second.done()
        await opened.rollback()
        assert await second == 1


@pytest.mark.parametrize("rolled_back", [0, 1, 2])
async def test_a_claim_waits_for_each_busy_seat_in_turn(
    app: Any, admin: Any, world: Any, publish: Any, rolled_back: int
) -> None:
    await publish([world.range(3)])
    slot = await slot_id(admin)
    busy = [await app.acquire() for _ in range(3)]
    opened = [connection.transaction() for connection in busy]
    for number, (connection, transaction) in enumerate(zip(busy, opened, strict=True), start=1):
        await transaction.start()
        assert await connection.fetchval(CLAIM, slot, uuid7(), MINUTES) == number
    waiting = asyncio.create_task(app.fetchval(CLAIM, slot, uuid7(), MINUTES))
    await until_waiting(admin)
    for number in (1, 2, 0):
        if number == rolled_back:
            await opened[number].rollback()
        else:
            await opened[number].commit()
    async with asyncio.timeout(60):
        assert await waiting == rolled_back + 1
    for connection in busy:
        await app.release(connection)


async def test_more_claims_than_seats_wait_and_share_what_rolls_back(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.range(4)])
    slot = await slot_id(admin)

    async def attempt(number: int) -> bool:
        async with app.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            won = await connection.fetchval(CLAIM, slot, uuid7(), MINUTES) is not None
            await (transaction.rollback() if number % 2 else transaction.commit())
            return won and not number % 2

    for _ in range(ROUNDS):
        kept = sum(await asyncio.gather(*(attempt(number) for number in range(40))))
        assert kept == 4
        assert await states(admin, slot) == ["held"] * 4
        await admin.execute(
            "update directory.seat set state = 'free', claim = null, until = null"
            " where slot_id = $1",
            slot,
        )


async def until_waiting(admin: Any) -> None:
    """Wait until some session of this database waits for a lock."""
    async with asyncio.timeout(60):
        while not await admin.fetchval(
            "select exists (select 1 from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock')"
        ):
            await asyncio.sleep(0.005)


async def test_an_expired_hold_is_claimable_at_read_time_and_cannot_be_booked(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot, first, second = await slot_id(admin), uuid7(), uuid7()
    assert await app.fetchval(CLAIM, slot, first, MINUTES) == 1
    assert await app.fetchval(CLAIM, slot, second, MINUTES) is None
    await expire(admin, first)
    assert await app.fetch(BOOK, first) == []
    assert await app.fetchval(EXTEND, first, MINUTES) is None
    assert await app.fetchval(CLAIM, slot, second, MINUTES) == 1
    booked = await app.fetchrow(BOOK, second)
    assert (booked["slot_id"], booked["seat"]) == (slot, 1)
    assert await app.fetchval(RELEASE, first) is False


async def test_fifty_claims_on_an_expired_hold_have_one_winner(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot, first = await slot_id(admin), uuid7()
    await app.fetchval(CLAIM, slot, first, MINUTES)
    await expire(admin, first)
    numbers = await asyncio.gather(
        *(app.fetchval(CLAIM, slot, uuid7(), MINUTES) for _ in range(50))
    )
    assert [number for number in numbers if number is not None] == [1]


async def test_a_released_seat_can_be_claimed_again(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot, first = await slot_id(admin), uuid7()
    await app.fetchval(CLAIM, slot, first, MINUTES)
    await app.fetch(BOOK, first)
    assert await app.fetchval(RELEASE, first) is True
    assert await app.fetchval(RELEASE, first) is False
    assert await app.fetchval(CLAIM, slot, uuid7(), MINUTES) == 1


async def test_extending_prolongs_a_hold_and_never_shortens_it(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot, claim = await slot_id(admin), uuid7()
    await app.fetchval(CLAIM, slot, claim, MINUTES)
    longer = await app.fetchval(EXTEND, claim, 2 * MINUTES)
    assert await app.fetchval(EXTEND, claim, timedelta(seconds=1)) == longer


async def test_one_claim_never_takes_two_seats(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.range(2)])
    slot, claim = await slot_id(admin), uuid7()
    await app.fetchval(CLAIM, slot, claim, MINUTES)
    with pytest.raises(asyncpg.UniqueViolationError, match="seat_one_claim"):
        await app.fetchval(CLAIM, slot, claim, MINUTES)


async def test_a_seat_is_never_claimed_against_its_publishers_consent(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot = await slot_id(admin)
    await admin.execute("update directory.schedule set paused = true")
    assert await app.fetchval(CLAIM, slot, uuid7(), MINUTES) is None
    await admin.execute("update directory.schedule set paused = false, release_before_s = 60")
    assert await app.fetchval(CLAIM, slot, uuid7(), MINUTES) is None
    await admin.execute("update directory.schedule set release_before_s = 864000")
    assert await app.fetchval(CLAIM, slot, uuid7(), MINUTES) == 1


async def test_a_slot_that_is_over_cannot_be_claimed(
    app: Any, admin: Any, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot = await slot_id(admin)
    await admin.execute(
        "update directory.slot set starts_at = starts_at - interval '3 days',"
        " ends_at = ends_at - interval '3 days'"
    )
    assert await app.fetchval(CLAIM, slot, uuid7(), MINUTES) is None


async def test_withdrawing_a_held_slot_while_it_is_claimed_leaves_nobody_with_a_live_seat(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    for attempt in range(5):
        key = f"r{attempt}"
        slots: list[PublishedSlot] = [world.range(6, key=key)]
        await publish(slots, sequence=attempt + 1)
        slot = await slot_id(admin, key)
        claims = [uuid7() for _ in range(12)]
        held = [await app.fetchval(CLAIM, slot, one, MINUTES) for one in claims[:2]]
        assert held == [1, 2]
        *numbers, withdrawn = await asyncio.gather(
            *(app.fetchval(CLAIM, slot, one, MINUTES) for one in claims[2:]),
            withdraw(database, world.clinic, slot),
        )
        won = 2 + sum(number is not None for number in numbers)
        found = await states(admin, slot)
        assert set(found) <= {"displaced", "withdrawn"}
        assert found.count("displaced") == won == withdrawn.displaced
        assert await app.fetch(BOOK, claims[0]) == []
        told = await admin.fetchval(
            "select payload -> 'claims' from events.outbox"
            " where kind = 'slot.displaced' and aggregate_id = $1",
            slot,
        )
        assert told.count("-") == 4 * won


async def test_releasing_a_displaced_seat_does_not_offer_it_again(
    app: Any, admin: Any, database: Database, world: Any, publish: Any
) -> None:
    await publish([world.slot("r")])
    slot, claim = await slot_id(admin), uuid7()
    await app.fetchval(CLAIM, slot, claim, MINUTES)
    await app.fetch(BOOK, claim)
    await database.run(world.clinic, lambda tx: service.withdraw(tx, world.clinic, slot))
    assert await states(admin, slot) == ["displaced"]
    assert await app.fetchval(RELEASE, claim) is True
    assert await states(admin, slot) == ["withdrawn"]
