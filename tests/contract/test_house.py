"""House rules that a reader relies on: sizes, room files, and docs that name what exists."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel import settings

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "events", "triage", "directory", "routing", "console", "interop", "server")
LONGEST_MODULE = 450
LONGEST_FUNCTION = 40
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines after the docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return 0 if not body else (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= LONGEST_MODULE
    long = {
        node.name: lines_of_code(node)
        for node in functions(ast.parse(text))
        if lines_of_code(node) > LONGEST_FUNCTION
    }
    assert long == {}
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_opens_with_one_docstring(room: str) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_no_module_shadows_its_room() -> None:
    assert [room for room in ROOMS if (ROOT / room / f"{room}.py").exists()] == []


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert [name for name in settings.VARIABLES if f"`{name}`" not in text] == []


def test_every_event_kind_is_documented() -> None:
    from events import catalogue

    text = (ROOT / "docs" / "events.md").read_text("utf-8")
    assert [kind for kind in catalogue.KINDS if f"`{kind}`" not in text] == []


def test_every_decision_has_its_check() -> None:
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        text = path.read_text("utf-8")
        for part in (
            "**Context.**",
            "**Decision.**",
            "**Consequences.**",
            "**Alternatives.**",
            "**Check.**",
        ):
            assert part in text, f"{path.name} lacks {part}"


def test_relative_links_in_documents_lead_somewhere() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    broken = []
    for name in tracked:
        path = ROOT / name
        if not path.exists():
            continue
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        broken += [f"{name} -> {one}" for one in targets if not (path.parent / one).exists()]
    assert broken == []
