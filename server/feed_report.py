"""What `./regul feeds` says: an examination, a run, and the report to a publisher."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from directory import feed_doctor
from directory.booking_sources import BookingSource
from directory.feed_doctor import Examination
from directory.feed_letter import Letter
from directory.feed_polls import Poll
from directory.feed_store import Feed
from server import report
from server.cli import version
from server.feed_sources import Outcome

_SHOWN: Final = 3
"""Examples of each fault in the report that people read."""


def examined(found: Examination, *, json: bool) -> None:
    """Print what was read, the faults by kind, and the first of each kind."""
    if json:
        _figures(found)
        return
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


def _figures(found: Examination) -> None:
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


def feeds(known: Sequence[Feed], polls: Mapping[UUID, Poll]) -> None:
    """List feeds, one a line: where, when last, when next, and what went wrong."""
    for feed in known:
        asked = "never asked" if feed.polled_at is None else f"asked {feed.polled_at.isoformat()}"
        told = f"{feed.id} {feed.kind:6} {feed.publisher}: {feed.address}, {asked}"
        poll = polls.get(feed.id)
        if poll is not None and poll.interval_s:
            told += f", every {poll.interval_s} s, next {poll.due_at.isoformat()}"
        if poll is not None and poll.problem is not None:
            told += f", failed {poll.failures} times: {poll.problem}"
        sys.stdout.write(f"{told}\n")


def sources(known: Sequence[BookingSource]) -> None:
    """List the sources that a program books, one a line."""
    for one in known:
        state = f"yes within {one.answer_within_s} s" if one.active else "off"
        sys.stdout.write(f"{one.source}: {one.address}, {state}\n")


def outcome(feed: Feed, done: Outcome) -> None:
    """Say how a run went, in a line."""
    taken = done.taken
    said = f"{feed.id} {feed.publisher}: {done.state}"
    if done.state == "held" and done.run is not None:
        said += (
            f": it would change {done.run.share:.0%} of what is stored; look at "
            f"./regul feeds report {feed.id}, then ./regul feeds release {done.run.id} --by NAME"
        )
    elif done.state == "done" and feed.organisation_id is None:
        said += f", {done.written} rows written"
    elif done.state == "done":
        said += (
            f", {taken.places} places and {taken.diaries} diaries written, {taken.published} "
            f"diaries published, {done.withdrawn} withdrawn, {taken.displaced} seats displaced"
        )
        if done.people.practitioners or done.people.organisations:
            said += (
                f"; {done.people.practitioners} practitioners in {done.people.roles} roles and "
                f"{done.people.organisations} organisations known"
            )
    sys.stdout.write(f"{said}\n")


def letter(told: Letter, *, json: bool) -> None:
    """Print the report to a publisher, for people or for programs."""
    if json:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return
    sys.stdout.write(f"{told.publisher}: {told.address}\n")
    if told.run is None:
        sys.stdout.write("never taken in\n")
        return
    frozen = "" if told.frozen_since is None else f", the same since {told.frozen_since}: FROZEN"
    made = "unknown" if told.run.as_of is None else told.run.as_of.isoformat()
    sys.stdout.write(
        f"run {told.run.id} {told.run.state}, made {made}, changes {told.run.share:.0%}{frozen}\n"
    )
    for name, value in told.tallies.items():
        sys.stdout.write(f"{value:7} {name.removeprefix('fault.')}\n")
        for fault in [one for one in told.faults if f"fault.{one.code}" == name][:_SHOWN]:
            mended = "" if fault.repaired is None else f", repaired to {fault.repaired}"
            place = f"{fault.file}:{fault.line}" if fault.file else f"line {fault.line}"
            sys.stdout.write(
                f"          {place} {fault.row} {fault.key}: {fault.original}{mended}\n"
            )
