"""Requests generated from the OpenAPI description, fitting and not: none may end as a 500.

`REGUL_EXAMPLES` sets how many requests each operation gets (default 6, half of them not fitting).
"""

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from tests.integration.server_http.live import Live

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

EXAMPLES = int(os.environ.get("REGUL_EXAMPLES", "6"))
LOGINS = ("operator", "physician", "clinic", "partner-a", "supervisor", "osnp")
BUDGET_S = float(os.environ.get("REGUL_EXAMPLES_S", "45"))
ENDLESS = {("GET", "/api/v1/events")}


def operations(description: dict[str, Any]) -> Iterator[Any]:
    """Give every operation of the description but the endless stream."""
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # a broken description raises here
        if (operation.method.upper(), operation.path) not in ENDLESS:
            yield operation


def hammer(live: Live, operation: Any) -> list[str]:
    """Send generated requests of one operation; give what was wrong with the answers."""
    wrong: list[str] = []
    declared = set(operation.definition.raw["responses"])
    strategy = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy, login=st.sampled_from(LOGINS))
    def send(case: Any, login: str) -> None:
        headers = {**live.bearer(login), "X-Request-ID": "generated"}
        answer = case.call(base_url=f"http://127.0.0.1:{live.port}", headers=headers, timeout=60)
        told = f"{operation.method.upper()} {operation.path}: {answer.status_code}"
        kind = answer.headers.get("content-type", [""])[0]
        if answer.status_code >= 500:
            wrong.append(f"{told} {answer.text[:300]}")
        elif answer.status_code >= 400 and kind != "application/problem+json":
            wrong.append(f"{told} as {kind}")
        elif str(answer.status_code) not in declared | {"405"}:
            wrong.append(f"{told} is not declared")

    send()
    return wrong


async def test_no_generated_request_ends_as_a_500(live: Live) -> None:
    description = (await live.client.get("/api/v1/openapi.json")).json()
    began = time.monotonic()
    wrong: list[str] = []
    done, left = 0, list(operations(description))
    while left and time.monotonic() - began < BUDGET_S:
        wrong += await asyncio.to_thread(hammer, live, left.pop(0))
        done += 1
    print(f"{done} operations in {time.monotonic() - began:.1f} s, {len(left)} left out by time")
    assert wrong == []
    assert done > 5
