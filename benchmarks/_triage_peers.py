"""The table of `_triage_table` in the language of each peer, as its documentation advises.

Each peer is built once; what is timed is one decision on a case in the shape it wants.
"""

import importlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks._triage_table import BANDS, FIELDS, SIGNS, Answer, Case, Path, Table, Test


class Peer(msgspec.Struct, frozen=True):
    """One engine: its name, the cases in its shape, a decision, and how to read the decision."""

    name: str
    cases: list[Any]
    decide: Callable[[Any], Any]
    answer: Callable[[Any], Answer]


def peers(rules: Table, cases: Sequence[Case]) -> tuple[list[Peer], list[str]]:
    """Build every peer that is installed; give the names of those that are not."""
    makers = {
        "zen_expressions": ("zen", zen_expressions),
        "zen_one_expression": ("zen", zen_one_expression),
        "zen_graph": ("zen", zen_graph),
        "rule_engine": ("rule_engine", rule_engine),
        "business_rules": ("business_rules", business_rules),
    }
    found, absent = [], []
    for name, (module, make) in makers.items():
        if importlib.util.find_spec(module) is None:
            absent.append(name)
        else:
            found.append(make(rules, cases))
    return found, absent


def _module(name: str) -> Any:  # noqa: ANN401 - no peer publishes its types
    """Import a peer, only when it is measured."""
    return importlib.import_module(name)


def numbers(cases: Sequence[Case]) -> list[dict[str, float]]:
    """Give cases with signs as 0 and 1."""
    return [{name: float(value) for name, value in case.items()} for case in cases]


def bands(name: str) -> str:
    """Write the points of a field as nested choices."""
    *steps, (_, last) = BANDS[name]
    text = str(last)
    for upper, worth in reversed(steps):
        text = f"({name} <= {upper} ? {worth} : {text})"
    return text


def conjunction(path: Path) -> str:
    """Write a conjunction."""
    return " and ".join(f"{t.field} {'>=' if t.least else '<'} {t.bound}" for t in path)


def choices(leaves: Sequence[tuple[int, Path]], depth: int = 0) -> str:
    """Write the tree as nested choices."""
    if len(leaves) == 1:
        return str(leaves[0][0])
    test: Test = leaves[0][1][depth]
    yes = choices([leaf for leaf in leaves if leaf[1][depth] == test], depth + 1)
    no = choices([leaf for leaf in leaves if leaf[1][depth] != test], depth + 1)
    return f"({conjunction((test,))} ? {yes} : {no})"


def news2() -> str:
    """Write the score as a sum of nested choices."""
    return " + ".join(bands(name) for name in BANDS)


def zen_expressions(rules: Table, cases: Sequence[Case]) -> Peer:
    """Three compiled expressions: the score, the list of flags, the leaf."""
    zen = _module("zen")
    score, flags, tree = (
        zen.compile_expression(text)
        for text in (
            news2(),
            f"[{', '.join(conjunction(path) for path in rules.flags)}]",
            choices(list(enumerate(rules.leaves))),
        )
    )

    def decide(case: dict[str, float]) -> tuple[float, list[bool], float]:
        return score.evaluate(case), flags.evaluate(case), tree.evaluate(case)

    def answer(found: tuple[float, list[bool], float]) -> Answer:
        held = tuple(n for n, flag in enumerate(found[1]) if flag)
        return Answer(int(found[0]), held, int(found[2]))

    return Peer("zen_expressions", numbers(cases), decide, answer)


def zen_one_expression(rules: Table, cases: Sequence[Case]) -> Peer:
    """The same in one expression, which converts the case only once: its fastest use found."""
    zen = _module("zen")
    flags = ", ".join(conjunction(path) for path in rules.flags)
    text = f"[{news2()}, [{flags}], {choices(list(enumerate(rules.leaves)))}]"

    def answer(found: list[Any]) -> Answer:
        held = tuple(n for n, flag in enumerate(found[1]) if flag)
        return Answer(int(found[0]), held, int(found[2]))

    decide = zen.compile_expression(text).evaluate
    return Peer("zen_one_expression", numbers(cases), decide, answer)


def _zen_table(name: str, rows: Sequence[tuple[Path, int]], hit: str) -> dict[str, object]:
    """Write a decision table that gives the number of the row that holds, or of all."""
    fields = sorted({test.field for path, _ in rows for test in path})
    return {
        "id": name,
        "name": name,
        "type": "decisionTableNode",
        "position": {"x": 0, "y": 0},
        "content": {
            "hitPolicy": hit,
            "inputs": [{"id": field, "name": field, "field": field} for field in fields],
            "outputs": [{"id": "out", "name": "out", "field": "out"}],
            "outputPath": name,
            "rules": [
                {
                    "_id": f"{name}{place}",
                    "out": str(result),
                    **{t.field: f"{'>=' if t.least else '<'} {t.bound}" for t in path},
                }
                for place, (path, result) in enumerate(rows)
            ],
        },
    }


def zen_graph(rules: Table, cases: Sequence[Case]) -> Peer:
    """A decision graph of nine tables: seven of bands, the flags, the leaves."""
    zen = _module("zen")
    tables = []
    for name, steps in BANDS.items():
        table = _zen_table(f"band_{name}", [((Test(name, True, 0),), 0)], "first")  # noqa: FBT003
        table["content"]["rules"] = [  # type: ignore[index]
            {"_id": f"{name}{upper}", name: f"<= {upper}", "out": str(worth)}
            for upper, worth in steps
        ]
        tables.append(table)
    tables.append(_zen_table("flags", [(p, n) for n, p in enumerate(rules.flags)], "collect"))
    tables.append(_zen_table("leaf", [(p, n) for n, p in enumerate(rules.leaves)], "first"))
    ends = [
        {"id": name, "name": name, "type": f"{name}Node", "position": {"x": 0, "y": 0}}
        for name in ("input", "output")
    ]
    edges = [
        {"id": f"{a}-{b}", "sourceId": a, "targetId": b, "type": "edge"}
        for table in tables
        for a, b in (("input", table["id"]), (table["id"], "output"))
    ]
    decision = zen.ZenEngine().create_decision(
        json.dumps({"nodes": [*ends, *tables], "edges": edges})
    )

    def answer(found: dict[str, Any]) -> Answer:
        result = found["result"]
        return Answer(
            sum(int(result[f"band_{name}"]["out"]) for name in BANDS),
            tuple(int(one["out"]) for one in result.get("flags") or ()),
            int(result["leaf"]["out"]),
        )

    return Peer("zen_graph", numbers(cases), decision.evaluate, answer)


def rule_engine(rules: Table, cases: Sequence[Case]) -> Peer:
    """One typed rule for the score, one per flag, one for the tree."""
    engine = _module("rule_engine")
    types = dict.fromkeys(FIELDS, engine.DataType.FLOAT)
    context = engine.Context(type_resolver=engine.type_resolver_from_dict(types))
    score = engine.Rule(news2(), context=context)
    flags = [engine.Rule(conjunction(path), context=context) for path in rules.flags]
    tree = engine.Rule(choices(list(enumerate(rules.leaves))), context=context)

    def decide(case: dict[str, float]) -> Answer:
        held = tuple(n for n, flag in enumerate(flags) if flag.matches(case))
        return Answer(int(score.evaluate(case)), held, int(tree.evaluate(case)))

    return Peer("rule_engine", numbers(cases), decide, lambda found: found)


def business_rules(rules: Table, cases: Sequence[Case]) -> Peer:
    """One rule per band, flag and leaf; actions gather what held."""
    actions, engine, fields, variables = (
        _module(f"business_rules.{name}") for name in ("actions", "engine", "fields", "variables")
    )

    def reader(name: str) -> object:
        def read(self: Any) -> Any:  # noqa: ANN401
            return self.case[name]

        read.__name__ = name
        if name in SIGNS:
            return variables.boolean_rule_variable()(read)
        return variables.numeric_rule_variable()(read)

    def action(param: str, act: Callable[[Any, int], None]) -> object:
        return actions.rule_action(params={param: fields.FIELD_NUMERIC})(act)

    def add(self: Any, worth: int) -> None:  # noqa: ANN401
        self.points += worth

    def flag(self: Any, number: int) -> None:  # noqa: ANN401
        self.flags.append(number)

    def reach(self: Any, number: int) -> None:  # noqa: ANN401
        self.leaf = number

    facts: Any = type("Facts", (variables.BaseVariables,), {n: reader(n) for n in FIELDS})
    todo = {"add": action("worth", add), "flag": action("number", flag)}
    acts: Any = type(
        "Acts", (actions.BaseActions,), todo | {"reach": action("number", reach), "points": 0}
    )
    written = [*_band_rules()]
    for name, param, paths in (("flag", "number", rules.flags), ("reach", "number", rules.leaves)):
        written += [_rule(path, name, param, number) for number, path in enumerate(paths)]

    def decide(case: Case) -> Any:  # noqa: ANN401
        known, found = facts(), acts()
        known.case, found.flags = case, []
        engine.run_all(written, known, found)
        return found

    return Peer(
        "business_rules",
        list(cases),
        decide,
        lambda found: Answer(found.points, tuple(found.flags), found.leaf),
    )


def _band_rules() -> list[dict[str, object]]:
    """Write one rule per band."""
    written = []
    for name, steps in BANDS.items():
        below = -1.0
        for upper, worth in steps:
            path: Path = (Test(name, True, below), Test(name, False, upper))  # noqa: FBT003
            if name in SIGNS:
                path = (Test(name, upper > 1, 1),)
            written.append(_rule(path, "add", "worth", worth, above=True))
            below = upper
    return written


def _rule(
    path: Path, action: str, param: str, value: int, *, above: bool = False
) -> dict[str, object]:
    """Write one rule; with above, bounds are of bands: greater than, up to and including."""
    least, below = "greater_than_or_equal_to", "less_than"
    if above:
        least, below = "greater_than", "less_than_or_equal_to"
    tests: list[dict[str, object]] = []
    for test in path:
        if test.field in SIGNS:
            sign = "is_true" if test.least else "is_false"
            tests.append({"name": test.field, "operator": sign, "value": True})
        else:
            operator = least if test.least else below
            tests.append({"name": test.field, "operator": operator, "value": test.bound})
    return {"conditions": {"all": tests}, "actions": [{"name": action, "params": {param: value}}]}
