import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.expression import (
    ExpressionError,
    Interval,
    Truth,
    evaluate,
    kleene_and,
    kleene_not,
    kleene_or,
    names,
    parse,
    undetermined,
)

TRUTHS: list[Truth] = [True, False, None]


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        (True, True, True, True),
        (True, False, False, True),
        (True, None, None, True),
        (False, False, False, False),
        (False, None, False, None),
        (None, None, None, None),
    ],
)
def test_and_and_or_follow_kleenes_tables(a: Truth, b: Truth, both: Truth, either: Truth) -> None:
    assert kleene_and([a, b]) is both
    assert kleene_and([b, a]) is both
    assert kleene_or([a, b]) is either
    assert kleene_or([b, a]) is either


def test_not_keeps_unknown_unknown() -> None:
    assert [kleene_not(truth) for truth in TRUTHS] == [False, True, None]


def test_unknown_is_never_false() -> None:
    assert evaluate(parse("a"), {}) is None
    assert evaluate(parse("not a"), {}) is None
    assert evaluate(parse("a and b"), {"a": True}) is None
    assert evaluate(parse("n >= 3"), {}) is None


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a.b",
        "a[0]",
        "a + 1",
        "lambda: 1",
        "a if b else c",
        "a is None",
        "a in b",
        "[a]",
        "f'{a}'",
        "a := 1",
        "",
        "a b",
        "None",
        "b'x'",
        "(" * 300 + "a" + ")" * 300,
        "not " * 40 + "a",
        "a or " * 1000 + "a",
    ],
)
def test_anything_but_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


@given(st.text(max_size=80))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError:
        return
    assert evaluate(tree, {}) in TRUTHS


def test_a_settled_branch_does_not_count_as_undetermined() -> None:
    tree = parse("(a and b) or c")
    assert undetermined(tree, {"a": False}) == {"c"}
    assert undetermined(tree, {"c": True}) == frozenset()
    assert undetermined(tree, {}) == {"a", "b", "c"}


def test_a_chain_is_the_conjunction_of_its_links() -> None:
    tree = parse("3 < n <= 5")
    assert [evaluate(tree, {"n": value}) for value in (3, 4, 5, 6)] == [False, True, True, False]


@given(
    low=st.integers(0, 10),
    width=st.integers(0, 5),
    bound=st.integers(0, 12),
    op=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
)
def test_an_interval_compares_as_all_of_its_values_do(
    low: int, width: int, bound: int, op: str
) -> None:
    tree = parse(f"s {op} {bound}")
    got = evaluate(tree, {"s": Interval(low, low + width)})
    each = {evaluate(tree, {"s": float(value)}) for value in range(low, low + width + 1)}
    assert got is (each.pop() if len(each) == 1 else None)


@given(st.dictionaries(st.sampled_from("abcd"), st.booleans()), st.sampled_from("abcd"))
def test_one_more_value_never_unsettles_a_condition(known: dict[str, bool], extra: str) -> None:
    tree = parse("(a and not b) or (c and (b or d)) or not (a or d)")
    before = evaluate(tree, known)
    for value in (True, False):
        after = evaluate(tree, {extra: value} | known)
        assert before is None or after is before


def test_names_lists_every_name_once() -> None:
    assert names(parse("a and (b > 3 or not a)")) == {"a", "b"}
