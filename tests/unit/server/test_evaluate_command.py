"""`regul protocols evaluate`: one object, named figures, goals, and the goals themselves."""

import json
from pathlib import Path

import pytest

from server import evaluate, protocols
from server.evaluate import Options
from server.refusal import Refusal
from server.report import Figure, Report
from triage import library
from triage.library import PROTOCOLS_DIRECTORY

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "triage"
KTAS = SHARED / "ktas" / "dev.jsonl"
SEMIGRAN = SHARED / "semigran" / "dev.jsonl"
NEEDS_KTAS = pytest.mark.skipif(not KTAS.exists(), reason="SKIPPED LOUDLY: shared data absent")
NEEDS_SEMIGRAN = pytest.mark.skipif(
    not SEMIGRAN.exists(), reason="SKIPPED LOUDLY: shared data absent"
)
NAMES = (
    "exact",
    "kappa_quadratic",
    "under",
    "over",
    "sensitivity_1_2",
    "specificity_1_2",
    "missed_1_2",
)
CASES = [
    ("chest pain", 58, 120, 2, 1),
    ("mental change", 70, 120, 2, 1),
    ("left side weakness", 66, 150, 2, 2),
    ("melena", 77, 80, 1, 1),
    ("dyspnea", 72, 130, 3, 2),
    ("fever", 30, 120, 4, 1),
    ("dizziness", 50, 130, 3, 2),
    ("abdominal pain", 25, 120, 3, 1),
    ("ankle injury", 22, 120, 4, 2),
    ("skin rash", 40, 120, 5, 1),
    ("copy of a letter", 40, 120, 5, 2),
    (None, 40, 120, 3, 1),
]


def line(index: int, ktas: int | None = None) -> str:
    text, age, sbp, label, site = CASES[index % len(CASES)]
    return json.dumps(
        {
            "id": f"case-{index}",
            "site": site,
            "age_y": age,
            "sex": "M",
            "avpu": "A",
            "complaint_text": text,
            "sbp": sbp,
            "dbp": 70,
            "hr": 80,
            "rr": 16,
            "temp_c": 36.8,
            "gold": {"ktas": ktas or label},
            "reference": {"nurse_ktas": label},
        }
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "cases.jsonl"
    path.write_text("\n".join(line(index) for index in range(24)) + "\n")
    return path


@pytest.fixture(scope="module")
def small(file: Path) -> Report:
    return run(file, by_complaint=True, baselines=True)


@pytest.fixture(scope="module")
def visits() -> dict[str, Figure]:
    return by_name(run(KTAS, baselines=True))


def run(path: Path, **changes: object) -> Report:
    base: dict[str, object] = {
        "cases": path,
        "directory": PROTOCOLS_DIRECTORY,
        "mask": None,
        "by_complaint": False,
        "seed": 1,
        "bootstrap": 50,
        "baselines": False,
    }
    return evaluate.evaluate(Options(**{**base, **changes}))  # type: ignore[arg-type]


def by_name(report: Report) -> dict[str, Figure]:
    return {figure.name: figure for figure in report.figures}


def number(figure: Figure) -> float:
    assert isinstance(figure.value, int | float)
    return float(figure.value)


def test_stdout_is_one_object_with_every_named_figure(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--cases", str(file), "--json", "--seed", "3", "--bootstrap", "20"]
    assert protocols.main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["name"], report["seed"], report["runs"]) == ("evaluate", 3, 20)
    found = {figure["name"]: figure for figure in report["figures"]}
    suffixes = ("", ".site1", ".site2", ".nurse", ".news2", ".danger_zone", ".logistic")
    for name in (name + suffix for name in NAMES for suffix in suffixes):
        assert found[name]["low"] <= found[name]["high"], name
    for name in ("kappa_quadratic", "under", "over", *NAMES[4:]):
        assert found[name]["met"] in {True, False}
    assert "area.engine" in found
    assert "area.logistic" in found
    assert found["cases"]["value"] == 24


def test_the_table_for_people_shows_shares_with_three_digits(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        protocols.main(["evaluate", "--cases", str(file), "--bootstrap", "5", "--no-baselines"])
        == 0
    )
    assert "0.0" in capsys.readouterr().out


def test_a_case_without_a_level_is_counted_apart_and_as_under_triage(small: Report) -> None:
    found = by_name(small)
    assert number(found["without_level"]) == pytest.approx(2 / 24, abs=1e-4)
    assert number(found["under"]) >= number(found["without_level"])


def test_labels_change_no_prediction(tmp_path: Path) -> None:
    def predicted(shift: int) -> list[str | None]:
        path = tmp_path / "permuted.jsonl"
        path.write_text("\n".join(line(i, 1 + (i + shift) % 5) for i in range(len(CASES))))
        scored = evaluate.score(library.load(), evaluate.load(path), mask_vitals=False)
        return [one.assessment.proposed for one in scored]

    assert predicted(0) == predicted(1) == predicted(3)


def test_equal_seeds_give_equal_reports(small: Report, file: Path) -> None:
    assert run(file, by_complaint=True, baselines=True) == small


def test_masked_cases_are_held_to_their_sensitivity_with_vital_signs(
    small: Report, file: Path
) -> None:
    plain, hidden = by_name(small), by_name(run(file, mask="vitals", baselines=True))
    goal = hidden["sensitivity_1_2"].goal
    assert goal == f">= {number(plain['sensitivity_1_2']):.4f}"
    assert hidden["over"].goal == evaluate.MASKED_OVER
    assert hidden["exact.nurse"].value == plain["exact.nurse"].value


def test_errors_are_told_by_complaint_on_request(small: Report) -> None:
    found = by_name(small)
    assert found["complaint.chest-pain.cases"].value == 2
    assert found["complaint.chest-pain.not_found"].value == 0


def test_urgencies_are_three_and_every_missed_emergency_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vignettes.jsonl"
    vignettes = [
        ("a", "A 60-year-old man with crushing chest pain and sweating.", "em"),
        ("b", "A 30-year-old man asks for a prescription.", "em"),
        ("c", "A 20-year-old woman with a sore throat.", "ne"),
    ]
    path.write_text(
        "\n".join(
            json.dumps({"id": i, "text": text, "gold": {"urgency": urgency}})
            for i, text, urgency in vignettes
        )
    )
    found = by_name(run(path))
    assert found["emergencies_missed"].value == 1
    assert found["emergencies_missed"].met is False
    assert "missed.b" in found
    assert number(found["sensitivity_em"]) == 0.5


@pytest.mark.parametrize("content", ["", "\n", "{}", '{"id": "a"}', line(0)[:-1]])
def test_a_file_without_labelled_cases_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(content)
    with pytest.raises(Refusal):
        run(path)


def test_mixed_labels_a_missing_file_and_no_samples_are_refused(tmp_path: Path, file: Path) -> None:
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(line(0) + '\n{"id": "v", "text": "x", "gold": {"urgency": "em"}}\n')
    with pytest.raises(Refusal, match="apart"):
        run(mixed)
    with pytest.raises(Refusal, match="read"):
        run(tmp_path / "absent.jsonl")
    with pytest.raises(Refusal, match="bootstrap"):
        run(file, bootstrap=0)
    (tmp_path / "news2.toml").write_text("schema = ")
    with pytest.raises(Refusal, match="refused"):
        run(file, directory=tmp_path)


@NEEDS_KTAS
def test_the_goals_are_met_on_the_recorded_visits(visits: dict[str, Figure]) -> None:
    """A guard against silent loss: a change of any protocol or word must keep every goal."""
    found = visits
    assert not [name for name, figure in found.items() if figure.met is False]
    assert number(found["sensitivity_1_2"]) >= 0.89
    assert number(found["specificity_1_2"]) >= 0.82
    assert number(found["under"]) <= 0.08
    assert number(found["over"]) <= 0.31
    assert number(found["missed_1_2"]) <= 0.03
    assert number(found["kappa_quadratic"]) >= 0.65
    for site in (1, 2):
        assert number(found[f"sensitivity_1_2.site{site}"]) >= 0.85
        assert number(found[f"under.site{site}"]) <= 0.10


@NEEDS_KTAS
def test_without_vital_signs_no_severe_case_is_lost() -> None:
    found = by_name(run(KTAS, mask="vitals"))
    assert found["sensitivity_1_2"].met is True
    assert found["over"].met is True
    assert number(found["over"]) <= 0.40


@NEEDS_KTAS
def test_the_protocols_beat_every_baseline_but_the_nurse_at_the_bedside(
    visits: dict[str, Figure],
) -> None:
    found = visits
    for other in ("news2", "danger_zone", "logistic"):
        assert number(found["kappa_quadratic"]) > number(found[f"kappa_quadratic.{other}"])
        assert number(found["sensitivity_1_2"]) > number(found[f"sensitivity_1_2.{other}"])


@NEEDS_SEMIGRAN
def test_every_emergency_among_the_vignettes_is_found() -> None:
    found = by_name(run(SEMIGRAN))
    assert found["emergencies_missed"].value == 0
