"""Every page in both languages: accessible, quiet, and from its own origin only."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PAGES = [
    ("operator", "/poste"),
    ("operator", "/poste/nouveau"),
    ("physician", "/regulation"),
    ("supervisor", "/relais"),
    ("supervisor", "/sources"),
    ("receiver", "/cabinet"),
    ("clinic", "/cabinet"),
    ("clinic", "/relais"),
]


def violations(page: Any) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(("login", "path"), PAGES)
def test_a_page_has_no_accessibility_violation(
    desk: Callable[..., Any], login: str, path: str, language: str
) -> None:
    one = desk(login, language)
    one.page.goto(one.base_url + path)
    one.page.wait_for_selector('#live-state[data-state="on"]')
    assert one.page.get_attribute("html", "lang") == language
    assert violations(one.page) == []
