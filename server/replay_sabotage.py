"""Faults that a replay must find, planted in the database of its own throw-away servers."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from server import replay_run
from server.demo import DEMO, Instance
from server.refusal import Refusal
from server.replay_cases import RecordedCase
from server.replay_ledger import Ending
from server.replay_run import Options, Outcome
from server.stack import Stack, throw_away_home

SETTLE_S: Final = 8.0


async def run(fault: str, cases: Sequence[RecordedCase], seed: int) -> Outcome:
    """Replay on throw-away servers and plant one fault.

    Args:
        fault: `lost-event`: an event is committed and never gets a position; `double`: two
            appointments stand on one seat; `lost-case`: a case has vanished.
        cases: What is replayed.
        seed: Of the run.

    Returns:
        What was seen, the fault included.

    Raises:
        Refusal: `DATABASE_URL` is set: nobody's own database is damaged.
    """
    from server.replay import where_of

    with throw_away_home() as home:
        instance = Instance()
        async with Stack(home, throw_away=True, settings=DEMO, seed=instance.fill) as stack:
            if stack.postgres is None:
                raise Refusal("Sabotage damages data: unset DATABASE_URL.")
            connection = await asyncpg.connect(stack.postgres.dsn("regul"))
            try:
                if fault == "lost-event":
                    await connection.execute(LOSE_EVENT)

                async def plant(endings: Sequence[Ending]) -> None:
                    await _plant(connection, fault, endings)

                how = Options(seed=seed, settle_s=SETTLE_S, before_check=plant)
                return await replay_run.run(where_of(stack), cases, how)
            finally:
                await connection.close()


async def _plant(connection: asyncpg.Connection, fault: str, endings: Sequence[Ending]) -> None:
    """Damage what stands in the database, as no code of ours ever could."""
    if fault == "lost-case":
        await connection.execute("set session_replication_role = replica")
        await connection.execute(LOSE_CASE, endings[-1].case_id)
    elif fault == "double":
        booked = [one for one in endings if one.appointment_id is not None]
        if len(booked) < 2:  # noqa: PLR2004 - a double needs two
            raise Refusal("Too few appointments to double one: replay more cases.")
        await connection.execute("drop index routing.appointment_one_per_seat")
        await connection.execute(DOUBLE, booked[0].appointment_id, booked[1].appointment_id)


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
