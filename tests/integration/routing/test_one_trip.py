"""Holding and booking in one round trip leave what the long way leaves, or nothing at all."""

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from events import catalogue
from kernel import errors, ids
from kernel.actor import Actor, Role
from kernel.edge import Edge
from kernel.settings import Settings
from routing import booking
from routing.appointments import Book
from routing.holds import PlaceHold
from routing.model import Appointment, Hold
from tests.integration.routing.world import OTHER_TERRITORY, TERRITORY, Practice, World

TEXT = "Sonner au deuxième étage, code 42A."
MOMENT = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LEFT = {
    "hold": "select to_jsonb(h) from routing.hold h where case_id = $1 order by id",
    "seat": "select to_jsonb(s) from directory.seat s where claim in"
    " (select id from routing.hold where case_id = $1) order by claim",
    "appointment": "select to_jsonb(a) from routing.appointment a where case_id = $1 order by id",
    "handoff": "select to_jsonb(h) from events.handoff h where case_id = $1 order by id",
    "outbox": "select to_jsonb(o) - 'id' from events.outbox o where case_id = $1 order by id",
    "pending": "select to_jsonb(count(*)) from events.pending p join events.outbox o"
    " on o.id = p.outbox_id where o.case_id = $1",
    "audit": "select to_jsonb(a) - 'id' from kernel.audit a where case_id = $1 order by id",
    "chain": "select to_jsonb(count(*)) from kernel.audit_pending p join kernel.audit a"
    " on a.id = p.audit_id where a.case_id = $1",
    "case": "select to_jsonb(c) - 'opened_at' from triage.case_file c where id = $1",
    "participant": "select to_jsonb(p) from triage.participant p where case_id = $1",
    "waiting": "select to_jsonb(w) from routing.waiting_entry w where case_id = $1",
    "key": "select to_jsonb(i) - 'key' - 'digest' from kernel.idempotency i where reference in"
    " (select id from routing.hold where case_id = $1"
    " union select id from routing.appointment where case_id = $1) order by reference",
}


def edge(world: World, actor: Actor, *, key: str = "", body: bytes = b"{}") -> Edge:
    return Edge(
        actor=actor,
        database=world.database,
        keys=world.keys,
        settings=Settings(),
        idempotency_key=key or str(ids.uuid7()),
        fingerprint=body,
    )


def plain(value: Any, known: set[str], labels: dict[str, str]) -> Any:
    """Take out what differs from one run to the next: fresh ids, moments, ciphertexts."""
    if isinstance(value, dict):
        return {key: plain(one, known, labels) for key, one in sorted(value.items())}
    if isinstance(value, list):
        return [plain(one, known, labels) for one in value]
    if isinstance(value, str):
        if value.startswith("\\x"):
            return "sealed"
        if MOMENT.match(value):
            return "moment"
        return UUIDS.sub(
            lambda m: m[0] if m[0] in known else labels.setdefault(m[0], f"id{len(labels)}"), value
        )
    return value


async def left(world: World, case_id: UUID, known: set[str]) -> dict[str, Any]:
    labels: dict[str, str] = {}
    return {
        name: [
            plain(json.loads(row[0]), known, labels)
            for row in await world.admin.fetch(statement, case_id)
        ]
        for name, statement in LEFT.items()
    }


class Pair:
    """The same thing done both ways, each for a patient of its own."""

    def __init__(self, world: World, at: Practice, actor: Actor) -> None:
        self.world, self.at, self.actor = world, at, actor
        self.known = {
            str(one)
            for one in (
                TERRITORY, world.operator.id, actor.id, at.organisation_id, at.care_service_id,
                at.schedule_id, at.location_id,
            )
        }  # fmt: skip

    async def run(self, *, quick: bool, acuity: str, kind: str, text: str | None) -> Any:
        slot_id = await self.world.slot(self.at, kind=kind)
        decided = await self.world.disposition(acuity)
        asked = edge(self.world, self.actor)
        wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
        way = booking.place_plainly if quick else booking.place_long
        held = await way(asked, wanted)
        assert isinstance(held, Hold)
        before = await left(self.world, decided.case_id, self.known)
        asked = edge(self.world, self.actor)
        command = Book(hold_id=held.id, instructions=text)
        made = await (booking.book_plainly if quick else booking.book_long)(asked, command)
        after = await left(self.world, decided.case_id, self.known)
        return held, before, made, after


def ways() -> Iterator[tuple[str, str, Role, str | None]]:
    yield from itertools.product(("U3", "U5"), ("slot",), (Role.PHYSICIAN, Role.OSNP), (None, TEXT))
    yield "U4", "range", Role.PHYSICIAN, TEXT


@pytest.mark.parametrize(("acuity", "kind", "role", "text"), list(ways()))
async def test_one_trip_leaves_the_rows_that_the_long_way_leaves(
    world: World, acuity: str, kind: str, role: Role, text: str | None
) -> None:
    pair = Pair(world, await world.practice(), await world.actor(role))
    long = await pair.run(quick=False, acuity=acuity, kind=kind, text=text)
    quick = await pair.run(quick=True, acuity=acuity, kind=kind, text=text)
    assert isinstance(long[2], Appointment)
    assert isinstance(quick[2], Appointment), "one trip did nothing"
    assert quick[2].instructions == long[2].instructions == text
    assert quick[1] == long[1], "after the hold"
    assert quick[3] == long[3], "after the booking"
    labels: list[dict[str, str]] = [{}, {}]
    told = [
        plain(json.loads(json.dumps(_told(one[2]))), pair.known, label)
        for one, label in zip((long, quick), labels, strict=True)
    ]
    assert told[0] == told[1]


def _told(made: Appointment) -> dict[str, Any]:
    return {name: str(getattr(made, name)) for name in made.__struct_fields__}


async def test_events_of_one_trip_are_read_as_those_of_the_catalogue(world: World) -> None:
    pair = Pair(world, await world.practice(), world.operator)
    held, _, made, _ = await pair.run(quick=True, acuity="U3", kind="slot", text=None)
    assert isinstance(made, Appointment)
    rows = await world.admin.fetch(
        "select payload from events.outbox where case_id = $1 order by id", made.case_id
    )
    events = [catalogue.decode(row["payload"].encode()) for row in rows]
    placed, booked, requested, delivered = events
    assert isinstance(placed, catalogue.HoldPlaced)
    assert placed.expires_at == held.until
    assert isinstance(booked, catalogue.AppointmentBooked)
    assert booked.starts_at == made.starts_at
    assert isinstance(requested, catalogue.HandoffRequested)
    assert isinstance(delivered, catalogue.HandoffDelivered)


@pytest.mark.parametrize(
    ("acuity", "kind", "ownership"),
    [("U2", "slot", "owned"), ("U3", "overbook", "owned"), ("U3", "slot", "mirrored")],
)
async def test_what_needs_an_answer_is_left_to_the_long_way(
    world: World, acuity: str, kind: str, ownership: str
) -> None:
    at = await world.practice(ownership=ownership)
    pair = Pair(world, at, world.operator)
    _, before, made, after = await pair.run(quick=True, acuity=acuity, kind=kind, text=TEXT)
    assert made is None
    assert after == before


async def test_who_waits_is_placed_the_long_way(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    decided = await world.disposition()
    await world.admin.execute(
        "insert into routing.waiting_entry (id, territory_id, case_id, disposition_id, service,"
        " acuity, owner_id, binding_constraint, deadline) values"
        " ($1, $2, $3, $4, 'general_practice', 'U3', $5, 'no_place', now() + interval '1 hour')",
        ids.uuid7(), TERRITORY, decided.case_id, decided.id, world.operator.id,
    )  # fmt: skip
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    held = await booking.place(edge(world, world.operator), wanted)
    command = Book(hold_id=held.id)
    assert await booking.book_plainly(edge(world, world.operator), command) is None
    assert (await booking.book(edge(world, world.operator), command)).handoff_id is not None
    assert [state for _, state, _ in await world.waits(decided.case_id)] == ["placed"]


async def test_an_operator_does_not_book_in_one_trip_what_no_physician_decided(
    world: World,
) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    await world.admin.execute("alter table triage.disposition disable trigger user")
    await world.admin.execute(
        "update triage.disposition set decided_role = 'osnp' where id = $1", decided.id
    )
    operator = await world.actor(Role.OSNP)
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    held = await booking.place(edge(world, operator), wanted)
    assert await booking.book_plainly(edge(world, operator), Book(hold_id=held.id)) is None
    assert await world.seat(slot_id) == ("held",)


async def test_a_text_is_sealed_with_the_key_that_the_case_has_now(world: World) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    held = await booking.place(edge(world, world.operator), wanted)
    known = await world.keys.create(world.database, TERRITORY)
    await world.admin.execute(
        "update triage.case_file set key_id = $2 where id = $1", decided.case_id, known.id
    )
    command = Book(hold_id=held.id, instructions=TEXT)
    assert await booking.book_plainly(edge(world, world.operator), command) is None
    booked = await booking.book(edge(world, world.operator), command)
    row = await world.admin.fetchrow(
        "select key_id from routing.appointment where id = $1", booked.id
    )
    assert row["key_id"] == known.id


@pytest.mark.parametrize("ended", ["closed", "lapsed"])
async def test_a_closed_case_or_a_lapsed_hold_is_refused_as_ever(world: World, ended: str) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    held = await booking.place(edge(world, world.operator), wanted)
    if ended == "lapsed":
        await world.lapse(held.id)
    else:
        await world.admin.execute(
            "update triage.case_file set state = 'closed', closed_at = now(),"
            " close_outcome = 'seen' where id = $1",
            decided.case_id,
        )
    assert await booking.book_plainly(edge(world, world.operator), Book(hold_id=held.id)) is None
    with pytest.raises(errors.RegulError) as refused:
        await booking.book(edge(world, world.operator), Book(hold_id=held.id))
    assert refused.value.code == {"closed": "case_closed", "lapsed": "hold_expired"}[ended]
    assert await world.admin.fetchval("select count(*) from routing.appointment") == 0


async def test_another_territory_sees_nothing_in_one_trip(world: World) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    stranger = await world.actor(Role.PHYSICIAN, OTHER_TERRITORY)
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    assert await booking.place_plainly(edge(world, stranger), wanted) is None
    held = await booking.place(edge(world, world.operator), wanted)
    assert await booking.book_plainly(edge(world, stranger), Book(hold_id=held.id)) is None
    with pytest.raises(errors.Missing):
        await booking.book(edge(world, stranger), Book(hold_id=held.id))


async def test_a_repetition_gets_the_first_answer_and_another_body_is_refused(
    world: World,
) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    first = await booking.place(edge(world, world.operator, key="k"), wanted)
    again = await booking.place(edge(world, world.operator, key="k"), wanted)
    assert again == first
    with pytest.raises(errors.Invalid) as refused:
        await booking.place(edge(world, world.operator, key="k", body=b"{1}"), wanted)
    assert refused.value.code == "idempotency_key_reused"
    booked = await booking.book(edge(world, world.operator, key="b"), Book(hold_id=first.id))
    twice = await booking.book(edge(world, world.operator, key="b"), Book(hold_id=first.id))
    assert twice == booked
    keyless = msgspec.structs.replace(edge(world, world.operator), idempotency_key=None)
    with pytest.raises(errors.Malformed) as missing:
        await booking.place(keyless, wanted)
    assert missing.value.code == "idempotency_key_missing"


async def test_fifty_who_come_together_on_four_seats_have_four_winners(world: World) -> None:
    slot_id = await world.slot(await world.practice(), kind="range", capacity=4)
    people = [await world.actor(Role.OPERATOR) for _ in range(50)]
    decided = [await world.disposition() for _ in people]
    gathered: list[int] = []
    desk = booking.desk_of(world.database)
    _counting(desk, gathered)
    told = await asyncio.gather(
        *(
            booking.place(edge(world, who), PlaceHold(slot_id=slot_id, disposition_id=one.id))
            for who, one in zip(people, decided, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(one.seat for one in told if isinstance(one, Hold)) == [1, 2, 3, 4]
    refused = [one for one in told if isinstance(one, errors.Conflict)]
    assert {one.code for one in refused} == {"slot_taken"}
    assert len(refused) == 46
    assert max(gathered) > 1, "nobody shared a statement"


async def test_a_hold_booked_twice_in_one_statement_has_one_appointment(world: World) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    held = await booking.place(edge(world, world.operator), wanted)
    told = await asyncio.gather(
        *(booking.book(edge(world, world.operator), Book(hold_id=held.id)) for _ in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Appointment) for one in told) == 1
    codes = {one.code for one in told if isinstance(one, errors.RegulError)}
    assert codes <= {"hold_used", "disposition_placed"}
    assert await world.admin.fetchval("select count(*) from routing.appointment") == 1


async def test_who_goes_away_does_not_undo_what_was_asked(world: World) -> None:
    slot_id, decided = await world.slot(await world.practice()), await world.disposition()
    wanted = PlaceHold(slot_id=slot_id, disposition_id=decided.id)
    task = asyncio.create_task(booking.place(edge(world, world.operator, key="k"), wanted))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held = await booking.place(edge(world, world.operator, key="k"), wanted)
    assert await world.seat(slot_id) == ("held",)
    count = await world.admin.fetchval("select count(*) from routing.hold")
    assert (count, held.slot_id) == (1, slot_id)


def _counting(desk: booking.Desk, gathered: list[int]) -> None:
    act = desk.holding._act

    async def counted(scope: Any, items: Any) -> Any:
        gathered.append(len(items))
        return await act(scope, items)

    desk.holding._act = counted
