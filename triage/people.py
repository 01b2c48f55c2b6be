"""Patient and caller: identity and contact, sealed; found again only by look-up tokens."""

import re
from typing import Annotated, Final
from uuid import UUID

import msgspec

from kernel import ids
from kernel.crypto import DataKey, KeyRing, seal, unseal
from kernel.database import Tx
from kernel.inputs import Code, ShortText
from triage.model import Case
from triage.recogniser import normalise

Date = Annotated[
    str, msgspec.Meta(pattern=r"^(19|20|21)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
]
"""A calendar day, YYYY-MM-DD."""

PATIENT: Final = "triage.patient."
CALLER: Final = "triage.caller."
_PHONE_DIGITS: Final = 9
"""National and international spellings of one number share their last nine digits."""


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who the patient is, as far as it was said."""

    family_name: ShortText | None = None
    given_name: ShortText | None = None
    birth_date: Date | None = None
    ins: Code | None = None
    phone: ShortText | None = None


class CallerGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who calls: the relation to the patient as a code, name and number as said."""

    relation: Code = "unknown"
    name: ShortText | None = None
    phone: ShortText | None = None


def phone_token(keys: KeyRing, phone: str | None) -> bytes | None:
    """Give the look-up token of a telephone number.

    Args:
        keys: Makes tokens.
        phone: As said; anything but digits is dropped.

    Returns:
        The token of the last nine digits, or None when there are too few to tell people apart.
    """
    digits = re.sub(r"[^0-9]", "", phone or "")
    enough = len(digits) >= _PHONE_DIGITS
    return keys.token("phone", digits[-_PHONE_DIGITS:]) if enough else None


async def write_patient(
    tx: Tx, keys: KeyRing, key: DataKey, case: Case, identity: Identity
) -> None:
    """Seal and store who the patient of a case is.

    Args:
        tx: The transaction.
        keys: Makes the look-up tokens.
        key: The case's data key.
        case: The case; it has no patient yet.
        identity: What was said.
    """
    patient_id = ids.uuid7()
    said = msgspec.structs.asdict(identity)
    sealed = [
        None if said[field] is None else seal(key, PATIENT + field, patient_id, said[field])
        for field in Identity.__struct_fields__
    ]
    family = normalise(identity.family_name or "").strip()
    await tx.execute(
        INSERT_PATIENT,
        patient_id,
        case.id,
        case.territory_id,
        key.id,
        *sealed,
        keys.token("family_name", family) if family else None,
        keys.token("birth_date", identity.birth_date) if identity.birth_date else None,
        keys.token("ins", identity.ins) if identity.ins else None,
        phone_token(keys, identity.phone),
    )


async def read_patient(tx: Tx, key: DataKey, case_id: UUID) -> Identity | None:
    """Open who the patient of a case is.

    Args:
        tx: The transaction; the caller writes the audit row.
        key: The case's data key.
        case_id: Which case.

    Returns:
        The identity, or None when none was given.
    """
    row = await tx.fetchrow(SELECT_PATIENT, case_id)
    if row is None:
        return None
    fields = {
        field: unseal(key, PATIENT + field, row["id"], row[field])
        for field in Identity.__struct_fields__
        if row[field] is not None
    }
    return Identity(**fields)


async def write_caller(
    tx: Tx, keys: KeyRing, key: DataKey, given: CallerGiven, *, call_id: UUID, territory_id: UUID
) -> None:
    """Seal and store who calls.

    Args:
        tx: The transaction.
        keys: Makes the look-up token.
        key: The caller's own data key: the call may never become a case.
        given: What was said.
        call_id: The call.
        territory_id: Where.
    """
    caller_id = ids.uuid7()
    await tx.execute(
        INSERT_CALLER,
        caller_id,
        call_id,
        territory_id,
        given.relation,
        key.id,
        None if given.name is None else seal(key, CALLER + "name", caller_id, given.name),
        None if given.phone is None else seal(key, CALLER + "phone", caller_id, given.phone),
        phone_token(keys, given.phone),
    )


async def read_callers(tx: Tx, keys: KeyRing, case_id: UUID) -> tuple[CallerGiven, ...]:
    """Open who called about a case, first caller first.

    Args:
        tx: The transaction; the caller of this function writes the audit row.
        keys: Opens each caller's own key.
        case_id: Which case.
    """
    found: list[CallerGiven] = []
    for row in await tx.fetch(SELECT_CALLERS, case_id):
        key = await keys.open_key(tx, row["key_id"])
        name, phone = (
            None if row[field] is None else unseal(key, CALLER + field, row["id"], row[field])
            for field in ("name", "phone")
        )
        found.append(CallerGiven(relation=row["relation"], name=name, phone=phone))
    return tuple(found)


INSERT_PATIENT: Final = """
insert into triage.patient (id, case_id, territory_id, key_id, family_name, given_name, birth_date,
    ins, phone, family_name_token, birth_date_token, ins_token, phone_token)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
SELECT_PATIENT: Final = """
select id, family_name, given_name, birth_date, ins, phone from triage.patient where case_id = $1
"""
INSERT_CALLER: Final = """
insert into triage.caller
    (id, call_id, case_id, territory_id, relation, key_id, name, phone, phone_token)
select $1, c.id, c.case_id, $3, $4, $5, $6, $7, $8 from triage.call c where c.id = $2
"""
SELECT_CALLERS: Final = """
select id, relation, key_id, name, phone from triage.caller where case_id = $1 order by id
"""
