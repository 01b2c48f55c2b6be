"""What every use case is called with at the edge: the actor, the database, the keys."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import msgspec

from kernel import idempotency
from kernel.actor import Actor
from kernel.crypto import KeyRing
from kernel.database import Database, Tx
from kernel.settings import Settings

T = TypeVar("T")


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One request or task, made by `server` and handed to the routes of every room.

    Attributes:
        actor: Who asks.
        database: Pool under `regul_app`.
        keys: Opens and seals.
        settings: As read at the start.
        idempotency_key: Value of the header, when there was one.
        fingerprint: Method, path and body of the request as sent.
    """

    actor: Actor
    database: Database
    keys: KeyRing
    settings: Settings
    idempotency_key: str | None = None
    fingerprint: bytes = b""

    async def run(self, act: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a use case in the one transaction of this request.

        Args:
            act: Takes the transaction; must have no effect outside it (it may run twice).

        Returns:
            What the use case gives.
        """
        return await self.database.run(self.actor, act)

    async def once(
        self,
        act: Callable[[Tx], Awaitable[tuple[UUID, T]]],
        again: Callable[[Tx, UUID], Awaitable[T]],
    ) -> T:
        """Run a write that needs an idempotency key; see `kernel.idempotency.once`.

        Args:
            act: The write; gives the id of what it made and the answer.
            again: Reads the answer of a repetition from that id.

        Returns:
            The answer.
        """

        async def guarded(tx: Tx) -> T:
            return await idempotency.once(
                tx, self.actor, self.idempotency_key, self.fingerprint, act=act, again=again
            )

        return await self.run(guarded)

    async def once_if_keyed(
        self,
        act: Callable[[Tx], Awaitable[tuple[UUID, T]]],
        again: Callable[[Tx, UUID], Awaitable[T]],
    ) -> T:
        """Run a write that honours an idempotency key when one is sent, and needs none.

        Args:
            act: The write; gives the id of what it made and the answer.
            again: Reads the answer of a repetition from that id.

        Returns:
            The answer.
        """
        if self.idempotency_key is not None:
            return await self.once(act, again)

        async def unguarded(tx: Tx) -> T:
            return (await act(tx))[1]

        return await self.run(unguarded)
