"""The kinds of event that tell what care services offer and when; part of the catalogue."""

from typing import Annotated, ClassVar
from uuid import UUID

import msgspec

from events.fact import Event
from kernel.inputs import Code, Small, UtcTime


class AvailabilityPublished(Event, frozen=True, kw_only=True, tag="availability.published"):
    """A clinic published a window of a schedule."""

    AGGREGATE: ClassVar[str] = "schedule"
    care_service_id: UUID
    sequence: int
    starts_at: UtcTime
    ends_at: UtcTime
    added: Small = 0
    withdrawn: Small = 0
    displaced: Small = 0


class ConsentChanged(Event, frozen=True, kw_only=True, tag="consent.changed"):
    """The publisher of a schedule agreed to something else; fields left out are no limit."""

    AGGREGATE: ClassVar[str] = "schedule"
    care_service_id: UUID
    paused: bool
    quota_per_day: Small | None = None
    release_before_s: Annotated[int, msgspec.Meta(ge=0)] | None = None
    release_min: Small | None = None


class AbsenceChanged(Event, frozen=True, kw_only=True, tag="absence.changed"):
    """A diary is not to be had for some days, or is again when `ended`."""

    AGGREGATE: ClassVar[str] = "schedule"
    care_service_id: UUID
    starts_at: UtcTime
    ends_at: UtcTime
    ended: bool = False


class CapacityChanged(Event, frozen=True, kw_only=True, tag="capacity.changed"):
    """A care service reported its beds or emergency places.

    Attributes:
        capacity: What is counted.
        over: More patients than places, said by the owner itself.
    """

    AGGREGATE: ClassVar[str] = "care_service"
    capacity: Code
    total: Small
    occupied: Small
    over: bool = False
    cause: Code
    sequence: int


class PlacesChanged(Event, frozen=True, kw_only=True, tag="places.changed"):
    """Care services of an organisation are new, or described otherwise."""

    AGGREGATE: ClassVar[str] = "organisation"
    care_service_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=200)]


class SourceLimitChanged(Event, frozen=True, kw_only=True, tag="limit.changed"):
    """What a source tells may be older, or less old, than before; no figures = the common limit."""

    AGGREGATE: ClassVar[str] = "source_limit"
    source: Code
    marked_after_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    refused_after_s: Annotated[int, msgspec.Meta(ge=1)] | None = None


class TrustContested(Event, frozen=True, kw_only=True, tag="trust.contested"):
    """A publisher does not agree with the figure that is shown for it."""

    AGGREGATE: ClassVar[str] = "trust_contest"
    reason: Code


class SlotDisplaced(Event, frozen=True, kw_only=True, tag="slot.displaced"):
    """A slot went away while somebody held it or was booked on it."""

    AGGREGATE: ClassVar[str] = "slot"
    care_service_id: UUID
    claims: tuple[UUID, ...] = ()
    reason: Code = "withdrawn"
