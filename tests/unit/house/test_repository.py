"""Rules of the repository itself: locks, registry addresses, the command, one name one owner."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from server import cli, environment
from server.refusal import Refusal

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-boot.lock")
# Spelled in two parts, so that this file holds none of them.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "yarnpkg" + ".com",
    "deb.debian" + ".org",
    "crates" + ".io",
]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def regul(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        cwd="/",
    )


def test_no_tracked_file_names_a_registry_host() -> None:
    hosts = re.compile("|".join(map(re.escape, REGISTRIES)).encode())
    named = [path.name for path in tracked() if path.is_file() and hosts.search(path.read_bytes())]
    assert named == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_distribution_carries_a_hash(name: str) -> None:
    joined = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    pinned = [line for line in joined.splitlines() if re.match(r"[a-z0-9]", line)]
    assert pinned
    assert [line for line in pinned if "--hash=sha256:" not in line or "==" not in line] == []


def test_the_development_lock_contains_the_run_time_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"(?m)^[a-z0-9][\w.-]*==\S+", (ROOT / name).read_text("utf-8")))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_front_end_packages_are_locked_by_integrity_without_an_address() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))
    assert set(wanted["vendor"]) == set(wanted["dependencies"])


def test_front_end_packages_and_environments_are_never_committed() -> None:
    forbidden = (".venv", ".regul", "node_modules", "vendor", "uv.lock", "pylock.toml")
    found = [path for path in tracked() if set(path.relative_to(ROOT).parts) & set(forbidden)]
    assert found == []


def test_the_command_needs_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "regul").read_text("utf-8"))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names <= set(sys.stdlib_module_names)


def test_the_command_parses_on_a_python_that_is_too_old_to_run_it() -> None:
    ast.parse((ROOT / "regul").read_text("utf-8"), feature_version=(3, 7))
    ast.parse((ROOT / "server" / "child.py").read_text("utf-8"), feature_version=(3, 7))


def test_the_command_is_executable() -> None:
    assert os.access(ROOT / "regul", os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_help_lists_every_subcommand() -> None:
    told = regul("--help")
    listed = set(re.findall(r"(?m)^  (\w+(?: \w+)?)  ", told.stdout))
    assert told.returncode == 0
    assert listed == set(cli.available())
    assert {"test", "check", "migrate"} <= listed


def test_help_imports_nothing_that_is_installed() -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", (f"import sys; sys.path.insert(0, {str(ROOT)!r});"
         "from server import cli; raise SystemExit(cli.run(['--help']))")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("name", cli.available())
def test_every_subcommand_has_a_main(name: str) -> None:
    module = importlib.import_module(cli.available()[name].module)
    assert callable(module.main)


def test_an_unknown_subcommand_is_refused_in_one_sentence() -> None:
    told = regul("dance")
    assert told.returncode == 2
    assert told.stderr.strip() == "regul: no command 'dance'; ./regul --help lists them."


def test_another_distribution_owning_one_of_our_names_is_seen() -> None:
    owners = {"events": ["Events"], "kernel": ["regul"], "yaml": ["PyYAML"]}
    assert environment.foreign_owners(owners) == [("events", "Events")]


def foreign_distribution(directory: Path) -> None:
    (directory / "events").mkdir()
    (directory / "events" / "__init__.py").write_text("")
    info = directory / "events-0.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Events\nVersion: 0.5\n")
    (info / "top_level.txt").write_text("events\n")
    (info / "RECORD").write_text("events/__init__.py,,\n")


def test_a_foreign_events_distribution_is_refused_with_exit_code_2(tmp_path: Path) -> None:
    foreign_distribution(tmp_path)
    told = regul("migrate", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert told.returncode == 2
    assert "'Events' owns the package name 'events'" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_foreign_events_directory_before_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "__init__.py").write_text("")
    told = regul("migrate", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert told.returncode == 2
    assert "would be imported from" in told.stderr


def test_our_own_environment_is_accepted() -> None:
    environment.refuse_foreign_packages(ROOT)


def test_rooms_imported_from_elsewhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="not Régul's"):
        environment.refuse_foreign_packages(tmp_path)


def test_an_unwritable_home_ends_with_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = regul("migrate", REGUL_HOME=str(tmp_path / "file" / ".regul"), DATABASE_URL="")
    assert told.returncode == 2
    assert told.stderr.startswith("regul: Cannot write ")
    assert len(told.stderr.splitlines()) == 1
