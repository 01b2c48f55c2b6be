"""Levels that fall by a human's word only, answers asked again, patients called again."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.phones import a_phone

Desks = Callable[..., Any]
Apis = Callable[[str], Any]


def told(api: Any, case_id: str, **values: object) -> None:
    findings = [{"input": key, "value": value} for key, value in values.items()]
    api.send("PUT", f"/cases/{case_id}/findings", {"findings": findings})


def as_admin(running: Any, statement: str, case_id: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(running.told.admin_dsn)
        try:
            await connection.execute(statement, case_id)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as apart:  # a loop runs already where the browser is driven
        apart.submit(lambda: asyncio.run(run())).result()


def a_correction(api: Any) -> str:
    case_id: str = api.open_case("mal de dos")
    told(api, case_id, responds=False, breathes_normally=False)
    return case_id


def test_a_corrected_answer_waits_for_the_physician_who_confirms_it(desk: Desks, api: Apis) -> None:
    case_id = a_correction(api("operator"))
    operator = desk("operator")
    operator.page.goto(f"{operator.base_url}/poste/{case_id}")
    assert operator.page.get_attribute("#triage", "data-level") == "U0"
    operator.page.locator("#given > summary").click()
    for key in ("responds", "breathes_normally"):
        line = operator.page.locator(f"#given li:has(input[name=input][value={key}])")
        line.locator("summary").click()
        line.locator('button[value="true"]').click()
        operator.page.wait_for_function(
            "key => document.querySelector(`#given li:has(input[value=${key}]) > span.strong`)"
            "?.textContent.trim() === 'Oui'",
            arg=key,
        )
    operator.page.wait_for_selector("#lower")
    assert "à confirmer" in (operator.page.text_content("#lower") or "")
    assert operator.page.locator("#lower button").count() == 0
    assert operator.page.get_attribute("#triage", "data-level") == "U0"

    physician = desk("physician")
    physician.page.goto(f"{physician.base_url}/regulation/{case_id}")
    physician.page.select_option("#f-lower-reason", "misheard")
    physician.page.locator("#lower button").click()
    physician.page.wait_for_selector("#lower", state="detached")
    assert physician.page.get_attribute("#triage", "data-level") != "U0"
    assert "Niveau abaissé" in (physician.page.text_content(".timeline") or "")
    operator.page.wait_for_selector("#lower", state="detached")


def test_an_odd_value_counts_once_it_is_confirmed(desk: Desks, api: Apis) -> None:
    case_id = api("operator").open_case("mal de dos")
    told(api("operator"), case_id, spo2=55)
    operator = desk("operator", "en")
    operator.page.goto(f"{operator.base_url}/poste/{case_id}")
    odd = operator.page.locator('[data-odd="spo2"]')
    assert "55" in (odd.text_content() or "")
    odd.locator("button").first.click()
    operator.page.wait_for_selector('[data-odd="spo2"]', state="detached")
    operator.page.wait_for_function("() => document.querySelector('#triage').dataset.level")


def test_what_can_not_be_is_said_with_what_is_expected(desk: Desks, api: Apis) -> None:
    case_id = api("operator").open_case("mal de dos")
    operator = desk("operator")
    operator.page.goto(f"{operator.base_url}/poste/{case_id}")
    told(api("operator"), case_id, temp_c=38)
    operator.page.reload()
    operator.page.locator("#given > summary").click()
    line = operator.page.locator("#given li:has(input[name=input][value=temp_c])")
    line.locator("summary").click()
    line.locator("input[name=value]").fill("98,6")
    line.locator("button").first.click()
    operator.page.wait_for_selector("#triage .refused")
    assert "45" in (operator.page.text_content("#triage .refused") or "")


def test_old_answers_and_overdue_calls_are_shown_and_answered(
    desk: Desks, api: Apis, running: Any
) -> None:
    case_id = api("operator").open_case("mal de dos")
    told(api("operator"), case_id, spo2=97)
    as_admin(
        running,
        "update triage.finding set valid_until = now() - interval '1 minute'"
        " where case_id = $1::uuid and input = 'spo2'",
        case_id,
    )
    as_admin(
        running,
        "update triage.callback set due_at = now() - interval '1 minute' where case_id = $1::uuid",
        case_id,
    )
    operator = desk("operator")
    operator.page.goto(f"{operator.base_url}/poste/{case_id}")
    assert operator.page.locator('#expired input[value="spo2"]').count() == 1
    assert "en retard" in (operator.page.text_content("#recall") or "")
    assert "en retard" in (operator.page.text_content(f"#q-{case_id}") or "")
    operator.page.locator('#recall button[value="reached"]').click()
    operator.page.wait_for_selector("#recall:not(.late)")


def test_a_third_call_is_announced_with_its_level_and_its_reason(desk: Desks, api: Apis) -> None:
    phone = a_phone()
    first = api("operator").open_case("mal de dos", phone)
    told(api("operator"), first, responds=False, breathes_normally=False)
    api("operator").open_case("mal de gorge", phone)
    third = api("operator").open_case("mal de gorge", phone)
    operator = desk("operator")
    operator.page.goto(f"{operator.base_url}/poste/{third}")
    assert "3e appel" in (operator.page.text_content("#repeat") or "")
    assert "3e appel" in (operator.page.text_content("#triage header") or "")
    assert "réitéré" in (operator.page.text_content("#lower") or "")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_whole_reasoning_is_there_and_accessible(desk: Desks, api: Apis, language: str) -> None:
    case_id = a_correction(api("operator"))
    told(api("operator"), case_id, responds=True, breathes_normally=True, rr=26, spo2=55)
    operator = desk("operator", language)
    operator.page.goto(f"{operator.base_url}/poste/{case_id}")
    operator.page.locator("#trace > summary").click()
    assert operator.page.locator("#trace h4").count() >= 4
    assert operator.page.locator("#trace .reasons .src").count() > 0
    found = Axe().run(operator.page)
    assert found.response["violations"] == []
