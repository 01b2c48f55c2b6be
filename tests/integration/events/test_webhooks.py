"""Webhooks: signed, in order, retried by the table; those that fail have an owner."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from events import progress, subscription_control, subscriptions
from events.progress import Standing
from events.subscription_control import Replay, Rotation
from events.subscriptions import NewSubscription, Subscription
from events.webhooks import Sender
from kernel import actor, ids
from kernel.crypto import KeyRing
from kernel.database import Database
from tests.integration.events.receivers import OK, Receiver, receiving
from tests.integration.events.test_dispatching import decide_all
from tests.integration.events.world import World, append_case

SYSTEM = actor.system()


class Hook:
    """One webhook of the world's partner, its receiver and the sender."""

    def __init__(
        self,
        database: Database,
        system: Database,
        world: World,
        keys: KeyRing,
        receiver: Receiver,
    ) -> None:
        self.database, self.system, self.world, self.keys = database, system, world, keys
        self.receiver = receiver
        self.sender = Sender(system, keys, loopback=True)
        self.id = ids.uuid7()

    async def subscribe(self, **wish: object) -> Subscription:
        fields = {"kinds": ("case.opened",), "endpoint": self.receiver.url, **wish}
        command = NewSubscription(delivery="webhook", **fields)  # type: ignore[arg-type]
        who = self.world.partner
        made = await self.database.run(
            who, lambda tx: subscriptions.create(tx, who, command, loopback=True)
        )
        self.id = made.id
        return made

    async def happen(self, count: int = 1) -> None:
        for _ in range(count):
            await append_case(
                self.database, self.world, organisations=(self.world.organisations[0],)
            )
        await decide_all(self.system)

    async def send(self) -> None:
        while await self.sender.step():
            await self.sender.settle()

    async def replay(self, wish: Replay) -> None:
        who = self.world.partner
        await self.database.run(who, lambda tx: subscription_control.replay(tx, who, self.id, wish))

    async def resume(self) -> None:
        who = self.world.partner
        await self.database.run(who, lambda tx: subscription_control.resume(tx, who, self.id))

    async def standing(self) -> Standing:
        who = self.world.partner
        return await self.database.run(who, lambda tx: progress.standing(tx, who, self.id))


@pytest_asyncio.fixture
async def hook(
    database: Database, system_database: Database, world: World, keys: KeyRing
) -> AsyncIterator[Hook]:
    async with receiving() as (receiver,):
        made = Hook(database, system_database, world, keys, receiver)
        await made.subscribe()
        await made.send()
        assert [one.event["type"] for one in receiver.posts] == ["regul.subscription.test"]
        receiver.posts.clear()
        yield made


async def shift(admin: "asyncpg.Connection[asyncpg.Record]", seconds: int) -> None:
    await admin.execute(
        "create or replace function kernel.regul_now() returns timestamptz language sql volatile"
        f" as $$ select clock_timestamp() + interval '{seconds} seconds' $$"
    )


async def test_messages_come_in_order_once_and_signed(hook: Hook, world: World) -> None:
    await hook.happen(25)
    await hook.send()
    who = world.partner
    (key,) = (
        await hook.database.run(
            who,
            lambda tx: subscription_control.verifying_keys(tx, who, hook.id, hook.keys),
        )
    ).keys
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.key.removeprefix("whpk_")))
    assert hook.receiver.numbered == list(range(1, 26))
    for one in hook.receiver.posts:
        told = one.headers
        signed = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + one.body
        scheme, _, signature = told["webhook-signature"].partition(",")
        assert scheme == "v1a"
        public.verify(base64.b64decode(signature), signed)
        assert told["webhook-id"] == one.event["id"]
        assert told["content-type"] == "application/cloudevents+json"
        assert one.path == "/hook?a=1"
    standing = await hook.standing()
    assert (standing.last_number, standing.confirmed_number, standing.lag) == (25, 25, 0)


async def test_two_senders_send_each_number_once(hook: Hook) -> None:
    other = Sender(hook.system, hook.keys, loopback=True)
    for _ in range(4):
        await hook.happen(5)
        await asyncio.gather(hook.sender.step(), other.step())
        await asyncio.gather(hook.sender.settle(), other.settle())
    await hook.send()
    assert hook.receiver.numbered == list(range(1, 21))


async def test_what_fails_is_tried_again_by_the_table_and_nothing_overtakes_it(
    hook: Hook, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    hook.receiver.answer = lambda _: "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    await hook.happen(3)
    await hook.send()
    assert hook.receiver.numbered == [1]
    standing = await hook.standing()
    assert (standing.failure, standing.attempts, standing.lag) == ("http_500", 1, 3)
    waits = []
    passed = 0
    for _ in range(9):
        due = await admin.fetchval(
            "select extract(epoch from next_try_at - kernel.regul_now())::float8"
            " from events.progress"
        )
        waits.append(round(due))
        passed += waits[-1] + 1
        await shift(admin, passed)
        await hook.send()
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert hook.receiver.numbered == [1] * 10
    standing = await hook.standing()
    assert (standing.state, standing.stop_reason) == ("stopped", "given_up")
    assert len({one.headers["webhook-id"] for one in hook.receiver.posts}) == 1

    hook.receiver.answer = lambda _: OK
    await hook.send()
    assert hook.receiver.numbered == [1] * 10
    who = hook.world.partner
    await hook.database.run(who, lambda tx: subscription_control.resume(tx, who, hook.id))
    await hook.send()
    assert hook.receiver.numbered[10:] == [1, 2, 3]


NOT_TAKEN = {
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n": "http_302",
    "HTTP/1.1 404 No\r\nconnection: close\r\n\r\n": "http_404",
    "SSH-2.0-OpenSSH\r\n\r\n": "unreadable",
    "HTTP/1.1 200 OK\r\nX: " + "x" * 70_000 + "\r\n\r\n": "unreadable",
    "HTTP/1.1 100 Continue\r\n\r\n" * 9: "unreadable",
    "close": "unreachable",
}


async def test_no_other_answer_counts_as_taken_and_nothing_is_followed(hook: Hook) -> None:
    await hook.happen()
    for answer, failure in NOT_TAKEN.items():
        hook.receiver.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        await hook.resume()
        await hook.send()
        standing = await hook.standing()
        assert (standing.failure, standing.confirmed_number) == (failure, 0)
    assert len(hook.receiver.posts) == len(NOT_TAKEN)


async def test_an_answer_that_does_not_come_is_waited_for_for_a_while(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.webhook_client.ATTEMPT_S", 0.2)
    hook.receiver.answer = lambda _: None
    await hook.happen()
    await hook.send()
    assert (await hook.standing()).failure == "not_in_time"


async def test_an_address_that_leads_inside_by_now_is_refused_when_sending(hook: Hook) -> None:
    await hook.happen()
    strict = Sender(hook.system, hook.keys)
    await strict.step()
    await strict.settle()
    assert (await hook.standing()).failure == "address_refused"
    assert hook.receiver.posts == []


async def test_gone_means_never_again_and_somebody_owns_it(hook: Hook) -> None:
    hook.receiver.answer = lambda _: "HTTP/1.1 410 Gone\r\n\r\n"
    await hook.happen(2)
    await hook.send()
    standing = await hook.standing()
    assert (standing.state, standing.stop_reason) == ("stopped", "gone")
    await hook.sender.raise_alarms()
    who = hook.world.supervisor
    (alarm,) = await hook.database.run(who, lambda tx: progress.alarms(tx, who))
    assert (alarm.subscription_id, alarm.reason, alarm.owner_role) == (
        hook.id,
        "gone",
        "supervisor",
    )

    hook.receiver.answer = lambda _: OK
    await hook.resume()
    await hook.send()
    await hook.sender.raise_alarms()
    assert await hook.database.run(who, lambda tx: progress.alarms(tx, who)) == []


async def test_the_wish_to_be_asked_later_is_honoured(
    hook: Hook, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    hook.receiver.answer = lambda _: "HTTP/1.1 503 Later\r\nRetry-After: 120\r\n\r\n"
    await hook.happen()
    await hook.send()
    due = await admin.fetchval(
        "select extract(epoch from next_try_at - kernel.regul_now())::float8 from events.progress"
    )
    assert 110 < due <= 120


async def test_a_dead_webhook_has_an_owner_within_a_minute_until_it_works(
    hook: Hook, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    who = hook.world.supervisor
    hook.receiver.answer = lambda _: "HTTP/1.1 500 No\r\n\r\n"
    await hook.happen()
    await hook.send()
    await hook.sender.raise_alarms()
    assert await hook.database.run(who, lambda tx: progress.alarms(tx, who)) == []
    await shift(admin, 55)
    await hook.sender.raise_alarms()
    await hook.sender.raise_alarms()
    (alarm,) = await hook.database.run(who, lambda tx: progress.alarms(tx, who))
    taken = await hook.database.run(who, lambda tx: progress.take(tx, who, alarm.id))
    assert (taken.reason, taken.taken_by) == ("failing", who.id)
    partner = hook.world.partner
    assert await hook.database.run(partner, lambda tx: progress.alarms(tx, partner)) == []

    hook.receiver.answer = lambda _: OK
    await hook.send()
    assert await hook.database.run(who, lambda tx: progress.alarms(tx, who)) == []
    assert (await hook.standing()).failing_since is None


async def test_paused_means_numbered_and_not_sent(hook: Hook) -> None:
    who = hook.world.partner
    await hook.database.run(who, lambda tx: subscription_control.pause(tx, who, hook.id))
    await hook.happen(3)
    await hook.send()
    standing = await hook.standing()
    assert (standing.state, standing.last_number, standing.lag) == ("paused", 3, 3)
    assert hook.receiver.posts == []
    await hook.database.run(who, lambda tx: subscription_control.resume(tx, who, hook.id))
    await hook.send()
    assert hook.receiver.numbered == [1, 2, 3]


async def test_replay_begins_at_any_number_or_moment(hook: Hook) -> None:
    who = hook.world.partner
    await hook.happen(4)
    await hook.send()
    page = await hook.database.run(
        who, lambda tx: subscriptions.events(tx, who, hook.id, hook.keys, after=1, limit=1)
    )
    since = datetime.fromisoformat(page[0].time)
    for wish, expected in ((Replay(after=2), [3, 4]), (Replay(since=since), [2, 3, 4])):
        hook.receiver.posts.clear()
        await hook.replay(wish)
        await hook.send()
        assert hook.receiver.numbered == expected


async def test_while_keys_overlap_messages_carry_both_signatures(
    hook: Hook, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    who = hook.world.partner

    async def signatures() -> int:
        hook.receiver.posts.clear()
        await hook.happen()
        await hook.send()
        return len(hook.receiver.posts[0].headers["webhook-signature"].split(" "))

    assert await signatures() == 1
    rotated = await hook.database.run(
        who, lambda tx: subscription_control.rotate(tx, who, hook.id, hook.keys, Rotation())
    )
    assert len({one.key for one in rotated.keys}) == 2
    assert await signatures() == 2
    await shift(admin, 24 * 3600 + 1)
    assert await signatures() == 1
    at_once = await hook.database.run(
        who,
        lambda tx: subscription_control.rotate(tx, who, hook.id, hook.keys, Rotation(overlap_s=0)),
    )
    assert len(at_once.keys) == 1
    assert await signatures() == 1


async def test_silence_is_broken_by_a_heartbeat_with_the_last_number(
    database: Database,
    system_database: Database,
    world: World,
    keys: KeyRing,
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    async with receiving() as (receiver,):
        hook = Hook(database, system_database, world, keys, receiver)
        await hook.subscribe(heartbeat_s=60, scheme="v1")
        await hook.happen(2)
        await hook.send()
        receiver.posts.clear()
        await hook.send()
        assert receiver.posts == []
        await shift(admin, 61)
        await hook.send()
        await hook.send()
        (beat,) = receiver.posts
        assert beat.event["type"] == "regul.subscription.heartbeat"
        assert beat.number == 2
        assert beat.headers["webhook-signature"].startswith("v1,")
        await hook.happen()
        await hook.send()
        assert receiver.numbered == [3]


async def test_what_may_no_longer_be_seen_keeps_its_number_and_tells_nothing(
    hook: Hook, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await hook.happen(2)
    await admin.execute(
        "update kernel.actor set organisation_ids = array[$1::uuid] where id = $2",
        hook.world.organisations[1],
        hook.world.partner.id,
    )
    await hook.send()
    assert hook.receiver.numbered == [1, 2]
    assert {one.event["type"] for one in hook.receiver.posts} == {"regul.event.withheld"}
