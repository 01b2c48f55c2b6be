"""Delivery receipts: a receiver's own system confirmed the message; that is never an acceptance.

Which number a subscription has confirmed is known from its webhook's 2xx or its acknowledgement at
NATS (`events.progress`). A handoff whose request is among those numbers has arrived.
"""

from typing import Final

from events import handoffs
from kernel.actor import Actor
from kernel.database import Tx

MOST: Final = 200


async def note(tx: Tx, actor: Actor, limit: int = MOST) -> int:
    """Note as delivered what the receivers' systems have confirmed.

    Args:
        tx: A transaction of the system; repeating it changes nothing.
        actor: The system.
        limit: Most handoffs.

    Returns:
        How many arrived.
    """
    arrived = 0
    for row in await tx.fetch(SELECT_CONFIRMED, limit):
        arrived += await handoffs.deliver(tx, actor, row["id"]) is not None
    return arrived


SELECT_CONFIRMED: Final = """
select distinct h.id
from events.handoff h
join events.outbox o on o.aggregate_id = h.id and o.kind = 'handoff.requested'
join events.position p on p.outbox_id = o.id
join events.delivery d on d.position = p.position
join events.progress g on g.subscription_id = d.subscription_id
    and g.confirmed_number >= d.event_number
join events.subscription s on s.id = d.subscription_id
where h.state = 'requested' and h.acknowledgement_required
  and h.to_organisation_id in (s.recipient_id, s.organisation_id)
order by h.id limit $1
"""
