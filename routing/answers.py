"""How routing's nouns leave the API: reasons in words, nothing that only the service needs."""

from datetime import datetime
from uuid import UUID

import msgspec

from routing import reasons
from routing.model import Offer, OfferKind, Place, Reason, Refused
from routing.reasons import Told
from triage.acuity import Acuity


class PlaceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One place of an offer.

    Attributes:
        rank: 1 is the best.
        slot_id: What to hold; none for a referral, which is sent to `care_service_id`.
        free: Free seats when it was looked up; the hold decides.
        travel_s: Estimated journey, seconds; none when the patient's place is unknown.
        road_m: Estimated road metres.
        agreement: The receiver must agree first.
        late_s: Seconds after the due time; 0 when in time.
        zone: IANA zone in which the place reads its clock.
        as_of: When its diary was last told; none for a referral.
        marked: Its diary is older than its source should be.
        acceptance: Learned probability that it takes the patient; none while nothing is known.
        asked: How many patients that figure rests on.
    """

    rank: int
    care_service_id: UUID
    organisation_id: UUID
    location_id: UUID
    name: str
    kind: OfferKind
    modality: str
    starts_at: datetime
    ends_at: datetime | None
    slot_id: UUID | None
    free: int
    travel_s: int | None
    road_m: int | None
    agreement: bool
    late_s: int
    zone: str
    as_of: datetime | None
    marked: bool
    acceptance: float | None
    asked: int
    reasons: tuple[Told, ...]


class RefusedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A near place that is not offered: why, and the nearest changes that would admit it."""

    care_service_id: UUID
    name: str
    distance_m: int | None
    reason: Told
    changes: tuple[Told, ...]


class OfferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Ranked places for a disposition, and why the near others are not among them.

    Attributes:
        seed: Sent again with the same snapshot it gives the same order.
        considered: Care services that offer the kind of care.
        refused_total: How many of them were refused.
        widened_m: Great-circle radius that was searched in the end.
        binding_constraint: When nothing fits, what stands in the way: for the waiting entry.
    """

    id: UUID
    disposition_id: UUID
    case_id: UUID
    asked_at: datetime
    acuity: Acuity
    seed: int
    snapshot_version: int
    considered: int
    refused_total: int
    widened_m: int | None
    places: tuple[PlaceAnswer, ...]
    refused: tuple[RefusedAnswer, ...]
    binding_constraint: Told | None


def of_offer(offer: Offer, constraint: str | None) -> OfferAnswer:
    """Shape an offer.

    Args:
        offer: As ranked or read again.
        constraint: Reason code when it has no place.
    """
    told = Reason(code=constraint) if constraint is not None else None
    return OfferAnswer(
        id=offer.id,
        disposition_id=offer.disposition_id,
        case_id=offer.case_id,
        asked_at=offer.asked_at,
        acuity=offer.acuity,
        seed=offer.seed,
        snapshot_version=offer.snapshot_version,
        considered=offer.considered,
        refused_total=offer.refused_total,
        widened_m=offer.widened_m,
        places=tuple(_place(one, offer.asked_at) for one in offer.places),
        refused=tuple(_refused(one, offer.asked_at) for one in offer.refused),
        binding_constraint=None if told is None else reasons.tell(told, offer.asked_at, "UTC"),
    )


def _place(place: Place, now: datetime) -> PlaceAnswer:
    return PlaceAnswer(
        rank=place.rank,
        care_service_id=place.care_service_id,
        organisation_id=place.organisation_id,
        location_id=place.location_id,
        name=place.name,
        kind=place.kind,
        modality=place.modality,
        starts_at=place.starts_at,
        ends_at=place.ends_at,
        slot_id=place.slot_id,
        free=place.free,
        travel_s=place.travel_s,
        road_m=place.road_m,
        agreement=place.agreement,
        late_s=place.late_s,
        zone=place.zone,
        as_of=place.as_of,
        marked=place.marked,
        acceptance=place.acceptance,
        asked=place.asked,
        reasons=tuple(reasons.tell(one, now, place.zone) for one in place.reasons),
    )


def _refused(refused: Refused, now: datetime) -> RefusedAnswer:
    return RefusedAnswer(
        care_service_id=refused.care_service_id,
        name=refused.name,
        distance_m=refused.distance_m,
        reason=reasons.tell(refused.reason, now, refused.zone),
        changes=tuple(reasons.tell(one, now, refused.zone) for one in refused.changes),
    )
