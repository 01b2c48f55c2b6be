"""A whole text to findings: who, which numbers, which signs, each with the words that say so.

Pure and total. A reading is a proposal: only signs that make a patient worse are entered
without a human (they can only raise a level, and are marked as read by software), and among
them none that dispatches at once; numbers, age and denials wait until somebody confirms them.
An evaluation on recorded texts, where nobody can be asked, uses the full reading.
"""

from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from triage import measures, persons, recogniser, words
from triage.finding import Finding
from triage.phrases import Hit, Phrasebook
from triage.protocol import Answer
from triage.recogniser import Recogniser, Recognition
from triage.words import VocabularyFile, Word

SIGNS_FILE: Final = Path(__file__).with_name("signs.toml")
Kind: TypeAlias = Literal["sign", "denial", "measure", "person"]
_ENOUGH: Final = 0.6
_COMA_OF: Final = ((3, "U"), (8, "P"), (13, "V"), (14, "C"), (15, "A"))
"""Highest Glasgow sum for each letter of ACVPU (medians of Kelly 2004; 14 as new confusion)."""
_FEVER: Final = 38.0
_DAY: Final = 24.0


class Sign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some words assert.

    Attributes:
        says: Inputs and the answers that the words give them; a number or a choice is a
            proposal like any measure.
        terms: The words.
        denies: Inputs answered the other way round when the words are denied; the first of
            `says` when left out.
        lasting: True of the person, even when told of the past.
        reassures: The answers are the harmless ones.
        vital: Inputs of `says` that dispatch at once: a human answers them.
    """

    says: dict[str, bool | int | str]
    terms: tuple[str, ...]
    denies: tuple[str, ...] | None = None
    lasting: bool = False
    reassures: bool = False
    vital: tuple[str, ...] = ()


class SignFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data file."""

    signs: tuple[Sign, ...]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One answer read from a text, to be confirmed.

    Attributes:
        kind: `sign` makes the patient worse; `denial` answers the harmless way; `measure` is
            a number; `person` is age or sex.
        words: The words that say so, folded.
        vital: It would dispatch at once: never entered without a human.
    """

    input: str
    value: Answer
    kind: Kind
    words: str
    vital: bool = False


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read: the complaints, and facts by input (one per input)."""

    recognition: Recognition
    facts: tuple[Fact, ...]

    @property
    def alarming(self) -> tuple[Finding, ...]:
        """Give what may be entered without a human: worse signs, none of them vital."""
        return tuple(
            Finding(input=fact.input, value=fact.value)
            for fact in self.facts
            if fact.kind == "sign" and not fact.vital
        )

    @property
    def full(self) -> tuple[Finding, ...]:
        """Give every answer read, denials and numbers too: for evaluation, or once confirmed."""
        return tuple(Finding(input=fact.input, value=fact.value) for fact in self.facts)


class Reader:
    """Reads texts with one set of data files; immutable once built."""

    def __init__(self, file: SignFile, heard: Recogniser, vocabulary: VocabularyFile) -> None:
        self.signs = file.signs
        """What the words assert, in the order of the file."""
        self._recogniser = heard
        self._states = {entry.code: entry.states for entry in heard.complaints()}
        terms = ((str(index), term) for index, sign in enumerate(file.signs) for term in sign.terms)
        self._phrases = Phrasebook(vocabulary, terms)

    def read(self, text: str | None) -> Reading:
        """Read a text.

        Args:
            text: Anything; only the first 400 words and 8,000 letters are read.

        Returns:
            The reading. A sign both stated and denied is stated; a fever measured is a fever.
        """
        said = text or ""
        recognition = self._recogniser.recognise(said)
        found: dict[str, Fact] = {}
        for fact in (*_numbers(said), *self._signs_of(said), *self._told(recognition)):
            known = found.get(fact.input)
            if known is None or (known.kind == "denial" and fact.kind != "denial"):
                found[fact.input] = fact
        return Reading(recognition=recognition, facts=tuple(found[key] for key in sorted(found)))

    def _signs_of(self, text: str) -> list[Fact]:
        """Give what the words of a text state and deny, statements first."""
        said = self._phrases.read(text)
        facts: list[Fact] = []
        hits = [hit for hit in self._phrases.hits(said) if hit.score >= _ENOUGH]
        for hit in sorted(hits, key=lambda hit: (hit.denied, hit.places)):
            facts.extend(self._facts(hit, said))
        return sorted(facts, key=lambda fact: fact.kind == "denial")

    def _told(self, recognition: Recognition) -> list[Fact]:
        """Give what the complaints themselves state."""
        return [
            Fact(input=key, value=value, kind="sign", words=" ".join(match.words))
            for match in recognition.matches
            if not match.past
            for key, value in self._states[match.code].items()
        ]

    def _facts(self, hit: Hit, said: tuple[Word, ...]) -> list[Fact]:
        """Give the facts of one hit."""
        sign = self.signs[int(hit.term.owner)]
        if hit.kin or (hit.past and not hit.denied and not sign.lasting):
            return []
        stated = " ".join(said[place].typed for place in hit.places)
        if not hit.denied:
            return [_stated(sign, key, stated) for key in sign.says]
        if sign.reassures:
            return []
        denied = sign.denies if sign.denies is not None else tuple(sign.says)[:1]
        return [
            Fact(input=key, value=not sign.says[key], kind="denial", words=stated)
            for key in denied
            if isinstance(sign.says[key], bool)
        ]


def _stated(sign: Sign, key: str, stated: str) -> Fact:
    """Build the fact of one input that words state."""
    value = sign.says[key]
    kind: Kind = "denial" if sign.reassures else "sign"
    if not isinstance(value, bool):
        kind = "measure"
    return Fact(input=key, value=value, kind=kind, words=stated, vital=key in sign.vital)


def _numbers(text: str) -> list[Fact]:
    """Give age, sex, numbers, and what the numbers themselves assert."""
    read = measures.read(text)
    facts = [
        Fact(input=one.input, value=one.value, kind="person", words=one.words)
        for one in persons.read(text)
    ]
    for one in read:
        if one.input == "gcs":
            letter = next(letter for most, letter in _COMA_OF if float(one.value) <= most)
            facts.append(Fact(input="acvpu", value=letter, kind="measure", words=one.words))
        else:
            facts.append(Fact(input=one.input, value=one.value, kind="measure", words=one.words))
        if one.input == "temp_c" and float(one.value) >= _FEVER:
            facts.append(Fact(input="fever", value=True, kind="sign", words=one.words))
        if one.input == "hours_since_onset":
            days = round(float(one.value) / _DAY, 1)
            facts.append(Fact(input="symptom_days", value=days, kind="measure", words=one.words))
    return facts


@cache
def shipped() -> Reader:
    """Give the reader over the data files that ship with the product."""
    file = msgspec.toml.decode(SIGNS_FILE.read_bytes(), type=SignFile)
    return Reader(file, recogniser.shipped(), words.vocabulary())
