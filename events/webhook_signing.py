"""Signatures of webhooks: ed25519 (`v1a`, preferred) or HMAC-SHA256 (`v1`).

What is signed is `<webhook-id>.<webhook-timestamp>.<body>`. Source: Standard Webhooks 1.0.0.
Keys are derived from the master key: nothing secret is stored, and each rotation is a new,
unrelated key.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.crypto import KeyRing

Scheme: TypeAlias = Literal["v1a", "v1"]


class VerifyingKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with which the subscriber checks signatures.

    Attributes:
        key: `whpk_` and a public ed25519 key, or `whsec_` and a shared secret; base64.
        until: When it stops counting, UTC; None for the present one.
    """

    key: str
    until: datetime | None = None


def seed(keys: KeyRing, subscription_id: UUID, generation: int) -> bytes:
    """Derive the signing key of one generation.

    Args:
        keys: The ring of the master key.
        subscription_id: Whose.
        generation: From 1; each rotation adds one.

    Returns:
        32 bytes; a secret.
    """
    return keys.derived(f"webhook/{subscription_id}/{generation}")


def signature(scheme: Scheme, secret: bytes, message_id: str, at: int, body: bytes) -> str:
    """Sign one message with one key.

    Args:
        scheme: `v1a` or `v1`.
        secret: As `seed` gives it.
        message_id: Header webhook-id.
        at: Header webhook-timestamp, Unix seconds.
        body: As it is sent.

    Returns:
        `v1a,<base64>` or `v1,<base64>`.
    """
    signed = b".".join((message_id.encode(), str(at).encode(), body))
    if scheme == "v1a":
        made = Ed25519PrivateKey.from_private_bytes(secret).sign(signed)
    else:
        made = hmac.digest(secret, signed, hashlib.sha256)
    return f"{scheme},{base64.b64encode(made).decode()}"


def verifying_key(scheme: Scheme, secret: bytes) -> str:
    """Give the text of the key that the subscriber needs.

    Args:
        scheme: `v1a` or `v1`.
        secret: As `seed` gives it.

    Returns:
        For `v1a` the public half only.
    """
    if scheme == "v1":
        return _SHARED + base64.b64encode(secret).decode()
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    return _PUBLIC + base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def headers(
    scheme: Scheme, secrets: Sequence[bytes], message_id: str, at: int, body: bytes
) -> dict[str, str]:
    """Give the three headers of a message.

    Args:
        scheme: `v1a` or `v1`.
        secrets: All keys that count now, the present one first: a receiver that knows either
            accepts the message.
        message_id: The same at each attempt.
        at: Unix seconds of this attempt.
        body: As it is sent.
    """
    several = " ".join(signature(scheme, one, message_id, at, body) for one in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": several,
    }


_SHARED: Final = "whsec_"
_PUBLIC: Final = "whpk_"
