"""Identifiers: time-ordered UUIDs (version 7) made without asking the database."""

import secrets
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62


def uuid7() -> UUID:
    """Give a new UUID version 7.

    Returns:
        48 bits of Unix milliseconds, then 74 random bits: ids made later sort later (to the
        millisecond) and can't be guessed. Source: RFC 9562, section 5.7.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (milliseconds & (2**48 - 1)) << 80
    value |= _VERSION | ((random >> 62) << 64)
    value |= _VARIANT | (random & (2**62 - 1))
    return UUID(int=value)
