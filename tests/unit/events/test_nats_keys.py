"""Keys and tokens in the form of NATS."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from events import auth_callout, nkeys
from kernel import ids

SEED = nkeys.new_seed()


def test_a_seed_gives_an_account_key() -> None:
    assert SEED.startswith("SA")
    assert auth_callout.issuer_public_key(SEED).startswith("A")
    assert len(auth_callout.issuer_public_key(SEED)) == 56


# The last letter carries two bits that mean nothing.
@given(st.integers(0, 56), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_changed_seed_is_refused(place: int, letter: str) -> None:
    changed = SEED[:place] + letter + SEED[place + 1 :]
    if changed == SEED:
        return
    with pytest.raises(nkeys.SeedError):
        nkeys.Signer(changed)


@pytest.mark.parametrize("text", ["", "SA", "not a seed", "é", "A" * 58])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(nkeys.SeedError):
        nkeys.Signer(text)


def test_a_token_carries_its_claims_and_verifies() -> None:
    signer = nkeys.Signer(SEED)
    token = signer.sign({"sub": "U"}, 1)
    head, claims, signature = token.split(".")
    raw = base64.b32decode(signer.public_key)[1:33]
    Ed25519PublicKey.from_public_bytes(raw).verify(
        base64.urlsafe_b64decode(signature + "=="), f"{head}.{claims}".encode()
    )
    found = msgspec.json.decode(nkeys.claims_of(token.encode()))
    assert (found["sub"], found["iss"], found["iat"]) == ("U", signer.public_key, 1)


def test_a_grant_is_the_own_consumer_and_one_private_inbox() -> None:
    subscription = ids.uuid7()
    granted = auth_callout.permissions("someone", [subscription])
    assert granted == {
        "pub": {
            "allow": [
                f"$JS.API.CONSUMER.MSG.NEXT.OUT.{subscription}",
                f"$JS.hub.API.CONSUMER.MSG.NEXT.OUT.{subscription}",
                f"$JS.ACK.OUT.{subscription}.>",
            ]
        },
        "sub": {"allow": ["_INBOX_someone.>"]},
    }
