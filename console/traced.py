"""What an assessment rests on, as people read it: rules, scores, gates, assumptions. Pure."""

from collections.abc import Iterable

from console import triage_views
from console.catalogue import Words
from triage.assessment import Assessment, FiredRule, GateResult, HeldRule, PossibleRule
from triage.library import Library
from triage.protocol import Input, Text
from triage.scoring import Contribution, ScoreResult


def told(text: Text, words: Words) -> str:
    """Give a sentence of a protocol in the reader's language."""
    return text.fr if words.language == "fr" else text.en


def view(assessment: Assessment, library: Library, words: Words) -> triage_views.Trace:
    """Show the whole trace.

    Args:
        assessment: What the engine says.
        library: Wording of questions and rules, sources.
        words: The reader's.
    """
    trace = assessment.trace
    return triage_views.Trace(
        fired=tuple(reason(one, library, words, held=False) for one in trace.fired),
        held=tuple(reason(one, library, words, held=True) for one in trace.held),
        possible=tuple(_possible(one, library, words) for one in trace.possible),
        scores=tuple(
            _score(one.protocol, one.result, library, words)
            for one in trace.scores
            if _covers(trace.gates, one.protocol)
        ),
        assumed=tuple(
            triage_views.Answer(
                input=one.input,
                ask=asked(library, one.input, words),
                text=answer(library.input(one.input), one.value, words),
            )
            for one in trace.assumptions
        ),
        gates=tuple(_gates(trace.gates, library, words)),
        open_inputs=tuple(asked(library, key, words) for key in trace.open_inputs),
    )


def reason(
    rule: FiredRule | HeldRule, library: Library, words: Words, *, held: bool
) -> triage_views.Reason:
    """Show a rule that fired or is held, with its sources.

    Args:
        rule: From the trace.
        library: Holds the sources.
        words: The reader's.
        held: Not excluded, but not fired.
    """
    protocol = library.get(rule.protocol)
    cited = protocol.file.citations if protocol is not None else ()
    why = told(rule.why, words)
    if isinstance(rule, HeldRule):
        why = f"{why} {told(rule.reason, words)}"
    return triage_views.Reason(
        acuity=rule.acuity,
        why=why,
        rule=f"{rule.protocol} / {rule.rule}",
        sources=tuple(one.text for one in cited if one.id in rule.cites),
        held=held,
    )


def _possible(rule: PossibleRule, library: Library, words: Words) -> triage_views.Possible:
    """Show a rule that is possible; an old trace may name one that its protocol lost since."""
    protocol = library.get(rule.protocol)
    rules = () if protocol is None else protocol.file.rules
    why = next((told(one.why, words) for one in rules if one.id == rule.rule), rule.rule)
    return triage_views.Possible(
        acuity=rule.acuity,
        why=why,
        rule=f"{rule.protocol} / {rule.rule}",
        asks=tuple(asked(library, key, words) for key in rule.open_inputs),
    )


def asked(library: Library, key: str, words: Words) -> str:
    """Give the question of an input; its key when no protocol asks it any more."""
    entry = library.input(key)
    return key if entry is None else told(entry.ask, words)


def _covers(gates: Iterable[GateResult], protocol: str) -> bool:
    """Tell whether a protocol speaks for the patient: a child's score says nothing of an adult."""
    return all(one.state != "unmet" for one in gates if one.protocol == protocol)


def _gates(gates: Iterable[GateResult], library: Library, words: Words) -> Iterable[str]:
    """Say which protocols do not cover the patient, or not yet."""
    for gate in gates:
        if gate.state == "met":
            continue
        protocol = library.get(gate.protocol)
        title = gate.protocol if protocol is None else told(protocol.file.title, words)
        state = words.code("gate", gate.state)
        yield words.t("trace.gate", title=title, state=state, why=told(gate.why, words))


def _score(
    protocol: str, result: ScoreResult, library: Library, words: Words
) -> triage_views.ScoreLine:
    """Show a score and what each item adds."""
    found = library.get(protocol)
    scores = () if found is None else found.file.scores
    title = next((told(one.title, words) for one in scores if one.id == result.score), result.score)
    return triage_views.ScoreLine(
        title=title,
        total=_span(result.low, result.high),
        parts=tuple(_part(one, library, words) for one in result.contributions),
    )


def _part(part: Contribution, library: Library, words: Words) -> triage_views.Part:
    """Show what one item adds: the question it rests on, and its points."""
    asks = [asked(library, key, words) for key in part.inputs]
    return triage_views.Part(
        label=asks[0] if asks else part.item,
        points=_span(part.low, part.high),
        open=part.low != part.high,
    )


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}\u2013{high}"


def answer(entry: Input | None, value: float | bool | str, words: Words) -> str:  # noqa: FBT001
    """Give an answer in words.

    Args:
        entry: Its input; None when no protocol asks it any more.
        value: As recorded.
        words: The reader's.
    """
    if isinstance(value, bool):
        return words.t("answer.yes" if value else "answer.no")
    if isinstance(value, str):
        return value if entry is None else choice(entry.key, value, words)
    unit = "" if entry is None or not entry.unit else words.code("unit", entry.unit)
    return f"{value:g}\u00a0{unit}".strip()


def choice(key: str, code: str, words: Words) -> str:
    """Give the label of a choice; its code when the catalogues have none yet."""
    own = f"choice.{key}.{code}"
    return words.t(own) if words.has(own) else words.code("choice", code)
