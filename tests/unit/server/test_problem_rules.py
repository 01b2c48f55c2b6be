"""Every error has one status; no message quotes what a client sent."""

import asyncio
import re
from typing import Literal

import asyncpg
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from litestar.exceptions import (
    ClientException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from kernel import errors
from server import auth, problems

SECRET = "Obviously Fictitious"

EXPECTED: tuple[tuple[Exception, int, str], ...] = (
    (errors.Malformed("a"), 400, "a"),
    (errors.Unauthenticated("a"), 401, "a"),
    (errors.Forbidden("a"), 403, "a"),
    (errors.Missing("a"), 404, "a"),
    (errors.Conflict("a"), 409, "a"),
    (errors.Expired("a"), 410, "a"),
    (errors.Invalid("a"), 422, "a"),
    (errors.TooEarly("a"), 425, "a"),
    (errors.Limited("a"), 429, "a"),
    (errors.Unavailable("a"), 503, "a"),
    (NotFoundException(), 404, "route_unknown"),
    (MethodNotAllowedException(headers={"allow": "GET"}), 405, "method_not_allowed"),
    (ValidationException(detail=SECRET), 400, "value_unreadable"),
    (ClientException(detail=SECRET), 400, "request_unreadable"),
    (ClientException(detail=SECRET, status_code=413), 413, "body_too_large"),
    (msgspec.ValidationError(SECRET), 400, "value_unreadable"),
    (msgspec.DecodeError(SECRET), 400, "json_unreadable"),
    (UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET), 400, "value_not_storable"),
    (RecursionError(SECRET), 400, "nested_too_deep"),
    (asyncpg.DataError(SECRET), 400, "value_not_storable"),
    (asyncpg.CharacterNotInRepertoireError(SECRET), 400, "value_not_storable"),
    (asyncpg.UntranslatableCharacterError(SECRET), 400, "value_not_storable"),
    (asyncpg.DeadlockDetectedError(SECRET), 503, "database_busy"),
    (asyncpg.ConnectionDoesNotExistError(SECRET), 503, "database_away"),
    (asyncpg.AdminShutdownError(SECRET), 503, "database_away"),
    (asyncpg.TooManyConnectionsError(SECRET), 503, "database_away"),
    (asyncpg.InternalClientError(SECRET), 503, "database_away"),
    (ConnectionRefusedError(SECRET), 503, "database_away"),
    (TimeoutError(SECRET), 503, "database_away"),
    (asyncio.IncompleteReadError(b"", 1), 500, "internal_error"),
    (KeyError(SECRET), 500, "internal_error"),
)


def test_every_error_has_its_status_and_quotes_nothing() -> None:
    for error, status, code in EXPECTED:
        refusal = problems.refusal_of(error)
        assert (problems.status_of(refusal).value, refusal.code) == (status, code), error
        body = problems.body_of(refusal, "r-1")
        assert SECRET.encode() not in body
        assert msgspec.json.decode(body, type=problems.Problem).status == status


def test_every_family_of_the_kernel_has_a_status() -> None:
    families = {
        one for one in errors.RegulError.__subclasses__() if one.__module__ == errors.__name__
    }
    assert families <= set(problems.STATUSES)


def test_what_may_be_tried_again_says_when() -> None:
    assert problems.headers_of(errors.Unavailable("a", "b", 7)) == {"retry-after": "7"}
    assert problems.headers_of(errors.TooEarly("a")) == {"retry-after": "1"}
    assert problems.headers_of(errors.Conflict("a")) == {}


OWN_WORDS = (
    "Expected `array`, got `str`. Invalid enum value. Object contains unknown field. "
    "{'path': '$.items[0].kind'} Expected another value."
)


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """Something nested."""

    kind: Literal["one", "two"]
    count: int = 0


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    """Something with a list."""

    items: list[Inner]


def refusal_for(body: bytes) -> errors.RegulError:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(body, type=Outer)
    return problems.refusal_of(refused.value)


def test_a_refused_value_is_named_by_its_path_and_what_was_expected() -> None:
    refusal = refusal_for(b'{"items": [{"kind": "one", "count": "x"}]}')
    assert refusal.fields["path"] == "$.items[0].count"
    assert str(refusal) == "Expected `int`, got `str`."


@example("a0¹")
@given(st.text(min_size=3).filter(lambda text: text.strip() and text not in {"one", "two"}))
def test_no_value_of_the_client_comes_back(text: str) -> None:
    for body in ({"items": [{"kind": text}]}, {"items": [], text: 1}, {"items": text}):
        refusal = refusal_for(msgspec.json.encode(body))
        told = f"{refusal} {refusal.fields}"
        named = re.fullmatch(r"[a-z][a-z0-9_]{0,40}", text) or text in OWN_WORDS
        assert named or text not in told


@given(st.text())
def test_no_sign_in_leads_to_another_site(target: str) -> None:
    safe = auth.safe_next(target)
    assert safe.startswith("/")
    assert not safe.startswith("//")
    assert "\\" not in safe
    assert safe.isprintable()
