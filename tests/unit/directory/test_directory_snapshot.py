"""The frozen snapshot answers as brute force and as networkx do; it is never changed."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory import consent, distance, eligibility, graph, somme
from directory.model import (
    CareServiceId,
    Intake,
    Modality,
    Need,
    Ownership,
    ScheduleId,
    SlotId,
)
from directory.seed import Seed
from directory.snapshot import Diary, OpenSlot, Snapshot, freeze

START = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


@cache
def territory() -> Seed:
    return somme.generate(START, UUID(int=7), days=4)


@cache
def diaries() -> tuple[Diary, ...]:
    slots: dict[ScheduleId, list[OpenSlot]] = {}
    for slot in territory().slots:
        slots.setdefault(slot.schedule_id, []).append(
            OpenSlot(
                id=slot.id,
                schedule_id=slot.schedule_id,
                start=slot.start,
                end=slot.end,
                kind=slot.kind,
                modality=slot.modality,
                visibility=slot.visibility,
                capacity=slot.capacity,
                free=slot.capacity,
            )
        )
    return tuple(
        Diary(
            schedule=schedule,
            slots=tuple(sorted(slots.get(schedule.id, []), key=lambda slot: (slot.start, slot.id))),
        )
        for schedule in territory().schedules
    )


@cache
def snapshot() -> Snapshot:
    return freeze(1, territory().rows, diaries())


@st.composite
def needs(draw: st.DrawFn) -> Need:
    earliest = NOW + timedelta(hours=draw(st.integers(0, 40)))
    return Need(
        service=draw(st.sampled_from(["general_practice", "dental", "pharmacy", "smur", "none"])),
        earliest=earliest,
        deadline=draw(st.none() | st.integers(0, 30).map(lambda h: earliest + timedelta(hours=h))),
        skills=draw(st.frozensets(st.sampled_from(["ecg", "suture"]), max_size=1)),
        modalities=draw(st.frozensets(st.sampled_from(Modality), max_size=2)),
        age_months=draw(st.none() | st.integers(0, 1200)),
        lon=draw(st.floats(1.4, 3.2)),
        lat=draw(st.floats(49.5, 50.4)),
        radius_m=draw(st.none() | st.integers(1_000, 60_000)),
    )


@cache
def by_service() -> dict[CareServiceId, list[Diary]]:
    found: dict[CareServiceId, list[Diary]] = {}
    for diary in diaries():
        found.setdefault(diary.schedule.care_service_id, []).append(diary)
    return found


def brute_force(need: Need, audience: consent.Audience) -> dict[CareServiceId, eligibility.Verdict]:
    places = {place.id: place for place in territory().rows.locations}
    found = {}
    for service in territory().rows.care_services:
        openings: dict[Modality, datetime] = {}
        for diary in by_service().get(service.id, []):
            for slot in diary.slots:
                if slot.start >= need.earliest and consent.shows(
                    diary.schedule, slot.visibility, slot.start, audience, NOW
                ):
                    first = openings.get(slot.modality, slot.start)
                    openings[slot.modality] = min(first, slot.start)
        found[service.id] = eligibility.judge(need, service, places[service.location_id], openings)
    return found


@settings(max_examples=12)
@given(needs(), st.sampled_from([consent.Audience.CENTRE, consent.Audience.PUBLIC]))
def test_search_finds_what_brute_force_finds(need: Need, audience: consent.Audience) -> None:
    expected = brute_force(need, audience)
    found = snapshot().search(need, NOW, audience=audience, refused_limit=10_000)
    assert {candidate.verdict.care_service_id for candidate in found.eligible} == {
        key for key, verdict in expected.items() if verdict.eligible
    }
    assert found.considered == len(found.eligible) + found.refused_total
    for verdict in found.refused:
        assert verdict.refusals == expected[verdict.care_service_id].refusals


@settings(max_examples=25)
@given(needs())
def test_no_slot_outside_the_window_or_the_fitting_modalities_is_offered(need: Need) -> None:
    for candidate in snapshot().search(need, NOW).eligible:
        if candidate.service.intake is Intake.REFERRAL:
            assert candidate.slots == ()
            continue
        assert candidate.slots
        for slot in candidate.slots:
            assert slot.start >= need.earliest
            assert need.deadline is None or slot.start <= need.deadline
            assert slot.modality in candidate.verdict.fitting


@given(st.floats(1.4, 3.2), st.floats(49.5, 50.4), st.integers(1, 30))
def test_nearest_agrees_with_the_distance_to_every_service(
    lon: float, lat: float, count: int
) -> None:
    places = {place.id: place for place in territory().rows.locations}
    every = sorted(
        distance.one(lon, lat, places[service.location_id].lon, places[service.location_id].lat)
        for service in territory().rows.care_services
        if service.service == "dental"
    )
    found = [
        distance.one(lon, lat, places[service.location_id].lon, places[service.location_id].lat)
        for service in snapshot().nearest("dental", lon, lat, count)
    ]
    assert found == pytest.approx(every[:count], abs=0.01)


def test_widening_stops_at_the_first_radius_with_enough() -> None:
    need = Need(service="cardiology", earliest=NOW, lon=1.65, lat=50.19)
    few = snapshot().search_widening(need, NOW, (1_000, 200_000), enough=3)
    assert len(few.eligible) >= 3
    near = snapshot().search_widening(need, NOW, (200_000, 300_000), enough=1)
    assert near.eligible == few.eligible


def test_a_refresh_changes_one_diary_and_leaves_the_older_snapshot_alone() -> None:
    older = snapshot()
    diary = next(diary for diary in diaries() if len(diary.slots) > 5)
    owner = diary.schedule.care_service_id
    newer = older.refreshed(2, [msgspec.structs.replace(diary, slots=diary.slots[:1])])
    need = Need(service="any", earliest=NOW)
    audience = consent.Audience.PUBLISHER
    assert (older.version, newer.version) == (1, 2)
    assert len(newer.bookable(owner, need, NOW, audience)) == 1
    assert len(older.bookable(owner, need, NOW, audience)) == len(diary.slots)
    with pytest.raises(ValueError, match="never goes back"):
        newer.refreshed(1, [])


def test_an_inconsistent_row_is_named() -> None:
    rows = territory().rows
    torn = msgspec.structs.replace(rows, organisations=rows.organisations[1:], links=rows.links[:1])
    codes = {fault.code for fault in graph.faults(torn)}
    assert codes == {"organisation_unknown"}
    assert graph.faults(rows) == ()


def test_great_circle_agrees_with_a_known_distance() -> None:
    metres = distance.great_circle_m(2.2847, 49.8987, np.array([1.8319]), np.array([50.1102]))
    assert metres[0] == pytest.approx(40_000, rel=0.01)  # Amiens to Abbeville


@given(st.integers(0, 50_000), st.integers(500, 20_000), st.integers(0, 120_000))
def test_search_radii_grow_to_the_maximum(default: int, step: int, maximum: int) -> None:
    found = distance.SearchRadius(default_m=default, step_m=step, maximum_m=maximum).radii()
    assert list(found) == sorted(set(found))
    assert found[0] == default
    assert found[-1] == max(default, maximum)


def test_what_nobody_offers_is_answered_with_nothing() -> None:
    found = snapshot().search(Need(service="none", earliest=NOW), NOW)
    assert (found.considered, found.eligible, found.refused) == (0, (), ())
    assert snapshot().nearest("none", 2.3, 49.9, 3) == ()
    assert snapshot().nearest("dental", 2.3, 49.9, 0) == ()
    assert snapshot().service(CareServiceId(UUID(int=1))) is None
    assert snapshot().location(CareServiceId(UUID(int=1))) is None


def test_a_service_is_found_by_its_id_with_its_place() -> None:
    service = territory().rows.care_services[0]
    place = snapshot().location(service.id)
    assert snapshot().service(service.id) == service
    assert place is not None
    assert place.id == service.location_id


def test_a_place_that_is_unknown_refuses_nobody_for_distance() -> None:
    found = snapshot().search(Need(service="pharmacy", earliest=NOW, radius_m=1), NOW)
    assert found.refused_total == 0
    assert all(candidate.travel_s is None for candidate in found.eligible)


def test_beyond_the_radius_only_the_nearest_are_explained() -> None:
    need = Need(service="pharmacy", earliest=NOW, lon=2.3, lat=49.9, radius_m=500)
    found = snapshot().search(need, NOW, refused_limit=3)
    assert len(found.refused) == 3
    metres = [verdict.straight_m or 0.0 for verdict in found.refused]
    assert metres == sorted(metres)
    assert found.refused_total == found.considered - len(found.eligible)


def test_a_diary_of_an_unknown_service_is_left_out_of_a_refresh() -> None:
    diary = diaries()[0]
    lost = msgspec.structs.replace(
        diary,
        schedule=msgspec.structs.replace(
            diary.schedule, care_service_id=CareServiceId(UUID(int=5))
        ),
    )
    newer = snapshot().refreshed(3, [lost])
    assert newer.diaries == snapshot().diaries


def test_every_inconsistency_has_its_code() -> None:
    rows = territory().rows
    head = rows.organisations[0]
    circle = msgspec.structs.replace(head, parent_id=head.id)
    torn = msgspec.structs.replace(
        rows,
        organisations=(circle, *rows.organisations[1:]),
        locations=(),
        roles=(),
        care_services=rows.care_services[-400:],
    )
    codes = {fault.code for fault in graph.faults(torn)}
    assert codes == {"location_unknown", "role_unknown", "link_dangling", "parent_cycle"}
    assert graph.build(torn, distance.TravelModel()).number_of_edges() > 0


def test_a_need_never_ends_before_it_begins() -> None:
    with pytest.raises(ValueError, match="not before its earliest"):
        Need(service="dental", earliest=NOW, deadline=NOW - timedelta(seconds=1))


def test_without_widening_there_is_one_radius() -> None:
    assert distance.SearchRadius(default_m=5, step_m=0, maximum_m=9).radii() == (5,)


def test_mirrored_schedules_follow_a_refresh() -> None:
    seen = snapshot()
    first = next(one for one in diaries() if one.schedule.id not in seen.mirrored("dental"))
    owner = seen.service(first.schedule.care_service_id)
    assert owner is not None
    turned = msgspec.structs.replace(
        first, schedule=msgspec.structs.replace(first.schedule, ownership=Ownership.MIRRORED)
    )
    newer = seen.refreshed(2, [turned])
    assert first.schedule.id in newer.mirrored(owner.service)
    back = newer.refreshed(3, [first])
    assert back.mirrored(owner.service) == seen.mirrored(owner.service)
    assert seen.mirrored("none") == frozenset()


def test_an_organisation_finds_its_own_care_services() -> None:
    seen = snapshot()
    owner = seen.services[0].organisation_id
    expected = [one for one in seen.services if one.organisation_id == owner]
    assert list(seen.of_organisations([owner, UUID(int=1)])) == expected


def test_a_schedule_that_joins_a_care_service_leaves_the_others_alone() -> None:
    seen = snapshot()
    diary = next(one for one in diaries() if len(one.slots) > 3)
    other = msgspec.structs.replace(
        diary,
        schedule=msgspec.structs.replace(diary.schedule, id=ScheduleId(UUID(int=1))),
        slots=tuple(
            msgspec.structs.replace(
                slot, schedule_id=ScheduleId(UUID(int=1)), id=SlotId(UUID(int=n))
            )
            for n, slot in enumerate(diary.slots[:2])
        ),
    )
    owner = diary.schedule.care_service_id
    assert seen.refreshed(2, [other]).diaries[owner] == (other, *seen.diaries[owner])
