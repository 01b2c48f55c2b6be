"""Every refusal code that the source can raise stands in docs/errors.md, under its family."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from server import problems

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "events", "triage", "directory", "routing", "console", "interop", "server")
FAMILIES = {one.__name__ for one in problems.STATUSES}
PAGE = (ROOT / "docs" / "errors.md").read_text("utf-8")


def strings(node: ast.expr) -> list[str]:
    return [
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def raised(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield family and code of each refusal built in a module."""
    for function in ast.walk(tree):
        body = getattr(function, "body", None)
        last: list[str] = []
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Assign) and name_of(statement.targets[0]) == "code":
                last = strings(statement.value)
            for call in ast.walk(statement):
                if not isinstance(call, ast.Call) or not call.args:
                    continue
                name = name_of(call.func)
                if name == "refuses":
                    yield name_of(call.args[1]), strings(call.args[2])[0]
                elif name in FAMILIES:
                    first = call.args[0]
                    codes = last if isinstance(first, ast.Name) else strings(first)
                    yield from ((name, code) for code in codes)


def found() -> dict[str, set[str]]:
    codes: dict[str, set[str]] = defaultdict(set)
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for family, code in raised(ast.parse(path.read_text("utf-8"))):
                if re.fullmatch(r"[a-z][a-z0-9_]+", code):
                    codes[family].add(code)
    return codes


def documented() -> dict[str, set[str]]:
    sections = re.split(r"^## (\w+).*$", PAGE, flags=re.MULTILINE)[1:]
    return {
        family: set(re.findall(r"`([a-z][a-z0-9_]+)`", text))
        for family, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_every_code_is_documented_under_its_family() -> None:
    known = documented()
    missing = {
        family: sorted(codes - known.get(family, set()))
        for family, codes in found().items()
        if codes - known.get(family, set())
    }
    assert missing == {}


def test_every_family_has_its_section() -> None:
    assert documented().keys() == FAMILIES
