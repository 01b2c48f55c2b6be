"""Routes of single slots under /api/v1: adding one, changing one, withdrawing one."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import delete, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from directory import service, single_slots
from directory.model import Modality, SlotKind, Visibility
from directory.publication import PublishedSlot
from directory.service import Withdrawn
from directory.single_slots import AddSlot, ChangeSlot
from directory.store import Published
from kernel.edge import Edge
from kernel.inputs import Sequence64, ShortText, UtcTime, utc

Capacity = Annotated[int, msgspec.Meta(ge=1, le=200)]


class SlotInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One slot of a publication.

    Attributes:
        key: The publisher's own name of it; with its start it is unique in the publication.
        capacity: Number of patients; 1 for kind `slot`.
    """

    key: ShortText
    starts_at: UtcTime
    ends_at: UtcTime
    kind: SlotKind = SlotKind.SLOT
    modality: Modality = Modality.OFFICE
    visibility: Visibility = Visibility.PUBLIC
    capacity: Annotated[int, msgspec.Meta(ge=1, le=200)] = 1


class SingleSlot(SlotInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more slot; `sequence` is higher than that of any earlier publication of the diary."""

    sequence: Sequence64


class SlotChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be another about a slot; what is left out stays.

    Attributes:
        sequence: Higher than that of any earlier publication of its diary.
        starts_at: Another time: whoever holds a place is displaced and told.
    """

    sequence: Sequence64
    starts_at: UtcTime | None = None
    ends_at: UtcTime | None = None
    visibility: Visibility | None = None
    capacity: Capacity | None = None


@post(
    "/schedules/{schedule_id:uuid}/slots",
    status_code=200,
    tags=["directory"],
    summary="Add one slot to a schedule; everything else stays",
)
async def add_slot(
    edge: NamedDependency[Edge], schedule_id: FromPath[UUID], data: JSONBody[SingleSlot]
) -> Published:
    """Add one slot to a schedule; everything else stays.

    The sequence is shared with whole windows: a lower one is 409 `sequence_not_newer` and changes
    nothing; the same sequence and body again gets the first answer.
    """
    command = AddSlot(schedule_id=schedule_id, sequence=data.sequence, slot=slot(data, 0))
    return await edge.run(lambda tx: single_slots.add(tx, edge.actor, command))


@patch("/slots/{slot_id:uuid}", tags=["directory"], summary="Change one slot; the others stay")
async def change_slot(
    edge: NamedDependency[Edge], slot_id: FromPath[UUID], data: JSONBody[SlotChange]
) -> Published:
    """Change visibility, places or time of one slot; the others stay.

    A place that somebody holds or is booked on and that is no longer there is displaced, and its
    centre told.
    """
    command = ChangeSlot(
        slot_id=slot_id,
        sequence=data.sequence,
        start=None if data.starts_at is None else utc(data.starts_at, "starts_at"),
        end=None if data.ends_at is None else utc(data.ends_at, "ends_at"),
        visibility=data.visibility,
        capacity=data.capacity,
    )
    return await edge.run(lambda tx: single_slots.change(tx, edge.actor, command))


@delete(
    "/slots/{slot_id:uuid}",
    status_code=200,
    tags=["directory"],
    summary="Withdraw one slot; repeating it changes nothing",
)
async def withdraw_slot(
    edge: NamedDependency[Edge],
    slot_id: FromPath[UUID],
    sequence: Annotated[int | None, QueryParameter(gt=-1, le=2**63 - 1)] = None,
) -> Withdrawn:
    """Withdraw one slot; repeating it changes nothing.

    With a `sequence` it counts as a publication of the diary: a later one that is already stored
    makes it 409 `sequence_not_newer`.
    """
    return await edge.run(lambda tx: service.withdraw(tx, edge.actor, slot_id, sequence))


def slot(given: SlotInput, index: int) -> PublishedSlot:
    """Read one slot of a body.

    Args:
        given: As sent.
        index: Its place in the body, for a refusal.

    Raises:
        kernel.errors.Malformed: `time_out_of_range`.
    """
    return PublishedSlot(
        key=given.key,
        start=utc(given.starts_at, f"slots[{index}].starts_at"),
        end=utc(given.ends_at, f"slots[{index}].ends_at"),
        kind=given.kind,
        modality=given.modality,
        visibility=given.visibility,
        capacity=given.capacity,
    )


ROUTES: Final = [add_slot, change_slot, withdraw_slot]
