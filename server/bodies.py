"""What a request body may be: UTF-8, JSON of bounded depth, no doubled key, no NUL, plain numbers.

Pure functions over bytes. A stock decoder lets each of these through to a place where it breaks:
a doubled key hides a value, NUL and lone surrogates can't be stored, deep nesting ends recursion,
a huge integer overflows a column.
"""

import json
import math
import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from kernel import errors

LONGEST: Final = 256 * 1024
"""Bytes of a body."""
DEEPEST: Final = 32
"""Levels of nested arrays and objects."""
_LARGEST: Final = 2**63 - 1
_INTEGER_DIGITS: Final = 20

# The closing quote is optional: an open string is read to its end once, not from each quote in it.
_STRINGS_AND_BRACKETS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_FIELD: Final = re.compile(r"^[a-z_]{1,40}$", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def check_json(body: bytes) -> None:
    """Refuse a JSON body that is ambiguous, not storable or made to hurt.

    Args:
        body: As sent.

    Raises:
        Malformed: `not_utf8`, `nul_in_text`, `nested_too_deep`, `json_unreadable`,
            `key_repeated`, `number_out_of_range` or `lone_surrogate`.
        Invalid: `number_not_finite` with its `path`: NaN or Infinity as a measured `value`.
    """
    text = _utf8(body)
    if b"\0" in body or (b"\\u0000" in body and _ESCAPED_NUL.search(body)):
        raise errors.Malformed("nul_in_text", "The body holds a NUL character.")
    _check_depth(body)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_no_key_twice,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=float,
        )
    except ValueError as error:
        raise errors.Malformed("json_unreadable", "The body is not JSON.") from error
    if b"NaN" in body or b"Infinity" in body:
        _refuse_not_finite(value, "$")
    if b"\\u" in body:
        _check_surrogates(value)


def check_form(body: bytes) -> None:
    """Refuse a form body that holds what can't be stored.

    Args:
        body: application/x-www-form-urlencoded, as sent.

    Raises:
        Malformed: `not_utf8` or `nul_in_text`.
    """
    text = _utf8(unquote_to_bytes(body.replace(b"+", b" ")))
    if _CONTROL.search(text):
        raise errors.Malformed("nul_in_text", "The form holds a control character.")


def check_query(query: bytes) -> None:
    """Refuse a query string that holds what no parameter may hold.

    Args:
        query: As sent, percent-encoded.

    Raises:
        Malformed: `not_utf8` or `nul_in_text`.
    """
    if query:
        text = _utf8(unquote_to_bytes(query.replace(b"+", b" ")))
        if _CONTROL.search(text):
            raise errors.Malformed("nul_in_text", "A parameter holds a control character.")


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.Malformed("not_utf8", "The text is not UTF-8.") from error


def _check_depth(body: bytes) -> None:
    """Count open brackets outside strings; cheap bodies are let through at once."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(body):
        sign = match[0]
        if sign in {b"[", b"{"}:
            depth += 1
            if depth > DEEPEST:
                raise errors.Malformed(
                    "nested_too_deep", "The body is nested too deep.", deepest=DEEPEST
                )
        elif sign in {b"]", b"}"}:
            depth -= 1


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise errors.Malformed("key_repeated", "An object of the body has the same key twice.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_DIGITS or not -_LARGEST - 1 <= (value := int(digits)) <= _LARGEST:
        raise errors.Malformed("number_out_of_range", "An integer of the body is too large.")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise errors.Malformed("number_out_of_range", "A number of the body is too large.")
    return value


def _refuse_not_finite(value: object, path: str) -> None:
    """Refuse NaN and Infinity: as content where something was measured, else as no JSON."""
    if isinstance(value, dict):
        for key, part in value.items():
            _refuse_not_finite(part, f"{path}.{key if _FIELD.match(key) else '?'}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _refuse_not_finite(part, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        if path.endswith("].value"):
            raise errors.Invalid(
                "number_not_finite", "What was measured is no number.", path=path, value=str(value),
                allowed="a finite number",
            )  # fmt: skip
        raise errors.Malformed("json_unreadable", "NaN and Infinity are not JSON.")


def _check_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise errors.Malformed(
            "lone_surrogate", "A text of the body holds half a character."
        ) from error
