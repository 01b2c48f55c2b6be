"""The protocols that ship with the product: loading, choosing, one meaning per input key."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import msgspec

from triage.finding import Finding, Refusal, refusal
from triage.format import Citation, Strict
from triage.protocol import Card, Input, Protocol, ProtocolError, decode

PROTOCOLS_DIRECTORY: Final = Path(__file__).parent / "protocols"
CARDS_FILE: Final = Path(__file__).with_name("cards.toml")

_ORDER: Final = {"complaint": 1, "general": 2, "score": 3}
"""Which protocols ask first among equals; a general one for everyone comes before them."""


class CardsFile(Strict, frozen=True, kw_only=True):
    """The file of instructions to read out; every card cites sources of the file."""

    schema: Literal[1]
    citations: tuple[Citation, ...]
    cards: tuple[Card, ...]


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A set of protocols, sorted by id, in which an input key means one thing.

    Attributes:
        protocols: Every protocol read, whatever its status.
        cards: Every instruction to read out.
    """

    protocols: tuple[Protocol, ...]
    cards: tuple[Card, ...] = ()

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
            The protocols, those for everyone first, then the complaint's, then general ones,
            then scores, each by id; empty when none may run.
        """
        allowed = {"active", "draft"} if allow_draft else {"active"}
        chosen = (
            protocol
            for protocol in self.protocols
            if protocol.status in allowed
            and (protocol.file.kind != "complaint" or complaint in protocol.file.complaints)
        )
        return tuple(sorted(chosen, key=_asking_order))

    def card(self, identifier: str) -> Card | None:
        """Give the card of that id, or None."""
        return next((card for card in self.cards if card.id == identifier), None)

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


def _asking_order(protocol: Protocol) -> tuple[int, str]:
    """Give the sort key of a chosen protocol."""
    file = protocol.file
    first = file.kind == "general" and file.population.everyone
    return (0 if first else _ORDER[file.kind], file.id)


def load(directory: Path = PROTOCOLS_DIRECTORY, cards: Path = CARDS_FILE) -> Library:
    """Read every protocol file of a directory, and the cards they name.

    Args:
        directory: Where the .toml files are.
        cards: The file of instructions to read out.

    Returns:
        The library.

    Raises:
        ProtocolError: A file cannot be read or was changed after it was signed, two files
            share an id, a rule names an unknown card, or two protocols give one input key two
            meanings.
    """
    known = read_cards(cards)
    read = [_read(path, known) for path in sorted(directory.glob("*.toml"))]
    protocols = tuple(sorted(read, key=lambda protocol: protocol.file.id))
    identifiers = [protocol.file.id for protocol in protocols]
    if len(set(identifiers)) != len(identifiers):
        message = "two protocol files share an id"
        raise ProtocolError(message)
    conflicts = input_conflicts(protocols)
    if conflicts:
        raise ProtocolError("; ".join(conflicts))
    return Library(protocols=protocols, cards=known)


def read_cards(path: Path = CARDS_FILE) -> tuple[Card, ...]:
    """Read the instructions to read out.

    Args:
        path: The TOML file.

    Raises:
        ProtocolError: It cannot be read, an id stands twice, a text is missing in one
            language, or a card cites nothing or what the file lacks.
    """
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=CardsFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path.name}: {error}") from error
    sources = {citation.id for citation in file.citations}
    if len({card.id for card in file.cards}) != len(file.cards):
        raise ProtocolError(f"{path.name}: two cards share an id")
    for card in file.cards:
        if not card.cites or not set(card.cites) <= sources:
            raise ProtocolError(f"{path.name}: {card.id}: cites no source of the file")
        if not card.steps or not all(text.fr and text.en for text in (card.title, *card.steps)):
            raise ProtocolError(f"{path.name}: {card.id}: title and steps in fr and en")
    return file.cards


def _read(path: Path, cards: tuple[Card, ...]) -> Protocol:
    """Read one file; the error names it."""
    try:
        protocol = decode(path.read_bytes(), cards)
    except ProtocolError as error:
        message = f"{path.name}: {error}"
        raise ProtocolError(message) from error
    if protocol.file.id != path.stem:
        message = f"{path.name}: the id must be the file's name"
        raise ProtocolError(message)
    return protocol


def input_conflicts(protocols: Iterable[Protocol]) -> tuple[str, ...]:
    """List input keys to which two protocols give different meanings.

    The type, unit, range, choices, device, worsening direction and applicability must agree;
    the wording of the question and who is asked may differ.
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
    return (
        entry.type,
        entry.unit,
        entry.range,
        entry.choices,
        entry.device,
        entry.worse,
        entry.worse_if,
        entry.normal,
        entry.when,
    )
