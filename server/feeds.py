"""`./regul feeds check FOLDER`: what a publisher's feed holds, what is wrong with it, repairs.

Takes nothing in: a publisher runs it before publishing, a centre before subscribing.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from directory import feed_doctor
from directory.feed_doctor import Circumstances, Examination
from interop import smart_scheduling
from kernel import errors
from server import report
from server.cli import version
from server.refusal import Refusal


def main(arguments: list[str]) -> int:
    """Examine a feed.

    Args:
        arguments: The words after `feeds`.

    Returns:
        0 when the feed could be read, whatever is wrong with its rows; 1 when rows were lost on
        the way, which is a fault of this program; a wrong call or an unreadable feed is refused.
    """
    options = _options(arguments)
    moment = options.at or datetime.now(UTC)
    try:
        content = smart_scheduling.read(options.folder)
    except errors.Invalid as problem:
        raise Refusal(f"{options.folder}: {problem.code}") from problem
    known = Circumstances(country=options.country, zone=options.zone, now=moment)
    found = feed_doctor.examine(content, known)
    if options.json:
        _report(found)
    else:
        _say(found)
    return 0 if len(found.content.periods) == len(content.periods) else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="regul feeds", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="examine a SMART Scheduling Links feed in a folder")
    check.add_argument("folder", type=Path)
    check.add_argument("--zone", type=_zone, required=True, help="IANA zone of its places")
    check.add_argument("--country", default="FR", help="ISO code; decides postcodes (FR)")
    check.add_argument("--at", type=_moment, help="examine as of this moment (ISO, with offset)")
    check.add_argument("--json", action="store_true")
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


def _say(found: Examination) -> None:
    """Print what was read, the faults by kind, and the first of each kind."""
    content = found.content
    made = "unknown" if content.as_of is None else content.as_of.isoformat()
    sys.stdout.write(
        f"made {made}\n{len(content.places)} places, {len(content.diaries)} diaries, "
        f"{len(content.periods)} periods, {len(found.bookable)} bookable, "
        f"{len(content.broken)} unreadable rows\n"
    )
    for code, count in feed_doctor.totals(found.faults, content.broken).items():
        first = next((fault for fault in found.faults if fault.code == code), None)
        shown = ""
        if first is not None:
            mended = "" if first.repaired is None else f", repaired to {first.repaired}"
            shown = f"  first: {first.row} {first.key}, line {first.line}: {first.original}{mended}"
        sys.stdout.write(f"{count:7} {code}{shown}\n")
    for row in content.broken[:5]:
        sys.stdout.write(f"        {row.file}:{row.line}: {row.reason}\n")


def _report(found: Examination) -> None:
    """Print the same as one JSON object."""
    content = found.content
    counts = {
        "places": len(content.places),
        "diaries": len(content.diaries),
        "periods": len(content.periods),
        "bookable": len(found.bookable),
        "unreadable": len(content.broken),
    }
    faults = feed_doctor.totals(found.faults, content.broken)
    figures = [report.Figure(name=name, value=value, unit="rows") for name, value in counts.items()]
    figures += [report.Figure(name=f"fault.{code}", value=n) for code, n in faults.items()]
    report.show(
        report.Report(
            name="feeds check", version=version(), machine=report.machine(), figures=figures
        ),
        json=True,
    )
