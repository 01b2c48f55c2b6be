"""The routes of the room over HTTP: handoffs, subscriptions, the live feed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide

from events import api, dispatcher, handoffs, lease_api, sequencer
from events.live import Hub
from events.model import Handoff
from kernel import ids
from kernel.actor import Actor
from kernel.crypto import KeyRing
from kernel.database import Database, Wakeup
from kernel.edge import Edge
from kernel.settings import Settings
from server import problems
from server.requests import Request
from tests.integration.events.world import World, append_case


class Desk(msgspec.Struct, kw_only=True):
    """The routes, asked as any actor of the world."""

    client: httpx.AsyncClient
    system_database: Database

    async def ask(
        self, who: Actor, method: str, path: str, *, key: str | None = None, **options: Any
    ) -> httpx.Response:
        headers = {"x-actor": str(who.id), **options.pop("headers", {})}
        if key is not None:
            headers["idempotency-key"] = key
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    async def settle(self) -> None:
        while await sequencer.step(self.system_database) or await dispatcher.decide_step(
            self.system_database
        ):
            pass


@pytest_asyncio.fixture
async def desk(
    database: Database,
    system_database: Database,
    world: World,
    keys: KeyRing,
) -> AsyncIterator[Desk]:
    hub = Hub(database)
    database.on_commit = wakeup = Wakeup(database, "regul_feed")
    tasks = [asyncio.create_task(hub.run()), asyncio.create_task(wakeup.run())]
    actors = {
        str(one.id): one
        for one in (
            world.physician,
            world.supervisor,
            world.clinic,
            world.other_clinic,
            world.partner,
            world.other_partner,
        )
    }

    async def edge(request: Request) -> Edge:
        return Edge(
            actor=actors[request.headers["x-actor"]],
            database=database,
            keys=keys,
            settings=Settings(),
            idempotency_key=request.headers.get("idempotency-key"),
            fingerprint=request.url.path.encode() + await request.body(),
        )

    async def live() -> Hub:
        return hub

    app = Litestar(
        [Router("/api/v1", route_handlers=[*api.ROUTES, *lease_api.ROUTES])],
        dependencies={"edge": Provide(edge), "live": Provide(live)},
        exception_handlers=dict(problems.HANDLERS),
        request_class=Request,
        state=State({"drain": asyncio.Event()}),
        logging_config=None,
    )

    async def tapped(scope: Any, receive: Any, send: Any) -> None:
        """Pass on, and drain once the event at position 4 was sent."""

        async def pass_on(message: Any) -> None:
            await send(message)
            if b"id: 4" in message.get("body", b""):
                app.state.drain.set()

        await app(scope, receive, pass_on)

    transport = httpx.ASGITransport(app=tapped)
    async with httpx.AsyncClient(transport=transport, base_url="http://regul") as client:
        yield Desk(client=client, system_database=system_database)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture
async def handoff(database: Database, world: World) -> Handoff:
    request = world.request()
    return await database.run(
        world.physician, lambda tx: handoffs.request(tx, world.physician, request)
    )


async def test_the_receiver_reads_sees_and_acknowledges(
    desk: Desk, world: World, handoff: Handoff
) -> None:
    listed = await desk.ask(world.clinic, "GET", "/handoffs?state=requested")
    assert listed.json() == {"handoffs": [], "after": None}  # reading it delivered it
    read = await desk.ask(world.clinic, "GET", f"/handoffs/{handoff.id}")
    assert read.json()["state"] == "delivered"
    seen = await desk.ask(world.clinic, "POST", f"/handoffs/{handoff.id}/seen", json={}, key="1")
    assert (seen.status_code, seen.json()["state"]) == (200, "seen")

    path = f"/handoffs/{handoff.id}/acknowledgements"
    first = await desk.ask(world.clinic, "POST", path, json={}, key="2")
    again = await desk.ask(world.clinic, "POST", path, json={}, key="2")
    other = await desk.ask(world.clinic, "POST", path, json={}, key="3")
    assert (first.status_code, first.json()["owner"]) == (200, "receiver")
    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "handoff_state")


@pytest.mark.parametrize(
    ("path", "body", "key", "status", "code"),
    [
        ("seen", {}, None, 400, "idempotency_key_missing"),
        ("acknowledgements", {"extra": 1}, "k", 400, "value_unreadable"),
        ("refusals", {}, "k", 400, "value_unreadable"),
        ("refusals", {"reason": "no room, sorry"}, "k", 400, "value_unreadable"),
    ],
)
async def test_a_bad_answer_is_refused(
    desk: Desk,
    world: World,
    handoff: Handoff,
    path: str,
    body: dict[str, object],
    key: str | None,
    status: int,
    code: str,
) -> None:
    answer = await desk.ask(
        world.clinic, "POST", f"/handoffs/{handoff.id}/{path}", json=body, key=key
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_refusal_carries_its_reason(desk: Desk, world: World, handoff: Handoff) -> None:
    path = f"/handoffs/{handoff.id}/refusals"
    answer = await desk.ask(world.clinic, "POST", path, json={"reason": "no_place"}, key="k")
    assert (answer.json()["state"], answer.json()["refusal_reason"]) == ("refused", "no_place")


async def test_a_stranger_finds_no_handoff(desk: Desk, world: World, handoff: Handoff) -> None:
    for path in (f"/handoffs/{handoff.id}", f"/handoffs/{ids.uuid7()}"):
        answer = await desk.ask(world.other_clinic, "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "handoff_missing")


async def test_a_partner_subscribes_and_reads_its_numbered_events(
    desk: Desk, world: World, database: Database
) -> None:
    made = await desk.ask(world.partner, "POST", "/subscriptions", json={"kinds": ["case.opened"]})
    assert made.status_code == 201
    subscription = made.json()["id"]
    for index in range(5):
        await append_case(database, world, organisations=(world.organisations[index % 2],))
    await desk.settle()

    path = f"/subscriptions/{subscription}/events"
    page = (await desk.ask(world.partner, "GET", f"{path}?after=1&limit=10")).json()["events"]
    assert [(one["number"], one["sequence"]) for one in page] == [(2, "2"), (3, "3")]
    status = await desk.ask(world.partner, "GET", f"/subscriptions/{subscription}")
    assert (status.json()["last_number"], status.json()["from_position"]) == (3, 0)
    own = await desk.ask(world.partner, "GET", "/subscriptions")
    assert len(own.json()["subscriptions"]) == 1
    for wrong in (path, f"/subscriptions/{subscription}"):
        assert (await desk.ask(world.other_partner, "GET", wrong)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kinds": ["case.opened"], "delivery": "webhook"}, 422, "endpoint_needed"),
        (
            {"kinds": ["case.opened"], "delivery": "webhook", "endpoint": "http://127.0.0.1:1/"},
            422,
            "webhook_address_refused",
        ),
        ({"kinds": ["case.opened"], "heartbeat_s": 1}, 400, "value_unreadable"),
        ({"kinds": ["case.imagined"]}, 422, "kind_unknown"),
        ({"kinds": "case.opened"}, 400, "value_unreadable"),
        ({"kinds": ["case.opened"], "delivery": "pigeon"}, 400, "value_unreadable"),
    ],
)
async def test_a_bad_wish_is_refused(
    desk: Desk, world: World, body: dict[str, object], status: int, code: str
) -> None:
    answer = await desk.ask(world.partner, "POST", "/subscriptions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("position", ["x", "-1", "1.5", "9" * 30, "٣"])
async def test_an_unusable_last_event_id_is_refused(
    desk: Desk, world: World, position: str
) -> None:
    answer = await desk.ask(
        world.partner, "GET", "/events", headers={"last-event-id": position.encode()}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "last_event_id_unusable")


async def test_the_live_feed_goes_on_after_the_last_event_id_and_ends_on_a_drain(
    desk: Desk, world: World, database: Database
) -> None:
    for _ in range(4):
        await append_case(database, world, organisations=world.organisations)
    await desk.settle()
    async with asyncio.timeout(60):
        answer = await desk.ask(world.partner, "GET", "/events", headers={"last-event-id": "1"})

    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.splitlines()
    assert [line for line in lines if line.startswith("id:")] == ["id: 2", "id: 3", "id: 4"]
    assert "event: case.opened" in lines
    assert lines[-4:].count("event: reconnect") == 1
