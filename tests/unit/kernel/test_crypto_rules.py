"""Sealing: a text opens in its own place only; tokens are equal for equal values only."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import crypto, errors, ids
from kernel.crypto import DataKey, KeyRing

KEY = DataKey(id=UUID(int=1), secret=b"k" * 32)
ROW = UUID(int=7)
PLACE = "triage.caller.name"
texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=500)


@given(texts)
def test_a_sealed_text_opens_in_its_place(text: str) -> None:
    assert crypto.unseal(KEY, PLACE, ROW, crypto.seal(KEY, PLACE, ROW, text)) == text


@given(texts)
def test_the_same_text_is_never_sealed_alike(text: str) -> None:
    assert crypto.seal(KEY, PLACE, ROW, text) != crypto.seal(KEY, PLACE, ROW, text)


@given(texts, st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_noticed(text: str, place: int, change: int) -> None:
    sealed = bytearray(crypto.seal(KEY, PLACE, ROW, text))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(errors.Conflict, match="belong") as refused:
        crypto.unseal(KEY, PLACE, ROW, bytes(sealed))
    assert refused.value.code == "sealed_text_broken"


@pytest.mark.parametrize(
    ("key", "place", "row"),
    [
        (DataKey(id=UUID(int=2), secret=b"k" * 32), PLACE, ROW),
        (DataKey(id=UUID(int=1), secret=b"x" * 32), PLACE, ROW),
        (KEY, "triage.caller.phone", ROW),
        (KEY, PLACE, UUID(int=8)),
    ],
)
def test_a_text_moved_elsewhere_does_not_open(key: DataKey, place: str, row: UUID) -> None:
    sealed = crypto.seal(KEY, PLACE, ROW, "Obviously Fictitious")
    with pytest.raises(errors.Conflict):
        crypto.unseal(key, place, row, sealed)


@given(texts, texts)
def test_tokens_are_equal_for_equal_values_of_one_kind_only(one: str, other: str) -> None:
    ring = KeyRing(b"m" * 32)
    assert (ring.token("phone", one) == ring.token("phone", other)) == (one == other)
    assert ring.token("phone", one) != ring.token("ins", one)
    assert ring.token("phone", one) != KeyRing(b"n" * 32).token("phone", one)


def test_pseudonyms_differ_per_recipient() -> None:
    ring, case = KeyRing(b"m" * 32), UUID(int=5)
    first, second = ring.pseudonym(UUID(int=1), case), ring.pseudonym(UUID(int=2), case)
    assert first != second
    assert first == ring.pseudonym(UUID(int=1), case)
    assert len(first) == 32


def test_a_key_never_shows_its_secret() -> None:
    assert "kkk" not in repr(KEY)


def test_a_master_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    first = crypto.ensure_master(path)
    assert crypto.ensure_master(path) == first
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("ab" * 31, "ascii")
    with pytest.raises(ValueError, match="64 hexadecimal"):
        crypto.read_master(path)


def test_ids_made_later_sort_later_and_say_version_7() -> None:
    made = [ids.uuid7() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    milliseconds = [one.int >> 80 for one in made]
    assert milliseconds == sorted(milliseconds)
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {"specified in RFC 4122"}
