"""The clock of handoffs acts here: silence becomes overdue, and climbs until a human takes it.

Who is told next is the pure rule of `ladder.climb`; each step is one statement whose WHERE holds
the state it was decided for, and one event. What a colleague answered meanwhile wins.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal
from uuid import UUID

from events import duty, handoffs, ladder, store
from events.ladder import Colleague, Post, Step
from events.model import Command, Handoff
from kernel.actor import Actor, require
from kernel.database import Tx

MOST: Final = 200
"""Most handoffs a sweep moves at each of its two steps."""


async def sweep(tx: Tx, actor: Actor, limit: int = MOST) -> int:
    """Let the clock act: silence becomes overdue, and what nobody took goes a step up.

    Args:
        tx: A transaction of the system; repeating it changes nothing.
        actor: The system.
        limit: Most handoffs a step.

    Returns:
        How many transitions were made.
    """
    rows = await tx.fetch(EXPIRE_HANDOFFS, limit)
    late = await store.several(tx, [row["id"] for row in rows])
    for handoff in late:
        await handoffs.moved(tx, actor, handoff, "handoff.escalate", reason=handoff.overdue_reason)
    due = [row["id"] for row in await tx.fetch(SELECT_CLIMBING, limit)]
    return len(late) + await _climb(tx, actor, await store.several(tx, due))


async def raise_now(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff:
    """Escalate by hand, without waiting for the clock.

    Args:
        tx: The transaction.
        actor: Who does not want to wait.
        handoff_id: Which.

    Returns:
        The handoff, a step higher.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`: somebody has answered, or has it in hand.
    """
    require(actor, "handoff.escalate")
    before = await handoffs.visible(tx, handoff_id)
    if await tx.fetchval(EXPIRE_BY_HAND, handoff_id) is not None:
        (late,) = await store.several(tx, [handoff_id])
        await handoffs.moved(tx, actor, late, "handoff.escalate", reason="by_hand")
        before = late
    if not await _climb(tx, actor, [before]):
        raise await handoffs.refused(tx, handoff_id, Command.ESCALATE)
    return await handoffs.visible(tx, handoff_id)


async def take(tx: Tx, actor: Actor, handoff_id: UUID) -> Handoff:
    """Take an overdue handoff in hand: this named human answers for the patient from now on.

    Args:
        tx: The transaction.
        actor: One of the centre's staff; taking it says that they are on duty.
        handoff_id: Which.

    Returns:
        The handoff; it climbs again when nothing has come of it in the time its acuity leaves.

    Raises:
        Missing: `handoff_missing`.
        Conflict: `handoff_state`: it is not overdue, or a colleague has it.
    """
    require(actor, "handoff.take")
    before = await handoffs.visible(tx, handoff_id)
    hold_s = ladder.shipped().hold_within_s[before.acuity]
    if await tx.fetchval(TAKE_HANDOFF, handoff_id, actor.id, float(hold_s)) is None:
        raise await handoffs.refused(tx, handoff_id, Command.TAKE)
    (taken,) = await store.several(tx, [handoff_id])
    return await handoffs.moved(tx, actor, taken, "handoff.take", to=taken.taken_by)


async def _climb(tx: Tx, actor: Actor, several: Sequence[Handoff]) -> int:
    """Tell the next step of each; those that moved meanwhile are left alone."""
    steps = ladder.shipped()
    territories = sorted({one.territory_id for one in several})
    roster: Mapping[UUID, Sequence[Post]] = await duty.rosters(tx, territories)
    reachable: Mapping[UUID, Sequence[Colleague]] = await duty.reachable(tx, territories)
    told = 0
    for one in several:
        own, staff = roster.get(one.territory_id, ()), reachable.get(one.territory_id, ())
        step = ladder.climb(steps, one.level, one.acuity, own, staff)
        told += await _tell(tx, actor, one, step)
    return told


async def _tell(tx: Tx, actor: Actor, before: Handoff, step: Step) -> Literal[0, 1]:
    moved = await tx.fetchval(
        CLIMB_HANDOFF,
        before.id,
        before.level,
        step.level,
        step.role,
        step.actor_id,
        float(step.wait_s),
    )
    if moved is None:
        return 0
    (told,) = await store.several(tx, [before.id])
    await handoffs.moved(
        tx,
        actor,
        told,
        "handoff.escalate",
        reason=told.overdue_reason,
        to=step.actor_id,
        role=step.role,
        channels=step.channels,
    )
    return 1


def is_for(actor: Actor, handoff: Handoff) -> bool:
    """Tell whether the last step of an escalation was told to this actor.

    Args:
        actor: Who looks.
        handoff: As it stands.
    """
    if handoff.state != "escalated" or actor.territory_id is None:
        return False
    if handoff.escalated_to_role is not None:
        return handoff.escalated_to_role in {ladder.CENTRE, actor.role.value}
    return handoff.escalated_to_actor_id == actor.id


async def alarms(tx: Tx, actor: Actor) -> int:
    """Count what was told to this actor and nobody has taken; nothing for who is off duty.

    Args:
        tx: The transaction.
        actor: One of the centre's staff; others are told nothing.
    """
    if actor.territory_id is None or not await duty.is_on(tx, actor.id):
        return 0
    found: int = await tx.fetchval(COUNT_TOLD, actor.id, [ladder.CENTRE, actor.role.value])
    return found


EXPIRE_HANDOFFS: Final = """
update events.handoff h
set state = 'overdue',
    owner = case when h.escalated_to_actor_id is null then 'sender' else 'duty' end,
    overdue_reason = case when h.state = 'taken' then 'let_go'
        when h.due_at <= t.at then 'silent' else 'undelivered' end
from (select kernel.regul_now() as at) t
where h.id in (
    select d.id from events.handoff d
    where d.acknowledgement_required
      and ((d.state in ('requested', 'delivered', 'seen') and d.due_at <= kernel.regul_now())
        or (d.state = 'requested' and d.deliver_by <= kernel.regul_now())
        or (d.state = 'taken' and d.due_at <= kernel.regul_now()))
    order by d.due_at limit $1 for update skip locked)
  and h.state in ('requested', 'delivered', 'seen', 'taken')
returning h.id
"""
EXPIRE_BY_HAND: Final = """
update events.handoff
set state = 'overdue', owner = 'sender', overdue_reason = 'by_hand'
where id = $1 and state in ('requested', 'delivered', 'seen') and acknowledgement_required
returning id
"""
SELECT_CLIMBING: Final = """
select id from events.handoff
where state = 'overdue' or (state = 'escalated' and next_step_at <= kernel.regul_now())
order by acuity, due_at limit $1 for update skip locked
"""
CLIMB_HANDOFF: Final = """
update events.handoff
set state = 'escalated', escalated_at = kernel.regul_now(), level = $3,
    next_step_at = kernel.regul_now() + make_interval(secs => $6::float8),
    escalated_to_role = $4, escalated_to_actor_id = coalesce($5::uuid, escalated_to_actor_id),
    owner = case when coalesce($5::uuid, escalated_to_actor_id) is null then 'sender'
        else 'duty' end
where id = $1 and state in ('overdue', 'escalated') and level = $2
returning id
"""
TAKE_HANDOFF: Final = """
update events.handoff
set state = 'taken', owner = 'duty', taken_by = $2, taken_at = kernel.regul_now(),
    escalated_to_actor_id = $2, next_step_at = null,
    due_at = kernel.regul_now() + make_interval(secs => $3::float8)
where id = $1 and state in ('overdue', 'escalated')
returning id
"""
COUNT_TOLD: Final = """
select count(*) from events.handoff
where state = 'escalated'
  and (escalated_to_role = any ($2::text[])
    or (escalated_to_role is null and escalated_to_actor_id = $1))
"""
