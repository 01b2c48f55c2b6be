"""The protocol file: what one TOML file may say, decoded strictly and parsed once.

A protocol is data. This module gives its shape, its digest and its parsed conditions; it
decides nothing (that is `engine`) and judges nothing beyond what would make it unreadable
(that is `checks`).
"""

import hashlib
from typing import Final, Literal, TypeAlias

import msgspec

from triage.acuity import Acuity
from triage.expression import Compare, Constant, Expression, ExpressionError, Name, parse, walk

MAX_ITEM_SUFFIX: Final = "_max_item"
"""`<score>_max_item` names the largest single item of a score in a condition."""

Status: TypeAlias = Literal["draft", "shadow", "active", "retired"]
Unanswerable: TypeAlias = Literal["caller_cannot_know", "not_obtainable_here", "refused"]
Observer: TypeAlias = Literal["caller", "bystander", "professional"]
Points: TypeAlias = int
Answer: TypeAlias = bool | float | str
"""What an answered input holds."""


class ProtocolError(ValueError):
    """A protocol file cannot be read; the text says where, never what a patient said."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of the file: an unknown key is an error."""


class Text(_Strict, frozen=True, kw_only=True):
    """One sentence in both languages."""

    fr: str
    en: str


class Citation(_Strict, frozen=True, kw_only=True):
    """A source; `verified` is false while the fact stands from memory of it."""

    id: str
    text: str
    url: str | None = None
    verified: bool = True


class Input(_Strict, frozen=True, kw_only=True):
    """One question: type, unit (UCUM), range (both ends allowed), code, who can obtain it.

    `worse` says which way the patient is worse: up, down, away (from `normal`), true, false,
    conditional (depends on another input) or none. `device` names what is needed to measure
    it. `default` is only ever shown as an assumption. `valid_for_min` is how long an answer
    stays true, in minutes.
    """

    key: str
    type: Literal["number", "bool", "choice"]
    ask: Text
    unit: str | None = None
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    code: str | None = None
    worse: Literal["up", "down", "away", "true", "false", "conditional", "none"] = "none"
    normal: tuple[float, float] | None = None
    by: tuple[Observer, ...] = ("caller", "bystander", "professional")
    device: str | None = None
    valid_for_min: int | None = None
    default: Answer | None = None


class Gate(_Strict, frozen=True, kw_only=True):
    """Whom the protocol is for; where it is not met or not known, a physician is required."""

    when: str
    why: Text


class Item(_Strict, frozen=True, kw_only=True):
    """One term of a score: bands of an input, a map of its choices, or conditional points.

    `bands` are (upper bound included, points) in ascending order, the last bound is inf.
    `when` gates the item; of the items that share a `one_of` group exactly one is ever gated
    in, so the group counts once while its gates are unknown.
    """

    id: str
    input: str | None = None
    when: str | None = None
    one_of: str | None = None
    bands: tuple[tuple[float, Points], ...] = ()
    map: dict[str, Points] | None = None
    points_if: str | None = None
    points: Points = 0
    code: str | None = None


class Score(_Strict, frozen=True, kw_only=True):
    """A sum of items; the name of the score and `<id>_max_item` may be used in conditions."""

    id: str
    title: Text
    items: tuple[Item, ...]
    code: str | None = None
    cites: tuple[str, ...] = ()


class Rule(_Strict, frozen=True, kw_only=True):
    """When the condition holds the level is at least this; order carries no meaning.

    `when_unanswerable` says what happens once only unanswerable inputs keep the condition
    unknown: `fire` it, or `hold` it (listed as not excluded) for `hold_reason`.
    """

    id: str
    when: str
    acuity: Acuity
    why: Text
    cites: tuple[str, ...]
    when_unanswerable: Literal["fire", "hold"]
    hold_reason: Text | None = None
    means: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


class Advice(_Strict, frozen=True, kw_only=True):
    """Words to read out to the caller."""

    id: str
    text: Text


class SafetyNet(_Strict, frozen=True, kw_only=True):
    """What must be said before a patient is left: the signs, and when to call back."""

    worsening_signs: Text
    call_back: Text


class Need(_Strict, frozen=True, kw_only=True):
    """What to look for in the directory at the levels named: service code and skills."""

    acuity: tuple[Acuity, ...]
    service: str
    skills: tuple[str, ...] = ()


class SignOff(_Strict, frozen=True, kw_only=True):
    """A named person who approved the file, in which role, on which day (ISO date)."""

    name: str
    role: str
    on: str


class Expectation(_Strict, frozen=True, kw_only=True):
    """What a test of the file expects; only the fields given are compared."""

    assured: Acuity | Literal["none"] | None = None
    worst: Acuity | Literal["none"] | None = None
    proposed: Acuity | Literal["none"] | None = None
    closed: bool | None = None
    physician_required: bool | None = None
    ask: str | None = None
    fired: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    not_fired: tuple[str, ...] = ()
    scores: dict[str, tuple[int, int]] | None = None


class Example(_Strict, frozen=True, kw_only=True):
    """A worked case inside the file: what is answered, what cannot be, what must follow."""

    name: str
    given: dict[str, Answer]
    expect: Expectation
    unanswerable: dict[str, Unanswerable] | None = None


class ProtocolFile(_Strict, frozen=True, kw_only=True):
    """The whole file as written."""

    schema: Literal[1]
    id: str
    version: str
    kind: Literal["score", "general", "complaint"]
    title: Text
    status: Status
    licence: str
    population: Gate
    citations: tuple[Citation, ...]
    inputs: tuple[Input, ...]
    rules: tuple[Rule, ...]
    tests: tuple[Example, ...]
    complaints: tuple[str, ...] = ()
    default_acuity: Acuity | None = None
    scores: tuple[Score, ...] = ()
    advice: tuple[Advice, ...] = ()
    safety_net: SafetyNet | None = None
    needs: tuple[Need, ...] = ()
    sign_offs: tuple[SignOff, ...] = ()


class ParsedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its condition parsed."""

    rule: Rule
    when: Expression


class ParsedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A score item with its gate and its condition parsed."""

    item: Item
    when: Expression | None
    points_if: Expression | None


class ParsedScore(msgspec.Struct, frozen=True, kw_only=True):
    """A score with its items parsed."""

    score: Score
    items: tuple[ParsedItem, ...]


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """A readable protocol: the file, the sha256 of its bytes (hex), the parsed conditions."""

    file: ProtocolFile
    digest: str
    gate: Expression
    scores: tuple[ParsedScore, ...]
    rules: tuple[ParsedRule, ...]

    def input(self, key: str) -> Input | None:
        """Give the input of that key, or None."""
        return next((entry for entry in self.file.inputs if entry.key == key), None)


def decode(raw: bytes) -> Protocol:
    """Decode and parse one protocol file.

    Args:
        raw: The bytes of the TOML file; their sha256 becomes the digest.

    Returns:
        The protocol, every condition parsed and every name in it resolved.

    Raises:
        ProtocolError: Not TOML, an unknown or missing key, a condition outside of the
            grammar, or a name that is neither an input nor a score.
    """
    try:
        file = msgspec.toml.decode(raw, type=ProtocolFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"protocol file: {error}"
        raise ProtocolError(message) from error
    inputs = {entry.key: entry for entry in file.inputs}
    scores = tuple(_parse_score(file, score, inputs) for score in file.scores)
    known = inputs | _score_names(file)
    rules = tuple(
        ParsedRule(rule=rule, when=_condition(file.id, rule.id, rule.when, known))
        for rule in file.rules
    )
    gate = _condition(file.id, "population", file.population.when, inputs)
    digest = hashlib.sha256(raw).hexdigest()
    return Protocol(file=file, digest=digest, gate=gate, scores=scores, rules=rules)


def _score_names(file: ProtocolFile) -> dict[str, Input]:
    """Give a numeric stand-in for each score and each `<score>_max_item`."""
    empty = Text(fr="", en="")
    keys = [name for score in file.scores for name in (score.id, score.id + MAX_ITEM_SUFFIX)]
    return {key: Input(key=key, type="number", ask=empty) for key in keys}


def _parse_score(file: ProtocolFile, score: Score, inputs: dict[str, Input]) -> ParsedScore:
    """Parse the conditions of a score's items and resolve their inputs."""
    items = []
    for item in score.items:
        where = f"{score.id}.{item.id}"
        shapes = bool(item.bands) + (item.map is not None) + (item.points_if is not None)
        if shapes != 1 or (item.points_if is None) != (item.input is not None):
            message = f"{file.id}: {where}: give bands or map with an input, or points_if"
            raise ProtocolError(message)
        if item.input is not None and item.input not in inputs:
            message = f"{file.id}: {where}: unknown input"
            raise ProtocolError(message)
        gate, test = (
            None if text is None else _condition(file.id, where, text, inputs)
            for text in (item.when, item.points_if)
        )
        items.append(ParsedItem(item=item, when=gate, points_if=test))
    return ParsedScore(score=score, items=tuple(items))


def _condition(protocol: str, where: str, text: str, known: dict[str, Input]) -> Expression:
    """Parse a condition and check that each name exists and is used as its type allows."""
    try:
        tree = parse(text)
        compared = _check_comparisons(tree, known)
        for node in walk(tree):
            if isinstance(node, Name) and id(node) not in compared:
                _require(_input(node, known).type == "bool", "needs a comparison")
            if isinstance(node, Constant) and id(node) not in compared:
                _require(isinstance(node.value, bool), "a constant is not a truth")
    except ExpressionError as error:
        message = f"{protocol}: {where}: {error}"
        raise ProtocolError(message) from error
    return tree


def _check_comparisons(tree: Expression, known: dict[str, Input]) -> frozenset[int]:
    """Check both sides of every comparison; give the identities of the nodes compared."""
    compared: set[int] = set()
    for node in walk(tree):
        if isinstance(node, Compare):
            kinds = {_kind(side, known) for side in (node.left, node.right)}
            _require(len(kinds) == 1 and "bool" not in kinds, "compares unlike things")
            _require("number" in kinds or node.op in {"==", "!="}, "orders words")
            _check_choice(node, known)
            compared |= {id(node.left), id(node.right)}
    return frozenset(compared)


def _check_choice(node: Compare, known: dict[str, Input]) -> None:
    """Check that a word compared with a choice is one of its choices."""
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(side, Name) and isinstance(other, Constant) and isinstance(other.value, str):
            choices = _input(side, known).choices
            _require(other.value in choices, f"{side.name} has no such choice")


def _kind(side: Constant | Name, known: dict[str, Input]) -> str:
    """Give the type of one side of a comparison: bool, number or choice."""
    if isinstance(side, Name):
        return _input(side, known).type
    if isinstance(side.value, bool):
        return "bool"
    return "choice" if isinstance(side.value, str) else "number"


def _input(name: Name, known: dict[str, Input]) -> Input:
    """Give the input behind a name."""
    found = known.get(name.name)
    if found is None:
        message = f"unknown name {name.name}"
        raise ExpressionError(message)
    return found


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - an assertion with a sentence
    """Refuse the condition unless the check holds."""
    if not holds:
        raise ExpressionError(message)
