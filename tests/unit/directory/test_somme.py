"""The demonstration territory: real places, invented people, the promised size, right times."""

import json
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from directory import codes, graph, identifiers, names, places, somme
from directory.identifiers import System
from directory.model import Intake, Interval, SlotKind
from directory.rotas import Line

TERRITORY = UUID(int=80)


def test_the_territory_has_the_promised_size_and_is_quick_to_make() -> None:
    began = time.process_time()
    seed = somme.generate(date(2026, 11, 23), TERRITORY)
    assert time.process_time() - began < 2.0
    assert len(seed.rows.care_services) >= 400
    assert seed.seats >= 20_000
    assert set(Counter(slot.kind for slot in seed.slots)) == set(SlotKind)
    assert graph.faults(seed.rows) == ()


def test_the_same_arguments_give_the_same_rows_and_ids_survive_another_start() -> None:
    first = somme.generate(date(2026, 11, 23), TERRITORY, days=2)
    assert somme.generate(date(2026, 11, 23), TERRITORY, days=2) == first
    later = somme.generate(date(2026, 12, 7), TERRITORY, days=2)
    assert later.rows == first.rows
    assert later.schedules == first.schedules
    assert not {slot.id for slot in first.slots} & {slot.id for slot in later.slots}


def test_every_code_exists() -> None:
    seed = somme.generate(date(2026, 11, 23), TERRITORY, days=1)
    known = codes.load()
    services = seed.rows.care_services
    assert known.unknown_services(service.service for service in services) == ()
    assert known.unknown_skills(s for service in services for s in service.skills) == ()
    assert (
        known.unknown_accessibility(c for place in seed.rows.locations for c in place.accessibility)
        == ()
    )
    assert known.unknown_services(["general_practice", "astrology"]) == ("astrology",)


def test_all_that_a_regulation_centre_engages_is_there() -> None:
    seed = somme.generate(date(2026, 11, 23), TERRITORY, days=1)
    offered = {service.service for service in seed.rows.care_services}
    assert offered >= {
        "general_practice", "emergency_department", "smur", "ambulance", "cardiology",
        "paediatrics", "psychiatry", "imaging", "dental", "pharmacy", "poison_centre",
        "suicide_prevention_line", "hospital_at_home", "maternity",
    }  # fmt: skip
    for service in seed.rows.care_services:
        if service.service in {"emergency_department", "smur"}:
            assert service.intake is Intake.REFERRAL
            assert service.hours is None


def test_people_are_obviously_invented_and_their_numbers_well_formed() -> None:
    seed = somme.generate(date(2026, 11, 23), TERRITORY, days=1)
    assert all(person.family.endswith(names.MARK) for person in seed.practitioners)
    assert all(
        identifiers.parse(System.RPPS, person.rpps).checked and person.rpps.startswith("1999")
        for person in seed.practitioners
    )
    finess = [body.finess for body in seed.rows.organisations if body.finess]
    assert len(set(finess)) == len(finess)
    assert all(identifiers.parse(System.FINESS, value).checked for value in finess)
    real = {site.finess for site in places.hospitals()}
    assert not {value for value in finess if value.startswith("809")} & real


def test_general_practitioners_follow_the_real_density() -> None:
    seed = somme.generate(date(2026, 11, 23), TERRITORY, days=1)
    people = sum(commune.population for commune in places.communes())
    doctors = sum(role.service == "general_practice" for role in seed.rows.roles)
    assert doctors == round(places.territory().gp_density_per_100k * people / 100_000)


@pytest.mark.parametrize("start", [date(2026, 3, 23), date(2026, 10, 19)])
def test_surgeries_open_at_nine_on_the_wall_on_both_sides_of_a_clock_change(start: date) -> None:
    seed = somme.generate(start, TERRITORY)
    zone = ZoneInfo("Europe/Paris")
    for slot in seed.slots:
        minutes = int(slot.key.split("/")[1])
        local = slot.start.astimezone(zone)
        if minutes >= 180:
            assert local.hour * 60 + local.minute == minutes
        assert slot.start < slot.end
    keys = Counter((slot.schedule_id, slot.key) for slot in seed.slots)
    assert max(keys.values()) == 1


def test_communes_are_real_ones_of_the_department() -> None:
    found = places.communes()
    assert len(found) == 771
    assert sum(commune.population for commune in found) == 565_413
    assert all(commune.insee.startswith("80") for commune in found)
    assert all(1.3 < commune.lon < 3.3 and 49.5 < commune.lat < 50.4 for commune in found)


def test_the_outline_is_small_geojson_of_the_same_communes() -> None:
    raw = places.outline()
    assert len(raw) < 200_000
    features = json.loads(raw)["features"]
    assert features[0]["properties"]["code"] == "80"
    shipped = {feature["properties"]["code"] for feature in features[1:]}
    known = {commune.insee for commune in places.communes()}
    assert len(known - shipped) < 10  # merged or renamed since the outline of 2018


def test_search_radius_widens_as_the_national_platform_does() -> None:
    radii = places.territory().search.radius.radii()
    assert radii[:3] == (20_000, 30_000, 40_000)
    assert radii[-1] == 111_000


def test_every_night_has_a_doctor_a_pharmacy_and_an_ambulance_on_call_in_every_commune() -> None:
    start = date(2026, 10, 19)  # the clock is put back within the fortnight
    duties = somme.generate(start, TERRITORY).duties
    paris = ZoneInfo("Europe/Paris")
    for line in (Line.DOCTOR, Line.PHARMACY, Line.AMBULANCE):
        zones = [zone for zone in duties.zones if zone.line is line]
        covered = [code for zone in zones for code in zone.communes]
        assert sorted(covered) == sorted(commune.insee for commune in places.communes())
        for zone in zones:
            shifts = [
                Interval(start=one.starts_at, end=one.ends_at)
                for one in duties.shifts
                if one.zone_id == zone.id
            ]
            for day in range(-1, 14):
                night = datetime.combine(start + timedelta(days=day), time_of_day(23, 30), paris)
                assert any(one.contains(night.astimezone(UTC)) for one in shifts)


def test_equipment_codes_exist_and_doctors_have_a_sector() -> None:
    services = somme.generate(date(2026, 11, 23), TERRITORY, days=1).rows.care_services
    assert codes.load().unknown_equipment(c for one in services for c in one.equipment) == ()
    assert all(one.sector for one in services if one.service == "general_practice")
    transfers = {one.service for one in services if one.transfer_phone}
    assert "regulation_centre" in transfers
