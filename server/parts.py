"""The `test` subcommand: everything CI runs, part by part, with each part's seconds.

Each part is a process of its own. The first failing part ends the run (`--keep-going` goes on);
the table is printed in any case, and last a line that counts all tests.
"""

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from server import wheel

ROOT: Final = Path(__file__).resolve().parent.parent
REPORTS: Final = ROOT / ".regul" / "reports"
COVERAGE: Final = ROOT / ".regul" / "coverage"
SUITES: Final = ("unit", "integration", "contract", "e2e")
NO_TESTS: Final = 5
BROWSER: Final = ("chromium", "fonts-dejavu-core")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run the parts.

    Attributes:
        nightly: Full sizes.
        extra: Arguments handed to pytest; paths under tests/ replace the whole directory.
    """

    nightly: bool
    extra: Sequence[str]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one part went.

    Attributes:
        part: Its name.
        seconds: How long it took.
        ok: Whether it passed.
    """

    part: str
    seconds: float
    ok: bool


def run(command: Sequence[str], **env: str) -> bool:
    """Run a command in the repository with its output shown; True when it exits 0.

    Args:
        command: Program and arguments.
        env: Variables added to the environment.
    """
    sys.stdout.flush()
    merged = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, cwd=ROOT, env=merged, check=False).returncode == 0


def check(_: Options) -> bool:
    """Run format, lint, types, imports and docstrings."""
    return run([sys.executable, "-P", "-m", "server.cli", "check"])


def suite(name: str) -> Callable[[Options], bool]:
    """Give the part that runs one directory of tests under branch coverage.

    Args:
        name: Directory under tests/.
    """

    def part(options: Options) -> bool:
        if name == "e2e":
            ensure_browser()
        return run_suite(name, options)

    return part


def run_suite(name: str, options: Options) -> bool:
    """Run one directory of tests; a missing or empty one passes.

    Args:
        name: Directory under tests/.
        options: How to run.
    """
    chosen = [word for word in options.extra if word.startswith("tests/")]
    mine = [word for word in chosen or [f"tests/{name}"] if word.startswith(f"tests/{name}")]
    if not mine or not (ROOT / "tests" / name).is_dir():
        print(f"nothing to run in tests/{name}")
        return True
    command = [sys.executable, "-P", "-m", "coverage", "run", "-m", "pytest", *mine]
    command += [word for word in options.extra if word not in chosen]
    command += ["--durations=5", f"--junitxml={REPORTS / name}.xml"]
    if options.nightly:
        command += ["-m", "not benchmark", f"--hypothesis-seed={secrets.randbelow(2**32)}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    sys.stdout.flush()
    done = subprocess.run(command, cwd=ROOT, env=env, check=False)
    return done.returncode in {0, NO_TESTS}


def ensure_browser() -> None:
    """Install Debian's Chromium when there is none and we may; say loudly when there stays none."""
    if shutil.which("chromium") or shutil.which("chromium-browser"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("regul: installing Chromium from Debian (once)", file=sys.stderr)
        install = ["install", "-q", "-y", "--no-install-recommends", *BROWSER]
        for words in (["update", "-q"], install):
            run(["/usr/bin/apt-get", *words], DEBIAN_FRONTEND="noninteractive")
    if not shutil.which("chromium"):
        print("\n*** NO CHROMIUM: browser tests are skipped (in CI: they fail) ***\n", flush=True)


def coverage(_: Options) -> bool:
    """Join what the suites measured and compare it with the floor in pyproject.toml."""
    tool = [sys.executable, "-P", "-m", "coverage"]
    return run([*tool, "combine", "-q"]) and run([*tool, "report"])


def smoke(_: Options) -> bool:
    """Build the wheel, install it in a clean environment, run it."""
    try:
        return wheel.smoke()
    except subprocess.CalledProcessError as error:
        print(f"{Path(error.cmd[0]).name} failed with {error.returncode}")
        return False


PARTS: Final[dict[str, Callable[[Options], bool]]] = {
    "check": check,
    **{name: suite(name) for name in SUITES},
    "wheel": smoke,
    "coverage": coverage,
}


def counts() -> tuple[int, int, int]:
    """Add up the suites' reports: passed, failed, skipped."""
    total = failed = skipped = 0
    for report in REPORTS.glob("*.xml"):
        for node in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own report
            total += int(node.get("tests", 0))
            failed += int(node.get("failures", 0)) + int(node.get("errors", 0))
            skipped += int(node.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def conclude(outcomes: Sequence[Outcome]) -> None:
    """Print the table of parts and the line that counts all tests.

    Args:
        outcomes: In the order they ran.
    """
    print(f"\n{'part':<12} {'seconds':>8}  result")
    for outcome in outcomes:
        print(f"{outcome.part:<12} {outcome.seconds:>8.1f}  {'ok' if outcome.ok else 'FAILED'}")
    print(f"{'all':<12} {sum(outcome.seconds for outcome in outcomes):>8.1f}")
    passed, failed, skipped = counts()
    if passed + failed + skipped:
        print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


def parse(arguments: list[str]) -> tuple[list[str], bool, Options]:
    """Read the command line: the parts to run, whether to go on after a failure, the options.

    Args:
        arguments: Words after `test`; those after `--` go to pytest.
    """
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="regul test", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="run only this part")
    parser.add_argument("--nightly", action="store_true", help="full sizes")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failing part")
    parsed = parser.parse_args(arguments[:split])
    options = Options(nightly=parsed.nightly, extra=arguments[split + 1 :])
    return parsed.only or list(PARTS), parsed.keep_going, options


def main(arguments: list[str]) -> int:
    """Run the parts in order and give 1 when one failed.

    Args:
        arguments: See `regul test --help`.
    """
    names, keep_going, options = parse(arguments)
    for directory in (REPORTS, COVERAGE):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    outcomes: list[Outcome] = []
    for name in PARTS:
        if name not in names:
            continue
        print(f"\n=== {name} ===", flush=True)
        began = time.monotonic()
        ok = PARTS[name](options)
        outcomes.append(Outcome(part=name, seconds=time.monotonic() - began, ok=ok))
        if not ok and not keep_going:
            break
    conclude(outcomes)
    return 0 if all(outcome.ok for outcome in outcomes) else 1
