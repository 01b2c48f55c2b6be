"""Journey A as far as triage goes, over HTTP, as operator, physician and OSNP."""

import uuid
from typing import Any

import pytest

from tests.integration.server_http.live import Live

API = "/api/v1"
SAID = {"worsening_signs": "Douleur", "call_back": "Sous 12 h", "read_back": True}


pytestmark = pytest.mark.asyncio(loop_scope="module")


def key() -> dict[str, str]:
    return {"idempotency-key": str(uuid.uuid4())}


async def opened(live: Live, **fields: Any) -> dict[str, Any]:
    answer = await live.post(f"{API}/cases", json=fields)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_call_goes_from_first_word_to_closure(live: Live) -> None:
    call = (await live.post(f"{API}/calls", json={"caller": {"phone": "0612345678"}})).json()
    case = await opened(
        live, call_id=call["id"], complaint_text="DT depuis 1h", age_years=61, sex="M"
    )
    path = f"{API}/cases/{case['id']}"
    assert case["case"]["complaint"] == "chest-pain"
    assert case["assessment"]["result"]["next_question"]["ask"]["fr"]

    told = await live.client.put(
        f"{path}/findings",
        headers=live.bearer(),
        json={
            "findings": [
                {"input": "pain_now", "value": True},
                {"input": "minutes_lasting", "unanswerable": "caller_cannot_know"},
                {"input": "quality", "value": "pressure"},
            ]
        },
    )
    assert told.status_code == 200, told.text
    assert told.json()["result"]["assured"] == "U1"
    assert (await live.get(f"{path}/assessment")).json() == told.json()

    ended = await live.post(
        f"{API}/calls/{call['id']}/end", json={"outcome": "case", "case_id": case["id"]}
    )
    assert ended.json()["outcome"] == "case"
    set_ = await live.post(f"{path}/qualification", json={"priority": "P1", "stream": "AMU"})
    assert set_.json()["state"] == "awaiting_physician"
    queue = (await live.get(f"{API}/queues/AMU", "physician")).json()
    assert [one["case"]["id"] for one in queue["cases"]] == [case["id"]]

    taken = await live.post(f"{path}/take", "physician", json={})
    assert taken.status_code == 200
    decision = {"kind": "CONSEIL", "acuity": "U3", "reason": "seen_today", "safety_net": SAID}
    refused = await live.post(f"{path}/dispositions", "osnp", json=decision, headers=key())
    assert (refused.status_code, refused.json()["code"]) == (403, "physician_only")
    once = key()
    decided = await live.post(f"{path}/dispositions", "physician", json=decision, headers=once)
    assert decided.status_code == 201, decided.text
    again = await live.post(f"{path}/dispositions", "physician", json=decision, headers=once)
    assert again.json()["id"] == decided.json()["id"]
    assert (await live.get(path)).json()["dispositions"][0]["worsening_signs"] == "Douleur"

    closed = await live.post(f"{path}/close", "physician", json={"outcome": "advice_given"})
    assert closed.json()["state"] == "closed"


async def told(live: Live, path: str, **values: Any) -> dict[str, Any]:
    findings = [{"input": name, "value": value} for name, value in values.items()]
    answer = await live.client.put(
        f"{path}/findings", headers=live.bearer(), json={"findings": findings}
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_milder_level_waits_for_its_confirmation(live: Live) -> None:
    case = await opened(live, complaint_text="mal de dos", age_years=40, sex="M")
    path = f"{API}/cases/{case['id']}"
    await told(live, path, responds=False, breathes_normally=False)
    milder = await told(live, path, responds=True, breathes_normally=True)
    assert milder["standing"]["assured"] == "U0"
    assert milder["standing"]["lower"] is not None
    assert (await live.get(path)).json()["case"]["lower"]["assessment_id"] == milder["id"]
    confirm = {"assessment_id": milder["id"], "reason": "misheard"}
    where = f"{path}/acuity-confirmations"
    for who, body, status, code in (
        ("operator", confirm, 403, "physician_only"),
        ("physician", {"assessment_id": milder["id"]}, 422, "reason_missing"),
        ("physician", {**confirm, "assessment_id": case["id"]}, 409, "assessment_outdated"),
    ):
        refused = await live.post(where, who, json=body)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    once = key()
    done = await live.post(where, "physician", json=confirm, headers=once)
    assert done.status_code == 201, done.text
    assert (done.json()["from_assured"], done.json()["reason"]) == ("U0", "misheard")
    again = await live.post(where, "physician", json=confirm, headers=once)
    assert again.json() == done.json()
    late = await live.post(where, "physician", json=confirm)
    assert (late.status_code, late.json()["code"]) == (409, "nothing_to_confirm")
    after = (await live.get(path)).json()
    assert after["case"]["lower"] is None
    assert after["confirmations"] == [done.json()]


async def test_an_odd_value_is_set_aside_and_an_impossible_one_refused(live: Live) -> None:
    case = await opened(live, complaint_text="mal de dos", age_years=40, sex="M")
    path = f"{API}/cases/{case['id']}"
    odd = await told(live, path, spo2=55, hr=80)
    assert odd["to_confirm"] == [
        {"path": "$.findings[0]", "input": "spo2", "value": 55.0, "plausible": [60.0, 100.0]}
    ]
    for values, reason, at in (
        ({"temp_c": 98.6}, "out_of_range", 0),
        ({"sbp": 110, "dbp": 120}, "impossible_pair", 0),
    ):
        findings = [{"input": name, "value": value} for name, value in values.items()]
        refused = await live.client.put(
            f"{path}/findings", headers=live.bearer(), json={"findings": findings}
        )
        problem = refused.json()
        assert (refused.status_code, problem["reason"]) == (422, reason)
        assert problem["path"] == f"$.findings[{at}]"
        assert problem["value"] == findings[at]["value"]
        assert problem["allowed"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
async def test_a_value_that_is_no_number_is_refused_with_its_path(live: Live, text: str) -> None:
    case = await opened(live, age_years=40)
    refused = await live.client.put(
        f"{API}/cases/{case['id']}/findings",
        headers=live.bearer() | {"content-type": "application/json"},
        content=f'{{"findings": [{{"input": "hr", "value": {text}}}]}}',
    )
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "number_not_finite")
    assert problem["path"] == "$.findings[0].value"


async def test_a_dispatch_leaves_at_once(live: Live) -> None:
    case = await opened(live, complaint_text="ne respire plus")
    path = f"{API}/cases/{case['id']}"
    early = await live.post(f"{path}/reflex-dispatch", json={})
    assert (early.status_code, early.json()["code"]) == (409, "dispatch_not_assured")
    await live.post(f"{path}/qualification", json={"priority": "P0", "stream": "AMU"})
    sent = await live.post(f"{path}/reflex-dispatch", json={})
    assert (sent.status_code, sent.json()["kind"]) == (201, "INTER")


async def test_a_callback_is_owed_listed_and_settled(live: Live) -> None:
    case = await opened(live)
    owed = await live.post(
        f"{API}/callbacks", json={"case_id": case["id"], "reason": "follow_up", "due_in_s": 60}
    )
    assert owed.status_code == 201, owed.text
    listed = (await live.get(f"{API}/callbacks?limit=1")).json()
    assert [one["id"] for one in listed["callbacks"]] == [owed.json()["id"]]
    tried = await live.post(
        f"{API}/callbacks/{owed.json()['id']}/attempts", json={"outcome": "reached"}
    )
    assert tried.json()["state"] == "done"


async def test_a_repeated_opening_gives_the_same_case(live: Live) -> None:
    once = key()
    first = await live.post(f"{API}/cases", json={"age_years": 40}, headers=once)
    second = await live.post(f"{API}/cases", json={"age_years": 40}, headers=once)
    assert first.json()["id"] == second.json()["id"]


BAD: list[tuple[Any, int, str | None]] = [
    ({"findings": [{"input": "temp_c", "value": 98.6}]}, 422, "finding_refused"),
    ({"findings": [{"input": "x" * 300, "value": True}]}, 422, "finding_refused"),
    ({"findings": [{"input": "hr", "value": "NaN"}]}, 422, "finding_refused"),
    ({"findings": [{"input": "hr", "value": 10**400}]}, 400, None),
    ({"findings": [{"input": "hr", "value": 60, "name": "x"}]}, 400, None),
    ({"findings": [{"input": "hr", "unanswerable": "perhaps"}]}, 400, None),
    ({"findings": [{"input": "\x00", "value": True}]}, 400, "nul_in_text"),
    ({"complaint": "no-such-thing"}, 422, "complaint_unknown"),
    ({"findings": [{"input": "hr", "value": 60}] * 2}, 422, "finding_twice"),
    ([], 400, None),
]


async def test_a_bad_finding_gets_a_stable_code(live: Live) -> None:
    case = await opened(live)
    for body, status, code in BAD:
        answer = await live.client.put(
            f"{API}/cases/{case['id']}/findings", headers=live.bearer(), json=body
        )
        assert answer.status_code == status, answer.text
        assert code is None or answer.json()["code"] == code


async def test_protocols_and_complaints_can_be_read(live: Live) -> None:
    lines = (await live.get(f"{API}/protocols")).json()
    assert {"news2", "iitt-adult"} <= {one["id"] for one in lines}
    assert (await live.get(f"{API}/protocols/news2")).json()["rules"]
    assert (await live.get(f"{API}/protocols/none")).status_code == 404
    assert (await live.get(f"{API}/complaints")).json()
    assert (await live.get(f"{API}/queues/ELSEWHERE")).status_code in {400, 404}
    assert (await live.get(f"{API}/cases/{uuid.uuid4()}")).status_code == 404
