"""Readers of CSV and FHIR bundles; hostile files are refused with line and reason."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import feed_doctor, feed_offers
from directory.feed_doctor import Circumstances
from directory.feed_offers import Gazetteer
from directory.feed_store import Feed
from directory.gazetteer import communes
from directory.model import Modality, SlotKind, Visibility
from interop import availability_csv, delimited, fhir_bundle
from kernel import errors
from kernel.ids import uuid7

GUIDE = Path("../shared/data/ans/IG-fhir-service-acces-aux-soins-gh-pages/main/ig")
HL7 = Path("../shared/data/fhir-r4-examples")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PARIS = Circumstances(country="FR", zone="Europe/Paris", now=NOW)
HEADER = (
    "place;place_name;city;postcode;lon;lat;diary;service;slot;modality;visibility;start;end;"
    "capacity;free;link"
)
LINE = (
    "p1;Cabinet;Amiens;80000;2,3;49.9;d1;general_practice;s{n};home_visit;PRO;"
    "2026-03-03T09:{n:02}:00+01:00;2026-03-03T10:00:00+01:00;3;yes;https://x.example/"
)


def feed(kind: Any, **codes: str) -> Feed:
    return Feed(
        id=uuid7(), kind=kind, address="x", publisher="x", zone="Europe/Paris", country="FR",
        territory_id=uuid7(), organisation_id=uuid7(), codes=codes,
    )  # fmt: skip


def a_csv(folder: Path, *lines: str | bytes, header: str = HEADER) -> Path:
    path = folder / "feed.csv"
    path.write_bytes(
        b"\n".join(one if isinstance(one, bytes) else one.encode() for one in (header, *lines))
    )
    return path


def test_a_csv_gives_places_diaries_and_periods(tmp_path: Path) -> None:
    read = availability_csv.read(a_csv(tmp_path, LINE.format(n=1), LINE.format(n=2)))
    assert (len(read.places), len(read.diaries), len(read.periods)) == (1, 1, 2)
    assert (read.places[0].lon, read.places[0].lat) == (2.3, 49.9)
    period = read.periods[1]
    assert (period.key, period.line, period.capacity, period.visibility) == (
        "s2", 3, 3, Visibility.PRO,
    )  # fmt: skip
    found = feed_doctor.examine(read, PARIS)
    assert found.faults == ()
    offers = feed_offers.prepare(found, feed("csv"), Gazetteer(communes()))
    (diary,) = offers.diaries
    assert (diary.service, diary.modality) == ("general_practice", Modality.HOME_VISIT)
    assert {(slot.kind, slot.visibility) for slot in diary.free} == {
        (SlotKind.RANGE, Visibility.PRO)
    }
    assert offers.places[0].location.commune == "80021"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("=cmd|' /C calc'!A0;" + LINE.format(n=1), "formula"),
        (LINE.format(n=1).replace("Cabinet", "@SUM(A1)"), "formula"),
        (LINE.format(n=1).replace("Cabinet", "+1+cmd|x"), "formula"),
        (LINE.format(n=1).replace("Cabinet", '"-2+3+cmd"'), "formula"),
        (LINE.format(n=1).encode().replace(b"Cabinet", b"Cabin\xe9"), "encoding"),
        (LINE.format(n=1).encode("utf-16"), "encoding"),
        (LINE.format(n=1).replace("Cabinet", "Cab\x00"), "encoding"),
        (LINE.format(n=1).replace("Cabinet", "x" * (1 << 20)), "line_too_long"),
        (LINE.format(n=1).replace("Cabinet", '"open'), "quotes"),
        (LINE.format(n=1) + ";more", "cells_missing"),
        ("p1;x", "cells_missing"),
        (";" * 500, "too_many_cells"),
        (LINE.format(n=1).replace("2026-03-03T10:00:00+01:00", "10:00"), "time_unreadable"),
        (LINE.format(n=1).replace("T10:00:00+01:00", "T10:00:00"), "time_without_offset"),
        (LINE.format(n=1).replace(";3;", ";many;"), "value_unreadable"),
        (LINE.format(n=1).replace("home_visit", "dream"), "value_unreadable"),
        (LINE.format(n=1).replace("p1;", ";"), "key_unusable"),
    ],
)
def test_a_hostile_line_is_refused_with_its_number_and_the_rest_is_read(
    tmp_path: Path, line: str | bytes, reason: str
) -> None:
    read = availability_csv.read(a_csv(tmp_path, LINE.format(n=1), line, LINE.format(n=2)))
    broken = [(one.line, one.reason) for one in read.broken]
    assert broken[0] == (3, reason) or (3, reason) in broken
    assert [period.key for period in read.periods] == ["s1", "s2"]


def test_a_phone_number_or_a_coordinate_is_no_formula() -> None:
    for cell in ("+33 3 22 00 00 00", "-1.25", "+2,5", "-", "a=b"):
        assert delimited.FORMULA.match(cell) is None


def test_a_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    for header in ("", "a;b", HEADER.replace("postcode", "zip")):
        with pytest.raises(errors.Invalid) as refused:
            availability_csv.read(a_csv(tmp_path, LINE.format(n=1), header=header))
        assert (refused.value.code, refused.value.fields["line"]) == ("feed_columns_missing", 1)


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_no_bytes_make_the_reader_fail(lines: list[bytes]) -> None:
    stream = io.BytesIO(b"\n".join(lines))
    found = list(delimited.rows(stream, ";", "utf-8", 0))
    assert all(bool(one.reason) != bool(one.values) or not one.reason for one in found)


def bundle(tmp_path: Path, *resources: Any, **fields: Any) -> Path:
    path = tmp_path / "bundle.json"
    entries = [{"resource": one} for one in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries, **fields}))
    return path


def a_slot(n: int, act: str = "AMB", **fields: Any) -> dict[str, Any]:
    start = NOW + timedelta(hours=n)
    return {
        "resourceType": "Slot", "id": f"s{n}", "schedule": {"reference": "Schedule/d"},
        "status": "free", "start": start.isoformat(), "comment": "https://x.example/",
        "end": (start + timedelta(minutes=20)).isoformat(),
        "serviceType": [{"coding": [{"code": act}]}], **fields,
    }  # fmt: skip


SCHEDULE = {"resourceType": "Schedule", "id": "d", "actor": [{"reference": "PractitionerRole/r"}]}
ROLE = {
    "resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/w"},
    "contained": [
        {
            "resourceType": "Location", "id": "l",
            "address": {"city": "Amiens", "postalCode": "80000"},
        }
    ],
    "location": [{"reference": "#l"}], "specialty": [{"coding": [{"code": "SM54"}]}],
}  # fmt: skip
PERSON = {
    "resourceType": "Practitioner", "id": "w", "name": [{"family": "Essai", "given": ["Aline"]}],
    "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810000000001"}],
}  # fmt: skip


def test_a_bundle_gives_a_diary_for_each_modality_of_a_schedule(tmp_path: Path) -> None:
    path = bundle(tmp_path, a_slot(1), a_slot(2, "HH"), SCHEDULE, ROLE, PERSON)
    read = fhir_bundle.read(path)
    assert [(one.key, one.modality, one.name, one.codes) for one in read.diaries] == [
        ("d", Modality.OFFICE, "Essai Aline", ("SM54",)),
        ("d/home_visit", Modality.HOME_VISIT, "Essai Aline", ("SM54",)),
    ]
    found = feed_doctor.examine(read, PARIS)
    assert [fault.code for fault in found.faults] == ["suspect_identifier"]
    offers = feed_offers.prepare(
        found, feed("fhir", SM54="general_practice"), Gazetteer(communes())
    )
    assert [diary.service for diary in offers.diaries] == ["general_practice"] * 2
    (fault,) = offers.quarantined
    assert (fault.code, fault.repaired) == ("no_position", "centre of 80021")
    assert offers.places[0].key == "r#l"


def test_the_narrowest_label_of_a_slot_counts(tmp_path: Path) -> None:
    system = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
    labels = [{"system": system, "code": one} for one in ("PUBLIC", "PRO")]
    path = bundle(tmp_path, a_slot(1, meta={"security": labels}), SCHEDULE, ROLE)
    assert fhir_bundle.read(path).periods[0].visibility is Visibility.PRO


def test_a_broken_entry_is_left_out_with_its_number(tmp_path: Path) -> None:
    path = bundle(
        tmp_path, {"resourceType": "Patient", "id": "p"}, a_slot(1), SCHEDULE, ROLE,
        a_slot(2, start="2026-03-03T09:00:00"), a_slot(3, schedule={"reference": "Schedule/x"}),
        {**SCHEDULE, "id": "a\x00"}, {**SCHEDULE, "id": "e", "actor": []},
        a_slot(4, schedule={"reference": "Schedule/e"}),
    )  # fmt: skip
    read = fhir_bundle.read(path)
    assert [(one.line, one.reason) for one in read.broken] == [
        (1, "not_a_resource"), (7, "key_unusable"), (5, "time_without_offset"),
        (6, "no_schedule"), (9, "no_location"),
    ]  # fmt: skip
    assert len(read.periods) == 1


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"[]", b"{", b"\xff", b'{"resourceType":"Slot"}', b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(errors.Invalid) as refused:
            fhir_bundle.read(path)
        assert refused.value.code == "feed_bundle_unreadable"
    with path.open("wb") as file:
        file.truncate(fhir_bundle.LARGEST + 1)
    with pytest.raises(errors.Invalid) as refused:
        fhir_bundle.read(path)
    assert refused.value.code == "feed_too_large"


@pytest.mark.skipif(not GUIDE.is_dir(), reason="LOUD: the national guide is absent")
def test_the_bundle_of_the_national_guide_is_read_whole() -> None:
    read = fhir_bundle.read(GUIDE / "Bundle-ExampleBundlePSIndiv.json")
    assert read.broken == ()
    assert len(read.periods) == 4
    assert {one.visibility for one in read.periods} == {Visibility.PUBLIC, Visibility.PRO}
    assert all(place.postcode == "47000" for place in read.places)
    assert {number.system.value for number in read.numbers} == {"rpps"}


@pytest.mark.skipif(not HL7.is_dir(), reason="LOUD: the examples of HL7 are absent")
def test_the_examples_of_hl7_are_read_or_refused_one_by_one(tmp_path: Path) -> None:
    paths = sorted(HL7.rglob("*.json"))
    resources = [json.loads(path.read_bytes()) for path in paths]
    read = fhir_bundle.read(bundle(tmp_path, *resources))
    kinds = {"Location", "Schedule", "Slot", "PractitionerRole", "HealthcareService"}
    ours = [one for one in resources if one["resourceType"] in kinds]
    assert len(read.places) >= sum(one["resourceType"] == "Location" for one in ours)
    assert len(read.periods) >= 1
