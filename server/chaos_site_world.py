"""The world of `chaos site`: a centre, a site cut off from it, and a bridge that dies.

The centre is a whole one; the site has a nats-server and a bridge, as in `deploy/`. The bridge dies
at its worst moments, and may be sabotaged.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from nats.aio.client import Client as Bus
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import ConsumerInfo
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from events import handoffs, nkeys, site_bridge, subscriptions
from events.model import HandoffRequest
from events.publishing import Outgoing
from events.site_bridge import SITE, Arrived, Bridge, Entry
from events.streams import OUT
from kernel import identity, ids
from kernel.actor import Actor, Role
from kernel.database import Database
from server import chaos_site_servers, chaos_world
from server.chaos_site_servers import Cut, Line, Server, signed_in
from server.client import Client
from server.layout import LOOPBACK, Layout, free_port
from server.site import LINK_USER, SITE_USER, Record

SABOTAGES: Final = ("no-numbers", "no-order", "early-receipt")
A_SECOND: Final = 20
"""Handoffs asked for, each second of a cut."""
FEW: Final = 10
ASK_S: Final = 0.5
AGAIN_S: Final = 1.0
PATIENCE_S: Final = 30.0
SABOTAGED_S: Final = 1.0
"""How long one waits for what a sabotaged bridge may never bring."""
PASSWORD: Final = "p-chaos-site"  # noqa: S105 - of throw-away servers
_FAILURES: Final = (NatsError, JetStreamError, OSError, TimeoutError)


class Died(Exception):
    """The bridge was killed where it hurts most."""


class Mortal(Bridge):
    """A bridge that dies when it is told to, and may be sabotaged.

    Attributes:
        dies: `holding`: with messages in hand; `stored`: before it acknowledges; empty = lives.
        sabotage: One of `SABOTAGES`; empty = none.
    """

    dies = ""
    sabotage = ""

    async def take(self, messages: Sequence[Msg]) -> None:
        """Take messages, or confirm them before the site has them."""
        if self.sabotage == "early-receipt":
            await self.acknowledge(messages)
        if messages and self.dies == "holding":
            raise Died
        await super().take(messages)

    def choose(self, arrived: Sequence[Arrived]) -> tuple[Sequence[Arrived], bool]:
        """Choose what to store: whatever comes, or without asking for what is missing."""
        if self.sabotage == "no-numbers":
            return arrived, False
        if self.sabotage == "no-order":
            return [one for one in arrived if not site_bridge.known(self.mark, one)], False
        return super().choose(arrived)

    async def catch_up(self, *, from_start: bool) -> None:
        """Ask for what is missing, unless nobody looks whether something is."""
        if self.sabotage != "no-order":
            await super().catch_up(from_start=from_start)

    def message(self, one: Arrived) -> Outgoing:
        """Make the message, without its identity when numbers are not looked at."""
        made = super().message(one)
        if self.sabotage != "no-numbers":
            return made
        headers = {key: value for key, value in made.headers.items() if key != "Nats-Msg-Id"}
        return msgspec.structs.replace(made, headers=headers)

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """Acknowledge, unless it dies just before."""
        if messages and self.dies == "stored":
            raise Died
        await super().acknowledge(messages)


class Centre(msgspec.Struct, frozen=True, kw_only=True):
    """The centre, running.

    Attributes:
        api_port: Of the API, on the loopback address; its worker runs beside it.
        database: Pool under `regul_system`.
        sender: An operator.
        bus: The service's connection to the centre's nats-server.
        leaf_port: Where sites join.
        certificates: Folder of the certificates of the run.
    """

    api_port: int
    database: Database
    sender: Actor
    bus: Bus
    leaf_port: int
    certificates: Path


@contextlib.asynccontextmanager
async def centre(home: Path) -> AsyncIterator[Centre]:
    """Run a centre with `deploy/hub.conf`.

    Args:
        home: Its directory.
    """
    folder = home.parent / "hub"
    certificates = folder / "certificates"
    chaos_site_servers.certify(certificates)
    seed, leaf_port = nkeys.new_seed(), free_port()
    seed_file = folder / "account.seed"
    Layout.keep(seed_file, seed)
    issuer = nkeys.Signer(seed).public_key
    server = chaos_site_servers.hub(folder, PASSWORD, issuer, leaf_port)
    url = f"nats://regul:{PASSWORD}@{LOOPBACK}:{server.port}"
    async with (
        server.running(),
        chaos_world.stack(home, nats_url=url, seed_file=seed_file) as stack,
        chaos_world.writing(stack.dsn) as database,
        signed_in(server.address, "regul", PASSWORD) as bus,
    ):
        world = await chaos_world.settle(database)
        sender = Actor(id=world.actor_id, role=Role.OPERATOR, territory_id=world.territory_id)
        yield Centre(
            api_port=int(stack.base_url.rpartition(":")[2]),
            database=database,
            sender=sender,
            bus=bus,
            leaf_port=leaf_port,
            certificates=certificates,
        )


class Site:
    """A clinic with a nats-server of its own, and the handoffs that it is asked.

    Attributes:
        id: Of its subscription.
        asked: How many handoffs.
    """

    def __init__(self, centre: Centre, folder: Path, sabotage: str) -> None:
        """Prepare; `run` acts.

        Args:
            centre: Running.
            folder: For everything of the site.
            sabotage: One of `SABOTAGES`; empty = none.
        """
        self._centre, self._folder, self._sabotage = centre, folder, sabotage
        self._key = f"rg_chaos_{ids.uuid7().hex}"
        self._clinic = Actor(id=ids.uuid7(), role=Role.CLINIC, organisation_ids=(ids.uuid7(),))
        self.id = ids.uuid7()
        self._leaf = Line(centre.leaf_port)
        self._api = Line(centre.api_port)
        self._server: Server
        self._reader: Bus
        self._bridge: Mortal
        self._running: asyncio.Task[None] | None = None
        self.asked = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything of the site while the block runs."""
        await self._subscribe()
        leaf = f"nats-leaf://{self.id}:{self._key}@{LOOPBACK}:{self._leaf.port}"
        folder, certificates = self._folder, self._centre.certificates
        self._server = chaos_site_servers.site(folder, certificates, PASSWORD, leaf)
        async with self._leaf.open(), self._api.open(), self._server.running():
            self.revive()
            try:
                async with signed_in(self._server.address, "reader", PASSWORD) as reader:
                    self._reader = reader
                    yield
            finally:
                await self._stop()

    @property
    def address(self) -> str:
        """Give the address of its nats-server."""
        return self._server.address

    async def _subscribe(self) -> None:
        organisations = list(self._clinic.organisation_ids)
        digest = identity.digest(self._key)
        wish = subscriptions.NewSubscription(kinds=("handoff.requested",))
        async with self._centre.database.transaction(self._clinic) as tx:
            await tx.execute(INSERT_CLINIC, self._clinic.id, organisations, digest)
            made = await subscriptions.create(tx, self._clinic, wish)
        self.id = made.id

    def revive(self, dies: str = "") -> None:
        """Start a bridge.

        Args:
            dies: See `Mortal`.
        """
        record = Record(f"http://{LOOPBACK}:{self._api.port}", self._key, self.id)
        address = self._server.address
        link, home = (
            Entry(url=address, user=user, password=PASSWORD) for user in (LINK_USER, SITE_USER)
        )
        self._bridge = Mortal(link, home, self.id, record.after)
        self._bridge.dies, self._bridge.sabotage = dies, self._sabotage
        self._running = asyncio.create_task(self._bridge.run())

    async def _stop(self) -> None:
        # A cancellation that nats-py swallows is repeated, as in `background.beside`.
        while self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait({self._running}, timeout=AGAIN_S)
        if self._running is not None and not self._running.cancelled():
            self._running.exception()  # it died as it was told: nobody needs to hear of it later

    async def dies(self, how: str) -> int:
        """Let the bridge die over the next handoffs, then others come; start a new bridge.

        Args:
            how: See `Mortal`.

        Returns:
            Receipts that the centre has for events that SITE does not hold.
        """
        self._bridge.dies = how
        await self.ask(FEW)
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=PATIENCE_S)
        await self.ask(FEW)
        await self._until(self._all_published)
        early = max(0, await self._confirmed() - await self.stored())
        if self._sabotage == "early-receipt":
            await self._until(self._has_early)
            early = max(0, await self._confirmed() - await self.stored())
        await self._stop()
        self.revive()
        await self.until_stored(self.asked, SABOTAGED_S if self._sabotage else PATIENCE_S)
        return early

    async def _has_early(self) -> bool:
        return await self._confirmed() > await self.stored()

    async def ask(self, count: int) -> None:
        """Ask the clinic to take patients.

        Args:
            count: How many.
        """
        centre = self._centre
        for _ in range(count):
            wish = HandoffRequest(
                case_id=ids.uuid7(),
                territory_id=centre.sender.territory_id or ids.uuid7(),
                subject_kind="referral",
                subject_id=ids.uuid7(),
                to_organisation_id=self._clinic.organisation_ids[0],
                care_service_id=ids.uuid7(),
                acuity="U3",
                acknowledgement_required=True,
            )
            async with centre.database.transaction(centre.sender) as tx:
                await handoffs.request(tx, centre.sender, wish)
            self.asked += 1

    async def sent_again(self) -> None:
        """Have the whole subscription sent again, and wait until the bridge has looked at it."""
        await self._until(self._all_acknowledged)
        former = (await self._consumer()).created
        client = Client(f"http://{LOOPBACK}:{self._centre.api_port}", self._key)
        await client.post(f"/api/v1/subscriptions/{self.id}/replay", {"after": 0})
        await client.close()

        async def looked_at() -> bool:
            with contextlib.suppress(NotFoundError):  # it is gone for a moment
                again = (await self._consumer()).created != former
                return again and await self._all_acknowledged()
            return False

        await self._until(looked_at)

    async def killed(self) -> None:
        """Kill the site's nats-server and start it again while handoffs come."""
        await self._server.kill()
        await self.ask(FEW)
        await self._server.start()
        await self.until_stored(self.asked)

    async def cut(self, how: Cut, seconds: float) -> tuple[float, float]:
        """Cut both lines for a while; handoffs go on.

        Args:
            how: See `Line.cut`.
            seconds: How long.

        Returns:
            Seconds from healing to the first event in SITE and to the last; -1 = not in time.
        """
        for line in (self._leaf, self._api):
            await line.cut(how)
        before = await self.stored()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.gather(self.ask(1), asyncio.sleep(1 / A_SECOND))
        healed = time.monotonic()
        for line in (self._leaf, self._api):
            await line.heal()
        first = await self.until_stored(before + 1)
        return first, time.monotonic() - healed if await self.until_stored(self.asked) >= 0 else -1

    async def stored(self) -> int:
        """Count the messages in SITE; 0 when it does not answer."""
        with contextlib.suppress(*_FAILURES):
            info = await self._reader.jetstream(timeout=ASK_S).stream_info(SITE)
            return int(info.state.messages)
        return 0

    async def until_stored(self, count: int, within_s: float = PATIENCE_S) -> float:
        """Wait until SITE holds so many messages; give the seconds, -1 when it did not happen.

        Args:
            count: How many.
            within_s: How long it may take.
        """

        async def there() -> bool:
            return await self.stored() >= count

        return await self._until(there, within_s)

    async def _until(
        self, come: Callable[[], Awaitable[bool]], within_s: float = PATIENCE_S
    ) -> float:
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            if await come():
                return time.monotonic() - began
            await asyncio.sleep(0.01)
        return -1.0

    async def _consumer(self) -> ConsumerInfo:
        found: ConsumerInfo = await self._centre.bus.jetstream().consumer_info(OUT, str(self.id))
        return found

    async def _all_published(self) -> bool:
        last = await self._centre.bus.jetstream().get_msg(OUT, subject=f"out.{self.id}")
        return site_bridge.read(last.data or b"").number == self.asked

    async def _all_acknowledged(self) -> bool:
        return await self._confirmed() == self.asked

    async def _confirmed(self) -> int:
        now = await self._consumer()
        return self.asked - (now.num_pending or 0) - (now.num_ack_pending or 0)

    async def record(self) -> Sequence[str]:
        """Give the ids of the events of the centre's record, in the order of their numbers."""
        async with self._centre.database.transaction(self._centre.sender) as tx:
            rows = await tx.fetch(SELECT_NUMBERED, self.id)
        return [str(row["event_id"]) for row in rows]

    async def kept(self) -> Sequence[Arrived]:
        """Read SITE as the site's own software does: all of it, in order."""
        pull = await self._reader.jetstream().pull_subscribe(
            f"site.{self.id}", durable="check", stream=SITE
        )
        found: list[Arrived] = []
        count = await self.stored()
        with contextlib.suppress(*_FAILURES):
            while len(found) < count:
                for one in await pull.fetch(500, timeout=2):
                    found.append(site_bridge.read(one.data))
                    await one.ack()
        return found


INSERT_CLINIC: Final = """
insert into kernel.actor (id, role, organisation_ids, label, api_key_hash)
values ($1, 'clinic', $2, 'Chaos', $3)
"""
SELECT_NUMBERED: Final = """
select o.event_id
from events.delivery d
join events.position p on p.position = d.position
join events.outbox o on o.id = p.outbox_id
where d.subscription_id = $1
order by d.event_number
"""
