"""The grammar of conditions and its three-valued reading, case by case."""

import pytest

from triage.conditions import NUMBER, Term, applicabilities, applicable, condition
from triage.expression import (
    And,
    Compare,
    Constant,
    ExpressionError,
    Interval,
    Name,
    Not,
    Or,
    Truth,
    Value,
    evaluate,
    kleene_and,
    kleene_not,
    kleene_or,
    names,
    parse,
    undetermined,
    walk,
)

X, Y, Z = Name("x"), Name("y"), Name("z")
KNOWN = {
    "x": Term(type="bool"),
    "y": Term(type="bool"),
    "n": NUMBER,
    "m": NUMBER,
    "c": Term(type="choice", choices=("red", "blue")),
    "d": Term(type="choice", choices=("red", "green")),
}


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x", X),
        (" x ", X),
        ("not x", Not(X)),
        ("x and y", And((X, Y))),
        ("x or y and z", Or((X, And((Y, Z))))),
        ("x and (y and z)", And((X, And((Y, Z))))),
        ("true", Constant(value=True)),
        ("false", Constant(value=False)),
        ("n >= 3", Compare(Name("n"), ">=", Constant(3.0))),
        ("n < -2.5", Compare(Name("n"), "<", Constant(-2.5))),
        ("c == 'red'", Compare(Name("c"), "==", Constant("red"))),
        ("n != m", Compare(Name("n"), "!=", Name("m"))),
        ("n > 1", Compare(Name("n"), ">", Constant(1.0))),
        ("n <= 1", Compare(Name("n"), "<=", Constant(1.0))),
        (
            "1 <= n < 3",
            And((Compare(Constant(1.0), "<=", Name("n")), Compare(Name("n"), "<", Constant(3.0)))),
        ),
    ],
)
def test_a_condition_parses_to_its_tree(text: str, tree: object) -> None:
    assert parse(text) == tree


def test_numbers_become_floats_and_truths_stay_truths() -> None:
    number, truth = parse("n == 1"), parse("True")
    assert isinstance(number, Compare)
    assert isinstance(number.right, Constant)
    assert type(number.right.value) is float
    assert isinstance(truth, Constant)
    assert truth.value is True


@pytest.mark.parametrize(
    "text",
    ["", "x +", "x + 1", "f(x)", "x if y else z", "n in (1, 2)", "n is 1", "x.y", "[x]", "-x",
     "-'a'", "~x", "not (x", "lambda: x", "x := y", "-True", "b'a'", "1j", "None", "+n", "n >= -x"],
)  # fmt: skip
def test_other_syntax_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_length_and_depth_are_bounded() -> None:
    assert parse("x" + " " * 1999) == X
    with pytest.raises(ExpressionError, match="longer"):
        parse("x" + " " * 2000)
    assert isinstance(parse("not " * 20 + "x"), Not)
    with pytest.raises(ExpressionError, match="deeply"):
        parse("not " * 21 + "x")
    assert isinstance(parse("x and (" * 20 + "y" + ")" * 20), And)
    with pytest.raises(ExpressionError, match="deeply"):
        parse("x and (" * 21 + "y" + ")" * 21)


def test_walking_gives_parents_first_and_names_once() -> None:
    tree = parse("not x and (n >= 3 or m == n)")
    kinds = [type(node).__name__ for node in walk(tree)]
    assert kinds == ["And", "Not", "Name", "Or", "Compare", "Name", "Constant", "Compare", "Name",
                     "Name"]  # fmt: skip
    assert names(tree) == {"x", "n", "m"}
    assert names(parse("true")) == set()


TRUTHS: tuple[Truth, ...] = (True, False, None)


@pytest.mark.parametrize("a", TRUTHS)
@pytest.mark.parametrize("b", TRUTHS)
def test_kleenes_tables(a: Truth, b: Truth) -> None:
    both = False if False in {a, b} else None if None in {a, b} else True
    either = True if True in {a, b} else None if None in {a, b} else False
    assert kleene_and([a, b]) is both
    assert kleene_or([a, b]) is either
    assert kleene_not(a) is (None if a is None else not a)
    values: dict[str, Value] = {"x": a, "y": b}
    assert evaluate(parse("x and y"), values) is both
    assert evaluate(parse("x or y"), values) is either
    assert evaluate(parse("not x"), values) is kleene_not(a)


def test_nothing_joined_is_the_neutral_truth() -> None:
    assert kleene_and([]) is True
    assert kleene_or([]) is False


@pytest.mark.parametrize(
    ("text", "number", "truth"),
    [
        ("n < 3", 3.0, False), ("n < 3", 2.9, True), ("n <= 3", 3.0, True), ("n <= 3", 3.1, False),
        ("n > 3", 3.0, False), ("n > 3", 3.1, True), ("n >= 3", 3.0, True), ("n >= 3", 2.9, False),
        ("n == 3", 3.0, True), ("n == 3", 2.9, False), ("n == 3", 3.1, False),
        ("n != 3", 3.0, False), ("n != 3", 2.9, True),
        ("3 < n", 3.0, False), ("3 < n", 3.1, True), ("3 >= n", 3.0, True), ("3 >= n", 3.1, False),
        ("2 <= n < 3", 2.0, True), ("2 <= n < 3", 3.0, False), ("n < 3", None, None),
        ("n < m", 1.0, None), ("true", None, True), ("false", None, False),
    ],
)  # fmt: skip
def test_numbers_compare_at_the_bound(text: str, number: float | None, truth: Truth) -> None:
    assert evaluate(parse(text), {"n": number}) is truth


@pytest.mark.parametrize(
    ("text", "low", "high", "truth"),
    [
        ("s >= 5", 5, 9, True), ("s >= 5", 4, 5, None), ("s >= 5", 1, 4, False),
        ("s > 5", 6, 9, True), ("s > 5", 5, 6, None), ("s > 5", 1, 5, False),
        ("s < 5", 1, 4, True), ("s < 5", 4, 5, None), ("s < 5", 5, 9, False),
        ("s <= 5", 1, 5, True), ("s <= 5", 5, 6, None), ("s <= 5", 6, 9, False),
        ("s == 5", 5, 5, True), ("s == 5", 4, 6, None), ("s == 5", 5, 6, None),
        ("s == 5", 4, 5, None), ("s == 5", 6, 9, False), ("s == 5", 1, 4, False),
        ("s == 5", 4, 4, False), ("s != 5", 5, 5, False), ("s != 5", 4, 5, None),
        ("s != 5", 6, 9, True), ("5 <= s", 5, 9, True), ("5 <= s", 4, 5, None),
        ("5 == s", 5, 6, None),
    ],
)  # fmt: skip
def test_intervals_compare_by_all_their_completions(
    text: str, low: float, high: float, truth: Truth
) -> None:
    assert evaluate(parse(text), {"s": Interval(low, high)}) is truth


def test_two_intervals_are_equal_only_when_both_are_points() -> None:
    pair: dict[str, Value] = {"s": Interval(3, 3), "t": Interval(3, 3)}
    assert evaluate(parse("s == t"), pair) is True
    assert evaluate(parse("s == t"), pair | {"t": Interval(3, 4)}) is None
    assert evaluate(parse("s == t"), {"s": Interval(2, 3), "t": Interval(3, 3)}) is None


def test_words_compare_by_equality_only() -> None:
    values: dict[str, Value] = {"c": "red", "d": "red"}
    assert evaluate(parse("c == 'red'"), values) is True
    assert evaluate(parse("c != 'red'"), values) is False
    assert evaluate(parse("c == 'blue'"), values) is False
    assert evaluate(parse("c == d"), values) is True
    assert evaluate(parse("c == d"), values | {"d": "green"}) is False
    assert evaluate(parse("c == 'red'"), {}) is None


def test_a_name_that_is_no_truth_is_unknown() -> None:
    assert evaluate(X, {"x": 3.0}) is None
    assert evaluate(X, {"x": "yes"}) is None


@pytest.mark.parametrize(
    ("text", "values", "keep"),
    [
        ("x and y", {"x": True}, {"y"}),
        ("x and y", {"x": False}, set()),
        ("x or y", {"x": False}, {"y"}),
        ("x or y", {"x": True}, set()),
        ("x and y", {}, {"x", "y"}),
        ("not (x and y)", {"x": True}, {"y"}),
        ("(x and y) or z", {"x": False}, {"z"}),
        ("n < m", {"n": 1.0}, {"m"}),
        ("n < m", {"n": 1.0, "m": 2.0}, set()),
        ("s >= 5 or x", {"s": Interval(4, 5)}, {"s", "x"}),
        ("s >= 5 or x", {"s": Interval(4, 4)}, {"x"}),
        ("s >= t", {"s": Interval(4, 5), "t": Interval(5, 5)}, {"s"}),
        ("x", {}, {"x"}),
        ("true", {}, set()),
    ],
)
def test_only_what_can_still_change_a_condition_keeps_it_unknown(
    text: str, values: dict[str, Value], keep: set[str]
) -> None:
    assert undetermined(parse(text), values) == keep


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("q", "unknown name"), ("q >= 1", "unknown name"), ("n", "needs a comparison"),
        ("c", "needs a comparison"), ("x and n", "needs a comparison"),
        ("x == y", "unlike"), ("n == 'red'", "unlike"), ("c == 3", "unlike"),
        ("x == true", "unlike"), ("n == true", "unlike"), ("c < 'red'", "orders words"),
        ("c >= d", "orders words"), ("c == 'green'", "no such choice"),
        ("'green' == c", "no such choice"), ("3", "not a truth"), ("'red'", "not a truth"),
        ("x and 3", "not a truth"), ("x.y", "syntax"),
    ],
)  # fmt: skip
def test_a_condition_uses_names_as_their_types_allow(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        condition(text, KNOWN)


@pytest.mark.parametrize(
    "text",
    ["x", "not x or y", "n >= 3", "3 <= n", "n == m", "c == 'red'", "'blue' != c", "c == d",
     "true", "x and true", "1 < n <= m", "n != 2"],
)  # fmt: skip
def test_a_condition_that_fits_is_given_as_written(text: str) -> None:
    assert condition(text, KNOWN) == parse(text)


def test_an_input_counts_only_where_it_applies() -> None:
    gate = parse("x")
    applies = {"n": gate}
    assert applicable(parse("n >= 3"), applies) == And((gate, parse("n >= 3")))
    assert applicable(parse("y and not n >= 3"), applies) == And(
        (Y, Not(And((gate, parse("n >= 3")))))
    )
    assert applicable(parse("y or m < n"), applies) == Or((Y, And((gate, parse("m < n")))))
    assert applicable(parse("n < n"), applies) == And((gate, parse("n < n")))
    both = {"n": gate, "m": Y}
    assert applicable(parse("m < n"), both) == And((Y, gate, parse("m < n")))
    assert applicable(parse("y"), {"y": gate}) == And((gate, Y))
    assert applicable(parse("m >= 3"), applies) == parse("m >= 3")
    assert applicable(parse("true"), applies) == parse("true")


def test_applicability_nests_and_never_turns_in_a_circle() -> None:
    found = applicabilities({"n": parse("y"), "y": parse("x")})
    assert found == {"y": X, "n": And((X, Y))}
    assert applicabilities({}) == {}
    for trees in ({"x": X}, {"x": Y, "y": X}):
        with pytest.raises(ExpressionError, match="applies only when it applies"):
            applicabilities(trees)
