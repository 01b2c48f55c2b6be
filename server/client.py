"""A small HTTP client of our own API: keep-alive, and every request may be repeated safely.

Used by `replay`, `demo`, `bench` and `chaos`, which look at the service from outside. A write
carries an `Idempotency-Key`; when the connection breaks or the service says 503, 425 or 429 the
same request goes out again under the same key until the client's patience ends. It knows no
room and no rule.
"""

import asyncio
import contextlib
import copy
import random
import time
from collections.abc import Mapping
from typing import Final, Self, TypeVar, overload
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

T = TypeVar("T")

AGAIN: Final = frozenset({425, 429, 503})
"""Statuses that ask for the same request again."""
ATTEMPT_S: Final = 15.0
PATIENCE_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
MOST_BYTES: Final = 16 * 1024 * 1024
MOST_HEAD_BYTES: Final = 64 * 1024

Json = object
"""Anything that msgspec encodes as JSON."""


class Problem(msgspec.Struct, frozen=True):
    """The stable part of a problem+json answer (RFC 9457)."""

    code: str = ""
    detail: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer.

    Attributes:
        status: Of HTTP.
        headers: Names in lower case.
        body: As received.
        attempts: How often the request was sent; 1 without a repetition.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    attempts: int = 1

    def problem(self) -> Problem:
        """Give the problem of a refusal; empty when the body is none."""
        try:
            return msgspec.json.decode(self.body, type=Problem)
        except msgspec.MsgspecError:
            return Problem()


class RefusedError(Exception):
    """The service refused a request: the state, the actor or the content says no.

    Attributes:
        status: Of HTTP.
        code: The stable code of the problem.
        body: As received.
    """

    def __init__(self, method: str, route: str, answer: Answer) -> None:
        """Build it from an answer.

        Args:
            method: Of the request.
            route: Its path; holds ids only.
            answer: What came back.
        """
        problem = answer.problem()
        super().__init__(f"{method} {route}: {answer.status} {problem.code}".rstrip())
        self.status = answer.status
        self.code = problem.code
        self.body = answer.body


class AwayError(Exception):
    """The service did not answer before the client's patience ended."""


class _BrokenError(Exception):
    """The connection ended before the answer did."""


class Client:
    """Requests to one service on behalf of one actor."""

    def __init__(self, url: str, token: str = "", *, patience_s: float = PATIENCE_S) -> None:
        """Set up; connects at the first request.

        Args:
            url: Base address such as `http://127.0.0.1:8015`.
            token: API key or session token of the actor; empty asks as nobody.
            patience_s: Longest time a request is repeated, in seconds.
        """
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._token = token
        self._patience_s = patience_s
        self._correlation = ""
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def journey(self, correlation: str) -> Self:
        """Give this client, its lines shared, with a correlation id on each request.

        Args:
            correlation: Joins the events and audit rows of one journey; printable ASCII.
        """
        view = copy.copy(self)
        view._correlation = correlation  # noqa: SLF001 - a copy of ourselves
        return view

    @overload
    async def get(self, path: str) -> Json: ...
    @overload
    async def get(self, path: str, kind: type[T]) -> T: ...
    async def get(self, path: str, kind: type[T] | None = None) -> Json:
        """Read a resource.

        Args:
            path: Below the base address, with its query.
            kind: Struct to decode into; plain JSON values when None.

        Raises:
            RefusedError: The answer is a refusal.
            AwayError: No answer in time.
        """
        return _decoded(await self.accepted("GET", path), kind)

    @overload
    async def post(self, path: str, body: Json = None, *, key: str | None = None) -> Json: ...
    @overload
    async def post(self, path: str, body: Json, kind: type[T], *, key: str | None = None) -> T: ...
    async def post(
        self, path: str, body: Json = None, kind: type[T] | None = None, *, key: str | None = None
    ) -> Json:
        """Write once, however often it must be sent.

        Args:
            path: Below the base address.
            body: JSON of the request.
            kind: Struct to decode the answer into; plain JSON values when None.
            key: Idempotency key; a fresh one when None.

        Raises:
            RefusedError: The answer is a refusal.
            AwayError: No answer in time.
        """
        return _decoded(await self.accepted("POST", path, body, key=key), kind)

    async def accepted(
        self, method: str, path: str, body: Json = None, *, key: str | None = None
    ) -> Answer:
        """Send a request, repeat it where that is right, and give the successful answer.

        Args:
            method: Of HTTP.
            path: Below the base address.
            body: JSON of the request; none when None.
            key: Idempotency key of a write; a fresh one when None.

        Raises:
            RefusedError: The answer is a refusal (400 and above).
            AwayError: No answer in time.
        """
        answer = await self.call(method, path, body, key=key)
        if answer.status >= 400:  # noqa: PLR2004 - refusals begin here
            raise RefusedError(method, path.partition("?")[0], answer)
        return answer

    async def call(
        self, method: str, path: str, body: Json = None, *, key: str | None = None
    ) -> Answer:
        """Send a request and give whatever the service finally says.

        Args:
            method: Of HTTP.
            path: Below the base address.
            body: JSON of the request; none when None.
            key: Idempotency key of a write; a fresh one when None.

        Raises:
            AwayError: No answer in time.
        """
        raw = self._request(method, path, body, key or uuid4().hex)
        until = time.monotonic() + self._patience_s
        attempts, pause = 0, FIRST_PAUSE_S
        while True:
            attempts += 1
            answer = await self._attempt(raw)
            if answer is not None and answer.status not in AGAIN:
                return msgspec.structs.replace(answer, attempts=attempts)
            if time.monotonic() + pause > until:
                if answer is not None:
                    return msgspec.structs.replace(answer, attempts=attempts)
                raise AwayError(f"{method} {path.partition('?')[0]}: no answer")
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            _, writer = self._idle.pop()
            await _end(writer)

    def _request(self, method: str, path: str, body: Json, key: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        if self._correlation:
            lines.append(f"X-Correlation-ID: {self._correlation}")
        if method != "GET":
            lines.append(f"Idempotency-Key: {key}")
        content = b"" if body is None else msgspec.json.encode(body)
        if content:
            lines.append("Content-Type: application/json")
        if method != "GET":
            lines.append(f"Content-Length: {len(content)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + content

    async def _attempt(self, raw: bytes) -> Answer | None:
        """Send once; None when the connection broke or nothing came in time."""
        try:
            async with asyncio.timeout(ATTEMPT_S):
                reader, writer = await self._connection()
                try:
                    writer.write(raw)
                    answer, keep = await _read(reader)
                except BaseException:
                    writer.close()
                    raise
        except (OSError, TimeoutError, _BrokenError):
            return None
        if keep:
            self._idle.append((reader, writer))
        else:
            await _end(writer)
        return answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port, limit=MOST_HEAD_BYTES)


def _decoded(answer: Answer, kind: type[T] | None) -> Json:
    if kind is not None:
        return msgspec.json.decode(answer.body, type=kind)
    decoded: Json = msgspec.json.decode(answer.body) if answer.body else None
    return decoded


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    """Read one answer; tell whether the connection can be used again."""
    try:
        status_line, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        status = int(status_line.split(b" ", 2)[1])
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(_bounded(int(headers.get("content-length", "0"))))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as why:
        raise _BrokenError from why
    keep = headers.get("connection", "").lower() != "close"
    return Answer(status=status, headers=headers, body=body), keep


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        total = _bounded(total + size)
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


def _bounded(size: int) -> int:
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(size)
    return size
