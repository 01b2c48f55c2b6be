"""What a publisher agrees to, by schedule: setting its consent, every change told and audited.

Withdrawing consent never takes back what is held or booked already: that is withdrawing slots.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from directory import store
from directory.consent import Consent, Freshness
from events import outbox
from events.catalogue import ConsentChanged
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx


async def agree(tx: Tx, actor: Actor, schedule_id: UUID, wanted: Consent) -> Consent:
    """Set the whole consent of a schedule; the same again changes nothing and tells nothing.

    Claims that are being made are waited for; each later one sees the new consent.

    Args:
        tx: The transaction.
        actor: The clinic, or a delegate of it.
        schedule_id: Which schedule.
        wanted: What holds from now on.

    Returns:
        What holds now.

    Raises:
        kernel.errors.Missing: `schedule_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
    """
    require(actor, "schedule.consent")
    diary = await store.find_diary(tx, schedule_id)
    if diary is None:
        raise errors.Missing("schedule_missing")
    require(actor, "schedule.consent", organisation_id=diary.organisation_id)
    await tx.execute(LOCK_CONSENT, schedule_id)
    before = await tx.fetchrow(
        UPDATE_CONSENT, schedule_id, wanted.paused, wanted.quota_per_day,
        wanted.release_before_s, wanted.release_min,
    )  # fmt: skip
    if before is None:
        return wanted
    told = ConsentChanged(
        care_service_id=diary.schedule.care_service_id,
        paused=wanted.paused,
        quota_per_day=wanted.quota_per_day,
        release_before_s=wanted.release_before_s,
        release_min=wanted.release_min,
    )
    await outbox.append(
        tx, actor, told, aggregate_id=schedule_id, territory_id=diary.territory_id,
        organisation_ids=[diary.organisation_id],
    )  # fmt: skip
    was = msgspec.convert(dict(before), Consent)
    await audit.record(
        tx, actor, "schedule.consent", "schedule", schedule_id,
        territory_id=diary.territory_id, detail=f"{_codes(was)} -> {_codes(wanted)}",
    )  # fmt: skip
    return wanted


class Age(msgspec.Struct, frozen=True, kw_only=True):
    """When a diary was last told, and how far that can still be believed."""

    as_of: datetime
    freshness: Freshness


async def ages(tx: Tx, schedule_ids: Collection[UUID]) -> Mapping[UUID, Age]:
    """Give how old diaries are; who never published is left out.

    Args:
        tx: Any transaction.
        schedule_ids: Which diaries.
    """
    if not schedule_ids:
        return {}
    return {
        row["id"]: Age(as_of=row["as_of"], freshness=Freshness(row["freshness"]))
        for row in await tx.fetch(SELECT_AGES, list(schedule_ids))
    }


def _codes(consent: Consent) -> str:
    """Write a consent for the audit trail."""
    return (
        f"paused={int(consent.paused)} quota={consent.quota_per_day}"
        f" before_s={consent.release_before_s} at_min={consent.release_min}"
    )


SELECT_AGES: Final = """
with limits as materialized (
    select source, marked_after_s, refused_after_s from directory.source_limit)
select s.id, s.as_of,
    case when s.ownership = 'owned' then 'fresh'
        when s.as_of + make_interval(secs => a.refused_after_s) <= kernel.regul_now()
            then 'outdated'
        when s.as_of + make_interval(secs => a.marked_after_s) <= kernel.regul_now() then 'marked'
        else 'fresh' end as freshness
from directory.schedule s
    left join lateral (
        select d.marked_after_s, d.refused_after_s from limits d
        where d.source in (s.source, '*') order by d.source = '*' limit 1) a on true
where s.id = any ($1::uuid[]) and s.as_of is not null
"""

LOCK_CONSENT: Final = """
select directory.directory_lock_consent($1, true)
"""

UPDATE_CONSENT: Final = """
with before as (
    select id, paused, quota_per_day, release_before_s, release_min
    from directory.schedule where id = $1 for no key update)
update directory.schedule s
set paused = $2, quota_per_day = $3, release_before_s = $4, release_min = $5
from before b
where s.id = b.id and (b.paused, b.quota_per_day, b.release_before_s, b.release_min)
    is distinct from ($2, $3::smallint, $4::integer, $5::smallint)
returning b.paused, b.quota_per_day, b.release_before_s, b.release_min
"""
