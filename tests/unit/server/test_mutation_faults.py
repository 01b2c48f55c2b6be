"""What mutation testing plants, and that it tells tests that notice from tests that do not."""

import ast
from pathlib import Path

import pytest

from server import mutants
from server.mutation import mutants as planted


def changed(source: str) -> list[str]:
    """Give every faulty version of a source, without its first line where that is the docstring."""
    return [ast.unparse(ast.fix_missing_locations(one.tree)) for one in planted(source)]


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("a < b", ["a <= b"]),
        ("a <= b < c", ["a < b < c", "a <= b <= c"]),
        ("a > b", ["a >= b"]),
        ("a == b", ["a != b"]),
        ("a is b", ["a is not b"]),
        ("a not in b", ["a in b"]),
        ("a and b", ["a or b"]),
        ("a or b", ["a and b"]),
        ("not a", ["not not a"]),
        ("-a", ["+a"]),
        ("a + b", ["a - b"]),
        ("a // b", ["a * b"]),
        ("a | b", ["a & b"]),
        ("a += b", ["a -= b"]),
        ("f(3)", ["f(4)"]),
        ("f(x=True)", ["f(x=False)"]),
        ("min(a)", ["max(a)"]),
        ("any(a)", ["all(a)"]),
        ("b if a else c", ["b if not a else c"]),
        ("x = None", []),
        ("x = 'word'", []),
        ("x: Final = 2", ["x: Final = 3"]),
        ("X: TypeAlias = Literal[1]", []),
        ("'''text 3'''", []),
        ("raise E(3)", []),
    ],
)
def test_each_kind_of_fault_is_planted_once(source: str, faults: list[str]) -> None:
    assert changed(source) == [ast.unparse(ast.parse(fault)) for fault in faults]


def test_returns_conditions_and_jumps_are_changed() -> None:
    source = (
        "def f(a: int = 1) -> int:\n    for b in a:\n        if b:\n            break\n    return b"
    )
    found = changed(source)
    assert len(found) == 4
    assert any("if not b:" in text for text in found)
    assert any("continue" in text for text in found)
    assert any("return None" in text for text in found)
    assert any("a: int=2" in text for text in found)
    assert changed("def f():\n    return None\n    return") == []


def test_class_keywords_and_decorators_stay() -> None:
    assert changed("@d(1)\nclass A(B, frozen=True):\n    x: int = 1") == [
        "@d(1)\nclass A(B, frozen=True):\n    x: int = 2"
    ]


def test_every_named_module_has_its_tests() -> None:
    for module, names in mutants.TESTS.items():
        assert mutants.source_of(module).exists(), module
        assert len(mutants.tests_of(module)) == len(names), module


def run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str) -> mutants.Outcome:
    """Measure a small module of its own with a small test of its own."""
    (tmp_path / "toys.py").write_text("def grown(age):\n    return age >= 18\n")
    (tmp_path / "test_toys.py").write_text(f"import toys\n\ndef test_it():\n    {test}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mutants, "source_of", lambda _module: tmp_path / "toys.py")
    monkeypatch.setattr(mutants, "tests_of", lambda _module: [str(tmp_path / "test_toys.py")])
    return mutants.measure("toys", workers=2, share=1.0, seed=1)


def test_a_good_test_notices_every_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run_on(tmp_path, monkeypatch, "assert toys.grown(18) is True and not toys.grown(17)")
    assert (found.planted, found.killed, found.survivors) == (3, 3, ())


def test_a_weak_test_leaves_survivors_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run_on(tmp_path, monkeypatch, "assert toys.grown(40)")
    assert (found.planted, found.killed) == (3, 1)
    assert found.survivors == ((2, "18 -> 19"), (2, "GtE -> Gt"))


def test_tests_that_fail_anyway_measure_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="without a fault"):
        run_on(tmp_path, monkeypatch, "assert not toys.grown(40)")


@pytest.mark.nightly
def test_nine_of_ten_faults_in_the_pure_modules_are_noticed() -> None:
    assert mutants.main([]) == 0
