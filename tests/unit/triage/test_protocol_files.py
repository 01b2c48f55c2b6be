import hashlib
from pathlib import Path

import msgspec
import pytest

from triage import checks, library
from triage.assessment import Observation
from triage.commands import main
from triage.engine import assess
from triage.protocol import Example, Protocol, ProtocolError, decode
from triage.scoring import score

LIBRARY = library.load()
CASES = [(protocol, test) for protocol in LIBRARY.protocols for test in protocol.file.tests]
NEWS2 = (library.PROTOCOLS_DIRECTORY / "news2.toml").read_bytes()


@pytest.mark.parametrize(
    ("protocol", "case"), CASES, ids=[f"{p.file.id}: {t.name}" for p, t in CASES]
)
def test_the_test_in_the_file_holds(protocol: Protocol, case: Example) -> None:
    (result,) = [entry for entry in checks.run_tests(protocol) if entry.name == case.name]
    assert result.problems == ()


@pytest.mark.parametrize("protocol", LIBRARY.protocols, ids=lambda p: p.file.id)
def test_a_shipped_protocol_has_no_problem(protocol: Protocol) -> None:
    assert checks.problems(protocol) == ()


def test_the_three_first_protocols_ship() -> None:
    assert {"news2", "iitt-adult", "first-look"} <= {p.file.id for p in LIBRARY.protocols}


def test_the_digest_is_the_sha256_of_the_bytes_and_pinned_in_the_assessment() -> None:
    protocol = decode(NEWS2)
    assessment = assess([protocol], [], Observation())
    assert protocol.digest == hashlib.sha256(NEWS2).hexdigest()
    assert assessment.protocols[0].digest == protocol.digest


def test_one_changed_byte_changes_the_digest() -> None:
    assert decode(NEWS2 + b"\n").digest != decode(NEWS2).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'kind = "score"', b'kind = "score"\nmood = "good"'),
        (b'when = "news2 >= 7"', b'when = "news3 >= 7"'),
        (b'when = "news2 >= 7"', b"when = \"acvpu == 'Z'\""),
        (b'when = "news2 >= 7"', b'when = "sbp"'),
        (b'when = "news2 >= 7"', b'when = "on_oxygen > 2"'),
        (b'when = "news2 >= 7"', b'when = "7"'),
        (b'when = "news2 >= 7"', b"when = \"acvpu < 'C'\""),
        (b'input = "rr"\n', b""),
        (b'input = "rr"\n', b'input = "respiration"\n'),
        (b'acuity = "U1"', b'acuity = "U9"'),
        (b"schema = 1", b"schema = 2"),
        (b"schema = 1", b"schema = "),
        (b"schema = 1", b"\xff"),
    ],
)
def test_an_unreadable_file_is_refused(old: bytes, new: bytes) -> None:
    assert old in NEWS2
    with pytest.raises(ProtocolError):
        decode(NEWS2.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'key = "temp_c"\n', b'key = "temp_c"\ndefault = 900.0\n', "default"),
        (b"[[8, 3], [11, 1]", b"[[11, 3], [8, 1]", "ascend"),
        (b"[39.0, 1], [inf, 2]]", b"[39.0, 1]]", "ascend"),
        (b"A = 0, V = 3", b"A = 0", "cover every choice"),
        (b'cites = ["rcp2017"]\nwhen_unan', b'cites = ["x"]\nwhen_unan', "cites"),
        (b'id = "medium"', b'id = "high"', "twice"),
        (b'when = "not hypercapnic_target"', b'when = "hypercapnic_target"', "exactly one"),
        (b'status = "draft"', b'status = "active"', "signed"),
        (b'unit = "/min"\nrange = [0, 300]', b"", "unit"),
        (
            b"when = \"age_y >= 16 and (sex == 'M' or age_y >= 56 or",
            b"when = \"(sex == 'M' or",
            "gate the age",
        ),
    ],
)
def test_a_faulty_file_is_named(old: bytes, new: bytes, problem: str) -> None:
    assert old in NEWS2
    found = checks.problems(decode(NEWS2.replace(old, new, 1)))
    assert any(problem in text for text in found)


def test_a_wrong_expectation_fails_its_test() -> None:
    faulty = decode(NEWS2.replace(b"news2 = [19, 19]", b"news2 = [18, 19]", 1))
    assert any(result.problems for result in checks.run_tests(faulty))


@pytest.mark.parametrize(
    ("parsed", "item", "index"),
    [
        (parsed, entry, index)
        for protocol in LIBRARY.protocols
        for parsed in protocol.scores
        for entry in parsed.items
        for index in range(len(entry.item.bands) - 1)
    ],
    ids=lambda part: getattr(getattr(part, "item", None), "id", None),
)
def test_a_band_ends_at_its_upper_bound_and_the_next_begins_above(
    parsed: object, item: object, index: int
) -> None:
    from triage.protocol import ParsedItem, ParsedScore

    assert isinstance(parsed, ParsedScore)
    assert isinstance(item, ParsedItem)
    bands = item.item.bands
    key = item.item.input
    assert key is not None
    ungated = msgspec.structs.replace(
        item, when=None, applies=None, item=msgspec.structs.replace(item.item, one_of=None)
    )
    alone = msgspec.structs.replace(parsed, items=(ungated,))
    upper = bands[index][0]
    for value, points in ((upper, bands[index][1]), (upper + 0.1, bands[index + 1][1])):
        result = score(alone, {key: value})
        assert (result.low, result.high) == (points, points)


def test_an_input_means_the_same_in_every_protocol() -> None:
    twisted = decode(NEWS2.replace(b'unit = "Cel"', b'unit = "[degF]"', 1))
    assert library.input_conflicts(LIBRARY.protocols) == ()
    assert library.input_conflicts([*LIBRARY.protocols, twisted]) != ()


def test_drafts_run_only_where_the_setting_allows_them() -> None:
    assert LIBRARY.choose("chest-pain", allow_draft=False) == ()
    chosen = LIBRARY.choose("chest-pain", allow_draft=True)
    assert {"iitt-adult", "news2"} <= {p.file.id for p in chosen}
    assert any("chest-pain" in p.file.complaints for p in chosen)
    assert all(p.file.kind != "complaint" for p in LIBRARY.choose(None, allow_draft=True))


def test_a_draft_is_marked_in_the_trace() -> None:
    assessment = assess(LIBRARY.choose(None, allow_draft=True), [], Observation())
    assert {"iitt-adult", "news2"} <= set(assessment.trace.draft_protocols)


def test_the_command_line_lists_checks_tests_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["list"], ["check", "news2"], ["test"], ["show", "news2"]):
        assert main(words) == 0
    assert "sound" in capsys.readouterr().out
    assert main(["show", "nothing"]) == 2
    assert main([]) == 2


def test_the_command_line_fails_on_a_faulty_file(tmp_path: Path) -> None:
    (tmp_path / "news2.toml").write_bytes(NEWS2.replace(b"[19, 19]", b"[0, 19]", 1))
    assert main(["--directory", str(tmp_path), "check"]) == 1
    (tmp_path / "news2.toml").write_bytes(b"schema = ")
    assert main(["--directory", str(tmp_path), "check"]) == 1
    (tmp_path / "news2.toml").unlink()
    (tmp_path / "other.toml").write_bytes(NEWS2)
    assert main(["--directory", str(tmp_path), "check"]) == 1
