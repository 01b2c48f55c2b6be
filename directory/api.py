"""Routes of the directory under /api/v1: care services, and the slots of a schedule."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from directory import (
    capacity_api,
    duty_api,
    inputs,
    offer_api,
    offers,
    publication,
    schedule_api,
    search_api,
    service,
    slot_api,
)
from directory.inputs import near as read_near
from directory.model import Interval, Modality, SlotKind, Visibility
from directory.offers import CareServiceView
from directory.recurrence import Absence, Recurring
from directory.slot_api import SlotInput
from directory.store import DiaryView, Published, SlotView
from kernel import errors
from kernel.edge import Edge
from kernel.inputs import Code, Sequence64, ShortText, UtcTime

_MOST: Final = 200
_LONGEST_WINDOW: Final = timedelta(days=92)

Limit = Annotated[int, QueryParameter(ge=1, le=_MOST)]
Radius = Annotated[int | None, QueryParameter(ge=1, le=500_000)]


class RecurringInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session that comes back, by the clock of the place.

    Attributes:
        first: Local start of the first session, without an offset.
        minutes: Length of one slot.
        places: Slots that follow one another in a session.
        rule: RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO,TH`; a single session without it.
        but_on: Local days on which it does not take place.
    """

    key: ShortText
    first: Annotated[datetime, msgspec.Meta(tz=False)]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    places: Annotated[int, msgspec.Meta(ge=1, le=200)] = 1
    rule: ShortText | None = None
    but_on: Annotated[tuple[date, ...], msgspec.Meta(max_length=_MOST)] = ()
    kind: SlotKind = SlotKind.SLOT
    modality: Modality = Modality.OFFICE
    visibility: Visibility = Visibility.PUBLIC
    capacity: Annotated[int, msgspec.Meta(ge=1, le=200)] = 1


class AbsenceInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local days without any recurring session, both included."""

    since: date
    until: date


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A publisher's word on one window of a schedule; what it does not name is withdrawn."""

    starts_at: UtcTime
    ends_at: UtcTime
    sequence: Sequence64
    slots: Annotated[tuple[SlotInput, ...], msgspec.Meta(max_length=publication.LARGEST)]
    recurring: Annotated[tuple[RecurringInput, ...], msgspec.Meta(max_length=_MOST)] = ()
    absences: Annotated[tuple[AbsenceInput, ...], msgspec.Meta(max_length=_MOST)] = ()


class CareServicePage(msgspec.Struct, frozen=True, kw_only=True):
    """Care services; `next_after` goes on where this page ends, None at the end."""

    care_services: Sequence[CareServiceView]
    next_after: UUID | None = None


class SchedulePage(msgspec.Struct, frozen=True, kw_only=True):
    """Schedules by id; `next_after` goes on where this page ends, None at the end."""

    schedules: Sequence[DiaryView]
    next_after: UUID | None = None


class SlotPage(msgspec.Struct, frozen=True, kw_only=True):
    """Slots by start; `next_after` goes on where this page ends, None at the end."""

    slots: Sequence[SlotView]
    next_after: UUID | None = None


@get(
    "/care-services",
    tags=["directory"],
    summary="Give care services by id, or the nearest first with `near=lon,lat`",
)
async def list_care_services(
    *,
    edge: NamedDependency[Edge],
    service_code: Annotated[Code | None, QueryParameter(name="service")] = None,
    organisation: FromQuery[UUID | None] = None,
    near: Annotated[str | None, QueryParameter(max_length=64)] = None,
    radius_m: Radius = None,
    after: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> CareServicePage:
    """Give care services by id, or the nearest first with `near=lon,lat`."""
    lon, lat = read_near(near)
    if near is None and radius_m is not None:
        raise errors.Malformed("near_needed", "A radius needs a place.", path="near")
    if near is not None and after is not None:
        raise errors.Malformed("after_without_order", "Nearest first has one page.", path="after")
    wanted = offers.Search(
        service=service_code,
        organisation_id=organisation,
        lon=lon,
        lat=lat,
        radius_m=radius_m,
        after=after,
        limit=limit,
    )
    found = await edge.run(lambda tx: service.care_services(tx, edge.actor, wanted))
    more = near is None and len(found) == limit
    return CareServicePage(care_services=found, next_after=found[-1].id if more else None)


@get("/care-services/{care_service_id:uuid}", tags=["directory"], summary="Give one care service")
async def get_care_service(
    edge: NamedDependency[Edge], care_service_id: FromPath[UUID]
) -> CareServiceView:
    """Give one care service."""
    return await edge.run(lambda tx: service.care_service(tx, edge.actor, care_service_id))


@get(
    "/schedules",
    tags=["directory"],
    summary="Give the schedules of the actor's own organisations, or of the one named",
)
async def list_schedules(
    edge: NamedDependency[Edge],
    organisation: FromQuery[UUID | None] = None,
    after: FromQuery[UUID | None] = None,
    limit: Limit = 50,
) -> SchedulePage:
    """Give the schedules of the actor's own organisations, or of the one named."""
    found = await edge.run(lambda tx: service.diaries(tx, edge.actor, organisation, (after, limit)))
    return SchedulePage(schedules=found, next_after=found[-1].id if len(found) == limit else None)


@get(
    "/schedules/{schedule_id:uuid}/slots",
    tags=["directory"],
    summary="Give the slots that start in [starts_at, ends_at), as far as the actor may see them",
)
async def list_slots(
    *,
    edge: NamedDependency[Edge],
    schedule_id: FromPath[UUID],
    starts_at: FromQuery[datetime],
    ends_at: FromQuery[datetime],
    after: FromQuery[UUID | None] = None,
    limit: Limit = _MOST,
) -> SlotPage:
    """Give the slots that start in [starts_at, ends_at), as far as the actor may see them."""
    window = _window(starts_at, ends_at)
    found = await edge.run(
        lambda tx: service.slots(tx, edge.actor, schedule_id, window, (after, limit))
    )
    return SlotPage(slots=found, next_after=found[-1].id if len(found) == limit else None)


@put(
    "/schedules/{schedule_id:uuid}/slots",
    tags=["directory"],
    summary="Publish a window of a schedule",
)
async def publish_slots(
    edge: NamedDependency[Edge], schedule_id: FromPath[UUID], data: JSONBody[Publication]
) -> Published:
    """Publish a window of a schedule.

    The sequence is higher than that of any earlier publication (409 `sequence_not_newer`
    otherwise, nothing changed); the same sequence and body again gets the first answer. A seat
    that somebody holds or is booked on is never dropped: it is displaced, and its centre told.
    """
    command = service.Publish(
        schedule_id=schedule_id,
        window=_window(data.starts_at, data.ends_at),
        sequence=data.sequence,
        slots=tuple(map(slot_api.slot, data.slots, range(len(data.slots)))),
        recurring=tuple(map(_recurring, data.recurring)),
        absences=tuple(Absence(since=one.since, until=one.until) for one in data.absences),
    )
    return await edge.run(lambda tx: service.publish(tx, edge.actor, command))


def _recurring(given: RecurringInput) -> Recurring:
    return Recurring(
        key=given.key,
        first=given.first,
        minutes=given.minutes,
        places=given.places,
        rule=given.rule,
        but_on=frozenset(given.but_on),
        kind=given.kind,
        modality=given.modality,
        visibility=given.visibility,
        capacity=given.capacity,
    )


def _window(starts_at: datetime, ends_at: datetime) -> Interval:
    return inputs.window(starts_at, ends_at, _LONGEST_WINDOW)


ROUTES: Final = [
    list_care_services,
    get_care_service,
    list_schedules,
    list_slots,
    publish_slots,
    *slot_api.ROUTES,
    *schedule_api.ROUTES,
    *capacity_api.ROUTES,
    *search_api.ROUTES,
    *offer_api.ROUTES,
    *duty_api.ROUTES,
]
