"""A scripted receiver: the human of every clinic and department, who accepts when asked."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from server import wire
from server.background import beside
from server.client import AwayError, Client, RefusedError

PATH: Final = "/api/v1/handoffs"
LOOK_EVERY_S: Final = 0.4
PAGE: Final = 200
LAG_S: Final = 20.0
"""The list is read again from this far back: a transaction may commit after a younger one."""
ANSWERABLE: Final = frozenset({"requested", "delivered", "seen", "overdue", "escalated", "taken"})
_UUID7_SHIFT: Final = 80


class Receiver:
    """Accepts handoffs that need a human's answer, again and again.

    Attributes:
        accepted: Ids of what it accepted.
    """

    def __init__(self, client: Client) -> None:
        """Begin with nothing accepted.

        Args:
            client: Of the account that acts for the receiving organisations.
        """
        self.accepted: set[UUID] = set()
        self._client = client
        self._after: UUID | None = None

    async def run(self) -> None:
        """Look for ever; a service that is away is asked again."""
        while True:
            with contextlib.suppress(AwayError, RefusedError):
                await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Accept everything that is there now."""
        after = self._after
        while True:
            here = f"{PATH}?limit={PAGE}" + (f"&after={after}" if after else "")
            page = await self._client.get(here, wire.Handoffs)
            for handoff in page.handoffs:
                if handoff.acknowledgement_required and handoff.state in ANSWERABLE:
                    await self._accept(handoff.id)
                if _made_at_s(handoff.id) < time.time() - LAG_S:
                    self._after = handoff.id
            if page.after is None:
                return
            after = page.after

    async def _accept(self, handoff: UUID) -> None:
        with contextlib.suppress(RefusedError):
            await self._client.post(f"{PATH}/{handoff}/acknowledgements", {})
            self.accepted.add(handoff)


@contextlib.asynccontextmanager
async def receiving(client: Client) -> AsyncIterator[Receiver]:
    """Keep a receiver answering while a block runs.

    Args:
        client: Of the account that acts for the receiving organisations.

    Yields:
        The receiver.
    """
    receiver = Receiver(client)
    async with beside(receiver.run()):
        yield receiver


def _made_at_s(identity: UUID) -> float:
    """Give the Unix time inside a UUID version 7, seconds."""
    return (identity.int >> _UUID7_SHIFT) / 1000
