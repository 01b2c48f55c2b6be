"""Protocols compiled to Python: the three-valued reading of every rule as bit arithmetic.

Source is generated only from the parsed tree: inputs become positions of a flat row, numbers
and words are written by `repr`, and nothing else is ever evaluated. `oracle` reads the same
tree slowly; a differential test compares the two.

A truth is one integer. In *doubt* form it is 0 for true, -1 for false, else the set of inputs
(one bit each, in asking order) that keep it unknown: a conjunction is then `a | b`, as -1 has
every bit. In *hope* form true and false are swapped, a disjunction is `a | b`, and negation
only changes the form.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from triage.expression import (
    And,
    Comparator,
    Compare,
    Constant,
    Expression,
    Name,
    Not,
    Or,
    names,
    walk,
)
from triage.generated import Part, Row, load_source
from triage.protocol import MAX_ITEM_SUFFIX, ParsedItem, ParsedRule, ParsedScore, Protocol

Form: TypeAlias = Literal["doubt", "hope"]

_FLIPPED: Final[dict[Comparator, Comparator]] = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
    "==": "==",
    "!=": "!=",
}


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """The functions of one protocol, over rows in asking order.

    Attributes:
        gate_keys: The inputs of the population's condition.
        gate: Gives that condition in doubt form, over a row of these inputs alone.
        rules: Gives each rule's own condition in doubt form, most severe first and then as in
            the file, and the parts of each score.
        pending: Gives the inputs of which it is unknown whether they apply.
        source: What was compiled, for people.
    """

    gate_keys: tuple[str, ...]
    gate: Callable[[Row], int]
    rules: Callable[[Row], tuple[tuple[int, ...], tuple[tuple[Part, ...], ...]]]
    pending: Callable[[Row], int]
    source: str


def severest_first(protocol: Protocol) -> tuple[ParsedRule, ...]:
    """Give the rules by severity, equal ones as they stand in the file."""
    return tuple(sorted(protocol.rules, key=lambda parsed: parsed.rule.acuity))


def groups(parsed: ParsedScore) -> dict[str, list[ParsedItem]]:
    """Give the items of a score by the group that they count in, in file order."""
    found: dict[str, list[ParsedItem]] = {}
    for entry in parsed.items:
        found.setdefault(entry.item.one_of or entry.item.id, []).append(entry)
    return found


def compile_protocol(protocol: Protocol) -> Compiled:
    """Compile a protocol.

    Args:
        protocol: Parsed and checked by `protocol.decode`.

    Returns:
        Its functions; equal protocols give equal source.
    """
    source = "\n".join([*_gate(protocol), *_rules(protocol), *_pending(protocol), ""])
    made = load_source(compile(source, f"<protocol {protocol.digest[:16]}>", "exec"))
    return Compiled(
        gate_keys=_gate_keys(protocol),
        gate=made["gate"],
        rules=made["rules"],
        pending=made["pending"],
        source=source,
    )


class Writer:
    """Writes the body of one function; what is read twice is computed once."""

    def __init__(
        self, protocol: Protocol, trees: list[Expression], row: tuple[str, ...] | None = None
    ) -> None:
        """Begin a function that will write these trees, over a row of these inputs (or all)."""
        keys = [entry.key for entry in protocol.file.inputs]
        self.order = {key: index for index, key in enumerate(keys)}
        self.place = {key: index for index, key in enumerate(keys if row is None else row)}
        self.type = {e.key: e.type for e in protocol.file.inputs}
        self.scores = {parsed.score.id: n for n, parsed in enumerate(protocol.scores)}
        self.broken = 1 << len(keys)
        self.lines: list[str] = []
        self.known: dict[tuple[Expression, Form], str] = {}
        self.uses = Counter(node for tree in trees for node in walk(tree))
        self.read: set[int] = set()

    def value(self, key: str) -> str:
        """Give the variable that holds an input's answer."""
        self.read.add(self.place[key])
        return f"v{self.place[key]}"

    def bit(self, key: str) -> int:
        """Give the bit of an input."""
        return 1 << self.order[key]

    def truth(self, tree: Expression, form: Form) -> str:
        """Give an expression, without operators but `|`, for a condition in a form."""
        if isinstance(tree, Not):
            return self.truth(tree.term, "hope" if form == "doubt" else "doubt")
        if isinstance(tree, Constant):
            return "-1" if (tree.value is True) == (form == "hope") else "0"
        found = self.known.get((tree, form))
        if found is not None:
            return found
        natural: Form = "doubt" if isinstance(tree, And) else "hope"
        if form != natural:
            other = self.variable(self.truth(tree, natural))
            name = self.variable(f"{other} if {other} > 0 else ~{other}")
        elif isinstance(tree, And | Or):
            joined = " | ".join([self.truth(term, form) for term in tree.terms])
            if self.uses[tree] < 2:  # noqa: PLR2004 - read once: no variable is needed
                return joined
            name = self.variable(joined)
        else:
            name = self.variable(self.atom(tree))
        self.known[tree, form] = name
        return name

    def variable(self, text: str) -> str:
        """Give a variable that holds an expression."""
        if text.isidentifier():
            return text
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def atom(self, tree: Compare | Name) -> str:
        """Give a name or a comparison in hope form."""
        if isinstance(tree, Name):
            value = self.value(tree.name)
            return f"{self.bit(tree.name)} if {value} is None else -{value}"
        left, op, right = tree.left, tree.op, tree.right
        if isinstance(left, Constant) and isinstance(right, Name):
            left, op, right = right, _FLIPPED[op], left
        if isinstance(left, Name) and isinstance(right, Constant):
            literal = repr(right.value)
            if left.name in self.place:
                value = self.value(left.name)
                return f"{self.bit(left.name)} if {value} is None else -({value} {op} {literal})"
            if op in {"<", "<=", ">", ">="}:
                return self.score_atom(left.name, op, literal)
        if any(self.is_word(side) for side in (left, right)):
            return self.word_atom(left, op, right)
        blockers = " | ".join(
            f"({self.bit(side.name)} if {self.value(side.name)} is None else 0)"
            for side in (left, right)
            if isinstance(side, Name) and side.name in self.place
        )
        return f"sides({self.side(left)}, {op!r}, {self.side(right)}, {blockers or 0})"

    def score_atom(self, name: str, op: Comparator, literal: str) -> str:
        """Compare a score with a number, in hope form."""
        low, high, doubt = self.score(name)
        surely, perhaps = (low, high) if op in {">", ">="} else (high, low)
        return f"-1 if {surely} {op} {literal} else {doubt} if {perhaps} {op} {literal} else 0"

    def is_word(self, side: Constant | Name) -> bool:
        """Tell whether one side of a comparison is a word."""
        if isinstance(side, Constant):
            return isinstance(side.value, str)
        return self.type.get(side.name) == "choice"

    def word_atom(self, left: Constant | Name, op: Comparator, right: Constant | Name) -> str:
        """Compare two choices, in hope form."""
        sides = (left, right)
        unknown = " | ".join(
            f"({self.bit(side.name)} if {self.value(side.name)} is None else 0)"
            for side in sides
            if isinstance(side, Name)
        )
        texts = [self.value(s.name) if isinstance(s, Name) else repr(s.value) for s in sides]
        return f"{unknown or 0} or -({texts[0]} {op} {texts[1]})"

    def score(self, name: str) -> tuple[str, str, str]:
        """Give the variables of a score or of its largest item: least, most, open inputs."""
        if name in self.scores:
            number = self.scores[name]
            return f"low{number}", f"high{number}", f"doubt{number}"
        number = self.scores[name.removesuffix(MAX_ITEM_SUFFIX)]
        return f"maxlow{number}", f"maxhigh{number}", f"doubt{number}"

    def side(self, node: Constant | Name) -> str:
        """Give one side of a comparison as (least, most, inputs that keep it open)."""
        if isinstance(node, Constant):
            return f"({node.value!r}, {node.value!r}, 0)"
        if node.name in self.place:
            value = self.value(node.name)
            return f"(None if {value} is None else ({value}, {value}, 0))"
        return "({}, {}, {})".format(*self.score(node.name))

    def function(self, name: str, result: str) -> Iterator[str]:
        """Give the whole function."""
        yield f"def {name}(row):"
        if self.read:
            yield f"    {''.join(f'v{n}, ' for n in range(len(self.place)))}= row"
        yield from (f"    {line}" for line in self.lines)
        yield f"    return {result}"


def _gate_keys(protocol: Protocol) -> tuple[str, ...]:
    """Give the inputs of the population's condition, in asking order."""
    asked = names(protocol.gate)
    return tuple(entry.key for entry in protocol.file.inputs if entry.key in asked)


def _gate(protocol: Protocol) -> Iterator[str]:
    """Write the population's condition."""
    writer = Writer(protocol, [protocol.gate], _gate_keys(protocol))
    result = writer.truth(protocol.gate, "doubt")
    return writer.function("gate", result)


def _pending(protocol: Protocol) -> Iterator[str]:
    """Write which inputs apply only perhaps."""
    trees = [e.applies for e in protocol.inputs if e.applies is not None]
    writer = Writer(protocol, trees)
    terms = []
    for entry in protocol.inputs:
        if entry.applies is not None:
            doubt = writer.variable(writer.truth(entry.applies, "doubt"))
            terms.append(f"({writer.bit(entry.input.key)} if {doubt} > 0 else 0)")
    return writer.function("pending", " | ".join(terms) or "0")


def _rules(protocol: Protocol) -> Iterator[str]:
    """Write every score and every rule."""
    ordered = severest_first(protocol)
    trees: list[Expression] = [parsed.when for parsed in ordered]
    for parsed in protocol.scores:
        for item in parsed.items:
            trees += [t for t in (item.when, item.applies, item.points_if) if t is not None]
    writer = Writer(protocol, trees)
    results = []
    for number, parsed in enumerate(protocol.scores):
        parts = [
            write_group(writer, f"{number}_{n}", entries)
            for n, entries in enumerate(groups(parsed).values())
        ]
        _total(writer, number, parts)
        results.append(f"({''.join(f'({low}, {high}, {doubt}), ' for low, high, doubt in parts)})")
    own = "".join(f"{writer.truth(parsed.when, 'doubt')}, " for parsed in ordered)
    return writer.function("rules", f"({own}), ({''.join(f'{r}, ' for r in results)})")


def _total(writer: Writer, number: int, parts: list[tuple[str, str, str]]) -> None:
    """Write the sums and the largest items of a score."""
    lows, highs, doubts = zip(*parts, strict=True) if parts else (("0",), ("0",), ("0",))
    writer.lines += [
        f"low{number} = {' + '.join(lows)}",
        f"high{number} = {' + '.join(highs)}",
        f"doubt{number} = {' | '.join(doubts)}",
        f"maxlow{number} = max({', '.join(lows)}, {lows[0]})",
        f"maxhigh{number} = max({', '.join(highs)}, {highs[0]})",
    ]


def write_group(writer: Writer, name: str, entries: list[ParsedItem]) -> tuple[str, str, str]:
    """Write the points of one item or group; the rule of hulls is that of `scoring`.

    Returns:
        The variables of the least and most points and of the inputs that keep them open.
    """
    low, high, doubt = f"l{name}", f"h{name}", f"m{name}"
    if len(entries) == 1 and entries[0].when is None and entries[0].applies is None:
        writer.lines += _points(writer, entries[0], low, high, doubt)
        writer.lines.append(f"if {low} == {high}: {doubt} = 0")
        return low, high, doubt
    exclusive = entries[0].item.one_of is not None
    writer.lines += [f"{low} = inf", f"{high} = -inf", f"{doubt} = 0"]
    for entry in entries:
        gate, applies = (
            "0" if tree is None else writer.variable(writer.truth(tree, "doubt"))
            for tree in (entry.when, entry.applies)
        )
        points = _points(writer, entry, "pl", "ph", "pm")
        zero = f"{applies} > 0" if exclusive else f"({gate}) | ({applies}) > 0"
        writer.lines += [
            f"if {gate} >= 0:",
            f"    {doubt} |= {gate}",
            f"    if {applies} >= 0:",
            *(f"        {line}" for line in points),
            f"        {doubt} |= {applies} | pm",
            f"        if pl < {low}: {low} = pl",
            f"        if ph > {high}: {high} = ph",
            f"    if {applies} < 0 or ({zero}):",
            f"        if {low} > 0: {low} = 0",
            f"        if {high} < 0: {high} = 0",
        ]
    writer.lines += [
        f"if {low} > {high}: {low} = {high} = 0",
        f"if {low} == {high}: {doubt} = 0",
        f"elif not {doubt}: {doubt} = {writer.broken}",
    ]
    return low, high, doubt


def _points(writer: Writer, entry: ParsedItem, low: str, high: str, doubt: str) -> list[str]:
    """Give the lines that set the points of an item that is gated in."""
    item = entry.item
    if entry.points_if is not None:
        hope = writer.variable(writer.truth(entry.points_if, "hope"))
        return [
            f"if {hope} > 0:",
            f"    {low} = {min(0, item.points)}; {high} = {max(0, item.points)}; {doubt} = {hope}",
            f"else: {low} = {high} = {hope} * {-item.points}; {doubt} = 0",
        ]
    key = item.input or ""
    value = writer.value(key)
    if item.map is not None:
        options = list(item.map.values())
        worth = " else ".join(
            f"{points} if {value} == {_choice(writer, key, word)}"
            for word, points in item.map.items()
        )
        chosen = f"{worth} else 0"
    else:
        options = [points for _, points in item.bands]
        steps = [f"{points} if {value} <= {upper!r}" for upper, points in item.bands[:-1]]
        chosen = " else ".join([*steps, str(options[-1])])
    least, most = min(options), max(options)
    return [
        f"if {value} is None: {low} = {least}; {high} = {most}; {doubt} = {writer.bit(key)}",
        f"else: {low} = {high} = {chosen}; {doubt} = 0",
    ]


def _choice(writer: Writer, key: str, word: str) -> str:
    """Write the answer that a word of a map stands for."""
    return repr(word == "true") if writer.type[key] == "bool" else repr(word)
