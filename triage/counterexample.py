"""A refuted proof in words: replayed in the engine, shortened, told by its questions.

The engine has the last word: a row that the circuit calls a counter-example and the engine
does not is reported as a fault of the proofs, never as one of the protocol.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from triage.acuity import Acuity, is_more_severe, most_severe
from triage.assessment import Assessment, Observation
from triage.expression import Truth, Value, evaluate
from triage.finding import PROFESSIONAL
from triage.format import Answer, Input
from triage.oracle import assess
from triage.proof_answers import Row
from triage.proofs import EXPLANATION, Proof
from triage.protocol import MAX_ITEM_SUFFIX, Protocol
from triage.scoring import score

Language: TypeAlias = Literal["fr", "en"]

_WORDS: Final[dict[str, dict[Language, str]]] = {
    "yes": {"fr": "oui", "en": "yes"},
    "no": {"fr": "non", "en": "no"},
    "never": {"fr": "personne ne peut le dire", "en": "nobody can tell"},
    "open": {"fr": "pas encore répondu", "en": "not answered yet"},
    "moot": {"fr": "sans objet", "en": "does not apply"},
    "none": {"fr": "aucun niveau", "en": "no level"},
    "calm": {"fr": "réponse rassurante", "en": "reassuring answer"},
    "with": {"fr": "avec", "en": "with"},
    "instead": {"fr": "mais en changeant", "en": "but with instead"},
    "assured": {"fr": "assuré", "en": "assured"},
    "worst": {"fr": "au pire", "en": "at worst"},
}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A counter-example that the engine confirmed, as short as it was found."""

    before: Row
    after: Row | None


def _says(protocol: Protocol, row: Row) -> Assessment:
    """Replay a row in the interpreter, everything being obtainable."""
    return assess([protocol], row.findings(), Observation(context=PROFESSIONAL))


def _truths(protocol: Protocol, row: Row) -> list[Truth]:
    """Evaluate every rule over a row."""
    values: dict[str, Value] = dict(row.answers)
    for parsed in protocol.scores:
        result = score(parsed, row.answers)
        values[result.score] = result.total()
        values[result.score + MAX_ITEM_SUFFIX] = result.max_item()
    return [evaluate(parsed.effective, values) for parsed in protocol.rules]


def _milder(first: Acuity | None, second: Acuity | None) -> bool:
    """Tell whether the second level is milder than the first."""
    return first is not None and is_more_severe(first, second)


def _firing(protocol: Protocol, got: Assessment) -> Acuity | None:
    """Give what rules that fire without answers assure, a U0 counted as U1."""
    sure = {p.rule.id for p in protocol.rules if p.rule.when_unanswerable == "fire"}
    fired = (entry.acuity for entry in got.trace.fired if entry.rule in sure)
    return most_severe(*("U1" if level == "U0" else level for level in fired))


def breaks(protocol: Protocol, proof: Proof, before: Row, after: Row | None) -> bool:
    """Tell whether the engine agrees that rows break what was to be proved.

    Args:
        protocol: What the proof is about.
        proof: A refuted one.
        before: The first row.
        after: The second row, where the proof compares two.
    """
    one = _says(protocol, before)
    if proof.kind == "complete":
        return bool(one.trace.possible) or any(gate.open_inputs for gate in one.trace.gates)
    if proof.kind == "determinate" or after is None:
        return None in _truths(protocol, before)
    two = _says(protocol, after)
    if proof.kind == "monotone":
        default = protocol.file.default_acuity
        return _milder(most_severe(one.assured, default), most_severe(two.assured, default))
    if proof.kind == "removal":
        return _milder(two.assured, one.assured) or _milder(one.worst, two.worst)
    if proof.kind == "giving_up":
        waited = {entry.rule for entry in one.trace.possible}
        opened = any(entry.rule not in waited for entry in two.trace.possible)
        return opened or _milder(one.assured, two.assured) or one.worst != two.worst
    firing = (_firing(protocol, one), _firing(protocol, two))
    return _milder(one.worst, two.worst) or _milder(*firing)


def confirm(protocol: Protocol, proof: Proof) -> Told | None:
    """Replay a counter-example in the engine and leave out what it does not need.

    Args:
        protocol: What the proof is about.
        proof: A refuted one with its rows.

    Returns:
        The shortened rows, or None when the engine sees nothing wrong.
    """
    before, after = proof.before, proof.after
    if before is None or not breaks(protocol, proof, before, after):
        return None
    if proof.kind != "monotone" or after is None:
        return Told(before=before, after=after)
    same = _same_levels(protocol, before, after)
    for key in sorted(before.answers | dict.fromkeys(before.unanswerable, ""), key=str):
        if key == proof.subject:
            continue
        shorter = before.without(key), after.without(key)
        if same(*shorter) and breaks(protocol, proof, *shorter):
            before, after = shorter
    return Told(before=before, after=after)


def _same_levels(protocol: Protocol, before: Row, after: Row) -> Callable[[Row, Row], bool]:
    """Give the test that shorter rows still settle what these do."""

    def levels(row: Row) -> tuple[Acuity | None, Acuity | None, str]:
        got = _says(protocol, row)
        return got.assured, got.worst, got.trace.gates[0].state

    wanted = levels(before), levels(after)
    return lambda first, second: (levels(first), levels(second)) == wanted


def explain(protocol: Protocol, proof: Proof, language: Language = "en") -> tuple[str, ...]:
    """Tell a proof that failed, in words.

    Args:
        protocol: What the proof is about.
        proof: A refuted or unknown one.
        language: Of the questions.

    Returns:
        Lines to print; the first names what fails.
    """
    about = f" {proof.subject}" if proof.subject else ""
    head = f"{proof.kind}{about}: not so: {EXPLANATION[proof.kind]}"
    if proof.verdict == "unknown":
        return (f"{proof.kind}{about}: not decided within the time limit, so not proved",)
    if proof.kind == "encodable":
        return (f"{head} (compares a score with something else than a number)",)
    if proof.kind in {"alive", "not_shadowed"}:
        return (_rule_line(proof),)
    told = confirm(protocol, proof)
    if told is None:
        return (f"{head}; the engine does not confirm it: a fault of the proofs, report it",)
    return (head, *_tell(protocol, proof, told, language))


def _rule_line(proof: Proof) -> str:
    """Tell of a rule that never matters."""
    if proof.kind == "alive":
        return f"rule {proof.subject}: dead: no answers make it fire"
    others = " or ".join(proof.others) or "the gate"
    return f"rule {proof.subject}: shadowed: whenever it fires, {others} is at least as severe"


def _tell(protocol: Protocol, proof: Proof, told: Told, language: Language) -> Iterator[str]:
    """Tell the rows: the first one, then what is different in the second."""
    yield f"  {_levels(protocol, told.before, language)} {_WORDS['with'][language]}"
    calm: list[str] = []
    for entry in protocol.file.inputs:
        given = _given(told.before, entry.key)
        if given is (entry.worse == "false") and entry.key != proof.subject:
            calm.append(entry.key)
        elif given is not None or entry.key == proof.subject:
            yield f"    {_answer(entry, told.before, language)}"
    if calm:
        yield f"    {_WORDS['calm'][language]}: {', '.join(calm)}"
    if told.after is None:
        return
    yield f"  {_levels(protocol, told.after, language)} {_WORDS['instead'][language]}"
    for entry in protocol.file.inputs:
        if _given(told.before, entry.key) != _given(told.after, entry.key):
            yield f"    {_answer(entry, told.after, language)}"


def _levels(protocol: Protocol, row: Row, language: Language) -> str:
    """Tell the interval of a row."""
    got = _says(protocol, row)
    none = _WORDS["none"][language]
    assured, worst = got.assured or none, got.worst or none
    text = f"{_WORDS['assured'][language]} {assured}"
    return text if assured == worst else f"{text}, {_WORDS['worst'][language]} {worst}"


def _given(row: Row, key: str) -> Answer | None:
    """Give what a row says about an input: its answer, "never", or None while open."""
    return "never" if key in row.unanswerable else row.answers.get(key)


def _answer(entry: Input, row: Row, language: Language) -> str:
    """Tell one answer by its question."""
    ask = entry.ask.fr if language == "fr" else entry.ask.en
    value = row.answers.get(entry.key)
    if entry.key in row.unanswerable:
        text = _WORDS["never"][language]
    elif value is None:
        text = _WORDS["open"][language]
    elif isinstance(value, bool):
        text = _WORDS["yes" if value else "no"][language]
    else:
        text = f"{value + 0.0:g} {entry.unit}" if isinstance(value, float) else str(value)
    return f"{ask} [{entry.key}] {text}"
