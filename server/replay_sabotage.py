"""Faults that a replay must find, planted in the database of its own throw-away servers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg

from server import replay_run
from server.demo import DEMO, Instance
from server.refusal import Refusal
from server.replay_cases import RecordedCase
from server.replay_ledger import Ending
from server.replay_run import Options, Outcome
from server.stack import Stack, throw_away_home

SETTLE_S: Final = 8.0


Hook: TypeAlias = Callable[[Sequence[Ending]], Awaitable[None]]
"""Done after a run and before its check."""


@asynccontextmanager
async def planting(stack: Stack, fault: str | None) -> AsyncIterator[Hook | None]:
    """Plant one fault in the servers of a run.

    Args:
        stack: Entered; its database is damaged.
        fault: `lost-event`: an event is committed and never gets a position; `double`: two
            appointments stand on one seat; `lost-case`: a case has vanished; None plants nothing.

    Yields:
        What is to be done between the run and its check, if anything.

    Raises:
        Refusal: `DATABASE_URL` is set: nobody's own database is damaged.
    """
    if fault is None:
        yield None
        return
    if stack.postgres is None:
        raise Refusal("Sabotage damages data: unset DATABASE_URL.")
    dsn = stack.postgres.dsn("regul")
    if fault == "lost-event":
        await _damage(dsn, (LOSE_EVENT,))

    async def plant(endings: Sequence[Ending]) -> None:
        await _damage(dsn, *_statements(fault, endings))

    yield plant


async def run(fault: str, cases: Sequence[RecordedCase], seed: int) -> Outcome:
    """Replay on throw-away servers and plant one fault.

    Args:
        fault: See `planting`.
        cases: What is replayed.
        seed: Of the run.

    Returns:
        What was seen, the fault included.
    """
    from server.replay import where_of

    with throw_away_home() as home:
        stack = Stack(home, throw_away=True, settings=DEMO, seed=Instance().fill)
        async with stack, planting(stack, fault) as plant:
            how = Options(seed=seed, settle_s=SETTLE_S, before_check=plant)
            return await replay_run.run(where_of(stack), cases, how)


async def _damage(dsn: str, *statements: tuple[str | UUID | None, ...]) -> None:
    """Change data as no code of ours ever could."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(*statement)
    finally:
        await connection.close()


def _statements(fault: str, endings: Sequence[Ending]) -> list[tuple[str | UUID | None, ...]]:
    if fault == "lost-case":
        return [("set session_replication_role = replica",), (LOSE_CASE, endings[-1].case_id)]
    if fault == "double":
        booked = [one for one in endings if one.appointment_id is not None]
        if len(booked) < 2:  # noqa: PLR2004 - a double needs two
            raise Refusal("Too few appointments to double one: replay more cases.")
        drop = "drop index routing.appointment_one_per_seat"
        return [(drop,), (DOUBLE, booked[0].appointment_id, booked[1].appointment_id)]
    return []


LOSE_EVENT: Final = """
create function public.lose_event() returns trigger language plpgsql as $$
begin
    if (select o.kind = 'disposition.decided' and not exists (
            select from public.lost_event) from events.outbox o where o.id = new.outbox_id) then
        insert into public.lost_event values (new.outbox_id);
        return null;
    end if;
    return new;
end $$;
create table public.lost_event (outbox_id bigint);
alter function public.lose_event() security definer;
create trigger lose_event before insert on events.pending
    for each row execute function public.lose_event()
"""
LOSE_CASE: Final = """
delete from triage.case_file where id = $1
"""
DOUBLE: Final = """
update routing.appointment a set slot_id = b.slot_id, seat = b.seat
from routing.appointment b where a.id = $1 and b.id = $2
"""
