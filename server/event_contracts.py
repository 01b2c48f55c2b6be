"""What a subscriber receives, described: JSON Schemas of event bodies, AsyncAPI of the channel.

Served at /contracts/ to anybody (they hold no data) and written to docs/contracts/.
"""

from functools import cache
from typing import Any, Final

import msgspec
from litestar import get
from litestar.response import Response

from events import contracts
from events.cloudevents import CloudEvent
from server import description

ADDRESSES: Final = ("/contracts/events.json", "/contracts/asyncapi.json")


def asyncapi(version: str) -> dict[str, Any]:
    """Give the AsyncAPI 3.0 description of what a subscriber receives over NATS.

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
        "channels": {
            "out": {
                "address": "out.{subscription_id}",
                "parameters": {
                    "subscription_id": {"description": "Id that POST /subscriptions answered."}
                },
                "messages": {"event": {"$ref": "#/components/messages/event"}},
            }
        },
        "operations": {
            "receive": {
                "action": "receive",
                "channel": {"$ref": "#/channels/out"},
                "summary": "A durable pull consumer named like the subscription, on stream OUT.",
            }
        },
        "components": {"messages": {"event": message}, "schemas": components},
    }


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
