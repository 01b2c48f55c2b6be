"""Followers: the rooms above react to events, each exactly once in effect.

A follower reads positions from PostgreSQL, in order. The reaction, the inbox row and the cursor
commit in one transaction. An event whose reaction keeps failing is parked, with later events of the
same aggregate; everything else goes on. What is parked waits for a human (`parking`), who may have
it tried again.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from events import feed, listening, parking
from events.model import StoredEvent
from kernel import actor, errors
from kernel.database import FAILURES, Database, Tx, translate
from kernel.telemetry import logger

Handler: TypeAlias = Callable[[Tx, StoredEvent], Awaitable[None]]
"""A reaction: runs under `regul_system`, must have no effect outside the transaction."""

TRIES: Final = 5
"""Attempts before an event is parked."""
_FIRST_PAUSE_S: Final = 0.05
_LOOK_S: Final = 1.0
"""How often a busy follower asks whether something parked shall be tried again."""
_SYSTEM: Final = actor.system()


class ReactionFailed(Exception):
    """A reaction raised; its transaction was rolled back.

    Attributes:
        event: What it was given.
        reason: Class or stable code of what it raised.
        again: It was parked before.
    """

    def __init__(self, event: StoredEvent, reason: str) -> None:
        """Keep what failed."""
        super().__init__(reason)
        self.event = event
        self.reason = reason
        self.again = False


async def follow(database: Database, name: str, reactions: Mapping[str, Handler]) -> None:
    """React for as long as the process lives.

    Args:
        database: Pool under `regul_system`.
        name: Of the follower; its cursor and inbox are kept under it. Several processes may run
            the same follower: one at a time reacts.
        reactions: Kind -> reaction; other kinds are passed over.
    """
    follower = Follower(database, name, reactions)
    bell = listening.shared(database).bell()
    while True:
        try:
            moved = await follower.step()
        except errors.Unavailable:
            moved = False
        if not moved:
            await bell.wait()


class Follower:
    """One follower; `follow` keeps it going."""

    def __init__(self, database: Database, name: str, reactions: Mapping[str, Handler]) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_system`.
            name: Of the follower.
            reactions: Kind -> reaction.
        """
        self._database = database
        self._name = name
        self._reactions = reactions
        self._kinds = sorted(reactions)
        self._looked = 0.0

    async def step(self) -> bool:
        """React to the next event; after the last attempt, park it.

        Returns:
            Whether there was something to do.

        Raises:
            Unavailable: The database is away or busy; nothing is parked for that.
        """
        for attempt in range(TRIES):
            try:
                return await self._react()
            except ReactionFailed as failure:
                if attempt == TRIES - 1:
                    await self._park(failure)
                    return True
                await listening.pause(_FIRST_PAUSE_S * 2**attempt)
        return False

    async def _react(self) -> bool:
        async with self._database.transaction(_SYSTEM) as tx:
            after = await self._cursor(tx)
            if after is None:
                return False
            if time.monotonic() - self._looked >= _LOOK_S and await self._react_again(tx):
                return True
            head = await feed.head(tx)
            row = await tx.fetchrow(SELECT_NEXT, after, head, self._kinds)
            if row is None:
                await tx.execute(ADVANCE, self._name, head)
                return False
            event = feed.stored(row)
            await tx.execute(ADVANCE, self._name, event.position)
            if await parking.is_parked(tx, self._name, event.aggregate_id):
                await parking.park(tx, self._name, event, parking.BEHIND)
            else:
                await self._handle(tx, event)
            return True

    async def _react_again(self, tx: Tx) -> bool:
        """Try the oldest parked event that a human asked for; the next look comes in a second."""
        event = await parking.wanted(tx, self._name)
        if event is None:
            self._looked = time.monotonic()
            return False
        try:
            await self._handle(tx, event)
        except ReactionFailed as failure:
            failure.again = True
            raise
        await parking.settle(tx, self._name, event.event_id)
        logger().info("reaction.replayed", worker=self._name, position=event.position)
        return True

    async def _cursor(self, tx: Tx) -> int | None:
        """Lock the cursor; None when another process is at it."""
        if not await tx.fetchval(SELECT_KNOWN, self._name):
            await tx.execute(INSERT_CONSUMER, self._name)
        position: int | None = await tx.fetchval(LOCK_CURSOR, self._name)
        return position

    async def _handle(self, tx: Tx, event: StoredEvent) -> None:
        if await tx.fetchval(INSERT_INBOX, self._name, event.event_id) is None:
            return
        try:
            await self._reactions[event.kind](tx, event)
        except errors.Unavailable:
            raise
        except errors.RegulError as error:
            raise ReactionFailed(event, error.code) from error
        except FAILURES as error:
            meaning = translate(error)
            if isinstance(meaning, errors.Unavailable):
                raise meaning from error
            raise ReactionFailed(event, type(error).__name__) from error
        except Exception as error:
            raise ReactionFailed(event, type(error).__name__) from error

    async def _park(self, failure: ReactionFailed) -> None:
        event = failure.event
        async with self._database.transaction(_SYSTEM) as tx:
            if await self._cursor(tx) is None:
                return
            if failure.again:
                await parking.failed_again(tx, self._name, event, failure.reason)
            else:
                await parking.park(tx, self._name, event, failure.reason)
                await tx.execute(ADVANCE, self._name, event.position)
        logger().error(
            "reaction.parked",
            worker=self._name,
            kind=event.kind,
            event_id=str(event.event_id),
            position=event.position,
            reason=failure.reason,
        )


SELECT_KNOWN: Final = """
select exists (select from events.consumer where name = $1)
"""
INSERT_CONSUMER: Final = """
insert into events.consumer (name) values ($1) on conflict (name) do nothing
"""
LOCK_CURSOR: Final = """
select position from events.consumer where name = $1 for update skip locked
"""
SELECT_NEXT: Final = """
select p.position, p.epoch, o.event_id, o.kind, o.aggregate, o.aggregate_id, o.version,
    o.territory_id, o.case_id, o.organisation_ids, o.actor_id, o.correlation_id, o.occurred_at,
    o.payload
from events.position p join events.outbox o on o.id = p.outbox_id
where p.position > $1 and p.position <= $2 and o.kind = any ($3::text[])
order by p.position limit 1
"""
ADVANCE: Final = """
update events.consumer set position = $2 where name = $1 and position < $2
"""
INSERT_INBOX: Final = """
insert into events.inbox (consumer, event_id) values ($1, $2)
on conflict on constraint inbox_effect_once do nothing
returning true
"""
