"""Anti-entropy: is what a stream holds still what PostgreSQL recorded?

Disks flip bits, and a server that comes back may have kept less than it acknowledged. Each look
compares the newest messages, and walks one page further back, until the whole stream was seen.
Only ids are read; the server checks each record's own hash while reading it, so a damaged one is
missing.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias

from nats.js.api import StreamInfo

from events import streams
from events.jetstream import Bus

PAGE: Final = 1000
"""Messages compared at each look."""
PAGE_AT_FIRST: Final = 10_000
"""The same on the first walk over a server that has just come back: its disk may have suffered."""

ASKED_AGAIN: Final = 20
"""Messages of a page that are asked for one by one when the page came short."""

Recorded: TypeAlias = Callable[[int, int], Awaitable[dict[int, str]]]
"""Gives the recorded ids from one sequence to another, both included."""


class Patrol:
    """Walks one stream, from its newest page back to its oldest, and begins again.

    Attributes:
        thorough: The server came back and the stream was not seen whole since: look every second.
    """

    def __init__(self, bus: Bus, name: str, recorded: Recorded | None = None) -> None:
        """Prepare; `look` compares.

        Args:
            bus: The connection.
            name: The stream.
            recorded: What PostgreSQL has; None looks for holes only.
        """
        self._bus = bus
        self._name = name
        self._recorded = recorded
        self._until: int | None = None
        self._connection = -1
        self.thorough = False

    def begin_again(self) -> None:
        """Compare the newest page at the next look: something was doubtful."""
        self._until = None

    async def look(self, info: StreamInfo) -> bool:
        """Compare one page.

        Args:
            info: The stream as it is now.

        Returns:
            False when a message is missing or is another one than recorded.

        Raises:
            BusAway: NATS did not answer.
            Unavailable: PostgreSQL is away.
        """
        if self._connection != self._bus.connections:
            self._connection, self.thorough, self._until = self._bus.connections, True, None
        if not streams.whole(info):
            return False
        first, last = int(info.state.first_seq), int(info.state.last_seq)
        if info.state.messages == 0:
            self._until, self.thorough = None, False
            return True
        until = last if self._until is None else min(self._until, last)
        since = max(first, until - (PAGE_AT_FIRST if self.thorough else PAGE) + 1)
        self._until = since - 1 if since > first else None
        self.thorough = self.thorough and self._until is not None
        held = await self._bus.ids(self._name, since, until - since + 1)
        if self._recorded is not None:
            recorded = await self._recorded(since, until)
            if any(recorded.get(place) != one for place, one in held.items()):
                return False
        return await self._there(place for place in range(since, until + 1) if place not in held)

    async def _there(self, unread: Iterable[int]) -> bool:
        """Ask for what a page did not show, one by one: a busy server is not a damaged one."""
        for place in itertools.islice(unread, ASKED_AGAIN):
            if not await self._bus.has(self._name, place):
                return False
        return True
