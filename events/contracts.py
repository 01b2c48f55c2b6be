"""The contract of events as JSON Schema, generated from the catalogue."""

from typing import Any, Final

import msgspec

from events import catalogue
from events.cloudevents import CloudEvent

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Final = "#/$defs/{name}"


def schema() -> dict[str, Any]:
    """Give the schema of everything that leaves Régul as an event.

    Returns:
        JSON Schema 2020-12: `$defs` holds one schema for the `data` of each kind and one for the
        envelope; `x-kinds` maps each kind to its definition.
    """
    kinds = dict(sorted(catalogue.KINDS.items()))
    _, definitions = msgspec.json.schema_components(
        [*kinds.values(), CloudEvent], ref_template=REFERENCE
    )
    return {
        "$schema": DIALECT,
        "$id": "/contracts/events.json",
        "title": "Events of Régul",
        "$ref": REFERENCE.format(name=CloudEvent.__name__),
        "$defs": {name: _published(one) for name, one in sorted(definitions.items())},
        "x-kinds": {kind: REFERENCE.format(name=one.__name__) for kind, one in kinds.items()},
    }


def text() -> str:
    """Give the schema as the text that is committed.

    Returns:
        JSON, two spaces, a newline at the end.
    """
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def _published(definition: dict[str, Any]) -> dict[str, Any]:
    """Take away the tag, which is the envelope's `type`; a case's id leaves as a pseudonym."""
    properties = {
        name: one for name, one in definition.get("properties", {}).items() if name != "kind"
    }
    required = [name for name in definition.get("required", []) if name != "kind"]
    for name in [one for one in properties if one.endswith("case_id")]:
        properties[name.removesuffix("_id")] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
        del properties[name]
    required = [name.removesuffix("_id") if name.endswith("case_id") else name for name in required]
    return {**definition, "properties": properties, "required": required}
