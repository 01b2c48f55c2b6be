"""Everything `regul protocols check` asks of a file, gathered into one report."""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from triage import boundaries, checks, declarations, unanswered
from triage.boundaries import Boundaries
from triage.circuit import load_solver
from triage.counterexample import Language, explain
from triage.format import Card
from triage.proofs import Kind, Limits, prove
from triage.protocol import Protocol, ProtocolError, decode
from triage.unanswered import Guesses

_ALONE: Final = 4
"""Up to this many files one process does; starting others costs more."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One file to check, and how.

    Attributes:
        path: The file.
        cards: What its rules may name.
        language: Of counter-examples.
        limits: Of the proofs.
    """

    path: Path
    cards: tuple[Card, ...]
    language: Language = "en"
    limits: Limits = Limits()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one file.

    Attributes:
        id: Of the protocol, or the file's name where it cannot be read.
        problems: Sentences; empty means that the file is sound.
        notes: What the reader of the report should know and nobody has to mend.
        proofs: How many of each kind were proved.
        proving: Seconds of one core spent on proofs, without loading the solver.
    """

    id: str
    digest: str = ""
    status: str = ""
    inputs: int = 0
    rules: int = 0
    tests: int = 0
    units: tuple[str, ...] = ()
    unverified: int = 0
    signatures: int = 0
    boundaries: Boundaries | None = None
    proofs: dict[Kind, int] = {}
    proving: float = 0.0
    guesses: Guesses | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check(order: Order) -> Report:
    """Check one file.

    Args:
        order: Which, and how.

    Returns:
        The report; a file that cannot be read is one problem.
    """
    raw = order.path.read_bytes()
    try:
        protocol = decode(raw, order.cards)
    except ProtocolError as error:
        return Report(id=order.path.stem, problems=(f"refused: {error}",))
    tests = checks.run_tests(protocol)
    found = [text.removeprefix(f"{protocol.file.id}: ") for text in checks.problems(protocol)]
    found += declarations.problems(protocol)
    if protocol.file.id != order.path.stem:
        found.append("the id must be the file's name")
    found += [f"test {r.name}: {'; '.join(r.problems)}" for r in tests if r.problems]
    edges = boundaries.run(protocol, raw)
    found += [f"boundary {text}" for text in edges.problems]
    load_solver()
    begun = time.process_time()
    proofs = prove(protocol, order.limits)
    proving = time.process_time() - begun
    for proof in proofs:
        if proof.verdict != "proved":
            found.append("\n".join(explain(protocol, proof, order.language)))
    proved = Counter[Kind](proof.kind for proof in proofs if proof.verdict == "proved")
    return msgspec.structs.replace(
        _described(protocol),
        tests=len(tests),
        boundaries=edges,
        proofs=dict(proved),
        proving=proving,
        guesses=unanswered.measure(protocol),
        problems=tuple(found),
    )


def _described(protocol: Protocol) -> Report:
    """Describe the file itself."""
    file = protocol.file
    return Report(
        id=file.id,
        digest=protocol.digest,
        status=protocol.status,
        inputs=len(file.inputs),
        rules=len(file.rules),
        units=tuple(sorted({entry.unit for entry in file.inputs if entry.unit is not None})),
        unverified=sum(not entry.verified for entry in file.citations),
        signatures=len(file.sign_offs),
    )


def check_all(orders: Sequence[Order], workers: int | None = None) -> tuple[Report, ...]:
    """Check files, on several cores when there are many.

    Nothing is remembered between runs: a proof is worth what the code that made it was.

    Args:
        orders: The files.
        workers: Processes; as many as cores, two at most, when not given.
    """
    count = workers or min(2, os.cpu_count() or 1)
    if count == 1 or len(orders) <= _ALONE:
        return tuple(check(order) for order in orders)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        return tuple(pool.map(check, orders))


def lines(reports: Iterable[Report]) -> Iterable[str]:
    """Print reports as text.

    Args:
        reports: In the order to print.

    Yields:
        One line a protocol, its problems below it, then the totals.
    """
    chosen = list(reports)
    for report in chosen:
        yield _line(report)
        for text in report.problems:
            yield from (f"    {part}" for part in text.split("\n"))
    done = [report for report in chosen if report.boundaries is not None]
    yield f"units (UCUM): {' '.join(sorted({unit for r in done for unit in r.units}))}"
    edges = [report.boundaries for report in done if report.boundaries is not None]
    yield (
        f"boundary tests: {sum(e.edges for e in edges)} edges, {sum(e.biting for e in edges)} of"
        f" them with a patient whom crossing them changes, {sum(e.values for e in edges)}"
        " evaluations equal to a direct reading of the table"
        if not any(e.problems for e in edges)
        else "boundary tests: the engine and the direct reading differ"
    )
    guesses = [report.guesses for report in done if report.guesses is not None]
    rows, fired, decided = (
        sum(getattr(entry, name) for entry in guesses) for name in ("rows", "fired", "decided")
    )
    yield (
        f"rules fired by unanswerable inputs: in {_percent(fired, rows)} of {rows} seeded rows with"
        f" 15 % unanswerable inputs; they set the level in {_percent(decided, rows)}"
    )
    kinds = Counter[str]()
    for report in done:
        kinds.update(report.proofs)
    yield f"proved: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
    slowest = max((report.proving for report in done), default=0.0)
    faulty = sum(bool(report.problems) for report in chosen)
    yield (
        f"{len(chosen)} protocols, {sum(r.tests for r in done)} tests,"
        f" {sum(r.unverified for r in done)} citations not verified; proofs at most"
        f" {slowest:.2f} s of one core a protocol; {faulty} not sound"
    )


def _line(report: Report) -> str:
    """Give the line of one protocol."""
    edges, guesses = report.boundaries, report.guesses
    if edges is None or guesses is None:
        return f"{report.id:28} not readable"
    verdict = "sound" if not report.problems else f"{len(report.problems)} problems"
    return (
        f"{report.id:28} {report.status:7} {report.inputs:3} inputs {report.rules:3} rules"
        f" {report.tests:3} tests {edges.edges:3} edges {edges.values:4} values"
        f" {sum(report.proofs.values()):4} proofs {report.proving:5.2f} s"
        f" guesses {_percent(guesses.fired, guesses.rows):>5} {report.digest[:12]} {verdict}"
    )


def _percent(part: int, whole: int) -> str:
    """Give a share as text."""
    return f"{100 * part / whole:.0f} %" if whole else "-"
