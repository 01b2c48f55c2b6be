"""A clinic says what it agrees to, that its doctor is away, and what it contests: by keyboard."""

import time
from collections.abc import Callable
from typing import Any

Desks = Callable[..., Any]
Apis = Callable[[str], Any]


def until_loaded(api: Apis) -> None:
    """Wait until the directory has been read: a clinic's page says so until then."""
    operator = api("operator")
    case_id = operator.open_case("mal de gorge depuis hier")
    operator.qualify(case_id)
    api("physician").decide(case_id, "U4")
    found = api("physician").send("GET", f"/cases/{case_id}")["dispositions"]
    end = time.monotonic() + 30
    while api("physician").tried("POST", "/offers", {"disposition_id": found[0]["id"]}) == 503:
        assert time.monotonic() < end


def test_a_clinic_sets_its_consent_is_away_and_contests_by_keyboard(desk: Desks, api: Apis) -> None:
    until_loaded(api)
    clinic = desk("clinic")
    clinic.page.goto(clinic.base_url + "/cabinet")
    clinic.page.wait_for_selector('#live-state[data-state="on"]')
    schedule = clinic.page.input_value("#week-schedule")

    def stored() -> Any:
        found = api("clinic").send("GET", "/schedules?limit=200")["schedules"]
        return next(one for one in found if one["id"] == schedule)

    clinic.page.locator("#f-quota").focus()
    clinic.press("ControlOrMeta+a")
    clinic.write("lots")
    clinic.press("Enter")
    clinic.page.wait_for_selector("#e-quota")
    clinic.page.locator("#f-quota").focus()
    clinic.press("ControlOrMeta+a")
    clinic.write("4")
    clinic.press("Tab", "ControlOrMeta+a")
    clinic.write("24")
    clinic.press("Tab", "ControlOrMeta+a")
    clinic.write("18h")
    clinic.press("Enter")
    clinic.page.wait_for_selector("#agreement .done:has-text('Accord enregistré')")
    assert clinic.page.input_value("#f-clock") == "18:00"
    found = stored()
    agreed = (found["quota_per_day"], found["release_before_s"], found["release_min"])
    assert agreed == (4, 86_400, 1080)

    clinic.page.fill("#f-since", "2035-01-01")
    clinic.page.locator("#f-since").press("Enter")
    clinic.page.wait_for_selector("#agreement .done:has-text('0 créneaux retirés')")

    trust = f"/organisations/{found['organisation_id']}/trust"
    percent = round(100 * api("supervisor").send("GET", trust)["acceptance"])
    assert clinic.page.locator("#trust h3 .num").text_content() == f"{percent} %"
    clinic.page.locator("#contest-form button").press("Enter")
    clinic.page.wait_for_selector("#agreement .done:has-text('Contestation transmise')")
    clinic.page.wait_for_selector("#trust:has-text('demande jamais reçue')")
    shown = api("supervisor").send("GET", trust)
    assert [one["reason"] for one in shown["contests"]] == ["never_received"]

    for name in ("#f-quota", "#f-hours", "#f-clock"):
        clinic.page.fill(name, "")
    clinic.page.locator("#f-clock").press("Enter")
    clinic.page.wait_for_selector("#agreement .done:has-text('Accord enregistré')")
    assert stored()["quota_per_day"] is None
