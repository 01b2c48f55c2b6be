"""`./regul routing fairness`: shows anyone who asks how often each practitioner was offered.

Reads the offers as they were given on the database of DATABASE_URL; ids and codes only.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from kernel import actor
from kernel.database import Tx, open_database
from routing import fairness
from routing.fairness import Group
from server.configuration import read_settings

MOST_DAYS: Final = 3660


def text(groups: Sequence[Group], days: int, care_service_id: UUID | None, top: int) -> str:
    """Write the groups for people.

    Args:
        groups: As measured.
        days: How far back was looked.
        care_service_id: Only this care service, in each group it belongs to.
        top: At most so many care services a group at either end of the list.
    """
    lines: list[str] = []
    for group in groups:
        chosen = [one for one in group.shares if care_service_id in {None, one.care_service_id}]
        if not chosen:
            continue
        lines.append(
            f"{group.service} in territory {group.territory_id}: {group.offers} offers,"
            f" {len(group.shares)} care services in reach\n"
            f"  Gini of first places {group.gini_first:.3f} (by lots {group.gini_lottery:.3f}),"
            f" of places shown {group.gini_shown:.3f}\n"
        )
        if len(chosen) > 2 * top:
            chosen = chosen[:top] + chosen[len(chosen) - top :]
        lines.extend(
            f"  {one.care_service_id}  first {one.first:>5}  by lots {one.lottery:>8.1f}"
            f"  shown {one.shown:>5}  in reach {one.in_reach:>5}\n"
            for one in chosen
        )
    return "".join(lines) or f"No offer with a place in the last {days} days.\n"


async def _measured(days: int) -> tuple[Group, ...]:
    async def read(tx: Tx) -> tuple[Group, ...]:
        return await fairness.measure(tx, actor.system(), timedelta(days=days))

    database = await open_database(read_settings().database_url, "regul_system", 1)
    try:
        return await database.run(actor.system(), read)
    finally:
        await database.close()


def _days(word: str) -> int:
    days = int(word)
    if not 1 <= days <= MOST_DAYS:
        message = f"1 to {MOST_DAYS} days"
        raise argparse.ArgumentTypeError(message)
    return days


def main(arguments: list[str]) -> int:
    """Measure and print.

    Args:
        arguments: See `regul routing fairness --help`.
    """
    parser = argparse.ArgumentParser(prog="regul routing fairness", description=__doc__)
    parser.add_argument("--days", type=_days, default=30, help="how far back (30)")
    parser.add_argument("--care-service", type=UUID, help="only this one")
    parser.add_argument("--top", type=int, default=10, help="so many at either end (10)")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    options = parser.parse_args(arguments)
    groups = asyncio.run(_measured(options.days))
    if options.json:
        sys.stdout.write(msgspec.json.encode(groups).decode() + "\n")
    else:
        sys.stdout.write(text(groups, options.days, options.care_service, max(1, options.top)))
    return 0
