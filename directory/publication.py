"""What a publisher's window changes: a pure diff of what is stored against what is published.

A slot keeps its time, kind and modality for life. One that is published with another time under
the same key is withdrawn and added anew, so that whoever was booked on it is told.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from directory.model import Interval, Modality, Slot, SlotId, SlotKind, Visibility
from kernel import errors

LARGEST: Final = 5_000
"""Most slots of one publication: 10 roles x 200 slots a fortnight, with room."""


class PublishedSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One slot as its publisher gives it; times in UTC.

    Attributes:
        key: The publisher's own name of it.
        capacity: Number of patients; 1 for kind `slot`.
    """

    key: str
    start: datetime
    end: datetime
    kind: SlotKind = SlotKind.SLOT
    modality: Modality = Modality.OFFICE
    visibility: Visibility = Visibility.PUBLIC
    capacity: int = 1


class Resize(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that stays, with another visibility or another number of seats."""

    id: SlotId
    visibility: Visibility
    capacity: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication changes.

    Attributes:
        added: To be inserted.
        resized: Kept, changed in place.
        withdrawn: No longer offered.
    """

    added: tuple[PublishedSlot, ...]
    resized: tuple[Resize, ...]
    withdrawn: tuple[SlotId, ...]


_Identity = tuple[str, datetime, datetime, SlotKind, Modality]


def _identity(slot: Slot | PublishedSlot) -> _Identity:
    return (slot.key, slot.start, slot.end, slot.kind, slot.modality)


def check(window: Interval, slots: Sequence[PublishedSlot]) -> None:
    """Refuse a publication that contradicts itself.

    Args:
        window: The stretch of time that the publication speaks for.
        slots: All slots that start in it.

    Raises:
        kernel.errors.Invalid: `publication_too_large`, `slot_ends_before_start`,
            `slot_outside_window`, `slot_capacity` or `slot_repeated`, with the index of the slot.
    """
    if len(slots) > LARGEST:
        raise errors.Invalid("publication_too_large", limit=LARGEST)
    seen: set[tuple[str, datetime]] = set()
    for index, slot in enumerate(slots):
        if slot.start >= slot.end:
            raise errors.Invalid("slot_ends_before_start", index=index)
        if not window.contains(slot.start):
            raise errors.Invalid("slot_outside_window", index=index)
        if slot.kind is SlotKind.SLOT and slot.capacity != 1:
            raise errors.Invalid("slot_capacity", index=index)
        if (slot.key, slot.start) in seen:
            raise errors.Invalid("slot_repeated", index=index)
        seen.add((slot.key, slot.start))


def diff(stored: Iterable[Slot], published: Iterable[PublishedSlot], now: datetime) -> Diff:
    """Compare what is stored in a window with what is published for it.

    Args:
        stored: Live slots of the schedule that start in the window.
        published: What the publisher says; keys unique per start.
        now: What has ended by now is left alone on both sides: a patient who was seen this
            morning is not displaced by an afternoon's publication.

    Returns:
        Added and withdrawn in the order of the arguments.
    """
    kept = {_identity(slot): slot for slot in stored if slot.end > now}
    added: list[PublishedSlot] = []
    resized: list[Resize] = []
    for slot in published:
        if slot.end <= now:
            continue
        known = kept.pop(_identity(slot), None)
        if known is None:
            added.append(slot)
        elif (known.visibility, known.capacity) != (slot.visibility, slot.capacity):
            resized.append(Resize(id=known.id, visibility=slot.visibility, capacity=slot.capacity))
    return Diff(
        added=tuple(added),
        resized=tuple(resized),
        withdrawn=tuple(slot.id for slot in kept.values()),
    )


def digest(window: Interval, slots: Sequence[PublishedSlot]) -> bytes:
    """Give the SHA-256 that tells whether two publications say the same; order does not matter."""
    ordered = sorted(slots, key=_identity)
    return hashlib.sha256(msgspec.json.encode((window, ordered))).digest()
