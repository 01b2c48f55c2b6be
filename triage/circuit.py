"""A Boolean circuit with weighted sums: what protocol proofs are written in and solved from.

A literal is an integer: 1 is true, -1 is false, and -n negates n. Gates are shared by
structure and constants fold away, so that two worlds that differ in one answer share all
that does not depend on it. `solve` hands the part of the circuit that a target needs to
OR-Tools CP-SAT (imported when first used); `holds` evaluates the same circuit in Python.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

Lit: TypeAlias = int
"""A literal of the circuit; its negation is its opposite number."""

TRUE: Final[Lit] = 1
FALSE: Final[Lit] = -1

Verdict: TypeAlias = Literal["impossible", "possible", "unknown"]
"""Whether the target can hold; unknown means that the time limit was reached."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one solve: the verdict, and the variables' values when possible."""

    verdict: Verdict
    values: dict[Lit, bool]


class _Sum(msgspec.Struct, frozen=True):
    """At least `bound` from the weights of the literals that hold."""

    terms: tuple[tuple[Lit, int], ...]
    bound: int


class Circuit:
    """Variables, conjunctions and weighted sums; everything else is made of these."""

    def __init__(self) -> None:
        self._count = TRUE
        self._ands: dict[Lit, tuple[Lit, ...]] = {}
        self._sums: dict[Lit, _Sum] = {}
        self._shared: dict[tuple[Lit, ...] | _Sum, Lit] = {}
        self._always: dict[Lit, frozenset[Lit]] = {}  # requirement: what it depends on

    def variable(self) -> Lit:
        """Add a free variable and give its literal."""
        self._count += 1
        return self._count

    def require(self, literal: Lit) -> None:
        """Make a literal hold in every solution, such as "exactly one choice".

        A solve leaves a requirement out that shares no variable with its target, so each
        must be possible whatever the others say.

        Args:
            literal: What must hold.
        """
        if literal != TRUE:
            self._always[literal] = frozenset(self._cone([literal])) - {TRUE}

    def both(self, terms: Iterable[Lit]) -> Lit:
        """Give the literal of a conjunction; of nothing it is true."""
        chosen = {term for term in terms if term != TRUE}
        if FALSE in chosen or any(-term in chosen for term in chosen):
            return FALSE
        if len(chosen) < 2:  # noqa: PLR2004 - a conjunction joins two
            return next(iter(chosen), TRUE)
        key = tuple(sorted(chosen))
        if key not in self._shared:
            self._shared[key] = self.variable()
            self._ands[self._shared[key]] = key
        return self._shared[key]

    def either(self, terms: Iterable[Lit]) -> Lit:
        """Give the literal of a disjunction; of nothing it is false."""
        return -self.both([-term for term in terms])

    def implies(self, premise: Lit, conclusion: Lit) -> Lit:
        """Give the literal of an implication."""
        return self.either([-premise, conclusion])

    def same(self, first: Lit, second: Lit) -> Lit:
        """Give the literal that holds when both are equal."""
        return self.both([self.implies(first, second), self.implies(second, first)])

    def at_least(self, terms: Iterable[tuple[Lit, int]], bound: int) -> Lit:
        """Give the literal that holds when the weights of true literals reach the bound.

        Args:
            terms: Literals with their weights, which may be negative.
            bound: The sum to reach.
        """
        weights: dict[Lit, int] = {}
        for literal, weight in terms:
            if literal == TRUE or literal < FALSE:  # a weight on "not x" is one on x
                bound -= weight
            if abs(literal) != TRUE:
                signed = weight if literal > 0 else -weight
                weights[abs(literal)] = weights.get(abs(literal), 0) + signed
        kept = tuple(sorted((lit, weight) for lit, weight in weights.items() if weight))
        if sum(min(0, weight) for _, weight in kept) >= bound:
            return TRUE
        if sum(max(0, weight) for _, weight in kept) < bound:
            return FALSE
        key = _Sum(kept, bound)
        if key not in self._shared:
            self._shared[key] = self.variable()
            self._sums[self._shared[key]] = key
        return self._shared[key]

    def holds(self, literal: Lit, values: Mapping[Lit, bool]) -> bool:
        """Evaluate a literal in Python, without the solver.

        Args:
            literal: What is asked about.
            values: The free variables; one that is missing is false.
        """
        return self.truths([literal], values)[abs(literal)] == (literal > 0)

    def truths(self, literals: Iterable[Lit], values: Mapping[Lit, bool]) -> dict[Lit, bool]:
        """Evaluate all that some literals depend on.

        Args:
            literals: What is asked about.
            values: The free variables; one that is missing is false.

        Returns:
            The truth of every positive literal needed.
        """
        known: dict[Lit, bool] = {TRUE: True}
        for node in self._cone(literals):
            if node in self._ands:
                known[node] = all(known[abs(t)] == (t > 0) for t in self._ands[node])
            elif node in self._sums:
                entry = self._sums[node]
                known[node] = sum(w for t, w in entry.terms if known[t]) >= entry.bound
            elif node != TRUE:
                known[node] = values.get(node, False)
        return known

    def needed(self, target: Lit) -> list[Lit]:
        """List the requirements that a target depends on, directly or through another one.

        Args:
            target: What is to hold.
        """
        rest = dict(self._always)
        reached = set(self._cone([target])) - {TRUE}
        chosen: list[Lit] = []
        while near := [literal for literal, cone in rest.items() if not cone.isdisjoint(reached)]:
            chosen += near
            for literal in near:
                reached |= rest.pop(literal)
        return chosen

    def _cone(self, literals: Iterable[Lit]) -> list[Lit]:
        """List the nodes the literals depend on, each after what it is made of."""
        seen: set[Lit] = set()
        todo = {abs(literal) for literal in literals} | {TRUE}
        while todo:
            node = todo.pop()
            seen.add(node)
            parts: Sequence[Lit] = self._ands.get(node, ())
            if node in self._sums:
                parts = [literal for literal, _ in self._sums[node].terms]
            todo |= {abs(part) for part in parts} - seen
        return sorted(seen)  # a gate's number is larger than those of its parts

    def solve(self, target: Lit, *, seconds: float, few: Iterable[tuple[Lit, int]] = ()) -> Found:
        """Ask CP-SAT whether a target can hold.

        Args:
            target: The literal to satisfy, together with everything required.
            seconds: Time limit, wall clock.
            few: Literals with weights whose sum shall be as small as possible.

        Returns:
            The verdict; with `few` the best solution found within the limit.
        """
        if target == FALSE:
            return Found(verdict="impossible", values={})
        return _solve(self, target, seconds, tuple(few))


def load_solver() -> None:
    """Import CP-SAT, which takes a second, before anything is timed."""
    import ortools.sat.python.cp_model  # noqa: F401, PLC0415 - heavy, and only proofs need it


def _solve(
    circuit: Circuit, target: Lit, seconds: float, few: tuple[tuple[Lit, int], ...]
) -> Found:
    """Write the needed part of the circuit as a CP-SAT model and solve it on one core."""
    from ortools.sat.python import cp_model  # noqa: PLC0415 - heavy, and only proofs need it

    model = cp_model.CpModel()
    wanted = [target, *circuit.needed(target)]
    nodes = circuit._cone([*wanted, *(literal for literal, _ in few)])  # noqa: SLF001 - one class in two halves
    variables = {node: model.new_bool_var("") for node in nodes}

    def literal(number: Lit) -> cp_model.LiteralT:
        return variables[number] if number > 0 else ~variables[-number]

    model.add_bool_and([variables[TRUE]])
    for node in nodes:
        if node in circuit._ands:  # noqa: SLF001
            parts = [literal(part) for part in circuit._ands[node]]  # noqa: SLF001
            model.add_bool_and(parts).only_enforce_if(variables[node])
            model.add_bool_or([variables[node], *(~part for part in parts)])
        elif node in circuit._sums:  # noqa: SLF001
            entry = circuit._sums[node]  # noqa: SLF001
            total = sum(weight * variables[part] for part, weight in entry.terms)
            model.add(total >= entry.bound).only_enforce_if(variables[node])
            model.add(total < entry.bound).only_enforce_if(~variables[node])
    model.add_bool_and([literal(number) for number in wanted])
    if few:
        model.minimize(sum(weight * literal(number) for number, weight in few))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_time_in_seconds = seconds
    # Presolving has been wrong before (google/or-tools issue 5274): a proof does without it.
    solver.parameters.cp_model_presolve = False
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Found(verdict="impossible", values={})
    if status not in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        return Found(verdict="unknown", values={})
    values = {node: bool(solver.value(variables[node])) for node in nodes}
    return Found(verdict="possible", values=values)
