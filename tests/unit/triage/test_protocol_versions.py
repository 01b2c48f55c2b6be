"""Comparing versions, running in shadow, and the page people read."""

import json
from pathlib import Path

import pytest

from triage import case_lines, commands, library, protocol_diff, protocol_page, reader, shadow
from triage.case_lines import Answers, Unreadable, enter, judge
from triage.counterexample import Language
from triage.format import Answer
from triage.labelled import Facts
from triage.protocol import decode

PLANTED = Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml"
TRAP = PLANTED.read_bytes()
LOOSE = TRAP.replace(b"hours_since_last_pain <= 12", b"hours_since_last_pain <= 24").replace(
    b"minutes_lasting >= 10", b"minutes_lasting >= 20"
)
BASE: dict[str, Answer] = {"age_y": 40.0, "pregnant": False}


def case(name: str, *unanswerable: str, **answers: bool | float) -> Answers:
    return Answers(id=name, complaint="x", findings={**BASE, **answers}, unanswerable=unanswerable)


CASES = (
    case("gone-20h", pain_now=False, hours_since_last_pain=20.0),
    case("there-15min", pain_now=True, minutes_lasting=15.0),
    case("same", pain_now=False, hours_since_last_pain=1.0),
    case("unanswered", "minutes_lasting", pain_now=True),
)


def shelf(tmp_path: Path, **files: bytes) -> library.Library:
    for name, raw in files.items():
        key = name.replace("_", "-")
        (tmp_path / f"{key}.toml").write_bytes(
            raw.replace(b'id = "chest-pain-trap"', f'id = "{key}"'.encode()).replace(
                b'complaints = ["chest-pain"]', b'complaints = ["x"]'
            )
        )
    return library.load(tmp_path)


def test_a_difference_counts_who_moves_and_names_them(tmp_path: Path) -> None:
    loaded = shelf(tmp_path, before=TRAP)
    after = decode(
        LOOSE.replace(b'"chest-pain-trap"', b'"before"').replace(b'["chest-pain"]', b'["x"]')
    )
    before = loaded.protocols[0]
    found = protocol_diff.compare(loaded, reader.shipped(), (before, after), CASES)
    assert (found.cases, found.same, found.up, found.down) == (4, 2, 1, 1)
    assert [(m.before, m.after, m.cases) for m in found.moves] == [
        ("U4", "U2", ("gone-20h",)),
        ("U1", "U4", ("there-15min",)),
    ]
    assert found.rules_changed == ("ongoing", "recent")
    text = "\n".join(protocol_diff.lines(found))
    assert "U4   -> U2   up       1  gone-20h" in text
    assert "4 cases: 2 same, 1 up, 1 down" in text


def test_rules_that_come_and_go_are_named(tmp_path: Path) -> None:
    loaded = shelf(tmp_path, before=TRAP)
    renamed = decode(TRAP.replace(b'id = "recent"', b'id = "lately"'))
    found = protocol_diff.compare(loaded, reader.shipped(), (loaded.protocols[0], renamed), ())
    assert (found.rules_added, found.rules_removed) == (("lately",), ("recent",))
    assert list(protocol_diff.lines(found))[:2] == ["rules added: lately", "rules removed: recent"]


def test_a_shadow_is_compared_with_what_runs_and_changes_nothing(tmp_path: Path) -> None:
    loaded = shelf(
        tmp_path, running=TRAP, silent=LOOSE.replace(b'status = "draft"', b'status = "shadow"')
    )
    judged = judge(loaded, enter(loaded, reader.shipped(), CASES[0]))
    assert judged.proposed == "U4"
    (found,) = shadow.report(loaded, reader.shipped(), CASES)
    assert (found.id, found.rivals, found.covered, found.agree) == ("silent", ("running",), 4, 2)
    assert (found.up, found.down, found.raised) == (("gone-20h",), ("there-15min",), ("gone-20h",))
    assert found.pairs == {"U1 U1": 1, "U1 U4": 1, "U2 U2": 1, "U4 U2": 1}
    text = "\n".join(shadow.lines([found]))
    assert "4 cases, 4 in the population of both: 2 agree, 1 up, 1 down" in text
    assert shadow.report(loaded, reader.shipped(), CASES, "none")[0].covered == 0


def test_cases_are_read_in_both_shapes_and_labels_never() -> None:
    lines = [
        b'{"id": "a", "findings": {"pain_now": true}, "unanswerable": ["hr"], "complaint": "x"}',
        b"",
        b'{"id": "b", "age_y": 60, "complaint_text": "chest pain", "gold": {"ktas": 1}}',
    ]
    first, second = case_lines.read(lines)
    assert isinstance(first, Answers)
    assert isinstance(second, Facts)
    assert not hasattr(second, "gold")
    for line in (b"[]", b'{"findings": 3}', b"\xff"):
        with pytest.raises(Unreadable, match="line 1 "):
            list(case_lines.read([line]))


def test_a_case_in_words_is_entered_as_it_would_be_by_telephone() -> None:
    loaded = library.load()
    facts = Facts(id="a", age_y=60, sex="M", complaint_text="chest pain", hr=190)
    entered = enter(loaded, reader.shipped(), facts)
    assert entered.complaint == "chest-pain"
    assert {"age_y", "hr"} <= {finding.input for finding in entered.findings}


def test_what_no_protocol_asks_for_is_left_out(tmp_path: Path) -> None:
    loaded = shelf(tmp_path, before=TRAP)
    case = Answers(id="a", complaint="x", findings={"age_y": 900.0, "shoe": 44.0, "pain_now": True})
    entered = enter(loaded, reader.shipped(), case)
    assert [finding.input for finding in entered.findings] == ["pain_now"]


@pytest.mark.parametrize(("language", "word"), [("fr", "oui"), ("en", "yes")])
def test_a_page_says_rules_worst_first_with_their_questions(language: Language, word: str) -> None:
    page = protocol_page.page(decode(TRAP), language)
    text = list(protocol_page.as_text(page))
    levels = [line.split()[1] for line in text if line.startswith(("├ U", "└ U"))]
    assert levels[:3] == ["U1", "U2", "U4"]
    assert any(f"[pain_now] {word}" in line for line in text)
    assert any("[minutes_lasting] >= 10 min" in line for line in text)
    assert any("nice95" in line for line in text)


def test_every_shipped_protocol_has_a_page_that_needs_nothing_else() -> None:
    languages: tuple[Language, ...] = ("fr", "en")
    for protocol in library.load().protocols:
        for language in languages:
            written = protocol_page.as_html(protocol_page.page(protocol, language), language)
            assert written.startswith("<!doctype html>")
            assert "<script" not in written
            assert "src=" not in written
            assert protocol.digest in written


def test_a_page_escapes_what_a_file_says() -> None:
    raw = TRAP.replace(b'en = "Recent pain"', b'en = "<b>Recent</b> pain"')
    written = protocol_page.as_html(protocol_page.page(decode(raw), "en"), "en")
    assert "&lt;b&gt;Recent" in written


def test_unverified_sources_and_signatures_stand_on_the_page() -> None:
    raw = TRAP.replace(b'id = "nice95"\n', b'id = "nice95"\nverified = false\n', 1)
    text = "\n".join(protocol_page.as_text(protocol_page.page(decode(raw), "en")))
    assert "TO BE VERIFIED" in text
    assert "nobody has signed" in text


def write_cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.jsonl"
    rows = [
        {"id": c.id, "findings": c.findings, "complaint": "x", "unanswerable": c.unanswerable}
        for c in CASES
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_the_command_line_checks_shows_compares_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    shelf(files, running=TRAP, silent=LOOSE.replace(b'status = "draft"', b'status = "shadow"'))
    cases = str(write_cases(tmp_path))
    here = ["--directory", str(files)]
    assert commands.main(["list", *here]) == 0
    assert commands.main(["show", "running", *here]) == 0
    assert commands.main(["show", "running", "--html", str(tmp_path / "a.html"), *here]) == 0
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    pair = [str(files / "running.toml"), str(files / "silent.toml")]
    for extra in ([], ["--json"]):
        assert commands.main(["diff", *pair, "--cases", cases, *extra, *here]) == 0
        assert commands.main(["shadow-report", "--cases", cases, *extra, *here]) == 0
    said = capsys.readouterr().out
    assert "1 up, 1 down" in said
    assert "silent in shadow beside running" in said
    assert commands.main(["show", "nothing", *here]) == 2
    assert commands.main(["diff", *pair, "--cases", str(tmp_path / "no"), *here]) == 2


def test_check_prints_the_counter_example_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf(tmp_path, running=TRAP)
    assert commands.main(["check", "--directory", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "monotone pain_now: not so: a worse answer never gives a milder level" in said
    assert "Is the pain there right now? [pain_now] yes" in said
    assert "NOT SOUND" in said
    assert commands.main(["check", "running", "--json", "--directory", str(tmp_path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["sound"] is False
    assert told["protocols"][0]["boundaries"]["problems"] == []
    assert commands.main(["check", "other", "--directory", str(tmp_path)]) == 2


def test_check_goes_on_after_a_file_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf(tmp_path, running=TRAP)
    (tmp_path / "broken.toml").write_bytes(b"schema = ")
    assert commands.main(["check", "--workers", "1", "--directory", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "broken" in said
    assert "together:" in said
    assert "2 protocols" in said


def test_metamorphic_cases_on_the_command_line_print_their_seed_and_can_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["metamorphic", "news2", "--cases", "200", "--seed", "7"]
    assert commands.main(words) == 0
    assert "seed 7: " in capsys.readouterr().out
    assert commands.main([*words, "--sabotage"]) == 1
    assert "planted fault" in capsys.readouterr().out
