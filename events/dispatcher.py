"""The dispatcher: decides in PostgreSQL who receives what, numbers it, and publishes it to OUT.

Deciding is one transaction a batch, serialised by the dispatcher's cursor row: delivery rows and
the cursor commit together, so an event is numbered once for each subscription and no number is
missing. Publishing follows what OUT holds, fenced per subject: two dispatchers can't double or
reorder, and an OUT that was wiped is filled again.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from events import cloudevents, consumers, deliveries, jetstream, listening
from events.antientropy import Patrol
from events.deliveries import Outlet
from events.jetstream import OUT, Bus, BusAway, Outgoing
from events.listening import Bell
from kernel import actor, errors, ids
from kernel.crypto import KeyRing
from kernel.database import Database
from kernel.telemetry import logger

BATCH: Final = 500
AT_ONCE: Final = 16
"""Subscriptions published to at the same time."""
PAGE: Final = 100
LOOK_S: Final = 5
"""How often a dispatcher looks after OUT and its consumers."""
WATCH_S: Final = 2.0
"""How often it is noted how far subscribers are."""
NUMBER: Final = "Regul-Number"
LAST: Final = "Regul-Last"
"""Headers of a message without a number of its own: the last number before it, and its event."""
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


async def decide(database: Database, bell: Bell, *decided: Bell) -> None:
    """Decide for as long as the process lives.

    Args:
        database: Pool under `regul_system`.
        bell: Rings when there are new positions.
        *decided: Rung when there is something to send.
    """
    while True:
        if await decide_step(database):
            for one in decided:
                one.ring()
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
        self._seen: object = None
        self._patrol = Patrol(bus, OUT)
        self._looked = 0.0
        self._published: dict[UUID, datetime] = {}
        self._told: dict[UUID, tuple[int, int]] = {}

    async def run(self, bell: Bell) -> None:
        """Publish for as long as the process lives; try again for ever.

        Args:
            bell: Rings when something was decided.
        """
        pause = _FIRST_PAUSE_S
        while True:
            try:
                if time.monotonic() - self._looked >= (1 if self._patrol.thorough else LOOK_S):
                    await self.look()
                    self._looked = time.monotonic()
                moved = await self.step()
            except (BusAway, errors.Unavailable):
                self._looked = 0.0
                await bell.wait(pause)
                pause = min(pause * 2, _SLOWEST_S)
                continue
            pause = _FIRST_PAUSE_S
            if not moved:
                await bell.wait()

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
        if info is not None and not await self._patrol.look(info):
            await self._bus.drop(OUT)
            why = "OUT is damaged"
            raise BusAway(why)
        if info is not None:
            await self._bus.settle(info)
        # A server that came back may have kept less than it acknowledged.
        seen = (self._bus.connections, None if info is None else info.created)
        if seen != self._seen:
            self._marks.clear()
        self._seen = seen
        self._consumers.clear()
        await self._revoke()

    async def step(self) -> int:
        """Publish what OUT lacks, for all subscriptions.

        Returns:
            How many messages were stored.

        Raises:
            BusAway: NATS did not answer.
            Unavailable: PostgreSQL is away.
        """
        outlets = await self._outlets()
        for gone in self._consumers.difference([one.id for one in outlets]):
            await consumers.remove(self._bus, gone)
            self._consumers.discard(gone)
            self._marks.pop(gone, None)
        due = [one for one in outlets if self._is_due(one)]
        moved = 0
        for start in range(0, len(due), AT_ONCE):
            several = due[start : start + AT_ONCE]
            counts = await asyncio.gather(*(self._serve(one) for one in several))
            moved += sum(counts)
        return moved

    async def watch(self) -> None:
        """Note how far subscribers are, and send heartbeats, for as long as the process lives."""
        while True:
            await listening.pause(WATCH_S)
            with contextlib.suppress(BusAway, errors.Unavailable):
                await self.observe()

    async def observe(self) -> None:
        """Ask NATS once what each subscriber has acknowledged; tell the silent ones we live.

        Raises:
            BusAway: NATS did not answer.
            Unavailable: PostgreSQL is away.
        """
        found: dict[UUID, tuple[int, int]] = {}
        for outlet in await self._outlets():
            mark = self._marks.get(outlet.id)
            if mark is None or outlet.id not in self._consumers:
                continue
            await self._beat(outlet, mark)
            owed = await consumers.unacknowledged(self._bus, outlet.id)
            confirmed = max(0, mark.number - owed.waiting - owed.pulled)
            if self._told.get(outlet.id) != (mark.number, confirmed):
                found[outlet.id] = (mark.number, confirmed)
        if found:
            numbers = list(zip(*found.values(), strict=True))
            async with self._database.transaction(_SYSTEM) as tx:
                await deliveries.note_sent(tx, list(found), *numbers)
            self._told.update(found)

    async def _beat(self, outlet: Outlet, mark: Mark) -> None:
        """Tell the private inbox; nothing is stored, so a heartbeat is for who listens now."""
        last = self._published.setdefault(outlet.id, outlet.now)
        beat = outlet.heartbeat_s
        if beat is None or outlet.paused or outlet.now - last < timedelta(seconds=beat):
            return
        self._published[outlet.id] = outlet.now
        told = cloudevents.sign(
            cloudevents.HEARTBEAT,
            ids.uuid7(),
            outlet.id,
            number=mark.number,
            epoch=outlet.epoch,
            at=outlet.now,
        )
        client = await self._bus.client()
        for name in (outlet.id, outlet.actor_id):
            subject = f"_INBOX_{name}.heartbeat.{outlet.id}"
            await client.publish(subject, cloudevents.encode(told))

    async def _outlets(self) -> Sequence[Outlet]:
        async with self._database.transaction(_SYSTEM) as tx:
            return await deliveries.outlets(tx)

    async def _revoke(self) -> None:
        """Take away the consumers of who may no longer pull; listed before asking who may."""
        found = await consumers.names(self._bus)
        wanted = {one.id for one in await self._outlets()}
        for one in found:
            if one not in wanted:
                await consumers.remove(self._bus, one)
                logger().info("subscription.revoked", subscription_id=str(one))

    def _is_due(self, outlet: Outlet) -> bool:
        mark = self._marks.get(outlet.id)
        if outlet.id not in self._consumers or mark is None:
            return True
        wished = outlet.test_id is not None or outlet.replay_after is not None
        return not outlet.paused and (wished or mark.number < outlet.last_number)

    async def _serve(self, outlet: Outlet) -> int:
        if outlet.id not in self._consumers:
            await consumers.ensure(self._bus, outlet.id)
            self._consumers.add(outlet.id)
        mark = self._marks.get(outlet.id)
        if mark is None:
            mark = await self._resume(outlet)
            self._marks[outlet.id] = mark
        if outlet.paused:
            return 0
        if outlet.replay_after is not None:
            await self._replay(outlet, outlet.replay_after)
        if outlet.test_id is not None:
            mark = await self._test(outlet, mark, outlet.test_id)
        if mark.number >= outlet.last_number:
            return 0
        async with self._database.transaction(_SYSTEM) as tx:
            page = await deliveries.page(tx, outlet.id, mark.number, PAGE)
        return await self._publish(outlet, mark, page)

    async def _publish(
        self, outlet: Outlet, mark: Mark, page: Sequence[deliveries.Delivery]
    ) -> int:
        """Publish a page in order, all or nothing: the fence is the sequence of the one before."""
        if not page:
            return 0
        messages = [self._message(outlet, mark, one) for one in page]
        receipt = await self._bus.publish_whole(messages)
        if receipt.refusal:
            self._marks.pop(outlet.id, None)
            logger().info("dispatcher.fenced", subscription_id=str(outlet.id), code=receipt.refusal)
            if receipt.refusal in jetstream.FENCES - {jetstream.NOBODY}:
                return 0
            why = f"OUT refuses, code {receipt.refusal}"
            raise BusAway(why)
        self._marks[outlet.id] = Mark(number=page[-1].number, sequence=receipt.sequence)
        self._published[outlet.id] = outlet.now
        return len(page)

    async def _replay(self, outlet: Outlet, after: int) -> None:
        since = outlet.now if after >= outlet.last_number else outlet.replay_since
        await consumers.restart(self._bus, outlet.id, since)
        async with self._database.transaction(_SYSTEM) as tx:
            await deliveries.settle_replay(tx, outlet.id, after)

    async def _test(self, outlet: Outlet, mark: Mark, test_id: UUID) -> Mark:
        """Publish a test event behind the last number; fenced like any other message."""
        told = cloudevents.sign(
            cloudevents.TEST,
            test_id,
            outlet.id,
            number=mark.number,
            epoch=outlet.epoch,
            at=outlet.now,
        )
        async with self._database.transaction(_SYSTEM) as tx:
            last_id = await deliveries.event_at(tx, outlet.id, mark.number)
        headers = {
            "Nats-Msg-Id": f"{outlet.id}:test:{test_id}",
            NUMBER: str(mark.number),
            LAST: str(last_id or cloudevents.withheld_id(outlet.id, mark.number)),
            "ce-id": str(test_id),
            "content-type": "application/cloudevents+json",
        }
        message = Outgoing(
            subject=f"out.{outlet.id}",
            body=cloudevents.encode(told),
            headers=jetstream.fenced(headers, "Nats-Expected-Last-Subject-Sequence", mark.sequence),
        )
        (receipt,) = await self._bus.publish([message])
        if receipt.refusal:
            self._marks.pop(outlet.id, None)
            why = f"OUT refuses, code {receipt.refusal}"
            raise BusAway(why)
        mark = Mark(number=mark.number, sequence=receipt.sequence)
        self._marks[outlet.id] = mark
        async with self._database.transaction(_SYSTEM) as tx:
            await deliveries.settle_test(tx, outlet.id, test_id)
        return mark

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
        number = int(headers.get(NUMBER) or headers.get("Nats-Msg-Id", "").rpartition(":")[2])
        async with self._database.transaction(_SYSTEM) as tx:
            ours = await deliveries.event_at(tx, outlet.id, number)
        told = headers.get(LAST) or headers.get("ce-id")
        if told not in {str(ours), str(cloudevents.withheld_id(outlet.id, number))}:
            await self._bus.drop(OUT)
            why = "OUT tells of another past"
            raise BusAway(why)
        return Mark(number=number, sequence=last.seq)
