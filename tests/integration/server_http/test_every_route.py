"""Rules of every route, read from the application itself: a new one can't slip through."""

import re
from collections.abc import Iterator

import httpx
import pytest
from litestar.routes import HTTPRoute

from server import auth
from tests.integration.server_http.live import Live

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = {
    "uuid": "00000000-0000-7000-8000-0000000000ff",
    "str": "x",
    "int": "1",
    "path": "x",
}
PARAMETER = re.compile(r"\{(?P<name>\w+)(?::(?P<kind>\w+))?\}")


def addresses(live: Live) -> Iterator[tuple[str, str, str]]:
    """Give method, path and template of every route, parameters filled in."""
    for route in live.app.litestar.routes:
        if isinstance(route, HTTPRoute):
            path = PARAMETER.sub(lambda found: SAMPLES[found["kind"] or "str"], route.path)
            for method in sorted(route.methods - {"OPTIONS"}):
                yield method, path, route.path


def is_open(path: str) -> bool:
    return path in auth.OPEN or path.startswith(auth.OPEN_BELOW) or path == "/static"


async def test_every_route_needs_somebody_known_except_the_listed_ones(live: Live) -> None:
    wrong: list[tuple[str, str, int]] = []
    seen = 0
    for method, path, _ in addresses(live):
        answer = await live.client.request(method, path)
        seen += 1
        if is_open(path):
            continue
        page = method == "GET" and not path.startswith("/api/") and path != "/metrics"
        expected = 303 if page else 401
        if answer.status_code != expected:
            wrong.append((method, path, answer.status_code))
        if page and not answer.headers["location"].startswith("/login"):
            wrong.append((method, path, answer.status_code))
    assert wrong == []
    assert seen > 10


async def test_the_list_of_open_addresses_is_short_and_known() -> None:
    assert {
        "/healthz",
        "/readyz",
        "/login",
        "/session",
        "/preferences",
        "/favicon.ico",
        "/contracts/events.json",
        "/contracts/asyncapi.json",
        "/api/v1/openapi.json",
    } == auth.OPEN
    assert auth.OPEN_BELOW == ("/static/",)


async def test_every_route_of_the_api_is_described(live: Live) -> None:
    description = (await live.client.get("/api/v1/openapi.json")).json()
    assert description["openapi"].startswith("3.1")
    missing = [
        (method, template)
        for method, _, template in addresses(live)
        if template.startswith("/api/")
        and template != "/api/v1/openapi.json"
        and method.lower()
        not in description["paths"].get(PARAMETER.sub(r"{\g<name>}", template), {})
    ]
    assert missing == []


async def test_every_described_operation_says_how_it_refuses(live: Live) -> None:
    description = (await live.client.get("/api/v1/openapi.json")).json()
    for path, item in description["paths"].items():
        assert path.startswith("/api/v1/"), path
        for method, operation in item.items():
            for status in ("400", "401", "403", "404", "503"):
                content = operation["responses"][status]["content"]
                assert list(content) == ["application/problem+json"], (method, path)
            assert operation["security"], (method, path)
            assert operation.get("summary"), (method, path)
            names = [one.get("name") for one in operation.get("parameters", [])]
            assert len(names) == len(set(names)), (method, path, names)


async def test_every_number_in_a_query_is_bounded(live: Live) -> None:
    description = (await live.client.get("/api/v1/openapi.json")).json()
    unbounded = [
        (method, path, one["name"])
        for path, item in description["paths"].items()
        for method, operation in item.items()
        for one in operation.get("parameters", [])
        if "integer" in str(one["schema"])
        and not all(
            {end, f"exclusive{end.title()}"} & set(one["schema"]) for end in ("minimum", "maximum")
        )
    ]
    assert unbounded == []


async def test_a_page_of_no_length_is_refused_everywhere(live: Live) -> None:
    description = (await live.client.get("/api/v1/openapi.json")).json()
    wrong = []
    for path, item in description["paths"].items():
        names = {one["name"] for one in item.get("get", {}).get("parameters", [])}
        if "limit" not in names:
            continue
        address = re.sub(r"\{\w+\}", SAMPLES["uuid"], path)
        for limit in ("0", "-1", "201", "9223372036854775808", "1e3", "٣", "", "true"):
            answer = await live.get(address, "supervisor", params={"limit": limit})
            if answer.status_code != 400:
                wrong.append((path, limit, answer.status_code))
    assert wrong == []


async def test_what_does_not_exist_is_a_404_problem_on_every_route(live: Live) -> None:
    wrong: list[tuple[str, str, int]] = []
    for method, path, template in addresses(live):
        if method == "GET" and "{" in template and template.startswith("/api/"):
            answer: httpx.Response = await live.get(path, "supervisor")
            if answer.status_code not in {400, 403, 404}:
                wrong.append((method, path, answer.status_code))
            assert answer.headers["content-type"] == "application/problem+json", path
    assert wrong == []
