"""Calls that come again: found by look-up tokens only, they never get a lower level unseen.

A contact is a repetition when it comes from a number of the last 96 hours, or is about a patient
of whom two traits (family name, birth date, INS) are the same. A number is no proof when name and
birth date are both known on both sides and both differ: then it is somebody else.
"""

from typing import Final
from uuid import UUID

import msgspec

from kernel.database import Tx
from triage import entitlement
from triage.acuity import Acuity
from triage.model import Case


class Repetition(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the contacts before.

    Attributes:
        calls: In 96 hours, this one included; errors and malicious calls don't count.
        previous_case_id: The last case before this one.
        level: The most severe of what was proposed and decided there, and in cases that are
            still open.
    """

    calls: int
    previous_case_id: UUID | None
    level: Acuity | None


async def find(tx: Tx, case_id: UUID) -> Repetition:
    """Find the contacts of 96 hours that a case repeats.

    Args:
        tx: The transaction; the row policies keep it to the actor's territory.
        case_id: A case with its callers and its patient written.
    """
    row = await tx.fetchrow(SELECT_REPETITION, case_id)
    if row is None:
        return Repetition(calls=1, previous_case_id=None, level=None)
    return Repetition(
        calls=max(1, row["calls"]), previous_case_id=row["previous_case_id"], level=row["level"]
    )


async def carry(tx: Tx, case: Case) -> None:
    """Put the level of the contact before in force, and require a physician at the third.

    The first assessment follows: where its answers say less, the milder level waits for a
    confirmation.

    Args:
        tx: The transaction that opens the case.
        case: The new case, its call joined, its patient written.
    """
    found = await find(tx, case.id)
    await tx.execute(SET_CARRIED, case.id, found.calls, found.previous_case_id, found.level)


async def count_again(tx: Tx, case_id: UUID) -> None:
    """Count the contacts of an open case again after a call was joined to it.

    Args:
        tx: The transaction, holding the case's lock.
        case_id: Which case; one that is closed stays as it is.
    """
    found = await find(tx, case_id)
    third = found.calls >= entitlement.THIRD_CALL
    await tx.execute(SET_COUNTED, case_id, found.calls, third)


SELECT_REPETITION: Final = """
with own as (
    select p.family_name_token, p.birth_date_token, p.ins_token, p.phone_token
    from triage.patient p where p.case_id = $1
), numbers as (
    select r.phone_token from triage.caller r where r.case_id = $1 and r.phone_token is not null
    union
    select o.phone_token from own o where o.phone_token is not null
), same_number as (
    select r.case_id, r.call_id from triage.caller r join numbers n using (phone_token)
), candidates as (
    select s.case_id from same_number s where s.case_id is not null
    union
    select p.case_id from triage.patient p join numbers n using (phone_token)
    union
    select p.case_id from triage.patient p join own o
        on p.family_name_token = o.family_name_token and p.birth_date_token = o.birth_date_token
    union
    select p.case_id from triage.patient p join own o on p.ins_token = o.ins_token
        and (p.family_name_token = o.family_name_token or p.birth_date_token = o.birth_date_token)
), linked as (
    select c.id, c.opened_at, c.closed_at, least(c.acuity_proposed, (
               select d.acuity from triage.disposition d
               where d.case_id = c.id order by d.id desc limit 1)) as level
    from triage.case_file c join candidates n on n.case_id = c.id
    where c.id <> $1
      and (c.opened_at > kernel.regul_now() - interval '96 hours'
           or exists (select from triage.call l where l.case_id = c.id
                      and l.received_at > kernel.regul_now() - interval '96 hours'))
      and not exists (
          select from triage.patient p join own o
              on p.family_name_token <> o.family_name_token
              and p.birth_date_token <> o.birth_date_token
          where p.case_id = c.id)
), told as (
    select l.id, l.received_at, l.outcome from triage.call l where l.case_id = $1
    union
    select l.id, l.received_at, l.outcome from triage.call l join linked k on k.id = l.case_id
    union
    select l.id, l.received_at, l.outcome
    from triage.call l join same_number s on s.call_id = l.id where l.case_id is null
), contacts as (
    select t.id from told t
    where t.received_at > kernel.regul_now() - interval '96 hours'
      and coalesce(t.outcome, '') not in ('error', 'malicious')
    union
    select $1 where not exists (select from triage.call l where l.case_id = $1)
    union
    select k.id from linked k
    where not exists (select from triage.call l where l.case_id = k.id)
), previous as (
    select k.id from linked k order by k.opened_at desc, k.id desc limit 1
)
select (select count(*) from contacts)::integer as calls,
       (select v.id from previous v) as previous_case_id,
       (select min(k.level) from linked k
        where k.closed_at is null or k.id = (select v.id from previous v)) as level
"""
SET_CARRIED: Final = """
update triage.case_file
set calls_96h = $2, previous_case_id = $3, acuity_proposed = least(acuity_proposed, $4::text)
where id = $1
"""
SET_COUNTED: Final = """
update triage.case_file
set calls_96h = $2,
    physician_required = physician_required or $3,
    physician_reasons = case when $3 and not 'third_call' = any (physician_reasons)
        then array_append(physician_reasons, 'third_call') else physician_reasons end
where id = $1 and closed_at is null
"""
