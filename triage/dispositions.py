"""Dispositions: what shall be done, decided by whom the law says, with what was said."""

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, errors, ids
from kernel.actor import Actor, Role, require
from kernel.crypto import DataKey, KeyRing, seal, unseal
from kernel.database import Tx
from kernel.inputs import Code, Text, UtcTime, utc
from triage import cases, entitlement, participants, qualification, recalls
from triage.acuity import DUE_MINUTES, Acuity
from triage.model import CareLevel, Case, Disposition, Kind

WORSENING_SIGNS: Final = "triage.disposition.worsening_signs"
CALL_BACK: Final = "triage.disposition.call_back"
_BEFORE_DECISION: Final = frozenset({"taken", "qualified", "awaiting_physician"})


class SafetyNetSaid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was said before the patient was left, and whether it was repeated correctly."""

    worsening_signs: Text
    call_back: Text
    read_back: bool


class Decide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision.

    Attributes:
        kind: CONSEIL, PMT, INTER, ORIENT or PASPLUS.
        acuity: The level decided.
        reason: Code; needed below the proposed level.
        service: Service code of the directory; needed for INTER and ORIENT.
        skills: Skill codes of the directory.
        modality: `office`, `home_visit`, `teleconsultation` or `telephone`.
        care_level: R1-R4, set by a physician.
        due_at: By when; the level's own limit when left out.
        safety_net: What was said; needed for CONSEIL, PMT and ORIENT.
    """

    kind: Kind
    acuity: Acuity
    reason: Code | None = None
    service: Code | None = None
    skills: tuple[Code, ...] = ()
    modality: Code | None = None
    care_level: CareLevel | None = None
    due_at: UtcTime | None = None
    safety_net: SafetyNetSaid | None = None


class ReflexDispatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What leaves at once."""

    service: Code = "smur"


async def decide(
    tx: Tx, actor: Actor, case_id: UUID, command: Decide, keys: KeyRing
) -> Disposition:
    """Decide what shall be done.

    Args:
        tx: The transaction.
        actor: Who decides; responsible from then on, unless an organisation already is.
        case_id: Which case.
        command: The decision.
        keys: Seals what was said.

    Returns:
        The disposition, with both levels.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_closed`.
        Forbidden: `physician_only`, `not_delegated`.
        Invalid: `reason_missing`, `safety_net_missing`, `service_missing`.
    """
    require(actor, "disposition.decide")
    case = await cases.locked(tx, actor, case_id)
    wanted = entitlement.Decision(
        kind=command.kind,
        acuity=command.acuity,
        has_reason=command.reason is not None,
        has_safety_net=_said(command.safety_net),
        has_service=command.service is not None,
    )
    refusal = entitlement.decision_refusal(actor.role, actor.delegations, case, wanted)
    if refusal is None and command.care_level is not None and actor.role.value != "physician":
        refusal = "physician_only"
    if refusal is not None:
        raise qualification.refused(refusal)
    decided = await _insert(tx, actor, case, command, await keys.open_key(tx, case.key_id))
    state = "decided" if case.state in _BEFORE_DECISION else case.state
    await tx.execute(SET_DECIDED, case_id, state, actor.id, command.care_level)
    await recalls.keep(tx, case_id)
    await _tell(tx, actor, decided)
    return decided


async def dispatch(
    tx: Tx, actor: Actor, case_id: UUID, command: ReflexDispatch, keys: KeyRing
) -> Disposition:
    """Dispatch at once, before medical regulation; the physician is still owed.

    Args:
        tx: The transaction.
        actor: Who dispatches.
        case_id: Which case.
        command: What leaves.
        keys: Opens the case's key.

    Returns:
        The disposition INTER at U0; the case is P0 in the stream AMU and awaits a physician.

    Raises:
        Missing: `case_missing`.
        Conflict: `dispatch_not_assured`, `case_closed`.
    """
    require(actor, "dispatch.reflex")
    case = await cases.locked(tx, actor, case_id)
    refusal = entitlement.dispatch_refusal(case)
    if refusal is not None:
        raise qualification.refused(refusal)
    if case.priority != "P0" or case.decided_at is not None:
        p0 = qualification.Qualify(priority="P0", stream="AMU", reason="reflex_dispatch")
        await qualification.qualify(tx, actor, case_id, p0)
    wanted = Decide(kind="INTER", acuity="U0", service=command.service, reason="reflex_dispatch")
    key = await keys.open_key(tx, case.key_id)
    decided = await _insert(tx, actor, case, wanted, key, reflex=True)
    await _tell(tx, actor, decided)
    return decided


def _said(safety_net: SafetyNetSaid | None) -> bool:
    """Tell whether both sentences of the safety net hold something."""
    return safety_net is not None and all(
        text.strip() for text in (safety_net.worsening_signs, safety_net.call_back)
    )


async def _insert(
    tx: Tx, actor: Actor, case: Case, command: Decide, key: DataKey, *, reflex: bool = False
) -> Disposition:
    """Write the row; the due time comes from the database's clock."""
    disposition_id, said = ids.uuid7(), command.safety_net
    minutes = DUE_MINUTES[command.acuity]
    row = await tx.fetchrow(
        INSERT_DISPOSITION,
        disposition_id,
        case.id,
        case.territory_id,
        command.kind,
        command.acuity,
        case.acuity_proposed,
        case.assessment_id,
        command.reason,
        reflex,
        command.service,
        list(command.skills),
        command.modality,
        command.care_level,
        None if command.due_at is None else utc(command.due_at, "$.due_at"),
        minutes,
        actor.id,
        actor.role.value,
        None if said is None else seal(key, WORSENING_SIGNS, disposition_id, said.worsening_signs),
        None if said is None else seal(key, CALL_BACK, disposition_id, said.call_back),
        None if said is None else said.read_back,
    )
    return _disposition(row)


async def _tell(tx: Tx, actor: Actor, decided: Disposition) -> None:
    """Append the event and the audit row."""
    await outbox.append(
        tx,
        actor,
        catalogue.DispositionDecided(
            decision=decided.kind,
            acuity=decided.acuity,
            service=decided.service,
            due_at=decided.due_at,
        ),
        aggregate_id=decided.id,
        territory_id=decided.territory_id,
        case_id=decided.case_id,
        organisation_ids=await participants.of_case(tx, decided.case_id),
    )
    levels = f"{decided.acuity} proposed {decided.acuity_proposed or 'none'}"
    await audit.record(
        tx,
        actor,
        "dispatch.reflex" if decided.reflex else "disposition.decide",
        "disposition",
        decided.id,
        case_id=decided.case_id,
        detail=f"{decided.kind} {levels} {decided.reason or ''}".strip(),
    )


async def get(tx: Tx, actor: Actor, disposition_id: UUID) -> Disposition:
    """Read a disposition, without what was said.

    Args:
        tx: The transaction.
        actor: Who asks; the row policies decide what is seen.
        disposition_id: Which.

    Raises:
        Missing: `disposition_missing`.
    """
    row = await tx.fetchrow(SELECT_DISPOSITION, disposition_id)
    if row is None:
        code = "disposition_missing"
        raise errors.Missing(code, "No such disposition.", role=actor.role.value)
    return _disposition(row)


async def carry_out(tx: Tx, actor: Actor, case: Case, disposition_id: UUID) -> None:
    """Let a decision be carried out: an open case is booked by a physician, or on one's word.

    Args:
        tx: The transaction.
        actor: Who books or sends.
        case: The case as it stands.
        disposition_id: What was decided.

    Raises:
        Forbidden: `physician_only`: answers since then opened a case that an OSNP decided.
        Missing: `disposition_missing`.
    """
    if entitlement.booking_refusal(actor.role, case, by_physician=False) is None:
        return
    decided = await get(tx, actor, disposition_id)
    by_physician = decided.decided_role == Role.PHYSICIAN.value
    refusal = entitlement.booking_refusal(actor.role, case, by_physician=by_physician)
    if refusal is not None:
        raise qualification.refused(refusal)


async def of_case(tx: Tx, case_id: UUID, key: DataKey) -> tuple[Disposition, ...]:
    """List the dispositions of a case with what was said, first decided first.

    Args:
        tx: The transaction; the caller writes the audit row.
        case_id: Which case.
        key: The case's data key.
    """
    found: list[Disposition] = []
    for row in await tx.fetch(SELECT_DISPOSITIONS_OF_CASE, case_id):
        signs, call_back = row["worsening_signs"], row["call_back"]
        found.append(
            msgspec.structs.replace(
                _disposition(row),
                worsening_signs=None
                if signs is None
                else unseal(key, WORSENING_SIGNS, row["id"], signs),
                call_back=None
                if call_back is None
                else unseal(key, CALL_BACK, row["id"], call_back),
            )
        )
    return tuple(found)


def _disposition(row: asyncpg.Record) -> Disposition:
    """Build a disposition from its row, leaving out what is sealed."""
    due_at: datetime | None = row["due_at"]
    return Disposition(
        id=row["id"],
        case_id=row["case_id"],
        territory_id=row["territory_id"],
        kind=row["kind"],
        acuity=row["acuity"],
        acuity_proposed=row["acuity_proposed"],
        reason=row["reason"],
        reflex=row["reflex"],
        service=row["service"],
        skills=tuple(row["skills"]),
        modality=row["modality"],
        care_level=row["care_level"],
        due_at=due_at,
        decided_by=row["decided_by"],
        decided_role=row["decided_role"],
        decided_at=row["decided_at"],
        read_back=row["read_back"],
    )


INSERT_DISPOSITION: Final = """
insert into triage.disposition (id, case_id, territory_id, kind, acuity, acuity_proposed,
    assessment_id, reason, reflex, service, skills, modality, care_level, due_at, decided_by,
    decided_role, worsening_signs, call_back, read_back)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    least($14::timestamptz, kernel.regul_now() + make_interval(mins => $15::integer)),
    $16, $17, $18, $19, $20)
returning id, case_id, territory_id, kind, acuity, acuity_proposed, reason, reflex, service,
    skills, modality, care_level, due_at, decided_by, decided_role, decided_at, read_back
"""
SET_DECIDED: Final = """
update triage.case_file
set state = $2, decided_at = coalesce(decided_at, kernel.regul_now()),
    taken_by = coalesce(taken_by, $3), taken_at = coalesce(taken_at, kernel.regul_now()),
    care_level = coalesce($4, care_level),
    responsible_actor_id = case when responsible_organisation_id is null then $3::uuid end
where id = $1
"""
SELECT_DISPOSITION: Final = """
select id, case_id, territory_id, kind, acuity, acuity_proposed, reason, reflex, service,
       skills, modality, care_level, due_at, decided_by, decided_role, decided_at, read_back
from triage.disposition where id = $1
"""
SELECT_DISPOSITIONS_OF_CASE: Final = """
select id, case_id, territory_id, kind, acuity, acuity_proposed, reason, reflex, service,
       skills, modality, care_level, due_at, decided_by, decided_role, decided_at, read_back,
       worsening_signs, call_back
from triage.disposition where case_id = $1 order by id
"""
