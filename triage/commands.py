"""`regul protocols`: list, check, test, show, diff, sign, shadow-report, metamorphic."""

import argparse
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from triage import (
    case_lines,
    checks,
    library,
    metamorphic,
    protocol_check,
    protocol_diff,
    protocol_page,
    reader,
    shadow,
    signing,
)
from triage.counterexample import Language
from triage.labelled import Facts
from triage.proofs import Limits
from triage.protocol import Protocol, ProtocolError, decode

WRONG_CALL: Final = 2
"""The exit code of a call that names what does not exist."""


class _Wrong(ValueError):
    """A call that names what does not exist; the text says what."""


def main(argv: Sequence[str]) -> int:
    """Run one subcommand.

    Args:
        argv: The words after `regul protocols`.

    Returns:
        0 when everything asked for holds, 1 when a protocol has a problem, 2 for a wrong
        call.
    """
    try:
        chosen = _parser().parse_args(argv)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else WRONG_CALL
    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        return run(chosen)
    except (ProtocolError, signing.Refused) as error:
        _say(f"refused: {error}")
        return 1
    except (_Wrong, case_lines.Unreadable, OSError) as error:
        _say(str(error))
        return WRONG_CALL


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="regul protocols",
        description=__doc__,
        epilog="`regul protocols evaluate` scores the protocols on labelled cases.",
    )
    parser.add_argument(
        "--directory", type=Path, default=library.PROTOCOLS_DIRECTORY, help="protocol files"
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--directory", type=Path, default=argparse.SUPPRESS, help="protocol files")
    actions = parser.add_subparsers(dest="action", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> _Action:
        action = actions.add_parser(name, help=text, parents=[shared])
        action.set_defaults(run=run)
        return action

    add("list", _list, "every protocol with its status and digest")
    _add_check(add("check", _check, "everything that must be right about the files, proofs too"))
    ids = add("test", _test, "run the tests that stand in the files")
    ids.add_argument("ids", nargs="*", metavar="ID", help="only these")
    show = add("show", _show, "one protocol, readable")
    show.add_argument("id")
    show.add_argument("--lang", choices=["fr", "en"], default="en", help="of the page")
    show.add_argument("--html", type=Path, help="write one self-contained HTML file")
    diff = add("diff", _diff, "who moves up or down with another version")
    diff.add_argument("before", type=Path, help="protocol file")
    diff.add_argument("after", type=Path, help="protocol file")
    sign = add("sign", _sign, "append a signature, bound to the bytes above it")
    sign.add_argument("file", type=Path)
    sign.add_argument("--name", required=True)
    sign.add_argument("--role", required=True)
    sign.add_argument("--on", type=dt.date.fromisoformat, help="ISO date; today")
    beside = add("shadow-report", _shadow, "what protocols in shadow would have said")
    beside.add_argument("--against", metavar="ID", help="only beside this one")
    for action in (diff, beside):
        action.add_argument("--cases", type=Path, required=True, help="JSON lines")
        action.add_argument("--json", action="store_true", help="print JSON")
    _add_metamorphic(add("metamorphic", _metamorphic, "seeded pairs of patients"))
    return parser


_Action = argparse.ArgumentParser


def _add_check(action: _Action) -> None:
    """Describe `check`."""
    action.add_argument("ids", nargs="*", metavar="ID", help="only these")
    action.add_argument("--lang", choices=["fr", "en"], default="en", help="of counter-examples")
    action.add_argument("--seconds", type=float, default=20.0, help="time limit of one proof")
    action.add_argument("--workers", type=int, help="processes; two at most by default")
    action.add_argument("--json", action="store_true", help="print JSON")


def _add_metamorphic(action: _Action) -> None:
    """Describe `metamorphic`."""
    action.add_argument("ids", nargs="*", metavar="ID", help="only these")
    action.add_argument("--cases", type=int, default=1000, help="pairs a protocol")
    action.add_argument("--seed", type=int, default=1)
    action.add_argument("--sabotage", action="store_true", help="plant a fault: must fail")


def _say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")


def _json(value: object) -> None:
    """Print a structure as JSON."""
    _say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _chosen(loaded: library.Library, ids: Iterable[str]) -> tuple[Protocol, ...]:
    """Give the protocols of some ids, or all."""
    wanted = list(ids)
    missing = [key for key in wanted if loaded.get(key) is None]
    if missing:
        raise _Wrong(f"no such protocol: {', '.join(missing)}")
    return tuple(p for p in loaded.protocols if not wanted or p.file.id in wanted)


def _list(chosen: argparse.Namespace) -> int:
    """Print one line per protocol."""
    for protocol in library.load(chosen.directory).protocols:
        file = protocol.file
        _say(
            f"{file.id:28} {file.version:8} {file.kind:10} {protocol.status:8} "
            f"{len(file.inputs):3} inputs {len(file.rules):3} rules {protocol.digest[:16]}"
        )
    return 0


def _check(chosen: argparse.Namespace) -> int:
    """Check files one by one, then whether they go together."""
    language: Language = chosen.lang
    paths = sorted(chosen.directory.glob("*.toml"))
    missing = set(chosen.ids) - {path.stem for path in paths}
    if missing:
        raise _Wrong(f"no such protocol: {', '.join(sorted(missing))}")
    cards = library.read_cards()
    orders = [
        protocol_check.Order(
            path=path, cards=cards, language=language, limits=Limits(seconds=chosen.seconds)
        )
        for path in paths
        if not chosen.ids or path.stem in chosen.ids
    ]
    reports = protocol_check.check_all(orders, chosen.workers)
    together = "" if chosen.ids else _together(chosen.directory)
    sound = not together and not any(report.problems for report in reports)
    if chosen.json:
        _json({"sound": sound, "together": together, "protocols": reports})
        return 0 if sound else 1
    for line in protocol_check.lines(reports):
        _say(line)
    if together:
        _say(f"together: {together}")
    _say("sound" if sound else "NOT SOUND")
    return 0 if sound else 1


def _together(directory: Path) -> str:
    """Tell why the files do not make one library; empty when they do."""
    try:
        library.load(directory)
    except ProtocolError as error:
        return str(error)
    return ""


def _test(chosen: argparse.Namespace) -> int:
    """Print the failed tests of the files and a total."""
    protocols = _chosen(library.load(chosen.directory), chosen.ids)
    results = [(p, result) for p in protocols for result in checks.run_tests(p)]
    failed = [(p, result) for p, result in results if result.problems]
    for protocol, result in failed:
        _say(f"failed: {protocol.file.id}: {result.name}: {'; '.join(result.problems)}")
    _say(f"{len(results)} tests, {len(failed)} failed")
    return 1 if failed else 0


def _show(chosen: argparse.Namespace) -> int:
    """Print one protocol, or write it as HTML."""
    (protocol,) = _chosen(library.load(chosen.directory), [chosen.id])
    language: Language = chosen.lang
    page = protocol_page.page(protocol, language)
    if chosen.html is not None:
        chosen.html.write_text(protocol_page.as_html(page, language), encoding="utf-8")
        _say(f"wrote {chosen.html}")
        return 0
    for line in protocol_page.as_text(page):
        _say(line)
    return 0


def _diff(chosen: argparse.Namespace) -> int:
    """Print who moves between two versions."""
    loaded = library.load(chosen.directory)
    before, after = (decode(p.read_bytes(), loaded.cards) for p in (chosen.before, chosen.after))
    found = protocol_diff.compare(loaded, reader.shipped(), (before, after), _cases(chosen.cases))
    if chosen.json:
        _json(found)
    else:
        for line in protocol_diff.lines(found):
            _say(line)
    return 0


def _cases(path: Path) -> tuple[case_lines.Answers | Facts, ...]:
    """Read a file of cases."""
    with path.open("rb") as lines:
        return tuple(case_lines.read(lines))


def _sign(chosen: argparse.Namespace) -> int:
    """Sign a file."""
    on = chosen.on or dt.datetime.now(dt.UTC).date()
    signature = signing.Signature(name=chosen.name, role=chosen.role, on=on.isoformat())
    signed = signing.sign(chosen.file, signature, library.read_cards())
    count = len(signed.file.sign_offs)
    _say(f"{signed.file.id} {signed.file.version}: signature {count} of 2 by {chosen.name}")
    _say(f"sha256 of what was signed {signed.content_digest}, of the file {signed.digest}")
    return 0


def _shadow(chosen: argparse.Namespace) -> int:
    """Print what protocols in shadow would have said."""
    loaded = library.load(chosen.directory)
    _chosen(loaded, [chosen.against] if chosen.against else [])
    reports = shadow.report(loaded, reader.shipped(), _cases(chosen.cases), chosen.against)
    if chosen.json:
        _json(reports)
    elif not reports:
        _say("no protocol is in shadow")
    for line in () if chosen.json else shadow.lines(reports):
        _say(line)
    return 0


def _metamorphic(chosen: argparse.Namespace) -> int:
    """Try seeded pairs of patients; print the seed, the counts and each violation."""
    judge = metamorphic.sabotaged if chosen.sabotage else metamorphic.judged
    begun, cases, broken = time.perf_counter(), 0, 0
    for protocol in _chosen(library.load(chosen.directory), chosen.ids):
        tried = metamorphic.run(protocol, chosen.cases, chosen.seed, judge)
        cases += sum(n for name, n in tried.by_relation.items() if name != "skipped")
        broken += len(tried.violations)
        for line in metamorphic.lines(protocol, tried):
            _say(line)
    seconds = time.perf_counter() - begun
    fault = " with a planted fault" if chosen.sabotage else ""
    _say(f"seed {chosen.seed}{fault}: {cases} pairs in {seconds:.1f} s, {broken} violations")
    return 1 if broken else 0
