"""`regul screenshots`: photographs every page of the console, on a world of its own.

Starts a throw-away service, lets a morning's calls happen through the API, and opens the pages in
a headless Chromium. The pictures are for README and docs; people look at them before they are
committed.
"""

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from server import seed
from server.client import Client
from server.refusal import Refusal
from server.stack import Stack, throw_away_home
from server.supervisor import tell

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

PICTURES: Final = Path("docs/screenshots")
_AMIENS: Final = {"lon": 2.2957, "lat": 49.8942, "insee": "80021", "address": "12 rue des Lilas"}
_ABBEVILLE: Final = {"lon": 1.8330, "lat": 50.1060, "insee": "80001"}
_SAID: Final = {
    "worsening_signs": "Gêne pour respirer, malaise.",
    "call_back": "Rappelez le 15.",
    "read_back": True,
}
_WIDE: Final = (1366, 768)
_NARROW: Final = (390, 844)
_CALLS: Final[tuple[tuple[str, float, str, dict[str, Any], dict[str, bool]], ...]] = (
    ("renouvellement d'ordonnance", 63, "F", _ABBEVILLE, {}),
    ("lombalgie depuis deux jours", 41, "M", _AMIENS, {}),
    ("mal de gorge et fièvre", 29, "F", _AMIENS, {}),
    ("douleur abdominale", 57, "F", _ABBEVILLE, {}),
    ("chute, douleur au poignet", 34, "M", _AMIENS, {}),
    ("essoufflé depuis ce matin", 78, "M", _ABBEVILLE, {}),
    ("ne se réveille pas", 66, "M", _AMIENS, {"responds": False, "breathes_normally": False}),
    ("dt, serre dans la poitrine", 54, "M", _AMIENS, {}),
)
"""Complaint as typed, age in years, sex, place, answers given: an ordinary morning."""


def main(arguments: list[str]) -> int:
    """Take the pictures.

    Args:
        arguments: None are known.

    Raises:
        Refusal: Chromium or its driver is missing, or an argument was given.
    """
    if arguments:
        raise Refusal("`regul screenshots` takes no arguments.")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise Refusal("Chromium is missing: apt-get install chromium.")
    began = time.monotonic()
    with throw_away_home() as home:
        asyncio.run(_run(home, chromium))
    tell(f"pictures in {PICTURES} after {time.monotonic() - began:.0f} s")
    return 0


async def _run(home: Path, chromium: str) -> None:
    try:
        from playwright.async_api import async_playwright
    except ModuleNotFoundError:
        raise Refusal("Playwright is missing: run it from a clone, through ./regul.") from None

    async def fill(stack: Stack) -> None:
        await seed.ensure(stack.dsn, stack.layout.keys / "master.key")

    demo = {"REGUL_DEMO": "1", "REGUL_ALLOW_DRAFT_PROTOCOLS": "1"}
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with Stack(home, throw_away=True, environ={}, settings=demo, seed=fill) as stack:
        morning = await _live(stack)
        async with async_playwright() as player:
            browser = await player.chromium.launch(executable_path=chromium)
            await _picture_pages(browser, stack.base_url, *morning)
            await browser.close()


async def _live(stack: Stack) -> tuple[list[str], str]:
    """Let the morning happen; give the cases in the order of their calls, and a hospital."""
    key_file = stack.layout.keys / "master.key"
    operator, physician, receiver = (
        Client(stack.base_url, seed.key(key_file, login))
        for login in ("operator", "physician", "receiver")
    )
    opened: list[str] = []
    for number, (complaint, age, sex, place, answers) in enumerate(_CALLS):
        caller = {"caller": {"phone": f"+3363998{612 + number:04d}"}}
        call = await operator.post("/api/v1/calls", caller, dict)
        body = {
            "call_id": call["id"],
            "complaint_text": complaint,
            "age_years": age,
            "sex": sex,
            "place": place,
            "patient": {"family_name": "Exemple"},
        }
        case = str((await operator.post("/api/v1/cases", body, dict))["id"])
        if answers:
            findings = [{"input": name, "value": value} for name, value in answers.items()]
            await operator.accepted("PUT", f"/api/v1/cases/{case}/findings", {"findings": findings})
        opened.append(case)
    for case in opened[1:7]:
        proposed = (await operator.get(f"/api/v1/cases/{case}", dict))["proposed_priority"]
        said = {"priority": proposed, "stream": "AMU"}
        await operator.post(f"/api/v1/cases/{case}/qualification", said)
    await _place(physician, receiver, opened)
    hospital = await _beds(receiver)
    for client in (operator, physician, receiver):
        await client.close()
    return opened, hospital


async def _beds(receiver: Client) -> str:
    """Let the emergency departments say their beds; give the first of them."""
    found = await receiver.get("/api/v1/care-services?service=emergency_department", dict)
    hospitals = [one["id"] for one in found["care_services"]]
    for number, hospital in enumerate(hospitals):
        for sequence, occupied, cause in ((1, 9, "census"), (2, 10 + number % 3, "admission")):
            said = {"sequence": sequence, "total": 12, "occupied": occupied, "cause": cause}
            for kind in ("emergency_place", "short_stay_bed")[: 2 - number % 2]:
                path = f"/api/v1/care-services/{hospital}/capacity/{kind}"
                await receiver.accepted("PUT", path, said)
    return str(hospitals[0])


async def _place(physician: Client, receiver: Client, opened: list[str]) -> None:
    """Decide three cases: one referred and accepted, one referred, one with places offered."""
    for at, service, acuity in (
        (6, "smur", "U0"),
        (5, "emergency_department", "U1"),
        (3, "general_practice", "U3"),
    ):
        decision = {
            "kind": "INTER" if service == "smur" else "ORIENT",
            "acuity": acuity,
            "service": service,
            "reason": "clinical_judgement",
            "safety_net": _SAID,
        }
        decided = await physician.post(f"/api/v1/cases/{opened[at]}/dispositions", decision, dict)
        found = await physician.post("/api/v1/offers", {"disposition_id": decided["id"]}, dict)
        if service == "general_practice":
            continue
        to = {
            "disposition_id": decided["id"],
            "care_service_id": found["places"][0]["care_service_id"],
        }
        sent = await physician.post("/api/v1/referrals", to, dict)
        if service == "smur":
            path = f"/api/v1/handoffs/{UUID(sent['handoff_id'])}/acknowledgements"
            await receiver.post(path, {})


async def _picture_pages(
    browser: "Browser", base_url: str, cases: list[str], hospital: str
) -> None:
    chest, abdomen = cases[7], cases[3]
    for name, login, path, size, dark in (
        ("connexion", "", "/login", _WIDE, False),
        ("poste", "operator", f"/poste/{chest}", _WIDE, False),
        ("poste-sombre", "operator", f"/poste/{chest}", _WIDE, True),
        ("nouvel-appel", "operator", "/poste/nouveau", _WIDE, False),
        ("regulation", "physician", f"/regulation/{abdomen}", _WIDE, False),
        ("option", "physician", f"/regulation/{abdomen}", _WIDE, False),
        ("relais", "supervisor", "/relais", _WIDE, False),
        ("lieu", "operator", f"/lieux/{hospital}", _WIDE, False),
        ("sources", "supervisor", "/sources", _WIDE, False),
        ("hopital", "receiver", "/cabinet", _WIDE, False),
        ("cabinet", "clinic", "/cabinet", _WIDE, False),
        ("cabinet-telephone", "clinic", "/cabinet", _NARROW, False),
    ):
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            locale="fr-FR",
            timezone_id="Europe/Paris",
        )
        page = await context.new_page()
        await _open(page, base_url, login, path)
        if name == "option":
            await page.locator("#hold-first").click()
            await page.wait_for_selector("#hold")
        await page.wait_for_timeout(1_200)
        await page.screenshot(path=PICTURES / f"{name}.png")
        await context.close()


async def _open(page: "Page", base_url: str, login: str, path: str) -> None:
    await page.goto(f"{base_url}/login")
    if not login:
        return
    await page.locator(f"button[name=account][value={login}]").click()
    await page.wait_for_selector('#live-state[data-state="on"]')
    await page.goto(base_url + path)
    await page.wait_for_selector('#live-state[data-state="on"]')
