"""Open slots as rows of one numpy array, grouped by care service; structs only for what is shown.

`SlotTable` is the frozen base of a snapshot plus an overlay of blocks that changed since: a refresh
copies the overlay's mapping, never the base, so that readers of an older table are not disturbed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory.model import (
    CareServiceId,
    Modality,
    Schedule,
    ScheduleId,
    SlotId,
    SlotKind,
    Visibility,
)

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Moments in arrays are microseconds after this, as in PostgreSQL's binary format."""

KINDS: Final = tuple(SlotKind)
MODALITIES: Final = tuple(Modality)
VISIBILITIES: Final = tuple(Visibility)

SLOT: Final = np.dtype(
    [
        ("id", "V16"),
        ("start", "<i8"),
        ("end", "<i8"),
        ("diary", "<i4"),
        ("capacity", "<i2"),
        ("free", "<i2"),
        ("kind", "u1"),
        ("modality", "u1"),
        ("visibility", "u1"),
    ]
)
"""One open slot: 45 bytes. `diary` indexes the schedules of its care service."""

Slots = NDArray[np.void]
"""Shape (n,), dtype `SLOT`, by start then id within one care service."""

SlotRow = tuple[bytes, int, int, int, int, int, int, int, int]
"""One row of `Slots` as Python values, fields in the order of `SLOT`."""

_SECOND: Final = 1_000_000
_SECOND_BITS: Final = 34
"""Seconds after `EPOCH` of the next five centuries fit; 29 bits are left for the row."""
_FOREVER: Final = (1 << _SECOND_BITS) - 1
_KIND: Final = {kind: index for index, kind in enumerate(KINDS)}
_MODALITY: Final = {modality: index for index, modality in enumerate(MODALITIES)}
_VISIBILITY: Final = {visibility: index for index, visibility in enumerate(VISIBILITIES)}
_MICROSECOND: Final = timedelta(microseconds=1)
EMPTY: Final = np.empty(0, dtype=SLOT)
EMPTY.flags.writeable = False


class OpenSlot(msgspec.Struct, frozen=True, kw_only=True):
    """A slot with at least one free seat when the snapshot was taken.

    Attributes:
        free: Free seats then; the claim decides, not this number.
    """

    id: SlotId
    schedule_id: ScheduleId
    start: datetime
    end: datetime
    kind: SlotKind
    modality: Modality
    visibility: Visibility
    capacity: int
    free: int


class Diary(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule with its open slots, by start then id."""

    schedule: Schedule
    slots: tuple[OpenSlot, ...] = ()


class Block(msgspec.Struct, frozen=True):
    """What can be booked at one care service.

    Attributes:
        schedules: By id.
        slots: By start then id; `diary` indexes `schedules`.
    """

    schedules: tuple[Schedule, ...] = ()
    slots: Slots = EMPTY


def micros(moment: datetime) -> int:
    """Give microseconds after `EPOCH` of an aware moment."""
    return (moment - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Give the moment that lies microseconds after `EPOCH`."""
    return EPOCH + timedelta(microseconds=value)


def opened(row: SlotRow, schedule: Schedule) -> OpenSlot:
    """Make the struct of one row."""
    return OpenSlot(
        id=SlotId(UUID(bytes=row[0])),
        schedule_id=schedule.id,
        start=moment(row[1]),
        end=moment(row[2]),
        kind=KINDS[row[6]],
        modality=MODALITIES[row[7]],
        visibility=VISIBILITIES[row[8]],
        capacity=row[4],
        free=row[5],
    )


def packed(slots: Iterable[OpenSlot], diary: int) -> Slots:
    """Write open slots as rows, in the order given.

    Args:
        slots: Of one schedule.
        diary: Place of that schedule in its block.
    """
    return np.array(
        [
            (
                slot.id.bytes, micros(slot.start), micros(slot.end), diary, slot.capacity,
                slot.free, _KIND[slot.kind], _MODALITY[slot.modality],
                _VISIBILITY[slot.visibility],
            )
            for slot in slots
        ],
        dtype=SLOT,
    )  # fmt: skip


def ordered(slots: Slots) -> Slots:
    """Give rows by start, then id."""
    if len(slots) < 2:  # noqa: PLR2004 - nothing to order
        return slots
    return slots[np.lexsort((*_id_keys(slots), slots["start"]))]


def _id_keys(slots: Slots) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Give the two halves of the ids, least significant first, to sort by."""
    halves = np.ascontiguousarray(slots["id"]).view(">u8").reshape(-1, 2).astype(np.uint64)
    return halves[:, 1], halves[:, 0]


def block(diaries: Iterable[Diary]) -> Block:
    """Make the block of one care service from its diaries."""
    every = sorted(diaries, key=lambda diary: diary.schedule.id)
    parts = [packed(diary.slots, index) for index, diary in enumerate(every) if diary.slots]
    slots = ordered(np.concatenate(parts)) if parts else EMPTY
    return Block(tuple(diary.schedule for diary in every), slots)


def merged(older: Block, newer: Block) -> Block:
    """Give a block in which the schedules of `newer` replace those of the same id."""
    names = {schedule.id for schedule in newer.schedules}
    kept = [i for i, schedule in enumerate(older.schedules) if schedule.id not in names]
    if not kept:
        return newer
    every = [(older.schedules[i], 0, i) for i in kept]
    every += [(schedule, 1, i) for i, schedule in enumerate(newer.schedules)]
    every.sort(key=lambda one: one[0].id)
    parts = []
    for side, given in enumerate((older, newer)):
        place = np.full(len(given.schedules) + 1, -1, dtype=np.int32)
        for index, (_, owner, former) in enumerate(every):
            if owner == side:
                place[former] = index
        slots = given.slots.copy()
        slots["diary"] = place[slots["diary"]]
        parts.append(slots[slots["diary"] >= 0])
    return Block(tuple(one[0] for one in every), ordered(np.concatenate(parts)))


class SlotTable(Mapping[CareServiceId, tuple[Diary, ...]]):
    """Every open slot by care service: a frozen base and the blocks that changed since.

    As a mapping it gives the diaries of a care service that has some, structs made on the way;
    searches read `block` and `window`.
    """

    def __init__(
        self,
        ids: Sequence[CareServiceId],
        row: Mapping[CareServiceId, int],
        schedules: Sequence[tuple[Schedule, ...]],
        slots: Slots,
        offsets: NDArray[np.int64],
    ) -> None:
        """Freeze the base.

        Args:
            ids: Care service of each row.
            row: Row of each care service.
            schedules: Schedules of each row, by id.
            slots: By row, then start, then id.
            offsets: Shape (rows + 1,): slots of row r lie in [offsets[r], offsets[r + 1]).
        """
        self._ids = ids
        self._row = row
        self._schedules = schedules
        self._slots = slots
        self._offsets = offsets
        self._starts = np.ascontiguousarray(slots["start"])
        owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        self._keys = (owners << _SECOND_BITS) | (self._starts // _SECOND)
        self._changed: Mapping[int, Block] = {}

    def block(self, row: int) -> Block:
        """Give what can be booked at the care service of a row."""
        changed = self._changed.get(row)
        if changed is not None:
            return changed
        first, last = self._offsets[row : row + 2].tolist()
        return Block(self._schedules[row], self._slots[first:last])

    def window(
        self, row: int, start: int, last: int | None = None
    ) -> tuple[tuple[Schedule, ...], list[SlotRow]]:
        """Give the schedules of a row and its slots that start in [start, last], in order.

        Args:
            row: Of the care service.
            start: Microseconds after `EPOCH`.
            last: Microseconds after `EPOCH`; None = no end.
        """
        changed = self._changed.get(row)
        if changed is not None:
            schedules, slots, starts = changed.schedules, changed.slots, changed.slots["start"]
        else:
            low, high = self._offsets[row : row + 2].tolist()
            schedules, slots = self._schedules[row], self._slots[low:high]
            starts = self._starts[low:high]
        end = len(starts) if last is None else int(starts.searchsorted(last, side="right"))
        return schedules, slots[int(starts.searchsorted(start)) : end].tolist()

    def spans(
        self, rows: NDArray[np.intp], start: int, last: int | None
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Give where the slots of rows lie that start in [start, last], to the second.

        Args:
            rows: Shape (n,).
            start: Microseconds after `EPOCH`, not before it.
            last: Microseconds after `EPOCH`; None = no end.

        Returns:
            First and end of each row for `between`; nothing may lie in it that starts too early
            or too late by less than a second. -1 = the row was changed, ask `window`.
        """
        owners = rows.astype(np.int64) << _SECOND_BITS
        end = _FOREVER if last is None else last // _SECOND
        first = self._keys.searchsorted(owners | max(start // _SECOND, 0))
        ends = self._keys.searchsorted(owners | max(end, 0), side="right")
        if self._changed:
            first[[row in self._changed for row in rows.tolist()]] = -1
        return first, ends

    def between(self, row: int, first: int, end: int) -> tuple[tuple[Schedule, ...], list[SlotRow]]:
        """Give the schedules of an unchanged row and the slots of a span of it, in order."""
        return self._schedules[row], self._slots[first:end].tolist()

    def replaced(self, blocks: Mapping[int, Block]) -> "SlotTable":
        """Give a table in which these blocks replace those of their rows."""
        newer = SlotTable.__new__(SlotTable)
        newer.__dict__.update(self.__dict__)
        newer.__dict__["_changed"] = {**self._changed, **blocks}
        return newer

    @property
    def changed_rows(self) -> Iterable[int]:
        """Give the rows whose block was replaced since the base was frozen."""
        return self._changed.keys()

    def base_schedules(self, row: int) -> tuple[Schedule, ...]:
        """Give the schedules of a row when the base was frozen."""
        return self._schedules[row]

    def count(self) -> int:
        """Give the number of open slots."""
        base = len(self._slots)
        for row, changed in self._changed.items():
            base += len(changed.slots) - int(self._offsets[row + 1] - self._offsets[row])
        return base

    def nbytes(self) -> int:
        """Give the bytes that the base arrays take."""
        arrays = (self._slots, self._offsets, self._starts, self._keys)
        return sum(one.nbytes for one in arrays)

    def __getitem__(self, key: CareServiceId) -> tuple[Diary, ...]:
        """Give the diaries of a care service, by schedule id.

        Raises:
            KeyError: It has none.
        """
        found = self.block(self._row[key])
        if not found.schedules:
            raise KeyError(key)
        slots: list[list[OpenSlot]] = [[] for _ in found.schedules]
        for row in found.slots.tolist():
            slots[row[3]].append(opened(row, found.schedules[row[3]]))
        return tuple(
            Diary(schedule=schedule, slots=tuple(mine))
            for schedule, mine in zip(found.schedules, slots, strict=True)
        )

    def __iter__(self) -> Iterator[CareServiceId]:
        """Give the care services that have a diary, by row."""
        for row, key in enumerate(self._ids):
            changed = self._changed.get(row)
            if self._schedules[row] if changed is None else changed.schedules:
                yield key

    def __len__(self) -> int:
        """Give the number of care services that have a diary."""
        return sum(1 for _ in self)


def table(ids: Sequence[CareServiceId], schedules: Iterable[Schedule], slots: Slots) -> SlotTable:
    """Freeze slots given per schedule.

    Args:
        ids: Care service of each row.
        schedules: In the order that `diary` of the slots counts; those of a care service that is
            not in `ids` are left out with their slots.
        slots: In any order; `diary` indexes `schedules`.
    """
    row = {key: index for index, key in enumerate(ids)}
    given = tuple(schedules)
    grouped: list[list[tuple[Schedule, int]]] = [[] for _ in ids]
    for number, schedule in enumerate(given):
        owner = row.get(schedule.care_service_id)
        if owner is not None:
            grouped[owner].append((schedule, number))
    owners = np.full(len(given) + 1, -1, dtype=np.int64)
    places = np.zeros(len(given) + 1, dtype=np.int32)
    for owner, mine in enumerate(grouped):
        mine.sort(key=lambda one: one[0].id)
        for place, (_, number) in enumerate(mine):
            owners[number], places[number] = owner, place
    owned = owners[slots["diary"]]
    order = _sorted(slots, owned)
    order = order[np.searchsorted(owned[order], 0) :]
    kept = slots[order]
    kept["diary"] = places[kept["diary"]]
    offsets = np.searchsorted(owned[order], np.arange(len(ids) + 1)).astype(np.int64)
    kept.flags.writeable = False
    names = [tuple(schedule for schedule, _ in mine) for mine in grouped]
    return SlotTable(tuple(ids), row, names, kept, offsets)


def _sorted(slots: Slots, owned: NDArray[np.int64]) -> NDArray[np.intp]:
    """Give the order of rows by owner, start, id; only those of one second are compared by id."""
    seconds = (owned << _SECOND_BITS) | np.clip(slots["start"] // _SECOND, 0, _FOREVER)
    order = np.argsort(seconds, kind="stable")
    keys = seconds[order]
    same = np.zeros(len(keys) + 1, dtype=np.bool_)
    same[1:-1] = keys[1:] == keys[:-1]
    tied = np.flatnonzero(same[1:] | same[:-1])
    rows = order[tied]
    few = slots[rows]
    order[tied] = rows[np.lexsort((*_id_keys(few), few["start"], owned[rows]))]
    return order
