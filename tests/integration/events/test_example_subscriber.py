"""The example in examples/ works as it is, against API, NATS and the sign-in of partners."""

import asyncio
import sys
from pathlib import Path
from types import ModuleType

import pytest
import pytest_asyncio

from kernel.database import Database
from tests.integration.events.place import Place
from tests.integration.events.world import EXAMPLE, World, append_case, key_of, until


@pytest_asyncio.fixture
async def subscription(database: Database, world: World) -> str:
    from events import subscriptions

    wish = subscriptions.NewSubscription(kinds=("case.opened",))
    made = await database.run(
        world.partner, lambda tx: subscriptions.create(tx, world.partner, wish)
    )
    return str(made.id)


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 120


async def test_it_receives_each_event_once_in_order_and_survives_its_own_death(
    database: Database, world: World, place: Place, subscription: str, tmp_path: Path
) -> None:
    kept = tmp_path / f"{subscription}.number"

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLE),
            place.api,
            place.bus,
            key_of(world.partner),
            subscription,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def append(count: int) -> None:
        for _ in range(count):
            await append_case(database, world, organisations=(world.organisations[0],))

    async def handled(number: int) -> None:
        async def at() -> bool:
            return kept.exists() and kept.read_text("utf-8") == str(number)

        await until(at, 20)

    first = await start()
    await append(10)
    await handled(10)
    first.kill()
    told, _ = await first.communicate()
    await append(10)
    second = await start()
    await handled(20)
    second.kill()
    told_then, _ = await second.communicate()

    numbers = [
        int(line.partition("number=")[2].partition(",")[0])
        for line in (told + told_then).decode().splitlines()
    ]
    assert numbers == list(range(1, 21))


async def test_it_repairs_a_gap_from_the_record(
    database: Database,
    system_database: Database,
    world: World,
    place: Place,
    subscription: str,
    example: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(6):
        await append_case(database, world, organisations=(world.organisations[0],))

    async def numbered() -> bool:
        async with system_database.plain() as connection:
            return bool(
                await connection.fetchval(
                    "select bool_and(last_number = 6) from events.subscription"
                )
            )

    await until(numbered)
    handled: list[int] = []
    subscriber = example.Subscriber(
        place.api, key_of(world.partner), subscription, lambda event: handled.append(event.number)
    )

    def event(number: int) -> object:
        return example.Event(id=str(number), type="regul.case.opened", number=number, epoch=1)

    for number in (1, 2, 5, 3, 5, 6):
        await subscriber.take(event(number))
    assert handled == [1, 2, 3, 4, 5, 6]
    assert subscriber.repaired == 4
