"""What the guard knows of a request before any route is chosen; kept in the ASGI scope."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal

import msgspec

from kernel.actor import Actor

_PLACE: Final = "regul.visit"


class Visit(msgspec.Struct, kw_only=True):
    """One request on its way through the guard.

    Attributes:
        request_id: Echoed as X-Request-ID.
        correlation_id: Echoed as X-Correlation-ID; the request id when none was sent.
        actor: Who asks, once known.
        by: How they proved it.
        fingerprint: Method, path and body as sent; what an idempotency key is bound to.
    """

    request_id: str
    correlation_id: str
    actor: Actor | None = None
    by: Literal["", "key", "session"] = ""
    fingerprint: bytes = b""


def keep(scope: MutableMapping[str, Any], visit: Visit) -> None:
    """Put the visit into an ASGI scope.

    Args:
        scope: Of the request.
        visit: What is known of it.
    """
    scope[_PLACE] = visit


def of(scope: Mapping[str, Any]) -> Visit:
    """Give the visit of an ASGI scope; an empty one where the guard did not run.

    Args:
        scope: Of the request.
    """
    visit = scope.get(_PLACE)
    return visit if isinstance(visit, Visit) else Visit(request_id="", correlation_id="")


def actor_of(visit: Visit) -> Actor:
    """Give the visit's actor with the ids of this request.

    Args:
        visit: With an actor.

    Raises:
        ValueError: It has none.
    """
    if visit.actor is None:
        message = "this visit has no actor"
        raise ValueError(message)
    return msgspec.structs.replace(
        visit.actor, request_id=visit.request_id, correlation_id=visit.correlation_id
    )
