"""The dispatcher: decides in PostgreSQL who receives what, numbers it, and publishes it to OUT.

Deciding is one transaction a batch, serialised by the dispatcher's cursor row: delivery rows and
the cursor commit together, so an event is numbered once for each subscription and no number is
missing. Publishing follows what OUT holds, fenced per subject: two dispatchers can't double or
reorder, and an OUT that was wiped is filled again.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from events import cloudevents, deliveries, jetstream
from events.deliveries import Outlet
from events.jetstream import OUT, Bus, BusAway, Outgoing
from events.listening import Bell
from kernel import actor, errors
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.telemetry import logger

BATCH: Final = 500
AT_ONCE: Final = 16
"""Subscriptions published to at the same time."""
PAGE: Final = 100
LOOK_S: Final = 5
"""How often an idle dispatcher looks after OUT."""
_FIRST_PAUSE_S: Final = 0.2
_SLOWEST_S: Final = 5.0
_SYSTEM: Final = actor.system()


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far OUT is for one subscription.

    Attributes:
        number: Last number in OUT.
        sequence: Its place in the stream; 0 when the subject is empty.
    """

    number: int
    sequence: int


async def decide(database: Database, bell: Bell, decided: Bell) -> None:
    """Decide for as long as the process lives.

    Args:
        database: Pool under `regul_system`.
        bell: Rings when there are new positions.
        decided: Rung when there is something to publish.
    """
    while True:
        if await decide_step(database):
            decided.ring()
        else:
            await bell.wait()


async def decide_step(database: Database) -> int:
    """Decide who receives the next positions.

    Args:
        database: Pool under `regul_system`.

    Returns:
        How many positions were decided; 0 when there are none or another process is at it.
    """
    async with database.transaction(_SYSTEM) as tx:
        return await deliveries.decide(tx, BATCH)


class Publisher:
    """Publishes delivery rows to OUT; finds out from OUT where it stands."""

    def __init__(self, database: Database, bus: Bus, keys: KeyRing) -> None:
        """Prepare; `run` publishes.

        Args:
            database: Pool under `regul_system`.
            bus: The connection.
            keys: Makes pseudonyms.
        """
        self._database = database
        self._bus = bus
        self._keys = keys
        self._marks: dict[UUID, Mark] = {}
        self._consumers: set[UUID] = set()
        self._created: object = None

    async def run(self, bell: Bell) -> None:
        """Publish for as long as the process lives; try again for ever.

        Args:
            bell: Rings when something was decided.
        """
        pause, idle = _FIRST_PAUSE_S, LOOK_S
        while True:
            try:
                if idle >= LOOK_S:
                    idle = 0
                    await self.look()
                moved = await self.step()
            except (BusAway, errors.Unavailable):
                idle = LOOK_S
                await bell.wait(pause)
                pause = min(pause * 2, _SLOWEST_S)
                continue
            pause = _FIRST_PAUSE_S
            if not moved and not await bell.wait():
                idle += 1

    async def look(self) -> None:
        """Look after OUT: make it when it is gone, forget what was known of a former one.

        Raises:
            BusAway: NATS did not answer.
        """
        info = await self._bus.stream(OUT)
        if info is None:
            await self._bus.create(OUT, "out.*", 1)
            logger().info("relay.rebuilt", stream=OUT)
            info = await self._bus.stream(OUT)
        created = None if info is None else info.created
        if created != self._created:
            self._marks.clear()
        self._created = created
        self._consumers.clear()

    async def step(self) -> int:
        """Publish what OUT lacks, for all subscriptions.

        Returns:
            How many messages were stored.

        Raises:
            BusAway: NATS did not answer.
            Unavailable: PostgreSQL is away.
        """
        async with self._database.transaction(_SYSTEM) as tx:
            outlets = await deliveries.outlets(tx)
        due = [one for one in outlets if self._is_due(one)]
        moved = 0
        for start in range(0, len(due), AT_ONCE):
            several = due[start : start + AT_ONCE]
            counts = await asyncio.gather(*(self._serve(one) for one in several))
            moved += sum(counts)
        return moved

    def _is_due(self, outlet: Outlet) -> bool:
        mark = self._marks.get(outlet.id)
        return outlet.id not in self._consumers or mark is None or mark.number < outlet.last_number

    async def _serve(self, outlet: Outlet) -> int:
        if outlet.id not in self._consumers:
            await self._bus.ensure_consumer(str(outlet.id))
            self._consumers.add(outlet.id)
        mark = self._marks.get(outlet.id)
        if mark is None:
            mark = await self._resume(outlet)
            self._marks[outlet.id] = mark
        if mark.number >= outlet.last_number:
            return 0
        async with self._database.transaction(_SYSTEM) as tx:
            page = await deliveries.page(tx, outlet.id, mark.number, PAGE)
        return await self._publish(outlet, mark, page)

    async def _publish(
        self, outlet: Outlet, mark: Mark, page: Sequence[deliveries.Delivery]
    ) -> int:
        """Publish in order, one by one: the fence is the sequence of the one before."""
        stored = 0
        for one in page:
            message = self._message(outlet, mark, one)
            (receipt,) = await self._bus.publish([message])
            if receipt.refusal:
                self._marks.pop(outlet.id, None)
                logger().info(
                    "dispatcher.fenced", subscription_id=str(outlet.id), code=receipt.refusal
                )
                if receipt.refusal == jetstream.WRONG_LAST_SEQUENCE:
                    return stored
                why = f"OUT refuses, code {receipt.refusal}"
                raise BusAway(why)
            mark = Mark(number=one.number, sequence=receipt.sequence)
            self._marks[outlet.id] = mark
            stored += 1
        return stored

    def _message(self, outlet: Outlet, mark: Mark, one: deliveries.Delivery) -> Outgoing:
        cloud_event = cloudevents.of_delivery(one, outlet.id, outlet.recipient_id, self._keys)
        headers = {
            "Nats-Msg-Id": f"{outlet.id}:{one.number}",
            "ce-id": str(cloud_event.id),
            "content-type": "application/cloudevents+json",
        }
        return Outgoing(
            subject=f"out.{outlet.id}",
            body=cloudevents.encode(cloud_event),
            headers=jetstream.fenced(headers, "Nats-Expected-Last-Subject-Sequence", mark.sequence),
        )

    async def _resume(self, outlet: Outlet) -> Mark:
        """Ask OUT for the last message of the subject; an empty one is filled with what is kept."""
        last = await self._bus.message(OUT, subject=f"out.{outlet.id}")
        if last is None or last.seq is None:
            async with self._database.transaction(_SYSTEM) as tx:
                number = await deliveries.before_kept(tx, outlet.id, jetstream.KEPT_S)
            return Mark(number=number, sequence=0)
        headers = last.headers or {}
        number = int(headers.get("Nats-Msg-Id", "").rpartition(":")[2])
        async with self._database.transaction(_SYSTEM) as tx:
            ours = await deliveries.event_at(tx, outlet.id, number)
        if headers.get("ce-id") != str(ours) and headers.get("ce-id") != str(
            cloudevents.withheld_id(outlet.id, number)
        ):
            await self._bus.drop(OUT)
            why = "OUT tells of another past"
            raise BusAway(why)
        return Mark(number=number, sequence=last.seq)
