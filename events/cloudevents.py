"""The envelope that leaves Régul: CloudEvents 1.0, the case under the recipient's pseudonym.

Source: CloudEvents specification 1.0.2; extensions `sequence` (as published), `number`,
`epoch`, `position`, `aggregateversion`, `correlationid`.
"""

from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid5

import msgspec

from events.deliveries import Delivery
from events.model import StoredEvent
from kernel.crypto import KeyRing

WITHHELD: Final = "event.withheld"
"""Stands in for an event that the subscriber may no longer see, so that numbers keep no gap."""
HEARTBEAT: Final = "subscription.heartbeat"
"""Says that a silent subscription is served; `number` is the last one sent."""
TEST: Final = "subscription.test"
"""Asked for by the subscriber; `number` is the last one sent."""
SPEC: Final = "1.0"
JSON: Final = "application/json"
_PREFIX: Final = "regul."


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as a recipient gets it.

    Attributes:
        id: Event id; consumers are idempotent by it.
        source: Who says it: the territory's centre.
        type: `regul.` and the kind.
        sequence: The recipient's own gapless number, in decimal.
        number: The same, as a number.
        epoch: Changes when the feed was restored; then numbers mean other events.
        position: Place in the feed of the territory.
        specversion: Of CloudEvents.
        datacontenttype: Of `data`.
        data: Ids and codes.
        time: When it happened, RFC 3339 in UTC.
        dataschema: Where the schema of `data` is.
        subject: The recipient's pseudonym of the case; absent where there is no case.
        aggregateversion: Gapless number within what the event is about.
        correlationid: Joins one journey; as sent in X-Correlation-ID.
    """

    id: UUID
    source: str
    type: str
    sequence: str
    number: int
    epoch: int
    position: int
    specversion: Literal["1.0"]
    datacontenttype: Literal["application/json"]
    data: dict[str, Any]
    time: str = ""
    dataschema: str = ""
    subject: str | None = None
    aggregateversion: int = 0
    correlationid: str = ""


def of_delivery(
    delivery: Delivery, subscription_id: UUID, recipient_id: UUID, keys: KeyRing
) -> CloudEvent:
    """Make the envelope of one delivery.

    Args:
        delivery: Event and number.
        subscription_id: Whose.
        recipient_id: Organisation (or, for a centre's staff, territory) whose pseudonyms are used.
        keys: Makes pseudonyms.

    Returns:
        The envelope; where the subscriber may no longer see the event, nothing but its number.
    """
    if delivery.event is not None:
        return envelope(delivery.event, delivery.number, recipient_id, keys)
    return CloudEvent(
        id=withheld_id(subscription_id, delivery.number),
        source="/regul",
        type=_PREFIX + WITHHELD,
        sequence=str(delivery.number),
        number=delivery.number,
        epoch=delivery.epoch,
        position=delivery.position,
        specversion=SPEC,
        datacontenttype=JSON,
        data={},
    )


def sign(
    kind: str, event_id: UUID, subscription_id: UUID, *, number: int, epoch: int, at: datetime
) -> CloudEvent:
    """Make a message about the subscription itself; it takes no number.

    Args:
        kind: `HEARTBEAT` or `TEST`.
        event_id: Its identity.
        subscription_id: Whose.
        number: The last number sent; a subscriber that has a lower one missed something.
        epoch: Of the feed.
        at: When, UTC.

    Returns:
        The envelope.
    """
    return CloudEvent(
        id=event_id,
        source="/regul",
        type=_PREFIX + kind,
        sequence=str(number),
        number=number,
        epoch=epoch,
        position=0,
        specversion=SPEC,
        datacontenttype=JSON,
        data={"subscription_id": str(subscription_id)},
        time=_rfc3339(at),
    )


def withheld_id(subscription_id: UUID, number: int) -> UUID:
    """Give the id of what stands in for an event that may no longer be seen.

    Args:
        subscription_id: Whose.
        number: Its number there.

    Returns:
        The same at each call; it tells nothing of the event.
    """
    return uuid5(subscription_id, str(number))


def envelope(event: StoredEvent, number: int, recipient_id: UUID, keys: KeyRing) -> CloudEvent:
    """Make the envelope of an event.

    Args:
        event: The stored event.
        number: The recipient's own number, from 1.
        recipient_id: Organisation (or, for a centre's staff, territory) whose pseudonyms are used.
        keys: Makes pseudonyms.

    Returns:
        The envelope.
    """
    case_id = event.case_id
    return CloudEvent(
        id=event.event_id,
        source=f"/regul/territories/{event.territory_id}",
        type=_PREFIX + event.kind,
        time=_time(event),
        sequence=str(number),
        number=number,
        epoch=event.epoch,
        position=event.position,
        specversion=SPEC,
        datacontenttype=JSON,
        dataschema=f"/contracts/events.json#/$defs/{type(event.event).__name__}",
        subject=None if case_id is None else keys.pseudonym(recipient_id, case_id),
        aggregateversion=event.version,
        correlationid=event.correlation_id,
        data=_data(event, recipient_id, keys),
    )


def encode(one: CloudEvent) -> bytes:
    """Write the structured mode.

    Args:
        one: The envelope.

    Returns:
        JSON.
    """
    return _ENCODER.encode(one)


def _time(event: StoredEvent) -> str:
    return _rfc3339(event.occurred_at)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _data(event: StoredEvent, recipient_id: UUID, keys: KeyRing) -> dict[str, Any]:
    """Give the fields; a case's id becomes the recipient's pseudonym, and the thing its own id."""
    fields: dict[str, Any] = msgspec.to_builtins(event.event)
    fields.pop("kind", None)
    for name in [one for one in fields if one.endswith("case_id")]:
        fields[name.removesuffix("_id")] = keys.pseudonym(recipient_id, UUID(fields.pop(name)))
    if event.aggregate != "case":
        fields[f"{event.aggregate}_id"] = str(event.aggregate_id)
    return fields


_ENCODER: Final = msgspec.json.Encoder()
