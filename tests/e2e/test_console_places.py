"""From a decision to an accepted handoff, in several browsers at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Desks = Callable[..., Any]
Apis = Callable[[str], Any]
SLOTS = """[...document.querySelectorAll('.offers > li')]
    .filter(one => one.querySelector('[name=slot_id]'))
    .map(one => one.querySelector('[name=slot_id]').value)"""


def decided(api: Apis, login: str, acuity: str = "U4") -> str:
    case_id: str = api("operator").open_case("mal de gorge depuis hier")
    api("operator").qualify(case_id)
    api(login).decide(case_id, acuity)
    return case_id


def open_case(one: Any, case_id: str) -> None:
    one.page.goto(f"{one.base_url}/regulation/{case_id}")
    one.page.wait_for_selector("#orientation")
    one.page.wait_for_selector('#live-state[data-state="on"]')


def test_a_physician_decides_holds_books_and_the_receiver_accepts(desk: Desks, api: Apis) -> None:
    case_id = api("operator").open_case("fièvre et toux depuis deux jours")
    api("operator").qualify(case_id)
    physician, receiver, board = desk("physician"), desk("receiver"), desk("supervisor")
    open_case(physician, case_id)
    physician.press("F4")
    physician.page.wait_for_selector("#case .chip.good:has-text('vous')")
    physician.page.locator("#decide [name=kind][value=ORIENT]").check(force=True)
    physician.page.locator("#decide [name=acuity][value=U2]").check(force=True)
    physician.page.select_option("#f-service", "general_practice")
    physician.page.locator("#decide [name=read_back]").check()
    physician.page.locator("#decide-send").press("Enter")
    physician.page.wait_for_selector("#hold-first")
    reasons = physician.page.locator(".offers > li").first.locator(".why .chip").count()
    assert reasons >= 2
    physician.press("1")
    physician.page.wait_for_selector("#hold .left time")
    first = physician.page.text_content("#hold .left time")
    physician.page.wait_for_function(
        "text => document.querySelector('#hold .left time').textContent !== text", arg=first
    )
    physician.press("F7")
    physician.page.wait_for_selector("#extend", state="detached")
    physician.press("F9")
    physician.page.wait_for_selector(".done:has-text('Rendez-vous')")
    receiver.page.goto(f"{receiver.base_url}/relais")
    handoff = receiver.page.locator("[data-card]:has-text('Rendez-vous'):has(button)").first
    handoff.wait_for()
    identity = handoff.get_attribute("id")
    board.page.goto(f"{board.base_url}/relais")
    board.page.wait_for_selector('#live-state[data-state="on"]')
    handoff.focus()
    receiver.press("a")
    accepted = "section:has(#c-accepted)"
    receiver.page.wait_for_selector(f"{accepted} #{identity}")
    board.page.wait_for_selector(f"{accepted} #{identity}")
    physician.page.wait_for_selector(".done .chip.good")


def test_two_physicians_on_one_slot_one_wins_the_other_gets_the_next_best(
    desk: Desks, api: Apis
) -> None:
    one, two = desk("physician"), desk("physician-2", "fr")
    open_case(two, decided(api, "physician-2"))
    search(two)
    shared = two.page.evaluate(SLOTS)[0]
    mine = f".offers > li:has([name=slot_id][value='{shared}']) button"
    case_id = decided(api, "physician")
    held = {"slot_id": shared, "disposition_id": api("physician").decide(case_id)}
    api("physician").send("POST", "/holds", held)
    open_case(one, case_id)
    one.page.wait_for_selector("#hold")
    fill(api, shared)
    two.page.locator(mine).click()
    two.page.wait_for_selector("#orientation-lost")
    assert "collègue" in (two.page.text_content("#orientation-lost") or "")
    assert shared not in two.page.evaluate(SLOTS)
    two.page.locator("#hold-first").click()
    two.page.wait_for_selector("#hold")


def search(one: Any) -> None:
    """Rank places anew and wait until the new list stands."""
    one.page.evaluate("document.querySelector('.offers')?.setAttribute('data-old', '')")
    one.page.locator("[data-key=F8]").first.click()
    one.page.wait_for_selector(".offers:not([data-old]) > li")


def fill(api: Apis, slot: str) -> None:
    """Take the seats of a range that are left, so that one click decides."""
    disposition = api("physician").decide(decided(api, "physician"))
    for login in ("osnp", "operator", "operator-2"):
        for _ in range(8):
            body = {"slot_id": slot, "disposition_id": disposition}
            if api(login).tried("POST", "/holds", body) == 409:
                return


def test_no_place_becomes_an_owned_entry_with_a_deadline(desk: Desks, api: Apis) -> None:
    physician = desk("physician")
    open_case(physician, decided(api, "physician"))
    search(physician)
    physician.press("F10")
    physician.page.wait_for_selector('.done:has-text("Liste d\'attente") time[data-until]')


def test_a_hold_that_ends_leaves_the_case_untouched(desk: Desks, api: Apis) -> None:
    physician = desk("physician")
    open_case(physician, decided(api, "physician"))
    physician.page.locator("[data-key=F8]").first.click()
    physician.page.wait_for_selector("#hold-first")
    physician.press("1")
    physician.page.wait_for_selector("#hold")
    physician.page.locator("#hold button:has-text('Libérer')").click()
    physician.page.wait_for_selector("#hold", state="detached")
    physician.page.wait_for_selector("#hold-first")
    assert physician.page.locator("#orientation .refused").count() == 0


def test_a_clinic_publishes_an_evening_by_keyboard_and_accepts_its_patient(
    desk: Desks, api: Apis
) -> None:
    clinic, physician = desk("clinic"), desk("physician")
    clinic.page.goto(clinic.base_url + "/cabinet")
    clinic.page.wait_for_selector('#live-state[data-state="on"]')
    clinic.page.locator("a[href*='week=']").nth(1).press("Enter")
    clinic.page.wait_for_selector('#live-state[data-state="on"]')
    clinic.page.locator("#f-from").focus()
    clinic.press("ControlOrMeta+a")
    clinic.write("20:00")
    clinic.press("Tab", "ControlOrMeta+a")
    clinic.write("22:00")
    clinic.press("F9")
    clinic.page.wait_for_selector("#publish .done")
    assert "Publié : 40 ajoutés" in (clinic.page.text_content("#publish .done") or "")
    clinic.page.wait_for_selector(".cell:has-text('20')")
    schedule = clinic.page.input_value("#week-schedule")
    case_id = decided(api, "physician", "U2")
    disposition = api("physician").send("GET", f"/cases/{case_id}")["dispositions"][0]["id"]
    slot = soon(api, schedule)
    api("physician").send("POST", "/holds", {"slot_id": slot, "disposition_id": disposition})
    open_case(physician, case_id)
    physician.page.wait_for_selector("#hold")
    physician.page.fill("#f-note", "Apporte son dernier <b>ECG</b>")
    physician.press("F9")
    physician.page.wait_for_selector(".done:has-text('Rendez-vous')")
    clinic.page.goto(clinic.base_url + "/cabinet")
    card = clinic.page.locator("#incoming [data-card]:has(button)").first
    card.wait_for()
    assert "Apporte son dernier <b>ECG</b>" in (card.text_content() or "")
    card.focus()
    clinic.press("a")
    clinic.page.wait_for_selector("#incoming .chip.good")


def soon(api: Apis, schedule: str) -> str:
    """Publish one more slot of a diary for this very day, and give it."""
    now = datetime.now(UTC)
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    begin, end = now + timedelta(minutes=30), now + timedelta(minutes=45)
    window = f"starts_at={begin:{stamp}}&ends_at={end:{stamp}}"
    found = api("clinic").send("GET", f"/schedules/{schedule}/slots?{window}")["slots"]
    if not found:
        body = {
            "starts_at": f"{begin:{stamp}}",
            "ends_at": f"{end:{stamp}}",
            "sequence": 1_000_000,
            "slots": [
                {
                    "key": "this-day",
                    "starts_at": f"{begin:{stamp}}",
                    "ends_at": f"{end:{stamp}}",
                }
            ],
        }
        api("clinic").send("PUT", f"/schedules/{schedule}/slots", body)
        found = api("clinic").send("GET", f"/schedules/{schedule}/slots?{window}")["slots"]
    return str(found[0]["id"])
