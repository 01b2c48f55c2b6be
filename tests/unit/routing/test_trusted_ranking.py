"""Trust and age in the ranking: what a refusal would cost is part of what a place costs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.agreements import Age
from directory.capacity import CapacityKind, Cause
from directory.capacity_reports import Capacity
from directory.consent import Freshness
from directory.eligibility import Verdict
from directory.model import (
    CareService,
    CareServiceId,
    Location,
    LocationId,
    Modality,
    OrganisationId,
    ScheduleId,
    SlotId,
    SlotKind,
    Visibility,
)
from directory.snapshot import Candidate, OpenSlot
from directory.trust import NEWCOMER, Estimate, Outcome, Standing, acceptance, learn
from kernel.actor import Role
from routing import reasons
from routing.ranking import Asking, Ranking, rank

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def candidate(number: int, travel_min: float, starts_min: int = 90) -> Candidate:
    start = NOW + timedelta(minutes=starts_min)
    service = CareService(
        id=CareServiceId(UUID(int=number)), organisation_id=OrganisationId(UUID(int=100 + number)),
        location_id=LocationId(UUID(int=200 + number)), name="x", service="general_practice",
    )  # fmt: skip
    location = Location(
        id=service.location_id, organisation_id=service.organisation_id, name="x", lon=2.3,
        lat=49.9, zone="Europe/Paris", commune="80021", postcode="80000", department="80",
        territory_id=UUID(int=1),
    )  # fmt: skip
    slot = OpenSlot(
        id=SlotId(UUID(int=300 + number)), schedule_id=ScheduleId(UUID(int=400 + number)),
        start=start, end=start + timedelta(minutes=15), kind=SlotKind.SLOT,
        modality=Modality.OFFICE, visibility=Visibility.PUBLIC, capacity=1, free=1,
    )  # fmt: skip
    verdict = Verdict(
        care_service_id=service.id, modality=Modality.OFFICE, straight_m=1.0, opening=start
    )
    return Candidate(
        verdict=verdict, service=service, location=location, slots=(slot,), road_m=1.0,
        travel_s=travel_min * 60,
    )  # fmt: skip


def estimate(*outcomes: Outcome) -> Estimate:
    known = Standing()
    for outcome in outcomes:
        known = learn(known, outcome, NOW)
    return Estimate(acceptance=acceptance(known, NOW), accepted=known.accepted, asked=known.asked)


def ranked(*candidates: Candidate, **fields: Any) -> Ranking:
    asking = msgspec.structs.replace(Asking(now=NOW, acuity="U3"), **fields)
    return rank(candidates, asking, seed=1, count=5)


def first(found: Ranking) -> int:
    return found.places[0].care_service_id.int


@pytest.mark.parametrize("acuity", ["U2", "U3", "U4"])
def test_after_twenty_refusals_a_reliable_place_ten_minutes_further_comes_first(
    acuity: str,
) -> None:
    near, far = candidate(1, 5), candidate(2, 15)
    assert first(ranked(near, far, acuity=acuity)) == 1
    refusing = {UUID(int=101): estimate(*[Outcome.REFUSED] * 20)}
    assert first(ranked(near, far, acuity=acuity, trusted=refusing)) == 2
    recovered = estimate(*[Outcome.REFUSED] * 20, *[Outcome.ACCEPTED] * 60)
    assert first(ranked(near, far, acuity=acuity, trusted={UUID(int=101): recovered})) == 1


def test_the_counts_and_an_objection_are_told() -> None:
    known = estimate(*[Outcome.REFUSED] * 20, Outcome.ACCEPTED)
    for contested, code in ((False, "less_reliable"), (True, "less_reliable_contested")):
        told = msgspec.structs.replace(known, contested=contested)
        (place,) = ranked(candidate(1, 5), trusted={UUID(int=101): told}).places
        (reason,) = [one for one in place.reasons if one.code == code]
        assert reason.values == {"accepted": 1, "asked": 21}


@given(st.floats(NEWCOMER, 0.999), st.floats(1, 60), st.floats(1, 60))
def test_nobody_is_ranked_down_for_being_new(high: float, one: float, other: float) -> None:
    places = candidate(1, one), candidate(2, other)
    trusted = {UUID(int=101): Estimate(acceptance=high, accepted=9, asked=9)}
    assert [place.care_service_id for place in ranked(*places, trusted=trusted).places] == [
        place.care_service_id for place in ranked(*places).places
    ]


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_lower_acceptance_never_ranks_a_place_higher(one: float, other: float) -> None:
    low, high = sorted((one, other))
    places = candidate(1, 20), candidate(2, 20)

    def at(figure: float) -> int:
        trusted = {UUID(int=101): Estimate(acceptance=figure, accepted=0, asked=9)}
        found = ranked(*places, trusted=trusted).places
        return [place.care_service_id.int for place in found].index(1)

    assert at(low) >= at(high)


def test_a_diary_not_updated_for_long_is_marked_and_ranked_down() -> None:
    old, fresh = candidate(1, 5), candidate(2, 12)
    told_at = NOW - timedelta(hours=3)
    ages = {
        UUID(int=401): Age(as_of=told_at, freshness=Freshness.MARKED),
        UUID(int=402): Age(as_of=NOW, freshness=Freshness.FRESH),
    }
    found = ranked(old, fresh, ages=ages)
    assert first(found) == 2
    assert "told_long_ago" in [one.code for one in found.places[1].reasons]
    assert [(one.as_of, one.marked) for one in found.places] == [(NOW, False), (told_at, True)]
    assert first(ranked(old, fresh)) == 1


def beds(number: int, free: int, age_h: float = 0, freshness: str = "fresh") -> Any:
    told = Capacity(
        care_service_id=UUID(int=number), kind=CapacityKind.HOSPITAL_BED, total=12,
        occupied=12 - free, free=max(0, free), over=free < 0, cause=Cause.CENSUS, sequence=1,
        source="own", actor_id=UUID(int=1), role=Role.CLINIC,
        as_of=NOW - timedelta(hours=age_h), freshness=Freshness(freshness),
    )  # fmt: skip
    return {UUID(int=number): (told,)}


@pytest.mark.parametrize(
    ("free", "age_h", "freshness", "best", "text"),
    [
        (3, 0.34, "fresh", 1, "lits d'hospitalisation libres : 3 sur 12, dit il y a 20 min"),
        (0, 0.34, "fresh", 2, "lits d'hospitalisation : complet (12 sur 12), dit il y a 20 min"),
        (-2, 1, "fresh", 2, "lits d'hospitalisation : débordé (14 pour 12), dit il y a 1 h"),
        (3, 5, "marked", 2,
         "lits d'hospitalisation libres : 3 sur 12, mais dit il y a 5 h, à vérifier"),
        (0, 72, "outdated", 1, "lits d'hospitalisation : chiffre trop ancien (dit il y a 3 j)"),
    ],
)  # fmt: skip
def test_beds_are_told_with_their_age_and_a_full_or_old_word_ranks_down(
    free: int, age_h: float, freshness: str, best: int, text: str
) -> None:
    near, far = candidate(1, 5), candidate(2, 12)
    found = ranked(near, far, capacity=beds(1, free, age_h, freshness))
    assert first(found) == best
    (place,) = [one for one in found.places if one.care_service_id.int == 1]
    assert text in [reasons.render(one, "fr", NOW, "Europe/Paris") for one in place.reasons]
