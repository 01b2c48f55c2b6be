"""Refusals as RFC 9457 problems: the one table from error family to HTTP status.

Nothing a client sends may end as a 500. What reaches the last line of `refusal_of` is a defect of
ours: it is logged by type and place, without the values that caused it.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)

from kernel import database, errors, telemetry
from server import visits

MEDIA_TYPE: Final = "application/problem+json"


class MethodNotAllowed(errors.RegulError):
    """The path exists, not for this method."""


class BodyTooSlow(errors.RegulError):
    """The body did not arrive in time."""


class BodyTooLarge(errors.RegulError):
    """The body is longer than allowed."""


class Unsupported(errors.RegulError):
    """The body is of a kind that this path does not read."""


class Broken(errors.RegulError):
    """A defect of ours; the code is always `internal_error`."""


STATUSES: Final[Mapping[type[errors.RegulError], HTTPStatus]] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Missing: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Expired: HTTPStatus.GONE,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooEarly: HTTPStatus.TOO_EARLY,
    errors.Limited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Broken: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Family -> status; the only place that knows."""

RETRYABLE: Final = (errors.TooEarly, errors.Limited, errors.Unavailable)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every refusal; `fields` stand beside the members named here.

    Attributes:
        type: Relative URI, `/problems/<code>`; docs/errors.md describes each code.
        title: The status in words.
        status: HTTP status.
        code: Stable, in snake case; program against this one.
        detail: One plain sentence, never with a patient's data.
        request_id: Also in the header X-Request-ID; quote it when you ask about a refusal.
        path: JSON path of what was refused in the body, or the name of a parameter.
        allowed: Values that would be accepted.
        retry_after_s: Seconds after which a retry makes sense; also in Retry-After.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    path: str | None = None
    allowed: list[str] | None = None
    retry_after_s: int | None = None


def status_of(refusal: errors.RegulError) -> HTTPStatus:
    """Give the status of a refusal, by the nearest family it belongs to.

    Args:
        refusal: Any refusal.
    """
    for family in type(refusal).__mro__:
        if family in STATUSES:
            return STATUSES[family]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def body_of(refusal: errors.RegulError, request_id: str) -> bytes:
    """Write the problem of a refusal.

    Args:
        refusal: What was refused and why.
        request_id: Of the request.

    Returns:
        JSON with the members of `Problem` and the refusal's public fields.
    """
    status = status_of(refusal)
    problem: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": status.phrase,
        "status": status.value,
        "code": refusal.code,
        "detail": str(refusal),
        "request_id": request_id,
    }
    for name, value in refusal.fields.items():
        if value is not None:
            problem.setdefault(name, value)
    return msgspec.json.encode(problem)


def headers_of(refusal: errors.RegulError) -> dict[str, str]:
    """Give the headers that a refusal adds to the answer.

    Args:
        refusal: Any refusal.
    """
    headers = {}
    if isinstance(refusal, RETRYABLE):
        headers["retry-after"] = str(refusal.fields.get("retry_after_s") or 1)
    if isinstance(refusal, errors.Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="regul"'
    if isinstance(refusal, MethodNotAllowed):
        headers["allow"] = str(refusal.fields.get("allow", ""))
    return headers


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer an error that a route raised; Litestar calls this for all of them.

    Args:
        request: The request.
        error: What was raised.
    """
    refusal = refusal_of(error)
    visit = visits.of(request.scope)
    log(refusal, error, visit, request.method)
    return Response(
        body_of(refusal, visit.request_id),
        status_code=status_of(refusal).value,
        media_type=MEDIA_TYPE,
        headers=headers_of(refusal),
    )


def log(refusal: errors.RegulError, error: Exception, visit: visits.Visit, method: str) -> None:
    """Write one line about a refusal: info for what is expected, error for a defect of ours.

    Args:
        refusal: What is answered.
        error: What was raised; only its type and place are written.
        visit: Ids and route of the request.
        method: HTTP method.
    """
    status = status_of(refusal).value
    logger = telemetry.logger()
    known = {"code": refusal.code, "status": status, "request_id": visit.request_id}
    if isinstance(refusal, Broken):
        logger.error(
            "request.failed",
            error=type(error).__name__,
            reason=telemetry.place(error),
            method=method,
            **known,
        )
    else:
        logger.info("request.refused", method=method, **known)


def refusal_of(error: Exception) -> errors.RegulError:
    """Turn whatever was raised into a refusal.

    Args:
        error: Of ours, of Litestar, msgspec, asyncpg or Python.

    Returns:
        Itself when it is one; `Broken` for what nobody foresaw.
    """
    if isinstance(error, _OF_DATABASE):
        error = database.translate(error)
    if isinstance(error, errors.RegulError):
        return error
    if isinstance(error, HTTPException):
        return _of_litestar(error)
    if isinstance(error, msgspec.ValidationError):
        return unreadable_value(str(error))
    for kind, code, sentence in _OF_PYTHON:
        if isinstance(error, kind):
            return errors.Malformed(code, sentence)
    return Broken("internal_error", "Something failed on our side; the request id names it.")


_OF_DATABASE: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
_OF_PYTHON: Final[Sequence[tuple[type[Exception], str, str]]] = (
    (msgspec.DecodeError, "json_unreadable", "The body is not JSON."),
    (SerializationException, "json_unreadable", "The body is not JSON."),
    (UnicodeError, "value_not_storable", "A value can't be stored as it is."),
    (RecursionError, "nested_too_deep", "The body is nested too deep."),
)


def _of_litestar(error: HTTPException) -> errors.RegulError:
    if isinstance(error, NotFoundException):
        return errors.Missing("route_unknown", "There is nothing at this address.")
    if isinstance(error, MethodNotAllowedException):
        allow = ", ".join(sorted(set((error.headers or {}).get("allow", "").split(", "))))
        return MethodNotAllowed(
            "method_not_allowed", "This address does not take this method.", allow=allow
        )
    if isinstance(error, ValidationException):
        return _of_validation(error)
    simple: dict[int, errors.RegulError] = {
        400: errors.Malformed("request_unreadable", "The request can't be read."),
        401: errors.Unauthenticated("sign_in_needed", "Sign in or send an API key."),
        403: errors.Forbidden("action_not_allowed", "This is not allowed."),
        413: BodyTooLarge("body_too_large", "The body is longer than allowed."),
        415: Unsupported("media_type_unsupported", "Bodies are application/json."),
    }
    fallback = Broken("internal_error", "Something failed on our side; the request id names it.")
    return simple.get(error.status_code, fallback)


def _of_validation(error: ValidationException) -> errors.RegulError:
    extra: Sequence[Any] = error.extra if isinstance(error.extra, list) else []
    first = extra[0] if extra and isinstance(extra[0], dict) else {}
    message = str(first.get("message", "")) or "Expected another value"
    return unreadable_value(message, str(first.get("key") or ""))


_AT: Final = re.compile(r" - at `(?P<path>(?:key in )?[^`]*)`$")
_QUOTED_VALUE: Final = re.compile(r"^(Invalid (?:enum|literal) value|Invalid value) .*$", re.DOTALL)
_SAFE: Final = re.compile(
    r"^(Expected `[^`]{1,200}`(?:, got `[^`]{1,60}`| matching regex .{1,200}|"
    r" (?:[<>=]+ [\d.e+-]+|of length [<>=]+ \d+|with (?:a|no) timezone component))?|"
    r"Object missing required field `[A-Za-z0-9_]{1,64}`|"
    r"Object contains unknown field `[a-z][A-Za-z0-9_]{0,40}`|"
    r"Invalid (?:UUID|RFC3339 encoded datetime|base64 encoded string|(?:enum |literal )?value)|"
    r"Integer value out of range|Number out of range|Timestamp is out of range)$"
)


def unreadable_value(message: str, path: str = "") -> errors.Malformed:
    """Turn a validation message into a refusal that quotes no value.

    Args:
        message: Of msgspec; may quote what was sent.
        path: Where, when the message does not say.

    Returns:
        `value_unreadable` with `path` and, in `detail`, what was expected there.
    """
    if (match := _AT.search(message)) is not None:
        path, message = match["path"], message[: match.start()]
    message = _QUOTED_VALUE.sub(r"\1", message)
    if _SAFE.match(message) is None:
        message = "Expected another value"
    if not re.fullmatch(r"[A-Za-z0-9_$.\[\]-]{1,200}", path):
        path = "$" if path.startswith("$") or not path else "parameter"
    return errors.Malformed("value_unreadable", f"{message}.", path=path)


def plain_headers(refusal: errors.RegulError, length: int) -> list[tuple[bytes, bytes]]:
    """Give the headers of a problem that is answered before any route is chosen.

    Args:
        refusal: What is answered.
        length: Of the body in bytes.
    """
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(length),
        **headers_of(refusal),
    }
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


HANDLERS: Final[Mapping[Any, Any]] = {Exception: handle, HTTPException: handle}
"""For `Litestar(exception_handlers=...)`."""

TEXT: Final = MediaType.TEXT
