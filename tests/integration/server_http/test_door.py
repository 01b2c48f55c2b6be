"""The door: identity, ids, hosts, addresses; every refusal is a problem."""

from typing import Any


async def test_status_needs_somebody_known(live: Any) -> None:
    answer = await live.client.get("/api/v1/status")
    assert answer.status_code == 401
    assert answer.json()["code"] == "sign_in_needed"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_status_answers_an_operator(live: Any) -> None:
    answer = await live.get("/api/v1/status")
    assert answer.status_code == 200
    assert answer.json()["database"] == "up"
