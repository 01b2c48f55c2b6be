"""Partners at NATS: their own consumer and inbox, and nothing else; the list of known bypasses."""

import msgspec
import nats
import pytest

from events import (
    auth_callout,
)
from events.dispatcher import Publisher
from events.jetstream import Bus
from kernel.database import Database
from tests.integration.events.sign_in import (
    Scene,
    dialled,
    pull,
    pull_or_raise,
    settled,
    signed_in,
)
from tests.integration.events.world import World, append_case, key_of, until


async def refused(scene: Scene, user: str, password: str) -> None:
    with pytest.raises(nats.errors.Error):
        async with dialled(scene, user, password, []):
            pass


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
