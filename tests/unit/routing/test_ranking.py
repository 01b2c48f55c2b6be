"""Ranking: one lexicographic cost, reproducible by its seed, whatever the order of the rows."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from directory.eligibility import Verdict
from directory.model import (
    Accepts,
    CareService,
    CareServiceId,
    Intake,
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
from routing.model import OfferKind, Place
from routing.ranking import Asking, Ranking, rank

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


def uid(number: int) -> UUID:
    return UUID(int=number)


def slot(number: int, minutes: int, kind: SlotKind = SlotKind.SLOT, **fields: object) -> OpenSlot:
    start = NOW + timedelta(minutes=minutes)
    base = OpenSlot(
        id=SlotId(uid(10_000 + number)),
        schedule_id=ScheduleId(uid(20_000 + number)),
        start=start,
        end=start + timedelta(minutes=60),
        kind=kind,
        modality=Modality.OFFICE,
        visibility=Visibility.PUBLIC,
        capacity=4 if kind is SlotKind.RANGE else 1,
        free=1,
    )
    return msgspec.structs.replace(base, **fields)


def candidate(
    number: int,
    *slots: OpenSlot,
    travel_s: float | None = 600.0,
    intake: Intake = Intake.APPOINTMENT,
    **fields: object,
) -> Candidate:
    service = CareService(
        id=CareServiceId(uid(number)),
        organisation_id=OrganisationId(uid(30_000 + number)),
        location_id=LocationId(uid(40_000 + number)),
        name=f"Place {number}",
        service="general_practice",
        intake=intake,
    )
    location = Location(
        id=service.location_id,
        organisation_id=service.organisation_id,
        name="Here",
        lon=2.3,
        lat=49.9,
        zone="Europe/Paris",
        commune="80021",
        postcode="80000",
        department="80",
        territory_id=uid(1),
    )
    verdict = Verdict(
        care_service_id=service.id,
        modality=Modality.OFFICE,
        straight_m=None if travel_s is None else travel_s * 10,
        opening=slots[0].start if slots else NOW,
    )
    return Candidate(
        verdict=verdict,
        service=msgspec.structs.replace(service, **fields),
        location=location,
        slots=slots,
        road_m=None if travel_s is None else travel_s * 12,
        travel_s=travel_s,
    )


def asking(**fields: object) -> Asking:
    return msgspec.structs.replace(Asking(now=NOW, acuity="U3"), **fields)


def ranked(*candidates: Candidate, count: int = 5, seed: int = 7, **fields: object) -> Ranking:
    return rank(candidates, asking(**fields), seed=seed, count=count)


def numbers(places: tuple[Place, ...]) -> list[int]:
    return [place.care_service_id.int for place in places]


some_candidates = st.lists(
    st.tuples(
        st.lists(st.integers(15, 600), min_size=0, max_size=4),
        st.one_of(st.none(), st.integers(60, 5000)),
        st.sampled_from(list(SlotKind)),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
).map(
    lambda rows: [
        candidate(
            number,
            *(slot(100 * number + place, at, kind) for place, at in enumerate(starts)),
            travel_s=travel_s,
            intake=Intake.REFERRAL if referral else Intake.APPOINTMENT,
        )
        for number, (starts, travel_s, kind, referral) in enumerate(rows, 1)
    ]
)


@given(some_candidates, st.randoms(use_true_random=False), st.integers(0, 2**63 - 1))
def test_order_of_rows_never_changes_the_ranking(
    rows: list[Candidate], shuffler: random.Random, seed: int
) -> None:
    mixed = list(rows)
    shuffler.shuffle(mixed)
    assert rank(rows, asking(), seed=seed, count=3) == rank(mixed, asking(), seed=seed, count=3)


@given(some_candidates, st.integers(0, 2**63 - 1), st.integers(1, 6))
def test_each_care_service_stands_once_and_no_slot_twice(
    rows: list[Candidate], seed: int, count: int
) -> None:
    found = rank(rows, asking(), seed=seed, count=count)
    assert len(set(numbers(found.places))) == len(found.places) <= count
    slots = [place.slot_id for place in (*found.places, *found.spare) if place.slot_id]
    assert len(set(slots)) == len(slots)
    assert [place.rank for place in (*found.places, *found.spare)] == list(
        range(1, len(found.places) + len(found.spare) + 1)
    )


@given(some_candidates, st.integers(0, 2**63 - 1))
def test_every_candidate_is_offered_spare_unreachable_or_declined(
    rows: list[Candidate], seed: int
) -> None:
    found = rank(rows, asking(refused=frozenset({uid(1)})), seed=seed, count=len(rows))
    out = [one.service.id for one, _ in found.unreachable]
    out += [one.service.id for one in found.declined]
    assert sorted([*numbers(found.places), *(one.int for one in out)]) == sorted(
        one.service.id.int for one in rows
    )


def test_equals_are_broken_by_the_seed_and_the_same_seed_repeats() -> None:
    rows = [candidate(number, slot(number, 60)) for number in range(1, 7)]
    orders = {tuple(numbers(rank(rows, asking(), seed=seed, count=6).places)) for seed in range(20)}
    assert len(orders) > 10
    assert ranked(*rows, seed=3) == ranked(*rows, seed=3)


def test_each_equal_place_comes_first_about_as_often() -> None:
    rows = [candidate(number, slot(number, 60)) for number in range(1, 5)]
    first = [numbers(ranked(*rows, seed=seed).places)[0] for seed in range(800)]
    assert all(140 < first.count(number) < 260 for number in range(1, 5))


def test_a_late_place_never_stands_before_one_in_time() -> None:
    due = NOW + timedelta(hours=2)
    late = candidate(1, slot(1, 121), travel_s=60)
    in_time = candidate(2, slot(2, 119), travel_s=3000)
    assert numbers(ranked(late, in_time, due_at=due, acuity="U3").places) == [2, 1]


def test_less_waiting_stands_before_less_travel_and_travel_decides_inside_a_band() -> None:
    soon_far = candidate(1, slot(1, 40), travel_s=2000)
    later_near = candidate(2, slot(2, 200), travel_s=300)
    assert numbers(ranked(soon_far, later_near).places) == [1, 2]
    same_band = candidate(3, slot(3, 45), travel_s=300)
    assert numbers(ranked(soon_far, same_band).places) == [3, 1]


def test_urgent_needs_let_fewer_minutes_of_waiting_be_outweighed_by_travel() -> None:
    soon_far, later_near = (
        candidate(1, slot(1, 40), travel_s=2000),
        candidate(2, slot(2, 70), travel_s=300),
    )
    assert numbers(ranked(soon_far, later_near, acuity="U2").places) == [1, 2]
    assert numbers(ranked(soon_far, later_near, acuity="U4").places) == [2, 1]


def test_own_practitioner_then_fairness_decide_between_equals() -> None:
    rows = [candidate(number, slot(number, 60)) for number in (1, 2, 3)]
    recent = {uid(1): 4, uid(2): 1, uid(3): 0}
    assert numbers(ranked(*rows, recent=recent).places) == [3, 2, 1]
    own = ranked(*rows, recent=recent, own=frozenset({uid(1)}))
    assert numbers(own.places) == [1, 3, 2]
    assert "own_practitioner" in {reason.code for reason in own.places[0].reasons}


def test_an_extra_place_stands_behind_a_published_one_and_needs_agreement() -> None:
    extra = candidate(1, slot(1, 60, SlotKind.OVERBOOK), travel_s=60)
    published = candidate(2, slot(2, 60), travel_s=1500)
    places = ranked(extra, published).places
    assert numbers(places) == [2, 1]
    assert [place.agreement for place in places] == [False, True]
    assert places[1].kind is OfferKind.OVERBOOK


def test_urgent_and_mirrored_places_need_agreement() -> None:
    one = candidate(1, slot(1, 60))
    assert ranked(one, acuity="U2").places[0].agreement
    assert ranked(one, mirrored=frozenset({one.slots[0].schedule_id})).places[0].agreement
    assert not ranked(one).places[0].agreement


def test_a_slot_that_starts_before_arrival_is_not_offered_but_a_range_still_open_is() -> None:
    gone = candidate(1, slot(1, 10), travel_s=900)
    waiting_room = candidate(2, slot(2, 10, SlotKind.RANGE), travel_s=900)
    found = ranked(gone, waiting_room)
    assert numbers(found.places) == [2]
    assert found.unreachable == ((gone, NOW + timedelta(seconds=900)),)


def test_nobody_travels_to_a_video_consultation() -> None:
    video = candidate(1, slot(1, 5, modality=Modality.TELECONSULTATION), travel_s=9000)
    place = ranked(video).places[0]
    assert place.reasons[0].code == "teleconsultation"


def test_a_referral_is_offered_without_a_slot() -> None:
    place = ranked(candidate(1, intake=Intake.REFERRAL)).places[0]
    assert (place.kind, place.slot_id, place.agreement) == (OfferKind.REFERRAL, None, True)
    assert [reason.code for reason in place.reasons] == ["travel", "open_now"]


def test_reasons_name_what_speaks_for_the_place() -> None:
    one = candidate(1, slot(1, 60), accepts=frozenset({Accepts.OVERBOOKING}))
    due = NOW + timedelta(hours=3)
    place = ranked(one, due_at=due, child=True, wanted_skills=frozenset({"suture"})).places[0]
    assert [reason.code for reason in place.reasons] == [
        "travel", "starts", "in_time", "accepts_overbooking", "accepts_children", "skills",
    ]  # fmt: skip
