"""The door: identity, ids, hosts, addresses; every refusal is a problem."""

import re

import asyncpg
import httpx
import pytest

from kernel import identity
from tests.integration.server_http.live import Live

pytestmark = pytest.mark.asyncio(loop_scope="module")

UUID_SHAPE = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
NOTHING = "/api/v1/cases/00000000-0000-7000-8000-0000000000ff"


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    """Look at everything a problem must carry."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["type"] == f"/problems/{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


async def test_nobody_known_is_refused_with_the_way_to_sign_in(live: Live) -> None:
    answer = await live.client.get("/api/v1/status")
    assert_problem(answer, 401, "sign_in_needed")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_operator_reads_the_status(live: Live) -> None:
    answer = await live.get("/api/v1/status")
    assert answer.status_code == 200
    assert answer.json()["database"] == "up"


FORGED = (
    "Bearer rg_operator_" + "0" * 48,
    "Bearer",
    "Bearer " + "a" * 300,
    "Bearer é",
    "Basic b3BlcmF0b3I6eA==",
    "nonsense",
)


async def test_forged_credentials_are_refused(live: Live) -> None:
    for credentials in FORGED:
        answer = await live.client.get(
            "/api/v1/status", headers={b"authorization": credentials.encode("utf-8")}
        )
        assert_problem(answer, 401, "credentials_unknown")


async def test_a_forged_session_is_refused(live: Live) -> None:
    for token in ("forged", "x" * 43, "a" * 500):
        answer = await live.client.get(
            "/api/v1/status", headers={"cookie": f"regul_session={token}"}
        )
        assert_problem(answer, 401, "credentials_unknown")


async def test_an_account_put_out_of_service_stops_working(
    live: Live, live_admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await live_admin.execute("update kernel.actor set active = false where login = 'osnp'")
    assert_problem(await live.get("/api/v1/status", "osnp"), 401, "credentials_unknown")


async def test_a_session_past_its_time_is_refused(
    live: Live, live_admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with live.app.services.database.plain() as tx:
        token = identity.digest("a-token-of-the-tests")
        await identity.begin_session(tx, token, live.accounts["operator"].actor_id)
    await live_admin.execute("update kernel.session set expires_at = now() - interval '1 second'")
    answer = await live.client.get(
        "/api/v1/status", headers={"cookie": "regul_session=a-token-of-the-tests"}
    )
    assert_problem(answer, 401, "credentials_unknown")


async def test_an_actor_without_the_right_is_refused(
    live: Live, live_admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await live_admin.execute(
        "update kernel.actor set role = 'patient_link', territory_id = null where login = 'auditor'"
    )
    assert_problem(await live.get("/api/v1/status", "auditor"), 403, "action_not_allowed")


async def test_ids_of_the_client_are_echoed(live: Live) -> None:
    sent = {"x-request-id": "r-1", "x-correlation-id": "journey:7"}
    for answer in (
        await live.get("/api/v1/status", headers=sent),
        await live.client.get("/api/v1/status", headers=sent),
        await live.get("/nowhere", headers=sent),
        await live.client.get("/healthz", headers=sent),
        await live.client.get("/api/v1/status", headers={**sent, "host": "elsewhere.example"}),
    ):
        assert answer.headers["x-request-id"] == "r-1"
        assert answer.headers["x-correlation-id"] == "journey:7"


async def test_an_id_that_is_no_id_is_replaced(live: Live) -> None:
    for bad in ("a b", "x" * 65, "<script>", "a\tb", "é"):
        headers = {"x-request-id": bad.encode("utf-8"), "x-correlation-id": bad.encode("utf-8")}
        answer = await live.get("/api/v1/status", headers=headers)
        assert UUID_SHAPE.match(answer.headers["x-request-id"])
        assert answer.headers["x-correlation-id"] == answer.headers["x-request-id"]


async def test_another_host_is_refused(live: Live) -> None:
    for host in ("elsewhere.example", "localhost.elsewhere.example", "", "127.0.0.1@elsewhere"):
        answer = await live.get("/api/v1/status", headers={"host": host})
        assert_problem(answer, 400, "host_unknown")


async def test_forwarded_headers_are_ignored(live: Live) -> None:
    headers = {"x-forwarded-host": "elsewhere.example", "x-forwarded-for": "10.0.0.1"}
    answer = await live.get("/api/v1/status", headers=headers)
    assert answer.status_code == 200


async def test_a_host_named_twice_is_refused(live: Live) -> None:
    raw = await live.raw(
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere\r\nConnection: close\r\n\r\n"
    )
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert b"header_repeated" in raw


AMBIGUOUS: tuple[tuple[str, int, str], ...] = (
    ("/api/v1/nowhere", 404, "route_unknown"),
    ("/schema", 404, "route_unknown"),
    ("/schema/openapi.json", 404, "route_unknown"),
    ("//api/v1/status", 404, "route_unknown"),
    ("/api//v1/status", 404, "route_unknown"),
    ("/api/v1/../v1/status", 404, "route_unknown"),
    ("/api/v1/%2e%2e/status", 404, "route_unknown"),
    ("/api/v1/cases/%00", 404, "route_unknown"),
    ("/api/v1/cases/%ff%fe", 404, "route_unknown"),
    ("/api/v1/cases/not-a-uuid", 404, "route_unknown"),
    ("/api/v1/cases/{00000000-0000-7000-8000-0000000000ff}", 404, "route_unknown"),
    ("/api/v1/cases/urn:uuid:00000000-0000-7000-8000-0000000000ff", 404, "route_unknown"),
    ("/api/v1/cases/0000000000007000800000000000 0ff", 404, "route_unknown"),
    ("/api/v1/cases/000000000000700080000000000000_f", 404, "route_unknown"),
    ("/api/v1/cases/%d9%a1%d9%a2%d9%a3", 404, "route_unknown"),
    ("/api/v1/status?a=%00", 400, "nul_in_text"),
    ("/api/v1/status?a=%ff", 400, "not_utf8"),
    ("/api/v1/status?a=" + "b" * 9000, 400, "query_too_long"),
)


async def test_addresses_that_can_be_read_in_two_ways_are_refused(live: Live) -> None:
    key = live.bearer()["authorization"].encode("ascii")
    tail = b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + key
    for path, status, code in AMBIGUOUS:
        target = path.replace(" ", "%20").encode("ascii")
        raw = await live.raw(b"GET " + target + tail + b"\r\nConnection: close\r\n\r\n")
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode()), raw
        assert f'"code":"{code}"'.encode() in body, (path, body)


async def test_a_method_that_an_address_does_not_take_is_refused(live: Live) -> None:
    answer = await live.client.delete("/api/v1/status", headers=live.bearer())
    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


async def test_nothing_on_an_answer_lets_a_browser_guess_or_keep(live: Live) -> None:
    for path in ("/api/v1/status", "/nowhere"):
        headers = (await live.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


async def test_a_page_without_a_session_leads_to_the_sign_in_page(live: Live) -> None:
    answer = await live.client.get("/queues")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/queues"


async def test_signing_in_and_out(live: Live) -> None:
    origin = {"origin": f"http://127.0.0.1:{live.port}"}
    answer = await live.client.post(
        "/session", data={"account": "operator", "next": "/queues"}, headers=origin
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/queues")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert (await live.client.get("/api/v1/status")).status_code == 200
    gone = await live.client.post("/session/end", headers=origin)
    assert gone.status_code == 303
    token = cookie.partition("=")[2].partition(";")[0]
    answer = await live.client.get("/api/v1/status", headers={"cookie": f"regul_session={token}"})
    assert_problem(answer, 401, "credentials_unknown")


async def test_signing_in_never_leads_to_another_site(live: Live) -> None:
    for target in ("https://elsewhere.example", "//elsewhere.example", "/\\x"):
        answer = await live.client.post(
            "/session",
            data={"account": "operator", "next": target},
            headers={"origin": f"http://127.0.0.1:{live.port}"},
        )
        assert answer.headers["location"] == "/"


WRONG_FORMS: tuple[dict[str, str], ...] = (
    {"account": "nobody"},
    {"login": "operator", "password": "wrong"},
    {"login": "", "password": ""},
    {},
)


async def test_a_wrong_sign_in_gives_no_session(live: Live) -> None:
    for form in WRONG_FORMS:
        answer = await live.client.post(
            "/session", data=form, headers={"origin": f"http://127.0.0.1:{live.port}"}
        )
        assert answer.headers["location"] == "/login?refused=1"
        assert "set-cookie" not in answer.headers


async def test_too_many_wrong_sign_ins_are_limited(live: Live) -> None:
    origin = {"origin": f"http://127.0.0.1:{live.port}"}
    form = {"account": "", "login": "supervisor", "password": "wrong"}
    for _ in range(10):
        await live.client.post("/session", data=form, headers=origin)
    answer = await live.client.post("/session", data=form, headers=origin)
    assert_problem(answer, 429, "sign_in_limited")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_write_from_another_site_is_refused(live: Live) -> None:
    await live.client.post(
        "/session",
        data={"account": "operator"},
        headers={"origin": f"http://127.0.0.1:{live.port}"},
    )
    foreign: list[dict[bytes, bytes]] = [
        {b"origin": b"https://elsewhere.example"},
        {b"origin": b"null"},
        {b"origin": "é".encode()},
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
        {},
    ]
    for headers in foreign:
        for path in ("/session/end", "/api/v1/calls"):
            answer = await live.client.post(path, headers=headers)
            assert_problem(answer, 403, "origin_foreign")


async def test_metrics_count_by_route_and_name_nobody(live: Live) -> None:
    await live.get("/api/v1/status")
    text = (await live.get("/metrics", "administrator")).text
    assert 'regul_requests_total{method="GET",route="/api/v1/status",status="200"}' in text
    assert "operator" not in text
    assert_problem(await live.client.get("/metrics"), 401, "sign_in_needed")


async def test_probes_answer_without_anybody_known(live: Live) -> None:
    assert (await live.client.get("/healthz")).json() == {"status": "listening"}
    assert (await live.client.get("/readyz")).json() == {"status": "ready"}
