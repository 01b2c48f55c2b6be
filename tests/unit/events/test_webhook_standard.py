"""A receiver written from the published texts alone accepts our signatures, and no others.

It shares no code with the product: Standard Webhooks 1.0.0 for the message, RFC 2104 for HMAC,
RFC 8032 section 5.1 for ed25519, all in plain arithmetic.
"""

import base64
import hashlib
from collections.abc import Mapping

import pytest

from events import webhook_signing
from events.webhook_signing import Scheme
from kernel import ids
from kernel.crypto import KeyRing

RING = KeyRing(bytes(32))
BODY = b'{"number":7}'

# RFC 8032, 5.1: the field, the order of the base point, the curve's constant, the base point.
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def added(a: Point, b: Point) -> Point:
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return x * y % P, z * t % P, y * z % P, x * t % P


def times(number: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = added(total, point)
        point, number = added(point, point), number >> 1
    return total


def unpacked(raw: bytes) -> Point:
    """RFC 8032, 5.1.3: the point of 32 bytes."""
    y, sign = int.from_bytes(raw, "little") & (2**255 - 1), raw[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    assert (x * x - square) % P == 0, "no point of the curve"
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = unpacked((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(public: bytes, message: bytes, raw: bytes) -> bool:
    """RFC 8032, 5.1.7."""
    r, s = raw[:32], int.from_bytes(raw[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % Q
    left, right = times(s, BASE), added(unpacked(r), times(k, unpacked(public)))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return s < Q and same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104; keys of 64 bytes at most."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in padded) + message).digest()
    return hashlib.sha256(bytes(one ^ 0x5C for one in padded) + inner).digest()


def accepted(key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Standard Webhooks, "Verifying webhook authenticity": one good signature of its scheme."""
    prefix, _, text = key.partition("_")
    wanted, secret = {"whpk": "v1a", "whsec": "v1"}[prefix], base64.b64decode(text)
    at = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    for one in headers["webhook-signature"].split(" "):
        scheme, _, encoded = one.partition(",")
        raw = base64.b64decode(encoded)
        if scheme != wanted:
            continue
        good = ed25519(secret, at + body, raw) if scheme == "v1a" else None
        if good or (good is None and hmac_sha256(secret, at + body) == raw):
            return True
    return False


def test_the_receiver_itself_knows_the_signature_of_the_rfc() -> None:
    # RFC 8032, 7.1, test 2.
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signed = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert ed25519(public, b"\x72", signed)
    assert not ed25519(public, b"\x73", signed)


@pytest.mark.parametrize("scheme", ["v1a", "v1"])
def test_a_receiver_of_the_standard_accepts_what_we_send_and_nothing_else(scheme: Scheme) -> None:
    mine, other = (webhook_signing.seed(RING, ids.uuid7(), 1) for _ in range(2))
    sent = webhook_signing.headers(scheme, [mine], "msg", 1_700_000_000, BODY)
    key = webhook_signing.verifying_key(scheme, mine)
    assert accepted(key, sent, BODY)
    assert not accepted(key, sent, BODY + b" ")
    assert not accepted(key, {**sent, "webhook-id": "msh"}, BODY)
    assert not accepted(key, {**sent, "webhook-timestamp": "1700000001"}, BODY)
    assert not accepted(webhook_signing.verifying_key(scheme, other), sent, BODY)


@pytest.mark.parametrize("scheme", ["v1a", "v1"])
def test_while_keys_overlap_a_receiver_with_either_key_accepts(scheme: Scheme) -> None:
    subscription = ids.uuid7()
    both = [webhook_signing.seed(RING, subscription, generation) for generation in (2, 1)]
    sent = webhook_signing.headers(scheme, both, "msg", 1_700_000_000, BODY)
    for secret in both:
        assert accepted(webhook_signing.verifying_key(scheme, secret), sent, BODY)
