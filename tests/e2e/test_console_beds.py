"""A hospital says its beds by keyboard; the centre sees them at once, and how old they may be."""

from collections.abc import Callable
from typing import Any

from tests.e2e.test_console_consent import until_loaded
from tests.e2e.test_console_pages import violations

Desks = Callable[..., Any]
Apis = Callable[[str], Any]


def test_beds_are_reported_by_keyboard_and_seen_live_by_the_centre(desk: Desks, api: Apis) -> None:
    until_loaded(api)
    hospital = desk("receiver")
    hospital.page.goto(hospital.base_url + "/cabinet")
    hospital.page.wait_for_selector('#live-state[data-state="on"]')
    hospital.page.locator("#beds details summary").first.wait_for()
    hospital.page.locator("#f-bed-kind").select_option("emergency_place")
    care_service = hospital.page.input_value("#f-bed-service")
    hospital.page.locator("#beds-new #f-occupied").focus()
    hospital.write("9")
    hospital.press("Tab")
    hospital.write("12")
    hospital.press("Enter")
    hospital.page.wait_for_selector("#beds-done:has-text('libres : 3 sur 12')")

    centre = desk("operator")
    centre.page.goto(f"{centre.base_url}/lieux/{care_service}")
    centre.page.wait_for_selector('#live-state[data-state="on"]')
    centre.page.wait_for_selector("[data-bed=emergency_place]:has-text('libres : 3 sur 12')")
    hospital.page.locator(f"#o-{care_service}-emergency_place").focus()
    hospital.press("ControlOrMeta+a")
    hospital.write("14")
    hospital.press("Enter")
    hospital.page.wait_for_selector("#beds-problem")
    hospital.page.locator("#beds button[value=admission]").first.press("Enter")
    hospital.page.wait_for_selector("#beds-done:has-text('libres : 2 sur 12')")
    centre.page.wait_for_selector("[data-bed=emergency_place]:has-text('libres : 2 sur 12')")
    rows = centre.page.locator("table.plain tbody tr").all_text_contents()
    assert "entrée" in rows[0]
    assert "comptage" in rows[1]
    assert violations(centre.page) == []
    assert violations(hospital.page) == []


def test_a_supervisor_sets_how_old_a_source_may_be_and_takes_it_back(
    desk: Desks, api: Apis
) -> None:
    office = desk("supervisor")
    office.page.goto(office.base_url + "/sources")
    row = "tr:has-text('editor_demo')"
    before = office.page.locator(f"{row} input[name=marked]").input_value()
    office.page.locator(f"{row} input[name=marked]").fill("9000")
    office.page.locator(f"{row} input[name=marked]").press("Enter")
    office.page.wait_for_selector("#sources-problem")
    office.page.locator(f"{row} input[name=marked]").fill("700")
    office.page.locator(f"{row} input[name=marked]").press("Enter")
    office.page.wait_for_selector("#sources-done")
    found = api("supervisor").send("GET", "/source-limits")["limits"]
    assert {one["source"]: one["marked_after_s"] for one in found}["editor_demo"] == 700 * 3600
    office.page.locator(f"{row} input[name=marked]").fill(before)
    office.page.locator(f"{row} input[name=marked]").press("Enter")
    office.page.wait_for_selector("#sources-done")
    assert api("operator").tried("PUT", "/source-limits/editor_demo", {
        "marked_after_s": 60, "refused_after_s": 60,
    }) == 403  # fmt: skip
