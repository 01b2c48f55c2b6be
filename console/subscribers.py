"""Subscribers: where each one stands, what fails, and who looks after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console.reader import Reader
from events import progress
from events.progress import Alarm, Standing
from kernel import errors, identity
from kernel.actor import may
from kernel.database import Tx


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription.

    Attributes:
        standing: As it stands.
        state: What the reader is told: `active`, `late`, `failing`, `paused` or `stopped`.
        alarm: Open alarm that the reader may see.
        owner: Who looks after it, or the code of the role that should.
        takable: The reader may take it.
    """

    standing: Standing
    state: str
    alarm: Alarm | None = None
    owner: str = ""
    takable: bool = False


LATE_S: Final = 60.0
"""Seconds after which an event that waits is called late."""


async def rows(who: Reader) -> Sequence[Row]:
    """Read the page's rows as this actor may see them.

    Args:
        who: The reader.

    Returns:
        The most pressing first.
    """
    actor = who.edge.actor

    async def read(tx: Tx) -> Sequence[Row]:
        found = await progress.standings(tx, actor)
        alarms = {one.subscription_id: one for one in await progress.alarms(tx, actor)}
        named = [one.taken_by or one.owner_actor_id for one in alarms.values()]
        labels = await identity.labels(tx, [one for one in named if one is not None])
        takes = may(actor, "subscription.alarm")
        made = []
        for one in found:
            alarm = alarms.get(one.id)
            made.append(
                Row(
                    standing=one,
                    state=_state(one),
                    alarm=alarm,
                    owner="" if alarm is None else _owner(who, alarm, labels),
                    takable=takes and alarm is not None and alarm.taken_by is None,
                )
            )
        return made

    return await who.edge.run(read)


def _owner(who: Reader, alarm: Alarm, labels: Mapping[UUID, str]) -> str:
    person = alarm.taken_by or alarm.owner_actor_id
    name = None if person is None else labels.get(person)
    return name or who.words.code("role", alarm.owner_role)


def _state(one: Standing) -> str:
    if one.state != "active":
        return one.state
    if one.failing_since is not None:
        return "failing"
    return "late" if _waits(one.waiting_since, one.now) > LATE_S else "active"


def _waits(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else (now - since).total_seconds()


@get("/abonnements", include_in_schema=False)
async def page(who: NamedDependency[Reader]) -> Response[str]:
    """Show the page."""
    return who.fragment("subscribers.html", rows=await rows(who))


@get("/abonnements/liste", include_in_schema=False)
async def table(who: NamedDependency[Reader]) -> Response[str]:
    """Give the table alone, which looks again by itself."""
    return who.fragment("subscribers_table.html", rows=await rows(who))


@post("/abonnements/{alarm_id:uuid}/prendre", include_in_schema=False, status_code=200)
async def take(who: NamedDependency[Reader], alarm_id: FromPath[UUID]) -> Response[str]:
    """Take an alarm; give the table as it stands now."""
    problem = ""
    try:
        await who.edge.run(lambda tx: progress.take(tx, who.edge.actor, alarm_id))
    except errors.Missing as refusal:
        problem = refusal.code
    return who.fragment("subscribers_table.html", rows=await rows(who), problem=problem)


ROUTES: Final = [page, table, take]
