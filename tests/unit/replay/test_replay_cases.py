"""Reading a replay file: what is broken is told, what is a label is never read."""

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import replay_cases
from server.replay_cases import BrokenLine, Places, RecordedCase, read
from triage import library

WHOLE = {
    "id": "ktas-1",
    "site": 1,
    "age_y": 54,
    "sex": "F",
    "arrival": "walk",
    "injury": False,
    "complaint_text": "fever",
    "avpu": "A",
    "pain_present": True,
    "pain_nrs": 3,
    "sbp": 140,
    "dbp": 90,
    "hr": 94,
    "rr": 20,
    "temp_c": 38.1,
    "spo2": 98,
    "gold": {"ktas": 4},
    "reference": {"nurse_ktas": 3},
}


def line(**changes: object) -> bytes:
    return json.dumps(WHOLE | changes).encode()


def test_labels_have_no_place_in_a_case() -> None:
    (case,) = read([line()])

    assert isinstance(case, RecordedCase)
    assert not {"gold", "reference"} & set(case.__struct_fields__)
    assert case.temp_c == 38.1


@pytest.mark.parametrize("field", [name for name in WHOLE if name not in {"id", "gold"}])
def test_every_field_but_the_id_may_be_null(field: str) -> None:
    (case,) = read([line(**{field: None})])

    assert isinstance(case, RecordedCase)
    assert field == "reference" or getattr(case, field) is None


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"[]",
        b"null",
        b'{"id": null}',
        b'{"id": 7}',
        b"\xff\xfe",
        b'{"id": "a", "age_y": "old"}',
        b'{"id": "a", "age_y": -1}',
        b'{"id": "a", "pain_nrs": 11}',
        b'{"id": "a", "avpu": "X"}',
        b'{"id": "' + b"\xc3\x28" + b'"}',
        b"[" * 100_000,
    ],
)
def test_a_broken_line_is_told_by_its_number_and_the_rest_goes_on(broken: bytes) -> None:
    first, second, third = read([line(id="before"), broken, line(id="after")])

    assert isinstance(second, BrokenLine)
    assert second.number == 2
    assert isinstance(first, RecordedCase)
    assert isinstance(third, RecordedCase)


def test_a_repeated_id_is_a_broken_line() -> None:
    _, second = read([line(), line()])

    assert second == BrokenLine(number=2, reason="the id of line 1 again")


def test_empty_lines_are_skipped_but_counted() -> None:
    _, broken = read([b"\n", line(), b"  \n", b"{"])

    assert isinstance(broken, BrokenLine)
    assert broken.number == 4


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_stop_the_reading(lines: list[bytes]) -> None:
    found = list(read(lines))

    assert len(found) == sum(1 for one in lines if one.strip())


def test_the_same_seed_and_case_give_the_same_commune_in_any_order() -> None:
    places = Places(replay_cases.communes())
    names = [f"case-{i}" for i in range(50)]

    forward = {name: places.of(3, name).insee for name in names}
    random.Random(1).shuffle(names)

    assert forward == {name: places.of(3, name).insee for name in names}
    assert forward != {name: places.of(4, name).insee for name in names}


def test_communes_are_drawn_by_population() -> None:
    small = replay_cases.Commune(insee="80002", name="A", population=1, lon=2.8, lat=49.8)
    large = msgspec.structs.replace(small, insee="80021", population=9)
    places = Places((small, large))

    drawn = sum(places.of(1, str(i)).insee == "80021" for i in range(2000))

    assert 0.87 < drawn / 2000 < 0.93


def test_recorded_fields_become_findings_and_nothing_else_does() -> None:
    (case,) = read([line(spo2=None, sex="O")])
    assert isinstance(case, RecordedCase)

    found = {one.input: one.value for one in replay_cases.findings(case)}

    assert "spo2" not in found
    assert found["sex"] == "other"
    assert found["acvpu"] == "A"
    assert set(found) <= set(replay_cases.INPUTS.values())


def test_every_finding_is_an_input_of_some_protocol() -> None:
    protocols = library.load(library.PROTOCOLS_DIRECTORY).protocols
    known = {entry.key for protocol in protocols for entry in protocol.file.inputs}

    assert set(replay_cases.INPUTS.values()) <= known
