"""Why-not: a near place that is refused says what would admit it, and then it is admitted."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from directory import eligibility, snapshot
from directory.model import (
    CareService,
    CareServiceId,
    Intake,
    Location,
    LocationId,
    Modality,
    Need,
    OrganisationId,
    Schedule,
    ScheduleId,
    SlotId,
    SlotKind,
    Visibility,
)
from directory.rows import Rows
from routing.candidates import constraint, find, refusal, why_not
from routing.model import Reason, Refused
from routing.ranking import Asking

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
AMIENS = (2.2957, 49.8941)


def uid(number: int) -> UUID:
    return UUID(int=number)


def place(number: int, north_km: float) -> Location:
    return Location(
        id=LocationId(uid(4000 + number)),
        organisation_id=OrganisationId(uid(3000 + number)),
        territory_id=uid(1),
        name=f"Here {number}",
        lon=AMIENS[0],
        lat=AMIENS[1] + north_km / 111.2,
        zone="Europe/Paris",
        commune="80021",
        postcode="80000",
        department="80",
    )


def service(number: int, **fields: object) -> CareService:
    return msgspec.structs.replace(
        CareService(
            id=CareServiceId(uid(number)),
            organisation_id=OrganisationId(uid(3000 + number)),
            location_id=LocationId(uid(4000 + number)),
            name=f"Place {number}",
            service="general_practice",
        ),
        **fields,
    )


def diary(number: int, *minutes: int) -> snapshot.Diary:
    return snapshot.Diary(
        schedule=Schedule(
            id=ScheduleId(uid(5000 + number)), care_service_id=CareServiceId(uid(number))
        ),
        slots=tuple(
            snapshot.OpenSlot(
                id=SlotId(uid(100_000 + 1000 * number + at)),
                schedule_id=ScheduleId(uid(5000 + number)),
                start=NOW + timedelta(minutes=at),
                end=NOW + timedelta(minutes=at + 15),
                kind=SlotKind.SLOT,
                modality=Modality.OFFICE,
                visibility=Visibility.PUBLIC,
                capacity=1,
                free=1,
            )
            for at in sorted(minutes)
        ),
    )


def world(*placed: tuple[CareService, float, tuple[int, ...]]) -> snapshot.Snapshot:
    return snapshot.freeze(
        7,
        Rows(
            care_services=tuple(one for one, _, _ in placed),
            locations=tuple(place(one.id.int, km) for one, km, _ in placed),
        ),
        [diary(one.id.int, *minutes) for one, _, minutes in placed],
    )


def need(**fields: object) -> Need:
    base = Need(service="general_practice", earliest=NOW, lon=AMIENS[0], lat=AMIENS[1])
    return msgspec.structs.replace(base, **fields)


def asked(**fields: object) -> Asking:
    return msgspec.structs.replace(Asking(now=NOW, acuity="U3"), **fields)


def explained(seen: snapshot.Snapshot, wish: Need, asking: Asking, count: int) -> list[Refused]:
    known = {
        UUID(int=one.id.int): (one, where)
        for one, where in zip(seen.services, seen.locations, strict=True)
    }
    return list(why_not(find(seen, wish, asking, seed=1, count=count), known))


def test_search_widens_until_there_are_enough_places() -> None:
    seen = world((service(1), 5, (60,)), (service(2), 18, (60,)), (service(3), 45, (90,)))
    radii = [find(seen, need(), asked(), seed=1, count=count).radius_m for count in (1, 2, 3)]
    assert radii == [20_000, 20_000, 50_000], "the Somme starts at 20 km and widens by 10"


@given(
    st.lists(st.integers(1, 120), min_size=1, max_size=8, unique=True),
    st.integers(1, 9),
    st.lists(st.integers(1, 119), min_size=1, max_size=9, unique=True),
)
def test_widening_stops_at_the_first_radius_that_is_enough(
    north_km: list[int], count: int, radii_km: list[int]
) -> None:
    seen = world(*((service(at), km, (600,)) for at, km in enumerate(north_km, start=1)))
    radii = [1_000 * km + 500 for km in sorted(radii_km)]
    found = find(seen, need(), asked(), seed=1, count=count, radii_m=radii)
    enough = [r for r in radii if sum(1 for km in north_km if 1_000 * km <= r) >= count]
    assert found.radius_m == (enough or radii[-1:])[0]


def test_the_radius_asked_for_is_never_widened() -> None:
    seen = world((service(1), 5, (60,)), (service(2), 18, (60,)))
    found = find(seen, need(radius_m=6000), asked(), seed=1, count=5)
    assert len(found.ranking.places) == 1
    assert found.search.refused[0].refusals[0].reason is eligibility.Reason.BEYOND_RADIUS


def test_places_after_the_deadline_are_offered_only_when_none_is_in_time() -> None:
    due = NOW + timedelta(hours=1)
    both = world((service(1), 5, (50,)), (service(2), 5, (200,)))
    wish, asking = need(deadline=due), asked(due_at=due)
    assert [one.late_s for one in find(both, wish, asking, seed=1, count=5).ranking.places] == [0]
    late = find(world((service(2), 5, (200,))), wish, asking, seed=1, count=5)
    assert [one.late_s for one in late.ranking.places] == [140 * 60]


def test_an_unknown_place_searches_everywhere_and_says_so() -> None:
    seen = world((service(1), 300, (60,)))
    found = find(seen, need(lon=None, lat=None), asked(), seed=1, count=5)
    assert found.radius_m is None
    assert "place_unknown" in {reason.code for reason in found.ranking.places[0].reasons}


def test_a_refused_place_is_told_with_its_first_reason_and_what_it_would_take() -> None:
    seen = world((service(1, min_age_months=180), 5, (60,)), (service(2), 5, (200,)))
    due = NOW + timedelta(hours=1)
    told = explained(seen, need(age_months=36, deadline=due), asked(due_at=due), 5)
    # Place 2 is offered although late; place 1 is what the refusals explain.
    assert [(one.reason.code, one.changes) for one in told] == [
        ("age_below_minimum", (Reason(code="change_age_months", values={"to_age": 180}),))
    ]


def test_a_place_out_of_reach_is_told_with_the_moment_the_patient_could_be_there() -> None:
    told = explained(world((service(1), 30, (5,))), need(), asked(), 1)
    assert [one.reason.code for one in told] == ["unreachable_in_time"]
    reached = datetime.fromisoformat(str(told[0].changes[0].values["to_at"]))
    minutes = int((reached - NOW).total_seconds() // 60)
    assert not explained(world((service(1), 30, (minutes,))), need(), asked(), 1)
    assert explained(world((service(1), 30, (minutes - 1,))), need(), asked(), 1)


def test_a_place_the_patient_refuses_is_told_so() -> None:
    told = explained(world((service(1), 5, (60,))), need(), asked(refused=frozenset({uid(1)})), 1)
    assert [one.reason.code for one in told] == ["refused_by_patient"]


@given(
    age=st.one_of(st.none(), st.integers(0, 1200)),
    youngest=st.integers(0, 216),
    oldest=st.one_of(st.none(), st.integers(217, 1200)),
    km=st.floats(0, 60),
    minutes=st.integers(100, 600),  # late enough to be reached from sixty kilometres
    skills=st.sets(st.sampled_from(["suture", "ecg"])),
    languages=st.sets(st.sampled_from(["en", "ar"])),
)
def test_making_the_changes_makes_the_place_appear(
    age: int | None,
    youngest: int,
    oldest: int | None,
    km: float,
    minutes: int,
    skills: set[str],
    languages: set[str],
) -> None:
    one = service(1, min_age_months=youngest, max_age_months=oldest)
    due = NOW + timedelta(hours=2)
    wish = need(
        age_months=age,
        deadline=due,
        radius_m=20_000,
        skills=frozenset(skills),
        languages=frozenset(languages),
    )
    seen = world((one, km, (minutes,)))
    search = seen.search(wish, NOW)
    if not search.refused:
        assert find(seen, wish, asked(due_at=due), seed=1, count=1).ranking.places
        return
    verdict = search.refused[0]
    told = refusal(verdict, one, place(1, km))
    assert len(told.changes) == len(verdict.refusals)
    assert told.reason.code == verdict.refusals[0].reason.value
    for binding in verdict.refusals:
        wish, one, _ = eligibility.apply(binding.change, wish, one, None)
    flipped = world((one, km, (minutes,)))
    assert find(flipped, wish, asked(due_at=due), seed=1, count=1).ranking.places


def test_a_referral_intake_is_found_without_slots() -> None:
    seen = world((service(1, service="emergency_department", intake=Intake.REFERRAL), 12, ()))
    found = find(seen, need(service="emergency_department"), asked(), seed=1, count=1)
    assert [one.slot_id for one in found.ranking.places] == [None]


def test_the_binding_constraint_is_the_most_frequent_reason() -> None:
    def told(code: str) -> Refused:
        return Refused(
            care_service_id=uid(1), name="", reason=Reason(code=code), changes=(), zone="UTC"
        )

    assert constraint([]) == "no_place_published"
    assert (
        constraint([told("no_opening"), told("no_opening"), told("beyond_radius")]) == "no_opening"
    )
    assert constraint([told("skill_missing"), told("no_opening")]) == "no_opening"
