"""The relay: copies the feed to the stream FEED, sequence = position, fenced and rebuildable.

FEED has no cursor of its own in PostgreSQL: its last sequence is the cursor. A second or stale
relay is refused by the server (10071), which is no error: both look again and go on from there. A
stream that is gone, emptied, cut short or of another past is made again from PostgreSQL.
"""

from typing import Final

import msgspec

from events import feed, jetstream
from events.jetstream import Bus, BusAway, Outgoing
from events.listening import Bell
from events.model import StoredEvent
from kernel import actor, errors
from kernel.database import Database
from kernel.telemetry import logger

BATCH: Final = 256
SLOWEST_S: Final = 5.0
"""Longest pause between two attempts, and how often an idle relay looks after the stream."""
_FIRST_PAUSE_S: Final = 0.2
_SYSTEM: Final = actor.system()


class Relay:
    """Copies the feed; keeps no state that it can't find out again.

    Attributes:
        position: Last position known to be in FEED, or None when it has to ask.
    """

    def __init__(self, database: Database, bus: Bus) -> None:
        """Prepare; `run` copies.

        Args:
            database: Pool under `regul_system`.
            bus: The connection.
        """
        self._database = database
        self._bus = bus
        self.position: int | None = None
        self._doubt: int | None = None

    async def run(self, bell: Bell) -> None:
        """Copy for as long as the process lives; try again for ever.

        Args:
            bell: Rings when there are new positions.
        """
        pause, idle = _FIRST_PAUSE_S, 0
        while True:
            try:
                moved = await self.step()
            except (BusAway, errors.Unavailable):
                self.position = None
                await bell.wait(pause)
                pause = min(pause * 2, SLOWEST_S)
                continue
            pause = _FIRST_PAUSE_S
            if moved:
                idle = 0
            elif not await bell.wait():
                idle += 1
                if idle >= SLOWEST_S:
                    idle, self.position = 0, None

    async def step(self) -> int:
        """Copy one batch.

        Returns:
            How many events were stored.

        Raises:
            BusAway: NATS did not answer; what was stored is found out at the next step.
            Unavailable: PostgreSQL is away.
        """
        if self.position is None:
            self.position = await self._resume()
        async with self._database.transaction(_SYSTEM) as tx:
            events = await feed.read(tx, self.position, BATCH)
        if not events:
            return 0
        receipts = await self._bus.publish([outgoing(one) for one in events])
        stored = 0
        for event, receipt in zip(events, receipts, strict=True):
            if receipt.refusal or receipt.sequence != event.position:
                self.position, self._doubt = None, event.position
                logger().info("relay.fenced", position=event.position, code=receipt.refusal)
                if receipt.refusal not in {0, jetstream.NOBODY, jetstream.WRONG_LAST_SEQUENCE}:
                    message = f"FEED refuses, code {receipt.refusal}"
                    raise BusAway(message)
                break
            self.position = event.position
            stored += 1
        return stored

    async def _resume(self) -> int:
        """Find the last position that FEED holds; make the stream again when it can't be ours."""
        async with self._database.transaction(_SYSTEM) as tx:
            head = await feed.head(tx)
            first = await feed.retained(tx, jetstream.KEPT_S)
        info = await self._bus.stream(jetstream.FEED)
        if info is None:
            return await self._make(first)
        last = int(info.state.last_seq)
        if last > head or (info.state.messages == 0 and last + 1 < first):
            return await self._make_again(first)
        doubt, self._doubt = self._doubt, None
        looked_at = {last} if doubt is None or doubt > last else {last, doubt}
        if info.state.messages and not all([await self._ours(one) for one in looked_at]):
            return await self._make_again(first)
        return last

    async def _ours(self, position: int) -> bool:
        """Compare one message: the last, and the one that was there when ours was refused."""
        message = await self._bus.message(jetstream.FEED, seq=position)
        async with self._database.transaction(_SYSTEM) as tx:
            event_id = await feed.event_at(tx, position)
        if message is None:
            return True
        return (message.headers or {}).get("Nats-Msg-Id") == str(event_id)

    async def _make_again(self, first: int) -> int:
        await self._bus.drop(jetstream.FEED)
        return await self._make(first)

    async def _make(self, first: int) -> int:
        await self._bus.create(jetstream.FEED, "feed.>", first)
        logger().info("relay.rebuilt", stream=jetstream.FEED, position=first)
        return first - 1


def outgoing(event: StoredEvent) -> Outgoing:
    """Make the message of one event: its whole record, ids and codes only.

    Args:
        event: From PostgreSQL.

    Returns:
        Fenced to its position.
    """
    headers = {"Nats-Msg-Id": str(event.event_id), "ce-epoch": str(event.epoch)}
    return Outgoing(
        subject=f"feed.{event.kind}",
        body=_ENCODER.encode(event),
        headers=jetstream.fenced(headers, "Nats-Expected-Last-Sequence", event.position - 1),
    )


_ENCODER: Final = msgspec.json.Encoder()
