"""Every refusal has a reason, and making its changes lifts it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from directory import eligibility
from directory.eligibility import Caution, Openings, Reason
from directory.model import (
    Accepts,
    CareService,
    CareServiceId,
    Holidays,
    Intake,
    Interval,
    Location,
    LocationId,
    Modality,
    Need,
    OpeningException,
    OpeningHours,
    OrganisationId,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
SERVICES = st.sampled_from(["general_practice", "cardiology"])
SKILLS = st.frozensets(st.sampled_from(["ecg", "suture", "duty"]))
LANGUAGES = st.frozensets(st.sampled_from(["fr", "en", "ar"]))
ACCESS = st.frozensets(st.sampled_from(["wheelchair", "step_free"]))
MODALITIES = st.frozensets(st.sampled_from(Modality))
HOURS = st.none() | st.lists(st.integers(0, 6), max_size=3).map(
    lambda days: tuple(OpeningHours(weekday=day, opens_min=480, closes_min=720) for day in days)
)
EQUIPMENT = st.frozensets(st.sampled_from(["oxygen", "helipad"]))
WISHES = st.frozensets(st.sampled_from(Accepts))
EXCEPTIONS = st.dictionaries(st.integers(0, 9), st.booleans(), max_size=3).map(
    lambda days: tuple(
        OpeningException(day=NOW.date() + timedelta(days=day), closes_min=600 if opens else 0)
        for day, opens in sorted(days.items())
    )
)
MINUTES = st.integers(0, 3 * 1440).map(lambda minutes: NOW + timedelta(minutes=minutes))

SHIFTS = st.lists(MINUTES, max_size=2).map(
    lambda starts: tuple(
        Interval(start=start, end=start + timedelta(hours=12)) for start in sorted(starts)
    )
)


@st.composite
def needs(draw: st.DrawFn) -> Need:
    placed = draw(st.booleans())
    return Need(
        service=draw(SERVICES),
        earliest=NOW,
        deadline=draw(st.none() | MINUTES),
        skills=draw(SKILLS),
        equipment=draw(EQUIPMENT),
        accepts=draw(WISHES),
        modalities=draw(MODALITIES),
        age_months=draw(st.none() | st.integers(0, 1200)),
        lon=draw(st.floats(1.5, 3.1)) if placed else None,
        lat=draw(st.floats(49.6, 50.3)) if placed else None,
        commune=draw(st.none() | st.sampled_from(["80021", "80001"])),
        radius_m=draw(st.none() | st.integers(0, 60_000)),
        languages=draw(LANGUAGES),
        accessibility=draw(ACCESS),
        referred=draw(st.booleans()),
    )


@st.composite
def services(draw: st.DrawFn) -> CareService:
    youngest = draw(st.integers(0, 300))
    return CareService(
        id=CareServiceId(UUID(int=1)),
        organisation_id=OrganisationId(UUID(int=2)),
        location_id=LocationId(UUID(int=3)),
        name="a service",
        service=draw(SERVICES),
        skills=draw(SKILLS),
        equipment=draw(EQUIPMENT),
        accepts=draw(WISHES),
        modalities=draw(st.frozensets(st.sampled_from(Modality), min_size=1)),
        intake=draw(st.sampled_from(Intake)),
        min_age_months=youngest,
        max_age_months=draw(st.none() | st.integers(youngest + 1, 1300)),
        languages=draw(LANGUAGES),
        accessibility=draw(ACCESS),
        coverage_m=draw(st.none() | st.integers(1, 60_000)),
        coverage_communes=draw(st.frozensets(st.just("80021"))),
        referral_required=draw(st.booleans()),
        hours=draw(HOURS),
        exceptions=draw(EXCEPTIONS),
        holidays=draw(st.sampled_from(Holidays)),
        shifts=draw(SHIFTS),
        active=draw(st.booleans()),
    )


OPENINGS = st.none() | st.dictionaries(st.sampled_from(Modality), MINUTES)
PLACE = Location(
    id=LocationId(UUID(int=3)), organisation_id=OrganisationId(UUID(int=2)), name="Amiens",
    lon=2.3, lat=49.9, zone="Europe/Paris", commune="80021", postcode="80000", department="80",
    territory_id=UUID(int=9), accessibility=frozenset({"step_free"}),
)  # fmt: skip


def changed(
    verdict: eligibility.Verdict, need: Need, service: CareService, openings: Openings | None
) -> eligibility.Verdict:
    for refusal in verdict.refusals:
        need, service, openings = eligibility.apply(refusal.change, need, service, openings)
    return eligibility.judge(need, service, PLACE, openings)


@given(needs(), services(), OPENINGS)
def test_making_every_change_of_a_refusal_makes_the_service_eligible(
    need: Need, service: CareService, openings: Openings | None
) -> None:
    verdict = eligibility.judge(need, service, PLACE, openings)
    assert changed(verdict, need, service, openings).refusals == ()


@given(needs(), services(), OPENINGS)
def test_each_reason_alone_still_refuses(
    need: Need, service: CareService, openings: Openings | None
) -> None:
    verdict = eligibility.judge(need, service, PLACE, openings)
    for kept in verdict.refusals:
        others = tuple(refusal for refusal in verdict.refusals if refusal is not kept)
        rest = msgspec.structs.replace(verdict, refusals=others)
        assert not changed(rest, need, service, openings).eligible


@given(needs(), services(), OPENINGS)
def test_reasons_are_distinct_and_in_the_documented_order(
    need: Need, service: CareService, openings: Openings | None
) -> None:
    order = list(Reason)
    found = [
        order.index(refusal.reason)
        for refusal in eligibility.judge(need, service, PLACE, openings).refusals
    ]
    assert found == sorted(set(found))


@given(needs(), services(), OPENINGS)
def test_an_eligible_service_satisfies_every_wish_that_can_be_checked(
    need: Need, service: CareService, openings: Openings | None
) -> None:
    verdict = eligibility.judge(need, service, PLACE, openings)
    if not verdict.eligible:
        assert verdict.fitting == ()
        return
    assert service.active
    assert service.service == need.service
    assert need.skills <= service.skills
    assert verdict.modality in verdict.fitting
    assert set(verdict.fitting) <= service.modalities
    assert not need.modalities or set(verdict.fitting) <= need.modalities
    if verdict.opening is not None and need.deadline is not None:
        assert need.earliest <= verdict.opening <= need.deadline
    if need.age_months is not None:
        assert service.min_age_months <= need.age_months
        assert service.max_age_months is None or need.age_months < service.max_age_months


@given(needs(), services(), OPENINGS)
def test_what_is_unknown_never_refuses_but_is_said(
    need: Need, service: CareService, openings: Openings | None
) -> None:
    unknown = msgspec.structs.replace(need, age_months=None, lon=None, lat=None)
    verdict = eligibility.judge(unknown, service, PLACE, openings)
    reasons = {refusal.reason for refusal in verdict.refusals}
    assert not reasons & {
        Reason.AGE_BELOW_MINIMUM, Reason.AGE_ABOVE_MAXIMUM,
        Reason.BEYOND_RADIUS, Reason.OUTSIDE_COVERAGE,
    }  # fmt: skip
    limited = service.min_age_months > 0 or service.max_age_months is not None
    assert (Caution.AGE_UNKNOWN in verdict.cautions) == limited
    assert (Caution.PLACE_UNKNOWN in verdict.cautions) == bool(
        service.modalities & eligibility.PLACE_BOUND
    )


def test_a_child_of_fourteen_is_sent_to_paediatric_emergencies_only() -> None:
    base = CareService(
        id=CareServiceId(UUID(int=1)), organisation_id=OrganisationId(UUID(int=2)),
        location_id=LocationId(UUID(int=3)), name="ED", service="emergency_department",
        intake=Intake.REFERRAL,
    )  # fmt: skip
    need = Need(service="emergency_department", earliest=NOW, age_months=14 * 12)
    adult = msgspec.structs.replace(base, min_age_months=180)
    child = msgspec.structs.replace(base, max_age_months=192)
    assert not adult.accepts_children
    refusals = eligibility.judge(need, adult, PLACE, None).refusals
    assert [refusal.reason for refusal in refusals] == [Reason.AGE_BELOW_MINIMUM]
    assert refusals[0].change.value == 180
    assert eligibility.judge(need, child, PLACE, None).eligible


def test_a_service_on_call_has_the_duty_skill_while_its_shift_lasts() -> None:
    shift = Interval(start=NOW, end=NOW + timedelta(hours=12))
    service = CareService(
        id=CareServiceId(UUID(int=1)), organisation_id=OrganisationId(UUID(int=2)),
        location_id=LocationId(UUID(int=3)), name="a pharmacy", service="pharmacy",
        intake=Intake.REFERRAL, hours=(), shifts=(shift,),
    )  # fmt: skip
    for moment, eligible in ((NOW, True), (shift.end - timedelta(seconds=1), True)):
        need = Need(service="pharmacy", earliest=moment, skills=frozenset({"duty"}))
        assert eligibility.judge(need, service, PLACE, None).eligible is eligible
    for moment in (NOW - timedelta(seconds=1), shift.end):
        need = Need(service="pharmacy", earliest=moment, skills=frozenset({"duty"}))
        found = {one.reason for one in eligibility.judge(need, service, PLACE, None).refusals}
        assert Reason.SKILL_MISSING in found
