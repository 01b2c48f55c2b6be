"""Bodies that break a stock stack: each is refused with a stable code, never with a 500."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.integration.server_http.live import Live

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS = "/api/v1/calls"

BODIES: list[tuple[str, bytes, str]] = [
    ("invalid UTF-8", b'{"channel": "\xff\xfe"}', "not_utf8"),
    ("overlong UTF-8", b'{"channel": "\xc0\xaf"}', "not_utf8"),
    ("UTF-16", '{"channel": "phone"}'.encode("utf-16"), "not_utf8"),
    ("a byte order mark", b'\xef\xbb\xbf{"channel": "phone"}', "json_unreadable"),
    ("no JSON", b"channel=phone", "json_unreadable"),
    ("half a JSON", b'{"channel": ', "json_unreadable"),
    ("two JSON", b'{"channel": "phone"} {}', "json_unreadable"),
    ("deep arrays", b"[" * 100_000, "nested_too_deep"),
    ("deep objects", b'{"a":' * 33 + b"1" + b"}" * 33, "nested_too_deep"),
    ("deep arrays behind a string", b'["\\"' + b"]" * 40 + b'",' + b"[" * 40, "nested_too_deep"),
    ("a raw NUL", b'{"channel": "a\x00b"}', "nul_in_text"),
    ("an escaped NUL", b'{"channel": "a\\u0000b"}', "nul_in_text"),
    ("a NUL in a key", b'{"\\u0000": 1}', "nul_in_text"),
    ("a huge integer", b'{"channel": ' + b"9" * 5_000 + b"}", "number_out_of_range"),
    ("an integer above 64 bits", b'{"channel": 9223372036854775808}', "number_out_of_range"),
    ("an infinite float", b'{"channel": 1e999}', "number_out_of_range"),
    ("NaN", b'{"channel": NaN}', "json_unreadable"),
    ("Infinity", b'{"channel": -Infinity}', "json_unreadable"),
    ("a key twice", b'{"channel": "phone", "channel": "web"}', "key_repeated"),
    ("a key twice, escaped", b'{"channel": "phone", "ch\\u0061nnel": "web"}', "key_repeated"),
    ("a key twice, deep", b'{"a": [{"b": {"c": 1, "c": 2}}]}', "key_repeated"),
    ("half a character", b'{"channel": "\\ud800"}', "lone_surrogate"),
    ("half a character in a key", b'{"\\udc00": 1}', "lone_surrogate"),
    ("an array", b"[]", "value_unreadable"),
    ("a text", b'"phone"', "value_unreadable"),
    ("null", b"null", "value_unreadable"),
    ("an unknown field", b'{"channel": "phone", "is_admin": true}', "value_unreadable"),
]


KINDS: list[tuple[dict[str, str], str]] = [
    ({}, "media_type_unsupported"),
    ({"content-type": "text/plain"}, "media_type_unsupported"),
    ({"content-type": "application/x-www-form-urlencoded"}, "media_type_unsupported"),
    ({"content-type": "multipart/form-data; boundary=x"}, "media_type_unsupported"),
    ({"content-type": "application/xml"}, "media_type_unsupported"),
    ({"content-type": "application/json; charset=latin-1"}, "charset_unsupported"),
    ({"content-type": "application/json", "content-encoding": "gzip"}, "encoding_unsupported"),
    ({"content-type": "application/json", "content-encoding": "br"}, "encoding_unsupported"),
]


async def test_hostile_bodies_are_refused(live: Live) -> None:
    wrong = []
    for name, body, code in BODIES:
        answer = await live.post(CALLS, content=body, headers={"content-type": "application/json"})
        got = (answer.status_code, answer.headers["content-type"], answer.json()["code"])
        if got != (400, "application/problem+json", code):
            wrong.append((name, code, got))
    assert wrong == []


async def test_other_kinds_of_bodies_are_refused(live: Live) -> None:
    wrong = []
    for headers, code in KINDS:
        answer = await live.post(CALLS, content=b'{"channel": "phone"}', headers=headers)
        got = (answer.status_code, answer.json()["code"])
        if got != (415, code):
            wrong.append((headers, got))
    assert wrong == []


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_long_is_refused(live: Live, announced: bool) -> None:
    whole = json.dumps({"channel": "a" * 300_000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 10_000):
            yield whole[start : start + 10_000]

    answer = await live.post(
        CALLS,
        content=whole if announced else pieces(),
        headers={"content-type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_length_that_lies_does_not_hang_the_service(live: Live) -> None:
    key = live.bearer()["authorization"].encode("ascii")
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(
        b"POST /api/v1/calls HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
        + key
        + b"\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await reader.read()
    assert (await live.get("/api/v1/status")).status_code == 200


BROKEN_HTTP: list[bytes] = [
    b"\x00\xff\x00\xff\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /healthz\r\n\r\n",
    b"POST /api/v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    (
        b"POST /api/v1/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
]


async def test_broken_http_is_never_a_500(live: Live) -> None:
    for broken in BROKEN_HTTP:
        answer = await live.raw(broken)
        assert not answer.startswith(b"HTTP/1.1 5"), broken
    assert (await live.get("/api/v1/status")).status_code == 200
