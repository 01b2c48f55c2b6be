"""Signatures of webhooks and the table of retries, against Standard Webhooks 1.0.0."""

import base64
import hashlib
import hmac
import itertools

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from events import webhook_errand, webhook_signing
from kernel import ids
from kernel.crypto import KeyRing

BODY = b'{"number":1}'
RING = KeyRing(bytes(32))


def test_an_hmac_signature_is_the_one_of_the_published_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = webhook_signing.signature(
        "v1", secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_ed25519_signature_verifies_with_the_public_key_and_no_other() -> None:
    subscription = ids.uuid7()
    secret, other = (webhook_signing.seed(RING, subscription, one) for one in (1, 2))
    told = webhook_signing.headers("v1a", [secret], "m1", 1000, BODY)
    scheme, _, text = told["webhook-signature"].partition(",")
    raw = base64.b64decode(text)
    key = webhook_signing.verifying_key("v1a", secret)
    assert scheme == "v1a"
    assert key.startswith("whpk_")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_")))
    public.verify(raw, b"m1.1000." + BODY)
    strange = webhook_signing.verifying_key("v1a", other).removeprefix("whpk_")
    for key_text, message in (
        (strange, b"m1.1000." + BODY),
        (key.removeprefix("whpk_"), b"m1.1001." + BODY),
        (key.removeprefix("whpk_"), b"m2.1000." + BODY),
        (key.removeprefix("whpk_"), b"m1.1000." + BODY + b" "),
    ):
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(base64.b64decode(key_text)).verify(raw, message)


def test_while_keys_overlap_a_receiver_with_either_one_accepts() -> None:
    subscription = ids.uuid7()
    secrets = [webhook_signing.seed(RING, subscription, one) for one in (2, 1)]
    told = webhook_signing.headers("v1", secrets, "m1", 1000, BODY)
    signatures = told["webhook-signature"].split(" ")
    assert len(signatures) == 2
    for secret in secrets:
        shared = webhook_signing.verifying_key("v1", secret).removeprefix("whsec_")
        mine = hmac.digest(base64.b64decode(shared), b"m1.1000." + BODY, hashlib.sha256)
        assert f"v1,{base64.b64encode(mine).decode()}" in signatures


def test_keys_of_subscriptions_and_generations_have_nothing_in_common() -> None:
    seeds = {
        webhook_signing.seed(RING, subscription, generation)
        for subscription in (ids.uuid7(), ids.uuid7())
        for generation in range(1, 50)
    }
    assert len(seeds) == 98
    assert all(len(one) == 32 for one in seeds)


def test_retries_follow_the_table_of_the_standard() -> None:
    hours = 3600
    waits = [webhook_errand.again_in(one, 0, urgent=False) for one in range(1, 11)]
    assert waits == [
        5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None,
    ]  # fmt: skip
    assert sum(one for one in waits if one) == 75 * hours + 35 * 60 + 5


def test_a_handoff_is_tried_five_times_within_a_minute() -> None:
    waits = [webhook_errand.again_in(one, 0, urgent=True) or 0 for one in range(1, 5)]
    assert list(itertools.accumulate(waits))[-1] <= 60
    assert len(waits) + 1 == 5
    assert webhook_errand.again_in(5, 0, urgent=True) == 300


def test_the_wish_of_the_receiver_is_honoured_within_a_day() -> None:
    assert webhook_errand.again_in(1, 120, urgent=False) == 120
    assert webhook_errand.again_in(1, 10**6, urgent=False) == 86_400
    assert webhook_errand.again_in(2, 3, urgent=False) == 300
