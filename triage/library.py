"""The protocols that ship with the product: loading, choosing, one meaning per input key."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from triage.finding import Finding, Refusal, refusal
from triage.protocol import Input, Protocol, ProtocolError, decode

PROTOCOLS_DIRECTORY: Final = Path(__file__).parent / "protocols"


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A set of protocols, sorted by id, in which an input key means one thing.

    Attributes:
        protocols: Every protocol read, whatever its status.
    """

    protocols: tuple[Protocol, ...]

    def get(self, identifier: str) -> Protocol | None:
        """Give the protocol of that id, or None."""
        return next((p for p in self.protocols if p.file.id == identifier), None)

    def by_digest(self, digest: str) -> Protocol | None:
        """Give the protocol of that digest, or None: what a replay looks up."""
        return next((p for p in self.protocols if p.digest == digest), None)

    def choose(self, complaint: str | None, *, allow_draft: bool) -> tuple[Protocol, ...]:
        """Choose what to evaluate: every general protocol and score, and the complaint's own.

        Args:
            complaint: Code of the complaint, or None while it is unknown.
            allow_draft: Whether protocols in status draft may run (demo, replay, tests).

        Returns:
            The protocols by id; empty when none may run.
        """
        allowed = {"active", "draft"} if allow_draft else {"active"}
        return tuple(
            protocol
            for protocol in self.protocols
            if protocol.file.status in allowed
            and (protocol.file.kind != "complaint" or complaint in protocol.file.complaints)
        )

    def input(self, key: str) -> Input | None:
        """Give the declaration of an input key, or None when no protocol has it."""
        found = (protocol.input(key) for protocol in self.protocols)
        return next((entry for entry in found if entry is not None), None)

    def refusals(self, findings: Iterable[Finding]) -> tuple[Refusal, ...]:
        """Check findings: unknown inputs, wrong types, values out of range.

        Args:
            findings: The findings as they came in.

        Returns:
            One refusal per finding that is not acceptable, in the given order.
        """
        refused: list[Refusal] = []
        for finding in findings:
            entry = self.input(finding.input)
            if entry is None:
                refused.append(
                    Refusal(input="", reason="unknown_input", allowed="inputs of the protocols")
                )
                continue
            found = refusal(entry, finding)
            if found is not None:
                refused.append(found)
        return tuple(refused)


def load(directory: Path = PROTOCOLS_DIRECTORY) -> Library:
    """Read every protocol file of a directory.

    Args:
        directory: Where the .toml files are.

    Returns:
        The library.

    Raises:
        ProtocolError: A file cannot be read, two files share an id, or two protocols give one
            input key two meanings.
    """
    read = [_read(path) for path in sorted(directory.glob("*.toml"))]
    protocols = tuple(sorted(read, key=lambda protocol: protocol.file.id))
    identifiers = [protocol.file.id for protocol in protocols]
    if len(set(identifiers)) != len(identifiers):
        message = "two protocol files share an id"
        raise ProtocolError(message)
    conflicts = input_conflicts(protocols)
    if conflicts:
        raise ProtocolError("; ".join(conflicts))
    return Library(protocols=protocols)


def _read(path: Path) -> Protocol:
    """Read one file; the error names it."""
    try:
        protocol = decode(path.read_bytes())
    except ProtocolError as error:
        message = f"{path.name}: {error}"
        raise ProtocolError(message) from error
    if protocol.file.id != path.stem:
        message = f"{path.name}: the id must be the file's name"
        raise ProtocolError(message)
    return protocol


def input_conflicts(protocols: Iterable[Protocol]) -> tuple[str, ...]:
    """List input keys to which two protocols give different meanings.

    The type, unit, range, choices, device and worsening direction must agree; the wording of
    the question may differ.
    """
    seen: dict[str, Input] = {}
    conflicts: list[str] = []
    for protocol in protocols:
        for entry in protocol.file.inputs:
            first = seen.setdefault(entry.key, entry)
            if _meaning(first) != _meaning(entry):
                conflicts.append(f"{protocol.file.id}: input {entry.key} has another meaning")
    return tuple(conflicts)


def _meaning(entry: Input) -> tuple[object, ...]:
    """Give what must agree between protocols that share an input."""
    return (entry.type, entry.unit, entry.range, entry.choices, entry.device, entry.worse)
