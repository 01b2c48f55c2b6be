"""What must be right about a protocol file beyond being readable, and its own tests.

Pure. Each problem is one sentence that names the place in the file.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.expression import Compare, Constant, Expression, Value, evaluate, names, walk
from triage.finding import PROFESSIONAL, Finding, refusal
from triage.protocol import Example, Input, Item, ParsedScore, Protocol, Rule
from triage.scoring import score


class ExampleResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one test of a file; `problems` is empty when it passed."""

    name: str
    problems: tuple[str, ...]


def problems(protocol: Protocol) -> tuple[str, ...]:
    """Check a protocol file.

    Args:
        protocol: The readable protocol.

    Returns:
        Every problem found, in file order; empty when there is none.
    """
    return tuple(
        f"{protocol.file.id}: {text}"
        for source in (_identities, _inputs, _scores, _rules, _release)
        for text in source(protocol)
    )


def _identities(protocol: Protocol) -> Iterator[str]:
    """Find ids used twice."""
    file = protocol.file
    lists = {
        "input": [entry.key for entry in file.inputs],
        "rule": [rule.id for rule in file.rules],
        "score": [entry.id for entry in file.scores],
        "citation": [entry.id for entry in file.citations],
        "advice": [entry.id for entry in file.advice],
        "test": [test.name for test in file.tests],
    }
    for noun, keys in lists.items():
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            yield f"{noun} {key} stands twice"


def _inputs(protocol: Protocol) -> Iterator[str]:
    """Find inputs without a unit, a range, choices, or that nothing uses."""
    used = set(names(protocol.gate))
    for parsed in protocol.rules:
        used |= names(parsed.when)
    for parsed_score in protocol.scores:
        for item in parsed_score.items:
            used |= names(item.when) if item.when is not None else frozenset()
            used |= names(item.points_if) if item.points_if is not None else frozenset()
            used |= {item.item.input} if item.item.input is not None else frozenset()
    population = protocol.file.population
    if not population.everyone and "age_y" not in names(protocol.gate):
        yield "the population must gate the age"
    if not (
        population.everyone or population.covers_pregnancy or "pregnant" in names(protocol.gate)
    ):
        yield "the population must gate pregnancy"
    for parsed_input in protocol.inputs:
        used |= names(parsed_input.applies) if parsed_input.applies is not None else frozenset()
    for entry in protocol.file.inputs:
        if entry.key not in used:
            yield f"input {entry.key} is used nowhere"
        yield from _input(entry)


def _input(entry: Input) -> Iterator[str]:
    """Check one input's own fields."""
    if not entry.ask.fr or not entry.ask.en:
        yield f"input {entry.key}: the question is needed in fr and en"
    if (entry.type == "number") != (entry.unit is not None and entry.range is not None):
        yield f"input {entry.key}: a number, and only a number, has a unit and a range"
    if (entry.type == "choice") != bool(entry.choices):
        yield f"input {entry.key}: a choice, and only a choice, has choices"
    if entry.worse == "away" and entry.normal is None:
        yield f"input {entry.key}: away needs the normal range"
    if entry.default is not None and refusal(entry, Finding(input=entry.key, value=entry.default)):
        yield f"input {entry.key}: the default is not a possible answer"


def _scores(protocol: Protocol) -> Iterator[str]:
    """Check bands, maps and groups of every score."""
    inputs = {entry.key: entry for entry in protocol.file.inputs}
    for parsed in protocol.scores:
        for entry in parsed.items:
            yield from _item(entry.item, inputs)
        yield from _groups(parsed, inputs)


def _item(item: Item, inputs: Mapping[str, Input]) -> Iterator[str]:
    """Check that bands ascend to infinity and that a map covers every choice."""
    bounds = [upper for upper, _ in item.bands]
    if bounds and (bounds != sorted(set(bounds)) or not math.isinf(bounds[-1])):
        yield f"item {item.id}: bands must ascend and end with inf"
    if item.map is not None and item.input is not None:
        choices = set(inputs[item.input].choices) or {"true", "false"}
        if set(item.map) != choices:
            yield f"item {item.id}: the map must cover every choice"


def _groups(parsed: ParsedScore, inputs: Mapping[str, Input]) -> Iterator[str]:
    """Check that of a one_of group exactly one item is gated in for all gate answers."""
    for group in sorted({e.item.one_of for e in parsed.items if e.item.one_of is not None}):
        gates = [e.when for e in parsed.items if e.item.one_of == group and e.when is not None]
        keys = sorted(frozenset().union(*(names(gate) for gate in gates)))
        for row in itertools.product(*(_samples(inputs[key], gates) for key in keys)):
            values = dict(zip(keys, row, strict=True))
            if [evaluate(gate, values) for gate in gates].count(True) != 1:
                yield f"group {group}: not exactly one item for {values}"


def _samples(entry: Input, gates: Sequence[Expression]) -> Sequence[Value]:
    """Give every answer of an input that gates can tell apart: at and around each number."""
    if entry.type == "bool":
        return (False, True)
    if entry.type == "choice":
        return entry.choices
    sides = (
        side
        for gate in gates
        for node in walk(gate)
        if isinstance(node, Compare) and entry.key in names(node)
        for side in (node.left, node.right)
    )
    cuts = {float(side.value) for side in sides if isinstance(side, Constant)}
    return sorted({cut + step for cut in cuts for step in (-0.5, 0.0, 0.5)})


def _rules(protocol: Protocol) -> Iterator[str]:
    """Check citations, wording, hold reasons and advice of every rule."""
    file = protocol.file
    citations = {entry.id for entry in file.citations}
    advice = {entry.id for entry in file.advice}
    for rule in file.rules:
        yield from _rule(rule, citations, advice)
    texts = [file.title, file.population.why, *(entry.text for entry in file.advice)]
    if file.safety_net is not None:
        texts += [file.safety_net.worsening_signs, file.safety_net.call_back]
    if any(not text.fr or not text.en for text in texts):
        yield "a text is missing in fr or en"
    if file.kind != "score" and file.safety_net is None:
        yield "a pathway needs its safety net"
    if file.kind == "complaint" and (file.default_acuity is None or not file.complaints):
        yield "a complaint protocol names its complaints and their default acuity"


def _rule(rule: Rule, citations: set[str], advice: set[str]) -> Iterator[str]:
    """Check one rule's own fields."""
    if not rule.why.fr or not rule.why.en:
        yield f"rule {rule.id}: the reason is needed in fr and en"
    if not rule.cites or not set(rule.cites) <= citations:
        yield f"rule {rule.id}: every rule cites a source of the file"
    if not set(rule.advice) <= advice:
        yield f"rule {rule.id}: unknown advice"
    held = rule.when_unanswerable == "hold"
    if held != (rule.hold_reason is not None):
        yield f"rule {rule.id}: a held rule, and only a held rule, has a reason to hold"
    if held and rule.acuity == "U0":
        yield f"rule {rule.id}: a rule at U0 fires when nobody can answer"


def _release(protocol: Protocol) -> Iterator[str]:
    """Check that an active file rests on verified sources and two sign-offs."""
    file = protocol.file
    if file.status != "active":
        return
    if any(not entry.verified for entry in file.citations):
        yield "active, but a citation is not verified"
    if len({entry.name for entry in file.sign_offs}) < 2:  # noqa: PLR2004 - two persons sign
        yield "active, but two persons have not signed"


def run_tests(protocol: Protocol) -> tuple[ExampleResult, ...]:
    """Run the tests that stand in the file, with a fully equipped observer.

    Args:
        protocol: The protocol, evaluated alone.

    Returns:
        One result per test, in file order.
    """
    return tuple(
        ExampleResult(name=test.name, problems=tuple(_test(protocol, test)))
        for test in protocol.file.tests
    )


def _test(protocol: Protocol, test: Example) -> Iterator[str]:
    """Compare one test's expectation with what the engine says."""
    findings = [Finding(input=key, value=value) for key, value in test.given.items()]
    findings += [
        Finding(input=key, unanswerable=why) for key, why in (test.unanswerable or {}).items()
    ]
    for finding in findings:
        entry = protocol.input(finding.input)
        if entry is None or refusal(entry, finding) is not None:
            yield f"{finding.input} is not a possible finding"
            return
    got = assess([protocol], findings, Observation(context=PROFESSIONAL))
    yield from _levels(test, got)
    yield from _lists(test, got)
    values = {finding.input: finding.value for finding in findings}
    for name, expected in (test.expect.scores or {}).items():
        parsed = next((s for s in protocol.scores if s.score.id == name), None)
        result = score(parsed, values) if parsed is not None else None
        if result is None or (result.low, result.high) != expected:
            yield f"{name}: expected {expected}"


def _levels(test: Example, got: Assessment) -> Iterator[str]:
    """Compare levels, closure and the next question.

    A file alone requires the physician where its own gate is not met.
    """
    wanted = test.expect
    asked = got.next_question.input if got.next_question is not None else "none"
    pairs: list[tuple[str, object, object]] = [
        ("assured", wanted.assured, got.assured or "none"),
        ("worst", wanted.worst, got.worst or "none"),
        ("proposed", wanted.proposed, got.proposed or "none"),
        ("closed", wanted.closed, got.closed),
        ("physician_required", wanted.physician_required, got.trace.gates[0].state != "met"),
        ("ask", wanted.ask, asked),
    ]
    for field, expected, actual in pairs:
        if expected is not None and expected != actual:
            yield f"{field}: expected {expected}, got {actual}"


def _lists(test: Example, got: Assessment) -> Iterator[str]:
    """Compare fired and held rules."""
    fired = {entry.rule for entry in got.trace.fired}
    held = {entry.rule for entry in got.trace.held}
    for rule in test.expect.fired:
        if rule not in fired:
            yield f"rule {rule} did not fire"
    for rule in test.expect.not_fired:
        if rule in fired:
            yield f"rule {rule} fired"
    for rule in test.expect.held:
        if rule not in held:
            yield f"rule {rule} is not held"
