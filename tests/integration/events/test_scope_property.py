"""Under random actors, wishes, events and changes of rights, nobody receives what is not theirs.

The rule is written here a second time, in Python, from the words of docs/events.md.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from events import catalogue, deliveries, dispatcher, outbox, sequencer, subscriptions
from events.subscriptions import NewSubscription
from kernel import actor, errors, ids
from kernel.actor import Actor, Role
from kernel.database import Database, open_database

SYSTEM = actor.system()
TERRITORIES = tuple(ids.uuid7() for _ in range(2))
ORGANISATIONS = tuple(ids.uuid7() for _ in range(3))
CARE_SERVICES = tuple(ids.uuid7() for _ in range(2))
KINDS = ("case.opened", "availability.published")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber and what it wishes."""

    staff_of: UUID | None
    acts_for: frozenset[UUID]
    kinds: frozenset[str]
    territory: UUID | None
    organisation: UUID | None
    care_service: UUID | None
    acts_for_later: frozenset[UUID]
    active_later: bool


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An event."""

    kind: str
    territory: UUID
    organisations: frozenset[UUID]
    care_service: UUID


def some(values: Sequence[UUID]) -> st.SearchStrategy[frozenset[UUID]]:
    return st.frozensets(st.sampled_from(values))


def maybe(values: Sequence[UUID]) -> st.SearchStrategy[UUID | None]:
    return st.none() | st.none() | st.sampled_from(values)


WISHES = st.builds(
    Wish,
    staff_of=maybe(TERRITORIES),
    acts_for=some(ORGANISATIONS).filter(bool),
    kinds=st.frozensets(st.sampled_from(KINDS), min_size=1),
    territory=maybe(TERRITORIES),
    organisation=maybe(ORGANISATIONS),
    care_service=maybe(CARE_SERVICES),
    acts_for_later=some(ORGANISATIONS).filter(bool),
    active_later=st.booleans(),
)
HAPPENINGS = st.builds(
    Happening,
    kind=st.sampled_from(KINDS),
    territory=st.sampled_from(TERRITORIES),
    organisations=some(ORGANISATIONS),
    care_service=st.sampled_from(CARE_SERVICES),
)


def wished(wish: Wish, event: Happening) -> bool:
    named = event.care_service if event.kind == "availability.published" else None
    return (
        event.kind in wish.kinds
        and wish.territory in {None, event.territory}
        and (wish.organisation is None or wish.organisation in event.organisations)
        and wish.care_service in {None, named}
    )


def allowed(wish: Wish, event: Happening, acts_for: frozenset[UUID]) -> bool:
    if wish.staff_of is not None:
        return wish.staff_of == event.territory
    return bool(acts_for & event.organisations)


class Place:
    """A database that the examples share; each brings subscribers of its own."""

    def __init__(self, app: Database, system: Database) -> None:
        self.app, self.system = app, system
        self.sent = self.withheld = 0

    async def subscriber(self, wish: Wish) -> tuple[Actor, UUID | None]:
        who = Actor(
            id=ids.uuid7(),
            role=Role.PARTNER if wish.staff_of is None else Role.SUPERVISOR,
            territory_id=wish.staff_of,
            organisation_ids=() if wish.staff_of else tuple(sorted(wish.acts_for)),
        )
        async with self.system.transaction(SYSTEM) as tx:
            await tx.execute(
                "insert into kernel.actor (id, role, territory_id, organisation_ids, label)"
                " values ($1, $2, $3, $4, 'x')",
                who.id,
                who.role.value,
                who.territory_id,
                list(who.organisation_ids),
            )
        command = NewSubscription(
            kinds=tuple(sorted(wish.kinds)),
            territory_id=wish.territory,
            organisation_id=wish.organisation,
            care_service_id=wish.care_service,
        )
        try:
            made = await self.app.run(who, lambda tx: subscriptions.create(tx, who, command))
        except errors.Forbidden:
            return who, None
        return who, made.id

    async def happen(self, event: Happening) -> None:
        async with self.system.transaction(SYSTEM) as tx:
            at = await tx.fetchval("select kernel.regul_now()")
            fact: catalogue.Event = catalogue.CaseOpened(complaint="chest_pain")
            if event.kind == "availability.published":
                fact = catalogue.AvailabilityPublished(
                    care_service_id=event.care_service, sequence=1, starts_at=at, ends_at=at
                )
            await outbox.append(
                tx,
                SYSTEM,
                fact,
                aggregate_id=ids.uuid7(),
                territory_id=event.territory,
                organisation_ids=tuple(sorted(event.organisations)),
            )

    async def decide(self) -> None:
        while await sequencer.step(self.system):
            pass
        while await dispatcher.decide_step(self.system):
            pass

    async def change(self, who: Actor, wish: Wish) -> None:
        async with self.system.transaction(SYSTEM) as tx:
            await tx.execute(
                "update kernel.actor set active = $2, organisation_ids = $3 where id = $1",
                who.id,
                wish.active_later,
                [] if wish.staff_of else sorted(wish.acts_for_later),
            )

    async def example(self, wishes: Sequence[Wish], events: Sequence[Happening]) -> None:
        known = [(wish, *await self.subscriber(wish)) for wish in wishes]
        await self.decide()
        for event in events:
            await self.happen(event)
        await self.decide()
        for wish, who, subscription in known:
            if subscription is None:
                assert wish.territory != wish.staff_of or wish.organisation not in wish.acts_for
                continue
            due = [one for one in events if wished(wish, one) and allowed(wish, one, wish.acts_for)]
            await self.change(who, wish)
            async with self.system.transaction(SYSTEM) as tx:
                sent = await deliveries.page(tx, subscription, 0, 200)
            assert [one.number for one in sent] == list(range(1, len(due) + 1))
            for one, event in zip(sent, due, strict=True):
                may = wish.active_later and allowed(wish, event, wish.acts_for_later)
                assert (one.event is not None) == may
                assert one.event is None or one.event.kind == event.kind
                self.sent += may
                self.withheld += not may
            async with self.system.transaction(SYSTEM) as tx:
                await tx.execute(
                    "update events.subscription set active = false where id = $1", subscription
                )


async def opened(dsn: str) -> Place:
    app = await open_database(dsn, "regul_app", 2)
    system = await open_database(dsn, "regul_system", 2)
    async with system.transaction(SYSTEM) as tx:
        for index, one in enumerate(TERRITORIES):
            await tx.execute(
                "insert into kernel.territory values ($1, $2, 'T', 'Europe/Paris', 'FR')"
                " on conflict do nothing",
                one,
                f"T{index}",
            )
    return Place(app, system)


def examined(dsn: str, examples: int) -> Place:
    """Run the property; give what was seen."""
    with asyncio.Runner() as runner:
        place = runner.run(opened(dsn))

        @hypothesis.settings(
            max_examples=examples, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
        )
        @hypothesis.given(
            st.lists(WISHES, min_size=3, max_size=6),
            st.lists(HAPPENINGS, min_size=4, max_size=12),
        )
        def examine(wishes: list[Wish], events: list[Happening]) -> None:
            runner.run(place.example(wishes, events))

        try:
            examine()
        finally:
            runner.run(place.app.close())
            runner.run(place.system.close())
    return place


def test_no_event_is_numbered_or_sent_outside_its_scope(module_dsn: str) -> None:
    place = examined(module_dsn, 40)
    assert place.sent > 30
    assert place.withheld > 30


def test_the_property_notices_a_scope_that_leaks(module_dsn: str) -> None:
    async def change(definition: str) -> str:
        owner = await open_database(module_dsn, "regul_owner", 1)
        async with owner.plain() as connection:
            before = await connection.fetchval(
                "select pg_get_functiondef('events.in_scope'::regproc)"
            )
            await connection.execute(definition)
        await owner.close()
        return str(before)

    kept = asyncio.run(
        change(
            "create or replace function events.in_scope(s events.subscription, o events.outbox)"
            " returns boolean language sql stable as $$ select o.kind = any (s.kinds) $$"
        )
    )
    try:
        with pytest.raises(AssertionError):
            examined(module_dsn, 40)
    finally:
        asyncio.run(change(kept))
