"""Cases: opening, reading, moving along the state table, passing responsibility, closing.

In every state exactly one actor or organisation is responsible; the database refuses anything
else (`case_file_one_responsible`).
"""

from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, outbox
from kernel import audit, errors, ids
from kernel.actor import Actor, Role, require
from kernel.crypto import DataKey, seal
from kernel.database import Tx
from kernel.inputs import Code, Latitude, Longitude, ShortText, Text
from triage import entitlement, participants, recalls
from triage.acuity import Acuity
from triage.model import Case, LowerLevel, Place, Sex, State, sources

COMPLAINT_TEXT: Final = "triage.case_file.complaint_text"
ADDRESS: Final = "triage.case_file.address"
Age = float


class PlaceGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the patient is: WGS84 degrees, commune code, address as said."""

    lon: Longitude
    lat: Latitude
    insee: Code | None = None
    address: ShortText | None = None


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a case when it is opened; texts are sealed on the way in."""

    call_id: UUID | None = None
    incident_id: UUID | None = None
    complaint: str | None = None
    complaint_text: Text | None = None
    default_acuity: Acuity | None = None
    sex: Sex | None = None
    age_years: Age | None = None
    place: PlaceGiven | None = None


async def insert(tx: Tx, actor: Actor, opening: Opening, key: DataKey) -> Case:
    """Write a new case; whoever opens it is responsible.

    Args:
        tx: The transaction.
        actor: Who opens it.
        opening: What is known.
        key: The case's data key, committed before.

    Returns:
        The case in state `taken`.

    Raises:
        Forbidden: `territory_needed`: the actor works for no centre.
    """
    require(actor, "case.open")
    case_id, territory_id, place = ids.uuid7(), territory_of(actor), opening.place
    address = None if place is None else place.address
    await tx.execute(
        INSERT_CASE,
        case_id,
        territory_id,
        opening.incident_id,
        key.id,
        actor.id,
        opening.complaint,
        _sealed(key, COMPLAINT_TEXT, case_id, opening.complaint_text),
        _sealed(key, ADDRESS, case_id, address),
        opening.sex,
        opening.age_years,
        None if place is None else place.insee,
        None if place is None else place.lon,
        None if place is None else place.lat,
        opening.default_acuity,
    )
    event = catalogue.CaseOpened(complaint=opening.complaint, call_id=opening.call_id)
    await outbox.append(
        tx, actor, event, aggregate_id=case_id, territory_id=territory_id, case_id=case_id
    )
    await audit.record(tx, actor, "case.open", "case", case_id, case_id=case_id)
    return await get(tx, actor, case_id)


def _sealed(key: DataKey, place: str, row_id: UUID, text: str | None) -> bytes | None:
    """Seal a text, when there is one."""
    return None if not text else seal(key, place, row_id, text)


def territory_of(actor: Actor) -> UUID:
    """Give the territory of a centre's actor.

    Args:
        actor: Who asks.

    Raises:
        Forbidden: `territory_needed`.
    """
    if actor.territory_id is None:
        code = "territory_needed"
        raise errors.Forbidden(code, "Only the staff of a centre may do this.")
    return actor.territory_id


async def get(tx: Tx, actor: Actor, case_id: UUID) -> Case:
    """Read a case that the actor may see, without identity and free text.

    Args:
        tx: The transaction; its row policies decide who sees what.
        actor: Who asks.
        case_id: Which.

    Raises:
        Missing: `case_missing`: none, or none for this actor.
    """
    row = await tx.fetchrow(SELECT_CASE, case_id)
    if row is None:
        raise missing(actor)
    return as_case(row)


async def locked(tx: Tx, actor: Actor, case_id: UUID) -> Case:
    """Read a case and keep others from changing it until the commit.

    Args:
        tx: The transaction.
        actor: Who asks.
        case_id: Which.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_closed`: nothing is changed in a closed case.
    """
    await tx.fetchval(LOCK_CASE, case_id)
    case = await get(tx, actor, case_id)
    if case.state == "closed":
        code = "case_closed"
        raise errors.Conflict(code, "This case is closed.")
    return case


def missing(actor: Actor) -> errors.Missing:
    """Build the refusal of a case that is not there for this actor.

    Args:
        actor: Who asked; what exists elsewhere is not told.
    """
    code = "case_missing"
    return errors.Missing(code, "No such case.", role=actor.role.value)


async def move(tx: Tx, actor: Actor, case_id: UUID, to_state: State) -> Case:
    """Move a case along the state table; moving it to where it is changes nothing.

    Args:
        tx: The transaction.
        actor: Staff, a participating organisation's actor, or the system; the row policies
            decide whether it may.
        case_id: Which.
        to_state: Where to; closing has its own use case.

    Returns:
        The case after it.

    Raises:
        Missing: `case_missing`.
        Conflict: `case_state`: the table does not lead there from where it is.
    """
    moved = await tx.fetchval(MOVE_CASE, case_id, to_state, list(sources(to_state)))
    case = await get(tx, actor, case_id)
    if moved is None and case.state != to_state:
        code = "case_state"
        raise errors.Conflict(
            code, "The case is in another state.", state=case.state, wanted=to_state
        )
    if moved is not None:
        await audit.record(
            tx, actor, "case.move", "case", case_id, case_id=case_id,
            territory_id=case.territory_id, detail=to_state,
        )  # fmt: skip
    return case


async def hand_to(
    tx: Tx,
    actor: Actor,
    case_id: UUID,
    *,
    actor_id: UUID | None = None,
    organisation_id: UUID | None = None,
) -> None:
    """Make exactly one actor or organisation responsible for a case.

    Args:
        tx: The transaction.
        actor: Who hands over.
        case_id: Which.
        actor_id: The actor who answers for the patient from now on; or else
        organisation_id: the organisation that does.

    Raises:
        Missing: `case_missing`.
        Conflict: `one_responsible`: both or none were given.
    """
    row = await tx.fetchrow(HAND_TO, case_id, actor_id, organisation_id)
    if row is None:
        raise missing(actor)
    detail = f"actor {actor_id}" if actor_id is not None else f"organisation {organisation_id}"
    await audit.record(
        tx, actor, "case.hand_to", "case", case_id, case_id=case_id,
        territory_id=row["territory_id"], detail=detail,
    )  # fmt: skip


class CloseCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a case ends: a code such as `advice_given`, `seen`, `cancelled_by_caller`."""

    outcome: Code


async def close(tx: Tx, actor: Actor, case_id: UUID, command: CloseCase) -> Case:
    """Close a case that somebody entitled to it decided.

    Args:
        tx: The transaction.
        actor: Who closes it.
        case_id: Which.
        command: Why.

    Returns:
        The closed case; its last responsible stays on record.

    Raises:
        Missing: `case_missing`.
        Forbidden: `physician_only`.
        Conflict: `case_without_disposition`, `case_closed`, `death_not_confirmed` (`deaths`).
    """
    require(actor, "case.close")
    if command.outcome == "deceased":
        code = "death_not_confirmed"
        raise errors.Conflict(code, "Only a physician's confirmation of a death closes a case so.")
    case = await locked(tx, actor, case_id)
    by_physician = await tx.fetchval(SELECT_BY_PHYSICIAN, case_id)
    refusal = entitlement.closing_refusal(actor.role, case, by_physician=by_physician)
    if refusal is not None:
        raise errors.Forbidden(refusal, "Only a physician may close this case.")
    if await tx.fetchval(CLOSE_CASE, case_id, command.outcome, actor.role == Role.SYSTEM) is None:
        code = "case_without_disposition"
        raise errors.Conflict(code, "Every case ends with a disposition.")
    await recalls.keep(tx, case_id)
    await outbox.append(
        tx,
        actor,
        catalogue.CaseClosed(outcome=command.outcome),
        aggregate_id=case_id,
        territory_id=case.territory_id,
        case_id=case_id,
        organisation_ids=await participants.of_case(tx, case_id),
    )
    await audit.record(
        tx, actor, "case.close", "case", case_id, case_id=case_id, detail=command.outcome
    )
    return await get(tx, actor, case_id)


def as_case(row: asyncpg.Record) -> Case:
    """Build a case from its row.

    Args:
        row: With the columns of `SELECT_CASE`.
    """
    fields = dict(row)
    lon, lat, insee = fields.pop("lon"), fields.pop("lat"), fields.pop("insee")
    place = None if lon is None else Place(lon=lon, lat=lat, insee=insee)
    lower = {name: fields.pop(f"lower_{name}") for name in LowerLevel.__struct_fields__}
    return Case(
        place=place,
        lower=None if lower["assessment_id"] is None else LowerLevel(**lower),
        physician_reasons=tuple(fields.pop("physician_reasons")),
        **fields,
    )


INSERT_CASE: Final = """
insert into triage.case_file (id, territory_id, incident_id, key_id, opened_by, complaint,
    complaint_text, address, sex, age_years, insee, lon, lat, default_acuity, responsible_actor_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $5)
"""
SELECT_CASE: Final = """
select id, territory_id, incident_id, key_id, opened_by, opened_at, state, complaint, sex,
       age_years, insee, lon, lat, default_acuity, assessment_id, acuity_assured, acuity_worst,
       acuity_proposed, interval_closed, physician_required, priority, stream, qualified_at,
       awaiting_since, taken_by, decided_at, care_level, responsible_actor_id,
       responsible_organisation_id, closed_at, close_outcome, heard_at, lower_assessment_id,
       lower_assured, lower_proposed, lower_since, physician_reasons, calls_96h, previous_case_id,
       recall.due_at as recall_due_at,
       coalesce(recall.due_at <= kernel.regul_now(), false) as recall_overdue
from triage.case_file c
left join lateral (
    select k.due_at from triage.callback k
    where k.case_id = c.id and k.reason = 'recall' and k.state = 'due') recall on true
where id = $1
"""
LOCK_CASE: Final = """
select id from triage.case_file where id = $1 for update
"""
MOVE_CASE: Final = """
update triage.case_file set state = $2
where id = $1 and state = any ($3::text[])
returning id
"""
HAND_TO: Final = """
update triage.case_file set responsible_actor_id = $2, responsible_organisation_id = $3
where id = $1
returning territory_id
"""
SELECT_BY_PHYSICIAN: Final = """
select exists (select from triage.disposition
    where case_id = $1 and decided_role = 'physician' and not reflex)
"""
CLOSE_CASE: Final = """
update triage.case_file c
set state = 'closed', closed_at = kernel.regul_now(), close_outcome = $2
where c.id = $1 and c.state <> 'closed'
  and ($3 or exists (select from triage.disposition d where d.case_id = c.id))
returning c.id
"""
