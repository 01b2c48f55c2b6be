"""A readable protocol: the file decoded, its digests, and every condition in it parsed.

A protocol is data. This module decides nothing (that is `engine`) and judges nothing beyond
what would make a file unreadable or forged (that is `checks`).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from triage.conditions import NUMBER, Term, applicabilities, applicable, condition
from triage.expression import And, Constant, Expression, ExpressionError, names, parse
from triage.format import (
    Advice,
    Answer,
    Card,
    Citation,
    Example,
    Expectation,
    Gate,
    Input,
    Item,
    Need,
    Observer,
    Points,
    ProtocolFile,
    Rule,
    SafetyNet,
    Score,
    SignOff,
    Status,
    Strict,
    Text,
    Unanswerable,
    WorseIf,
    Worsening,
)

__all__ = [
    "MAX_ITEM_SUFFIX",
    "Advice",
    "Answer",
    "Card",
    "Citation",
    "Example",
    "Expectation",
    "Gate",
    "Input",
    "Item",
    "Need",
    "Observer",
    "ParsedInput",
    "ParsedItem",
    "ParsedRule",
    "ParsedScore",
    "Points",
    "Protocol",
    "ProtocolError",
    "ProtocolFile",
    "Rule",
    "SafetyNet",
    "Score",
    "SignOff",
    "Status",
    "Text",
    "Unanswerable",
    "WorseIf",
    "Worsening",
    "decode",
    "signed_part",
]

MAX_ITEM_SUFFIX: Final = "_max_item"
"""`<score>_max_item` names the largest single item of a score in a condition."""

_SIGNED: Final = re.compile(rb"^\[\[sign_offs\]\]", re.MULTILINE)


_SIGNATURES: Final = 2
"""Persons who must have signed before a file is active."""


class ProtocolError(ValueError):
    """A protocol file cannot be read; the text says where, never what a patient said."""


class ParsedInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input with its conditions parsed; `applies` is None where it always applies.

    `worse_if` pairs each conditional direction with its condition.
    """

    input: Input
    applies: Expression | None
    worse_if: tuple[tuple[Expression, WorseIf], ...]


class ParsedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule parsed: its own condition, and what counts (the gate and its own condition).

    In both, every comparison is rewritten to count only where its input applies.
    """

    rule: Rule
    when: Expression
    effective: Expression


class ParsedItem(msgspec.Struct, frozen=True, kw_only=True):
    """A score item with its gate, its input's applicability and its condition parsed."""

    item: Item
    when: Expression | None
    applies: Expression | None
    points_if: Expression | None


class ParsedScore(msgspec.Struct, frozen=True, kw_only=True):
    """A score with its items parsed."""

    score: Score
    items: tuple[ParsedItem, ...]


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """A readable protocol: the file as written, and everything in it parsed.

    Attributes:
        file: As written.
        digest: The sha256 (hex) of all its bytes: what an assessment pins.
        content_digest: The sha256 (hex) of the bytes before the first sign-off: what is signed.
        gate: Whom it is for.
        inputs: In asking order.
        scores: As written.
        rules: As written.
        cards: The cards that its rules name, in the order of the rules; empty when the file
            was decoded without cards.
    """

    file: ProtocolFile
    digest: str
    content_digest: str
    gate: Expression
    inputs: tuple[ParsedInput, ...]
    scores: tuple[ParsedScore, ...]
    rules: tuple[ParsedRule, ...]
    cards: tuple[Card, ...]

    @property
    def status(self) -> Status:
        """Give the status that counts: active only once two persons have signed, else draft."""
        signed = len({entry.name for entry in self.file.sign_offs})
        unsigned = self.file.status == "active" and signed < _SIGNATURES
        return "draft" if unsigned else self.file.status

    def input(self, key: str) -> Input | None:
        """Give the input of that key, or None."""
        return next((entry for entry in self.file.inputs if entry.key == key), None)


class _SignOffs(Strict, frozen=True, kw_only=True):
    """All that may stand from the first sign-off on."""

    sign_offs: tuple[SignOff, ...]


class _Names(msgspec.Struct, frozen=True, kw_only=True):
    """What conditions of one file may name, and when inputs apply."""

    protocol: str
    inputs: Mapping[str, Term]
    scores: Mapping[str, Term]
    applies: Mapping[str, Expression]

    def parse(self, where: str, text: str, *, scores: bool = False) -> Expression:
        """Parse a condition as written and make it applicable; errors name the place."""
        try:
            known = {**self.inputs, **self.scores} if scores else self.inputs
            return applicable(condition(text, known), self.applies)
        except ExpressionError as error:
            raise ProtocolError(f"{self.protocol}: {where}: {error}") from error

    def parse_loosely(self, where: str, text: str) -> Expression:
        """Parse a condition that may name inputs which this file lacks."""
        try:
            tree = parse(text)
        except ExpressionError as error:
            raise ProtocolError(f"{self.protocol}: {where}: {error}") from error
        known = names(tree) <= self.inputs.keys()
        return self.parse(where, text) if known else applicable(tree, self.applies)


def signed_part(raw: bytes) -> bytes:
    """Give the part of a file that sign-offs bind: all before the first `[[sign_offs]]` line.

    Args:
        raw: The bytes of the file.

    Returns:
        The whole file when nobody has signed.
    """
    found = _SIGNED.search(raw)
    return raw if found is None else raw[: found.start()]


def decode(raw: bytes, cards: Iterable[Card] | None = None) -> Protocol:
    """Decode and parse one protocol file.

    Args:
        raw: The bytes of the TOML file; their sha256 becomes the digest.
        cards: The cards that its rules may name; None leaves the cards unresolved.

    Returns:
        The protocol, every condition parsed and every name in it resolved.

    Raises:
        ProtocolError: Not TOML, an unknown or missing key, a condition outside of the
            grammar, a name that is neither an input nor a score, an unknown card, or a byte
            changed after a sign-off.
    """
    try:
        file = msgspec.toml.decode(raw, type=ProtocolFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"protocol file: {error}") from error
    content_digest = hashlib.sha256(signed_part(raw)).hexdigest()
    _check_sign_offs(file, raw, content_digest)
    known = _names(file)
    gate = known.parse("population", file.population.when)
    if file.population.everyone != (gate == Constant(value=True)):
        raise ProtocolError(f'{file.id}: population: everyone means when = "true", and only so')
    return Protocol(
        file=file,
        digest=hashlib.sha256(raw).hexdigest(),
        content_digest=content_digest,
        gate=gate,
        inputs=tuple(_parse_input(entry, known) for entry in file.inputs),
        scores=tuple(_parse_score(score, known) for score in file.scores),
        rules=tuple(_parse_rule(rule, gate, known) for rule in file.rules),
        cards=() if cards is None else _cards(file, {card.id: card for card in cards}),
    )


def _check_sign_offs(file: ProtocolFile, raw: bytes, content_digest: str) -> None:
    """Refuse a file of which a byte was changed after somebody signed it."""
    signed = signed_part(raw)
    if len(signed) == len(raw):
        if file.sign_offs:
            raise ProtocolError(f"{file.id}: a sign-off begins with a line [[sign_offs]]")
        return
    try:
        msgspec.toml.decode(raw[len(signed) :], type=_SignOffs)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{file.id}: only sign-offs may follow a sign-off") from error
    for entry in file.sign_offs:
        if entry.digest != content_digest:
            raise ProtocolError(f"{file.id}: changed after {entry.role} signed on {entry.on}")


def _names(file: ProtocolFile) -> _Names:
    """Resolve what conditions may name, and when each input applies."""
    inputs = {e.key: Term(type=e.type, choices=e.choices) for e in file.inputs}
    written = {entry.key: entry.when for entry in file.inputs if entry.when is not None}
    scores = {
        name: NUMBER for score in file.scores for name in (score.id, score.id + MAX_ITEM_SUFFIX)
    }
    if inputs.keys() & scores.keys():
        raise ProtocolError(f"{file.id}: a score has the name of an input")
    try:
        trees = {key: condition(text, inputs) for key, text in written.items()}
        applies = applicabilities(trees)
    except ExpressionError as error:
        raise ProtocolError(f"{file.id}: inputs: when: {error}") from error
    return _Names(protocol=file.id, inputs=inputs, scores=scores, applies=applies)


def _parse_input(entry: Input, known: _Names) -> ParsedInput:
    """Parse the conditions of an input."""
    if entry.worse_if and entry.worse != "conditional":
        raise ProtocolError(f"{known.protocol}: {entry.key}: worse_if is for conditional")
    directions = tuple((known.parse_loosely(entry.key, p.when), p) for p in entry.worse_if)
    return ParsedInput(input=entry, applies=known.applies.get(entry.key), worse_if=directions)


def _parse_score(score: Score, known: _Names) -> ParsedScore:
    """Parse the conditions of a score's items and resolve their inputs."""
    items = []
    for item in score.items:
        where = f"{score.id}.{item.id}"
        shapes = bool(item.bands) + (item.map is not None) + (item.points_if is not None)
        if shapes != 1 or (item.points_if is None) != (item.input is not None):
            message = f"{known.protocol}: {where}: give bands or map with an input, or points_if"
            raise ProtocolError(message)
        if item.input is not None and item.input not in known.inputs:
            raise ProtocolError(f"{known.protocol}: {where}: unknown input")
        gate, test = (
            None if text is None else known.parse(where, text)
            for text in (item.when, item.points_if)
        )
        applies = None if item.input is None else known.applies.get(item.input)
        items.append(ParsedItem(item=item, when=gate, applies=applies, points_if=test))
    return ParsedScore(score=score, items=tuple(items))


def _parse_rule(rule: Rule, gate: Expression, known: _Names) -> ParsedRule:
    """Parse a rule; outside of the population it never holds."""
    own = known.parse(rule.id, rule.when, scores=True)
    return ParsedRule(rule=rule, when=own, effective=And((gate, own)))


def _cards(file: ProtocolFile, known: Mapping[str, Card]) -> tuple[Card, ...]:
    """Give the cards that the rules name."""
    named = dict.fromkeys(key for rule in file.rules for key in rule.cards)
    missing = sorted(named.keys() - known.keys())
    if missing:
        raise ProtocolError(f"{file.id}: unknown cards: {', '.join(missing)}")
    return tuple(known[key] for key in named)
