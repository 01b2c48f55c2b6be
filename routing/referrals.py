"""Referrals: a request without fixed time to an emergency department, SMUR, ambulance, physician.

A referral is a handoff without a slot. A named human of the receiver must answer within a time
that the acuity sets, or it escalates; until then the sender answers for the patient.
"""

from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, handoffs, ladder, outbox
from events.model import Handoff, HandoffRequest, State
from kernel import audit, crypto, database, errors, ids
from kernel.actor import Actor, require
from kernel.crypto import KeyRing
from kernel.database import Tx
from kernel.inputs import Text
from routing import progress, waiting
from routing.model import Referral, ReferralState, ReferralVerb, referral_before
from triage import cases, dispositions, participants

INSTRUCTIONS: Final = "routing.referral.instructions"
"""What a sealed text is bound to, beside its row."""

ENGAGED: Final = frozenset({"smur", "ambulance", "fire_rescue"})
"""Services that come to the patient: the case is engaged, not oriented."""

database.refuses("referral_one_per_receiver", errors.Conflict, "referral_running")


class Send(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask a care service to take a patient.

    Attributes:
        disposition_id: What was decided.
        care_service_id: Who is asked.
        instructions: What the receiver must know; kept sealed.
        answer_within_s: A faster answer than the acuity's own; a slower one is not given.
    """

    disposition_id: UUID
    care_service_id: UUID
    instructions: Text | None = None
    answer_within_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None


class Settle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say that the patient arrived, or call the referral off."""

    outcome: Literal["completed", "cancelled"]


async def send(tx: Tx, actor: Actor, command: Send, keys: KeyRing) -> Referral:
    """Send a referral and hand the patient over, pending the receiver's answer.

    Args:
        tx: The transaction.
        actor: Who sends; stays responsible until somebody accepts.
        command: What, to whom.
        keys: Seals the instructions with the case's key.

    Returns:
        The referral with its deadline.

    Raises:
        Missing: `care_service_missing`, or the disposition is unknown here.
        Forbidden: `physician_only`: the case is open again since an OSNP decided it.
        Conflict: `referral_running`: the same receiver is being asked already;
            `case_closed`.
    """
    require(actor, "referral.send")
    wanted = await dispositions.get(tx, actor, command.disposition_id)
    patient = await cases.get(tx, actor, wanted.case_id)
    progress.refuse_closed(patient)
    await dispositions.carry_out(tx, actor, patient, wanted.id)
    referral_id = ids.uuid7()
    sealed: bytes | None = None
    if command.instructions:
        key = await keys.open_key(tx, patient.key_id)
        sealed = crypto.seal(key, INSTRUCTIONS, referral_id, command.instructions)
    row = await tx.fetchrow(
        INSERT_REFERRAL,
        referral_id,
        wanted.territory_id,
        wanted.case_id,
        wanted.id,
        command.care_service_id,
        wanted.acuity,
        actor.id,
        None if sealed is None else patient.key_id,
        sealed,
    )
    if row is None:
        code = "care_service_missing"
        raise errors.Missing(code, "No such active care service.")
    sent = await _hand_over(tx, actor, _referral(row), command.answer_within_s)
    await _tell(tx, actor, sent, catalogue.ReferralSent)
    await waiting.placed(tx, actor, sent.disposition_id, sent.care_service_id)
    await _record(tx, actor, "referral.send", sent)
    return msgspec.structs.replace(sent, instructions=command.instructions)


async def get(tx: Tx, actor: Actor, referral_id: UUID, keys: KeyRing) -> Referral:
    """Read a referral with what its receiver must know.

    Args:
        tx: The transaction.
        actor: Who reads.
        referral_id: Which.
        keys: Opens the instructions.

    Raises:
        Missing: `referral_missing`.
    """
    require(actor, "referral.read")
    row = await tx.fetchrow(SELECT_SEALED, referral_id)
    if row is None:
        raise _missing()
    found = _referral(row)
    await _record(tx, actor, "referral.read", found)
    text = None
    if row["instructions"] is not None:
        key = await keys.open_key(tx, row["key_id"])
        text = crypto.unseal(key, INSTRUCTIONS, found.id, row["instructions"])
    return msgspec.structs.replace(found, instructions=text)


async def settle(tx: Tx, actor: Actor, referral_id: UUID, command: Settle) -> Referral:
    """Complete a referral when the patient is there, or call it off.

    Args:
        tx: The transaction.
        actor: The receiver or the centre's staff; only the staff calls off.
        referral_id: Which.
        command: The outcome.

    Returns:
        The referral.

    Raises:
        Missing: `referral_missing`.
        Forbidden: `action_not_allowed`: a receiver refuses by its handoff instead.
        Conflict: `referral_state`: completed before somebody accepted, or ended already.
    """
    require(actor, "referral.update")
    known = await find(tx, referral_id)
    if known is None:
        raise _missing()
    require(actor, "referral.update", organisation_id=known.organisation_id)
    if command.outcome == "completed":
        return await _complete(tx, actor, known)
    require(actor, "referral.send")
    gone = await change(tx, actor, known.id, ReferralVerb.CANCEL)
    if gone is None:
        raise _wrong_state(known)
    handed = await handoffs.of_subject(tx, gone.id)
    if handed is not None and handed.ended_at is None:
        await handoffs.cancel(tx, actor, handed.id)
    if not await waiting.another_has_patient(tx, gone.id):
        await cases.hand_to(tx, actor, gone.case_id, actor_id=actor.id)
        await progress.advance(tx, actor, gone.case_id, "decided")
    await _record(tx, actor, "referral.update", gone)
    return gone


async def change(tx: Tx, actor: Actor, referral_id: UUID, verb: ReferralVerb) -> Referral | None:
    """Make one change of a referral's state and tell it.

    Args:
        tx: The transaction.
        actor: Who causes it; the calling use case has checked that they may.
        referral_id: Which.
        verb: What happens.

    Returns:
        The referral after it, or None when its state does not allow it.
    """
    row = await tx.fetchrow(CHANGE, referral_id, _AFTER[verb], referral_before(verb))
    if row is None:
        return None
    changed = _referral(row)
    await _tell(tx, actor, changed, catalogue.ReferralUpdated)
    return changed


async def find(tx: Tx, referral_id: UUID) -> Referral | None:
    """Read a referral without its text, for a reaction.

    Args:
        tx: The transaction.
        referral_id: Which.
    """
    row = await tx.fetchrow(SELECT_REFERRAL, referral_id)
    return None if row is None else _referral(row)


async def _complete(tx: Tx, actor: Actor, known: Referral) -> Referral:
    handed = await handoffs.of_subject(tx, known.id)
    if handed is not None and handed.ended_at is None:
        if handed.state is not State.ACCEPTED and known.organisation_id in actor.organisation_ids:
            await handoffs.accept(tx, actor, handed.id)
            await change(tx, actor, known.id, ReferralVerb.ACCEPT)
        await handoffs.complete(tx, actor, handed.id)
    done = await change(tx, actor, known.id, ReferralVerb.COMPLETE)
    if done is None:
        raise _wrong_state(known)
    await progress.advance(tx, actor, done.case_id, "arrived")
    await cases.hand_to(tx, actor, done.case_id, organisation_id=done.organisation_id)
    await _record(tx, actor, "referral.update", done)
    return done


async def _hand_over(tx: Tx, actor: Actor, sent: Referral, answer_within_s: int | None) -> Referral:
    await participants.add(tx, sent.case_id, sent.organisation_id, sent.territory_id)
    own_s = ladder.shipped().answer_within_s[sent.acuity]
    handed: Handoff = await handoffs.request(
        tx,
        actor,
        HandoffRequest(
            case_id=sent.case_id,
            territory_id=sent.territory_id,
            subject_kind="referral",
            subject_id=sent.id,
            disposition_id=sent.disposition_id,
            to_organisation_id=sent.organisation_id,
            care_service_id=sent.care_service_id,
            acuity=sent.acuity,
            acknowledgement_required=True,
            due_s=own_s if answer_within_s is None else min(own_s, answer_within_s),
        ),
    )
    await tx.execute(SET_HANDOFF, sent.id, handed.id, handed.due_at)
    await progress.advance(
        tx, actor, sent.case_id, "engaged" if sent.service in ENGAGED else "oriented"
    )
    return msgspec.structs.replace(sent, handoff_id=handed.id, due_at=handed.due_at)


def _missing() -> errors.Missing:
    return errors.Missing("referral_missing", "No such referral.")


def _wrong_state(known: Referral) -> errors.Conflict:
    return errors.Conflict(
        "referral_state", "The referral's state does not allow this.", state=known.state.value
    )


async def _tell(tx: Tx, actor: Actor, about: Referral, kind: type[catalogue.ReferralEvent]) -> None:
    await outbox.append(
        tx,
        actor,
        kind(
            care_service_id=about.care_service_id,
            service=about.service,
            state=about.state.value,
            acuity=about.acuity,
            handoff_id=about.handoff_id,
        ),
        aggregate_id=about.id,
        territory_id=about.territory_id,
        case_id=about.case_id,
        organisation_ids=(about.organisation_id,),
    )


async def _record(tx: Tx, actor: Actor, action: str, about: Referral) -> None:
    await audit.record(
        tx,
        actor,
        action,
        "referral",
        about.id,
        case_id=about.case_id,
        territory_id=about.territory_id,
        detail=about.state.value,
    )


def _referral(row: asyncpg.Record) -> Referral:
    fields = {name: value for name, value in row.items() if name not in _SEALED}
    return msgspec.convert(fields, Referral)


_SEALED: Final = frozenset({"instructions", "key_id"})
_AFTER: Final = {
    ReferralVerb.ACCEPT: ReferralState.ACCEPTED.value,
    ReferralVerb.REFUSE: ReferralState.REFUSED.value,
    ReferralVerb.COMPLETE: ReferralState.COMPLETED.value,
    ReferralVerb.CANCEL: ReferralState.CANCELLED.value,
}

INSERT_REFERRAL: Final = """
insert into routing.referral (id, territory_id, case_id, disposition_id, organisation_id,
    care_service_id, service, acuity, state, sent_by, key_id, instructions)
select $1, $2, $3, $4, s.organisation_id, s.id, s.service, $6, 'sent', $7, $8, $9
from directory.care_service s where s.id = $5 and s.active
returning id, case_id, disposition_id, territory_id, organisation_id, care_service_id, service,
    acuity, state, sent_by, sent_at, due_at, handoff_id
"""
SET_HANDOFF: Final = """
update routing.referral set handoff_id = $2, due_at = $3 where id = $1
"""
SELECT_REFERRAL: Final = """
select id, case_id, disposition_id, territory_id, organisation_id, care_service_id, service,
    acuity, state, sent_by, sent_at, due_at, handoff_id
from routing.referral where id = $1
"""
SELECT_SEALED: Final = """
select id, case_id, disposition_id, territory_id, organisation_id, care_service_id, service,
    acuity, state, sent_by, sent_at, due_at, handoff_id, key_id, instructions
from routing.referral where id = $1
"""
CHANGE: Final = """
update routing.referral set state = $2,
    settled_at = case when $2 = 'accepted' then null else kernel.regul_now() end
where id = $1 and state = any ($3::text[])
returning id, case_id, disposition_id, territory_id, organisation_id, care_service_id, service,
    acuity, state, sent_by, sent_at, due_at, handoff_id
"""
