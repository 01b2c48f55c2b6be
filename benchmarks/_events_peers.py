"""What services do that have no fenced outbox, on the same servers: poll, publish, or NOTIFY."""

import asyncio
import itertools
import random
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import nats
from nats.aio.msg import Msg

TABLE = "create table public.peer (id bigint generated always as identity primary key, body text)"
BODY = "x" * 400
POLL_S = 0.1
HANDLER = textwrap.dedent(
    """
    import asyncio, sys
    import asyncpg, nats

    async def lane(pool, stream):
        while True:
            async with pool.acquire() as tx:
                statement = "insert into public.peer (body) values ('x') returning id"
                number = await tx.fetchval(statement)
            await stream.publish("peer.event", str(number).encode())

    async def main():
        pool = await asyncpg.create_pool(sys.argv[1], min_size=4, max_size=4)
        client = await nats.connect(sys.argv[2])
        print("up", flush=True)
        await asyncio.gather(*(lane(pool, client.jetstream()) for _ in range(4)))

    asyncio.run(main())
    """
)


class Peers:
    """The three ways, one after the other, on one database and one stream."""

    def __init__(self, dsn: str, nats_url: str) -> None:
        """Take the addresses, of a superuser and of the service."""
        self._dsn, self._nats_url = dsn, nats_url

    async def prepare(self) -> None:
        """Make the table and the stream."""
        self._pool = await asyncpg.create_pool(self._dsn, min_size=2, max_size=4)
        self._client = await nats.connect(self._nats_url)
        self._stream = self._client.jetstream()
        await self._pool.execute(TABLE)
        await self._stream.add_stream(name="PEER", subjects=["peer.>"])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        self._pool.terminate()

    async def fenced(self, bodies: list[bytes]) -> float:
        """Publish one after the other, fenced, without any record; messages a second."""
        (last, began) = (
            (await self._stream.stream_info("PEER")).state.last_seq,
            time.perf_counter(),
        )
        for body in bodies:
            fence = {"Nats-Msg-Id": f"f{last}", "Nats-Expected-Last-Sequence": str(last)}
            last = (await self._stream.publish("peer.event", body, headers=fence)).seq
        return len(bodies) / (time.perf_counter() - began)

    async def polling(self, seconds: float, rate: int) -> list[float]:
        """An outbox that is polled every 100 ms: milliseconds from commit to arrival."""

        async def poll() -> None:
            cursor = await self._pool.fetchval("select coalesce(max(id), 0) from public.peer")
            while True:
                rows = await self._pool.fetch(
                    "select id from public.peer where id > $1 order by id limit 500", cursor
                )
                for row in rows:
                    cursor = row["id"]
                    await self._stream.publish("peer.event", str(cursor).encode())
                if not rows:
                    await asyncio.sleep(POLL_S)

        task = asyncio.create_task(poll())
        try:
            return await self._over_nats(self._insert, seconds, rate)
        finally:
            task.cancel()

    async def handler(self, seconds: float, rate: int) -> list[float]:
        """Publish from the handler right after its commit: milliseconds from commit to arrival."""

        async def act() -> tuple[int, float]:
            number, committed = await self._insert()
            await self._stream.publish("peer.event", str(number).encode())
            return number, committed

        return await self._over_nats(act, seconds, rate)

    async def notify(self, seconds: float, rate: int) -> list[float]:
        """NOTIFY in the transaction, nothing else: milliseconds from commit to arrival."""
        arrived: dict[int, float] = {}

        def take(*parts: object) -> None:
            arrived[int(str(parts[-1]))] = time.perf_counter()

        async def act() -> tuple[int, float]:
            async with self._pool.acquire() as tx, tx.transaction():
                number = await tx.fetchval(INSERT, BODY)
                await tx.execute("select pg_notify('peer', $1)", str(number))
            return number, time.perf_counter()

        async with self._pool.acquire() as listening:
            await listening.add_listener("peer", take)
            made = await paced(act, seconds, rate)
            await asyncio.sleep(0.2)
            await listening.remove_listener("peer", take)
        return [max(0.0, arrived[number] - at) * 1000 for number, at in made if number in arrived]

    async def killed_handler(self, kills: int, folder: Path) -> tuple[int, int]:
        """Kill a process that publishes after its commits; events committed, and those lost."""
        before = await self._pool.fetchval("select coalesce(max(id), 0) from public.peer")
        script = folder / "handler.py"
        script.write_text(HANDLER, "utf-8")
        dice = random.Random(80)
        for _ in range(kills):
            child = await asyncio.create_subprocess_exec(
                sys.executable, script, self._dsn, self._nats_url, stdout=asyncio.subprocess.PIPE
            )
            assert child.stdout is not None  # noqa: S101 - asked for above
            await child.stdout.readline()
            await asyncio.sleep(dice.uniform(0.3, 0.6))
            child.kill()
            await child.wait()
        rows = await self._pool.fetch("select id from public.peer where id > $1", before)
        info = await self._stream.stream_info("PEER")
        there = set()
        for place in range(info.state.first_seq, info.state.last_seq + 1):
            message = await self._stream.get_msg("PEER", seq=place)
            there.add(bytes(message.data or b""))
        return len(rows), sum(str(row["id"]).encode() not in there for row in rows)

    async def missed_notify(self, count: int) -> int:
        """Commit while the listener is away for a moment; how many it never hears of."""
        heard: list[int] = []

        def take(*parts: object) -> None:
            heard.append(int(str(parts[-1])))

        for number in range(count):
            if number == count // 2:
                listening = await self._pool.acquire()
                await listening.add_listener("peer", take)
            await self._pool.execute("select pg_notify('peer', $1)", str(number))
        await asyncio.sleep(0.2)
        await listening.remove_listener("peer", take)
        await self._pool.release(listening)
        return count - len(heard)

    async def _insert(self) -> tuple[int, float]:
        number = await self._pool.fetchval(INSERT, BODY)
        return number, time.perf_counter()

    async def _over_nats(
        self, act: Callable[[], Awaitable[tuple[int, float]]], seconds: float, rate: int
    ) -> list[float]:
        arrived: dict[int, float] = {}

        async def take(message: Msg) -> None:
            arrived[int(message.data)] = time.perf_counter()

        hearing = await self._client.subscribe("peer.>", cb=take)
        made = await paced(act, seconds, rate)
        await asyncio.sleep(POLL_S * 4)
        await hearing.unsubscribe()
        return [(arrived[number] - at) * 1000 for number, at in made if number in arrived]


async def paced(
    act: Callable[[], Awaitable[tuple[int, float]]], seconds: float, rate: int
) -> list[tuple[int, float]]:
    """Do something at a steady rate; give what each time gave."""
    began, made = time.perf_counter(), []
    for number in itertools.count():
        if number >= seconds * rate:
            return made
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        made.append(await act())
    return made


INSERT = "insert into public.peer (body) values ($1) returning id"
