"""What is stored of publishers' trust: learning, reading, and a publisher's objection."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from directory import trust
from directory.trust import Estimate, Outcome, Standing
from events import outbox
from events.catalogue import TrustContested
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.ids import uuid7


class Objection(StrEnum):
    """Why a publisher does not agree with its figure."""

    NEVER_RECEIVED = "never_received"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    TECHNICAL_FAULT = "technical_fault"
    ABSENCE_ANNOUNCED = "absence_announced"
    OTHER = "other"


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """One objection; `acceptance` is the figure it was made against."""

    id: UUID
    reason: Objection
    acceptance: float
    at: datetime


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """The figure of a publisher with everything it rests on.

    Attributes:
        acceptance: Probability that it takes the next patient.
        newcomer: What a publisher is given of whom nothing is known.
        contests: Its objections, newest first, twenty at most.
    """

    organisation_id: UUID
    acceptance: float
    newcomer: float
    accepted: int
    refused: int
    unanswered: int
    displaced: int
    as_of: datetime | None
    contests: Sequence[Contest]


async def learn(tx: Tx, organisation_id: UUID, subject_id: UUID, outcome: Outcome) -> bool:
    """Learn from one outcome; the same for the same subject again changes nothing.

    Args:
        tx: A transaction of the system.
        organisation_id: The publisher.
        subject_id: The appointment or referral.
        outcome: What happened. Never call this for a patient who did not come.

    Returns:
        Whether it was new.
    """
    if await tx.fetchval(INSERT_OUTCOME, subject_id, outcome.value, organisation_id) is None:
        return False
    await tx.execute(INSERT_TRUST, organisation_id)
    row = await tx.fetchrow(LOCK_TRUST, organisation_id)
    known = trust.learn(_standing(row), outcome, row["now"])
    await tx.execute(
        UPDATE_TRUST, organisation_id, known.good, known.bad, known.as_of,
        known.accepted, known.refused, known.unanswered, known.displaced,
    )  # fmt: skip
    return True


async def of_organisation(tx: Tx, actor: Actor, organisation_id: UUID) -> Trusted:
    """Give a publisher's figure: to itself, and to the centre's staff.

    Raises:
        kernel.errors.Missing: `organisation_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
    """
    require(actor, "trust.read", organisation_id=organisation_id)
    row = await tx.fetchrow(SELECT_TRUST, organisation_id)
    if row is None:
        raise errors.Missing("organisation_missing", "No such organisation.")
    known = _standing(row)
    contests = await tx.fetch(SELECT_CONTESTS, organisation_id)
    return Trusted(
        organisation_id=organisation_id,
        acceptance=trust.acceptance(known, row["now"]),
        newcomer=trust.NEWCOMER,
        accepted=known.accepted,
        refused=known.refused,
        unanswered=known.unanswered,
        displaced=known.displaced,
        as_of=known.as_of,
        contests=[msgspec.convert(dict(one), Contest) for one in contests],
    )


async def contest(tx: Tx, actor: Actor, organisation_id: UUID, reason: Objection) -> Trusted:
    """Object to one's figure; the centre is told, nothing is forgotten on either side.

    Raises:
        kernel.errors.Missing: `organisation_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
    """
    require(actor, "trust.contest", organisation_id=organisation_id)
    known = await of_organisation(tx, actor, organisation_id)
    made = uuid7()
    await tx.execute(
        INSERT_CONTEST, made, organisation_id, actor.id, reason.value, known.acceptance
    )
    territory_id = await tx.fetchval(SELECT_TERRITORY, organisation_id)
    await outbox.append(
        tx, actor, TrustContested(reason=reason.value), aggregate_id=made,
        territory_id=territory_id, organisation_ids=[organisation_id],
    )  # fmt: skip
    await audit.record(
        tx, actor, "trust.contest", "organisation", organisation_id,
        territory_id=territory_id, detail=f"{reason.value} at {known.acceptance:.3f}",
    )  # fmt: skip
    return await of_organisation(tx, actor, organisation_id)


async def estimates(tx: Tx, organisation_ids: Collection[UUID]) -> Mapping[UUID, Estimate]:
    """Give what is known of publishers, by organisation: one row of each, never its history.

    Args:
        tx: Any transaction.
        organisation_ids: Which; those without any outcome are left out.
    """
    if not organisation_ids:
        return {}
    return {
        row["organisation_id"]: Estimate(
            acceptance=trust.acceptance(_standing(row), row["now"]),
            accepted=row["accepted"],
            asked=_standing(row).asked,
            contested=row["contested"],
        )
        for row in await tx.fetch(SELECT_ESTIMATES, list(organisation_ids))
    }


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        good=row["good"] or 0.0,
        bad=row["bad"] or 0.0,
        as_of=row["as_of"],
        accepted=row["accepted"] or 0,
        refused=row["refused"] or 0,
        unanswered=row["unanswered"] or 0,
        displaced=row["displaced"] or 0,
    )


INSERT_OUTCOME: Final = """
insert into directory.trust_outcome (subject_id, outcome, organisation_id)
values ($1, $2, $3)
on conflict do nothing
returning subject_id
"""

INSERT_TRUST: Final = """
insert into directory.trust (organisation_id) values ($1) on conflict do nothing
"""

LOCK_TRUST: Final = """
select good, bad, as_of, accepted, refused, unanswered, displaced, kernel.regul_now() as now
from directory.trust where organisation_id = $1 for update
"""

UPDATE_TRUST: Final = """
update directory.trust
set good = $2, bad = $3, as_of = $4, accepted = $5, refused = $6, unanswered = $7, displaced = $8
where organisation_id = $1
"""

SELECT_TRUST: Final = """
select t.good, t.bad, t.as_of, t.accepted, t.refused, t.unanswered, t.displaced,
    kernel.regul_now() as now
from directory.organisation o left join directory.trust t on t.organisation_id = o.id
where o.id = $1
"""

SELECT_CONTESTS: Final = """
select id, reason, acceptance, at from directory.trust_contest
where organisation_id = $1 order by at desc limit 20
"""

INSERT_CONTEST: Final = """
insert into directory.trust_contest (id, organisation_id, actor_id, reason, acceptance)
values ($1, $2, $3, $4, $5)
"""

SELECT_TERRITORY: Final = """
select territory_id from directory.location where organisation_id = $1 order by id limit 1
"""

SELECT_ESTIMATES: Final = """
select t.organisation_id, t.good, t.bad, t.as_of, t.accepted, t.refused, t.unanswered,
    t.displaced, kernel.regul_now() as now,
    exists (select from directory.trust_contest x
        where x.organisation_id = t.organisation_id
            and x.at > kernel.regul_now() - interval '30 days') as contested
from directory.trust t
where t.organisation_id = any ($1::uuid[])
"""
