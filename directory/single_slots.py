"""One slot at a time: adding it, changing it, with the same sequence and the same care as a window.

A publisher whose software tells each change as it happens uses these; they share the sequence of
the diary with whole windows, so that whatever is told last holds.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from directory import publication, seats, service, store
from directory.model import Interval, Slot, SlotId, Visibility
from directory.publication import PublishedSlot, Resize
from directory.store import Diary, Published
from kernel import errors
from kernel.actor import Actor, require
from kernel.database import Tx

_MOVED: Final = "moved"
_RESIZED: Final = "capacity_reduced"


class AddSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One more slot of a diary; `sequence` is higher than that of any earlier publication."""

    schedule_id: UUID
    sequence: int
    slot: PublishedSlot


class ChangeSlot(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another about one slot; None = as it is.

    Attributes:
        sequence: Higher than that of any earlier publication of its diary.
        start: With `end`, another time: whoever holds a place is displaced and told.
    """

    slot_id: UUID
    sequence: int
    start: datetime | None = None
    end: datetime | None = None
    visibility: Visibility | None = None
    capacity: int | None = None


async def add(tx: Tx, actor: Actor, command: AddSlot) -> Published:
    """Add one slot; everything else of the diary stays.

    A slot with the same key and start is changed as by `change` instead.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        command: The slot.

    Returns:
        What changed; the first answer again for the same sequence and slot.

    Raises:
        kernel.errors.Missing: `schedule_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: The slot contradicts itself (`publication.check`).
        kernel.errors.Conflict: `sequence_not_newer`, with the `current` one; `slot_over`: it has
            ended. Nothing changed.
    """
    require(actor, "schedule.publish")
    diary = await service.diary_of(tx, command.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    wanted = command.slot
    window = _alone(wanted.start, wanted.end)
    publication.check(window, (wanted,))
    digest = _digest("add", wanted)
    moment = await store.advance(tx, diary.schedule.id, command.sequence)
    if moment is None:
        return await service.published_before(tx, diary.schedule.id, command.sequence, digest)
    stored = await store.slots_in_window(tx, diary.schedule.id, window)
    same = [one for one in stored if (one.key, one.start) == (wanted.key, wanted.start)]
    return await _apply(tx, actor, diary, (command.sequence, moment, digest), (same, wanted))


async def change(tx: Tx, actor: Actor, command: ChangeSlot) -> Published:
    """Change one slot; its key, kind and modality stay.

    Visibility and a number of places change in place: places that no longer fit are displaced,
    free ones first. Another time withdraws it and adds it anew.

    Args:
        tx: The transaction.
        actor: The clinic, a delegate, a partner or the system.
        command: What is to be another.

    Returns:
        What changed; the first answer again for the same sequence and body.

    Raises:
        kernel.errors.Missing: `slot_missing`: unknown, or withdrawn.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: The slot would contradict itself (`publication.check`).
        kernel.errors.Conflict: `sequence_not_newer`; `slot_over`: it has ended.
    """
    require(actor, "schedule.publish")
    known = await store.find_slot(tx, command.slot_id)
    if known is None:
        raise errors.Missing("slot_missing")
    diary = await service.diary_of(tx, known.schedule_id)
    require(actor, "schedule.publish", organisation_id=diary.organisation_id)
    digest = _digest("change", command)
    moment = await store.advance(tx, diary.schedule.id, command.sequence)
    if moment is None:
        return await service.published_before(tx, diary.schedule.id, command.sequence, digest)
    stored = await store.slots_in_window(
        tx, diary.schedule.id, _alone(known.interval.start, known.interval.end)
    )
    slot = next((one for one in stored if one.id == command.slot_id), None)
    if slot is None:
        raise errors.Missing("slot_missing")
    wanted = _changed(slot, command)
    publication.check(_alone(wanted.start, wanted.end), (wanted,))
    return await _apply(tx, actor, diary, (command.sequence, moment, digest), ([slot], wanted))


def _changed(slot: Slot, command: ChangeSlot) -> PublishedSlot:
    return PublishedSlot(
        key=slot.key,
        start=command.start or slot.start,
        end=command.end or slot.end,
        kind=slot.kind,
        modality=slot.modality,
        visibility=command.visibility or slot.visibility,
        capacity=command.capacity or slot.capacity,
    )


async def _apply(
    tx: Tx,
    actor: Actor,
    diary: Diary,
    told: tuple[int, datetime, bytes],
    slots: tuple[list[Slot], PublishedSlot],
) -> Published:
    """Change the difference between the slots stored and the one wanted, tell it and keep it."""
    (sequence, moment, digest), (stored, wanted) = told, slots
    if min([wanted.end, *(one.end for one in stored)]) <= moment:
        raise errors.Conflict("slot_over", "The slot has ended.")
    change_ = publication.diff(stored, (wanted,), moment)
    count, moved = await seats.withdraw_slots(tx, change_.withdrawn)
    squeezed = await _resized(tx, change_.resized)
    await seats.insert_slots(tx, diary.schedule.id, change_.added)
    starts = [wanted.start, *(one.start for one in stored)]
    ends = [wanted.end, *(one.end for one in stored)]
    window = Interval(start=min(starts), end=max(ends))
    published = Published(
        schedule_id=diary.schedule.id, sequence=sequence, as_of=moment, slots=1,
        added=len(change_.added), changed=len(change_.resized), withdrawn=count,
        displaced=sum(map(len, moved.values())) + sum(map(len, squeezed.values())),
    )  # fmt: skip
    await store.insert_publication(tx, published, window, digest, actor.id)
    await service.announce_displaced(tx, actor, diary, moved, _MOVED)
    await service.announce_displaced(tx, actor, diary, squeezed, _RESIZED)
    await service.announce(tx, actor, diary, published, window)
    return published


async def _resized(tx: Tx, resized: tuple[Resize, ...]) -> Mapping[SlotId, tuple[UUID, ...]]:
    return await seats.resize_slots(tx, resized) if resized else {}


def _alone(start: datetime, end: datetime) -> Interval:
    """Give the time of one slot as a window.

    Raises:
        kernel.errors.Invalid: `slot_ends_before_start`.
    """
    if start >= end:
        raise errors.Invalid("slot_ends_before_start", index=0)
    return Interval(start=start, end=end)


def _digest(verb: str, body: PublishedSlot | ChangeSlot) -> bytes:
    """Give the SHA-256 that tells whether two requests say the same."""
    return hashlib.sha256(msgspec.json.encode((verb, body))).digest()
