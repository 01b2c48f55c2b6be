"""One patient's possible answers as a circuit: what the engine would say about them.

`World` mirrors `engine`, `scoring` and `expression` literal by literal in three-valued logic;
tests hold the two against each other. An unknown truth has a third literal, `waits`: it is
unknown and at least one open input keeps it so. What is unknown and does not wait is what
fires or holds for want of an answer.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from triage.acuity import SCALE, Acuity
from triage.circuit import FALSE, TRUE, Circuit, Lit
from triage.expression import And, Compare, Constant, Expression, Name, Not, Or, names
from triage.format import Rule
from triage.proof_points import part
from triage.proof_terms import NO, YES, Answered, ProofError, Tri
from triage.protocol import MAX_ITEM_SUFFIX, ParsedItem, ParsedRule, ParsedScore, Protocol

_Ends: TypeAlias = tuple[Callable[[int], Lit], Callable[[int], Lit], Lit]
"""At least this much for certain, at least this much perhaps, waiting for an open input."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in one world: its truth, and whether it fires, by truth or for want of answers."""

    rule: Rule
    truth: Tri
    guessed: Lit
    fires: Lit


class World:
    """Everything the engine says about one assignment of answers, as literals.

    Attributes:
        answers: The inputs.
        gate: Whether the protocol is for this patient.
        applies: For each input, whether it applies.
        outcomes: The rules.
        spans: Each score and its largest item: at least for certain, perhaps, waiting.
    """

    def __init__(
        self,
        circuit: Circuit,
        protocol: Protocol,
        answers: Mapping[str, Answered],
        like: "World | None" = None,
    ) -> None:
        """Encode a world; what it shares with another one is taken over from there."""
        self.circuit = circuit
        self.answers = answers
        self._like = like
        self._changed = {
            key for key in answers if like is None or like.answers[key] is not answers[key]
        }
        self.spans: dict[str, _Ends] = {}
        self._strangers: dict[Expression, Lit] = {} if like is None else like._strangers  # noqa: SLF001
        self.mentions: dict[int, frozenset[str]] = {} if like is None else like.mentions
        gate = like.gate if like and self._same(protocol.gate) else None
        self.gate: Tri = gate or self.read(protocol.gate)
        self.applies = {
            entry.input.key: self._applies(entry.input.key, entry.applies)
            for entry in protocol.inputs
        }
        for parsed in protocol.scores:
            self._add_score(parsed)
        self.outcomes = tuple(
            self._outcome(index, parsed) for index, parsed in enumerate(protocol.rules)
        )

    def _same(self, tree: Expression) -> bool:
        """Tell whether nothing that a condition mentions differs from the other world."""
        if id(tree) not in self.mentions:
            self.mentions[id(tree)] = names(tree)
        return self._changed.isdisjoint(self.mentions[id(tree)])

    def _applies(self, key: str, tree: Expression | None) -> Tri:
        """Tell whether an input applies."""
        if tree is None:
            return YES
        return self._like.applies[key] if self._like and self._same(tree) else self.read(tree)

    def _add_score(self, parsed: ParsedScore) -> None:
        """Encode a score: its total and its largest item, as lowest and highest ends."""
        keys = (parsed.score.id, parsed.score.id + MAX_ITEM_SUFFIX)
        trees = [
            tree
            for item in parsed.items
            for tree in (item.when, item.applies, item.points_if)
            if tree is not None
        ]
        inputs = {item.item.input for item in parsed.items}
        if self._like and inputs.isdisjoint(self._changed) and all(map(self._same, trees)):
            self.spans |= {key: self._like.spans[key] for key in keys}
            return
        self._changed |= set(keys)
        groups: dict[str, list[ParsedItem]] = {}
        for entry in parsed.items:
            groups.setdefault(entry.item.one_of or entry.item.id, []).append(entry)
        spans = [part(self, entries) for entries in groups.values()]
        waits = self.circuit.either(span.waits for span in spans)
        ends = ([span.low for span in spans], [span.high for span in spans])
        lows, highs = ([term for end in side for term in end.terms()] for side in ends)
        at_least, either = self.circuit.at_least, self.circuit.either
        self.spans[keys[0]] = (
            lambda bound: at_least(lows, bound),
            lambda bound: at_least(highs, bound),
            waits,
        )
        self.spans[keys[1]] = (
            lambda bound: either(end.at_least(bound) for end in ends[0]),
            lambda bound: either(end.at_least(bound) for end in ends[1]),
            waits,
        )

    def assured(self, level: Acuity) -> Lit:
        """Give the literal of "at least this level is assured"."""
        return self.circuit.either(
            entry.truth.true if entry.rule.acuity == level == SCALE[0] else entry.fires
            for entry in self.outcomes
            if entry.rule.acuity <= level
        )

    def worst(self, level: Acuity) -> Lit:
        """Give the literal of "at least this level is not excluded"."""
        return self.circuit.either(
            -entry.truth.false for entry in self.outcomes if entry.rule.acuity <= level
        )

    def read(self, tree: Expression) -> Tri:
        """Encode a condition.

        Args:
            tree: Rewritten for applicability.

        Raises:
            ProofError: It compares a score with anything but a number.
        """
        if isinstance(tree, Constant):
            return YES if tree.value is True else NO
        if isinstance(tree, And | Or):
            return self._join(tree)
        if isinstance(tree, Not):
            return self.read(tree.term).negated()
        if self._is_strange(tree):
            return self._stranger(tree)
        return self._compare(tree) if isinstance(tree, Compare) else self._bool(tree)

    def _join(self, tree: And | Or) -> Tri:
        """Encode a conjunction, or a disjunction as the denial of one."""
        terms = [self.read(term) for term in tree.terms]
        if isinstance(tree, Or):
            terms = [term.negated() for term in terms]
        false = self.circuit.either(term.false for term in terms)
        some = self.circuit.either(term.waits for term in terms)
        true = self.circuit.both(term.true for term in terms)
        joined = Tri(true, false, self.circuit.both([-false, some]))
        return joined.negated() if isinstance(tree, Or) else joined

    def _bool(self, name: Name) -> Tri:
        """Encode a yes-or-no question."""
        answer = self.answers[name.name]
        true, false = (
            self.circuit.both([answer.known, said]) for said in (answer.truth, -answer.truth)
        )
        return Tri(true, false, self.is_open(answer))

    def _outcome(self, index: int, parsed: ParsedRule) -> Outcome:
        """Tell when a rule fires: it holds, or only unanswerable inputs keep it unknown."""
        if self._like is not None and self._same(parsed.effective):
            return self._like.outcomes[index]
        rule, truth = parsed.rule, self.read(parsed.effective)
        guessed = self.circuit.both([-truth.true, -truth.false, -truth.waits])
        fires = truth.true
        if rule.when_unanswerable == "fire":
            fires = self.circuit.either([truth.true, guessed])
        return Outcome(rule=rule, truth=truth, guessed=guessed, fires=fires)

    def _is_strange(self, tree: Expression) -> bool:
        """Tell whether an atom names an input of another protocol, as `worse_if` may."""
        sides = (tree.left, tree.right) if isinstance(tree, Compare) else (tree,)
        keys = {side.name for side in sides if isinstance(side, Name)}
        return not keys <= self.answers.keys() | self.spans.keys()

    def _stranger(self, atom: Expression) -> Tri:
        """Give an atom about what this protocol never asks: either way, the same in all worlds."""
        if atom not in self._strangers:
            self._strangers[atom] = self.circuit.variable()
        return Tri(self._strangers[atom], -self._strangers[atom], FALSE)

    def is_open(self, answer: Answered) -> Lit:
        """Give the literal of "may still be asked"."""
        return self.circuit.both([-answer.known, -answer.unanswerable])

    def _compare(self, node: Compare) -> Tri:
        """Encode a comparison of inputs, scores and constants."""
        sides = [node.left, node.right]
        if any(isinstance(side, Name) and side.name in self.spans for side in sides):
            return self._compare_score(node)
        if all(isinstance(side, Constant) for side in sides):
            raise ProofError("a comparison of two constants")
        answers = [self.answers[side.name] for side in sides if isinstance(side, Name)]
        known = self.circuit.both(answer.known for answer in answers)
        holds = self._holds(node)
        waits = self.circuit.both(
            [-known, self.circuit.either(self.is_open(answer) for answer in answers)]
        )
        both = self.circuit.both
        return Tri(both([known, holds]), both([known, -holds]), waits)

    def _holds(self, node: Compare) -> Lit:
        """Give the literal of a comparison whose sides are all answered."""
        if node.op in {"!=", ">", ">="}:
            opposite: dict[str, Compare] = {
                "!=": Compare(node.left, "==", node.right),
                ">": Compare(node.left, "<=", node.right),
                ">=": Compare(node.left, "<", node.right),
            }
            return -self._holds(opposite[node.op])
        names = [side for side in (node.left, node.right) if isinstance(side, Name)]
        if self.answers[names[0].name].input.type == "choice":
            left, right = self._word(node.left), self._word(node.right)
            return self.circuit.either(
                self.circuit.both([literal, right[word]])
                for word, literal in left.items()
                if word in right
            )
        if node.op == "<":
            return self._below(node.left, node.right)
        above = -self._below(node.right, node.left)
        if node.op == "<=":
            return above
        return self.circuit.both([above, -self._below(node.left, node.right)])

    def _word(self, side: Constant | Name) -> Mapping[str, Lit]:
        """Give the literals of the words one side may be."""
        return self.answers[side.name].words if isinstance(side, Name) else {str(side.value): TRUE}

    def _below(self, left: Constant | Name, right: Constant | Name) -> Lit:
        """Give the literal of "the left number is smaller than the right one"."""
        if isinstance(left, Constant):
            answer = self.answers[_name(right)]
            return -answer.at_most(_position(answer, left))
        first = self.answers[left.name]
        if isinstance(right, Constant):
            return first.at_most(_position(first, right) - 1)
        second = self.answers[right.name]
        if first.ladder is None:
            raise ProofError(f"{left.name} is no number")
        return self.circuit.either(
            self.circuit.both([first.at_most(place), -second.at_most(place)])
            for place in range(first.ladder.low, first.ladder.high + 1)
        )

    def _compare_score(self, node: Compare) -> Tri:
        """Encode a comparison of a score, or its largest item, with a number."""
        turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
        left, op, right = node.left, node.op, node.right
        if isinstance(left, Constant):
            left, right = right, left
            op = turned.get(node.op, node.op)  # type: ignore[assignment]
        if not isinstance(left, Name) or not isinstance(right, Constant):
            raise ProofError("a score is compared with a number only")
        low, high, waits = self.spans[left.name]
        number = float(right.value)
        up, down = math.ceil(number), math.floor(number) + 1
        both = self.circuit.both
        if op in {">=", ">"}:
            bound = up if op == ">=" else down
            true, false = low(bound), -high(bound)
        elif op in {"<", "<="}:
            bound = up if op == "<" else down
            true, false = -high(bound), low(bound)
        else:
            true = both([low(up), -high(down)]) if number == up else FALSE
            false = self.circuit.either([-high(up), low(down)])
            if op == "!=":
                true, false = false, true
        return Tri(true, false, both([-true, -false, waits]))


def _name(side: Constant | Name) -> str:
    """Give the name of a side that must be one."""
    if isinstance(side, Constant):
        raise ProofError("a comparison of two constants")
    return side.name


def _position(answer: Answered, mark: Constant) -> int:
    """Give the position of a constant on an input's ladder."""
    if answer.ladder is None or not isinstance(mark.value, float):
        raise ProofError(f"{answer.input.key} is no number")
    return answer.ladder.position(mark.value)
