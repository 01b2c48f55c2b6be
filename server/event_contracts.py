"""What a subscriber receives, described: JSON Schemas of event bodies, AsyncAPI of the channel.

Served at /contracts/ to anybody (they hold no data) and written to docs/contracts/.
"""

from functools import cache
from typing import Any, Final

import msgspec
from litestar import get
from litestar.response import Response

from events import catalogue
from events.catalogue import Event
from events.cloudevents import CloudEvent
from server import description

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PSEUDONYM: Final = {
    "type": "string",
    "pattern": "^[0-9a-f]{32}$",
    "description": "The recipient's own pseudonym of a case.",
}
_UUID: Final = {"type": "string", "format": "uuid"}
ADDRESSES: Final = ("/contracts/events.json", "/contracts/asyncapi.json")


def events() -> dict[str, Any]:
    """Give the JSON Schema of `data` of each event kind, under `$defs` by the kind's class."""
    kinds = sorted(catalogue.KINDS.items())
    _, components = msgspec.json.schema_components(
        [struct for _, struct in kinds], ref_template="#/$defs/{name}"
    )
    definitions = dict(components)
    for _, struct in kinds:
        definitions[struct.__name__] = _as_sent(struct, components[struct.__name__])
    return {
        "$schema": _DIALECT,
        "title": "Bodies of Régul's events",
        "description": "Ids and codes only: no name, phone number, address or free text. "
        "Fields are only ever added.",
        "$defs": definitions,
        "x-kinds": {kind: f"#/$defs/{struct.__name__}" for kind, struct in kinds},
    }


def _as_sent(struct: type[Event], schema: dict[str, Any]) -> dict[str, Any]:
    """Describe the fields as `events.cloudevents` sends them."""
    properties: dict[str, Any] = {}
    required = [name for name in schema.get("required", []) if name != "kind"]
    for name, value in schema["properties"].items():
        if name.endswith("case_id"):
            properties[name.removesuffix("_id")] = _PSEUDONYM
        elif name != "kind":
            properties[name] = value
    required = [name.removesuffix("_id") if name.endswith("case_id") else name for name in required]
    if struct.AGGREGATE != "case":
        properties[f"{struct.AGGREGATE}_id"] = _UUID
        required.append(f"{struct.AGGREGATE}_id")
    return {
        "title": struct.__name__,
        "description": schema.get("description", ""),
        "type": "object",
        "properties": properties,
        "required": sorted(set(required)),
    }


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
    return description.text(events() if name == "events" else asyncapi(description.version()))


@get(ADDRESSES[0], include_in_schema=False)
async def events_json() -> Response[bytes]:
    """Give the JSON Schemas of event bodies; needs nobody known."""
    return Response(_served("events"), media_type="application/schema+json")


@get(ADDRESSES[1], include_in_schema=False)
async def asyncapi_json() -> Response[bytes]:
    """Give the AsyncAPI description; needs nobody known."""
    return Response(_served("asyncapi"), media_type="application/json")


ROUTES: Final = [events_json, asyncapi_json]
