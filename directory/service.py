"""Use cases of the directory: publishing and withdrawing availability, and reading what is offered.

Nothing vanishes: a seat that somebody holds or is booked on becomes `displaced`, and its claim
goes out in `slot.displaced`, which the routing room turns into an owned task.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from directory import codes, offers, publication, recurrence, seats, store
from directory.consent import Audience
from directory.model import Interval, SlotId
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
    diary = await diary_of(tx, command.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    slots = command.slots + recurrence.expand(
        command.recurring, command.absences, command.window, ZoneInfo(diary.zone)
    )
    publication.check(command.window, slots)
    digest = publication.digest(command.window, slots)
    moment = await store.advance(tx, command.schedule_id, command.sequence)
    if moment is None:
        return await published_before(tx, command.schedule_id, command.sequence, digest)
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
    await announce_displaced(tx, actor, diary, displaced, _WITHDRAWN)
    await announce_displaced(tx, actor, diary, squeezed, _RESIZED)
    await announce(tx, actor, diary, published, command.window)
    return published


async def withdraw(tx: Tx, actor: Actor, slot_id: UUID, sequence: int | None = None) -> Withdrawn:
    """Withdraw one slot; doing it again changes nothing and gives the same answer.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        slot_id: Which slot.
        sequence: Of its publisher; None = now, whatever was published.

    Returns:
        How many seats were displaced.

    Raises:
        kernel.errors.Missing: `slot_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Conflict: `slot_over`: it has ended, what happened stays;
            `sequence_not_newer`: its diary was published later than this.
    """
    require(actor, "schedule.publish")
    slot = await store.find_slot(tx, slot_id)
    if slot is None:
        raise errors.Missing("slot_missing")
    diary = await diary_of(tx, slot.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    if slot.over:
        raise errors.Conflict("slot_over", "The slot has ended.")
    moment = await store.lock_schedule(tx, slot.schedule_id)
    if sequence is not None and not slot.withdrawn:
        moment = await _later(tx, diary, sequence)
    count, displaced = await seats.withdraw_slots(tx, [slot_id])
    if count == 0:
        return Withdrawn(slot_id=slot_id, displaced=await store.displaced_seats(tx, slot_id))
    lost = sum(map(len, displaced.values()))
    published = Published(
        schedule_id=diary.schedule.id,
        sequence=diary.schedule.sequence if sequence is None else sequence,
        as_of=moment,
        slots=0,
        added=0,
        changed=0,
        withdrawn=count,
        displaced=lost,
    )
    await announce_displaced(tx, actor, diary, displaced, _WITHDRAWN)
    await announce(tx, actor, diary, published, slot.interval)
    return Withdrawn(slot_id=slot_id, displaced=lost)


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
    diary = await diary_of(tx, schedule_id)
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


async def diary_of(tx: Tx, schedule_id: UUID) -> Diary:
    """Find a schedule with whose it is.

    Raises:
        kernel.errors.Missing: `schedule_missing`.
    """
    found = await store.find_diary(tx, schedule_id)
    if found is None:
        raise errors.Missing("schedule_missing")
    return found


async def _later(tx: Tx, diary: Diary, sequence: int) -> datetime:
    """Set a higher sequence, or refuse."""
    moment = await store.advance(tx, diary.schedule.id, sequence)
    if moment is None:
        current = (await diary_of(tx, diary.schedule.id)).schedule.sequence
        raise errors.Conflict(
            "sequence_not_newer", "A later publication is already stored.", current=current
        )
    return moment


async def published_before(tx: Tx, schedule_id: UUID, sequence: int, digest: bytes) -> Published:
    """Give the answer to a repetition.

    Args:
        tx: The transaction.
        schedule_id: Which schedule.
        sequence: As sent; not higher than the stored one.
        digest: Of the body sent.

    Raises:
        kernel.errors.Conflict: `sequence_not_newer`, with the `current` one.
    """
    earlier = await store.find_publication(tx, schedule_id, sequence)
    if earlier is not None and earlier[0] == digest:
        return earlier[1]
    current = (await diary_of(tx, schedule_id)).schedule.sequence
    raise errors.Conflict(
        "sequence_not_newer", "A later publication is already stored.", current=current
    )


async def announce(
    tx: Tx, actor: Actor, diary: Diary, published: Published, window: Interval
) -> None:
    """Tell that a window of a diary changed, and keep who did it."""
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


async def announce_displaced(
    tx: Tx,
    actor: Actor,
    diary: Diary,
    displaced: Mapping[SlotId, tuple[UUID, ...]],
    reason: str,
) -> None:
    """Tell the claims of displaced seats, slot by slot, with the reason's code."""
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
