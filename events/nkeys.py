"""NATS keys: ed25519 keys in the text form of NATS, and the JSON web tokens signed with them.

Source: nats-io/nkeys (format of seeds and public keys), nats-io/jwt (version 2 claims).
"""

import base64
import hashlib
import secrets
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SEED: Final = 18 << 3
_ACCOUNT: Final = 0
_RAW: Final = 32
_SEED_BYTES: Final = 36
_HEADER: Final = b'{"typ":"JWT","alg":"ed25519-nkey"}'


class SeedError(ValueError):
    """A seed that can't be read; the message never quotes it."""


class Signer:
    """An account key that signs tokens.

    Attributes:
        public_key: In the text form of NATS, `A...`.
    """

    def __init__(self, seed: str) -> None:
        """Read a seed.

        Args:
            seed: In the text form of NATS, `SA...`.

        Raises:
            SeedError: It is no seed of an account.
        """
        self._key = Ed25519PrivateKey.from_private_bytes(_raw_of(seed))
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = _text(bytes([_ACCOUNT]) + raw)

    def sign(self, claims: dict[str, Any], issued_at: int) -> str:
        """Make a token.

        Args:
            claims: Version 2 claims, without `iat`, `iss` and `jti`.
            issued_at: Unix seconds.

        Returns:
            The token.
        """
        whole = {**claims, "iat": issued_at, "iss": self.public_key}
        digest = hashlib.sha256(msgspec.json.encode(whole)).digest()
        whole["jti"] = base64.b32encode(digest).decode().rstrip("=")
        signed = f"{_base64(_HEADER)}.{_base64(msgspec.json.encode(whole))}"
        return f"{signed}.{_base64(self._key.sign(signed.encode()))}"


def new_seed() -> str:
    """Make the seed of a new account key.

    Returns:
        `SA...`; a secret.
    """
    prefix = bytes([_SEED | (_ACCOUNT >> 5), (_ACCOUNT & 31) << 3])
    return _text(prefix + secrets.token_bytes(_RAW))


def claims_of(token: bytes) -> bytes:
    """Give the claims of a token; its signature is not checked here.

    Args:
        token: Three parts in base64url.

    Returns:
        JSON.

    Raises:
        ValueError: It has no such shape.
    """
    _, claims, _ = token.split(b".")
    return base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4))


def _raw_of(seed: str) -> bytes:
    message = "not the seed of a NATS account"
    try:
        text = seed.strip()
        whole = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as error:
        raise SeedError(message) from error
    body, checksum = whole[:-2], whole[-2:]
    fits = len(whole) == _SEED_BYTES and _crc16(body).to_bytes(2, "little") == checksum
    if not fits or body[0] != _SEED or body[1] != _ACCOUNT:
        raise SeedError(message)
    return body[2:]


def _text(body: bytes) -> str:
    return base64.b32encode(body + _crc16(body).to_bytes(2, "little")).rstrip(b"=").decode()


def _crc16(body: bytes) -> int:
    """CRC-16/XMODEM, as nkeys uses it."""
    crc = 0
    for byte in body:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return crc


def _base64(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()
