"""The answer to one need: who is eligible with which slots, who was refused and why."""

from datetime import datetime
from uuid import UUID

import msgspec

from directory import eligibility
from directory.columns import OpenSlot
from directory.model import CareService, Location, Modality, Need


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An eligible care service with what can be booked there for the need.

    Attributes:
        verdict: Why it fits (modality, cautions, first opening).
        slots: Bookable slots in the need's window, by start then id; empty for a referral intake.
        road_m: Estimated road metres; None when the place is unknown.
        travel_s: Estimated journey in seconds; None when the place is unknown.
    """

    verdict: eligibility.Verdict
    service: CareService
    location: Location
    slots: tuple[OpenSlot, ...]
    road_m: float | None
    travel_s: float | None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one need.

    Attributes:
        version: Version of the snapshot that answered.
        eligible: By distance, then id (unknown place: by id).
        refused: Nearest refusals: fewest reasons first, then distance, then id.
        considered: Care services that offer the service code.
        refused_total: How many of them were refused; `refused` may hold fewer.
    """

    version: int
    eligible: tuple[Candidate, ...]
    refused: tuple[eligibility.Verdict, ...]
    considered: int
    refused_total: int


def openings(slots: tuple[OpenSlot, ...]) -> dict[Modality, datetime]:
    """Give the earliest start by modality; `slots` are sorted by start."""
    first: dict[Modality, datetime] = {}
    for slot in slots:
        first.setdefault(slot.modality, slot.start)
    return first


def fitting(
    slots: tuple[OpenSlot, ...], need: Need, verdict: eligibility.Verdict
) -> tuple[OpenSlot, ...]:
    """Keep the slots before the deadline in a modality that fits."""
    return tuple(
        slot
        for slot in slots
        if slot.modality in verdict.fitting
        and (need.deadline is None or slot.start <= need.deadline)
    )


def nearness(verdict: eligibility.Verdict) -> tuple[float, UUID]:
    """Give what orders verdicts: metres, then id."""
    metres = verdict.straight_m
    return (0.0 if metres is None else metres, verdict.care_service_id)
