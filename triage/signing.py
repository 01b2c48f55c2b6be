"""Signing a protocol file: who approved which bytes, and what a second signature needs.

The first signature says "I have read this file". The second makes it run, so it is refused
while a source is not verified or `check` finds a problem. A signature binds every byte above
it, the status included: set the status first.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from triage.format import Card
from triage.protocol import Protocol, ProtocolError, decode
from triage.protocol_check import Order, check

_SIGNABLE: Final = ("shadow", "active")


class Refused(ValueError):
    """The file may not be signed like this; the text says why."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, in which role, on which day (ISO date)."""

    name: str
    role: str
    on: str


def sign(path: Path, signature: Signature, cards: tuple[Card, ...]) -> Protocol:
    """Append a signature to a file, bound to the digest of what stands above all signatures.

    Args:
        path: The protocol file.
        signature: Who, as what, when.
        cards: What its rules may name.

    Returns:
        The signed protocol, read again from the bytes written.

    Raises:
        ProtocolError: The file cannot be read, or was changed after somebody signed.
        Refused: The status is not shadow or active, the person or the role signed already, or
            the second signature lacks verified sources or a sound check.
    """
    raw = path.read_bytes()
    protocol = decode(raw, cards)
    refusal = _refusal(protocol, signature)
    if refusal is None and protocol.file.sign_offs:
        refusal = _not_ready(protocol, path, cards)
    if refusal is not None:
        raise Refused(refusal)
    above = raw.rstrip(b"\n") + b"\n\n"
    if not protocol.file.sign_offs:
        protocol = decode(above, cards)  # the empty line above the signature is signed as well
    signed = above + _block(signature, protocol.content_digest).encode()
    try:
        result = decode(signed, cards)
    except ProtocolError as error:
        raise Refused(f"the signed file would not be readable: {error}") from error
    _replace(path, signed)
    return result


def _refusal(protocol: Protocol, signature: Signature) -> str | None:
    """Tell why nobody, or not this person, may sign."""
    file = protocol.file
    if not signature.name.strip() or not signature.role.strip():
        return "a signature has a name and a role"
    if file.status not in _SIGNABLE:
        return f"the status is {file.status}: set it to shadow or active, then sign"
    if any(entry.name.casefold() == signature.name.casefold() for entry in file.sign_offs):
        return f"{signature.name} has signed already: a second person signs"
    if any(entry.role.casefold() == signature.role.casefold() for entry in file.sign_offs):
        return f"a {signature.role} has signed already: the second signature has another role"
    return None


def _not_ready(protocol: Protocol, path: Path, cards: tuple[Card, ...]) -> str | None:
    """Tell what a second signature still waits for."""
    unverified = [entry.id for entry in protocol.file.citations if not entry.verified]
    if unverified:
        return f"sources to be verified first: {', '.join(unverified)}"
    awaited = "active, but two persons have not signed"
    problems = [text for text in check(Order(path=path, cards=cards)).problems if text != awaited]
    return f"check finds: {problems[0]}" if problems else None


def _block(signature: Signature, digest: str) -> str:
    """Write a signature as TOML; JSON strings are TOML basic strings."""
    fields = {**msgspec.to_builtins(signature), "digest": digest}
    rows = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
    return "[[sign_offs]]\n" + "\n".join(rows) + "\n"


def _replace(path: Path, raw: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
        draft.write(raw)
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).chmod(path.stat().st_mode)
    Path(draft.name).replace(path)
