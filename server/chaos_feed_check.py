"""What `chaos feed` finds in the end: the record against every copy and every effect."""

import asyncio
import collections
import contextlib
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import feed, sequencer
from events.jetstream import FEED, Bus, BusAway
from kernel.actor import system
from kernel.database import Database
from server import chaos_feed_roles, chaos_world
from server.background import beside
from server.chaos_feed_roles import Effects, Roles
from server.client import AwayError, Client
from server.report import Figure, against_goal

CALL_EVERY_S: Final = 0.05
_PAGE: Final = 5000


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was found wrong, and how much was looked at.

    Attributes:
        events: That were looked at: planned ones and calls that the API accepted.
        kills: Of each process.
        lost: Events that are missing, by where.
        doubled: Effects beyond the first, by where.
        inverted: Neighbours of one case in the wrong order, by where.
        gaps: Positions or numbers that nobody has, and breaks of the hash chain.
        seconds: Until the last effect was had.
    """

    events: int
    kills: dict[str, int]
    lost: dict[str, int]
    doubled: dict[str, int]
    inverted: dict[str, int]
    gaps: int
    seconds: float

    @property
    def held(self) -> bool:
        """Say whether every event was told once and in order."""
        wrong = (self.lost, self.doubled, self.inverted)
        return not self.gaps and not any(sum(one.values()) for one in wrong)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What PostgreSQL holds, read in one transaction.

    Attributes:
        recorded: Every event, in the order of recording.
        reacted: What the follower did, in the order of doing.
        chain_broken: The hash chain does not fit somewhere.
        head: The last position.
    """

    recorded: Sequence[asyncpg.Record]
    reacted: Sequence[asyncpg.Record]
    chain_broken: bool
    head: int


class Calls:
    """Takes calls through the API, each under a key of its own, until told to stop.

    Attributes:
        accepted: How many the API said it has.
        unknown: How many it gave no answer to: there or not.
    """

    def __init__(self, url: str) -> None:
        """Prepare.

        Args:
            url: Of the HTTP service.
        """
        self._client = Client(url, chaos_world.OPERATOR_KEY, patience_s=60)
        self.accepted = self.unknown = 0
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Take no more calls."""
        self._stop.set()

    async def one(self) -> None:
        """Take one call; an answer that was lost is asked for again under the same key."""
        try:
            await self._client.accepted("POST", "/api/v1/calls", {"channel": "phone"})
            self.accepted += 1
        except AwayError:
            self.unknown += 1

    async def run(self) -> None:
        """Take one call after the other."""
        while not self._stop.is_set():
            await self.one()
            await asyncio.sleep(CALL_EVERY_S)

    async def close(self) -> None:
        """Close the lines."""
        await self._client.close()


class Check:
    """Compares what was written with what arrived."""

    def __init__(self, database: Database, roles: Roles, calls: Calls) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_system`.
            roles: What was to be written.
            calls: What the API accepted.
        """
        self._database = database
        self._roles = roles
        self._calls = calls

    async def all(self, nats_url: str, kills: dict[str, int], seconds: float) -> Outcome:
        """Compare everything.

        Args:
            nats_url: The service's own.
            kills: Of each process.
            seconds: Until the last effect.
        """
        record = await self._record()
        recorded, head = record.recorded, record.head
        planned = [one for lane in range(chaos_feed_roles.LANES) for one in self._roles.lane(lane)]
        ids = {row["event_id"]: row for row in recorded}
        placed = [row["event_id"] for row in recorded if row["position"] is not None]
        journal = self._journal()
        calls = sum(row["kind"] == chaos_world.CALL for row in recorded)
        with contextlib.closing(Effects(self._roles.store)) as effects:
            received = effects.all()
        delivered = [UUID(one) for _, one in received]
        opened = {row["event_id"] for row in recorded if row["kind"] == chaos_world.OPENED}
        followed = [row["event_id"] for row in record.reacted]
        copied = await self._copied(nats_url, head)
        lost = {
            "record": sum(one.id not in ids for one in planned),
            "calls": max(0, self._calls.accepted - calls),
            "journal": len(set(journal) - ids.keys()),
            "positions": len(ids) - len(placed),
            "stream": len(ids.keys() - set(copied)),
            "subscriber": len(ids.keys() - set(delivered)),
            "follower": len(opened - set(followed)),
        }
        return Outcome(
            events=len(recorded),
            kills=kills,
            lost=lost,
            doubled={
                "record": _twice(journal),
                "calls": max(0, calls - self._calls.accepted - self._calls.unknown),
                "stream": _twice(copied),
                "subscriber": _twice(delivered),
                "follower": _twice(followed),
            },
            inverted={
                "record": _inverted(placed, ids),
                "subscriber": _inverted(delivered, ids),
            },
            gaps=(head - len(placed)) + record.chain_broken + _breaks(received),
            seconds=seconds,
        )

    async def _record(self) -> Record:
        async with self._database.transaction(system()) as tx:
            await tx.execute("set local statement_timeout = '60s'")
            return Record(
                recorded=await tx.fetch(SELECT_RECORDED),
                reacted=await tx.fetch(SELECT_EFFECTS),
                chain_broken=await sequencer.verify(tx) is not None,
                head=await feed.head(tx),
            )

    def _journal(self) -> list[UUID]:
        """Read what the writer was told is committed; a last line may be cut by a kill."""
        lines = self._roles.journal.read_text("utf-8").splitlines()
        return [UUID(line) for line in lines if len(line) == len(str(UUID(int=0)))]

    async def _copied(self, nats_url: str, head: int) -> list[UUID]:
        bus = Bus(nats_url, "chaos")
        async with beside(bus.run()):
            async with asyncio.timeout(10):
                while not bus.connected:  # noqa: ASYNC110 - tells nobody
                    await asyncio.sleep(0.02)
            found: list[UUID] = []
            for start in range(1, head + 1, _PAGE):
                with contextlib.suppress(BusAway):
                    page = await bus.ids(FEED, start, min(_PAGE, head - start + 1))
                    found += [UUID(page[place]) for place in sorted(page)]
            return found


def _twice(ids: Sequence[UUID]) -> int:
    return len(ids) - len(set(ids))


def _inverted(ids: Iterable[UUID], recorded: dict[UUID, asyncpg.Record]) -> int:
    """Count events that came after a later one of the same aggregate; repetitions apart."""
    last: dict[UUID, int] = collections.defaultdict(int)
    seen: set[UUID] = set()
    wrong = 0
    for one in ids:
        row = recorded.get(one)
        if row is None or one in seen:
            continue
        seen.add(one)
        wrong += row["version"] < last[row["aggregate_id"]]
        last[row["aggregate_id"]] = max(last[row["aggregate_id"]], row["version"])
    return wrong


def _breaks(received: Sequence[tuple[int, str]]) -> int:
    numbers = sorted({number for number, _ in received})
    return sum(1 for _ in chaos_world.runs([0, *numbers]))


def figures(outcome: Outcome) -> list[Figure]:
    """Give what is reported.

    Args:
        outcome: Of a run.
    """
    return [
        Figure(name="events", value=outcome.events, unit="events"),
        Figure(name="seconds", value=round(outcome.seconds, 1), unit="s"),
        *(
            Figure(name=f"kills.{name}", value=number, unit="kills")
            for name, number in outcome.kills.items()
        ),
        *(
            against_goal(f"{what}.{where}", number, "events", "== 0")
            for what in ("lost", "doubled", "inverted")
            for where, number in getattr(outcome, what).items()
        ),
        against_goal("gaps", outcome.gaps, "gaps", "== 0"),
    ]


SELECT_RECORDED: Final = """
select o.event_id, o.kind, o.aggregate_id, o.version, p.position
from events.outbox o left join events.position p on p.outbox_id = o.id
order by p.position
"""
SELECT_EFFECTS: Final = """
select event_id from public.chaos_effect
"""
