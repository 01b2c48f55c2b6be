"""What speaks for a place: reasons as stable codes with values, the most telling first."""

import math
from collections.abc import Iterator
from datetime import datetime

import msgspec

from directory.model import CareService, Modality, Need


class Fact(msgspec.Struct, frozen=True):
    """One reason for a place: a stable code, and a value where it needs one.

    Codes: travel (seconds), distance (metres), nobody_travels, comes_to_patient, place_unknown,
    starts (moment), open_now, opens (moment), on_call, seats (free), speaks, accessible,
    skills (codes), treats_age (months), age_unknown, marked_old (moment of the source).
    """

    code: str
    value: str | int | datetime | tuple[str, ...] | None = None


class Seen(msgspec.Struct, frozen=True):
    """How a patient would be seen at a place.

    Attributes:
        opening: The earliest moment in that modality.
        straight_m: Great-circle metres; None when the place is unknown.
        travel_s: Estimated journey; None when the place is unknown.
        free: Free seats of the slots shown; None for a referral.
    """

    modality: Modality
    opening: datetime
    straight_m: float | None
    travel_s: float | None
    free: int | None


def facts(need: Need, now: datetime, service: CareService, seen: Seen) -> Iterator[Fact]:
    """Give what speaks for a care service that can take a need.

    Args:
        need: What is asked.
        now: Moment of the question.
        service: The care service.
        seen: How the patient would be seen there.
    """
    yield from _journey(seen)
    if seen.free is not None:
        yield Fact("starts", seen.opening)
        yield Fact("seats", seen.free)
    elif seen.opening <= now:
        yield Fact("open_now")
    else:
        yield Fact("opens", seen.opening)
    if any(shift.contains(seen.opening) for shift in service.shifts):
        yield Fact("on_call")
    if need.languages:
        yield Fact("speaks", tuple(sorted(need.languages & service.languages)))
    if need.accessibility:
        yield Fact("accessible", tuple(sorted(need.accessibility)))
    if need.skills:
        yield Fact("skills", tuple(sorted(need.skills)))
    if service.min_age_months > 0 or service.max_age_months is not None:
        if need.age_months is None:
            yield Fact("age_unknown")
        else:
            yield Fact("treats_age", need.age_months)


def _journey(seen: Seen) -> Iterator[Fact]:
    if seen.modality in {Modality.TELECONSULTATION, Modality.TELEPHONE}:
        yield Fact("nobody_travels")
    elif seen.modality is Modality.HOME_VISIT:
        yield Fact("comes_to_patient")
    elif seen.travel_s is None or seen.straight_m is None:
        yield Fact("place_unknown")
    else:
        yield Fact("travel", round(seen.travel_s))
        yield Fact("distance", math.ceil(seen.straight_m))
