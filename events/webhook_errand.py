"""One claimed webhook: sends what is due to it, in order, and notes what became of it.

Retries follow Standard Webhooks 1.0.0; while a handoff waits they are closer together.
"""

import contextlib
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from events import cloudevents, deliveries, webhook_address, webhook_signing, webhook_store
from events.cloudevents import CloudEvent
from events.deliveries import Delivery
from events.webhook_client import Line, NotDelivered, Route
from events.webhook_store import Due
from kernel import actor, errors, ids
from kernel.crypto import KeyRing
from kernel.database import Database, Tx
from kernel.telemetry import logger

RETRIES_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from a failed attempt to the next; afterwards the webhook is stopped.

Source: Standard Webhooks 1.0.0, retry schedule.
"""
URGENT_S: Final = (5, 10, 10, 15, *RETRIES_S[1:])
"""The same while a handoff is next: five attempts within a minute."""
LONGEST_WISH_S: Final = 86_400
PAGE: Final = 20
FRESH_S: Final = 1.0
"""A page is read again after this time: scope is looked at when an event is sent."""
_GONE: Final = 410
_OK: Final = range(200, 300)
_SYSTEM: Final = actor.system()


class Refused(Exception):
    """The subscriber did not take a message.

    Attributes:
        failure: Code.
        gone: It will never take one.
        wish_s: When it wishes to be asked again, seconds; 0 = it did not say.
    """

    def __init__(self, failure: str, *, gone: bool = False, wish_s: int = 0) -> None:
        """Keep what is known."""
        super().__init__(failure)
        self.failure = failure
        self.gone = gone
        self.wish_s = wish_s


def again_in(attempts: int, wish_s: int, *, urgent: bool) -> float | None:
    """Say when a message is tried again.

    Args:
        attempts: How often it failed, this time included; from 1.
        wish_s: What the subscriber asked for, seconds.
        urgent: A handoff is next.

    Returns:
        Seconds from now; None when there are no attempts left.
    """
    table = URGENT_S if urgent else RETRIES_S
    if attempts > len(table):
        return None
    return float(max(table[attempts - 1], min(wish_s, LONGEST_WISH_S)))


class Errand:
    """What is due to one webhook."""

    def __init__(
        self, database: Database, keys: KeyRing, sender: UUID, due: Due, route: Route
    ) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_system`.
            keys: Makes pseudonyms and signing keys.
            sender: Who claimed it.
            due: What is due.
            route: How connections are made.
        """
        self._database = database
        self._keys = keys
        self._sender = sender
        self._due = due
        self._route = route
        self._confirmed = due.confirmed_number
        self._failing = due.failing
        self._urgent = False
        self._began = time.monotonic()
        generations = [due.key_generation, *([due.key_generation - 1] if due.overlapping else [])]
        self._secrets = [webhook_signing.seed(keys, due.id, one) for one in generations]

    async def run(self) -> bool:
        """Send until nothing is left or the subscriber does not take a message.

        Returns:
            Whether something is due again at once.

        Raises:
            Unavailable: PostgreSQL is away; the claim lapses.
        """
        try:
            target = webhook_address.target(self._due.endpoint, loopback=self._route.loopback)
            with contextlib.closing(Line(target, self._route)) as line:
                await self._send_all(line)
        except Refused as refusal:
            await self._fail(refusal)
            return False
        except errors.Invalid:
            await self._fail(Refused("address_refused"))
            return False
        async with self._database.transaction(_SYSTEM) as tx:
            return await webhook_store.release(tx, self._due, self._sender)

    async def _send_all(self, line: Line) -> None:
        due = self._due
        if due.test_id is not None and not await self._send_sign(
            line, cloudevents.TEST, due.test_id
        ):
            return
        goes_on = True
        while goes_on and (page := await self._page()):
            read = time.monotonic()
            for one in page:
                goes_on = await self._send(line, one)
                if not goes_on or time.monotonic() - read > FRESH_S:
                    break
            if len(page) < PAGE and self._confirmed == page[-1].number:
                return
        if due.beat and goes_on and self._confirmed == due.confirmed_number:
            await self._send_sign(line, cloudevents.HEARTBEAT, ids.uuid7())

    async def _page(self) -> Sequence[Delivery]:
        if self._confirmed >= self._due.last_number:
            return ()
        async with self._database.transaction(_SYSTEM) as tx:
            return await deliveries.page(tx, self._due.id, self._confirmed, PAGE)

    async def _send(self, line: Line, one: Delivery) -> bool:
        """Send one number; False when this sender is to leave off."""
        due = self._due
        self._urgent = one.event is not None and one.event.kind.startswith("handoff.")
        told = cloudevents.of_delivery(one, due.id, due.recipient_id, self._keys)
        await self._post(line, told)
        async with self._database.transaction(_SYSTEM) as tx:
            goes_on = await webhook_store.confirm(tx, due, self._sender, one.number)
            await self._note_recovery(tx)
        self._confirmed = one.number
        return goes_on

    async def _send_sign(self, line: Line, kind: str, event_id: UUID) -> bool:
        due = self._due
        told = cloudevents.sign(
            kind, event_id, due.id, number=self._confirmed, epoch=due.epoch, at=due.now
        )
        await self._post(line, told)
        test_id = event_id if kind == cloudevents.TEST else None
        async with self._database.transaction(_SYSTEM) as tx:
            goes_on = await webhook_store.answered(tx, due, self._sender, test_id)
            await self._note_recovery(tx)
        return goes_on

    async def _post(self, line: Line, told: CloudEvent) -> None:
        body = cloudevents.encode(told)
        signed = webhook_signing.headers(
            self._due.scheme, self._secrets, str(told.id), int(time.time()), body
        )
        self._began = time.monotonic()
        try:
            answer = await line.post(
                {"Content-Type": "application/cloudevents+json", **signed}, body
            )
        except NotDelivered as failure:
            raise Refused(failure.reason) from failure
        if answer.status not in _OK:
            raise Refused(
                f"http_{answer.status}",
                gone=answer.status == _GONE,
                wish_s=answer.retry_after_s,
            )

    async def _note_recovery(self, tx: Tx) -> None:
        if self._failing:
            self._failing = False
            await webhook_store.recover(tx, self._due)

    async def _fail(self, refusal: Refused) -> None:
        due = self._due
        before = due.attempts if self._confirmed == due.confirmed_number else 0
        again_in_s = again_in(before + 1, refusal.wish_s, urgent=self._urgent)
        took_s = time.monotonic() - self._began
        async with self._database.transaction(_SYSTEM) as tx:
            await webhook_store.fail(
                tx, due, self._sender, refusal.failure, took_s=took_s, again_in_s=again_in_s or 0.0
            )
            if refusal.gone or again_in_s is None:
                await webhook_store.stop(tx, due, "gone" if refusal.gone else "given_up")
        logger().warning(
            "webhook.failed",
            subscription_id=str(due.id),
            code=refusal.failure,
            attempt=before + 1,
        )
