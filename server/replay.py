"""The `replay` subcommand: recorded cases through the public API, from call to a place.

Starts throw-away servers unless `--url` names a running service. A scripted physician confirms
what triage proposes (`server.replay_policy`), a scripted receiver accepts, a subscriber receives
the events. Exit 0: every invariant held; 1: a case, an event or a seat is not as it should be.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from server import cli, replay_run, seed
from server.demo import DEMO, Instance
from server.refusal import Refusal
from server.replay_cases import BrokenLine, RecordedCase, read
from server.replay_ledger import invariants, totals
from server.replay_run import LOGINS, Options, Outcome, Where
from server.report import Figure, Report, machine, show
from server.stack import Stack, default_home, throw_away_home

FAULTS: Final = ("lost-event", "double", "lost-case")
"""What `--sabotage` can plant."""
WRONG: Final = 1


def main(arguments: list[str]) -> int:
    """Replay a file and report.

    Args:
        arguments: See `--help`.

    Returns:
        0 when every invariant held, 1 when one broke; with `--sabotage` 1 when every planted
        fault was found and 0 when one escaped.
    """
    options = _parser().parse_args(arguments)
    if options.url and options.sabotage:
        _parser().error("--sabotage damages data: only on servers of its own, without --url")
    cases, broken = load(options.file, options.limit)
    for line in broken:
        say(f"line {line.number}: {line.reason}")
    if options.sabotage:
        return _sabotaged(cases, options)
    outcome = asyncio.run(_replay(cases, options))
    report = reported(outcome, broken, options.seed)
    tell(outcome)
    show(report, json=options.json)
    return 0 if held(report) else WRONG


def load(path: Path, limit: int | None = None) -> tuple[list[RecordedCase], list[BrokenLine]]:
    """Read a file of recorded cases.

    Args:
        path: One JSON object a line.
        limit: Read no more than this many cases.

    Returns:
        The cases and the broken lines before the limit, in the order of the file.

    Raises:
        Refusal: The file can't be read.
    """
    cases: list[RecordedCase] = []
    broken: list[BrokenLine] = []
    try:
        with path.open("rb") as lines:
            for found in read(lines):
                if limit is not None and len(cases) >= limit:
                    break
                if isinstance(found, BrokenLine):
                    broken.append(found)
                else:
                    cases.append(found)
    except OSError as error:
        raise Refusal(f"Cannot read {path}: {error.strerror}.") from None
    return cases, broken


def where_of(stack: Stack) -> Where:
    """Give the addresses and keys of a running, seeded stack.

    Args:
        stack: Entered.
    """
    key_file = stack.layout.keys / "master.key"
    return Where(
        base_url=stack.base_url,
        nats_url=stack.nats_url,
        keys={login: seed.key(key_file, login) for login in LOGINS},
    )


def where_of_url(url: str) -> Where:
    """Give the addresses and keys of a running demo or test service.

    Args:
        url: Of its API. `REGUL_KEY_FILE` names its master key and `NATS_URL` its bus; those of
            this machine's demo where they are not set.

    Raises:
        Refusal: The key can't be read.
    """
    home = default_home()
    key_file = Path(os.environ.get("REGUL_KEY_FILE") or home / "keys" / "master.key")
    nats_url = os.environ.get("NATS_URL", "")
    port = home / "run" / "nats.port"
    if not nats_url and port.exists():
        nats_url = f"nats://127.0.0.1:{port.read_text('ascii').strip()}"
    if not nats_url:
        raise Refusal("Set NATS_URL: the replay's subscriber reads its events there.")
    return Where(
        base_url=url.rstrip("/"),
        nats_url=nats_url,
        keys={login: seed.key(key_file, login) for login in LOGINS},
    )


def reported(outcome: Outcome, broken: Sequence[BrokenLine], number: int) -> Report:
    """Write the report of a replay: invariants first, then totals, then times.

    Args:
        outcome: What was seen.
        broken: Lines that were no case.
        number: Seed of the run.
    """
    silent = len(outcome.silent)
    received = len(outcome.inbox)
    figures = [
        Figure(name="cases", value=outcome.expected, unit="cases"),
        Figure(name="broken_lines", value=len(broken), unit="lines"),
        *invariants(outcome.endings, expected=outcome.expected, inbox=outcome.inbox, silent=silent),
        *totals(outcome.endings),
        Figure(name="events_received", value=received, unit="events"),
        Figure(name="messages_over_nats", value=outcome.over_nats, unit="messages"),
        Figure(name="events_repeated", value=outcome.inbox.repeated, unit="events"),
        Figure(name="took", value=round(outcome.took_s, 1), unit="s"),
        *outcome.steps.figures(),
    ]
    return Report(
        name="replay",
        version=cli.version(),
        machine=machine(),
        seed=number,
        runs=1,
        figures=figures,
    )


def held(report: Report) -> bool:
    """Tell whether every invariant of a report held.

    Args:
        report: Whose figures with a goal are all invariants.
    """
    return all(figure.met is not False for figure in report.figures)


def tell(outcome: Outcome) -> None:
    """Say on stderr what went wrong, by the ids of the source.

    Args:
        outcome: What was seen.
    """
    for name, reason in outcome.failures.items():
        say(f"{name} was lost: {reason}")
    for name, kinds in outcome.silent:
        say(f"{name}: no {', '.join(kinds)} was received")


def say(text: str) -> None:
    """Print one line for a person to stderr."""
    sys.stderr.write(f"regul: {text}\n")


def progress(total: int) -> "replay_run.Progress":
    """Give a progress function that says a line for each tenth of the cases.

    Args:
        total: How many cases there are.
    """
    step = max(1, total // 10)

    def told(done: int) -> None:
        if done % step == 0:
            say(f"{done} of {total} cases")

    return told


async def _replay(cases: Sequence[RecordedCase], options: argparse.Namespace) -> Outcome:
    how = Options(seed=options.seed, workers=options.workers, progress=progress(len(cases)))
    if options.url:
        return await replay_run.run(where_of_url(options.url), cases, how)
    with throw_away_home() as home:
        instance = Instance()
        async with Stack(home, throw_away=True, settings=DEMO, seed=instance.fill) as stack:
            return await replay_run.run(where_of(stack), cases, how)


def _sabotaged(cases: Sequence[RecordedCase], options: argparse.Namespace) -> int:
    """Plant each fault in servers of its own and look whether it is found."""
    from server import replay_sabotage

    wanted = FAULTS if options.sabotage == "all" else (options.sabotage,)
    figures = []
    for fault in wanted:
        outcome = asyncio.run(replay_sabotage.run(fault, cases, options.seed))
        found = not held(reported(outcome, (), options.seed))
        figures.append(Figure(name=f"found.{fault}", value=found, goal="true", met=found))
    report = Report(
        name="replay --sabotage",
        version=cli.version(),
        machine=machine(),
        seed=options.seed,
        figures=figures,
    )
    show(report, json=options.json)
    return WRONG if held(report) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="regul replay", description=__doc__)
    parser.add_argument("file", type=Path, help="recorded cases, one JSON object a line")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--url", default="", help="a running service instead of throw-away ones")
    parser.add_argument("--limit", type=int, help="no more than this many cases")
    parser.add_argument("--seed", type=int, default=80, help="of places, offers and callers")
    parser.add_argument("--workers", type=int, default=replay_run.WORKERS, help="cases at a time")
    parser.add_argument(
        "--sabotage",
        nargs="?",
        const="all",
        choices=("all", *FAULTS),
        help="plant faults: exit 1 when each was found, 0 when one escaped",
    )
    return parser
