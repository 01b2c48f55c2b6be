"""Calls: one contact each; what it ends as, and the call back that an interrupted one leaves."""

from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, database, errors, ids
from kernel.actor import Actor, require
from kernel.crypto import DataKey, KeyRing
from kernel.database import Tx
from kernel.inputs import Code
from triage import callbacks, cases, people, repeats
from triage.callbacks import ScheduleCallback
from triage.model import Call, CallOutcome, Channel
from triage.people import CallerGiven

database.refuses("call_case_named", errors.Invalid, "case_needed")
database.refuses("call_incident_id_fkey", errors.Missing, "incident_missing")
database.refuses("call_case_id_fkey", errors.Missing, "case_missing")


class OpenCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contact that begins."""

    channel: Channel = "phone"
    incident_id: UUID | None = None
    caller: CallerGiven | None = None


class EndCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a contact ended as; `case_id` names the case of `case` and `existing_case`."""

    outcome: CallOutcome
    case_id: UUID | None = None


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event with several calls or patients; its kind as a code."""

    kind: Code


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident; linking never removes a patient's own case."""

    id: UUID
    territory_id: UUID
    kind: str


async def open_call(
    tx: Tx, actor: Actor, command: OpenCall, keys: KeyRing, key: DataKey | None
) -> Call:
    """Write down that a contact began.

    Args:
        tx: The transaction.
        actor: Who answers.
        command: The contact.
        keys: Makes the look-up token of the number.
        key: Data key for the caller's identity; needed when a caller is given.

    Returns:
        The call.

    Raises:
        Forbidden: The role may not, or `territory_needed`.
        Missing: `incident_missing`.
    """
    require(actor, "call.open")
    call_id, territory_id = ids.uuid7(), cases.territory_of(actor)
    await tx.execute(
        INSERT_CALL, call_id, territory_id, command.incident_id, command.channel, actor.id
    )
    if command.caller is not None and key is not None:
        await people.write_caller(
            tx, keys, key, command.caller, call_id=call_id, territory_id=territory_id
        )
    await outbox.append(
        tx,
        actor,
        catalogue.CallReceived(channel=command.channel),
        aggregate_id=call_id,
        territory_id=territory_id,
    )
    await audit.record(tx, actor, "call.open", "call", call_id)
    return await get(tx, call_id)


async def get(tx: Tx, call_id: UUID) -> Call:
    """Read a call of the actor's territory.

    Args:
        tx: The transaction.
        call_id: Which.

    Raises:
        Missing: `call_missing`.
    """
    row = await tx.fetchrow(SELECT_CALL, call_id)
    if row is None:
        code = "call_missing"
        raise errors.Missing(code, "No such call.")
    return _call(row)


async def of_case(tx: Tx, case_id: UUID) -> tuple[Call, ...]:
    """List the calls about a case, first call first.

    Args:
        tx: The transaction.
        case_id: Which case.
    """
    return tuple(_call(row) for row in await tx.fetch(SELECT_CALLS_OF_CASE, case_id))


async def join(tx: Tx, call_id: UUID, case_id: UUID) -> None:
    """Say that a call is about a case; the caller becomes visible with the case.

    Args:
        tx: The transaction.
        call_id: The call.
        case_id: The case.

    Raises:
        Missing: `call_missing`.
        Conflict: `call_of_another_case`.
    """
    if await tx.fetchval(JOIN_CALL, call_id, case_id) is None:
        await get(tx, call_id)
        code = "call_of_another_case"
        raise errors.Conflict(code, "This call belongs to another case.")
    await tx.execute(JOIN_CALLER, call_id, case_id)


async def end_call(tx: Tx, actor: Actor, call_id: UUID, command: EndCall) -> Call:
    """End a contact; one that nobody answered leaves a call back that is owed now.

    Args:
        tx: The transaction.
        actor: Who ends it.
        call_id: Which.
        command: What it ended as.

    Returns:
        The call.

    Raises:
        Missing: `call_missing`, `case_missing`.
        Conflict: `call_ended`: it ended as something else; `call_of_another_case`.
        Invalid: `case_needed`.
    """
    require(actor, "call.end")
    if command.case_id is not None:
        await cases.get(tx, actor, command.case_id)
        await join(tx, call_id, command.case_id)
        await repeats.count_again(tx, command.case_id)
    ended = await tx.fetchval(END_CALL, call_id, command.outcome)
    call = await get(tx, call_id)
    if ended is None:
        if call.outcome == command.outcome:
            return call
        code = "call_ended"
        raise errors.Conflict(code, "This call ended already.", outcome=call.outcome)
    event = catalogue.CallEnded(outcome=command.outcome)
    await outbox.append(
        tx, actor, event, aggregate_id=call_id, territory_id=call.territory_id,
        case_id=call.case_id,
    )  # fmt: skip
    await audit.record(
        tx, actor, "call.end", "call", call_id, case_id=call.case_id, detail=command.outcome
    )
    if command.outcome == "no_answer":
        owed = ScheduleCallback(call_id=call_id, case_id=call.case_id, reason="hang_up")
        await callbacks.schedule(tx, actor, owed)
    return call


async def open_incident(tx: Tx, actor: Actor, command: OpenIncident) -> Incident:
    """Open an incident that calls and cases may be linked to.

    Args:
        tx: The transaction.
        actor: Who opens it.
        command: Its kind.
    """
    require(actor, "call.open")
    incident_id, territory_id = ids.uuid7(), cases.territory_of(actor)
    await tx.execute(INSERT_INCIDENT, incident_id, territory_id, command.kind, actor.id)
    await audit.record(tx, actor, "call.open", "incident", incident_id)
    return Incident(id=incident_id, territory_id=territory_id, kind=command.kind)


async def get_incident(tx: Tx, incident_id: UUID) -> Incident:
    """Read an incident.

    Args:
        tx: The transaction.
        incident_id: Which.

    Raises:
        Missing: `incident_missing`.
    """
    row = await tx.fetchrow(SELECT_INCIDENT, incident_id)
    if row is None:
        code = "incident_missing"
        raise errors.Missing(code, "No such incident.")
    return Incident(id=row["id"], territory_id=row["territory_id"], kind=row["kind"])


def _call(row: asyncpg.Record) -> Call:
    """Build a call from its row."""
    return Call(**dict(row))


INSERT_CALL: Final = """
insert into triage.call (id, territory_id, incident_id, channel, received_by)
values ($1, $2, $3, $4, $5)
"""
SELECT_CALL: Final = """
select id, territory_id, channel, received_by, received_at, ended_at, outcome, case_id, incident_id
from triage.call where id = $1
"""
SELECT_CALLS_OF_CASE: Final = """
select id, territory_id, channel, received_by, received_at, ended_at, outcome, case_id, incident_id
from triage.call where case_id = $1 order by received_at, id
"""
JOIN_CALL: Final = """
update triage.call set case_id = $2
where id = $1 and (case_id is null or case_id = $2)
returning id
"""
JOIN_CALLER: Final = """
update triage.caller set case_id = $2 where call_id = $1
"""
END_CALL: Final = """
update triage.call set ended_at = kernel.regul_now(), outcome = $2
where id = $1 and ended_at is null
returning id
"""
INSERT_INCIDENT: Final = """
insert into triage.incident (id, territory_id, kind, opened_by) values ($1, $2, $3, $4)
"""
SELECT_INCIDENT: Final = """
select id, territory_id, kind from triage.incident where id = $1
"""
