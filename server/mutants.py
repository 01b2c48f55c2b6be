"""`regul mutants`: plant one small fault at a time in the pure modules; do the tests notice?

Each fault runs in a process of its own, forked before anything of ours is imported, in which an
import hook hands out the changed module: no file is touched and no copy of the tree is made. A
fault counts as killed when a test fails, errs or runs out of time. Needs the dev lock.

The libraries for this want a changed copy of the tree beside it, or start a new interpreter
for each fault; two processes that fork do 1,000 faults in minutes.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import msgspec

from server.mutation import Mutant, mutants

ROOT: Final = Path(__file__).resolve().parent.parent
GOAL: Final = 0.90
"""Share of the faults that tests must notice."""
_SLOWEST: Final = 60
"""Seconds after which a changed module counts as noticed: it hangs."""

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "triage.acuity": ("test_acuity_scale",),
    "triage.expression": ("test_conditions_grammar",),
    "triage.conditions": ("test_conditions_grammar",),
    "triage.scoring": ("test_score_intervals",),
    "triage.finding": ("test_finding_refusals", "test_observers"),
    "triage.oracle": ("test_engine_rules", "test_population_gates", "test_interval_engine"),
    "triage.engine": ("test_engine_rules", "test_population_gates", "test_interval_engine"),
    "triage.reading": ("test_engine_rules", "test_population_gates", "test_interval_engine"),
    "triage.compiler": ("test_engine_rules", "test_compiled_engine"),
    "triage.working_order": ("test_working_order",),
    "triage.entitlement": ("test_case_states", "test_levels_in_force"),
    "triage.standing": ("test_levels_in_force",),
    "triage.ladder": ("test_ladders", "test_protocol_proofs"),
    "triage.circuit": ("test_proof_worlds", "test_protocol_proofs"),
}
"""Pure modules, and the tests (of tests/unit/triage) that answer for them, quickest first."""


_QUIET: Final = (
    "-x",
    "-q",
    "--noconftest",
    "--no-header",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
_PRELOADED: Final = ("pytest", "hypothesis", "msgspec", "numpy", "ortools.sat.python.cp_model")
"""Other people's modules that every process would import again."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the faults of one module; `survivors` are line and fault."""

    module: str
    planted: int
    killed: int
    seconds: float
    survivors: tuple[tuple[int, str], ...]


class _Changed(importlib.abc.Loader):
    """Loads one module from code that was changed."""

    def __init__(self, code: CodeType) -> None:
        self._code = code

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code as the module."""
        exec(self._code, module.__dict__)  # noqa: S102 - our own source with one node changed


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module changed, and leaves all others to the usual way."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name = name
        self._path = path
        self._code = code

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for the changed module only."""
        del path, target
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, _Changed(self._code), origin=str(self._path)
        )


def source_of(module: str) -> Path:
    """Give the file of a module of ours.

    Args:
        module: Dotted name.
    """
    return ROOT / (module.replace(".", "/") + ".py")


def tests_of(module: str) -> list[str]:
    """Give the test files that answer for a module, those that exist.

    Args:
        module: One of `TESTS`.
    """
    paths = (ROOT / "tests/unit/triage" / f"{name}.py" for name in TESTS[module])
    return [str(path) for path in paths if path.exists()]


def _start(module: str, tree: ast.Module | None, tests: Sequence[str]) -> int:
    """Fork a process that runs the tests on a changed module; exit code 0 means unnoticed."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.alarm(_SLOWEST)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        if tree is not None:
            path = source_of(module)
            compiled = compile(ast.fix_missing_locations(tree), str(path), "exec")
            sys.meta_path.insert(0, _Finder(module, path, compiled))
        run = importlib.import_module("pytest").main
        code = next((c for c in (int(run([*_QUIET, test])) for test in tests) if c), 0)
    finally:
        os._exit(code)


def _wait(running: dict[int, Mutant | None]) -> tuple[Mutant | None, bool]:
    """Wait for one process; tell which fault it had, and whether it was noticed."""
    child, status = os.wait()
    return running.pop(child), os.waitstatus_to_exitcode(status) != 0


def measure(module: str, workers: int, share: float, seed: int) -> Outcome:
    """Plant faults in one module and run its tests on each.

    Args:
        module: One of `TESTS`.
        workers: Processes at a time.
        share: Share of the faults to try, drawn by the seed; 1 is all.
        seed: Of that draw.

    Raises:
        RuntimeError: The tests fail without any fault.
    """
    tests = tests_of(module)
    begun = time.monotonic()
    running: dict[int, Mutant | None] = {_start(module, None, tests): None}
    if _wait(running)[1]:
        raise RuntimeError(f"{module}: its tests fail without a fault")
    draw = random.Random(seed)
    planted = [one for one in mutants(source_of(module).read_text()) if draw.random() < share]
    survivors: list[Mutant] = []
    for one in planted:
        running[_start(module, one.tree, tests)] = one
        if len(running) >= workers:
            survivors += _unnoticed(running)
    while running:
        survivors += _unnoticed(running)
    return Outcome(
        module=module,
        planted=len(planted),
        killed=len(planted) - len(survivors),
        seconds=time.monotonic() - begun,
        survivors=tuple(sorted((one.line, one.what) for one in survivors)),
    )


def _unnoticed(running: dict[int, Mutant | None]) -> list[Mutant]:
    """Wait for one process; give its fault when no test noticed."""
    mutant, noticed = _wait(running)
    return [] if noticed or mutant is None else [mutant]


def _preload() -> None:
    """Import what every process would import again: other people's modules, pytest's plugins."""
    for name in _PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module("pytest").main([*_QUIET, "--collect-only", empty])


def _say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Measure modules; 1 when tests notice less than 90 % of the faults.

    Args:
        arguments: Names of modules (all by default), `--share`, `--seed`, `--workers`.
    """
    parser = argparse.ArgumentParser(prog="regul mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as triage.scoring")
    parser.add_argument("--share", type=float, default=1.0, help="of the faults, drawn by seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args(arguments)
    unknown = set(options.modules) - set(TESTS)
    if unknown:
        parser.error(f"not a pure module: {', '.join(sorted(unknown))}")
    _preload()
    planted = killed = 0
    for module in options.modules or TESTS:
        if not tests_of(module) or not source_of(module).exists():
            continue
        outcome = measure(module, options.workers, options.share, options.seed)
        planted, killed = planted + outcome.planted, killed + outcome.killed
        _say(
            f"{module:24} {outcome.killed:4} of {outcome.planted:4} noticed"
            f" {outcome.killed / max(1, outcome.planted):6.1%} {outcome.seconds:6.1f} s"
        )
        for line, what in outcome.survivors:
            _say(f"    line {line}: {what}")
    noticed = killed / max(1, planted)
    _say(f"{killed} of {planted} faults noticed: {noticed:.1%} (goal {GOAL:.0%})")
    return 0 if noticed >= GOAL else 1
