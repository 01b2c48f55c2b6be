"""Webhook receivers on this machine: what a subscriber's server does with a message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

OK = "HTTP/1.1 204 No Content\r\n\r\n"


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body, type=dict[str, Any])

    @property
    def number(self) -> int:
        return int(self.event["number"])


class Receiver:
    """A server that answers each message as it is told to; `None` = never."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post], str | None] = lambda _: OK
        self.url = ""
        self.connections = 0

    @property
    def numbered(self) -> list[int]:
        """Give the numbers of the events, without tests and heartbeats."""
        return [one.number for one in self.posts if ".subscription." not in one.event["type"]]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, EOFError):
            while post := await self._read(reader):
                self.posts.append(post)
                answer = self.answer(post)
                if answer is None:
                    await reader.read()
                    break
                writer.write(answer.encode())
                await writer.drain()
                if "close" in answer:
                    break
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Post | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        loop = asyncio.get_running_loop()
        return Post(path=head[0].split(" ")[1], headers=headers, body=body, at=loop.time())


@contextlib.asynccontextmanager
async def receiving(count: int = 1) -> AsyncIterator[list[Receiver]]:
    """Open receivers, each on a port of its own."""
    receivers = [Receiver() for _ in range(count)]
    servers = []
    for one in receivers:
        server = await asyncio.start_server(one.take, "127.0.0.1", 0, limit=1 << 20)
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1"
        servers.append(server)
    try:
        yield receivers
    finally:
        for server in servers:
            server.close()
