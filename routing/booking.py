"""Holding and booking in one round trip; what is not the plain case goes the long way.

`holds.place` and `appointments.book` are the rule. The functions of migration 0047 do the same for
the plain case in one statement that sets the row policies' scope and does the work, for one caller
or for several that came together. Whatever they leave undone (a repetition, a refusal, a mirrored
diary, an extra place, U0-U2, a need on the waiting list) is asked again the long way, under the
same idempotency key, so that an unknown outcome is settled there too.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from kernel import crypto, errors, idempotency, ids
from kernel.actor import Actor, Role, require
from kernel.database import Database, Tx
from kernel.edge import Edge
from routing import appointments, holds
from routing.appointments import Book
from routing.booking_batch import Gatherer
from routing.holds import PlaceHold
from routing.model import Appointment, Hold

_REMEMBERED: Final = 4096
_DECIDES: Final = frozenset({Role.PHYSICIAN, Role.SYSTEM})
"""Who books whatever the case says; see `triage.entitlement.booking_refusal`."""

_Scope: TypeAlias = tuple[UUID | None, tuple[UUID, ...], float]
"""Territory, organisations, seconds of a hold: what callers of one statement share."""


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One keyed request: who, under which key, with which body."""

    actor: Actor
    key: str
    digest: bytes


class _WantedHold(_Wish, frozen=True, kw_only=True):
    """A hold as it is asked for."""

    command: PlaceHold


class _WantedBooking(_Wish, frozen=True, kw_only=True):
    """A booking as it is asked for, its text sealed."""

    hold_id: UUID
    appointment_id: UUID
    key_id: UUID | None
    sealed: bytes | None


class Desk:
    """What one process asks of one database: those who hold and those who book."""

    def __init__(self, database: Database) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_app`.
        """
        self._database = database
        self._case_keys: OrderedDict[UUID, UUID] = OrderedDict()
        self.holding: Gatherer[_Scope, _WantedHold, Hold] = Gatherer(self._hold)
        self.booking: Gatherer[_Scope, _WantedBooking, Appointment] = Gatherer(self._book)

    def case_key(self, hold_id: UUID) -> UUID | None:
        """Give the key of the case of a hold that was placed here lately."""
        return self._case_keys.get(hold_id)

    async def _hold(self, scope: _Scope, wishes: Sequence[_WantedHold]) -> Mapping[int, Hold]:
        territory, organisations, hold_s = scope
        async with self._database.plain() as connection:
            rows = await connection.fetch(
                HOLD_PLAIN,
                territory,
                list(organisations),
                timedelta(seconds=hold_s),
                [one.actor.id for one in wishes],
                [one.key for one in wishes],
                [one.digest for one in wishes],
                [ids.uuid7() for _ in wishes],
                [ids.uuid7() for _ in wishes],
                [one.command.slot_id for one in wishes],
                [one.command.disposition_id for one in wishes],
                [one.command.offer_id for one in wishes],
                [one.actor.correlation_id for one in wishes],
                [one.actor.request_id for one in wishes],
            )
        self._database.on_commit()
        made: dict[int, Hold] = {}
        for row in rows:
            fields = dict(row)
            key_id, number = fields.pop("key_id"), fields.pop("item")
            made[number - 1] = held = msgspec.convert(fields, Hold)
            if key_id is not None:
                self._remember(held.id, key_id)
        return made

    def _remember(self, hold_id: UUID, key_id: UUID) -> None:
        self._case_keys[hold_id] = key_id
        while len(self._case_keys) > _REMEMBERED:
            self._case_keys.popitem(last=False)

    async def _book(
        self, scope: _Scope, wishes: Sequence[_WantedBooking]
    ) -> Mapping[int, Appointment]:
        territory, organisations, _ = scope
        fresh = [[ids.uuid7() for _ in wishes] for _ in range(4)]
        async with self._database.plain() as connection:
            rows = await connection.fetch(
                BOOK_PLAIN,
                territory,
                list(organisations),
                [one.actor.id for one in wishes],
                [one.actor.role in _DECIDES for one in wishes],
                [one.key for one in wishes],
                [one.digest for one in wishes],
                [one.hold_id for one in wishes],
                [one.appointment_id for one in wishes],
                *fresh,
                [one.key_id for one in wishes],
                [one.sealed for one in wishes],
                [one.actor.correlation_id for one in wishes],
                [one.actor.request_id for one in wishes],
            )
        self._database.on_commit()
        made: dict[int, Appointment] = {}
        for row in rows:
            fields = dict(row)
            made[fields.pop("item") - 1] = msgspec.convert(fields, Appointment)
        return made


_DESKS: WeakKeyDictionary[Database, Desk] = WeakKeyDictionary()


def desk_of(database: Database) -> Desk:
    """Give the desk of a database's pool, the same for all requests of the process.

    Args:
        database: Pool under `regul_app`.
    """
    found = _DESKS.get(database)
    if found is None:
        _DESKS[database] = found = Desk(database)
    return found


async def place(edge: Edge, command: PlaceHold) -> Hold:
    """Claim a seat for a limited time, in one round trip where it is plain.

    Args:
        edge: The request, with its idempotency key.
        command: Which seat.

    Returns:
        The hold.

    Raises:
        RegulError: As `holds.place` and `kernel.idempotency.once`.
    """
    held = await place_plainly(edge, command)
    return held or await place_long(edge, command)


async def place_plainly(edge: Edge, command: PlaceHold) -> Hold | None:
    """Claim a seat in one round trip.

    Args:
        edge: The request, with its idempotency key.
        command: Which seat.

    Returns:
        The hold; None where nothing was left behind, or nobody knows.

    Raises:
        Forbidden: `action_not_allowed`.
    """
    require(edge.actor, "hold.place")
    if not idempotency.usable(edge.idempotency_key):
        return None
    wish = _WantedHold(
        actor=edge.actor, key=edge.idempotency_key, digest=_digest(edge), command=command
    )
    scope = (edge.actor.territory_id, edge.actor.organisation_ids, float(edge.settings.hold_s))
    return await desk_of(edge.database).holding.submit(scope, wish)


async def book(edge: Edge, command: Book) -> Appointment:
    """Turn a live hold into an appointment, in one round trip where it is plain.

    Args:
        edge: The request, with its idempotency key.
        command: Which hold, and what the receiver must know.

    Returns:
        The appointment.

    Raises:
        RegulError: As `appointments.book` and `kernel.idempotency.once`.
    """
    booked = await book_plainly(edge, command)
    return booked or await book_long(edge, command)


async def book_plainly(edge: Edge, command: Book) -> Appointment | None:
    """Turn a live hold into an appointment in one round trip.

    Args:
        edge: The request, with its idempotency key.
        command: Which hold, and what the receiver must know.

    Returns:
        The appointment; None where nothing was left behind, or nobody knows.

    Raises:
        Forbidden: `action_not_allowed`.
    """
    require(edge.actor, "appointment.book")
    if not idempotency.usable(edge.idempotency_key):
        return None
    desk = desk_of(edge.database)
    appointment_id, key_id, sealed = ids.uuid7(), None, None
    if command.instructions:
        key_id = desk.case_key(command.hold_id)
        key = None if key_id is None else await _key(edge, key_id)
        if key is None:
            return None
        sealed = crypto.seal(key, appointments.INSTRUCTIONS, appointment_id, command.instructions)
    wish = _WantedBooking(
        actor=edge.actor, key=edge.idempotency_key, digest=_digest(edge),
        hold_id=command.hold_id, appointment_id=appointment_id, key_id=key_id, sealed=sealed,
    )  # fmt: skip
    scope = (edge.actor.territory_id, edge.actor.organisation_ids, 0.0)
    booked = await desk.booking.submit(scope, wish)
    if booked is None:
        return None
    return msgspec.structs.replace(booked, instructions=command.instructions)


async def _key(edge: Edge, key_id: UUID) -> crypto.DataKey | None:
    """Open a case's key; nearly always it is open, as its case was opened here."""
    known = edge.keys.opened(key_id)
    if known is not None:
        return known
    try:
        async with edge.database.plain() as connection:
            return await edge.keys.open_key(connection, key_id)
    except errors.RegulError:
        return None


def _digest(edge: Edge) -> bytes:
    return hashlib.sha256(edge.fingerprint).digest()


async def place_long(edge: Edge, command: PlaceHold) -> Hold:
    """Claim a seat the long way, which is the rule; see `holds.place`."""

    async def act(tx: Tx) -> tuple[UUID, Hold]:
        held = await holds.place(tx, edge.actor, command, hold_s=edge.settings.hold_s)
        return held.id, held

    return await edge.once(act, holds.get)


async def book_long(edge: Edge, command: Book) -> Appointment:
    """Turn a live hold into an appointment the long way; see `appointments.book`."""

    async def act(tx: Tx) -> tuple[UUID, Appointment]:
        booked = await appointments.book(tx, edge.actor, command, edge.keys)
        return booked.id, booked

    return await edge.once(
        act, lambda tx, found: appointments.get(tx, edge.actor, found, edge.keys)
    )


HOLD_PLAIN: Final = """
select item, id, slot_id, seat, actor_id, disposition_id, case_id, territory_id, care_service_id,
    acuity, state, until, extended, offer_id, key_id
from routing.hold_plain($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
BOOK_PLAIN: Final = """
select item, id, claim, case_id, disposition_id, territory_id, organisation_id, care_service_id,
    location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at, booked_by,
    booked_at, handoff_id, cancel_reason
from routing.book_plain($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
