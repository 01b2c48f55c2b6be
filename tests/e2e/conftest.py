"""A real browser in front of a whole running Régul; every page is watched while it is used.

A watched page fails its test when it logs an error, asks another origin for anything, or breaks
its own content security policy.
"""

import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tests.e2e.phones import a_phone

if TYPE_CHECKING:
    from tests.running import Running

SIGNED_IN_MS = 60_000
AMIENS = {"lon": 2.2957, "lat": 49.8942, "insee": "80021"}


class Api:
    """The service as a program sees it, on behalf of one demo account: to arrange a test."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url
        self._key = key

    def send(self, method: str, path: str, body: object = None) -> Any:
        status, text = self._exchange(method, path, body)
        assert status < 300, text
        return json.loads(text or b"null")

    def tried(self, method: str, path: str, body: object = None) -> int:
        return self._exchange(method, path, body)[0]

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        where = urlsplit(self._base_url)
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        line.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        answer = line.getresponse()
        text = answer.read()
        line.close()
        return answer.status, text

    def open_case(self, complaint: str, phone: str = "", **given: object) -> str:
        """Take a call and open its case in Amiens; give the case's id."""
        call = self.send("POST", "/calls", {"caller": {"phone": phone or a_phone()}})
        case = {
            "call_id": call["id"],
            "complaint_text": complaint,
            "age_years": 44,
            "place": AMIENS,
        }
        return str(self.send("POST", "/cases", case | given)["id"])

    def qualify(self, case_id: str, priority: str = "P2", stream: str = "SNP") -> None:
        body = {"priority": priority, "stream": stream, "reason": "clinical_judgement"}
        self.send("POST", f"/cases/{case_id}/qualification", body)

    def decide(self, case_id: str, acuity: str = "U4", service: str = "general_practice") -> str:
        said = {"worsening_signs": "a", "call_back": "b", "read_back": True}
        body = {
            "kind": "ORIENT",
            "acuity": acuity,
            "service": service,
            "reason": "clinical_judgement",
            "safety_net": said,
        }
        return str(self.send("POST", f"/cases/{case_id}/dispositions", body)["id"])


class Desk:
    """One signed-in reader in a browser context of their own.

    Attributes:
        page: The page they work on.
        troubles: What went wrong on it, in words.
        keys: Command keys pressed so far; typed text does not count.
    """

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self.context = context
        self.base_url = base_url
        self.troubles: list[str] = []
        self.allowed: list[str] = []
        self.keys = 0
        self.page = self.open()

    def open(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("request", self._see)
        page.on("dialog", lambda dialog: self.troubles.append(f"dialog: {dialog.message}"))
        page.set_default_timeout(SIGNED_IN_MS)
        return page

    def sign_in(self, login: str) -> "Desk":
        self.page.goto(f"{self.base_url}/login")
        self.page.locator(f"button[name=account][value={login}]").click()
        self.page.wait_for_url(lambda url: urlsplit(url).path not in {"/login", "/session", "/"})
        self.page.wait_for_selector('#live-state[data-state="on"]')
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.keys += 1
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.page.keyboard.insert_text(text)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        origin = urlsplit(self.base_url).netloc
        if urlsplit(request.url).netloc != origin and not request.url.startswith("data:"):
            self.troubles.append(f"other origin: {request.url}")

    def check(self) -> None:
        left = [one for one in self.troubles if not any(word in one for word in self.allowed)]
        assert left == []


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Start Debian's Chromium once."""
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=chromium)
        yield started
        started.close()


@pytest.fixture
def desk(browser: Browser, running: "Running") -> Iterator[Callable[..., Desk]]:
    """Give a maker of signed-in desks; each is checked at the end of the test."""
    made: list[Desk] = []

    def make(login: str, language: str = "fr", **options: object) -> Desk:
        context = browser.new_context(
            locale="fr-FR" if language == "fr" else "en-GB",
            timezone_id="Europe/Paris",
            viewport={"width": 1366, "height": 768},
            **options,  # type: ignore[arg-type]
        )
        context.add_cookies(
            [{"name": "regul_language", "value": language, "url": running.told.base_url}]
        )
        made.append(Desk(context, running.told.base_url))
        return made[-1].sign_in(login)

    yield make
    for one in made:
        one.context.close()
    for one in made:
        one.check()


@pytest.fixture
def api(running: "Running") -> Callable[[str], Api]:
    """Give a maker of API clients by login."""
    return lambda login: Api(running.told.base_url, running.api_key(login))
