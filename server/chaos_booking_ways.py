"""How a worker of `chaos booking` asks: the use cases in its own process, or the API over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

import msgspec

from kernel import errors
from kernel.database import Tx
from kernel.edge import Edge
from routing import appointments, booking
from routing.appointments import Book, Cancel
from routing.holds import PlaceHold
from server.client import AwayError, Client, RefusedError

_AWAY_S: Final = 1
_PATIENCE_S: Final = 5.0


class Made(msgspec.Struct, frozen=True):
    """What a question made.

    Attributes:
        id: Of the hold or the appointment.
    """

    id: UUID


class ToldError(Exception):
    """The API refused.

    Attributes:
        code: Of the problem.
    """

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


class Ways(Protocol):
    """Three questions, each under the idempotency key of its edge."""

    async def place(self, edge: Edge, command: PlaceHold) -> Made:
        """Hold a place."""

    async def book(self, edge: Edge, command: Book) -> Made:
        """Book a hold."""

    async def cancel(self, edge: Edge, appointment_id: UUID, command: Cancel) -> Made:
        """Call an appointment off."""


class Inside:
    """Asks the use cases as the routes do."""

    async def place(self, edge: Edge, command: PlaceHold) -> Made:
        """Hold a place; refusals are `RegulError`."""
        return Made((await booking.place(edge, command)).id)

    async def book(self, edge: Edge, command: Book) -> Made:
        """Book a hold; refusals are `RegulError`."""
        return Made((await booking.book(edge, command)).id)

    async def cancel(self, edge: Edge, appointment_id: UUID, command: Cancel) -> Made:
        """Call an appointment off; refusals are `RegulError`."""

        async def act(tx: Tx) -> tuple[UUID, Made]:
            gone = await appointments.cancel(tx, edge.actor, appointment_id, command)
            return gone.id, Made(gone.id)

        return await edge.once(act, _made)


class OverHttp:
    """Asks one process of the API."""

    def __init__(self, url: str, tokens: Mapping[UUID, str]) -> None:
        """Prepare; connects at the first question.

        Args:
            url: Of the API's process.
            tokens: API key of each actor.
        """
        self._clients = {
            actor: Client(url, token, patience_s=_PATIENCE_S) for actor, token in tokens.items()
        }

    async def place(self, edge: Edge, command: PlaceHold) -> Made:
        """Hold a place; refusals are `ToldError`."""
        body = {"slot_id": command.slot_id, "disposition_id": command.disposition_id}
        return await self._post(edge, "/api/v1/holds", body)

    async def book(self, edge: Edge, command: Book) -> Made:
        """Book a hold; refusals are `ToldError`."""
        return await self._post(edge, "/api/v1/appointments", {"hold_id": command.hold_id})

    async def cancel(self, edge: Edge, appointment_id: UUID, command: Cancel) -> Made:
        """Call an appointment off; refusals are `ToldError`."""
        path = f"/api/v1/appointments/{appointment_id}/cancel"
        return await self._post(edge, path, {"reason": command.reason})

    async def _post(self, edge: Edge, path: str, body: Mapping[str, object]) -> Made:
        client = self._clients[edge.actor.id]
        try:
            return await client.post(path, body, Made, key=edge.idempotency_key)
        except RefusedError as refusal:
            if refusal.code in _AGAIN:
                raise _away() from None
            raise ToldError(refusal.code) from None
        except AwayError:
            raise _away() from None


_AGAIN: Final = frozenset({"database_away", "database_busy", "row_busy", "idempotency_key_running"})


def _away() -> errors.Unavailable:
    return errors.Unavailable("database_away", "The API did not answer.", _AWAY_S)


async def _made(_: Tx, reference: UUID) -> Made:
    return Made(reference)


def ways(urls: Sequence[str], number: int, actors: Sequence[UUID]) -> Ways:
    """Give how one process asks.

    Args:
        urls: Of the API's processes; none: the use cases themselves.
        number: Of the worker: they are spread over the API's processes.
        actors: Who asks; their API keys are their ids.
    """
    if not urls:
        return Inside()
    return OverHttp(urls[number % len(urls)], {one: str(one) for one in actors})
