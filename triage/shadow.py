"""A protocol in shadow beside those that run: what it would have said, on cases.

Nothing of a shadow protocol is stored with a case: what it says is computed from the recorded
answers whenever the report is asked for, so a changed shadow never leaves a trace behind.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from triage.acuity import Acuity, is_more_severe, most_severe
from triage.assessment import Observation
from triage.case_lines import Answers, enter, judge
from triage.engine import evaluate
from triage.finding import PROFESSIONAL, Finding
from triage.labelled import Facts
from triage.library import Library
from triage.protocol import Protocol
from triage.reader import Reader

_SHOWN = 12


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """One shadow protocol beside its rivals.

    Attributes:
        id: The shadow.
        rivals: Those of the same kind, for the same complaints, that run.
        cases: All cases.
        covered: Cases in the population of the shadow and of a rival.
        agree: Same level, or none by both.
        up: Cases in which the shadow is more severe.
        down: Cases in which it is milder.
        pairs: Number of cases by level of the rivals and level of the shadow.
        raised: Cases whose proposed level the shadow would have raised.
    """

    id: str
    rivals: tuple[str, ...]
    cases: int
    covered: int
    agree: int
    up: tuple[str, ...]
    down: tuple[str, ...]
    pairs: dict[str, int]
    raised: tuple[str, ...]


def report(
    library: Library,
    reader: Reader,
    cases: Sequence[Answers | Facts],
    against: str | None = None,
) -> tuple[ShadowReport, ...]:
    """Compare every shadow protocol with what runs.

    Args:
        library: With the shadows.
        reader: Reads cases recorded in words.
        cases: What to assess; nothing further is asked.
        against: Only this rival, instead of all of the same kind and complaint.
    """
    return tuple(
        _one(library, reader, cases, shadow, _rivals(library, shadow, against))
        for shadow in library.protocols
        if shadow.status == "shadow"
    )


def _rivals(library: Library, shadow: Protocol, against: str | None) -> tuple[Protocol, ...]:
    """Give the running protocols that a shadow could replace."""
    mine = set(shadow.file.complaints)
    return tuple(
        one
        for one in library.protocols
        if one.status in {"active", "draft"}
        and (
            one.file.id == against
            if against is not None
            else one.file.kind == shadow.file.kind
            and (one.file.kind != "complaint" or mine & set(one.file.complaints))
        )
    )


def _one(
    library: Library,
    reader: Reader,
    cases: Sequence[Answers | Facts],
    shadow: Protocol,
    rivals: tuple[Protocol, ...],
) -> ShadowReport:
    """Compare one shadow with its rivals on every case."""
    pairs: dict[str, int] = {}
    up: list[str] = []
    down: list[str] = []
    raised: list[str] = []
    for case in cases:
        entered = enter(library, reader, case)
        findings = entered.findings
        says = _levels((shadow,), findings)
        said = _levels(rivals, findings)
        if not says or not said:
            continue
        level, other = most_severe(*says), most_severe(*said)
        key = f"{other or 'none'} {level or 'none'}"
        pairs[key] = pairs.get(key, 0) + 1
        if level is not None and is_more_severe(level, other):
            up.append(case.id)
        elif level != other:
            down.append(case.id)
        if level is not None and is_more_severe(level, judge(library, entered).proposed):
            raised.append(case.id)
    covered = sum(pairs.values())
    return ShadowReport(
        id=shadow.file.id,
        rivals=tuple(rival.file.id for rival in rivals),
        cases=len(cases),
        covered=covered,
        agree=covered - len(up) - len(down),
        up=tuple(up),
        down=tuple(down),
        pairs=dict(sorted(pairs.items())),
        raised=tuple(raised),
    )


def _levels(protocols: Sequence[Protocol], findings: Sequence[Finding]) -> list[Acuity | None]:
    """Give the assured level of each protocol, alone, whose population the patient is in."""
    alone = (evaluate([one], findings, Observation(context=PROFESSIONAL)) for one in protocols)
    return [entry.assured for entry in alone if entry.readings[0].gate == 0]


def lines(reports: Iterable[ShadowReport]) -> Iterator[str]:
    """Print shadow reports as text.

    Args:
        reports: One a shadow protocol.

    Yields:
        Its rivals, the pairs of levels, and the cases that differ.
    """
    for entry in reports:
        yield f"{entry.id} in shadow beside {', '.join(entry.rivals) or 'nothing that runs'}"
        yield (
            f"  {entry.cases} cases, {entry.covered} in the population of both:"
            f" {entry.agree} agree, {len(entry.up)} up, {len(entry.down)} down;"
            f" {len(entry.raised)} would be proposed a graver level"
        )
        for pair, count in entry.pairs.items():
            running, shadow = pair.split()
            yield f"    {running:4} running, {shadow:4} in shadow: {count}"
        for word, cases in (("up", entry.up), ("down", entry.down), ("raised", entry.raised)):
            if cases:
                more = f" and {len(cases) - _SHOWN} more" if len(cases) > _SHOWN else ""
                yield f"    {word}: {' '.join(cases[:_SHOWN])}{more}"
