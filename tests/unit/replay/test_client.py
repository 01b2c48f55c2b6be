"""The client repeats under one key, and only what may be repeated."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from server.client import AwayError, Client, RefusedError

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'
AWAY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4;x=1\r\n: 1}\r\n0\r\n\r\n'
)
CONFLICT = (
    b"HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\nContent-Length: 21\r\n"
    b'\r\n{"code":"slot_taken"}'
)
RESET = b""

Script = list[bytes]


class Peer:
    """A server that answers by a script: one entry a request; an empty one cuts the line."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heads: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (int(x.split(":")[1]) for x in head.split("\r\n") if "Content-Length" in x), 0
                )
                await reader.readexactly(length)
                self.heads.append(head)
                answer = self.script.pop(0)
                if not answer:
                    break
                writer.write(answer)
        writer.close()

    def keys(self) -> set[str]:
        lines = [line for head in self.heads for line in head.split("\r\n")]
        return {line for line in lines if line.startswith("Idempotency-Key")}


@contextlib.asynccontextmanager
async def talking(script: Script, patience_s: float = 5) -> AsyncIterator[tuple[Client, Peer]]:
    peer = Peer(script)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "secret", patience_s=patience_s)
    try:
        yield client, peer
    finally:
        await client.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("broken", [AWAY, RESET])
async def test_a_write_is_repeated_under_the_same_key(broken: bytes) -> None:
    async with talking([broken, broken, OK]) as (client, peer):
        assert await client.post("/x", {"b": 2}) == {"a": 1}

    assert len(peer.heads) == 3
    assert len(peer.keys()) == 1


async def test_two_writes_have_two_keys() -> None:
    async with talking([OK, OK]) as (client, peer):
        await client.post("/x")
        await client.post("/x")

    assert len(peer.keys()) == 2


async def test_the_line_is_kept() -> None:
    async with talking([OK, CHUNKED, OK]) as (client, peer):
        for _ in range(3):
            assert await client.get("/x") == {"a": 1}

    assert peer.connections == 1


async def test_a_refusal_is_not_repeated_and_names_its_code() -> None:
    async with talking([CONFLICT]) as (client, _):
        with pytest.raises(RefusedError) as refused:
            await client.post("/x")

    assert (refused.value.status, refused.value.code) == (409, "slot_taken")


async def test_patience_ends_with_the_last_answer() -> None:
    async with talking([AWAY] * 50, patience_s=0.2) as (client, _):
        with pytest.raises(RefusedError) as refused:
            await client.get("/x")

    assert refused.value.status == 503


async def test_patience_ends_when_nobody_answers(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    client = Client(f"http://127.0.0.1:{unused_tcp_port_factory()}", patience_s=0.2)

    with pytest.raises(AwayError):
        await client.get("/x")


async def test_a_journey_names_itself_on_the_shared_line() -> None:
    async with talking([OK, OK]) as (client, peer):
        await client.get("/x")
        await client.journey("j-1").get("/x")

    assert ["X-Correlation-ID: j-1" in head for head in peer.heads] == [False, True]
    assert peer.connections == 1
