"""An assessment as people read it: the interval, the next question, why, and what was answered.

Pure: it takes the engine's result and the protocols, and gives a view in the reader's words.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from console import views
from console.catalogue import Words
from triage.acuity import SCALE, Acuity
from triage.assessment import Assessment, FiredRule, HeldRule
from triage.finding import Finding
from triage.library import Library
from triage.protocol import Input, Text

_REASONS: Final = 6
"""Most reasons on screen; the trace keeps all."""


def told(text: Text, words: Words) -> str:
    """Give a sentence of a protocol in the reader's language."""
    return text.fr if words.language == "fr" else text.en


def view(
    case_id: UUID,
    assessment: Assessment,
    findings: Sequence[Finding],
    library: Library,
    words: Words,
    *,
    editable: bool,
) -> views.Triage:
    """Show an assessment.

    Args:
        case_id: Of which case.
        assessment: What the engine says.
        findings: What was recorded.
        library: Wording of the questions and sources of the rules.
        words: The reader's.
        editable: Answers may still be given by this reader.
    """
    asked = assessment.next_question
    question = None if asked is None else _question(library, asked.input, asked.acuity, words)
    known = {finding.input for finding in findings}
    sure, maybe = interval(assessment.assured, assessment.worst)
    return views.Triage(
        case_id=case_id,
        assured=assessment.assured,
        worst=assessment.worst,
        proposed=assessment.proposed,
        closed=assessment.closed,
        physician_required=assessment.physician_required,
        sure=sure,
        maybe=maybe,
        question=question,
        others=tuple(
            _others(assessment, library, words, known | ({asked.input} if asked else set()))
        ),
        answers=tuple(_answers(findings, library, words)),
        reasons=_reasons(assessment, library, words),
        protocols=tuple(_protocols(assessment, library, words)),
        draft=any(one.status == "draft" for one in assessment.protocols),
        advice=tuple(told(one.text, words) for one in assessment.advice),
        editable=editable,
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
) -> views.Question | None:
    entry = _entry(library, key)
    if entry is None:
        return None
    low, high = entry.range or (None, None)
    unit = entry.unit or ""
    return views.Question(
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


def choice(key: str, code: str, words: Words) -> str:
    """Give the label of a choice; its code when the catalogues have none yet."""
    own = f"choice.{key}.{code}"
    return words.t(own) if words.has(own) else words.code("choice", code)


def _others(
    assessment: Assessment, library: Library, words: Words, apart: set[str]
) -> Iterable[views.Question]:
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


def _answers(findings: Sequence[Finding], library: Library, words: Words) -> Iterable[views.Answer]:
    for finding in findings:
        entry = _entry(library, finding.input)
        if entry is None:
            continue
        yield views.Answer(
            input=finding.input,
            ask=told(entry.ask, words),
            text=_answer(entry, finding, words),
            unanswerable=finding.unanswerable is not None,
        )


def _answer(entry: Input, finding: Finding, words: Words) -> str:
    value = finding.value
    if finding.unanswerable is not None:
        return words.code("unanswerable", finding.unanswerable)
    if isinstance(value, bool):
        return words.t("answer.yes" if value else "answer.no")
    if isinstance(value, str):
        return choice(entry.key, value, words)
    unit = words.code("unit", entry.unit) if entry.unit else ""
    return f"{value:g}\u00a0{unit}".strip()


def _reasons(assessment: Assessment, library: Library, words: Words) -> tuple[views.Reason, ...]:
    trace = assessment.trace
    fired = sorted(trace.fired, key=lambda one: one.acuity)
    held = sorted(trace.held, key=lambda one: one.acuity)
    shown: list[views.Reason] = [_reason(one, library, words, held=False) for one in fired]
    shown += [_reason(one, library, words, held=True) for one in held]
    return tuple(shown[:_REASONS])


def _reason(
    rule: FiredRule | HeldRule, library: Library, words: Words, *, held: bool
) -> views.Reason:
    protocol = library.get(rule.protocol)
    cited = protocol.file.citations if protocol is not None else ()
    return views.Reason(
        acuity=rule.acuity,
        why=told(rule.why, words),
        rule=f"{rule.protocol} / {rule.rule}",
        sources=tuple(one.text for one in cited if one.id in rule.cites),
        held=held,
    )


def _protocols(assessment: Assessment, library: Library, words: Words) -> Iterable[str]:
    for one in assessment.protocols:
        protocol = library.get(one.id)
        title = told(protocol.file.title, words) if protocol is not None else one.id
        yield words.t("triage.protocol", title=title, version=one.version)
