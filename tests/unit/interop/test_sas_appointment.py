"""RS-SAS-RDV both ways: published samples, our own writing against the published schema."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interop import sas_appointment as sas
from kernel import errors

PARIS = ZoneInfo("Europe/Paris")
HUB = Path(__file__).resolve().parents[3].parent / (
    "shared/data/ans/SAMU-Hub-Modeles/src/main/resources"
)
SAMPLES = sorted((HUB / "sample/examples/RS-SAS-RDV").glob("*.json"))
published = pytest.mark.skipif(not SAMPLES, reason=f"{HUB} is absent: published samples not read")

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)
messages = st.builds(
    sas.SasAppointment,
    appointment_id=st.uuids().map(str),
    method=st.sampled_from(["CreateAppointment", "UpdateAppointment"]),
    created=moments,
    start=moments,
    end=st.none() | moments,
    status=st.sampled_from(["pending", "booked", "fulfilled", "noshow", "cancelled"]),
    orientation_category=st.none() | st.sampled_from(["CPTS", "MSP", "SOS", "PS"]),
    practitioner=st.none()
    | st.builds(
        sas.Practitioner,
        rpps_id=st.from_regex(r"\A81[0-9]{10}\Z"),
        last_name=words,
        first_name=words,
        speciality_code=st.none() | st.just("SM54"),
        speciality_url=st.none(),
        profession_code=st.none(),
        profession_url=st.none(),
    ),
    organization=st.none()
    | st.builds(sas.Organization, organization_id=st.just("1800000010"), name=words),
    regulator=st.builds(
        sas.Regulator, name=words, first_name=words, email=st.just("a@b.example"), id=st.none()
    ),
)


@given(messages)
def test_what_is_written_reads_back_to_the_second(message: sas.SasAppointment) -> None:
    back = sas.read(sas.write(message, PARIS))
    assert back.start == message.start.replace(microsecond=0)
    assert back.practitioner == message.practitioner
    assert back.status == message.status


@published
@given(messages)
def test_what_is_written_fits_the_published_schema(message: sas.SasAppointment) -> None:
    schema = json.loads((HUB / "json-schema/RS-SAS-RDV.schema.json").read_text("utf-8"))
    schema.pop("$id")
    jsonschema.validate(json.loads(sas.write(message, PARIS))["appointment"], schema)


@published
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_published_sample_is_read_and_written_unchanged(path: Path) -> None:
    raw = path.read_bytes()
    assert json.loads(sas.write(sas.read(raw), PARIS)) == json.loads(raw)


def test_times_carry_the_offset_of_the_place_on_both_sides_of_the_clock_change() -> None:
    summer = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    winter = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    message = sas.SasAppointment(
        appointment_id="1", method="CreateAppointment", created=summer, start=winter,
        status="booked", regulator=sas.Regulator(name="N", first_name="P", email="e@x.example"),
    )  # fmt: skip
    written = json.loads(sas.write(message, PARIS))["appointment"]
    assert written["created"] == "2026-10-25T02:30:00+02:00"
    assert written["start"] == "2026-10-25T02:30:00+01:00"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"\xff", b'{"appointment": {"method": "Delete"}}', b'{"appointment": 1}'],
)
def test_a_message_that_does_not_fit_is_refused_with_its_path(raw: bytes) -> None:
    with pytest.raises(errors.Invalid) as refused:
        sas.read(raw)
    assert refused.value.code == "sas_appointment_invalid"


def test_a_bare_rpps_is_shown_with_the_national_prefix() -> None:
    assert sas.practitioner_id("10100000017") == "810100000017"
