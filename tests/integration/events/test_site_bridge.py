"""A site that is cut off from the centre, with the configuration of `deploy/`, started."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswer
from nats.js.errors import NotFoundError

from events import auth_callout
from events.auth_callout import Callout
from events.jetstream import Bus
from events.nkeys import Signer, new_seed
from kernel.actor import Actor, Role
from kernel.database import Database, Wakeup
from kernel.settings import Settings
from server import chaos_site, chaos_site_servers, chaos_site_world, chaos_world
from server.background import beside
from server.chaos_site import Outcome
from server.chaos_site_servers import Server, signed_in
from server.chaos_site_world import PASSWORD, Centre, Site
from server.configuration import WAKE_CHANNEL
from server.layout import free_port
from server.site import LINK_USER
from tests.conftest import Servers
from tests.integration.events.place import Place

# nats-py leaves the writers of connections that were cut to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    """The centre's nats-server."""

    server: Server
    seed_file: Path
    leaf_port: int
    certificates: Path


@pytest_asyncio.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """Start `deploy/hub.conf`."""
    seed, seed_file = new_seed(), tmp_path / "account.seed"
    seed_file.write_text(seed)
    folder = tmp_path / "hub"
    chaos_site_servers.certify(folder / "certificates")
    made = Hub(
        server=chaos_site_servers.hub(
            folder, PASSWORD, Signer(seed).public_key, leaf_port := free_port()
        ),
        seed_file=seed_file,
        leaf_port=leaf_port,
        certificates=folder / "certificates",
    )
    async with made.server.running():
        yield made


@pytest.fixture
def settings(servers: Servers, database_dsn: str, hub: Hub, key_file: Path) -> Settings:
    """Give the settings of a service whose bus is the hub."""
    return Settings(
        database_url=database_dsn,
        nats_url=f"nats://regul:{PASSWORD}@127.0.0.1:{hub.server.port}",
        key_file=key_file,
        auth_callout_seed=str(hub.seed_file),
    )


@pytest_asyncio.fixture
async def centre(hub: Hub, place: Place, system_database: Database) -> AsyncIterator[Centre]:
    """Give a centre, API and workers in this process."""
    system_database.on_commit = wakeup = Wakeup(system_database, WAKE_CHANNEL)
    world = await chaos_world.settle(system_database)
    sender = Actor(id=world.actor_id, role=Role.OPERATOR, territory_id=world.territory_id)
    async with beside(wakeup.run()), signed_in(hub.server.address, "regul", PASSWORD) as bus:
        # The worker's own answers to sign-ins begin some time after it has connected.
        callout = Callout(system_database, Bus("", "unused"), hub.seed_file)
        await bus.subscribe(auth_callout.SUBJECT, queue="regul", cb=callout._take)
        await bus.flush()
        yield Centre(
            api_port=int(place.api.rpartition(":")[2]),
            database=system_database,
            sender=sender,
            bus=bus,
            leaf_port=hub.leaf_port,
            certificates=hub.certificates,
        )


@pytest.mark.nightly
async def test_a_site_gets_each_handoff_once_in_order_and_at_once_after_a_cut(
    centre: Centre, tmp_path: Path
) -> None:
    site = Site(centre, tmp_path / "site", "")
    async with site.running():
        seen = await chaos_site.troubled(site, 3.0)
    assert seen.held, seen
    assert seen.cut > 2 * chaos_site_world.FEW


CAUSES: Mapping[str, str] = {
    "no-numbers": "twice",
    "no-order": "missing",
    "early-receipt": "early",
}


@pytest.mark.nightly
async def test_each_planted_fault_of_the_bridge_is_found(centre: Centre, tmp_path: Path) -> None:
    for name in chaos_site_world.SABOTAGES:
        site = Site(centre, tmp_path / name, name)
        async with site.running():
            seen = await chaos_site.sabotaged(site, name)
        assert getattr(seen, CAUSES[name]) > 0, (name, seen)


class Ear:
    """Remembers the subjects of what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def hear(self, message: Msg) -> None:
        self.heard.append(message.subject)


def bypasses(theirs: UUID) -> list[str]:
    """Give subjects by which a leaf node could reach what is not its own."""
    ways = [
        f"CONSUMER.MSG.NEXT.OUT.{theirs}",
        f"CONSUMER.INFO.OUT.{theirs}",
        "CONSUMER.CREATE.OUT",
        f"CONSUMER.DURABLE.CREATE.OUT.{theirs}",
        f"CONSUMER.DELETE.OUT.{theirs}",
        "STREAM.MSG.GET.OUT",
        "DIRECT.GET.OUT",
        "STREAM.INFO.FEED",
        "STREAM.PURGE.OUT",
        "STREAM.CREATE.MINE",
    ]
    spelled = [f"$JS.{api}.{one}" for one in ways for api in ("hub.API", "API")]
    return [*spelled, f"$JS.ACK.OUT.{theirs}.1.1.1.1.0", f"out.{theirs}", "$SYS.REQ.USER.AUTH"]


@pytest.mark.nightly
async def test_a_site_reaches_nothing_at_the_centre_but_its_own_consumer(
    centre: Centre, tmp_path: Path
) -> None:
    site = Site(centre, tmp_path / "site", "")
    theirs = uuid4()
    async with site.running():
        await site.ask(1)
        assert await site.until_stored(1) >= 0
        at_centre, at_site = Ear(), Ear()
        for subject in ("$JS.hub.>", "$JS.ACK.>", "out.>", f"_INBOX_{theirs}.>"):
            await centre.bus.subscribe(subject, cb=at_centre.hear)
        async with signed_in(site.address, LINK_USER, PASSWORD) as link:
            for subject in ("out.*", "feed.>", f"_INBOX_{theirs}.>", f"_INBOX_{site.id}.>"):
                await link.subscribe(subject, cb=at_site.hear)
            for subject in bypasses(theirs):
                # The site's own server answers for its own account: there are no streams in it.
                with contextlib.suppress(NoAnswer, NoRespondersError):
                    answer = await link.request(subject, b"{}", timeout=0.05)
                    assert b"not enabled" in answer.data, (subject, answer.data)
            await centre.bus.publish(f"_INBOX_{theirs}.secret", b"")
            await site.ask(5)  # behind everything else on the same connection, both ways
            assert await site.until_stored(6) >= 0
        await centre.bus.flush()
        with pytest.raises(NotFoundError):
            await centre.bus.jetstream().stream_info("MINE")
    mine = str(site.id)
    assert [one for one in at_centre.heard if mine in one]
    assert [one for one in at_centre.heard if mine not in one and not one.endswith(".secret")] == []
    assert [one for one in at_site.heard if mine in one]
    # It hears itself, and no more.
    assert [one for one in at_site.heard if mine not in one] == [f"out.{theirs}"]


@pytest.mark.nightly
async def test_a_minute_without_the_centre() -> None:
    outcome = (await chaos_site.run(60.0))[""]
    assert outcome.held, outcome
    assert max(outcome.all_s) <= chaos_site.HEALED_S


def test_what_is_reported_is_what_was_seen() -> None:
    seen = Outcome(
        handoffs=3, missing=0, twice=0, out_of_order=0, early=0, first_s=[0.1, -1], all_s=[0.2, -1]
    )
    assert not seen.held
    told = {one.name: one for one in chaos_site.figures(seen)}
    assert told["all.silent"].met
    assert told["missing"].met
    assert not msgspec.structs.replace(seen, all_s=[0.2], missing=1).held
