"""The OpenAPI 3.1 description: title, security, and the refusals every route may answer with."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Router, get
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.response import Response

from server import cli, problems
from server.requests import Request

TITLE: Final = "Régul"
SUMMARY: Final = "The nerve centre of a care-regulation service"
TEXT: Final = """\
Everything of Régul over HTTP. Refusals are `application/problem+json` (RFC 9457) with a stable
`code`. Writes that book or hand over need an `Idempotency-Key`: the same key and body give the
same answer once more. `X-Request-ID` and `X-Correlation-ID` are echoed everywhere. Times carry an
offset and are answered in UTC. A 503, 425 or 429 says in `Retry-After` when to come back.
"""

_REASONS: Final[Mapping[int, str]] = {
    400: "The request can't be read: `path` says where.",
    401: "Nobody known is asking.",
    403: "This actor may not do this.",
    404: "No such thing, or none that this actor may see.",
    408: "The body did not arrive in time.",
    409: "The present state does not allow it.",
    410: "It existed; its time has passed.",
    413: "The body is longer than 256 KiB.",
    415: "The body is not JSON in UTF-8.",
    422: "Readable, but a rule refuses the content.",
    425: "The first attempt with this idempotency key is still running.",
    429: "Too many for this actor now.",
    503: "Something this depends on is away: come back after `Retry-After` seconds.",
}

_IDEMPOTENCY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Required where the route says so, honoured on every POST: the same key and "
    "body give the same answer once more.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
}
_WRITES: Final = frozenset({"post", "put", "patch", "delete"})

SECURITY: Final[list[dict[str, list[str]]]] = [{"key": []}, {"session": []}]


async def _closed(_connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    raise NotFoundException


def version() -> str:
    """Give the version of Régul."""
    return cli.version()


def config() -> OpenAPIConfig:
    """Give the description's fixed parts.

    Litestar's own pages are closed: they would load scripts from other origins and answer
    unknown paths in HTML; the description is served by `openapi` below.
    """
    return OpenAPIConfig(
        title=TITLE,
        version=version(),
        summary=SUMMARY,
        description=TEXT,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="http", scheme="bearer", description="API key of an actor."
                ),
                "session": SecurityScheme(
                    type="apiKey",
                    name="regul_session",
                    security_scheme_in="cookie",
                    description="Session of the console; writes also need the page's own Origin.",
                ),
            }
        ),
        tags=[Tag(name="status", description="What works and what is degraded.")],
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router(
            "/schema", route_handlers=[], guards=[_closed], include_in_schema=False
        ),
    )


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response[bytes]:
    """Give the description; needs nobody known."""
    return Response(
        text(complete(request.app.openapi_schema.to_schema())),
        media_type="application/vnd.oai.openapi+json",
    )


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """Add what holds for every route: security, refusals, the idempotency header.

    Args:
        schema: As Litestar gives it; not changed.

    Returns:
        The complete description.
    """
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    problem = msgspec.json.schema(problems.Problem)["$defs"]["Problem"]
    whole.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problem
    refusal = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for item in whole.get("paths", {}).values():
        for method, operation in item.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            operation["security"] = SECURITY
            for code, reason in _REASONS.items():
                known = operation["responses"].setdefault(str(code), {"description": reason})
                known["content"] = refusal
            if method in _WRITES:
                operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    return whole


def text(schema: dict[str, Any]) -> bytes:
    """Write a description the same way every time.

    Args:
        schema: A complete description.
    """
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"
