"""Contracts do not drift from the code; the condition is judged from what was read."""

import jsonschema
import msgspec
import pytest

from events import catalogue
from events import contracts as event_bodies
from server import contracts, event_contracts
from server.status import health_of


async def test_the_committed_contracts_are_what_the_code_says() -> None:
    wanted = await contracts.contracts()
    assert contracts.drifted(contracts.DIRECTORY, wanted) == [], "run ./regul contracts"


def test_every_event_kind_has_a_valid_schema_of_what_is_sent() -> None:
    whole = event_bodies.schema()
    assert set(whole["x-kinds"]) == set(catalogue.KINDS)
    for reference in whole["x-kinds"].values():
        schema = whole["$defs"][reference.rpartition("/")[2]]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert not [name for name in schema["properties"] if name.endswith("case_id")]
        assert set(schema["required"]) <= set(schema["properties"])


def test_the_channel_description_refers_to_what_it_holds() -> None:
    whole = event_contracts.asyncapi("1")
    message = whole["channels"]["out"]["messages"]["event"]["$ref"]
    assert message == "#/components/messages/event"
    payload = whole["components"]["messages"]["event"]["payload"]["$ref"]
    assert payload.rpartition("/")[2] in whole["components"]["schemas"]
    assert msgspec.json.encode(whole)


@pytest.mark.parametrize(
    ("lag", "heard", "bus", "degraded"),
    [
        (0, 0.5, True, ()),
        (0, 0.5, False, ("nats_away",)),
        (0, 0.5, None, ()),
        (0, None, None, ("worker_silent",)),
        (0, 60.0, True, ("worker_silent",)),
        (5_000, 0.5, True, ("feed_lagging",)),
        (None, 0.5, True, ()),
    ],
    ids=["well", "no bus", "bus unknown", "never heard", "silent", "lagging", "no lag"],
)
def test_what_is_degraded_is_named(
    lag: int | None, heard: float | None, bus: bool | None, degraded: tuple[str, ...]
) -> None:
    assert health_of(lag=lag, heard=heard, bus=bus).degraded == degraded
