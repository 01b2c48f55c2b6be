"""`regul protocols list|check|test|show`: protocol files on the command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from triage import checks, library
from triage.protocol import Protocol, ProtocolError


def main(argv: Sequence[str]) -> int:
    """Run one subcommand.

    Args:
        argv: The words after `regul protocols`.

    Returns:
        0 when everything asked for holds, 1 when a protocol has a problem, 2 for a wrong
        call.
    """
    parser = argparse.ArgumentParser(prog="regul protocols", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, default=library.PROTOCOLS_DIRECTORY, help="protocol files"
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="every protocol with its status and digest")
    actions.add_parser("check", help="everything that must be right about the files")
    actions.add_parser("test", help="run the tests that stand in the files")
    actions.add_parser("show", help="one protocol, readable").add_argument("id")
    try:
        chosen = parser.parse_args(argv)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 2
    try:
        loaded = library.load(chosen.directory)
    except ProtocolError as error:
        _say(f"refused: {error}")
        return 1
    if chosen.action == "show":
        return _show(loaded, chosen.id)
    run = {"list": _list, "check": _check, "test": _test}[chosen.action]
    return run(loaded)


def _say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")


def _list(loaded: library.Library) -> int:
    """Print one line per protocol."""
    for protocol in loaded.protocols:
        file = protocol.file
        _say(
            f"{file.id:28} {file.version:8} {file.kind:10} {file.status:8} "
            f"{len(file.inputs):3} inputs {len(file.rules):3} rules {protocol.digest[:16]}"
        )
    return 0


def _check(loaded: library.Library) -> int:
    """Print every problem and every failed test."""
    found = [text for protocol in loaded.protocols for text in checks.problems(protocol)]
    for text in found:
        _say(f"problem: {text}")
    failed = _test(loaded)
    verdict = "sound" if not found and not failed else "not sound"
    _say(f"{len(loaded.protocols)} protocols, {len(found)} problems: {verdict}")
    return 1 if found or failed else 0


def _test(loaded: library.Library) -> int:
    """Print the failed tests of the files and a total."""
    results = [(p, result) for p in loaded.protocols for result in checks.run_tests(p)]
    failed = [(p, result) for p, result in results if result.problems]
    for protocol, result in failed:
        _say(f"failed: {protocol.file.id}: {result.name}: {'; '.join(result.problems)}")
    _say(f"{len(results)} tests, {len(failed)} failed")
    return 1 if failed else 0


def _show(loaded: library.Library, identifier: str) -> int:
    """Print one protocol, most severe rules first."""
    protocol = loaded.get(identifier)
    if protocol is None:
        _say("no such protocol")
        return 2
    _heading(protocol)
    for rule in sorted(protocol.file.rules, key=lambda rule: rule.acuity):
        _say(f"{rule.acuity}  {rule.id}: {rule.when}")
        _say(f"      fr {rule.why.fr}")
        _say(f"      en {rule.why.en}")
        _say(f"      unanswerable: {rule.when_unanswerable}; sources: {', '.join(rule.cites)}")
    _say("questions")
    for entry in protocol.file.inputs:
        unit = f" [{entry.unit}]" if entry.unit else ""
        _say(f"  {entry.key}{unit}: {entry.ask.fr} / {entry.ask.en}")
    _say("sources")
    for citation in protocol.file.citations:
        mark = "" if citation.verified else " (to be verified)"
        _say(f"  {citation.id}: {citation.text}{mark}")
    return 0


def _heading(protocol: Protocol) -> None:
    """Print what the file is."""
    file = protocol.file
    _say(f"{file.title.en} / {file.title.fr}")
    _say(f"{file.id} {file.version}, {file.kind}, {file.status}")
    _say(f"sha256 {protocol.digest}")
    _say(f"for: {file.population.when}")
