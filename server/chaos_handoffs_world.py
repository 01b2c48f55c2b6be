"""The world of `chaos handoffs`: a centre, receivers, and a clock of the database that is moved.

Receivers answer in time, late or never, or their system is dead; colleagues on duty take what
they are told, or don't, or forget what they took; shifts begin and end. Time jumps from one thing
that is due to the next, so a day passes in seconds; every action is a real use case in a
transaction of its own, and those of one moment race.
"""

import asyncio
import contextlib
import enum
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import deadlines, duty, escalation, handoffs, ladder
from events.duty import SetDuty
from events.fact import Acuity
from events.model import Handoff, HandoffRequest
from kernel import errors, ids
from kernel.actor import Actor, Role
from kernel.database import Database, Tx

GRID_S: Final = 5
"""Everything falls on this grid; the clock of handoffs looks once in it (in service: each 1 s)."""
ASKED_WITHIN_S: Final = 3600
BEGIN: Final = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
ACUITIES: Final[tuple[Acuity, ...]] = ("U0", "U1", "U2", "U3", "U4", "U5")
PAIRED: Final = 0.1
"""Share of patients for whom two receivers are asked at once."""
LOOKED_AT: Final = 0.7
"""Share of answered handoffs that somebody looked at before."""
IGNORED: Final = 0.4
"""Share of steps that nobody of those told takes."""
FORGOTTEN: Final = 0.2
"""Share of what was taken in hand and then forgotten: it lapses and climbs again."""
HALF: Final = 0.5
AT_ONCE: Final = 12
FAULTS: Final = ("stopped-clock", "one-step", "off-duty-told", "receipt-is-acceptance")


class Manner(enum.StrEnum):
    """How a receiver behaves."""

    PROMPT = "prompt"
    SLOW = "slow"
    SILENT = "silent"
    DEAD = "dead"
    REFUSES = "refuses"


WEIGHTS: Final = {
    Manner.PROMPT: 3,
    Manner.SLOW: 2,
    Manner.SILENT: 2,
    Manner.DEAD: 2,
    Manner.REFUSES: 1,
}


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """What a colleague said of being on duty, at a moment; the harness' own note."""

    actor_id: UUID
    at: datetime
    on_duty: bool


class World:
    """Runs handoffs through a day of a moved clock."""

    def __init__(
        self,
        database: Database,
        system: Database,
        admin: "asyncpg.Connection[asyncpg.Record]",
        seed: int,
        fault: str | None,
    ) -> None:
        """Prepare; `run` acts.

        Args:
            database: Pool under `regul_app`.
            system: Pool under `regul_system`.
            admin: Superuser: it owns the clock.
            seed: Of every choice.
            fault: One of `FAULTS` to plant, or None.
        """
        self._database, self._system, self._admin = database, system, admin
        self._dice = random.Random(seed)
        self._fault = fault
        self._planned: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._numbers = itertools.count()
        self._now_s = 0
        self._read = 0
        self._gate = asyncio.Semaphore(AT_ONCE)
        territory = ids.uuid7()
        self._centre = [
            Actor(id=ids.uuid7(), role=role, territory_id=territory)
            for role in (Role.PHYSICIAN, Role.SUPERVISOR, Role.OPERATOR)
            for _ in range(3)
        ]
        self._clinics = [
            Actor(id=ids.uuid7(), role=Role.CLINIC, organisation_ids=(ids.uuid7(),))
            for _ in range(20)
        ]
        self.territory_id = territory
        self.shifts: list[Shift] = []
        self.instants = 0

    async def run(self, count: int) -> None:
        """Ask for `count` handoffs and let everything happen until nothing is due.

        Args:
            count: How many.
        """
        await self._begin()
        for _ in range(count):
            self._plan(self._dice.randrange(ASKED_WITHIN_S), self._request)
        for colleague in self._centre[1:]:
            for hour in range(1, 8):
                on_duty = self._dice.random() < HALF
                self._plan(hour * 600, partial(self._says, colleague, on_duty=on_duty))
        while self._planned or await self._due_s() is not None:
            await self._advance()

    async def _begin(self) -> None:
        await self._admin.execute(CLOCK)
        await self._admin.execute("insert into public.chaos_clock values ($1)", BEGIN)
        await self._admin.execute(
            "insert into kernel.territory (id, code, name, time_zone, country)"
            " values ($1, 'CH', 'CH', 'Europe/Paris', 'FR')",
            self.territory_id,
        )
        for one in (*self._centre, *self._clinics):
            await self._admin.execute(
                "insert into kernel.actor (id, role, territory_id, organisation_ids, label)"
                " values ($1, $2, $3, $4, 'x')",
                one.id,
                one.role.value,
                one.territory_id,
                list(one.organisation_ids),
            )
        async with self._system.transaction(self._centre[0]) as tx:
            await duty.set_roster(tx, self.territory_id, 1, actor_id=self._centre[3].id)
        if self._fault == "one-step":
            await self._admin.execute(ONE_STEP)

    def _plan(self, at_s: float, act: Callable[[], Awaitable[None]]) -> None:
        on_grid = max(self._now_s, -(-int(at_s) // GRID_S) * GRID_S)
        heapq.heappush(self._planned, (on_grid, next(self._numbers), act))

    async def _advance(self) -> None:
        """Jump to the next moment at which something is due, and let it happen."""
        due = await self._due_s()
        planned = self._planned[0][0] if self._planned else None
        next_s = min(one for one in (due, planned) if one is not None)
        self._now_s = max(self._now_s, -(-int(next_s) // GRID_S) * GRID_S)
        self.instants += 1
        await self._admin.execute(
            "update public.chaos_clock set at = $1", BEGIN + timedelta(seconds=self._now_s)
        )
        acts = []
        while self._planned and self._planned[0][0] <= self._now_s:
            acts.append(heapq.heappop(self._planned)[2])
        clock = [] if self._fault == "stopped-clock" else [deadlines.step(self._system)]
        await asyncio.gather(*clock, *(self._gated(act) for act in acts))
        while clock and await deadlines.step(self._system):
            pass
        await self._colleagues_read()

    async def _gated(self, act: Callable[[], Awaitable[None]]) -> None:
        async with self._gate:
            # A colleague, a receiver or the clock was first: that is what races are for.
            with contextlib.suppress(errors.Conflict):
                await act()

    async def _due_s(self) -> float | None:
        if self._fault == "stopped-clock":
            return None
        at: datetime | None = await self._admin.fetchval(NEXT_DUE)
        return None if at is None else (at - BEGIN).total_seconds()

    async def _request(self) -> None:
        acuity = self._dice.choice(ACUITIES)
        both = self._dice.random() < PAIRED
        disposition, case = ids.uuid7(), ids.uuid7()
        for clinic in self._dice.sample(self._clinics, 2 if both else 1):
            wish = HandoffRequest(
                case_id=case,
                territory_id=self.territory_id,
                subject_kind="referral",
                subject_id=ids.uuid7(),
                disposition_id=disposition,
                to_organisation_id=clinic.organisation_ids[0],
                care_service_id=ids.uuid7(),
                acuity=acuity,
                acknowledgement_required=True,
            )
            self._behave(await self._ask(wish), clinic)

    async def _ask(self, wish: HandoffRequest) -> Handoff:
        sender = self._centre[0]
        return await self._database.run(sender, lambda tx: handoffs.request(tx, sender, wish))

    def _behave(self, made: Handoff, clinic: Actor) -> None:
        """Plan what the receiver will do."""
        manner = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        within = ladder.shipped().answer_within_s[made.acuity]
        arrives = self._now_s + self._dice.uniform(
            0, ladder.shipped().deliver_within_s[made.acuity] - GRID_S
        )
        if manner is Manner.DEAD:
            return
        self._plan(arrives, lambda: self._does(made, clinic, "deliver"))
        if manner is Manner.SILENT:
            return
        late = within * (1.0 if manner is not Manner.SLOW else self._dice.uniform(1.1, 3))
        answers = self._now_s + max(arrives - self._now_s + GRID_S, late * self._dice.random())
        if manner is Manner.SLOW:
            answers = self._now_s + late
        if self._dice.random() < LOOKED_AT:
            self._plan((arrives + answers) / 2, lambda: self._does(made, clinic, "see"))
        verb = "refuse" if manner is Manner.REFUSES else "accept"
        self._plan(answers, lambda: self._does(made, clinic, verb))

    async def _does(self, made: Handoff, clinic: Actor, verb: str) -> None:
        async def act(tx: Tx) -> None:
            if verb == "deliver":
                await handoffs.deliver(tx, clinic, made.id)
            elif verb == "see":
                await handoffs.see(tx, clinic, made.id)
            elif verb == "accept":
                await handoffs.accept(tx, clinic, made.id)
            else:
                await handoffs.refuse(tx, clinic, made.id, "no_capacity")

        await self._database.run(clinic, act)
        if verb == "deliver" and self._fault == "receipt-is-acceptance":
            await self._admin.execute(ACCEPTED_BY_RECEIPT, made.id, clinic.id)

    async def _says(self, who: Actor, *, on_duty: bool) -> None:
        """Begin or end a shift."""
        at = BEGIN + timedelta(seconds=self._now_s)
        self.shifts.append(Shift(actor_id=who.id, at=at, on_duty=on_duty))
        if self._fault != "off-duty-told":
            wish = SetDuty(on_duty=on_duty)
            await self._database.run(who, lambda tx: duty.put(tx, who, wish))

    def _is_on(self, who: Actor) -> bool:
        said = [one.on_duty for one in self.shifts if one.actor_id == who.id]
        return not said or said[-1]

    async def _colleagues_read(self) -> None:
        """Let those who were told something decide what they do."""
        for row in await self._admin.fetch(TOLD, self._read):
            self._read = max(self._read, row["id"])
            told = {row["actor_id"], row["role"]}
            fitting = [
                one
                for one in self._centre
                if self._is_on(one) and ({str(one.id), one.role.value, ladder.CENTRE} & told)
            ]
            if not fitting or self._dice.random() < IGNORED:
                continue
            who = self._dice.choice(fitting)
            after = self._dice.uniform(5, 60)
            self._plan(self._now_s + after, partial(self._takes, who, row["aggregate_id"]))

    async def _takes(self, who: Actor, handoff_id: UUID) -> None:
        if not self._is_on(who):
            return
        taken = await self._database.run(who, lambda tx: escalation.take(tx, who, handoff_id))
        hold_s = ladder.shipped().hold_within_s[taken.acuity]
        forgets = self._dice.random() < FORGOTTEN
        share = self._dice.uniform(1.2, 2) if forgets else self._dice.random()
        self._plan(self._now_s + hold_s * share, lambda: self._sends_elsewhere(who, handoff_id))

    async def _sends_elsewhere(self, who: Actor, handoff_id: UUID) -> None:
        async def act(tx: Tx) -> None:
            found = await handoffs.get(tx, who, handoff_id)
            if found.taken_by == who.id and found.state == "taken":
                await handoffs.cancel(tx, who, handoff_id, "re_routed")

        await self._database.run(who, act)


CLOCK: Final = """
create table public.chaos_clock (at timestamptz not null);
grant select on public.chaos_clock to public;
create or replace function kernel.regul_now() returns timestamptz language sql volatile
as $$ select c.at from public.chaos_clock c $$
"""
NEXT_DUE: Final = """
select min(case
        when state = 'requested' then least(due_at, deliver_by)
        when state in ('delivered', 'seen', 'taken') then due_at
        else next_step_at end)
from events.handoff
where state in ('requested', 'delivered', 'seen', 'taken', 'escalated')
  and coalesce(next_step_at, '-infinity') <> 'infinity'
"""
TOLD: Final = """
select id, aggregate_id, payload ->> 'actor_id' as actor_id, payload ->> 'role' as role
from events.outbox where id > $1 and kind = 'handoff.escalated' order by id
"""
ONE_STEP: Final = """
create function public.chaos_one_step() returns trigger language plpgsql
as $$ begin new.next_step_at = 'infinity'; return new; end $$;
create trigger chaos_one_step before update on events.handoff for each row
when (new.state = 'escalated') execute function public.chaos_one_step()
"""
ACCEPTED_BY_RECEIPT: Final = """
update events.handoff h set state = 'accepted', owner = 'receiver', acceptance = 'human',
    answered_by = $2, answered_at = kernel.regul_now()
where h.id = $1 and h.state = 'delivered' and not exists (
    select from events.handoff o where o.disposition_id = h.disposition_id and o.id <> h.id)
"""
