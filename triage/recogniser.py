"""Free text, as typed in haste in French or English, to coded complaints.

Pure and total: any text gives a result. What it recognises comes from `complaints.toml`; it
never lowers anything, and what it does not recognise it says it does not recognise.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from triage.acuity import Acuity, most_severe
from triage.finding import Finding
from triage.protocol import Text

COMPLAINTS_FILE: Final = Path(__file__).with_name("complaints.toml")
_WORD: Final = re.compile(r"[a-z0-9]+|[,.;:!?\n]")
_MARKS: Final = frozenset(",.;:!?\n")
"""Punctuation ends what a negation denies."""
_MAX_WORDS: Final = 400
_SLACK: Final = 3
"""Other words allowed between the words of one term."""
_NEGATION_REACH: Final = 4
_SPELLING_MIN: Final = 6
"""Shorter words are never corrected: too many of them are one letter apart."""


class Complaint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One coded complaint: its words, its default acuity, the findings the words assert."""

    code: str
    motif: str
    label: Text
    default_acuity: Acuity
    terms: tuple[str, ...]
    states: dict[str, bool] = {}


class ComplaintFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data file."""

    unrecognised_acuity: Acuity
    negations: tuple[str, ...]
    limits: tuple[str, ...]
    abbreviations: dict[str, str]
    complaints: tuple[Complaint, ...]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint found in the text, and the words that say so (as normalised)."""

    code: str
    motif: str
    label: Text
    default_acuity: Acuity
    words: tuple[str, ...]


class Recognition(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says.

    Attributes:
        matches: Complaints, best match first; empty when nothing is recognised.
        findings: Findings the words assert; never a denial.
        default_acuity: The most severe default among the matches, or that of an
            unrecognised text; None when there is no text.
    """

    matches: tuple[Match, ...]
    findings: tuple[Finding, ...]
    default_acuity: Acuity | None

    @property
    def complaint(self) -> str | None:
        """Give the code of the best match, or None."""
        return self.matches[0].code if self.matches else None


class _Term(msgspec.Struct, frozen=True):
    """The words of a term, normalised; a prefix ends with `*`."""

    words: tuple[str, ...]


class Recogniser:
    """Recognises complaints with one data file; immutable once built."""

    def __init__(self, file: ComplaintFile) -> None:
        self._file = file
        self._negations = frozenset(file.negations)
        self._limits = frozenset(file.limits) | _MARKS
        self._terms = tuple(
            (complaint, tuple(_Term(_term(text, file.abbreviations)) for text in complaint.terms))
            for complaint in file.complaints
        )
        used = (word for _, terms in self._terms for term in terms for word in term.words)
        self._wanted = tuple(dict.fromkeys(used))
        self._prefixes = tuple(word[:-1] for word in self._wanted if word.endswith("*"))
        known = {word.rstrip("*") for word in self._wanted} | set(file.abbreviations)
        self._vocabulary = frozenset(known)
        self._spellings: dict[str, list[str]] = {}
        for word in sorted(known):
            if len(word) >= _SPELLING_MIN - 1:
                self._spellings.setdefault(word[0], []).append(word)

    def complaint(self, code: str) -> Complaint | None:
        """Give the complaint of that code, or None."""
        return next((entry for entry in self._file.complaints if entry.code == code), None)

    def complaints(self) -> tuple[Complaint, ...]:
        """Give every complaint, in the order of the file: the list to choose from."""
        return self._file.complaints

    def recognise(self, text: str | None) -> Recognition:
        """Recognise the complaints a text states.

        Args:
            text: Anything; only the first 400 words are read.

        Returns:
            The matches, most specific first, equals by severity, then by code. A complaint
            whose words are part of a longer match ("bleeding" in "nasal bleeding") is left out.
        """
        said = _words(text or "", self._file.abbreviations)
        corrected = {word: self._corrected(word) for word in dict.fromkeys(said)}
        words = [corrected[word] for word in said]
        heard = {want: _places(words, want) for want in self._wanted}
        found: list[tuple[Complaint, tuple[int, ...]]] = []
        for complaint, terms in self._terms:
            likely = (term for term in terms if all(heard[want] for want in term.words))
            best = max((self._match(words, heard, term) for term in likely), key=len, default=())
            if best:
                found.append((complaint, best))
        kept = [
            (complaint, places)
            for complaint, places in found
            if not any(set(places) < set(longer) for _, longer in found)
        ]
        kept.sort(key=lambda entry: (-len(entry[1]), entry[0].default_acuity, entry[0].code))
        default = most_severe(*(complaint.default_acuity for complaint, _ in kept))
        if not kept and not _MARKS.issuperset(words):
            default = self._file.unrecognised_acuity
        states = {key: value for entry, _ in kept for key, value in entry.states.items()}
        return Recognition(
            matches=tuple(
                _as_match(complaint, tuple(words[place] for place in places))
                for complaint, places in kept
            ),
            findings=tuple(Finding(input=key, value=states[key]) for key in sorted(states)),
            default_acuity=default,
        )

    def _match(
        self, words: list[str], heard: Mapping[str, tuple[int, ...]], term: _Term
    ) -> tuple[int, ...]:
        """Give the places of the words of the text that say a term, or nothing.

        The words of a term stand within its length plus three others, in any order; a term
        that follows a negation closely is denied, unless it begins with the negation itself.
        """
        reach = len(term.words) + _SLACK
        for start in sorted({place for want in term.words for place in heard[want]}):
            window = words[start : start + reach]
            if not self._negations.isdisjoint(term.words):
                window = self._clause(window)
            picked = _pick(window, term.words)
            if picked and picked[0] == 0 and not self._denied(words, start, term):
                return tuple(start + place for place in picked)
        return ()

    def _clause(self, window: list[str]) -> list[str]:
        """Cut a window at its first limit: "ne ... pas" denies nothing beyond its own clause."""
        ends = (place for place, word in enumerate(window) if word in self._limits)
        return window[: next(ends, len(window))]

    def _denied(self, words: list[str], start: int, term: _Term) -> bool:
        """Tell whether the words before a position deny what follows."""
        if any(word in self._negations for word in term.words):
            return False
        for word in reversed(words[max(0, start - _NEGATION_REACH) : start]):
            if word in self._limits:
                return False
            if word in self._negations:
                return True
        return False

    def _corrected(self, word: str) -> str:
        """Give a known word one letter away from an unknown long word, else the word.

        The first letter is taken as typed.
        """
        known = word in self._vocabulary or word.startswith(self._prefixes)
        if known or len(word) < _SPELLING_MIN:
            return word
        likely = self._spellings.get(word[0], [])
        return next((entry for entry in likely if _one_edit(word, entry)), word)


def normalise(text: str) -> str:
    """Lower the case, drop accents, and spell ligatures out."""
    spelled = text.lower().replace("œ", "oe").replace("æ", "ae")
    decomposed = unicodedata.normalize("NFKD", spelled)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _words(text: str, abbreviations: Mapping[str, str]) -> list[str]:
    """Split a text into normalised words, abbreviations spelled out."""
    words: list[str] = []
    for word in _WORD.findall(normalise(text[: _MAX_WORDS * 20]))[:_MAX_WORDS]:
        words.extend(abbreviations.get(word, word).split())
    return [abbreviations.get(word, word) if " " not in word else word for word in words]


def _term(text: str, abbreviations: Mapping[str, str]) -> tuple[str, ...]:
    """Normalise a term of the data file the way texts are, keeping its prefixes."""
    return tuple(
        abbreviations.get(word, word) if not word.endswith("*") else word
        for word in normalise(text).split()
    )


def _places(words: list[str], want: str) -> tuple[int, ...]:
    """Give where a wanted word stands."""
    if not want.endswith("*"):
        return tuple(place for place, word in enumerate(words) if word == want)
    prefix = want[:-1]
    return tuple(place for place, word in enumerate(words) if word.startswith(prefix))


def _pick(window: list[str], wanted: tuple[str, ...]) -> tuple[int, ...]:
    """Give the place of each wanted word in a window, or nothing when one is missing."""
    places: list[int] = []
    for want in wanted:
        place = next(
            (i for i, word in enumerate(window) if i not in places and _is(word, want)), None
        )
        if place is None:
            return ()
        places.append(place)
    return tuple(sorted(places))


def _is(word: str, want: str) -> bool:
    """Tell whether a word is the wanted one, or begins with the wanted prefix."""
    return word.startswith(want[:-1]) if want.endswith("*") else word == want


def _one_edit(word: str, other: str) -> bool:
    """Tell whether one letter added, dropped, changed or swapped makes one word the other."""
    if abs(len(word) - len(other)) > 1:
        return False
    head = 0
    while head < min(len(word), len(other)) and word[head] == other[head]:
        head += 1
    a, b = word[head:], other[head:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (len(a) > 1 and len(b) > 1 and swapped)


def _as_match(complaint: Complaint, words: tuple[str, ...]) -> Match:
    """Build the match of a complaint."""
    return Match(
        code=complaint.code,
        motif=complaint.motif,
        label=complaint.label,
        default_acuity=complaint.default_acuity,
        words=words,
    )


@cache
def shipped() -> Recogniser:
    """Give the recogniser over the data file that ships with the product."""
    file = msgspec.toml.decode(COMPLAINTS_FILE.read_bytes(), type=ComplaintFile)
    return Recogniser(file)
