"""Which care services can take a need, and for each that cannot, why and what would change it.

Pure and complete: `judge` gives every binding reason, in a fixed order, each with the smallest
change that lifts it; applying all the changes of a verdict makes the service eligible. What is
unknown (age, place) never refuses: it is reported as a caution.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import msgspec

from directory import distance, hours
from directory.model import (
    Accepts,
    CareService,
    CareServiceId,
    Intake,
    Location,
    Modality,
    Need,
)

Openings = Mapping[Modality, datetime]
"""Earliest bookable start of one care service, by modality, not before the need's `earliest`."""

DUTY: Final = "duty"
"""The skill of whoever is on call: for good, or at the need's `earliest` by a rota."""
_MODALITIES: Final = tuple(Modality)
PLACE_BOUND: Final = frozenset({Modality.OFFICE, Modality.HOME_VISIT})


class Reason(StrEnum):
    """Why a care service cannot take a need; stable codes, in the order they are reported."""

    SERVICE_NOT_OFFERED = "service_not_offered"
    SERVICE_INACTIVE = "service_inactive"
    SKILL_MISSING = "skill_missing"
    EQUIPMENT_MISSING = "equipment_missing"
    NOT_ACCEPTED = "not_accepted"
    AGE_BELOW_MINIMUM = "age_below_minimum"
    AGE_ABOVE_MAXIMUM = "age_above_maximum"
    REFERRAL_REQUIRED = "referral_required"
    LANGUAGE_NOT_SPOKEN = "language_not_spoken"
    ACCESSIBILITY_MISSING = "accessibility_missing"
    MODALITY_NOT_OFFERED = "modality_not_offered"
    BEYOND_RADIUS = "beyond_radius"
    OUTSIDE_COVERAGE = "outside_coverage"
    NO_OPENING = "no_opening"
    OPENS_AFTER_DEADLINE = "opens_after_deadline"


class Caution(StrEnum):
    """What could not be checked because it is unknown."""

    AGE_UNKNOWN = "age_unknown"
    PLACE_UNKNOWN = "place_unknown"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest change that lifts one reason.

    Attributes:
        side: Whose field changes: the need's, the care service's, or its published openings.
        field: Name of the field; a modality when `side` is `openings`.
        value: What it would have to be.
    """

    side: Literal["need", "service", "openings"]
    field: str
    value: str | int | bool | datetime | frozenset[str] | None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One binding reason with the change that would lift it."""

    reason: Reason
    change: Change


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory says of one care service for one need.

    Attributes:
        modality: The one that fits, or that comes nearest to fitting.
        fitting: Every modality in which nothing speaks against it; empty when refused.
        straight_m: Great-circle metres to the patient; None when the place is unknown.
        opening: Earliest moment in that modality; None when not known or not asked.
        refusals: Every binding reason, `Reason` order; empty = eligible.
        cautions: What is unknown and therefore unchecked.
    """

    care_service_id: CareServiceId
    modality: Modality
    straight_m: float | None
    opening: datetime | None
    fitting: tuple[Modality, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    cautions: tuple[Caution, ...] = ()

    @property
    def eligible(self) -> bool:
        """Tell whether nothing speaks against it."""
        return not self.refusals


def _need(reason: Reason, field: str, value: str | int | datetime | frozenset[str]) -> Refusal:
    return Refusal(reason=reason, change=Change(side="need", field=field, value=value))


def _service(reason: Reason, field: str, value: int | bool | None) -> Refusal:  # noqa: FBT001
    return Refusal(reason=reason, change=Change(side="service", field=field, value=value))


def _who(need: Need, service: CareService) -> list[Refusal]:
    """Give what speaks against this service for this patient, wherever and whenever."""
    found: list[Refusal] = []
    if service.service != need.service:
        found.append(_need(Reason.SERVICE_NOT_OFFERED, "service", service.service))
    if not service.active:
        found.append(_service(Reason.SERVICE_INACTIVE, "active", value=True))
    lacking = need.skills - service.skills
    if DUTY in lacking and hours.is_on_call(service, need.earliest):
        lacking -= {DUTY}
    if lacking:
        found.append(_need(Reason.SKILL_MISSING, "skills", need.skills - lacking))
    if not need.equipment <= service.equipment:
        kept = need.equipment & service.equipment
        found.append(_need(Reason.EQUIPMENT_MISSING, "equipment", kept))
    if not need.accepts <= service.accepts:
        found.append(_need(Reason.NOT_ACCEPTED, "accepts", _codes(need.accepts & service.accepts)))
    age = need.age_months
    if age is not None and age < service.min_age_months:
        found.append(_need(Reason.AGE_BELOW_MINIMUM, "age_months", service.min_age_months))
    elif age is not None and service.max_age_months is not None and age >= service.max_age_months:
        youngest_refused = service.max_age_months
        found.append(_need(Reason.AGE_ABOVE_MAXIMUM, "age_months", youngest_refused - 1))
    if service.referral_required and not need.referred:
        found.append(_need(Reason.REFERRAL_REQUIRED, "referred", value=True))
    return found


def _codes(wishes: frozenset[Accepts]) -> frozenset[str]:
    return frozenset[str](wishes)


def _access(need: Need, service: CareService, location: Location) -> list[Refusal]:
    """Give what speaks against it for language and accessibility."""
    found: list[Refusal] = []
    if need.languages and not need.languages & service.languages:
        spoken = min(service.languages, default=None)
        if spoken is None:
            found.append(_need(Reason.LANGUAGE_NOT_SPOKEN, "languages", frozenset()))
        else:
            wider = need.languages | {spoken}
            found.append(_need(Reason.LANGUAGE_NOT_SPOKEN, "languages", wider))
    offered = service.accessibility | location.accessibility
    if not need.accessibility <= offered:
        kept = need.accessibility & offered
        found.append(_need(Reason.ACCESSIBILITY_MISSING, "accessibility", kept))
    return found


def _where(
    need: Need, service: CareService, modality: Modality, straight_m: float | None
) -> list[Refusal]:
    """Give what speaks against it for the distance; an unknown place refuses nothing."""
    if straight_m is None or modality not in PLACE_BOUND:
        return []
    metres = math.ceil(straight_m)
    if modality is Modality.OFFICE:
        if need.radius_m is not None and straight_m > need.radius_m:
            return [_need(Reason.BEYOND_RADIUS, "radius_m", metres)]
        return []
    if need.commune is not None and need.commune in service.coverage_communes:
        return []
    if service.coverage_m is None or straight_m > service.coverage_m:
        return [_service(Reason.OUTSIDE_COVERAGE, "coverage_m", metres)]
    return []


def _when(
    need: Need,
    service: CareService,
    location: Location,
    modality: Modality,
    openings: Openings | None,
) -> tuple[datetime | None, list[Refusal]]:
    """Give the first opening in a modality and what speaks against it."""
    if service.intake is Intake.REFERRAL:
        opening = hours.next_opening(service, location, need.earliest)
        if opening is None:
            return None, [_service(Reason.NO_OPENING, "hours", None)]
    elif openings is None:
        return None, []
    else:
        opening = openings.get(modality)
        if opening is None:
            change = Change(side="openings", field=modality.value, value=need.earliest)
            return None, [Refusal(reason=Reason.NO_OPENING, change=change)]
    if need.deadline is not None and opening > need.deadline:
        return opening, [_need(Reason.OPENS_AFTER_DEADLINE, "deadline", opening)]
    return opening, []


def _cautions(need: Need, service: CareService, straight_m: float | None) -> tuple[Caution, ...]:
    found = []
    limited = service.min_age_months > 0 or service.max_age_months is not None
    if need.age_months is None and limited:
        found.append(Caution.AGE_UNKNOWN)
    if straight_m is None and PLACE_BOUND & service.modalities:
        found.append(Caution.PLACE_UNKNOWN)
    return tuple(found)


def judge(
    need: Need,
    service: CareService,
    location: Location,
    openings: Openings | None,
    straight_m: float | None = None,
) -> Verdict:
    """Judge one care service for one need.

    Args:
        need: What is asked.
        service: The care service.
        location: Its location.
        openings: Earliest bookable starts by modality; None = availability is not asked.
        straight_m: Great-circle metres when already computed; None = compute it.

    Returns:
        The verdict in the modality with the fewest reasons (ties: `Modality` order).
    """
    if straight_m is None and need.lon is not None and need.lat is not None:
        straight_m = distance.one(need.lon, need.lat, location.lon, location.lat)
    shared = service.modalities & need.modalities if need.modalities else service.modalities
    best: tuple[Modality, datetime | None, list[Refusal]] | None = None
    fitting: list[Modality] = []
    for modality in _MODALITIES:
        if modality not in (shared or service.modalities):
            continue
        opening, late = _when(need, service, location, modality, openings)
        reasons = [*_where(need, service, modality, straight_m), *late]
        if not shared:
            wider = need.modalities | {modality}
            reasons.insert(0, _need(Reason.MODALITY_NOT_OFFERED, "modalities", wider))
        if not reasons:
            fitting.append(modality)
        if best is None or len(reasons) < len(best[2]):
            best = (modality, opening, reasons)
    if best is None:
        raise ValueError("a care service offers at least one modality")
    refusals = (*_who(need, service), *_access(need, service, location), *best[2])
    return Verdict(
        care_service_id=service.id,
        modality=best[0],
        straight_m=straight_m,
        opening=best[1],
        fitting=() if refusals else tuple(fitting),
        refusals=refusals,
        cautions=_cautions(need, service, straight_m),
    )


def apply(
    change: Change, need: Need, service: CareService, openings: Openings | None
) -> tuple[Need, CareService, Openings | None]:
    """Apply one change: what the world would be if it were made.

    Returns:
        The need, the care service and the openings, one of them changed.
    """
    if change.side == "need":
        return msgspec.structs.replace(need, **{change.field: change.value}), service, openings
    if change.side == "service":
        return need, msgspec.structs.replace(service, **{change.field: change.value}), openings
    if not isinstance(change.value, datetime):
        raise TypeError("an opening is a moment")
    return need, service, {**(openings or {}), Modality(change.field): change.value}
