"""Being away: local days on which a diary is not to be had, whenever its slots are published.

What is published already is withdrawn, and whoever holds a place is told, as by a publication. What
is published later for these days is kept and hidden: `directory.consent` refuses it until the
absence is ended.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from directory import publication, seats, service, store
from directory.model import Interval, wall_clock_utc
from directory.store import Diary, Published
from events import outbox
from events.catalogue import AbsenceChanged
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.ids import uuid7


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """The practitioner is away on local days; both ends included.

    Attributes:
        schedule_id: Whose diary; None when a role is named.
        role_id: All diaries of a practitioner's role; None when a schedule is named.
    """

    since: date
    until: date
    schedule_id: UUID | None = None
    role_id: UUID | None = None


class Emptied(msgspec.Struct, frozen=True, kw_only=True):
    """What an absence did.

    Attributes:
        schedules: Diaries it was applied to.
        withdrawn: Slots no longer offered.
        displaced: Seats somebody held or was booked on; each booked one has an owned task.
    """

    schedules: int
    withdrawn: int
    displaced: int


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """A standing absence of a diary: local days, both included."""

    id: UUID
    schedule_id: UUID
    since: date
    until: date
    at: datetime


LONGEST_ABSENCE: Final = timedelta(days=366)
_YEARS: Final = range(2000, 2101)
_ABSENT: Final = "absent"


async def be_absent(tx: Tx, actor: Actor, command: Absent) -> Emptied:
    """Withdraw every slot of some local days and hide what is published for them later.

    Seats that somebody holds or is booked on are displaced and told one by one, as when a window
    without them is published. Doing it again changes nothing.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        command: Which days of which diary, or of all diaries of a role.

    Returns:
        How much was withdrawn, over all diaries.

    Raises:
        kernel.errors.Missing: `schedule_missing`: no such schedule, or a role without any.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: `absence_range`: it ends before it begins, lasts over a year, or
            lies outside the years 2000 to 2100.
    """
    require(actor, "schedule.publish")
    if command.since.year not in _YEARS or not (
        timedelta() <= command.until - command.since < LONGEST_ABSENCE
    ):
        raise errors.Invalid("absence_range", "An absence is a year at most and ends last.")
    found = [command.schedule_id] if command.schedule_id is not None else []
    if command.role_id is not None:
        found += await store.schedules_of_role(tx, command.role_id)
    if not found:
        raise errors.Missing("schedule_missing")
    done = [await _empty(tx, actor, schedule_id, command) for schedule_id in sorted(found)]
    return Emptied(
        schedules=len(done),
        withdrawn=sum(withdrawn for withdrawn, _ in done),
        displaced=sum(displaced for _, displaced in done),
    )


async def standing(tx: Tx, actor: Actor, schedule_id: UUID) -> Sequence[Absence]:
    """Give the absences of a diary that are not over, by first day.

    Raises:
        kernel.errors.Missing: `schedule_missing`.
        kernel.errors.Forbidden: `action_not_allowed`.
    """
    require(actor, "directory.read")
    diary = await service.diary_of(tx, schedule_id)
    rows = await tx.fetch(SELECT_ABSENCES, schedule_id, diary.zone)
    return [Absence(**row) for row in rows]


async def end(tx: Tx, actor: Actor, absence_id: UUID) -> Absence:
    """End an absence: what was published for its days since is shown again.

    What it withdrew stays withdrawn: whoever was booked there was told. Ending it again changes
    nothing.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        absence_id: Which one.

    Raises:
        kernel.errors.Missing: `absence_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
    """
    require(actor, "schedule.publish")
    row = await tx.fetchrow(SELECT_ABSENCE, absence_id)
    if row is None:
        raise errors.Missing("absence_missing")
    found = Absence(**row)
    diary = await service.diary_of(tx, found.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    if await tx.fetchval(END_ABSENCE, absence_id, actor.id) is not None:
        await _tell(tx, actor, diary, found, ended=True)
    return found


async def _empty(tx: Tx, actor: Actor, schedule_id: UUID, command: Absent) -> tuple[int, int]:
    """Empty the days of one diary for good; give slots withdrawn and seats displaced."""
    diary = await service.diary_of(tx, schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    window = _window(diary, command.since, command.until)
    moment = await store.lock_schedule(tx, schedule_id)
    absence = Absence(
        id=uuid7(), schedule_id=schedule_id, since=command.since, until=command.until, at=moment
    )
    new = await tx.fetchval(
        INSERT_ABSENCE, absence.id, schedule_id, absence.since, absence.until, actor.id
    )
    stored = await store.slots_in_window(tx, schedule_id, window)
    change = publication.diff(stored, (), moment)
    count, displaced = await seats.withdraw_slots(tx, change.withdrawn)
    lost = sum(map(len, displaced.values()))
    if new is not None:
        await _tell(tx, actor, diary, absence, ended=False)
    if count:
        published = Published(
            schedule_id=diary.schedule.id, sequence=diary.schedule.sequence, as_of=moment,
            slots=0, added=0, changed=0, withdrawn=count, displaced=lost,
        )  # fmt: skip
        await service.announce_displaced(tx, actor, diary, displaced, _ABSENT)
        await service.announce(tx, actor, diary, published, window)
    return count, lost


def _window(diary: Diary, since: date, until: date) -> Interval:
    zone = ZoneInfo(diary.zone)
    return Interval(
        start=wall_clock_utc(since, 0, zone),
        end=wall_clock_utc(until + timedelta(days=1), 0, zone),
    )


async def _tell(tx: Tx, actor: Actor, diary: Diary, absence: Absence, *, ended: bool) -> None:
    window = _window(diary, absence.since, absence.until)
    told = AbsenceChanged(
        care_service_id=diary.schedule.care_service_id, starts_at=window.start,
        ends_at=window.end, ended=ended,
    )  # fmt: skip
    await outbox.append(
        tx, actor, told, aggregate_id=diary.schedule.id, territory_id=diary.territory_id,
        organisation_ids=[diary.organisation_id],
    )  # fmt: skip
    await audit.record(
        tx, actor, "schedule.publish", "schedule", diary.schedule.id,
        territory_id=diary.territory_id,
        detail=f"{'back' if ended else 'away'} {absence.since} {absence.until}",
    )  # fmt: skip


SELECT_ABSENCES: Final = """
select id, schedule_id, since, until, at from directory.absence
where schedule_id = $1 and ended_at is null
    and until >= (kernel.regul_now() at time zone $2)::date
order by since, id
"""

SELECT_ABSENCE: Final = """
select id, schedule_id, since, until, at from directory.absence where id = $1
"""

INSERT_ABSENCE: Final = """
insert into directory.absence (id, schedule_id, since, until, actor_id)
values ($1, $2, $3, $4, $5)
on conflict (schedule_id, since, until) where ended_at is null do nothing
returning id
"""

END_ABSENCE: Final = """
update directory.absence set ended_at = kernel.regul_now(), ended_by = $2
where id = $1 and ended_at is null
returning id
"""
