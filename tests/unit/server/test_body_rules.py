"""What a body may be, by property: plain JSON passes, ambiguous or hostile JSON is refused."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import errors
from server import bodies

plain = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=20,
)


def code_of(body: bytes) -> str:
    with pytest.raises(errors.Malformed) as refused:
        bodies.check_json(body)
    return refused.value.code


@given(values, st.booleans())
def test_plain_json_passes(value: Any, escaped: bool) -> None:
    bodies.check_json(json.dumps(value, ensure_ascii=escaped).encode())


@given(values, plain)
def test_a_key_that_stands_twice_is_found_at_any_depth(value: Any, key: str) -> None:
    twice = f"{{{json.dumps(key)}: 1, {json.dumps(key)}: 2}}"
    assert code_of(f"[{json.dumps(value)}, {twice}]".encode()) == "key_repeated"


@given(st.integers(bodies.DEEPEST + 1, 5_000), st.sampled_from(["[]", '{"a":}']))
def test_deep_nesting_is_found(depth: int, kind: str) -> None:
    opening, closing = (kind[0], kind[1]) if kind == "[]" else ('{"a":', "}")
    inner = "1" if kind != "[]" else ""
    assert code_of((opening * depth + inner + closing * depth).encode()) == "nested_too_deep"


def test_the_deepest_allowed_nesting_passes() -> None:
    bodies.check_json(b"[" * bodies.DEEPEST + b"]" * bodies.DEEPEST)


@given(plain)
def test_brackets_in_a_text_are_no_nesting(text: str) -> None:
    bodies.check_json(json.dumps([text + "[{" * 100 + '"\\']).encode())


@given(plain, plain)
def test_a_nul_is_found_raw_and_escaped(before: str, after: str) -> None:
    assert code_of(json.dumps(before + "\0" + after).encode()) == "nul_in_text"
    assert code_of(b'"' + b"\0" + b'"') == "nul_in_text"


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    bodies.check_json(b'"\\\\u0000"')


@given(st.binary(max_size=64))
def test_any_bytes_pass_or_are_refused(raw: bytes) -> None:
    for check in (bodies.check_json, bodies.check_form, bodies.check_query):
        with contextlib.suppress(errors.Malformed):
            check(raw)


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
def test_integers_beyond_64_bits_are_refused(value: int) -> None:
    assert code_of(str(value).encode()) == "number_out_of_range"


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 60_000 + b"[]]",
        b'["' + b"\\\\" * 100_000 + b'"]' + b"[" * 40,
        b'["' + b'\\"' * 100_000 + b"[" * 40,
        b'"' * 200_000,
        b'"\\' * 100_000,
        b"9" * 250_000,
        b"\\" * 200_000 + b"u0000",
    ],
    ids=["flat", "backslashes", "quotes", "open", "escapes", "digits", "run"],
)
def test_the_worst_body_costs_little(body: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(errors.Malformed):
        bodies.check_json(body)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("query", [b"a=%00", b"a=%1b", b"a=\x7f"], ids=["nul", "esc", "del"])
def test_control_signs_in_a_query_are_refused(query: bytes) -> None:
    with pytest.raises(errors.Malformed, match="control"):
        bodies.check_query(query)
