"""Each subscription has gapless numbers of its own and sees nothing outside its scope."""

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID

import msgspec
import nats
import pytest

from events import catalogue, deliveries, dispatcher, outbox, sequencer, subscriptions
from events.dispatcher import Publisher
from events.jetstream import OUT, Bus, BusAway
from events.subscriptions import NewSubscription, Subscription
from kernel import actor, errors, ids
from kernel.actor import Actor
from kernel.crypto import KeyRing
from kernel.database import Database
from tests.integration.events.world import World, append_case

SYSTEM = actor.system()
KINDS = ("case.opened", "availability.published")


class Received(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    type: str
    number: int
    subject: str = ""


async def subscribe(database: Database, who: Actor, **wish: object) -> Subscription:
    command = msgspec.convert({"kinds": KINDS, **wish}, NewSubscription)
    return await database.run(who, lambda tx: subscriptions.create(tx, who, command))


async def decide_all(system_database: Database) -> None:
    while await sequencer.step(system_database):
        pass
    while await dispatcher.decide_step(system_database):
        pass


async def publish_all(publisher: Publisher) -> None:
    await publisher.look()
    while await publisher.step():
        pass


async def own_events(
    database: Database, who: Actor, subscription: Subscription, keys: KeyRing
) -> Sequence[Received]:
    """Read from PostgreSQL what the subscriber gets."""
    found = await database.run(
        who,
        lambda tx: subscriptions.events(tx, who, subscription.id, keys, after=0, limit=200),
    )
    return msgspec.convert(msgspec.to_builtins(found), list[Received])


async def in_stream(nats_url: str, subscription: Subscription) -> Sequence[Received]:
    """Read from OUT what the subscriber gets."""
    connection = await nats.connect(nats_url)
    try:
        context = connection.jetstream()
        pull = await context.pull_subscribe(f"out.{subscription.id}", stream=OUT)
        found: list[Received] = []
        while waiting := (await pull.consumer_info()).num_pending:
            for message in await pull.fetch(min(100, waiting), timeout=60):
                found.append(msgspec.json.decode(message.data, type=Received))
                await message.ack()
        return found
    finally:
        await connection.close()


async def append_availability(
    database: Database, world: World, organisation: UUID, care_service: UUID
) -> None:
    async with database.transaction(world.physician) as tx:
        at = await tx.fetchval("select kernel.regul_now()")
        await outbox.append(
            tx,
            world.physician,
            catalogue.AvailabilityPublished(
                care_service_id=care_service, sequence=1, starts_at=at, ends_at=at
            ),
            aggregate_id=ids.uuid7(),
            territory_id=world.territory_id,
            organisation_ids=(organisation,),
        )


async def test_numbers_are_gapless_and_given_once_with_several_dispatchers(
    database: Database, system_database: Database, world: World, keys: KeyRing
) -> None:
    mine = await subscribe(database, world.partner)
    everything = await subscribe(database, world.supervisor)
    stop = asyncio.Event()

    async def dispatch() -> None:
        while not stop.is_set():
            await sequencer.step(system_database)
            if not await dispatcher.decide_step(system_database):
                await asyncio.sleep(0)

    running = [asyncio.create_task(dispatch()) for _ in range(3)]
    for index in range(60):
        await append_case(database, world, organisations=(world.organisations[index % 2],))
    stop.set()
    await asyncio.gather(*running)
    await decide_all(system_database)

    own = await own_events(database, world.partner, mine, keys)
    all_of_them = await own_events(database, world.supervisor, everything, keys)
    assert [one.number for one in own] == list(range(1, 31))
    assert [one.number for one in all_of_them] == list(range(1, 61))
    assert len({one.id for one in all_of_them}) == 60


async def test_no_event_is_delivered_outside_its_scope(
    database: Database, system_database: Database, world: World
) -> None:
    chance = random.Random(11)
    care_services = [ids.uuid7() for _ in range(3)]
    for who in (world.partner, world.other_partner, world.supervisor, world.clinic):
        for _ in range(6):
            wish: dict[str, object] = {"kinds": chance.sample(KINDS, chance.randint(1, 2))}
            if chance.random() < 0.4:
                wish["care_service_id"] = chance.choice(care_services)
            if chance.random() < 0.4:
                wish["organisation_id"] = (who.organisation_ids or world.organisations)[0]
            if chance.random() < 0.3:
                wish["territory_id"] = world.territory_id
            await subscribe(database, who, **wish)
    for _ in range(60):
        organisation = chance.choice((*world.organisations, ids.uuid7()))
        if chance.random() < 0.5:
            await append_case(database, world, organisations=(organisation,))
        else:
            await append_availability(database, world, organisation, chance.choice(care_services))
    await decide_all(system_database)

    async with system_database.transaction(SYSTEM) as tx:
        rows = await tx.fetch(
            "select s.kinds, s.territory_id, s.organisation_id, s.care_service_id, a.territory_id"
            " as staff_of, a.organisation_ids as acts_for, o.kind, o.territory_id as happened_in,"
            " o.organisation_ids, o.payload::json->>'care_service_id' as care_service, d.position"
            " from events.subscription s join kernel.actor a on a.id = s.actor_id"
            " cross join events.position p join events.outbox o on o.id = p.outbox_id"
            " left join events.delivery d on d.subscription_id = s.id and d.position = p.position"
        )
    delivered = 0
    for row in rows:
        wished = row["kind"] in row["kinds"] and all(
            (
                row["territory_id"] in {None, row["happened_in"]},
                row["organisation_id"] is None or row["organisation_id"] in row["organisation_ids"],
                row["care_service_id"] is None
                or str(row["care_service_id"]) == row["care_service"],
            )
        )
        allowed = row["staff_of"] == row["happened_in"] or set(row["acts_for"]) & set(
            row["organisation_ids"]
        )
        assert (row["position"] is not None) == bool(wished and allowed)
        delivered += row["position"] is not None
    assert delivered > 100


async def test_out_holds_the_same_numbers_as_the_record(
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    nats_url: str,
    keys: KeyRing,
) -> None:
    mine = await subscribe(database, world.partner)
    theirs = await subscribe(database, world.other_partner)
    for index in range(40):
        await append_case(database, world, organisations=(world.organisations[index % 2],))
    await decide_all(system_database)
    first, second = publishers
    await first.look()
    await asyncio.gather(publish_all(first), publish_all(second))

    for who, subscription in ((world.partner, mine), (world.other_partner, theirs)):
        received = await in_stream(nats_url, subscription)
        assert [one.number for one in received] == list(range(1, 21))
        assert received == await own_events(database, who, subscription, keys)


async def test_a_wiped_out_is_filled_again(
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
    nats_url: str,
) -> None:
    mine = await subscribe(database, world.partner)
    publisher, _ = publishers
    for _ in range(2):
        for _ in range(5):
            await append_case(database, world, organisations=(world.organisations[0],))
        await decide_all(system_database)
        await bus.drop(OUT)
        await publish_all(publisher)

    received = await in_stream(nats_url, mine)
    assert [one.number for one in received] == list(range(1, 11))
    context = await bus.context()
    consumer = await context.consumer_info(OUT, str(mine.id))
    assert consumer.num_pending == 10


async def test_an_out_of_another_past_is_filled_again(
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
    nats_url: str,
) -> None:
    mine = await subscribe(database, world.partner)
    await publishers[0].look()
    context = await bus.context()
    for number in range(1, 8):
        identity = {"Nats-Msg-Id": f"{mine.id}:{number}", "ce-id": str(ids.uuid7())}
        await context.publish(f"out.{mine.id}", b"{}", headers=identity)
    for _ in range(5):
        await append_case(database, world, organisations=(world.organisations[0],))
    await decide_all(system_database)
    with pytest.raises(BusAway):
        await publishers[0].step()
    await publish_all(publishers[0])

    assert [one.number for one in await in_stream(nats_url, mine)] == [1, 2, 3, 4, 5]


async def test_two_recipients_know_a_case_by_different_names(
    database: Database, system_database: Database, world: World, keys: KeyRing
) -> None:
    mine = await subscribe(database, world.partner)
    theirs = await subscribe(database, world.other_partner)
    case = await append_case(database, world, organisations=world.organisations)
    await decide_all(system_database)

    (own,) = await own_events(database, world.partner, mine, keys)
    (other,) = await own_events(database, world.other_partner, theirs, keys)
    assert own.subject == keys.pseudonym(world.organisations[0], case)
    assert own.subject != other.subject
    assert str(case) not in own.subject + other.subject


async def test_what_may_no_longer_be_seen_keeps_its_number_only(
    database: Database, system_database: Database, world: World, keys: KeyRing
) -> None:
    mine = await subscribe(database, world.partner)
    await append_case(database, world, organisations=(world.organisations[0],))
    await decide_all(system_database)
    async with system_database.transaction(SYSTEM) as tx:
        await tx.execute(
            "update kernel.actor set organisation_ids = array[$2::uuid] where id = $1",
            world.partner.id,
            world.organisations[1],
        )
        (delivery,) = await deliveries.page(tx, mine.id, 0, 10)

    assert delivery.event is None
    (received,) = await own_events(database, world.partner, mine, keys)
    assert (received.number, received.type, received.subject) == (1, "regul.event.withheld", "")


async def test_a_subscription_belongs_to_its_actor_alone(database: Database, world: World) -> None:
    mine = await subscribe(database, world.partner)

    with pytest.raises(errors.Missing, match="subscription"):
        await database.run(
            world.other_partner, lambda tx: subscriptions.get(tx, world.other_partner, mine.id)
        )


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"delivery": "webhook"}, "endpoint_needed"),
        ({"delivery": "webhook", "endpoint": "https://10.0.0.1/"}, "webhook_address_refused"),
        ({"delivery": "nats", "endpoint": "https://regul.example/"}, "endpoint_not_expected"),
        ({"kinds": ("case.imagined",)}, "kind_unknown"),
        ({"kinds": ()}, "kinds_missing"),
        ({"organisation_id": ids.uuid7()}, "scope_not_allowed"),
    ],
)
async def test_a_wish_that_cannot_be_served_is_refused(
    database: Database, world: World, wish: dict[str, object], code: str
) -> None:
    with pytest.raises(errors.RegulError) as refusal:
        await subscribe(database, world.partner, **wish)
    assert refusal.value.code == code


async def test_an_operator_may_not_subscribe(database: Database, world: World) -> None:
    with pytest.raises(errors.Forbidden):
        await subscribe(database, world.physician)
