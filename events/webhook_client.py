"""Posts one message to a subscriber: to the checked address, within limits, following nothing.

No proxy of the environment is used, no redirect followed, no cookie kept. An answer is read as far
as its status and headers; its body is of no interest.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from events import webhook_address
from events.webhook_address import Resolve, Target
from kernel import errors

ATTEMPT_S: Final = 15.0
"""Longest attempt, from resolving the name to the status line. Source: Standard Webhooks 1.0.0."""
LARGEST: Final = 256 * 1024
"""Longest body sent, bytes."""
LONGEST_HEAD: Final = 16 * 1024
_LARGEST_DRAINED: Final = 64 * 1024
_INTERIM: Final = 4
_SWITCHING: Final = range(100, 200)


class NotDelivered(Exception):
    """No answer came; the reason is a stable code.

    Attributes:
        reason: `address_refused`, `unreachable`, `not_in_time`, `certificate`, `unreadable` or
            `too_large`.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the subscriber answered.

    Attributes:
        status: Of HTTP.
        retry_after_s: When it wishes to be asked again, seconds; 0 = it did not say.
    """

    status: int
    retry_after_s: int = 0


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are made.

    Attributes:
        resolve: Gives the addresses of a name.
        tls: Checks certificates.
        loopback: This machine may be reached.
    """

    resolve: Resolve
    tls: ssl.SSLContext
    loopback: bool


class Poster(Protocol):
    """What a sender needs of a connection."""

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post one message."""

    def close(self) -> None:
        """End the connection."""


class Line:
    """One connection to one subscriber, kept open while messages follow each other."""

    def __init__(self, target: Target, route: Route) -> None:
        """Prepare; the first message connects.

        Args:
            target: Where.
            route: How.
        """
        self._target = target
        self._route = route
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post one message; a kept connection that turns out to be closed is opened anew.

        Args:
            headers: Beside those of the connection.
            body: At most 256 kB.

        Returns:
            Status and wish of the subscriber, whatever the status.

        Raises:
            NotDelivered: No answer came.
        """
        if len(body) > LARGEST:
            raise NotDelivered("too_large")
        try:
            async with asyncio.timeout(ATTEMPT_S):
                return await self._attempt(headers, body)
        except TimeoutError as error:
            self.close()
            raise NotDelivered("not_in_time") from error
        except ssl.SSLError as error:
            self.close()
            raise NotDelivered("certificate") from error
        except (asyncio.LimitOverrunError, ValueError) as error:
            self.close()
            raise NotDelivered("unreadable") from error
        except (OSError, EOFError) as error:
            self.close()
            raise NotDelivered("unreachable") from error
        except errors.Invalid as error:
            self.close()
            raise NotDelivered("address_refused") from error
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection without waiting for the other side."""
        if self._open is not None:
            self._open[1].transport.abort()
            self._open = None

    async def _attempt(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._open is not None:
            try:
                return await self._ask(*self._open, headers, body)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()  # closed while idle: the message was not taken
        self._open = await self._connect()
        return await self._ask(*self._open, headers, body)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target, route = self._target, self._route
        address = await webhook_address.pinned(target, route.resolve, loopback=route.loopback)
        return await asyncio.open_connection(
            address,
            target.port,
            limit=LONGEST_HEAD,
            ssl=route.tls if target.tls else None,
            server_hostname=target.host if target.tls else None,
        )

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        lines = [
            f"POST {self._target.path} HTTP/1.1",
            f"Host: {self._target.authority}",
            "User-Agent: regul",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)
        await writer.drain()
        for _ in range(_INTERIM):
            status, answered = _head(await reader.readuntil(b"\r\n\r\n"))
            if status not in _SWITCHING:
                await self._drain(reader, status, answered)
                return Answer(status=status, retry_after_s=_seconds(answered.get("retry-after")))
        raise ValueError

    async def _drain(
        self, reader: asyncio.StreamReader, status: int, answered: Mapping[str, str]
    ) -> None:
        """Leave the connection fit for the next message, or close it."""
        length = "0" if status == 204 else answered.get("content-length", "")  # noqa: PLR2004
        small = length.isdecimal() and int(length[:9]) <= _LARGEST_DRAINED
        if not small or answered.get("connection", "").lower() == "close":
            self.close()
            return
        await reader.readexactly(int(length))


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    """Read status line and headers.

    Raises:
        ValueError: It is no HTTP/1 answer.
    """
    first, *rest = raw.decode("latin-1").split("\r\n")
    version, _, tail = first.partition(" ")
    if not version.startswith("HTTP/1.") or not tail[:3].isdecimal():
        raise ValueError
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(tail[:3]), headers


def _seconds(text: str | None) -> int:
    """Read Retry-After in seconds; a date is not heeded."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 6 else 0  # noqa: PLR2004
