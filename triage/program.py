"""A compiled protocol with the tables that turn bits back into rules, questions and words.

One program is made of one protocol the first time it is used, and kept.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Final

import msgspec

from triage.acuity import SCALE, Acuity
from triage.assessment import FiredRule, GateResult, ProtocolReference, Question
from triage.compiler import Compiled, compile_protocol, groups, severest_first
from triage.expression import names
from triage.finding import ObserverContext
from triage.generated import Row
from triage.protocol import ParsedItem, ParsedRule, Protocol

NO_LEVEL: Final = len(SCALE)
"""The rank of no level at all: milder than every level."""
LEVELS: Final[tuple[Acuity | None, ...]] = (*SCALE, None)
"""Level by rank."""
RANK: Final[dict[Acuity | None, int]] = {level: rank for rank, level in enumerate(LEVELS)}
"""Rank by level."""

_MOST_KEPT: Final = 1024


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """An item or group of a score: its name, and the inputs it is computed from."""

    item: str
    mentioned: tuple[str, ...]


class Program(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A protocol ready to run.

    Attributes:
        protocol: What was compiled.
        compiled: Its functions.
        keys: Its inputs in asking order; bit n of a set of inputs is the n-th of them.
        bits: The bit of each input.
        every: The bits of all inputs.
        rules: Its rules, most severe first; the order of the compiled ones.
        ranks: The rank of each rule's level.
        fire: Whether each rule fires once only unanswerable inputs are missing.
        surely: What each rule leaves in the trace when it holds.
        parts: The items and groups of each score.
        default: Rank of the level that the complaint has without answers.
        met: What the gate leaves in the trace when it is met, and when it is not.
        reference: Pins the file.
        obtainable: Bits of the inputs that an observer can obtain, by observer.
        decoded: Sets of inputs written out, so far.
        questions: Questions written out, so far.
    """

    protocol: Protocol
    compiled: Compiled
    keys: tuple[str, ...]
    bits: dict[str, int]
    every: int
    rules: tuple[ParsedRule, ...]
    ranks: tuple[int, ...]
    fire: tuple[bool, ...]
    surely: tuple[FiredRule, ...]
    parts: tuple[tuple[Part, ...], ...]
    default: int
    met: GateResult
    unmet: GateResult
    reference: ProtocolReference
    obtainable: dict[ObserverContext, int]
    decoded: dict[int, tuple[str, ...]]
    questions: dict[tuple[int, int], Question]

    def obtainable_by(self, context: ObserverContext) -> int:
        """Give the bits of the inputs that somebody of the context can answer."""
        found = self.obtainable.get(context)
        if found is None:
            entries = self.protocol.file.inputs
            found = sum(self.bits[e.key] for e in entries if context.can_obtain(e))
            _keep(self.obtainable, context, found)
        return found

    def inputs(self, bits: int) -> tuple[str, ...]:
        """Write a set of inputs out, in asking order."""
        found = self.decoded.get(bits)
        if found is None:
            found = tuple(key for key in self.keys if bits & self.bits[key])
            _keep(self.decoded, bits, found)
        return found

    def question(self, bits: int, rule: int, row: Row) -> Question:
        """Give the first question among inputs, first those known to apply.

        Args:
            bits: The inputs, at least one.
            rule: For the sake of which rule; -1 for the population.
            row: The answers.
        """
        bits = bits & ~self.compiled.pending(row) or bits
        bit = bits & -bits
        found = self.questions.get((bit, rule))
        if found is None:
            found = self._question(bit.bit_length() - 1, rule)
            self.questions[bit, rule] = found
        return found

    def _question(self, place: int, rule: int) -> Question:
        """Write a question out."""
        entry = self.protocol.file.inputs[place]
        asking = None if rule < 0 else self.rules[rule].rule
        return Question(
            input=entry.key,
            protocol=self.protocol.file.id,
            rule="population" if asking is None else asking.id,
            acuity="U1" if asking is None else asking.acuity,
            ask=entry.ask,
            type=entry.type,
            unit=entry.unit,
            range=entry.range,
            choices=entry.choices,
        )


def _keep(memory: dict[object, object] | dict, key: object, value: object) -> None:  # type: ignore[type-arg]
    """Remember something, and forget all before that grows beyond reason."""
    if len(memory) >= _MOST_KEPT:
        memory.clear()
    memory[key] = value


_PROGRAMS: Final[dict[int, Program]] = {}
_PLANS: Final[dict[tuple[int, ...], tuple[Program, ...]]] = {}
_LOCK: Final = Lock()


def programs(protocols: Sequence[Protocol]) -> tuple[Program, ...]:
    """Give the programs of protocols; each is compiled once.

    Args:
        protocols: In the order in which they are combined.
    """
    key = tuple(map(id, protocols))
    plan = _PLANS.get(key)
    if plan is None or any(
        one.protocol is not protocol for one, protocol in zip(plan, protocols, strict=True)
    ):
        with _LOCK:
            plan = tuple(_program(protocol) for protocol in protocols)
            _keep(_PLANS, key, plan)
    return plan


def _program(protocol: Protocol) -> Program:
    """Give the program of a protocol: kept by identity, found again by equality."""
    kept = _PROGRAMS.get(id(protocol))
    if kept is None or kept.protocol is not protocol:
        kept = build(protocol)
        _keep(_PROGRAMS, id(protocol), kept)
    return kept


def build(protocol: Protocol) -> Program:
    """Compile a protocol and lay out its tables.

    Args:
        protocol: Parsed and checked by `protocol.decode`.
    """
    file = protocol.file
    keys = tuple(entry.key for entry in file.inputs)
    rules = severest_first(protocol)
    default = file.default_acuity if file.kind == "complaint" else None
    return Program(
        protocol=protocol,
        compiled=compile_protocol(protocol),
        keys=keys,
        bits={key: 1 << place for place, key in enumerate(keys)},
        every=(1 << len(keys)) - 1,
        rules=rules,
        ranks=tuple(RANK[parsed.rule.acuity] for parsed in rules),
        fire=tuple(parsed.rule.when_unanswerable == "fire" for parsed in rules),
        surely=tuple(fired(protocol, parsed) for parsed in rules),
        parts=tuple(
            tuple(
                Part(item=name, mentioned=_mentioned(entries))
                for name, entries in groups(parsed).items()
            )
            for parsed in protocol.scores
        ),
        default=RANK[default],
        met=GateResult(
            protocol=file.id, state="met", why=file.population.why, open_inputs=(), unanswerable=()
        ),
        unmet=GateResult(
            protocol=file.id,
            state="unmet",
            why=file.population.why,
            open_inputs=(),
            unanswerable=(),
        ),
        reference=ProtocolReference(
            id=file.id, version=file.version, digest=protocol.digest, status=protocol.status
        ),
        obtainable={},
        decoded={},
        questions={},
    )


def fired(
    protocol: Protocol, parsed: ParsedRule, unanswerable: tuple[str, ...] | None = None
) -> FiredRule:
    """Write down a fired rule.

    Args:
        protocol: Its protocol.
        parsed: The rule.
        unanswerable: The inputs without which it fired; None when it holds.
    """
    rule = parsed.rule
    guessed = unanswerable is not None and rule.acuity == "U0"
    return FiredRule(
        protocol=protocol.file.id,
        rule=rule.id,
        acuity="U1" if guessed else rule.acuity,
        why=rule.why,
        cites=rule.cites,
        means=rule.means,
        unanswerable=unanswerable or (),
    )


def _mentioned(entries: list[ParsedItem]) -> tuple[str, ...]:
    """Give the inputs that items are computed from, by name."""
    keys = {entry.item.input for entry in entries if entry.item.input is not None}
    for entry in entries:
        keys |= names(entry.points_if) if entry.points_if is not None else frozenset()
    return tuple(sorted(keys))
