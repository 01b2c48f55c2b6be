"""The one door: every request passes here before a route is chosen.

Checks host, address, headers, identity and body; refuses with a problem, never with a 500. Gives
every answer its ids and its security headers. Rules live in the routes and use cases, not here.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final, Protocol, cast
from urllib.parse import quote, urlsplit
from uuid import UUID

from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

from kernel import errors, ids
from server import bodies, metrics, problems, visits
from server.headers import Headers
from server.visits import Visit

BODY_S: Final = 15.0
"""Seconds a client has to send its body."""
_LONGEST_QUERY: Final = 8_192
_ID: Final = re.compile(rb"^[A-Za-z0-9._:-]{1,64}$")
_SEGMENT: Final = re.compile(r"^[A-Za-z0-9._~:@!$&'()*+,;=-]+$")
_CANONICAL: Final = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_JSON: Final = re.compile(r"^application/(?:[\w.-]+\+)?json$")
_FORM: Final = "application/x-www-form-urlencoded"
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Answered before the start-up checks have passed."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

API_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_PAGE_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
PAGE_HEADERS: Final = (
    (b"content-security-policy", _PAGE_POLICY),
    (b"cache-control", b"no-store"),
)
ALL_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Doorkeeper(Protocol):
    """Says who asks; `server.auth` has the real one."""

    async def admit(self, headers: Headers, path: str, visit: Visit) -> None:
        """Set `visit.actor`, or raise when the address needs somebody known.

        Args:
            headers: Of the request.
            path: Its address.
            visit: Where the actor is put.
        """


class Guard:
    """The ASGI application in front of all routes."""

    def __init__(
        self,
        app: ASGIApp,
        doorkeeper: Doorkeeper,
        allowed_hosts: Iterable[str],
        *,
        ready: Callable[[], bool],
    ) -> None:
        """Stand in front of an application.

        Args:
            app: The routes.
            doorkeeper: Says who asks.
            allowed_hosts: Host names that a request may name, without port.
            ready: Tells whether the start-up checks have passed; 503 until then.
        """
        self._app = app
        self._ready = ready
        self._doorkeeper = doorkeeper
        self._hosts = frozenset(host.strip().lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through or answer it with a problem.

        Args:
            scope: Of ASGI.
            receive: Of ASGI.
            send: Of ASGI.
        """
        if str(scope["type"]) != "http":  # the lifespan; the server upgrades to no web socket
            await self._app(scope, receive, send)
            return
        await self._visit(cast("HTTPScope", scope), receive, send)

    async def _visit(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        visit = _identify(scope)
        answer = _Answer(scope, visit, send)
        try:
            body = await self._check(scope, receive, visit)
            await self._app(scope, _replay(body, receive), answer)
        except Exception as error:  # noqa: BLE001 - the door: whatever comes is answered and logged
            refusal = problems.refusal_of(error)
            problems.log(refusal, error, visit, scope["method"])
            if not answer.started:
                await answer.refuse(refusal)
        answer.count()

    async def _check(self, scope: HTTPScope, receive: Receive, visit: Visit) -> bytes:
        headers = Headers(scope["headers"])
        self._check_host(headers)
        path = scope["path"]
        _check_address(path, scope["query_string"])
        if path not in PROBES and not self._ready():
            raise errors.Unavailable("starting", "The service is starting.", 1)
        await self._doorkeeper.admit(headers, path, visit)
        if visit.by != "key" and scope["method"] not in SAFE_METHODS:
            check_origin(headers, scope["scheme"])
        body = await _read(headers, receive)
        if body:
            _check_body(headers, path, body)
        query = scope["query_string"]
        address = f"{scope['method']} {path}?".encode()
        visit.fingerprint = b"\0".join((address, query, body))
        return body

    def _check_host(self, headers: Headers) -> None:
        host = headers.text(b"host").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if name.strip("[]") not in self._hosts and name not in self._hosts:
            raise errors.Malformed("host_unknown", "This service does not answer to that host.")


class _Answer:
    """The `send` of one request: adds ids and security headers, knows whether it began."""

    def __init__(self, scope: HTTPScope, visit: Visit, send: Send) -> None:
        self._scope = scope
        self._visit = visit
        self._send = send
        self._began = time.perf_counter()
        self._status, self._seconds = 0, 0.0
        self._defaults = (
            *(API_HEADERS if scope["path"].startswith("/api/") else PAGE_HEADERS),
            *ALL_HEADERS,
        )
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._status = message["status"]
            self._seconds = time.perf_counter() - self._began
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [pair for pair in self._defaults if pair[0] not in present]
            headers.append((b"x-request-id", self._visit.request_id.encode("ascii")))
            headers.append((b"x-correlation-id", self._visit.correlation_id.encode("ascii")))
            message["headers"] = headers
        await self._send(message)

    def count(self) -> None:
        """Count the answer in the metrics."""
        if self.started:
            route = str(self._scope.get("path_template") or "-")
            metrics.observe(self._scope["method"], route, self._status, self._seconds)

    async def _go(self, target: str) -> None:
        headers = [(b"location", target.encode("ascii")), (b"content-length", b"0")]
        await self({"type": "http.response.start", "status": 303, "headers": headers})
        await self({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, refusal: errors.RegulError) -> None:
        """Answer with a problem; people on pages are sent to the sign-in page instead."""
        path, page = self._scope["path"], self._scope["method"] == "GET"
        if isinstance(refusal, errors.Unauthenticated) and page and not _is_api(path):
            await self._go(f"/login?next={quote(path)}")
            return
        body = problems.body_of(refusal, self._visit.request_id)
        await self(
            {
                "type": "http.response.start",
                "status": problems.status_of(refusal).value,
                "headers": problems.plain_headers(refusal, len(body)),
            }
        )
        await self({"type": "http.response.body", "body": body, "more_body": False})


def _is_api(path: str) -> bool:
    return path.startswith("/api/") or path in {"/api", "/metrics"}


def _identify(scope: HTTPScope) -> Visit:
    """Take over ids of the client that are safe to echo and log; make the others."""
    sent = {name: value for name, value in scope["headers"] if name.endswith(b"-id")}
    request_id = sent.get(b"x-request-id", b"")
    correlation_id = sent.get(b"x-correlation-id", b"")
    own = request_id.decode("ascii") if _ID.match(request_id) else str(ids.uuid7())
    joined = correlation_id.decode("ascii") if _ID.match(correlation_id) else own
    visit = Visit(request_id=own, correlation_id=joined)
    visits.keep(cast("MutableMapping[str, Any]", scope), visit)
    return visit


def _check_address(path: str, query: bytes) -> None:
    """Refuse addresses that two readers could read in two ways."""
    unknown = errors.Missing("route_unknown", "There is nothing at this address.")
    for segment in path.removesuffix("/").split("/")[1:]:
        if not _SEGMENT.match(segment) or segment in {".", ".."}:
            raise unknown
        if path.startswith("/api/") and _reads_as_another(segment):
            raise unknown
    if len(query) > _LONGEST_QUERY:
        raise errors.Malformed("query_too_long", "The query is too long.", longest=_LONGEST_QUERY)
    bodies.check_query(query)


def _reads_as_another(segment: str) -> bool:
    """Tell whether Python would read a UUID or a number that is not written plainly."""
    for kind, plain in ((UUID, _CANONICAL), (int, re.compile(r"^(?:0|[1-9]\d{0,17})$"))):
        try:
            kind(segment)
        except ValueError:
            continue
        return plain.match(segment) is None
    return False


def check_origin(headers: Headers, scheme: str) -> None:
    """Refuse a write from a page of another origin (the session cookie would go along).

    Args:
        headers: Of the request.
        scheme: http or https, as the client used it.

    Raises:
        Forbidden: `origin_foreign`.
    """
    origin = headers.text(b"origin")
    site = headers.text(b"sec-fetch-site")
    if origin:
        parts = urlsplit(origin) if origin.isascii() else urlsplit("")
        same = parts.netloc.lower() == headers.text(b"host").lower()
        same = same and parts.scheme in {scheme, "https"}
    else:
        same = site in {"same-origin", "none"}
    if not same:
        raise errors.Forbidden("origin_foreign", "This page belongs to another site.")


async def _read(headers: Headers, receive: Receive) -> bytes:
    too_large = problems.BodyTooLarge(
        "body_too_large", "The body is longer than allowed.", longest_bytes=bodies.LONGEST
    )
    announced = headers.text(b"content-length")
    if announced and not (announced.isascii() and announced.isdigit()):
        raise errors.Malformed("length_unreadable", "Content-Length is not a number.")
    if announced and (len(announced) > len(str(bodies.LONGEST)) or int(announced) > bodies.LONGEST):
        raise too_large
    if not announced and not headers.raw(b"transfer-encoding"):
        return b""
    if headers.raw(b"content-encoding"):
        raise problems.Unsupported("encoding_unsupported", "Bodies are sent uncompressed.")
    chunks: list[bytes] = []
    length, more = 0, True
    try:
        async with asyncio.timeout(BODY_S):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise errors.Malformed("body_cut_off", "The body ended early.")
                chunks.append(message.get("body", b""))
                length += len(chunks[-1])
                if length > bodies.LONGEST:
                    raise too_large
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise problems.BodyTooSlow("body_too_slow", "The body took too long.") from error
    return b"".join(chunks)


def _check_body(headers: Headers, path: str, body: bytes) -> None:
    kind, _, options = headers.text(b"content-type").partition(";")
    kind = kind.strip().lower()
    form = kind == _FORM and not path.startswith("/api/")
    if not form and not _JSON.match(kind):
        raise problems.Unsupported(
            "media_type_unsupported", "Bodies are application/json.", allowed=["application/json"]
        )
    charset = options.strip().lower().replace('"', "").replace(" ", "")
    if charset not in {"", "charset=utf-8", "charset=utf8"}:
        raise problems.Unsupported("charset_unsupported", "Bodies are UTF-8.")
    if form:
        bodies.check_form(body)
    else:
        bodies.check_json(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a `receive` that hands the body out once, then tells of the client's departure."""
    given = False

    async def again() -> HTTPReceiveMessage:
        nonlocal given
        if given:
            return cast("HTTPReceiveMessage", await receive())
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
