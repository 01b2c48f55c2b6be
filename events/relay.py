"""The relay: copies the feed to the stream FEED, sequence = position, fenced and rebuildable.

FEED has no cursor of its own in PostgreSQL: its last sequence is the cursor. A second or stale
relay is refused by the server (10071), which is no error: both look again and go on from there. A
stream that is gone, emptied, cut short, damaged or of another past is made again from PostgreSQL.
One waiting event is published alone; several are stored as one batch, all or nothing.
"""

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from events import feed, jetstream
from events.antientropy import Patrol
from events.jetstream import Bus, BusAway, Outgoing, Receipt
from events.listening import Bell
from events.model import StoredEvent
from kernel import actor, errors
from kernel.database import Database
from kernel.telemetry import logger

BATCH: Final = 500
SLOWEST_S: Final = 5.0
"""Longest pause between two attempts, and how often the relay looks after the stream."""
LOOK_SOON_S: Final = 1.0
"""The same while a server that came back was not seen whole."""
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
        self._patrol = Patrol(bus, jetstream.FEED, self._recorded)
        self._looked = 0.0
        self._at_once = True

    async def run(self, bell: Bell) -> None:
        """Copy for as long as the process lives; try again for ever.

        Args:
            bell: Rings when there are new positions.
        """
        pause = _FIRST_PAUSE_S
        while True:
            try:
                every = LOOK_SOON_S if self._patrol.thorough else SLOWEST_S
                if time.monotonic() - self._looked >= every:
                    self.position, self._at_once = None, True
                moved = await self.step()
            except (BusAway, errors.Unavailable):
                self.position = None
                await bell.wait(pause)
                pause = min(pause * 2, SLOWEST_S)
                continue
            pause = _FIRST_PAUSE_S
            if not moved:
                await bell.wait()

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
        if self._at_once and len(events) > 1:
            return await self._store_whole(events)
        return self._stored(events, await self._bus.publish([outgoing(one) for one in events]))

    async def _store_whole(self, events: Sequence[StoredEvent]) -> int:
        receipt = await self._bus.publish_whole([outgoing(one) for one in events])
        last = events[-1].position
        if not receipt.refusal and receipt.sequence == last:
            self.position = last
            return len(events)
        # A server or stream that takes no batches still takes one after the other.
        self._at_once = receipt.refusal in jetstream.FENCES
        self._fenced(events[0].position, receipt)
        return 0

    def _stored(self, events: Sequence[StoredEvent], receipts: Sequence[Receipt]) -> int:
        for count, (event, receipt) in enumerate(zip(events, receipts, strict=True)):
            if receipt.refusal or receipt.sequence != event.position:
                self._fenced(event.position, receipt)
                if receipt.refusal not in jetstream.FENCES:
                    message = f"FEED refuses, code {receipt.refusal}"
                    raise BusAway(message)
                return count
            self.position = event.position
        return len(events)

    def _fenced(self, position: int, receipt: Receipt) -> None:
        """Ask again where FEED stands: somebody else was there, or it is another stream."""
        self.position = None
        self._patrol.begin_again()
        logger().info("relay.fenced", position=position, code=receipt.refusal)

    async def _resume(self) -> int:
        """Find the last position that FEED holds; make the stream again when it can't be ours."""
        async with self._database.transaction(_SYSTEM) as tx:
            head = await feed.head(tx)
            first = await feed.retained(tx, jetstream.KEPT_S)
        info = await self._bus.stream(jetstream.FEED)
        self._looked = time.monotonic()
        if info is None:
            return await self._make(first)
        last = int(info.state.last_seq)
        another = last > head or (info.state.messages == 0 and last + 1 < first)
        if another or not await self._patrol.look(info):
            return await self._make_again(first)
        await self._bus.settle(info)
        return last

    async def _recorded(self, first: int, last: int) -> dict[int, str]:
        async with self._database.transaction(_SYSTEM) as tx:
            return await feed.ids(tx, first, last)

    async def _make_again(self, first: int) -> int:
        await self._bus.drop(jetstream.FEED)
        return await self._make(first)

    async def _make(self, first: int) -> int:
        self._patrol.begin_again()
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
