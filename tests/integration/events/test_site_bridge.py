"""A site that is cut off from the centre, with the configuration of `deploy/`, started."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

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


async def test_each_planted_fault_of_the_bridge_is_found(centre: Centre, tmp_path: Path) -> None:
    for name in chaos_site_world.SABOTAGES:
        site = Site(centre, tmp_path / name, name)
        async with site.running():
            seen = await chaos_site.sabotaged(site, name)
        assert getattr(seen, CAUSES[name]) > 0, (name, seen)


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
