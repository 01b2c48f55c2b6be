"""The outbox: a use case appends its facts in its own transaction; nobody else publishes."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from events import catalogue
from kernel import ids
from kernel.actor import Actor
from kernel.database import Tx


async def append(
    tx: Tx,
    actor: Actor,
    event: catalogue.Event,
    *,
    aggregate_id: UUID,
    territory_id: UUID,
    case_id: UUID | None = None,
    organisation_ids: Sequence[UUID] = (),
) -> None:
    """Append one fact; it becomes visible to followers only if the transaction commits.

    Args:
        tx: The transaction of the change the fact is about.
        actor: Who did it.
        event: The fact; its class says kind and aggregate.
        aggregate_id: What it is about; the aggregate's row stays locked until the commit, which
            gives its events their order.
        territory_id: Where it happened.
        case_id: The patient's case, when there is one.
        organisation_ids: Organisations that take part and so may learn of it.

    Raises:
        ValidationError: msgspec's: a field holds what its type doesn't allow.
    """
    checked = catalogue.validate(event)
    await tx.execute(
        EVENTS_APPEND,
        ids.uuid7(),
        catalogue.kind_of(checked),
        checked.AGGREGATE,
        aggregate_id,
        territory_id,
        case_id,
        list(organisation_ids),
        actor.id,
        actor.correlation_id,
        msgspec.json.encode(checked).decode(),
    )


EVENTS_APPEND: Final = """
select events.events_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb)
"""
