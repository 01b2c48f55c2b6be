"""The `parked` subcommand: events whose effect could not be had; a human has them tried again.

A parked event holds back later events of the same thing (a case, an appointment, ...) for the one
follower that failed; nothing else. Mend the cause, then replay; or dismiss what is not wanted.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from events import parking
from kernel import actor, audit, errors
from kernel.database import Database, Tx, open_database
from server.configuration import read_settings
from server.refusal import Refusal

T = TypeVar("T")


async def listed(tx: Tx) -> str:
    """Give what is parked, one event a line, oldest first.

    Args:
        tx: A transaction under `regul_system`.
    """
    lines = [
        f"{one.event_id}  {one.kind:<24} {one.consumer:<20} {one.reason:<24}"
        f" {one.parked_at:%Y-%m-%d %H:%M} UTC  about {one.aggregate_id}"
        f"{f'  tried again {one.tries}x' if one.tries else ''}{'  waits' if one.wanted else ''}\n"
        for one in await parking.parked(tx)
    ]
    return "".join(lines) or "Nothing is parked.\n"


async def replay(tx: Tx, events: list[UUID], by: str) -> str:
    """Have parked events tried again, each with those behind it.

    Args:
        tx: A transaction under `regul_system`.
        events: Which; all when empty.
        by: Who asked, for the audit.

    Raises:
        Missing: None of these is parked.
    """
    parked = await parking.parked(tx)
    chosen = [one for one in parked if not events or one.event_id in events]
    if events and not chosen:
        raise errors.Missing("event_not_parked")
    count = await parking.replay(tx, [one.aggregate_id for one in chosen])
    for one in chosen:
        await audit.record(tx, actor.system(), "event.replayed", "event", one.event_id, detail=by)
    return f"{count} will be tried again within seconds, in order; ./regul parked tells.\n"


async def dismiss(tx: Tx, event_id: UUID, by: str) -> str:
    """Let a parked event be.

    Args:
        tx: A transaction under `regul_system`.
        event_id: Which.
        by: Who asked, for the audit.

    Raises:
        Missing: It is not parked.
    """
    if not await parking.dismiss(tx, event_id):
        raise errors.Missing("event_not_parked")
    await audit.record(tx, actor.system(), "event.dismissed", "event", event_id, detail=by)
    return "Dismissed; try those behind it again with ./regul parked replay.\n"


def _asked(options: argparse.Namespace) -> Callable[[Tx], Awaitable[str]]:
    if options.action == "replay":
        return lambda tx: replay(tx, options.event, options.by)
    if options.action == "dismiss":
        return lambda tx: dismiss(tx, options.event, options.by)
    return listed


async def _do(act: Callable[[Tx], Awaitable[str]]) -> str:
    settings = read_settings()
    database: Database = await open_database(settings.database_url, "regul_system", 1)
    try:
        return await database.run(actor.system(), act)
    finally:
        await database.close()


def main(arguments: list[str]) -> int:
    """List, replay or dismiss on the database of DATABASE_URL.

    Args:
        arguments: See `regul parked --help`.

    Raises:
        Refusal: The event is not parked, or the database does not answer.
    """
    parser = argparse.ArgumentParser(prog="regul parked", description=__doc__)
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("list", help="what is parked, oldest first (also without a word)")
    again = actions.add_parser("replay", help="try again, in order")
    again.add_argument("event", type=UUID, nargs="*", help="which; all when left out")
    let_be = actions.add_parser("dismiss", help="its effect is not wanted any more")
    let_be.add_argument("event", type=UUID)
    for one in (again, let_be):
        one.add_argument("--by", required=True, help="name of who decided")
    try:
        sys.stdout.write(asyncio.run(_do(_asked(parser.parse_args(arguments)))))
    except errors.RegulError as problem:
        raise Refusal(f"{problem.code}: {problem}") from problem
    return 0
