"""`regul protocols cases`: stored answers as a file of cases, for `diff` and `shadow-report`.

One JSON object a line: the case's id, its complaint, its answers by input. No name, number, place
or free text leaves the database; the read is audited for every case.
"""

import argparse
import asyncio
import datetime as dt
import sys

import msgspec

from kernel import actor as actors
from kernel.database import open_database
from kernel.settings import Settings
from server.configuration import read_settings
from triage import stored_cases
from triage.case_lines import Answers

_MOST = 100_000


def main(arguments: list[str]) -> int:
    """Print the stored cases of a period.

    Args:
        arguments: `--since`, `--until` (ISO days, UTC), `--most`.
    """
    parser = argparse.ArgumentParser(prog="regul protocols cases", description=__doc__)
    parser.add_argument("--since", type=_day, required=True, help="ISO day, included")
    parser.add_argument("--until", type=_day, help="ISO day, excluded; now when left out")
    parser.add_argument("--most", type=int, default=_MOST, help=f"cases at most ({_MOST})")
    options = parser.parse_args(arguments)
    until = options.until or dt.datetime.now(dt.UTC)
    for case in asyncio.run(_read(read_settings(), options.since, until, options.most)):
        sys.stdout.write(msgspec.json.encode(case).decode() + "\n")
    return 0


def _day(text: str) -> dt.datetime:
    """Read an ISO day as its beginning in UTC."""
    return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)


async def _read(
    settings: Settings, since: dt.datetime, until: dt.datetime, most: int
) -> tuple[Answers, ...]:
    """Read the cases as the system does, in one transaction with its audit rows."""
    database = await open_database(settings.database_url, "regul_system", 1)
    try:
        system = actors.system()
        async with database.transaction(system) as tx:
            return await stored_cases.export(tx, system, since, until, most)
    finally:
        await database.close()
