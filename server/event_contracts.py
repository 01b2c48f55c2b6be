"""What a subscriber receives, described: JSON Schemas of event bodies, AsyncAPI of the channel.

Served at /contracts/ to anybody (they hold no data) and written to docs/contracts/.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
from litestar import get
from litestar.response import Response

from events import contracts
from events.cloudevents import CloudEvent
from server import description

ADDRESSES: Final = ("/contracts/events.json", "/contracts/asyncapi.json")


def asyncapi(version: str) -> dict[str, Any]:
    """Give the AsyncAPI 3.0 description of what a subscriber receives, over each delivery.

    Args:
        version: Of Régul.
    """
    (envelope,), components = msgspec.json.schema_components(
        [CloudEvent], ref_template="#/components/schemas/{name}"
    )
    message = {
        "name": "event",
        "title": "CloudEvents 1.0; `data` as in events.json, named by `dataschema`",
        "payload": envelope,
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Régul events",
            "version": version,
            "description": "Numbered without gaps per subscription; idempotent by `id`.",
        },
        "defaultContentType": "application/json",
        "channels": dict(_CHANNELS),
        "operations": dict(_OPERATIONS),
        "components": {
            "messages": {"event": message, "signed": {**message, "headers": dict(_SIGNED)}},
            "schemas": components,
        },
    }


_CHANNELS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "out": {
            "address": "out.{subscription_id}",
            "parameters": {
                "subscription_id": {"description": "Id that POST /subscriptions answered."}
            },
            "messages": {"event": {"$ref": "#/components/messages/event"}},
        },
        "heartbeat": {
            "address": "_INBOX_{user}.heartbeat.{subscription_id}",
            "parameters": {
                "user": {"description": "Name signed in with: the subscription or the actor."},
                "subscription_id": {"description": "Which is served."},
            },
            "messages": {"event": {"$ref": "#/components/messages/event"}},
        },
        "webhook": {
            "address": None,
            "description": "The endpoint that the subscription named; https, port 443.",
            "messages": {"signed": {"$ref": "#/components/messages/signed"}},
        },
    }
)
_OPERATIONS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "receive": {
            "action": "receive",
            "channel": {"$ref": "#/channels/out"},
            "summary": "A durable pull consumer named like the subscription, on stream OUT.",
        },
        "hear": {
            "action": "receive",
            "channel": {"$ref": "#/channels/heartbeat"},
            "summary": "Not stored: regul.subscription.heartbeat with the last number sent.",
        },
        "take": {
            "action": "receive",
            "channel": {"$ref": "#/channels/webhook"},
            "summary": "Standard Webhooks 1.0.0; 2xx within 15 s confirms the number.",
        },
    }
)
_SIGNED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "object",
        "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
        "properties": {
            "webhook-id": {"type": "string", "description": "The event's id, at each attempt."},
            "webhook-timestamp": {"type": "string", "description": "Unix seconds."},
            "webhook-signature": {
                "type": "string",
                "description": "Of `id.timestamp.body`: `v1a,` or `v1,` and base64; two, with a "
                "space between, while keys overlap.",
            },
        },
    }
)


@cache
def _served(name: str) -> bytes:
    return description.text(
        contracts.schema() if name == "events" else asyncapi(description.version())
    )


@get(ADDRESSES[0], include_in_schema=False)
async def events_json() -> Response[bytes]:
    """Give the JSON Schemas of event bodies; needs nobody known."""
    return Response(_served("events"), media_type="application/schema+json")


@get(ADDRESSES[1], include_in_schema=False)
async def asyncapi_json() -> Response[bytes]:
    """Give the AsyncAPI description; needs nobody known."""
    return Response(_served("asyncapi"), media_type="application/json")


ROUTES: Final = [events_json, asyncapi_json]
