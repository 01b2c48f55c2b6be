"""An assessment as people read it: the interval, the next question, why, and what was answered.

Pure: it takes the engine's result and the protocols, and gives a view in the reader's words.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import msgspec

from console import traced, triage_views, views
from console.catalogue import Words
from console.traced import answer, asked, choice, reason, told
from triage.acuity import SCALE, Acuity
from triage.assessment import Assessment
from triage.findings import RecordedFinding
from triage.library import Library
from triage.plausibility import ToConfirm
from triage.protocol import Input
from triage.standing import Standing

_REASONS: Final = 6
"""Most reasons on screen; the trace keeps all."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a case to show its assessment.

    Attributes:
        result: What the engine says.
        standing: The levels in force.
        findings: What was recorded.
        to_confirm: Odd values that were set aside.
        lower: The milder level that waits.
        physician: Why a physician is required, as codes.
        editable: Answers may still be given by this reader.
    """

    case_id: UUID
    result: Assessment
    standing: Standing
    findings: tuple[RecordedFinding, ...] = ()
    to_confirm: tuple[ToConfirm, ...] = ()
    lower: triage_views.Lower | None = None
    physician: tuple[str, ...] = ()
    editable: bool = True


def view(seen: Seen, library: Library, words: Words) -> triage_views.Triage:
    """Show an assessment and the levels in force.

    Args:
        seen: The case as read.
        library: Wording of the questions and sources of the rules.
        words: The reader's.
    """
    assessment, standing = seen.result, seen.standing
    first = assessment.next_question
    question = None if first is None else _question(library, first.input, first.acuity, words)
    known = {finding.input for finding in seen.findings}
    sure, maybe = interval(standing.assured, standing.worst)
    return triage_views.Triage(
        case_id=seen.case_id,
        assured=standing.assured,
        worst=standing.worst,
        proposed=standing.proposed,
        closed=assessment.closed,
        physician_required=bool(seen.physician),
        physician=seen.physician,
        sure=sure,
        maybe=maybe,
        question=question,
        others=tuple(
            _others(assessment, library, words, known | ({first.input} if first else set()))
        ),
        answers=tuple(_answers(seen.findings, library, words)),
        reasons=_reasons(assessment, library, words),
        protocols=tuple(_protocols(assessment, library, words)),
        draft=any(one.status == "draft" for one in assessment.protocols),
        advice=tuple(told(one.text, words) for one in assessment.advice),
        cards=tuple(_cards(assessment, words)),
        editable=seen.editable,
        lower=seen.lower,
        expired=tuple(_expired(seen.findings, library, words)),
        odd=tuple(_odd(one, library, words) for one in seen.to_confirm),
        trace=traced.view(assessment, library, words),
    )


def _cards(assessment: Assessment, words: Words) -> Iterable[triage_views.Card]:
    for card in assessment.cards:
        yield triage_views.Card(
            title=told(card.title, words), steps=tuple(told(step, words) for step in card.steps)
        )


def _expired(
    findings: Sequence[RecordedFinding], library: Library, words: Words
) -> Iterable[triage_views.Question]:
    """Give the answers that are too old as questions: they are asked again."""
    for finding in findings:
        if finding.expired:
            found = _question(library, finding.input, None, words)
            if found is not None:
                yield found


def _odd(one: ToConfirm, library: Library, words: Words) -> triage_views.Odd:
    entry = library.input(one.input)
    low, high = one.plausible
    return triage_views.Odd(
        input=one.input,
        ask=asked(library, one.input, words),
        value=f"{one.value:g}",
        text=answer(entry, one.value, words),
        usual=f"{low:g}\u2013{high:g}",
    )


def interval(
    assured: Acuity | None, worst: Acuity | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the levels to draw: those assured, and those still possible above.

    Args:
        assured: The level that is certain, or None.
        worst: The worst level not excluded, or None.

    Returns:
        The assured level alone, and the levels from the worst to just above it.
    """
    sure = () if assured is None else (assured,)
    if worst is None:
        return sure, ()
    return sure, tuple(
        level for level in SCALE if worst <= level and (assured is None or level < assured)
    )


def _entry(library: Library, key: str) -> Input | None:
    return library.input(key)


def _question(
    library: Library, key: str, acuity: Acuity | None, words: Words
) -> triage_views.Question | None:
    entry = _entry(library, key)
    if entry is None:
        return None
    low, high = entry.range or (None, None)
    unit = entry.unit or ""
    return triage_views.Question(
        input=entry.key,
        protocol="",
        ask=told(entry.ask, words),
        kind=entry.type,
        unit=words.code("unit", unit) if unit else "",
        low=low,
        high=high,
        choices=tuple(
            views.Choice(code=one, label=choice(entry.key, one, words)) for one in entry.choices
        ),
        acuity=acuity,
    )


def _others(
    assessment: Assessment, library: Library, words: Words, apart: set[str]
) -> Iterable[triage_views.Question]:
    levels: dict[str, Acuity] = {}
    for rule in sorted(assessment.trace.possible, key=lambda one: one.acuity):
        for key in rule.open_inputs:
            levels.setdefault(key, rule.acuity)
    ordered = [*levels, *(key for key in assessment.trace.open_inputs if key not in levels)]
    for key in ordered:
        if key not in apart:
            found = _question(library, key, levels.get(key), words)
            if found is not None:
                yield found


def _answers(
    findings: Sequence[RecordedFinding], library: Library, words: Words
) -> Iterable[triage_views.Answer]:
    for finding in findings:
        entry = _entry(library, finding.input)
        if entry is None:
            continue
        missing = finding.unanswerable
        text = "" if finding.value is None else answer(entry, finding.value, words)
        yield triage_views.Answer(
            input=finding.input,
            ask=told(entry.ask, words),
            text=text if missing is None else words.code("unanswerable", missing),
            unanswerable=missing is not None,
            again=_question(library, finding.input, None, words),
            expired=finding.expired,
        )


def _reasons(
    assessment: Assessment, library: Library, words: Words
) -> tuple[triage_views.Reason, ...]:
    trace = assessment.trace
    fired = sorted(trace.fired, key=lambda one: one.acuity)
    held = sorted(trace.held, key=lambda one: one.acuity)
    shown: list[triage_views.Reason] = [reason(one, library, words, held=False) for one in fired]
    shown += [reason(one, library, words, held=True) for one in held]
    return tuple(shown[:_REASONS])


def _protocols(assessment: Assessment, library: Library, words: Words) -> Iterable[str]:
    silent = {one.protocol for one in assessment.trace.gates if one.state == "unmet"}
    for one in assessment.protocols:
        if one.id in silent:
            continue
        protocol = library.get(one.id)
        title = told(protocol.file.title, words) if protocol is not None else one.id
        yield words.t("triage.protocol", title=title, version=one.version)
