"""Callbacks: calls that are owed, from when, tried how often; a named actor owes each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, database, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import UtcTime, utc
from triage import cases, entitlement, qualification, recalls
from triage.model import AttemptOutcome, Callback, CallbackState, OwedReason

database.refuses("callback_about_something", errors.Invalid, "case_or_call_needed")
database.refuses("callback_case_id_fkey", errors.Missing, "case_missing")
database.refuses("callback_call_id_fkey", errors.Missing, "call_missing")

Seconds = Annotated[int, msgspec.Meta(ge=0, le=30 * 86_400)]


class ScheduleCallback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that is owed: about a case or a call, at once unless `due_at` or `due_in_s` say."""

    reason: OwedReason
    case_id: UUID | None = None
    call_id: UUID | None = None
    due_at: UtcTime | None = None
    due_in_s: Seconds = 0


class Attempt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of one attempt; `reached` and `refused` settle it, `abandoned` gives it up."""

    outcome: AttemptOutcome


SETTLED: Final[dict[AttemptOutcome, CallbackState]] = {
    "reached": "done",
    "refused": "done",
    "no_answer": "due",
    "wrong_number": "due",
    "abandoned": "abandoned",
}
"""Outcome of an attempt -> state of the callback after it."""


async def schedule(tx: Tx, actor: Actor, command: ScheduleCallback) -> Callback:
    """Owe a call.

    Args:
        tx: The transaction.
        actor: Who owes it, or the system: then whoever is responsible for the case does.
        command: About what, why, from when.

    Returns:
        The callback.

    Raises:
        Missing: `case_missing`, `call_missing`.
        Forbidden: `physician_only`: an open case is deferred by a physician.
        Invalid: `case_or_call_needed`.
        Malformed: `time_out_of_range`.
    """
    require(actor, "callback.schedule")
    due_at = None if command.due_at is None else utc(command.due_at, "$.due_at")
    if command.case_id is None and command.call_id is None:
        code = "case_or_call_needed"
        raise errors.Invalid(code, "Say which case or call it is about.")
    if command.reason == "deferred" and command.case_id is not None:
        case = await cases.get(tx, actor, command.case_id)
        refusal = entitlement.deferral_refusal(actor.role, case)
        if refusal is not None:
            raise qualification.refused(refusal)
    row = await tx.fetchrow(
        INSERT_CALLBACK,
        ids.uuid7(),
        command.case_id,
        command.call_id,
        command.reason,
        due_at,
        command.due_in_s,
        actor.id,
        actor.territory_id is None,
    )
    if row is None:
        code = "call_missing" if command.case_id is None else "case_missing"
        raise errors.Missing(code, "Nothing of that id to call back about.")
    callback = _callback(row)
    await outbox.append(
        tx,
        actor,
        catalogue.CallbackDue(due_at=callback.due_at, reason=callback.reason),
        aggregate_id=callback.id,
        territory_id=callback.territory_id,
        case_id=callback.case_id,
    )
    await audit.record(
        tx, actor, "callback.schedule", "callback", callback.id, case_id=callback.case_id,
        territory_id=callback.territory_id, detail=callback.reason,
    )  # fmt: skip
    return callback


async def attempt(tx: Tx, actor: Actor, callback_id: UUID, command: Attempt) -> Callback:
    """Write down one attempt; a re-call that reached somebody is owed again at its next time.

    Args:
        tx: The transaction.
        actor: Who tried; owes the next attempt.
        callback_id: Which.
        command: What became of it.

    Returns:
        The callback after it.

    Raises:
        Missing: `callback_missing`.
        Conflict: `callback_settled`.
    """
    require(actor, "callback.settle")
    before = await get(tx, callback_id)
    if before.reason == "recall" and before.case_id is not None:
        await tx.fetchval(cases.LOCK_CASE, before.case_id)
    row = await tx.fetchrow(
        RECORD_ATTEMPT, callback_id, command.outcome, SETTLED[command.outcome], actor.id
    )
    if row is None:
        known = await get(tx, callback_id)
        code = "callback_settled"
        raise errors.Conflict(code, "This call is no longer owed.", state=known.state)
    callback = _callback(row)
    await audit.record(
        tx, actor, "callback.settle", "callback", callback.id, case_id=callback.case_id,
        detail=command.outcome,
    )  # fmt: skip
    if callback.state != "due" and callback.reason == "recall" and callback.case_id is not None:
        await _owe_again(tx, callback.case_id, heard=command.outcome == "reached")
    return callback


async def _owe_again(tx: Tx, case_id: UUID, *, heard: bool) -> None:
    """Owe the next re-call: from now on, whether somebody was heard or the attempt given up."""
    if heard:
        await tx.execute(SET_HEARD, case_id)
    await recalls.keep(tx, case_id, from_now=not heard)


async def get(tx: Tx, callback_id: UUID) -> Callback:
    """Read a callback of the actor's territory.

    Args:
        tx: The transaction.
        callback_id: Which.

    Raises:
        Missing: `callback_missing`.
    """
    row = await tx.fetchrow(SELECT_CALLBACK, callback_id)
    if row is None:
        code = "callback_missing"
        raise errors.Missing(code, "No such callback.")
    return _callback(row)


async def owed(tx: Tx, actor: Actor, after: UUID | None, limit: int) -> Sequence[Callback]:
    """List the calls that are owed, earliest due first; re-calls once they are overdue.

    Args:
        tx: The transaction.
        actor: Who asks.
        after: Id of the last one of the page before.
        limit: At most 200.
    """
    require(actor, "queue.read")
    last: datetime | None = None if after is None else (await get(tx, after)).due_at
    rows = await tx.fetch(SELECT_OWED, last, after, limit)
    return [_callback(row) for row in rows]


async def of_case(tx: Tx, case_id: UUID) -> tuple[Callback, ...]:
    """List the callbacks of a case, earliest due first.

    Args:
        tx: The transaction.
        case_id: Which case.
    """
    return tuple(_callback(row) for row in await tx.fetch(SELECT_CALLBACKS_OF_CASE, case_id))


def _callback(row: asyncpg.Record) -> Callback:
    """Build a callback from its row."""
    return Callback(**dict(row))


INSERT_CALLBACK: Final = """
insert into triage.callback (id, territory_id, case_id, call_id, reason, due_at, owner_id)
select $1, a.territory_id, $2, $3, $4,
       coalesce($5::timestamptz, kernel.regul_now() + make_interval(secs => $6)),
       case when $8 then coalesce(a.responsible_actor_id, $7) else $7 end
from (select c.territory_id, c.responsible_actor_id from triage.case_file c where c.id = $2
      union all
      select l.territory_id, null from triage.call l where $2::uuid is null and l.id = $3) a
returning id, territory_id, case_id, call_id, reason, due_at, state, attempts, last_outcome,
          last_attempt_at, owner_id
"""
RECORD_ATTEMPT: Final = """
update triage.callback
set attempts = attempts + 1, last_outcome = $2, state = $3, owner_id = $4,
    last_attempt_at = kernel.regul_now()
where id = $1 and state = 'due'
returning id, territory_id, case_id, call_id, reason, due_at, state, attempts, last_outcome,
          last_attempt_at, owner_id
"""
SET_HEARD: Final = """
update triage.case_file set heard_at = kernel.regul_now() where id = $1
"""
SELECT_CALLBACK: Final = """
select id, territory_id, case_id, call_id, reason, due_at, state, attempts, last_outcome,
       last_attempt_at, owner_id
from triage.callback where id = $1
"""
SELECT_OWED: Final = """
select id, territory_id, case_id, call_id, reason, due_at, state, attempts, last_outcome,
       last_attempt_at, owner_id
from triage.callback
where state = 'due' and ($1::timestamptz is null or (due_at, id) > ($1, $2))
  and (reason <> 'recall' or due_at <= kernel.regul_now())
order by due_at, id
limit $3
"""
SELECT_CALLBACKS_OF_CASE: Final = """
select id, territory_id, case_id, call_id, reason, due_at, state, attempts, last_outcome,
       last_attempt_at, owner_id
from triage.callback where case_id = $1 order by due_at, id
"""
