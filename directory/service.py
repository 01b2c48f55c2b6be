"""Use cases of the directory: publishing and withdrawing availability, and reading what is offered.

Nothing vanishes: a seat that somebody holds or is booked on becomes `displaced`, and its claim
goes out in `slot.displaced`, which the routing room turns into an owned task.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from directory import codes, offers, publication, recurrence, seats, store
from directory.consent import Audience
from directory.model import Interval, SlotId, wall_clock_utc
from directory.publication import PublishedSlot
from directory.recurrence import Absence, Recurring
from directory.store import Diary, DiaryView, Published, SlotView
from events import outbox
from events.catalogue import AvailabilityPublished, SlotDisplaced
from kernel import audit, errors
from kernel.actor import Actor, Role, require
from kernel.database import Tx


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """A publisher's word on one window of a schedule.

    Attributes:
        window: The stretch of time it speaks for: stored slots that start in it and are not in
            published now are withdrawn.
        sequence: Higher than that of any earlier publication of the schedule.
        slots: Every single slot that starts in the window.
        recurring: Sessions that come back, by the clock of the place.
        absences: Local days on which no recurring session takes place.
    """

    schedule_id: UUID
    window: Interval
    sequence: int
    slots: tuple[PublishedSlot, ...] = ()
    recurring: tuple[Recurring, ...] = ()
    absences: tuple[Absence, ...] = ()


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What withdrawing one slot did; `displaced` counts seats somebody held or was booked on."""

    slot_id: UUID
    displaced: int


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


LONGEST_ABSENCE: Final = timedelta(days=366)
_YEARS: Final = range(2000, 2101)
_ABSENT: Final = "absent"
_WITHDRAWN: Final = "withdrawn"
_RESIZED: Final = "capacity_reduced"


def audience(actor: Actor, organisation_id: UUID) -> Audience:
    """Give on whose behalf an actor reads the diary of an organisation."""
    if actor.role is Role.SYSTEM or organisation_id in actor.organisation_ids:
        return Audience.PUBLISHER
    if actor.territory_id is not None:
        return Audience.CENTRE
    return Audience.PROFESSIONAL


async def publish(tx: Tx, actor: Actor, command: Publish) -> Published:
    """Publish a window of a schedule: compare with what is stored, change only the difference.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        command: The window and all its slots.

    Returns:
        What changed; the first answer again for the same sequence and body.

    Raises:
        kernel.errors.Missing: `schedule_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: The publication contradicts itself (`publication.check`), or a
            session cannot come back like that (`recurrence.expand`).
        kernel.errors.Conflict: `sequence_not_newer`, with the `current` one; nothing changed.
    """
    require(actor, "schedule.publish")
    diary = await _diary(tx, command.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    slots = command.slots + recurrence.expand(
        command.recurring, command.absences, command.window, ZoneInfo(diary.zone)
    )
    publication.check(command.window, slots)
    digest = publication.digest(command.window, slots)
    moment = await store.advance(tx, command.schedule_id, command.sequence)
    if moment is None:
        return await _published_before(tx, command, digest)
    stored = await store.slots_in_window(tx, command.schedule_id, command.window)
    change = publication.diff(stored, slots, moment)
    count, displaced = await seats.withdraw_slots(tx, change.withdrawn)
    squeezed = await seats.resize_slots(tx, change.resized)
    await seats.insert_slots(tx, command.schedule_id, change.added)
    published = Published(
        schedule_id=diary.schedule.id,
        sequence=command.sequence,
        as_of=moment,
        slots=len(slots),
        added=len(change.added),
        changed=len(change.resized),
        withdrawn=count,
        displaced=sum(map(len, displaced.values())) + sum(map(len, squeezed.values())),
    )
    await store.insert_publication(tx, published, command.window, digest, actor.id)
    await _announce_displaced(tx, actor, diary, displaced, _WITHDRAWN)
    await _announce_displaced(tx, actor, diary, squeezed, _RESIZED)
    await _announce(tx, actor, diary, published, command.window)
    return published


async def withdraw(tx: Tx, actor: Actor, slot_id: UUID) -> Withdrawn:
    """Withdraw one slot; doing it again changes nothing and gives the same answer.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        slot_id: Which slot.

    Returns:
        How many seats were displaced.

    Raises:
        kernel.errors.Missing: `slot_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Conflict: `slot_over`: it has ended, what happened stays.
    """
    require(actor, "schedule.publish")
    slot = await store.find_slot(tx, slot_id)
    if slot is None:
        raise errors.Missing("slot_missing")
    diary = await _diary(tx, slot.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    if slot.over:
        raise errors.Conflict("slot_over", "The slot has ended.")
    moment = await store.lock_schedule(tx, slot.schedule_id)
    count, displaced = await seats.withdraw_slots(tx, [slot_id])
    if count == 0:
        return Withdrawn(slot_id=slot_id, displaced=await store.displaced_seats(tx, slot_id))
    lost = sum(map(len, displaced.values()))
    published = Published(
        schedule_id=diary.schedule.id,
        sequence=diary.schedule.sequence,
        as_of=moment,
        slots=0,
        added=0,
        changed=0,
        withdrawn=count,
        displaced=lost,
    )
    await _announce_displaced(tx, actor, diary, displaced, _WITHDRAWN)
    await _announce(tx, actor, diary, published, slot.interval)
    return Withdrawn(slot_id=slot_id, displaced=lost)


async def be_absent(tx: Tx, actor: Actor, command: Absent) -> Emptied:
    """Withdraw every slot of some local days; doing it again changes nothing.

    Seats that somebody holds or is booked on are displaced and told one by one, as when a window
    without them is published. Later publications are the publisher's word anew.

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


async def _empty(tx: Tx, actor: Actor, schedule_id: UUID, command: Absent) -> tuple[int, int]:
    """Withdraw the days of one diary; give slots withdrawn and seats displaced."""
    diary = await _diary(tx, schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    zone = ZoneInfo(diary.zone)
    window = Interval(
        start=wall_clock_utc(command.since, 0, zone),
        end=wall_clock_utc(command.until + timedelta(days=1), 0, zone),
    )
    moment = await store.lock_schedule(tx, schedule_id)
    stored = await store.slots_in_window(tx, schedule_id, window)
    change = publication.diff(stored, (), moment)
    count, displaced = await seats.withdraw_slots(tx, change.withdrawn)
    lost = sum(map(len, displaced.values()))
    if count:
        published = Published(
            schedule_id=diary.schedule.id, sequence=diary.schedule.sequence, as_of=moment,
            slots=0, added=0, changed=0, withdrawn=count, displaced=lost,
        )  # fmt: skip
        await _announce_displaced(tx, actor, diary, displaced, _ABSENT)
        await _announce(tx, actor, diary, published, window)
    return count, lost


async def diaries(
    tx: Tx, actor: Actor, organisation_id: UUID | None, page: tuple[UUID | None, int]
) -> Sequence[DiaryView]:
    """Give schedules: those of the actor's own organisations, or of the one named, by id.

    Args:
        tx: The transaction.
        actor: Anybody who may read the directory.
        organisation_id: Whose; None = the actor's own.
        page: Id of the schedule after which to go on (None = from the first), and how many.
    """
    require(actor, "directory.read")
    whose = actor.organisation_ids if organisation_id is None else (organisation_id,)
    return await store.diaries(tx, whose, page)


async def slots(
    tx: Tx, actor: Actor, schedule_id: UUID, window: Interval, page: tuple[UUID | None, int]
) -> Sequence[SlotView]:
    """Give the slots of a schedule that this actor may see, by start then id.

    Args:
        tx: The transaction.
        actor: Decides the audience: publisher, centre or another professional.
        schedule_id: Which schedule.
        window: Slots that start in it.
        page: Id of the slot after which to go on (None = from the first), and how many at most.

    Raises:
        kernel.errors.Missing: `schedule_missing`.
    """
    require(actor, "directory.read")
    diary = await _diary(tx, schedule_id)
    seen_by = audience(actor, diary.organisation_id)
    return await store.shown_slots(tx, schedule_id, window, seen_by, page)


async def care_services(
    tx: Tx, actor: Actor, wanted: offers.Search
) -> Sequence[offers.CareServiceView]:
    """Give care services; nearest first when a place is given, by id otherwise.

    Raises:
        kernel.errors.Invalid: `service_unknown`: no such service code.
    """
    require(actor, "directory.read")
    if wanted.service is not None and codes.load().unknown_services([wanted.service]):
        raise errors.Invalid("service_unknown", "There is no such service code.")
    return await offers.search(tx, wanted)


async def care_service(tx: Tx, actor: Actor, care_service_id: UUID) -> offers.CareServiceView:
    """Give one care service.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
    """
    require(actor, "directory.read")
    found = await offers.find(tx, care_service_id)
    if found is None:
        raise errors.Missing("care_service_missing")
    return found


async def _diary(tx: Tx, schedule_id: UUID) -> Diary:
    found = await store.find_diary(tx, schedule_id)
    if found is None:
        raise errors.Missing("schedule_missing")
    return found


async def _published_before(tx: Tx, command: Publish, digest: bytes) -> Published:
    """Give the answer to a repetition, or refuse a sequence that is not newer."""
    earlier = await store.find_publication(tx, command.schedule_id, command.sequence)
    if earlier is not None and earlier[0] == digest:
        return earlier[1]
    current = (await _diary(tx, command.schedule_id)).schedule.sequence
    raise errors.Conflict(
        "sequence_not_newer", "A later publication is already stored.", current=current
    )


async def _announce(
    tx: Tx, actor: Actor, diary: Diary, published: Published, window: Interval
) -> None:
    await outbox.append(
        tx,
        actor,
        AvailabilityPublished(
            care_service_id=diary.schedule.care_service_id,
            sequence=published.sequence,
            starts_at=window.start,
            ends_at=window.end,
            added=published.added,
            withdrawn=published.withdrawn,
            displaced=published.displaced,
        ),
        aggregate_id=diary.schedule.id,
        territory_id=diary.territory_id,
        organisation_ids=[diary.organisation_id],
    )
    await audit.record(
        tx, actor, "schedule.publish", "schedule", diary.schedule.id,
        territory_id=diary.territory_id,
    )  # fmt: skip


async def _announce_displaced(
    tx: Tx,
    actor: Actor,
    diary: Diary,
    displaced: Mapping[SlotId, tuple[UUID, ...]],
    reason: str,
) -> None:
    for slot_id, claims in displaced.items():
        await outbox.append(
            tx,
            actor,
            SlotDisplaced(
                care_service_id=diary.schedule.care_service_id, claims=claims, reason=reason
            ),
            aggregate_id=slot_id,
            territory_id=diary.territory_id,
            organisation_ids=[diary.organisation_id],
        )
