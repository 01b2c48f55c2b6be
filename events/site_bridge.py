"""The bridge of a site: the centre's events, kept in a stream of the site's own nats-server.

A site (a clinic, a hospital) runs a nats-server that joins the centre's as a leaf node. The bridge
pulls the site's subscription through that link and stores each event in stream SITE before it
acknowledges it at the centre. What a cut swallowed is read from the centre's record by number as
soon as the link answers again: the server would give it a second time only half a minute later.

Each event once, in order: the last message in SITE says where the bridge stands, and the sequence
of that message is the fence of the next, so neither a bridge that died halfway nor a second one can
double or reorder anything. Natively mirrored streams would begin again up to two minutes after a
cut, too late for a handoff.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import APIError, FetchTimeoutError, NotFoundError

from events import cloudevents, listening, publishing, streams
from events.auth_callout import DOMAIN
from events.publishing import BusAway, Outgoing
from events.streams import OUT
from kernel.telemetry import logger

SITE: Final = "SITE"
"""The site's own stream: `site.<subscription id>`."""
KEPT: Final = 100_000
"""Events kept for each subscription. By count and not by age: the last one is the mark."""
AT_ONCE: Final = 100
AGAIN_S: Final = 0.1
"""Pause after trouble."""
_CONNECT_S: Final = 2
_IDLE: Final = {"timeout": 1.0, "heartbeat": 0.2}
_BEHIND: Final = {"timeout": 0.5, "heartbeat": 0.1}
_TEST: Final = f"regul.{cloudevents.TEST}"
_FENCE: Final = "Nats-Expected-Last-Subject-Sequence"
_TROUBLE: Final = (NatsError, APIError, OSError, TimeoutError, BusAway)

Record: TypeAlias = Callable[[int], Awaitable[Sequence[bytes]]]
"""Asks the centre for the events after a number: CloudEvents, in order, at most one page; empty at
the end. Raises OSError when the centre does not answer."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """How to sign in at the site's nats-server.

    Attributes:
        url: Of the server, without credentials.
        user: Of the account that is meant.
        password: Its password.
    """

    url: str
    user: str
    password: str


class Mark(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """How far the site is.

    Attributes:
        epoch: Of the last event stored; -1 before the first.
        number: Of the last event stored.
        sequence: Place of the last message of the subject; 0 when there is none.
    """

    epoch: int = -1
    number: int = 0
    sequence: int = 0


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a CloudEvent that the bridge reads.

    Attributes:
        id: Of the event.
        type: A test event takes no number; its number is the last one given.
        number: The subscription's own.
        epoch: Rises when the centre's feed was restored.
        body: The whole CloudEvent as it came.
    """

    id: str
    type: str
    number: int
    epoch: int
    body: bytes = b""

    @property
    def is_test(self) -> bool:
        """Say whether it is a test event, which the subscriber asked for."""
        return self.type == _TEST


class Overtaken(Exception):
    """Somebody else stored in the meantime; look again where the site stands."""


def read(body: bytes) -> Arrived:
    """Read one CloudEvent.

    Args:
        body: JSON in the structured mode.
    """
    return msgspec.structs.replace(_ARRIVED.decode(body), body=body)


def known(mark: Mark, one: Arrived) -> bool:
    """Say whether the site has an event.

    Args:
        mark: How far the site is.
        one: The event.
    """
    return (one.epoch, one.number) <= (mark.epoch, mark.number)


def following(mark: Mark, arrived: Sequence[Arrived]) -> tuple[Sequence[Arrived], bool]:
    """Choose what can be stored now.

    Args:
        mark: How far the site is.
        arrived: Events in any order, with repetitions.

    Returns:
        The unbroken run that follows the mark, and whether something between was missed: a number,
        or a restored feed, whose numbers begin anew somewhere.
    """
    due = {
        one.number: one for one in arrived if not one.is_test and one.epoch == mark.epoch
        and one.number > mark.number
    }  # fmt: skip
    run: list[Arrived] = []
    while (expected := mark.number + len(run) + 1) in due:
        run.append(due[expected])
    return run, len(run) < len(due) or any(one.epoch > mark.epoch for one in arrived)


class Bridge:
    """One subscription's way from the centre into stream SITE; `run` keeps it going.

    Attributes:
        mark: How far the site is.
    """

    def __init__(self, link: Entry, site: Entry, subscription_id: UUID, record: Record) -> None:
        """Prepare; `run` connects.

        Args:
            link: The account of the link to the centre.
            site: The account of stream SITE.
            subscription_id: Over NATS, of the actor with whose key the leaf node signs in.
            record: Asks the centre by HTTP.
        """
        self._link, self._site = link, site
        self._name = str(subscription_id)
        self._record = record
        self._behind = True
        self._away = False
        self._home = Client()
        self.mark = Mark()

    async def run(self) -> None:
        """Bring events for as long as the process lives; whatever fails is tried again."""
        while True:
            with contextlib.suppress(*_TROUBLE, Overtaken):
                async with (
                    asyncio.timeout(None) as session,
                    self._connected(self._site, session) as home,
                    self._connected(self._link, session) as link,
                ):
                    self._home = home
                    await self._settle()
                    await self._pull(link)
            await listening.pause(AGAIN_S)

    async def _pull(self, link: Client) -> None:
        pull = await link.jetstream(domain=DOMAIN).pull_subscribe_bind(
            consumer=self._name, stream=OUT, inbox_prefix=f"_INBOX_{self._name}.".encode()
        )
        # Asked each time: nats-py may swallow the end of the session.
        while not (self._home.is_closed or link.is_closed):
            wait = _BEHIND if self._behind else _IDLE
            try:
                messages = await pull.fetch(AT_ONCE, **wait)
            except FetchTimeoutError:
                messages = []  # the centre answered: there is nothing new
            except _TROUBLE as error:
                self._cut(error)
                await listening.pause(AGAIN_S)
                continue
            await self.take(messages)

    async def take(self, messages: Sequence[Msg]) -> None:
        """Store what came and what was missed, then acknowledge what the site has.

        Args:
            messages: Of one pull; none = the centre has nothing new.

        Raises:
            Overtaken: Another bridge is at it.
            BusAway: The site's own server did not answer.
        """
        pairs = [(one, read(one.data)) for one in messages]
        arrived = [event for _, event in pairs]
        run, missed = self.choose(arrived)
        await self.store(run)
        self._behind |= missed
        if self._behind:
            with contextlib.suppress(OSError, TimeoutError):
                await self.catch_up(from_start=any(e.epoch > self.mark.epoch for e in arrived))
                self._behind = False
                self._healed()
        await self._store_tests([one for one in arrived if one.is_test])
        await self.acknowledge([one for one, event in pairs if known(self.mark, event)])

    def choose(self, arrived: Sequence[Arrived]) -> tuple[Sequence[Arrived], bool]:
        """Choose what can be stored now; see `following`.

        Args:
            arrived: Of one pull.
        """
        return following(self.mark, arrived)

    async def store(self, run: Sequence[Arrived]) -> None:
        """Store events behind the last one, all or none.

        Args:
            run: They follow the mark.

        Raises:
            Overtaken: They do not follow what is stored.
            BusAway: The site's server did not answer.
        """
        if not run:
            return
        messages = [self.message(one) for one in run]
        if len(messages) == 1:
            receipt = await publishing.one(self._home, messages[0])
        else:
            receipt = await publishing.batch(self._home, messages)
        if receipt.refusal or receipt.duplicate:
            logger().info("site.fenced", subscription_id=self._name, code=receipt.refusal)
            raise Overtaken
        last = run[-1]
        self.mark = Mark(epoch=last.epoch, number=last.number, sequence=receipt.sequence)

    def message(self, one: Arrived) -> Outgoing:
        """Make the site's message of an event; it is stored only right behind the mark.

        Args:
            one: The event.
        """
        # A restored feed uses numbers again for other events: the epoch is part of the id.
        headers = {
            "Nats-Msg-Id": f"{self._name}:{one.epoch}:{one.number}",
            "ce-id": one.id,
            "content-type": "application/cloudevents+json",
        }
        return Outgoing(
            subject=f"site.{self._name}",
            body=one.body,
            headers=publishing.fenced(headers, _FENCE, self.mark.sequence),
        )

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """Tell the centre that the site has these.

        Args:
            messages: Stored, or known before.
        """
        for one in messages:
            await one.ack()

    async def catch_up(self, *, from_start: bool) -> None:
        """Read what is missing from the record.

        Args:
            from_start: The feed was restored: whatever the record tells anew, wherever it begins.

        Raises:
            OSError: The centre did not answer.
            Overtaken: Another bridge is at it.
            BusAway: The site's own server did not answer.
        """
        after = 0 if from_start else self.mark.number
        while page := [read(body) for body in await self._record(after)]:
            await self.store([one for one in page if not known(self.mark, one)])
            after = page[-1].number

    async def _store_tests(self, tests: Sequence[Arrived]) -> None:
        for one in tests:
            if not known(self.mark, one):
                continue
            # Known by its id alone: it takes no number.
            message = self.message(one)
            headers = {**message.headers, "Nats-Msg-Id": f"{self._name}:test:{one.id}"}
            receipt = await publishing.one(
                self._home, msgspec.structs.replace(message, headers=headers)
            )
            if receipt.refusal:
                raise Overtaken
            if not receipt.duplicate:
                self.mark = msgspec.structs.replace(self.mark, sequence=receipt.sequence)

    async def _settle(self) -> None:
        """Make SITE where there is none, and find out from it where the site stands."""
        context = self._home.jetstream()
        try:
            await context.stream_info(SITE)
        except NotFoundError:
            wanted = streams.stream_config(SITE, "site.*")
            await context.add_stream(wanted.evolve(max_age=0, max_msgs_per_subject=KEPT))
        self._behind = True
        self.mark = Mark()
        with contextlib.suppress(NotFoundError):
            last = await context.get_msg(SITE, subject=f"site.{self._name}")
            event = read(last.data or b"")
            self.mark = Mark(epoch=event.epoch, number=event.number, sequence=last.seq or 0)

    @contextlib.asynccontextmanager
    async def _connected(self, entry: Entry, session: asyncio.Timeout) -> AsyncIterator[Client]:
        leaving = False

        async def ignore(_: Exception) -> None:
            """Whoever uses the connection notices."""

        async def lost() -> None:
            """End the session at once: what it waits for will not come."""
            if not (leaving or session.expired()):
                session.reschedule(asyncio.get_running_loop().time())

        options: Any = {
            "user": entry.user,
            "password": entry.password,
            "inbox_prefix": f"_INBOX_{self._name}".encode(),
            "allow_reconnect": False,
            "connect_timeout": _CONNECT_S,
            "error_cb": ignore,
            "closed_cb": lost,
        }
        client = await nats.connect(entry.url, **options)
        try:
            yield client
        finally:
            leaving = True
            with contextlib.suppress(*_TROUBLE):
                await asyncio.shield(client.close())

    def _cut(self, error: Exception) -> None:
        if not self._away:
            logger().warning("site.cut", subscription_id=self._name, error=type(error).__name__)
        self._behind = self._away = True

    def _healed(self) -> None:
        if self._away:
            logger().info("site.healed", subscription_id=self._name, sequence=self.mark.number)
        self._away = False


_ARRIVED: Final = msgspec.json.Decoder(Arrived)
