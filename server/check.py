"""The `check` subcommand: format, lint, types, import layers, docstrings, protocols proved.

Needs the dev lock.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from server.environment import ROOMS

ROOT: Final = Path(__file__).resolve().parent.parent


def steps(*, fix: bool) -> dict[str, list[str]]:
    """Give the steps in order, each with its command line.

    Args:
        fix: Format and apply safe lint fixes instead of only reporting.
    """
    binaries = Path(sys.executable).parent
    python = sys.executable
    lint = [python, "-m", "ruff", "check", "--output-format", "concise"]
    # Again and apart from lint: here no file may excuse itself.
    docstrings = [*lint, "--select", "D", "--ignore", "D105,D107", "--ignore-noqa"]
    rooms = [room for room in ROOMS if (ROOT / room / "__init__.py").exists()]
    return {
        "format": [python, "-m", "ruff", "format", *([] if fix else ["--check"]), "."],
        "lint": [*lint, *(["--fix"] if fix else []), "."],
        "types": [python, "-m", "mypy", *rooms, "tests"],
        "imports": [str(binaries / "lint-imports"), "--cache-dir", ".regul/cache/imports"],
        "docstrings": [*docstrings, *rooms],
        "protocols": [python, "-P", "-m", "server.cli", "protocols", "check"],
        "patients": [python, "-P", "-m", "server.cli", "protocols", "metamorphic"],
    }


def main(arguments: list[str]) -> int:
    """Run every step, also after a failing one; give 1 when any failed.

    Args:
        arguments: `--fix` to format and fix; names of steps to run only those.
    """
    parser = argparse.ArgumentParser(prog="regul check", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="format, and fix what is safe to fix")
    parser.add_argument("step", nargs="*", help=f"only these: {' '.join(steps(fix=False))}")
    options = parser.parse_args(arguments)
    wanted = steps(fix=options.fix)
    for name in set(options.step) - set(wanted):
        parser.error(f"no step {name!r}; steps are {', '.join(wanted)}")
    env = dict(
        os.environ,
        PYTHONPATH=str(ROOT),
        MYPY_CACHE_DIR=str(ROOT / ".regul/cache/mypy"),
        RUFF_CACHE_DIR=str(ROOT / ".regul/cache/ruff"),
    )
    failed = []
    for name, command in wanted.items():
        if options.step and name not in options.step:
            continue
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=env, check=False, capture_output=True, text=True
        )
        verdict = "ok" if done.returncode == 0 else "FAILED"
        print(f"{name:<11} {verdict:<7} {time.monotonic() - began:5.1f} s", flush=True)
        if done.returncode:
            print(done.stdout + done.stderr, flush=True)
            failed.append(name)
    return 1 if failed else 0
