"""Who is on duty: what the staff said of themselves, and the roster of the ladder's steps.

Nobody who is off duty is told anything. Who never said either counts as there: not knowing is no
reason to tell nobody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from events import ladder
from events.ladder import Colleague, Post
from kernel import audit, errors, identity
from kernel.actor import Actor, Role, require
from kernel.database import Tx
from kernel.inputs import Code, Small, UtcTime, utc

_STAFF: Final = (Role.OPERATOR, Role.OSNP, Role.PHYSICIAN, Role.IOA, Role.SUPERVISOR)


class SetDuty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say that somebody is on duty, or off.

    Attributes:
        on_duty: Whether.
        until: End of the shift; then they are off.
        actor_id: Who; the one who asks when left out. Only a supervisor speaks for another.
    """

    on_duty: bool
    until: UtcTime | None = None
    actor_id: UUID | None = None


class SetPost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say who stands on a step of the ladder, from 1: a role or an actor, one of both."""

    level: Small
    role: Code | None = None
    actor_id: UUID | None = None


class OnDuty(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one of the staff.

    Attributes:
        actor_id: Who.
        label: Name shown to colleagues.
        role: Their role.
        on_duty: Whether they are told anything now.
        until: End of the shift.
        said: Whether they ever said either.
    """

    actor_id: UUID
    label: str
    role: str
    on_duty: bool
    until: datetime | None
    said: bool


class Rota(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on duty in a territory, and who stands on which step of the ladder."""

    staff: tuple[OnDuty, ...]
    posts: tuple[Post, ...]


async def rota(tx: Tx, actor: Actor) -> Rota:
    """Read who is on duty in the actor's territory.

    Args:
        tx: The transaction.
        actor: One of the centre's staff.
    """
    require(actor, "duty.read")
    territory_id = _territory(actor)
    said = {row["actor_id"]: row for row in await tx.fetch(SELECT_DUTY, [territory_id])}
    staff = tuple(
        OnDuty(
            actor_id=one.id,
            label=one.label,
            role=one.role,
            on_duty=one.id not in said or said[one.id]["there"],
            until=said[one.id]["until"] if one.id in said else None,
            said=one.id in said,
        )
        for one in await identity.staff_of(tx, [territory_id])
    )
    posts = (await rosters(tx, [territory_id])).get(territory_id, ())
    return Rota(staff=staff, posts=tuple(posts))


async def is_on(tx: Tx, actor_id: UUID) -> bool:
    """Tell whether somebody is told anything now; who never said either is.

    Args:
        tx: The transaction.
        actor_id: Who.
    """
    off: bool = await tx.fetchval(SELECT_OFF, actor_id)
    return not off


async def put(tx: Tx, actor: Actor, command: SetDuty) -> Rota:
    """Say that somebody is on duty or off; what they had in hand climbs at once when they go.

    Args:
        tx: The transaction.
        actor: Who says so.
        command: What.

    Raises:
        Forbidden: `action_not_allowed`: only a supervisor speaks for another.
        Invalid: `actor_unknown`: nobody of this centre; `shift_over`: an end without a shift.
    """
    require(actor, "duty.set")
    territory_id = _territory(actor)
    who = command.actor_id or actor.id
    if who != actor.id and actor.role is not Role.SUPERVISOR:
        code = "action_not_allowed"
        raise errors.Forbidden(code, "Only a supervisor speaks for another.", action="duty.set")
    if not await identity.is_staff(tx, who, territory_id):
        code = "actor_unknown"
        raise errors.Invalid(code, "Nobody of this centre.", path="$.actor_id")
    until = None if command.until is None else utc(command.until, "$.until")
    if until is not None and not command.on_duty:
        code = "shift_over"
        raise errors.Invalid(code, "Who is off duty has no end of shift.", path="$.until")
    await tx.execute(UPSERT_DUTY, who, territory_id, command.on_duty, until, actor.id)
    if not command.on_duty:
        await tx.execute(LET_GO, who)
    detail = "on" if command.on_duty else "off"
    await audit.record(tx, actor, "duty.set", "actor", who, detail=detail)
    return await rota(tx, actor)


async def put_post(tx: Tx, actor: Actor, command: SetPost) -> Rota:
    """Say who stands on a step of the ladder in the actor's territory.

    Args:
        tx: The transaction.
        actor: A supervisor.
        command: Who, on which step.

    Raises:
        Invalid: `level_unknown`, `post_names_one`, `actor_unknown`.
    """
    require(actor, "roster.set")
    territory_id = _territory(actor)
    level = command.level
    if not 1 <= level <= len(ladder.shipped().levels):
        code = "level_unknown"
        raise errors.Invalid(code, "The ladder has no such step.", path="$.level")
    known = {ladder.CENTRE, *(one.value for one in _STAFF)}
    one_role = command.role in known and command.actor_id is None
    if not one_role and (command.actor_id is None or command.role is not None):
        code = "post_names_one"
        raise errors.Invalid(code, "Name a role or an actor.", path="$")
    named = command.actor_id
    if named is not None and not await identity.is_staff(tx, named, territory_id):
        code = "actor_unknown"
        raise errors.Invalid(code, "Nobody of this centre.", path="$.actor_id")
    await set_roster(tx, territory_id, level, role=command.role, actor_id=named)
    await audit.record(tx, actor, "roster.set", "roster", territory_id, detail=f"level {level}")
    return await rota(tx, actor)


async def set_roster(
    tx: Tx, territory_id: UUID, level: int, *, role: str | None = None, actor_id: UUID | None = None
) -> None:
    """Write who stands on a step.

    Args:
        tx: The transaction.
        territory_id: The territory.
        level: Step of the ladder, from 1.
        role: Whoever has this role; or
        actor_id: this actor.
    """
    await tx.execute(UPSERT_ROSTER, territory_id, level, role, actor_id)


async def rosters(tx: Tx, territory_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Post]]:
    """Read who stands on the steps of territories.

    Args:
        tx: The transaction.
        territory_ids: Which.

    Returns:
        Territory -> its posts, the first step first.
    """
    found: dict[UUID, list[Post]] = {}
    for row in await tx.fetch(SELECT_ROSTER, list(territory_ids)):
        post = Post(level=row["level"], role=row["role"], actor_id=row["actor_id"])
        found.setdefault(row["territory_id"], []).append(post)
    return found


async def reachable(tx: Tx, territory_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Colleague]]:
    """List the staff of territories who are not off duty, by the database's clock.

    Args:
        tx: The transaction.
        territory_ids: Which.

    Returns:
        Territory -> its staff.
    """
    rows = await tx.fetch(SELECT_DUTY, list(territory_ids))
    off = {row["actor_id"] for row in rows if not row["there"]}
    found: dict[UUID, list[Colleague]] = {}
    for one in await identity.staff_of(tx, territory_ids):
        if one.id not in off:
            found.setdefault(one.territory_id, []).append(Colleague(id=one.id, role=one.role))
    return found


def _territory(actor: Actor) -> UUID:
    if actor.territory_id is None:
        code = "territory_needed"
        raise errors.Forbidden(code, "Only the staff of a centre may do this.")
    return actor.territory_id


SELECT_DUTY: Final = """
select actor_id, until, on_duty and (until is null or until > kernel.regul_now()) as there
from events.duty where territory_id = any ($1::uuid[])
"""
SELECT_OFF: Final = """
select exists (select from events.duty where actor_id = $1
    and not (on_duty and (until is null or until > kernel.regul_now())))
"""
UPSERT_DUTY: Final = """
insert into events.duty (actor_id, territory_id, on_duty, until, changed_by)
values ($1, $2, $3, $4, $5)
on conflict (actor_id) do update
set on_duty = excluded.on_duty, until = excluded.until, changed_by = excluded.changed_by,
    changed_at = kernel.regul_now(), territory_id = excluded.territory_id
"""
SELECT_ROSTER: Final = """
select territory_id, level, role, actor_id from events.roster
where territory_id = any ($1::uuid[])
order by territory_id, level
"""
UPSERT_ROSTER: Final = """
insert into events.roster (territory_id, level, role, actor_id) values ($1, $2, $3, $4)
on conflict (territory_id, level) do update
set role = excluded.role, actor_id = excluded.actor_id
"""
LET_GO: Final = """
update events.handoff
set due_at = case when state = 'taken' then kernel.regul_now() else due_at end,
    next_step_at = case when state = 'escalated' then kernel.regul_now() else next_step_at end
where escalated_to_actor_id = $1 and state in ('escalated', 'taken')
"""
