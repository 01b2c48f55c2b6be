"""Partners at NATS: their own consumer and inbox, and nothing else; the list of known bypasses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import ModuleType
from uuid import UUID

import asyncpg
import msgspec
import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg

from events import (
    auth_callout,
    dispatcher,
    progress,
    sequencer,
    subscription_control,
    subscriptions,
)
from events.auth_callout import Callout
from events.dispatcher import Publisher
from events.jetstream import Bus
from events.subscription_control import Replay
from events.subscriptions import NewSubscription
from kernel.actor import Actor
from kernel.database import Database, Tx
from kernel.settings import Settings
from tests.integration.events.world import World, append_case, key_of, until

SECOND_OF_SILENCE = 0.5


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Two partners with one message each in OUT."""

    url: str
    mine: UUID
    theirs: UUID
    partner: Actor
    other_partner: Actor


@pytest_asyncio.fixture
async def scene(
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
    settings: Settings,
) -> AsyncIterator[Scene]:
    callout = Callout(system_database, bus, Path(settings.auth_callout_seed))
    answering = asyncio.create_task(callout.run())

    async def subscribe(who: Actor) -> UUID:
        wish = NewSubscription(kinds=("case.opened",))
        return (await database.run(who, lambda tx: subscriptions.create(tx, who, wish))).id

    mine, theirs = await subscribe(world.partner), await subscribe(world.other_partner)
    for organisation in world.organisations:
        await append_case(database, world, organisations=(organisation,))
    while await sequencer.step(system_database) or await dispatcher.decide_step(system_database):
        pass
    await publishers[0].look()
    while await publishers[0].step():
        pass
    address = settings.nats_url.rpartition("@")[2]
    yield Scene(
        url=f"nats://{address}",
        mine=mine,
        theirs=theirs,
        partner=world.partner,
        other_partner=world.other_partner,
    )
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)


@contextlib.asynccontextmanager
async def dialled(
    scene: Scene, user: object, password: str, complaints: list[str]
) -> AsyncIterator[Client]:
    """Connect once; a refusal raises, and leaves no socket behind."""

    async def note(error: Exception) -> None:
        complaints.append(str(error).lower())

    client = Client()
    try:
        await client.connect(
            scene.url,
            user=str(user),
            password=password,
            inbox_prefix=f"_INBOX_{user}".encode(),
            allow_reconnect=False,
            connect_timeout=5,
            error_cb=note,
        )
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def signed_in(
    scene: Scene, user: object, password: str, complaints: list[str] | None = None
) -> AsyncIterator[Client]:
    """Connect; the callout may need a moment to begin answering."""
    heard = [] if complaints is None else complaints
    async with asyncio.timeout(15):
        while True:
            try:
                async with dialled(scene, user, password, heard) as client:
                    pass
                break
            except nats.errors.Error:
                await asyncio.sleep(0.05)
    heard.clear()
    async with dialled(scene, user, password, heard) as client:
        yield client


async def refused(scene: Scene, user: str, password: str) -> None:
    with pytest.raises(nats.errors.Error):
        async with dialled(scene, user, password, []):
            pass


async def pull(connection: Client, subscription: UUID, user: object) -> list[bytes]:
    context = connection.jetstream()
    puller = await context.pull_subscribe_bind(
        consumer=str(subscription), stream="OUT", inbox_prefix=f"_INBOX_{user}.".encode()
    )
    try:
        messages = await puller.fetch(10, timeout=SECOND_OF_SILENCE)
    except (TimeoutError, nats.errors.TimeoutError):
        return []
    for message in messages:
        await message.ack()
    return [message.data for message in messages]


async def test_a_partner_pulls_and_acknowledges_its_own(scene: Scene, bus: Bus) -> None:
    async with signed_in(scene, scene.mine, key_of(scene.partner)) as connection:
        (body,) = await pull(connection, scene.mine, scene.mine)
        await connection.flush()
    assert msgspec.json.decode(body)["number"] == 1
    context = await bus.context()

    async def acknowledged() -> bool:
        info = await context.consumer_info("OUT", str(scene.mine))
        return (info.num_ack_pending, info.num_pending) == (0, 0)

    await until(acknowledged)


async def test_an_actor_signs_in_for_all_its_subscriptions(scene: Scene) -> None:
    user = scene.partner.id
    async with signed_in(scene, user, key_of(scene.partner)) as connection:
        assert len(await pull(connection, scene.mine, user)) == 1


async def test_a_partner_gets_nothing_of_another(scene: Scene) -> None:
    complaints: list[str] = []
    async with signed_in(
        scene, scene.other_partner.id, key_of(scene.other_partner), complaints
    ) as connection:
        assert await pull(connection, scene.mine, scene.other_partner.id) == []
        await connection.flush()
    assert any("permissions violation" in one for one in complaints)


@pytest.mark.parametrize("which", ["wrong key", "other's subscription", "no uuid", "nobody"])
async def test_unknown_credentials_are_refused(scene: Scene, which: str) -> None:
    user, password = {
        "wrong key": (str(scene.mine), "key-of-nobody"),
        "other's subscription": (str(scene.theirs), key_of(scene.partner)),
        "no uuid": ("regul.>", key_of(scene.partner)),
        "nobody": ("", ""),
    }[which]
    async with signed_in(scene, scene.mine, key_of(scene.partner)):
        pass  # the callout answers

    await refused(scene, user, password)


def bypasses(scene: Scene) -> list[tuple[str, dict[str, object]]]:
    """The list of ways around, as published for stock configurations."""
    mine, theirs = str(scene.mine), str(scene.theirs)
    create = "$JS.API.CONSUMER.CREATE.OUT"
    return [
        (
            f"{create}.x.out.{theirs}",
            {"stream_name": "OUT", "config": {"name": "x", "filter_subject": f"out.{theirs}"}},
        ),
        (f"{create}.{mine}", {"stream_name": "OUT", "config": {"name": mine}}),
        (
            f"{create}.{mine}.out.{mine}",
            {"stream_name": "OUT", "config": {"name": mine, "filter_subject": "out.>"}},
        ),
        (
            f"{create}.{mine}.out.{mine}",
            {
                "stream_name": "OUT",
                "config": {"name": mine, "filter_subjects": [f"out.{mine}", f"out.{theirs}"]},
            },
        ),
        (
            f"{create}.{mine}.out.{mine}",
            {
                "stream_name": "OUT",
                "config": {"name": mine, "deliver_subject": f"out.{theirs}"},
            },
        ),
        ("$JS.API.CONSUMER.DURABLE.CREATE.OUT.y", {"stream_name": "OUT", "config": {}}),
        (f"$JS.API.CONSUMER.MSG.NEXT.OUT.{theirs}", {"batch": 1, "no_wait": True}),
        (f"$JS.API.CONSUMER.INFO.OUT.{theirs}", {}),
        (f"$JS.API.CONSUMER.DELETE.OUT.{theirs}", {}),
        ("$JS.API.CONSUMER.NAMES.OUT", {}),
        ("$JS.API.STREAM.MSG.GET.OUT", {"seq": 1}),
        ("$JS.API.STREAM.MSG.GET.FEED", {"seq": 1}),
        ("$JS.API.DIRECT.GET.OUT", {"seq": 1}),
        (f"$JS.API.DIRECT.GET.OUT.out.{theirs}", {}),
        ("$JS.API.STREAM.PURGE.OUT", {}),
        ("$JS.API.STREAM.DELETE.OUT", {}),
        ("$JS.API.STREAM.NAMES", {}),
        ("$JS.API.STREAM.UPDATE.OUT", {"name": "OUT", "subjects": ["out.*", "stolen"]}),
        ("$JS.API.STREAM.CREATE.COPY", {"name": "COPY", "sources": [{"name": "OUT"}]}),
        ("$JS.API.STREAM.RESTORE.OUT", {}),
        ("$JS.API.STREAM.MSG.DELETE.OUT", {"seq": 1}),
        (f"$JS.API.CONSUMER.DELETE.OUT.{mine}", {}),
        (f"$JS.API.CONSUMER.PAUSE.OUT.{theirs}", {"pause_until": "2099-01-01T00:00:00Z"}),
        (f"$JS.API.CONSUMER.LEADER.STEPDOWN.OUT.{theirs}", {}),
        (f"$JS.ACK.OUT.{theirs}.1.1.1.1.1", {}),
        (f"_INBOX_{theirs}.x", {"forged": True}),
        ("$JS.API.STREAM.SNAPSHOT.OUT", {"deliver_subject": "x"}),
        ("$JS.API.INFO", {}),
        (f"out.{theirs}", {"forged": True}),
        ("feed.case.opened", {"forged": True}),
        ("$SYS.REQ.USER.AUTH", {}),
    ]


async def test_every_known_way_around_is_refused(scene: Scene, bus: Bus) -> None:
    complaints: list[str] = []
    before = await bus.stream("OUT")
    async with signed_in(scene, scene.mine, key_of(scene.partner), complaints) as connection:
        answers: list[str] = []

        async def take(message: object) -> None:
            answers.append(str(message))

        async def violated() -> bool:
            return any("permissions violation" in one for one in complaints)

        await connection.subscribe(f"_INBOX_{scene.mine}.bypass", cb=take)
        for subject, body in bypasses(scene):
            complaints.clear()
            await connection.publish(
                subject, msgspec.json.encode(body), reply=f"_INBOX_{scene.mine}.bypass"
            )
            await connection.flush()
            await until(violated, 5)
        for subject in ("out.>", f"out.{scene.theirs}", "feed.>", "_INBOX.>", ">"):
            complaints.clear()
            await connection.subscribe(subject)
            await connection.flush()
            await until(violated, 5)
        for subject in ("out.>", f"_INBOX_{scene.theirs}.>", "$JS.API.>"):
            complaints.clear()
            await connection.subscribe(subject, queue="a-queue")
            await connection.flush()
            await until(violated, 5)
    after = await bus.stream("OUT")
    assert not answers
    assert before is not None
    assert after is not None
    assert (after.state.messages, after.state.consumer_count) == (
        before.state.messages,
        before.state.consumer_count,
    )


async def test_a_subscription_that_was_switched_off_is_refused(
    scene: Scene, system_database: Database
) -> None:
    async with system_database.plain() as connection:
        await connection.execute("update events.subscription set active = false")

    await refused(scene, str(scene.mine), key_of(scene.partner))
    assert auth_callout.LASTS_S <= 900


SWITCHED_OFF = {
    "subscription ended": "update events.subscription set active = false where id = $1",
    "owner inactive": "update kernel.actor set active = false where id ="
    " (select actor_id from events.subscription where id = $1)",
    "key taken away": "update kernel.actor set api_key_hash = null where id ="
    " (select actor_id from events.subscription where id = $1)",
}


@pytest.mark.parametrize("how", SWITCHED_OFF)
async def test_an_open_connection_pulls_nothing_once_it_may_not(
    scene: Scene,
    system_database: Database,
    database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    how: str,
) -> None:
    async with signed_in(scene, scene.mine, key_of(scene.partner)) as connection:
        assert len(await pull(connection, scene.mine, scene.mine)) == 1
        await append_case(database, world, organisations=(scene.partner.organisation_ids[0],))
        await settled(system_database)
        async with system_database.plain() as plain:
            await plain.execute(SWITCHED_OFF[how], scene.mine)
        # Another process knows nothing of this subscription: it finds the consumer at NATS.
        await publishers[1].look()
        with pytest.raises(nats.errors.Error):
            await pull_or_raise(connection, scene.mine)
    async with signed_in(scene, scene.theirs, key_of(scene.other_partner)) as connection:
        assert len(await pull(connection, scene.theirs, scene.theirs)) == 1


async def settled(system_database: Database) -> None:
    while await sequencer.step(system_database) or await dispatcher.decide_step(system_database):
        pass


async def pull_or_raise(connection: Client, subscription: UUID) -> None:
    context = connection.jetstream()
    puller = await context.pull_subscribe_bind(
        consumer=str(subscription), stream="OUT", inbox_prefix=f"_INBOX_{subscription}.".encode()
    )
    await puller.fetch(1, timeout=SECOND_OF_SILENCE)


async def numbers(connection: Client, subscription: UUID) -> list[int]:
    bodies = await pull(connection, subscription, subscription)
    return [msgspec.json.decode(one)["number"] for one in bodies]


async def test_a_test_event_comes_behind_the_last_number_and_takes_none(
    scene: Scene,
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
) -> None:
    who = scene.partner
    first, second = publishers
    await database.run(who, lambda tx: subscription_control.test(tx, who, scene.mine))
    await first.step()
    await append_case(database, world, organisations=who.organisation_ids)
    await settled(system_database)
    await second.look()
    await second.step()  # it learns from OUT alone where the other one stopped
    async with signed_in(scene, scene.mine, key_of(who)) as connection:
        bodies = await pull(connection, scene.mine, scene.mine)
    told = [msgspec.json.decode(one) for one in bodies]
    assert [(one["number"], "test" in one["type"]) for one in told] == [
        (1, False),
        (1, True),
        (2, False),
    ]


async def test_a_pause_holds_back_and_a_replay_begins_anew(
    scene: Scene,
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
) -> None:
    who = scene.partner
    publisher = publishers[0]
    async with signed_in(scene, scene.mine, key_of(who)) as connection:
        assert await numbers(connection, scene.mine) == [1]
        await database.run(who, lambda tx: subscription_control.pause(tx, who, scene.mine))
        for _ in range(2):
            await append_case(database, world, organisations=who.organisation_ids)
        await settled(system_database)
        await publisher.step()
        assert await numbers(connection, scene.mine) == []
        await database.run(who, lambda tx: subscription_control.resume(tx, who, scene.mine))
        await publisher.step()
        assert await numbers(connection, scene.mine) == [2, 3]
        await connection.flush()
        await publisher.observe()
        standing = await database.run(who, lambda tx: progress.standing(tx, who, scene.mine))
        assert (standing.sent_number, standing.confirmed_number, standing.lag) == (3, 3, 0)

        for after, expected in ((0, [1, 2, 3]), (1, [2, 3]), (3, [])):
            wish = Replay(after=after)
            await database.run(who, partial(replayed, who, scene.mine, wish))
            await publisher.step()
            assert (await numbers(connection, scene.mine))[-len(expected) :] == expected
    # Looking after a consumer that began elsewhere changes nothing.
    await publishers[1].look()
    await publishers[1].step()


async def replayed(who: Actor, subscription: UUID, wish: Replay, tx: Tx) -> None:
    await subscription_control.replay(tx, who, subscription, wish)


async def test_a_heartbeat_reaches_the_private_inbox_and_is_not_stored(
    scene: Scene,
    admin: "asyncpg.Connection[asyncpg.Record]",
    publishers: tuple[Publisher, Publisher],
    bus: Bus,
) -> None:
    await admin.execute("update events.subscription set heartbeat_s = 10")
    before = await bus.stream("OUT")
    async with signed_in(scene, scene.mine, key_of(scene.partner)) as connection:
        beats: list[bytes] = []

        async def take(message: Msg) -> None:
            beats.append(message.data)

        await connection.subscribe(f"_INBOX_{scene.mine}.heartbeat.*", cb=take)
        await connection.flush()
        await publishers[0].observe()
        assert beats == []
        await admin.execute(
            "create or replace function kernel.regul_now() returns timestamptz language sql"
            " volatile as $$ select clock_timestamp() + interval '11 seconds' $$"
        )
        await publishers[0].observe()

        async def beaten() -> bool:
            return len(beats) == 1

        await until(beaten, 5)
    told = msgspec.json.decode(beats[0])
    assert (told["type"], told["number"]) == ("regul.subscription.heartbeat", 1)
    after = await bus.stream("OUT")
    assert before is not None
    assert after is not None
    assert after.state.messages == before.state.messages


async def test_the_example_signs_in_again_when_its_grant_ends(
    scene: Scene,
    database: Database,
    system_database: Database,
    world: World,
    publishers: tuple[Publisher, Publisher],
    monkeypatch: pytest.MonkeyPatch,
    example: ModuleType,
) -> None:
    monkeypatch.setattr(auth_callout, "LASTS_S", 2)
    got: list[int] = []

    async def read() -> None:
        async for message in example.messages(scene.url, key_of(scene.partner), str(scene.mine)):
            got.append(msgspec.json.decode(message.data)["number"])
            await message.ack()

    loop = asyncio.get_running_loop()
    reading = asyncio.create_task(read())
    try:
        over, sent = loop.time() + 4, 1
        while loop.time() < over:
            await append_case(database, world, organisations=scene.partner.organisation_ids)
            await settled(system_database)
            await publishers[0].step()
            sent += 1

            async def received(number: int = sent) -> bool:
                return number in got

            await until(received, 10)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert got == list(range(1, sent + 1))
