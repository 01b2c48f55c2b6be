"""Build the wheel, install it with its locked dependencies in a clean environment, and run it.

The wheel must hold every tracked file of the rooms and the front-end packages, which are never
committed. Used by `./regul test`; needs the dev lock.
"""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from server.environment import ROOMS

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / ".regul" / "wheel"
VENDOR: Final = "console/static/vendor/htmx.org/htmx.min.js"


def tracked() -> set[str]:
    """Give the tracked files of the rooms, as paths from the repository's root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *ROOMS],  # noqa: S607 - git is found on PATH
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def build() -> Path:
    """Build the wheel without build isolation; give its path."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(WORK)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr.fileno())
    return next(WORK.glob("*.whl"))


def missing(wheel: Path) -> set[str]:
    """Give what the wheel should hold and does not.

    Args:
        wheel: Path of the wheel.
    """
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    return (tracked() | {VENDOR}) - held


def install(wheel: Path) -> Path:
    """Install the wheel and the run-time lock in a fresh environment; give its directory.

    Args:
        wheel: Path of the wheel.
    """
    venv = WORK / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        tool = [str(uv), "pip", "install", "--python", python, "-q"]
    else:
        tool = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    lock = ["--require-hashes", "--only-binary=:all:", "-r", str(ROOT / "requirements.lock")]
    for what in (lock, ["--no-deps", str(wheel)]):
        subprocess.run([*tool, *what], check=True, stdout=sys.stderr.fileno())
    return venv


def runs(command: Sequence[str]) -> bool:
    """Run a command of the clean environment outside the repository; True when it exits 0.

    Args:
        command: Program and arguments.
    """
    env = {"PATH": "/usr/bin:/bin", "HOME": str(WORK)}
    return subprocess.run(command, cwd=WORK, env=env, check=False).returncode == 0


def smoke() -> bool:
    """Build, compare, install, import every room, ask for help; True when all of it went well."""
    wheel = build()
    if lost := missing(wheel):
        sys.stdout.write(f"the wheel lacks: {', '.join(sorted(lost))}\n")
        return False
    venv = install(wheel)
    rooms = [room for room in ROOMS if (ROOT / room / "__init__.py").exists()]
    imports = f"import {', '.join(rooms)}; from server import cli, stack, environment as e; "
    check = "e.refuse_foreign_packages()"
    python = str(venv / "bin" / "python")
    return runs([str(venv / "bin" / "regul"), "--help"]) and runs([python, "-Ic", imports + check])
