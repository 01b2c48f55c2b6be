"""Complete cases decided in one compiled pass: two truths, constant reasons, no interval.

Where every input that applies is answered, three-valued logic is ordinary logic. Rules that
share conditions are tested together: the rules of a decision tree, written as one conjunction
per leaf, cost one walk down the tree. The result is what `oracle` says of the same answers.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from triage.acuity import Acuity
from triage.assessment import FiredRule
from triage.compiler import groups, severest_first
from triage.expression import And, Comparator, Compare, Constant, Expression, Name, Not, Or, names
from triage.generated import Row, load_source
from triage.program import fired
from triage.protocol import MAX_ITEM_SUFFIX, Input, ParsedItem, Protocol

_SHARED: Final = 4
"""Rules that must share a condition before they are tested together."""
_OPPOSITE: Final[dict[Comparator, Comparator]] = {"<": ">=", "<=": ">", "!=": "=="}


class IncompleteError(ValueError):
    """An input that applies has no answer: unknown is never false, so nothing is decided."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """A complete case decided.

    Attributes:
        assured: The most severe level that fired, or None.
        fired: The rules that hold, most severe first, with their reasons and sources.
        scores: The total of each score.
        points: The points of each item or group of each score.
    """

    assured: Acuity | None
    fired: list[FiredRule]
    scores: tuple[int, ...]
    points: tuple[tuple[int, ...], ...]


class Decider(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A protocol compiled for complete cases.

    Attributes:
        decide: Decides a row of answers in asking order.
        answer: Decides a JSON object of answers by key, into JSON.
        source: What was compiled, for people.
    """

    decide: Callable[[Row], Decision]
    answer: Callable[[bytes], bytes]
    source: str


Literals: TypeAlias = dict[Expression, bool]
"""A conjunction: the truth that each atom must have."""


def decider(protocol: Protocol) -> Decider:
    """Compile a protocol for complete cases.

    Args:
        protocol: Parsed and checked by `protocol.decode`.

    Returns:
        Its functions; they raise `IncompleteError` for a row that lacks an answer, and
        `msgspec.ValidationError` for JSON outside of the declared types, ranges and choices.
    """
    writer = _Writer(protocol)
    source = "\n".join([*writer.function(), ""])
    rules = severest_first(protocol)
    every = tuple(fired(protocol, parsed) for parsed in rules)
    made = load_source(
        compile(source, f"<complete {protocol.digest[:16]}>", "exec"),
        every=every,
        **{f"r{index}": entry for index, entry in enumerate(every)},
        Decision=Decision,
        IncompleteError=IncompleteError,
    )
    decide = made["decide"]
    case = _case(protocol)
    decode, encode = msgspec.json.Decoder(case).decode, msgspec.json.Encoder().encode
    row = msgspec.structs.astuple

    def answer(raw: bytes) -> bytes:
        return encode(decide(row(decode(raw))))

    return Decider(decide=decide, answer=answer, source=source)


def _case(protocol: Protocol) -> type[msgspec.Struct]:
    """Give the struct of a complete case: types, ranges and choices as declared."""
    fields: list[Any] = []
    for entry in protocol.inputs:
        kind = _type(entry.input)
        name = entry.input.key
        fields.append((name, kind) if entry.applies is None else (name, kind | None, None))
    return msgspec.defstruct("Case", fields, kw_only=True, forbid_unknown_fields=True)


def _type(entry: Input) -> Any:  # noqa: ANN401 - a type made at run time
    """Give the type of an answer."""
    if entry.type == "bool":
        return bool
    if entry.type == "choice":
        return Literal[entry.choices]
    low, high = entry.range or (None, None)
    return Annotated[float, msgspec.Meta(ge=low, le=high)]


class _Writer:
    """Writes the function of one protocol."""

    def __init__(self, protocol: Protocol) -> None:
        """Begin with every input in its place."""
        self.protocol = protocol
        self.place = {e.key: index for index, e in enumerate(protocol.file.inputs)}
        self.type = {e.key: e.type for e in protocol.file.inputs}
        self.scores = {parsed.score.id: n for n, parsed in enumerate(protocol.scores)}
        self.sometimes = {e.input.key for e in protocol.inputs if e.applies is not None}
        self.named = frozenset[str]().union(*(names(parsed.when) for parsed in protocol.rules))

    def function(self) -> Iterator[str]:
        """Write the whole function."""
        yield "def decide(row):"
        yield f"    {''.join(f'v{n}, ' for n in self.place.values())}= row"
        yield from (f"    {line}" for line in self.complete())
        points = []
        for number, parsed in enumerate(self.protocol.scores):
            parts = []
            for place, entries in enumerate(groups(parsed).values()):
                parts.append(f"p{number}_{place}")
                yield f"    {parts[-1]} = {self.points(entries)}"
            yield f"    s{number} = {' + '.join(parts) or '0'}"
            if parsed.score.id + MAX_ITEM_SUFFIX in self.named:
                yield f"    x{number} = max({', '.join([*parts, *parts[:1]]) or '0, 0'})"
            points.append(f"({', '.join(parts)},)" if parts else "()")
        totals = "".join(f"s{number}, " for number in range(len(points)))
        scores = f"({totals}), ({''.join(f'{part}, ' for part in points)})"
        yield "    fired = []"
        yield f"    if {self.truth(self.protocol.gate)}:"
        yield from (f"        {line}" for line in [*self.rules(), "pass"])
        yield f"    if not fired: return Decision(None, fired, {scores})"
        yield f"    return Decision(fired[0].acuity, fired, {scores})"

    def complete(self) -> Iterator[str]:
        """Write the refusal of a row that lacks an answer."""
        always = [e.input.key for e in self.protocol.inputs if e.applies is None]
        if always:
            missing = " or ".join(f"v{self.place[key]} is None" for key in always)
            yield f"if {missing}: raise IncompleteError"
        for entry in self.protocol.inputs:
            if entry.applies is not None:
                value = f"v{self.place[entry.input.key]}"
                yield f"if {value} is None and {self.truth(entry.applies)}: raise IncompleteError"

    def truth(self, tree: Expression) -> str:
        """Write a condition."""
        if isinstance(tree, And | Or):
            word = " and " if isinstance(tree, And) else " or "
            free = names(tree).isdisjoint(self.sometimes)
            terms = sorted(tree.terms, key=_cost) if free else tree.terms
            return f"({word.join(self.truth(term) for term in terms)})"
        if isinstance(tree, Not):
            return f"(not {self.truth(tree.term)})"
        if isinstance(tree, Compare):
            return f"({self.term(tree.left)} {tree.op} {self.term(tree.right)})"
        return self.term(tree)

    def term(self, node: Expression) -> str:
        """Write a name or a constant."""
        if isinstance(node, Name):
            if node.name in self.place:
                return f"v{self.place[node.name]}"
            if node.name in self.scores:
                return f"s{self.scores[node.name]}"
            return f"x{self.scores[node.name.removesuffix(MAX_ITEM_SUFFIX)]}"
        return repr(node.value) if isinstance(node, Constant) else self.truth(node)

    def points(self, entries: Sequence[ParsedItem]) -> str:
        """Write the points of an item or group: those of the one that is gated in."""
        text = "0"
        for entry in reversed(entries):
            gates = [self.truth(t) for t in (entry.when, entry.applies) if t is not None]
            worth = self.worth(entry)
            text = f"({worth}) if {' and '.join(gates)} else ({text})" if gates else worth
        return text

    def worth(self, entry: ParsedItem) -> str:
        """Write the points of one item that is gated in."""
        item = entry.item
        if entry.points_if is not None:
            return f"{item.points} if {self.truth(entry.points_if)} else 0"
        value = f"v{self.place[item.input or '']}"
        if item.map is not None:
            boolean = self.type[item.input or ""] == "bool"
            steps = [
                f"{points} if {value} == {(word == 'true') if boolean else word!r}"
                for word, points in item.map.items()
            ]
            return " else ".join([*steps, "0"])
        return _halved(value, item.bands)

    def rules(self) -> Iterator[str]:
        """Write every rule in order; those of a tree are found by one walk and fire in place."""
        ordered = severest_first(self.protocol)
        literals = {
            index: _conjunction(parsed.when)
            for index, parsed in enumerate(ordered)
            if names(parsed.when).isdisjoint(self.sometimes)
        }
        tree = grow({index: found for index, found in literals.items() if found})
        leaves = tree.leaves if len(tree.leaves) >= _SHARED else frozenset()
        if leaves:
            yield f"leaf = {len(ordered)}"
            yield from self.walk(tree)
        passed = 0
        for index, parsed in enumerate(ordered):
            if index in leaves:
                continue
            if any(passed <= leaf < index for leaf in leaves):
                yield f"if leaf < {index}:"
                yield f"    fired.append(every[leaf]); leaf = {len(ordered)}"
            passed = index
            yield f"if {self.truth(parsed.when)}: fired.append(r{index})"
        if leaves:
            yield f"if leaf < {len(ordered)}: fired.append(every[leaf])"

    def walk(self, tree: "Tree") -> Iterator[str]:
        """Write the walk down a tree; at its end `leaf` is the rule reached."""
        if tree.atom is None:
            yield f"leaf = {next(iter(tree.leaves))}"
            return
        test = self.truth(tree.atom)
        yield f"if {test if tree.yes else f'not {test}'}:"
        first, second = (tree.yes, tree.no) if tree.yes else (tree.no, None)
        if first is not None:
            yield from (f"    {line}" for line in self.walk(first))
        if second is not None:
            yield "else:"
            yield from (f"    {line}" for line in self.walk(second))


def _cost(tree: Expression) -> int:
    """Rank conditions by what testing them costs; a sign is cheaper than a comparison."""
    term = tree.term if isinstance(tree, Not) else tree
    return 0 if isinstance(term, Name | Constant) else 1 if isinstance(term, Compare) else 2


def _halved(value: str, bands: Sequence[tuple[float, int]]) -> str:
    """Write the points of a number by halving its bands."""
    if len(bands) == 1:
        return str(bands[0][1])
    middle = (len(bands) - 1) // 2
    below, above = _halved(value, bands[: middle + 1]), _halved(value, bands[middle + 1 :])
    return f"({below} if {value} <= {bands[middle][0]!r} else {above})"


class Tree(msgspec.Struct, frozen=True):
    """A decision tree found in rules: an atom to test, or one leaf; any walk fires one rule."""

    leaves: frozenset[int]
    atom: Expression | None = None
    yes: "Tree | None" = None
    no: "Tree | None" = None


def grow(rules: Mapping[int, Literals]) -> Tree:
    """Find the decision tree in conjunctions: the atom that most of them test comes first.

    Args:
        rules: What each rule still requires.

    Returns:
        A tree of some of the rules; those that don't test its atoms are left out.
    """
    done = [index for index, found in rules.items() if not found]
    count = Counter(atom for found in rules.values() for atom in found)
    if not count or len(done) > len(rules) // 2:
        return Tree(frozenset(done[:1]))
    atom, _ = count.most_common(1)[0]
    sides: dict[bool, dict[int, Literals]] = {True: {}, False: {}}
    for index, found in rules.items():
        if atom in found:
            rest = {other: side for other, side in found.items() if other != atom}
            sides[found[atom]][index] = rest
    yes, no = (grow(sides[side]) if sides[side] else None for side in (True, False))
    leaves = [branch.leaves for branch in (yes, no) if branch is not None]
    return Tree(frozenset().union(*leaves), atom, yes, no)


def _conjunction(tree: Expression) -> Literals | None:
    """Give a condition as atoms with the truth that each must have, or None if it is more."""
    found: Literals = {}
    terms: list[Expression] = list(tree.terms) if isinstance(tree, And) else [tree]
    for term in terms:
        if isinstance(term, And):
            terms.extend(term.terms)
            continue
        side = True
        atom: Expression = term
        while isinstance(atom, Not):
            side, atom = not side, atom.term
        if isinstance(atom, And | Or | Constant):
            return None
        if isinstance(atom, Compare) and (opposite := _OPPOSITE.get(atom.op)) is not None:
            side, atom = not side, Compare(atom.left, opposite, atom.right)
        if found.setdefault(atom, side) is not side:
            return None
    return found
