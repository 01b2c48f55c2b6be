"""Words of a text typed in haste: split, folded, corrected, with what is denied or past.

Pure and total: any text gives words. This module knows the vocabulary file and no complaint.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from triage import spelling
from triage.scopes import Scopes, ScopeWords, by_first, sequence

VOCABULARY_FILE: Final = Path(__file__).with_name("vocabulary.toml")
MOST_WORDS: Final = 400
"""A text is read to its 400th word; the rest is left to the reader at the console."""
_MOST_LETTERS: Final = MOST_WORDS * 20
_TOKEN: Final = re.compile(r"[a-z]/[a-z]{1,2}(?![\w/])|[^\W_]+|[.,;:!?()\n+=|•-]", re.IGNORECASE)
_CONTRACTIONS: Final = (("can't", "cannot"), ("won't", "will not"), ("n't", " not"))
_SHORT_TEXT: Final = 3
"""In a text of so few words an ambiguous abbreviation needs no capitals, unless it is also a
word that stands in every text ("sa", "ce", "at")."""
_PLAIN: Final = 6
"""A shorter beginning does not show that a word is spelled as meant."""
_HARD: Final = frozenset(".;!?|•")
_SOFT: Final = frozenset(",:()\n-+=")


class VocabularyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data file: what words mean before any complaint is thought of.

    Attributes:
        fillers: Words that carry no sign of illness; they are passed over.
        dotted: Short words whose full stop ends no sentence.
        abbreviations: What an abbreviation spells out to, in words of the vocabulary.
        capitals: The same for those that are also ordinary words: read only in capitals, or
            in a text of at most three words (fillers: only when they are the whole text).
        idioms: Words that mean something else together: read as one word.
        classes: Words that say the same thing; terms name a class in capitals.
        known: Ordinary words that are never taken for a misspelling.
        spelled: Words in full whose misspellings are caught; terms hold mere beginnings.
        scopes: Words of denial and of the past.
    """

    fillers: tuple[str, ...]
    dotted: tuple[str, ...]
    abbreviations: dict[str, str]
    capitals: dict[str, str]
    idioms: dict[str, str]
    classes: dict[str, tuple[str, ...]]
    known: tuple[str, ...]
    spelled: tuple[str, ...]
    scopes: ScopeWords


class Word(msgspec.Struct, frozen=True):
    """One word that counts.

    Attributes:
        typed: As typed, folded.
        atoms: Every word, prefix (ending in `*`) and class (in capitals) it stands for.
        sentence: Number of its sentence; no term spans two.
        clause: Number of its clause; no term with a denial in it spans two.
        denied: Something before or after it denies it.
        past: It tells of earlier times, or of the family.
        kin: It tells of the family.
        quality: 1 as spelled, less when it had to be corrected.
    """

    typed: str
    atoms: frozenset[str]
    sentence: int
    clause: int
    denied: bool
    past: bool
    kin: bool
    quality: float


class Mark(msgspec.Struct, frozen=True):
    """A token before reading: a folded word or a mark, and whether it was in capitals."""

    text: str
    is_mark: bool = False
    hard: bool = False
    capitals: bool = False


class Lexicon:
    """Reads words with one vocabulary and the atoms that terms ask for; immutable once built.

    Args:
        file: The vocabulary.
        atoms: Words, prefixes and classes that the terms use.
    """

    def __init__(self, file: VocabularyFile, atoms: Iterable[str]) -> None:
        self._file = file
        self._fillers = frozenset(file.fillers)
        self._dotted = frozenset(file.dotted)
        self._scopes = Scopes(file.scopes)
        self._idioms = by_first(file.idioms)
        self._exact: dict[str, set[str]] = {}
        self._stems: dict[str, set[str]] = {}
        for atom in atoms:
            if not atom.isupper():
                self._file_under(atom, atom)
        for name, members in file.classes.items():
            for member in members:
                self._file_under(fold(member), name)
        self._longest = max(map(len, self._stems), default=0)
        spelled = {*self._exact, *file.abbreviations, *(w for w in file.spelled if self._lookup(w))}
        known = {*map(fold, file.known), *self._fillers, *self._scopes.words}
        self._spelling = spelling.Spelling(exact=spelled, stems=self._stems.keys(), known=known)

    def _file_under(self, word: str, atom: str) -> None:
        """Let a word, or a prefix, stand for an atom."""
        if word.endswith("*"):
            self._stems.setdefault(word[:-1], set()).add(atom)
        else:
            self._exact.setdefault(word, set()).add(atom)

    def read(self, text: str) -> tuple[Word, ...]:
        """Read a text.

        Args:
            text: Anything.

        Returns:
            Its words in order, fillers left out, at most the first 400.
        """
        marks = self._spell_out(self._joined(_split(text, self._dotted)))
        state = self._scopes.over(marks)
        words: list[Word] = []
        sentence = clause = 0
        for mark, scope in zip(marks, state, strict=True):
            if mark.is_mark:
                sentence += mark.hard
                clause += 1
            elif mark.text not in self._fillers:
                atoms, quality = self._atoms(mark.text)
                past = scope.past or scope.kin
                words.append(
                    Word(mark.text, atoms, sentence, clause, scope.denied, past, scope.kin, quality)
                )
        return tuple(words)

    def _joined(self, marks: list[Mark]) -> list[Mark]:
        """Read words that mean something else together as one word."""
        joined: list[Mark] = []
        at = 0
        while at < len(marks):
            length = 0 if marks[at].is_mark else sequence(self._idioms, marks, at)
            if length:
                said = " ".join(mark.text for mark in marks[at : at + length])
                joined.append(Mark(self._file.idioms[said]))
            else:
                joined.append(marks[at])
            at += length or 1
        return joined

    def _spell_out(self, marks: list[Mark]) -> list[Mark]:
        """Spell abbreviations out; the ambiguous ones only where they are meant."""
        count = sum(not mark.is_mark for mark in marks)
        loud = all(mark.capitals or mark.is_mark for mark in marks)
        spelled: list[Mark] = []
        for mark in marks:
            full = self._file.abbreviations.get(mark.text)
            short = 1 if mark.text in self._fillers else _SHORT_TEXT
            meant = count <= short or (mark.capitals and not loud)
            if full is None and meant:
                full = self._file.capitals.get(mark.text)
            if full is None or mark.is_mark:
                spelled.append(mark)
            else:
                spelled.extend(Mark(word) for word in full.split())
        return spelled

    def _atoms(self, word: str) -> tuple[frozenset[str], float]:
        """Give what a word stands for, corrected where it is misspelled."""
        found = self._lookup(word)
        if word in self._exact or any(
            word[:end] in self._stems for end in range(_PLAIN, len(word))
        ):
            return found, 1.0
        corrected = self._spelling.correct(word)
        if corrected is None:
            return found, 1.0
        return found | self._lookup(corrected.word), 1.0 if found else corrected.quality

    def _lookup(self, word: str) -> frozenset[str]:
        """Give the atoms of a word as it stands."""
        found = set(self._exact.get(word, ()))
        for end in range(2, min(len(word), self._longest) + 1):
            found |= self._stems.get(word[:end], set())
        return frozenset(found)


def fold(text: str) -> str:
    """Lower the case, drop accents, and spell ligatures out."""
    if text.isascii():
        return text.lower()
    spelled = text.lower().replace("œ", "oe").replace("æ", "ae").replace("’", "'")
    decomposed = unicodedata.normalize("NFKD", spelled)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).lower()


def _split(text: str, dotted: frozenset[str]) -> list[Mark]:
    """Split a text into folded words and the marks that end a clause or a sentence."""
    plain = unicodedata.normalize("NFC", text[:_MOST_LETTERS]).replace("’", "'")
    for written, meant in _CONTRACTIONS:
        plain = plain.replace(written, meant)
    marks: list[Mark] = []
    words = 0
    for found in _TOKEN.finditer(plain):
        token = found.group()
        if token in _HARD or token in _SOFT:
            marks.extend(_mark(plain, found, marks, dotted))
            continue
        words += 1
        if words > MOST_WORDS:
            break
        marks.append(Mark(fold(token), capitals=token.isupper()))
    return marks


def _mark(
    plain: str, found: re.Match[str], before: list[Mark], dotted: frozenset[str]
) -> list[Mark]:
    """Tell what a mark ends: a sentence, a clause, or nothing."""
    sign, follows = found.group(), plain[found.end() : found.end() + 1]
    open_after = not follows or follows.isspace()
    if sign == "." and not open_after:
        return []
    if sign == "." and before and before[-1].text in dotted:
        return []
    if sign == "-" and not (open_after and plain[: found.start()][-1:].isspace()):
        return []
    return [Mark(sign, is_mark=True, hard=sign in _HARD)]


@cache
def vocabulary() -> VocabularyFile:
    """Give the vocabulary that ships with the product."""
    return msgspec.toml.decode(VOCABULARY_FILE.read_bytes(), type=VocabularyFile)
