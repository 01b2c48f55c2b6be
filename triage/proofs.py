"""What is proved of a protocol: complete, alive, monotone, honest about missing answers.

Each proof asks CP-SAT for a row of answers that breaks the rule; "impossible" is the proof.
A row that it finds is replayed in the engine before anybody is shown it. Running out of time
is a failure that says so. docs/protocols.md states in words what is proved and what is not.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from triage.acuity import SCALE, Acuity, is_more_severe
from triage.circuit import Lit
from triage.expression import names
from triage.proof_answers import Row, Sheet
from triage.proof_terms import Answered, ProofError
from triage.proof_world import Outcome, World
from triage.protocol import ParsedInput, Protocol

Kind: TypeAlias = Literal[
    "encodable",
    "complete",
    "determinate",
    "alive",
    "not_shadowed",
    "monotone",
    "removal",
    "giving_up",
    "taking_back",
]
"""What is proved; `EXPLANATION` says it in words."""

EXPLANATION: Final[dict[Kind, str]] = {
    "encodable": "every condition can be proved about",
    "complete": "once nothing more can be asked, nothing is asked",
    "determinate": "with every answer given, every rule holds or does not",
    "alive": "every rule can fire",
    "not_shadowed": "no rule is always outranked, by another one or by the default acuity",
    "monotone": "a worse answer never gives a milder level",
    "removal": "an answer taken away neither raises the assured level nor softens the worst",
    "giving_up": "an open input nobody can answer never softens a level nor opens a question",
    "taking_back": "an answer that becomes unanswerable never softens the worst level, nor what"
    " rules that fire assure",
}

_OF_RULES: Final[tuple[Kind, ...]] = ("alive", "not_shadowed")

Verdict: TypeAlias = Literal["proved", "refuted", "unknown"]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One thing proved or refuted.

    Attributes:
        kind: What about.
        subject: The input or the rule it is about; empty for the whole protocol.
        verdict: Unknown means that the time limit was reached: a failure as well.
        seconds: How long it took.
        before: The row of the counter-example, or the first of its two.
        after: The second row.
        others: For a shadowed rule, those that outrank it whenever it fires; `default` is the
            default acuity.
    """

    kind: Kind
    subject: str = ""
    verdict: Verdict
    seconds: float = 0.0
    before: Row | None = None
    after: Row | None = None
    others: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long one solve may take, and how long a shorter counter-example is looked for."""

    seconds: float = 20.0
    shorten: float = 0.5


_Pair: TypeAlias = tuple[Mapping[str, Answered], Mapping[str, Answered] | None]


class _Prover:
    """The proofs of one protocol."""

    def __init__(self, protocol: Protocol, limits: Limits) -> None:
        self.protocol = protocol
        self.limits = limits

    def run(self) -> Iterator[Proof]:
        """Prove everything, in the order of `Kind`."""
        try:
            ladder_sheet = Sheet(self.protocol)
            ladder_sheet.world(ladder_sheet.open())
        except ProofError:
            yield Proof(kind="encodable", verdict="refuted")
            return
        yield Proof(kind="encodable", verdict="proved")
        yield self._complete()
        yield self._determinate()
        yield from self._alive()
        yield from self._monotone()
        yield self._removal()
        yield self._giving_up()
        yield self._taking_back()

    def _ask(self, kind: Kind, sheet: Sheet, target: Lit, rows: _Pair, subject: str = "") -> Proof:
        """Look for a row that breaks the rule, then for a shorter one."""
        begun = time.perf_counter()
        found = sheet.circuit.solve(target, seconds=self.limits.seconds)
        verdict: dict[str, Verdict] = {"impossible": "proved", "possible": "refuted"}
        before, after = rows
        if found.verdict != "possible":
            return Proof(
                kind=kind,
                subject=subject,
                verdict=verdict.get(found.verdict, "unknown"),
                seconds=time.perf_counter() - begun,
            )
        few = list(sheet.remarks(before))
        if kind == "removal":
            few = [(entry.known, 1) for entry in before.values()]
        short = sheet.circuit.solve(target, seconds=self.limits.shorten, few=few)
        values = short.values if short.verdict == "possible" else found.values
        return Proof(
            kind=kind,
            subject=subject,
            verdict="refuted",
            seconds=time.perf_counter() - begun,
            before=sheet.row(before, values),
            after=None if after is None else sheet.row(after, values),
        )

    def _complete(self) -> Proof:
        """Answered or unanswerable wherever it applies: nothing waits for an answer."""
        sheet = Sheet(self.protocol)
        answers = sheet.open()
        world = sheet.world(answers)
        circuit = sheet.circuit
        asked = [
            circuit.either([entry.known, entry.unanswerable, world.applies[key].false])
            for key, entry in answers.items()
        ]
        waits = circuit.either([world.gate.waits, *(o.truth.waits for o in world.outcomes)])
        target = circuit.both([*asked, waits])
        return self._ask("complete", sheet, target, (answers, None))

    def _determinate(self) -> Proof:
        """Answered wherever it applies: no rule is left unknown, whatever the gate says."""
        sheet = Sheet(self.protocol)
        answers = sheet.open()
        world = sheet.world(answers)
        circuit = sheet.circuit
        asked = [
            circuit.either([entry.known, world.applies[key].false])
            for key, entry in answers.items()
        ]
        unsettled = circuit.either(
            circuit.both([-o.truth.true, -o.truth.false]) for o in world.outcomes
        )
        target = circuit.both([*asked, unsettled])
        return self._ask("determinate", sheet, target, (answers, None))

    def _alive(self) -> Iterator[Proof]:
        """Find for every rule a row in which it fires, and one in which it decides."""
        sheet = Sheet(self.protocol)
        world = sheet.world(sheet.answered())
        spare = Sheet(self.protocol)
        settled = spare.world(spare.settled())
        for outcome in world.outcomes:
            begun = time.perf_counter()
            if self._decides(sheet, world, outcome):  # one patient shows both
                spent = time.perf_counter() - begun
                for kind in _OF_RULES:
                    yield Proof(
                        kind=kind, subject=outcome.rule.id, verdict="proved", seconds=spent / 2
                    )
                continue
            alive = sheet.circuit.solve(outcome.truth.true, seconds=self.limits.seconds)
            verdict: dict[str, Verdict] = {"impossible": "refuted", "possible": "proved"}
            yield Proof(
                kind="alive",
                subject=outcome.rule.id,
                verdict=verdict.get(alive.verdict, "unknown"),
                seconds=time.perf_counter() - begun,
            )
            if alive.verdict == "possible":
                yield self._not_shadowed(settled, outcome.rule.id)

    def _decides(self, sheet: Sheet, world: World, outcome: Outcome) -> bool:
        """Tell whether a fully answered patient is found whose level this rule sets."""
        level, default = outcome.rule.acuity, self.protocol.file.default_acuity
        if default is not None and default <= level:
            return False
        graver = [-o.truth.true for o in world.outcomes if o.rule.acuity < level]
        target = sheet.circuit.both([outcome.truth.true, *graver])
        return sheet.circuit.solve(target, seconds=self.limits.seconds).verdict == "possible"

    def _not_shadowed(self, settled: World, rule: str) -> Proof:
        """Find a row, answered or unanswerable, in which no graver level stands beside it."""
        begun = time.perf_counter()
        mine = next(outcome for outcome in settled.outcomes if outcome.rule.id == rule)
        level, default = mine.rule.acuity, self.protocol.file.default_acuity
        if default is not None and default <= level:
            return Proof(kind="not_shadowed", subject=rule, verdict="refuted", others=("default",))
        graver = {o.rule.id: o.fires for o in settled.outcomes if o.rule.acuity < level}
        circuit = settled.circuit

        def decides(others: dict[str, Lit]) -> str:
            alone = [-fires for fires in others.values()]
            target = circuit.both([mine.fires, *alone])
            return circuit.solve(target, seconds=self.limits.seconds).verdict

        answer = decides(graver)
        others = dict(graver)
        for other in graver if answer == "impossible" else ():
            fewer = {key: fires for key, fires in others.items() if key != other}
            others = fewer if decides(fewer) == "impossible" else others
        verdict: dict[str, Verdict] = {"impossible": "refuted", "possible": "proved"}
        return Proof(
            kind="not_shadowed",
            subject=rule,
            verdict=verdict.get(answer, "unknown"),
            seconds=time.perf_counter() - begun,
            others=tuple(others) if answer == "impossible" else (),
        )

    def _monotone(self) -> Iterator[Proof]:
        """Compare each row with the rows in which one input is answered worse."""
        sheet = Sheet(self.protocol)
        better = sheet.world(sheet.settled())
        for parsed in self.protocol.inputs:
            if parsed.input.worse != "none":
                yield self._worsened(sheet, better, parsed)

    def _worsened(self, sheet: Sheet, better: World, parsed: ParsedInput) -> Proof:
        """Worsen one input; inputs that apply only on one side of it may say anything there."""
        circuit, key = sheet.circuit, parsed.input.key
        first = better.answers
        second = {**first, key: sheet.fresh(parsed.input)}
        free = [
            entry.input
            for entry in self.protocol.inputs
            if entry.applies is not None and key in names(entry.applies)
        ]
        second |= {one.key: sheet.or_unanswerable(sheet.fresh(one)) for one in free}
        worse = sheet.world(second, better)
        ties = [
            circuit.either(
                [
                    better.applies[one.key].false,
                    worse.applies[one.key].false,
                    _equal(sheet, first[one.key], second[one.key]),
                ]
            )
            for one in free
        ]
        gates = [first[key].known, better.gate.true, worse.gate.true]
        milder = self._milder(sheet, better, worse)
        target = circuit.both([*gates, *ties, sheet.worse(parsed, better, worse), milder])
        return self._ask("monotone", sheet, target, (first, second), key)

    def _milder(self, sheet: Sheet, first: World, second: World) -> Lit:
        """Give the literal of "the second world is assured less", above the default acuity."""
        default = self.protocol.file.default_acuity
        return sheet.circuit.either(
            sheet.circuit.both([first.assured(level), -second.assured(level)])
            for level in SCALE
            if is_more_severe(level, default)
        )

    def _removal(self) -> Proof:
        """Make any answers open again: never more assured, never a milder worst."""
        sheet = Sheet(self.protocol)
        circuit = sheet.circuit
        first = sheet.open()
        second = {
            key: msgspec.structs.replace(
                entry, known=circuit.both([entry.known, circuit.variable()])
            )
            for key, entry in first.items()
        }
        more, less = sheet.world(first), sheet.world(second)
        broken = circuit.either(
            circuit.both(pair)
            for level in SCALE
            for pair in (
                [less.assured(level), -more.assured(level)],
                [more.worst(level), -less.worst(level)],
            )
        )
        return self._ask("removal", sheet, broken, (first, second))

    def _giving_up(self) -> Proof:
        """Make any open inputs unanswerable: no level softer, no question opened."""
        sheet = Sheet(self.protocol)
        circuit = sheet.circuit
        first = sheet.open()
        second = {
            key: msgspec.structs.replace(
                entry,
                unanswerable=circuit.either(
                    [entry.unanswerable, circuit.both([-entry.known, circuit.variable()])]
                ),
            )
            for key, entry in first.items()
        }
        before, after = sheet.world(first), sheet.world(second)
        pairs = [
            pair
            for level in SCALE
            for pair in (
                [before.assured(level), -after.assured(level)],
                [before.worst(level), -after.worst(level)],
                [-before.worst(level), after.worst(level)],
            )
        ]
        pairs += [
            [-one.truth.waits, other.truth.waits]
            for one, other in zip(before.outcomes, after.outcomes, strict=True)
        ]
        broken = circuit.either(circuit.both(pair) for pair in pairs)
        return self._ask("giving_up", sheet, broken, (first, second))

    def _taking_back(self) -> Proof:
        """Make any answers unanswerable, nothing being open."""
        sheet = Sheet(self.protocol)
        circuit = sheet.circuit
        first = sheet.settled()
        second = {}
        for key, entry in first.items():
            known = circuit.both([entry.known, circuit.variable()])
            second[key] = msgspec.structs.replace(entry, known=known, unanswerable=-known)
        before, after = sheet.world(first), sheet.world(second)
        pairs = []
        for level in SCALE:
            pairs.append([before.worst(level), -after.worst(level)])
            if level != SCALE[0]:
                pairs.append([_firing(sheet, before, level), -_firing(sheet, after, level)])
        broken = circuit.either(circuit.both(pair) for pair in pairs)
        return self._ask("taking_back", sheet, broken, (first, second))


def _firing(sheet: Sheet, world: World, level: Acuity) -> Lit:
    """Give the literal of "a rule that fires without answers assures at least this level"."""
    return sheet.circuit.either(
        entry.fires
        for entry in world.outcomes
        if entry.rule.acuity <= level and entry.rule.when_unanswerable == "fire"
    )


def _equal(sheet: Sheet, first: Answered, second: Answered) -> Lit:
    """Give the literal of "the same answer, or none in both worlds"."""
    same = sheet.circuit.same
    pairs = [(first.known, second.known), (first.truth, second.truth)]
    pairs += [(first.words[word], second.words[word]) for word in first.words]
    pairs += list(zip(first.upto, second.upto, strict=True))
    return sheet.circuit.both(same(one, other) for one, other in pairs)


def prove(
    protocol: Protocol,
    limits: Limits | None = None,
    *,
    wanted: Callable[[Kind], bool] | None = None,
) -> tuple[Proof, ...]:
    """Prove everything that must hold of a protocol.

    Args:
        protocol: The readable protocol.
        limits: Time limits; 20 s a proof when not given.
        wanted: Which kinds to give; all when not given.

    Returns:
        One proof per thing that must hold, refuted ones with their smallest row found.
    """
    proofs = _Prover(protocol, limits or Limits()).run()
    return tuple(proof for proof in proofs if wanted is None or wanted(proof.kind))
