"""The search outward answers as judging every care service does, and shows nothing forbidden."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory import consent, distance, eligibility, finder, nearness
from directory.finder import Answer, Wish
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
    Ownership,
    Schedule,
    ScheduleId,
    SlotId,
    SlotKind,
    Visibility,
)
from directory.nearness import BAND_M
from directory.rows import Rows
from directory.snapshot import Diary, OpenSlot, Snapshot, freeze

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
TODAY = date(2026, 11, 23)


class World(msgspec.Struct, frozen=True):
    """Rows and diaries as drawn: what the oracle reads."""

    rows: Rows
    diaries: tuple[Diary, ...]

    def place(self, service: CareService) -> Location:
        return next(one for one in self.rows.locations if one.id == service.location_id)


@st.composite
def services(draw: st.DrawFn, number: int) -> CareService:
    ways = draw(st.sets(st.sampled_from(Modality), min_size=1, max_size=3))
    oldest = draw(st.none() | st.integers(100, 300))
    return CareService(
        id=CareServiceId(UUID(int=(number * 7919) << 40 | number)),
        organisation_id=OrganisationId(UUID(int=1)),
        location_id=LocationId(UUID(int=number + 1)),
        name=f"s{number}",
        service=draw(st.sampled_from(["dental", "dental", "surgery"])),
        skills=draw(st.frozensets(st.sampled_from(["ecg", "suture", "duty"]), max_size=2)),
        equipment=draw(st.sampled_from([frozenset(), frozenset({"oxygen"})])),
        accepts=draw(st.sampled_from([frozenset(), frozenset({Accepts.NEW_PATIENTS})])),
        holidays=draw(st.sampled_from(Holidays)),
        exceptions=draw(st.sampled_from([(), (OpeningException(day=TODAY),)])),
        shifts=draw(
            st.sampled_from([(), (), (Interval(start=NOW, end=NOW + timedelta(hours=8)),)])
        ),
        modalities=frozenset(ways),
        intake=draw(st.sampled_from([Intake.APPOINTMENT] * 4 + [Intake.REFERRAL])),
        min_age_months=draw(st.sampled_from([0, 0, 36])),
        max_age_months=oldest,
        languages=draw(st.sampled_from([frozenset({"fr"}), frozenset({"fr", "en"}), frozenset()])),
        accessibility=draw(st.sampled_from([frozenset(), frozenset({"wheelchair"})])),
        coverage_m=draw(st.none() | st.integers(500, 30_000)),
        coverage_communes=draw(st.sampled_from([frozenset(), frozenset({"80021"})])),
        referral_required=draw(st.booleans()),
        active=draw(st.sampled_from([True, True, True, False])),
        hours=draw(
            st.none()
            | st.just((OpeningHours(weekday=0, opens_min=600, closes_min=720),))
            | st.just(())
        ),
    )


@st.composite
def diaries(draw: st.DrawFn, service: CareService, number: int) -> Diary:
    key = ScheduleId(UUID(int=1000 + number))
    quota = draw(st.sampled_from([None, None, 0, 3]))
    schedule = Schedule(
        id=key,
        care_service_id=service.id,
        ownership=draw(st.sampled_from(Ownership)),
        as_of=NOW - timedelta(hours=draw(st.integers(0, 60))),
        paused=draw(st.sampled_from([False, False, False, True])),
        release_before_s=draw(st.sampled_from([None, None, 7200, 86400])),
        quota_per_day=quota,
        spent=draw(st.sampled_from([(), (TODAY,)])) if quota is not None else (),
    )
    starts = sorted(draw(st.lists(st.integers(-2, 60), max_size=5)))
    slots = []
    for at, hours in enumerate(starts):
        start = NOW + timedelta(hours=hours)
        slots.append(
            OpenSlot(
                id=SlotId(UUID(int=number << 16 | at)),
                schedule_id=key,
                start=start,
                end=start + timedelta(minutes=20),
                kind=SlotKind.RANGE,
                modality=draw(st.sampled_from(sorted(service.modalities))),
                visibility=draw(st.sampled_from(Visibility)),
                capacity=9,
                free=draw(st.integers(1, 9)),
            )
        )
    return Diary(schedule=schedule, slots=tuple(slots))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    made = [draw(services(number)) for number in range(draw(st.integers(0, 14)))]
    places = []
    for service in made:
        # A coarse grid: many stand on the same spot, and several in the same band.
        east, north = draw(st.integers(0, 3)), draw(st.integers(0, 2))
        places.append(
            Location(
                id=service.location_id, organisation_id=service.organisation_id, name="l",
                lon=2.3 + east * 0.07, lat=49.9 + north * 0.002, zone="Europe/Paris",
                commune="80021", postcode="80000", department="80", territory_id=UUID(int=9),
                accessibility=draw(st.sampled_from([frozenset(), frozenset({"step_free"})])),
            )
        )  # fmt: skip
    written = [
        draw(diaries(service, index * 2 + again))
        for index, service in enumerate(made)
        for again in range(draw(st.integers(0, 2)))
    ]
    rows = Rows(locations=tuple(places), care_services=tuple(made))
    return World(rows, tuple(written))


@st.composite
def needs(draw: st.DrawFn) -> Need:
    earliest = NOW + timedelta(hours=draw(st.integers(-1, 20)))
    placed = draw(st.sampled_from([True, True, True, False]))
    return Need(
        service="dental",
        earliest=earliest,
        deadline=draw(st.none() | st.integers(0, 48).map(lambda h: earliest + timedelta(hours=h))),
        skills=draw(
            st.sampled_from([frozenset(), frozenset(), frozenset({"ecg"}), frozenset({"duty"})])
        ),
        equipment=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"oxygen"})])),
        accepts=draw(st.sampled_from([frozenset(), frozenset({Accepts.NEW_PATIENTS})])),
        modalities=draw(st.sampled_from([frozenset(), frozenset(), frozenset({Modality.OFFICE})])),
        age_months=draw(st.none() | st.integers(0, 400)),
        lon=2.3 if placed else None,
        lat=49.9 if placed else None,
        commune=draw(st.sampled_from([None, "80021"])),
        radius_m=draw(st.none() | st.integers(100, 20_000)),
        languages=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"en"})])),
        accessibility=draw(st.sampled_from([frozenset(), frozenset({"step_free"})])),
        referred=draw(st.booleans()),
    )


wishes = st.builds(
    Wish,
    limit=st.integers(1, 6),
    refused_limit=st.integers(0, 8),
    slots=st.integers(1, 3),
    enough=st.integers(1, 4),
    radii=st.sampled_from([(), (100, 6_000), (6_000, 12_000, 30_000), (5_000,)]),
    seed=st.integers(0, 2**62),
    audience=st.sampled_from([consent.Audience.CENTRE, consent.Audience.PUBLIC]),
    first=st.sampled_from([1, 3, 128]),
)


def shown(world: World, service: CareService, need: Need, wish: Wish) -> list[OpenSlot]:
    """Give the slots from the earliest moment that may be shown."""
    found = [
        slot
        for diary in world.diaries
        if diary.schedule.care_service_id == service.id
        for slot in diary.slots
        if slot.start >= need.earliest
        and consent.shows(diary.schedule, slot.visibility, slot.start, wish.audience, NOW)
    ]
    return sorted(found, key=lambda slot: (slot.start, slot.id))


def verdict(world: World, service: CareService, need: Need, wish: Wish) -> eligibility.Verdict:
    first: dict[Modality, datetime] = {}
    if service.intake is not Intake.REFERRAL:
        for slot in shown(world, service, need, wish):
            first.setdefault(slot.modality, slot.start)
    return eligibility.judge(need, service, world.place(service), first)


def ranked(world: World, need: Need, wish: Wish) -> list[CareService]:
    def key(service: CareService) -> tuple[int, int, int]:
        place = world.place(service)
        metres = 0.0
        if need.lon is not None and need.lat is not None:
            metres = distance.one(need.lon, need.lat, place.lon, place.lat)
        low = service.id.int & (2**64 - 1)
        lot = int(nearness.draw(np.array([low], dtype=np.uint64), wish.seed)[0])
        return (int(metres // BAND_M), lot, low)

    return sorted((one for one in world.rows.care_services if one.service == need.service), key=key)


def radius_of(world: World, need: Need, wish: Wish) -> int | None:
    if need.lon is None or need.lat is None:
        return need.radius_m
    if not wish.radii:
        return need.radius_m
    enough = min(wish.enough, wish.limit)
    for radius in wish.radii[:-1]:
        within = msgspec.structs.replace(need, radius_m=radius)
        verdicts = [verdict(world, one, within, wish) for one in ranked(world, need, wish)]
        near = [one for one in verdicts if one.eligible and (one.straight_m or 0.0) <= radius]
        if len(near) >= enough:
            return radius
    return wish.radii[-1]


def oracle(
    world: World, need: Need, wish: Wish
) -> tuple[int | None, Sequence[eligibility.Verdict], Sequence[eligibility.Verdict]]:
    radius = radius_of(world, need, wish)
    within = msgspec.structs.replace(need, radius_m=radius)
    places: list[eligibility.Verdict] = []
    refused: list[eligibility.Verdict] = []
    for service in ranked(world, need, wish):
        if len(places) == wish.limit:
            break
        found = verdict(world, service, within, wish)
        (places if found.eligible else refused).append(found)
    return radius, places, refused[: wish.refused_limit]


def frozen(world: World, *, late: bool) -> Snapshot:
    """Freeze a world, with half of its diaries only in a later refresh when `late`."""
    if not late:
        return freeze(1, world.rows, world.diaries)
    first = freeze(1, world.rows, world.diaries[::2])
    return first.refreshed(2, world.diaries[1::2])


@settings(max_examples=60, deadline=None)
@given(worlds(), needs(), wishes, st.booleans())
def test_outward_finds_what_judging_everybody_finds(
    world: World, need: Need, wish: Wish, late: bool
) -> None:
    found = finder.find(frozen(world, late=late), need, NOW, wish)
    radius, places, refused = oracle(world, need, wish)
    if found.considered:
        assert found.radius_m == radius
    assert [one.service.id for one in found.places] == [one.care_service_id for one in places]
    assert [(one.fitting, one.opening) for one in found.places] == [
        (one.fitting, one.opening) for one in places
    ]
    assert list(found.refused) == refused


@settings(max_examples=40, deadline=None)
@given(worlds(), needs(), wishes, st.booleans())
def test_no_slot_is_shown_that_consent_visibility_or_the_need_forbids(
    world: World, need: Need, wish: Wish, late: bool
) -> None:
    found: Answer = finder.find(frozen(world, late=late), need, NOW, wish)
    schedules = {diary.schedule.id: diary.schedule for diary in world.diaries}
    for place in found.places:
        assert [one.rank for one in found.places] == list(range(1, len(found.places) + 1))
        wanted = [
            slot
            for slot in shown(world, place.service, need, wish)
            if slot.modality in place.fitting
            and (need.deadline is None or slot.start <= need.deadline)
        ][: wish.slots]
        if place.service.intake is Intake.REFERRAL:
            wanted = []
        assert list(place.slots) == wanted
        for slot in place.slots:
            diary = schedules[slot.schedule_id]
            assert slot.start > NOW
            assert not diary.paused
            assert diary.quota_per_day is None or slot.start.date() not in diary.spent
            held_back = diary.release_before_s
            assert held_back is None or (slot.start - NOW).total_seconds() <= held_back
            if wish.audience is consent.Audience.PUBLIC:
                assert slot.visibility is Visibility.PUBLIC


@settings(max_examples=60, deadline=None)
@given(worlds(), needs(), wishes)
def test_a_refreshed_snapshot_answers_as_one_that_is_built_anew(
    world: World, need: Need, wish: Wish
) -> None:
    anew, refreshed = frozen(world, late=False), frozen(world, late=True)
    assert dict(refreshed.diaries) == dict(anew.diaries)
    assert refreshed.diaries.count() == anew.diaries.count()
    assert refreshed.mirrored("dental") == anew.mirrored("dental")
    one, other = (finder.find(each, need, NOW, wish) for each in (anew, refreshed))
    # How many were looked at is effort, not answer: an overlay is screened less sharply.
    assert one == msgspec.structs.replace(other, version=1, examined=one.examined)


def test_many_equals_are_drawn_by_the_seed_and_never_by_name() -> None:
    made = tuple(
        CareService(
            id=CareServiceId(UUID(int=n)), organisation_id=OrganisationId(UUID(int=1)),
            location_id=LocationId(UUID(int=1)), name=f"s{n}", service="dental",
            intake=Intake.REFERRAL,
        )
        for n in range(1, 301)
    )  # fmt: skip
    place = Location(
        id=LocationId(UUID(int=1)), organisation_id=OrganisationId(UUID(int=1)), name="l", lon=2.3,
        lat=49.9, zone="Europe/Paris", commune="80021", postcode="80000", department="80",
        territory_id=UUID(int=9),
    )  # fmt: skip
    seen = freeze(1, Rows(locations=(place,), care_services=made), ())
    need = Need(service="dental", earliest=NOW, lon=2.3, lat=49.9)
    orders = [
        [one.name for one in (p.service for p in finder.find(seen, need, NOW, Wish(seed=s)).places)]
        for s in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    firsts = {
        finder.find(seen, need, NOW, Wish(limit=1, seed=s)).places[0].service.id for s in range(90)
    }
    assert len(firsts) > 60


@pytest.mark.parametrize("place", [None, 2.3])
def test_nobody_offers_it_gives_an_empty_answer(place: float | None) -> None:
    seen = freeze(1, Rows(), ())
    need = Need(service="dental", earliest=NOW, lon=place, lat=place)
    assert finder.find(seen, need, NOW, Wish()).places == ()
