"""`./regul feeds`: register publishers' feeds, take them in, say what is wrong with them.

`check` takes nothing in: a publisher runs it before publishing, a centre before subscribing.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from directory import booking_sources, feed_intake, feed_letter, feed_polls, feed_store
from directory.booking_sources import BookingSource
from directory.feed_store import Feed
from interop import outgoing
from kernel import actor as actors
from kernel import errors, identity
from kernel.database import Database, Tx, open_database
from kernel.ids import uuid7
from kernel.settings import Settings
from server import feed_polling, feed_report, feed_runs, feed_sources
from server.configuration import read_settings
from server.refusal import Refusal

T = TypeVar("T")
KINDS: Final = ("smart", "csv", "fhir", "finess", "rpps")
EXAMINED: Final = ("smart", "csv", "fhir")
_HELD: Final = 3


def main(arguments: list[str]) -> int:
    """Do what was asked with feeds.

    Args:
        arguments: The words after `feeds`.

    Returns:
        0 when it was done, whatever is wrong with the rows; 1 when rows were lost on the way,
        which is a fault of this program; 3 when a run is held for a human.
    """
    options = _options(arguments)
    acts: dict[str, Callable[[argparse.Namespace], int]] = {
        "check": _check,
        "add": _add,
        "list": _list,
        "run": _run,
        "release": _release,
        "report": _report,
        "book": _book,
        "booked": _booked,
    }
    return acts[options.action](options)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regul feeds", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="examine a feed that lies here; takes nothing in")
    check.add_argument("folder", type=Path, help="folder (smart) or file")
    check.add_argument("--kind", choices=EXAMINED, default="smart")
    check.add_argument("--at", type=_moment, help="examine as of this moment (ISO, with offset)")
    add = actions.add_parser("add", help="register a feed")
    add.add_argument("kind", choices=KINDS)
    add.add_argument("address", help="folder, file or https URL")
    add.add_argument("--publisher", required=True, help="who publishes it, as screens name it")
    add.add_argument("--territory", required=True, help="code of the territory")
    add.add_argument("--organisation", type=UUID, help="under whom its diaries stand")
    add.add_argument(
        "--code", action="append", default=[], type=_pair, metavar="THEIRS=OURS",
        help="what one of the publisher's codes means; others are quarantined",
    )  # fmt: skip
    for one in (check, add):
        one.add_argument("--zone", type=_zone, required=True, help="IANA zone of its places")
        one.add_argument("--country", default="FR", help="ISO code; decides postcodes (FR)")
    add.add_argument("--every", type=int, metavar="SECONDS", help="ask this often; 0 = never")
    actions.add_parser("list", help="list the feeds, and when each is asked")
    book = actions.add_parser("book", help="say where a source of mirrored diaries is booked")
    book.add_argument("source", help="the publisher of its feed")
    book.add_argument("address", help="base address of its booking interface")
    book.add_argument("--within", type=int, default=60, help="seconds in which it says yes")
    book.add_argument("--credential", help="file in REGUL_SOURCE_CREDENTIALS with its token")
    book.add_argument("--off", action="store_true", help="ask it no more for new appointments")
    actions.add_parser("booked", help="list the sources that a program books")
    run = actions.add_parser("run", help="take feeds in; one that says the same writes nothing")
    run.add_argument("feed", type=UUID, nargs="*", help="which; all when left out")
    release = actions.add_parser("release", help="let a run that was held go on")
    release.add_argument("run", type=UUID)
    release.add_argument("--by", required=True, help="name of who looked at it")
    report = actions.add_parser("report", help="what the publisher of a feed is told")
    report.add_argument("feed", type=UUID)
    for one in (check, report):
        one.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise argparse.ArgumentTypeError("no such IANA zone") from problem
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("the moment needs an offset")
    return moment


def _pair(text: str) -> tuple[str, str]:
    theirs, equals, ours = text.rpartition("=")
    if not (theirs and equals and ours):
        raise argparse.ArgumentTypeError("write THEIRS=OURS")
    return theirs, ours


def _check(options: argparse.Namespace) -> int:
    feed = Feed(
        id=uuid7(), kind=options.kind, address=str(options.folder), publisher="check",
        zone=options.zone, country=options.country, territory_id=uuid7(), organisation_id=None,
        codes={},
    )  # fmt: skip
    try:
        content = feed_runs.read(feed, options.folder)
    except errors.RegulError as problem:
        raise Refusal(f"{options.folder}: {problem.code}") from problem
    found = feed_runs.diagnose(feed, content, options.at or datetime.now(UTC))
    feed_report.examined(found, json=options.json)
    return 0 if len(found.content.periods) == len(content.periods) else 1


def _with_database(act: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Open the database of DATABASE_URL for one command.

    Raises:
        Refusal: It is not set, or what was asked is refused.
    """
    settings = read_settings()

    async def do() -> T:
        database = await open_database(settings.database_url, "regul_system", 4)
        try:
            return await act(database, settings)
        finally:
            await database.close()

    try:
        return asyncio.run(do())
    except errors.RegulError as problem:
        told = "".join(f" {name}={value}" for name, value in problem.fields.items())
        raise Refusal(f"{problem.code}{told}: {problem}") from problem


def _add(options: argparse.Namespace) -> int:
    remote = feed_sources.is_remote(options.address)
    address = options.address if remote else str(Path(options.address).resolve())

    async def act(database: Database, _: Settings) -> UUID:
        system = actors.system()

        async def write(tx: Tx) -> UUID:
            territory_id = await identity.territory_of_code(tx, options.territory)
            if territory_id is None:
                raise errors.Missing("territory_missing")
            feed = Feed(
                id=uuid7(), kind=options.kind,
                address=address,
                publisher=options.publisher, zone=options.zone, country=options.country,
                territory_id=territory_id, organisation_id=options.organisation,
                codes=dict(options.code),
            )  # fmt: skip
            await feed_intake.register(tx, system, feed, interval_s=options.every)
            return feed.id

        return await database.run(system, write)

    sys.stdout.write(f"{_with_database(act)}\n")
    return 0


def _list(_: argparse.Namespace) -> int:
    async def act(database: Database, _: Settings) -> None:
        async with database.transaction(actors.system()) as tx:
            feed_report.feeds(await feed_store.feeds(tx), await feed_polls.polls(tx))

    _with_database(act)
    return 0


def _run(options: argparse.Namespace) -> int:
    async def act(database: Database, settings: Settings) -> int:
        async with database.transaction(actors.system()) as tx:
            known = await feed_store.feeds(tx)
        chosen = [one for one in known if not options.feed or one.id in options.feed]
        if len(chosen) < len(options.feed):
            raise errors.Missing("feed_missing")
        return max([await _run_one(database, settings, feed) for feed in chosen], default=0)

    return _with_database(act)


async def _run_one(database: Database, settings: Settings, feed: Feed) -> int:
    """Take one feed in and say how it went; one that fails does not stop the others."""
    try:
        done = await feed_polling.take(
            database, feed, loopback=settings.feeds_from_loopback, wait_s=feed_polls.LEASE_S + 2
        )
    except errors.RegulError as problem:
        sys.stdout.write(f"{feed.id} {feed.publisher}: refused, {problem.code}\n")
        return 1
    feed_report.outcome(feed, done)
    return _HELD if done.state == "held" else 0


def _book(options: argparse.Namespace) -> int:
    source = BookingSource(
        source=options.source, address=options.address, answer_within_s=options.within,
        credential=options.credential, active=not options.off,
    )  # fmt: skip

    async def act(database: Database, settings: Settings) -> None:
        parts = outgoing.parts(source.address)
        local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if parts.scheme != "https" and not (local and settings.feeds_from_loopback):
            raise errors.Invalid("booking_source_address", "A source is asked over https.")
        system = actors.system()
        await database.run(system, lambda tx: booking_sources.keep(tx, system, source))

    _with_database(act)
    return 0


def _booked(_: argparse.Namespace) -> int:
    async def act(database: Database, _: Settings) -> None:
        async with database.transaction(actors.system()) as tx:
            feed_report.sources(await booking_sources.every(tx, actors.system()))

    _with_database(act)
    return 0


def _release(options: argparse.Namespace) -> int:
    async def act(database: Database, _: Settings) -> UUID:
        system = actors.system()
        run = await database.run(
            system, lambda tx: feed_intake.release(tx, system, options.run, options.by)
        )
        return run.feed_id

    sys.stdout.write(f"released; go on with ./regul feeds run {_with_database(act)}\n")
    return 0


def _report(options: argparse.Namespace) -> int:
    async def act(database: Database, _: Settings) -> None:
        async with database.transaction(actors.system()) as tx:
            told = await feed_letter.letter(tx, actors.system(), options.feed)
        feed_report.letter(told, json=options.json)

    _with_database(act)
    return 0
