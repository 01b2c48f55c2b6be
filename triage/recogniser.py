"""Free text, as typed in haste in French or English, to coded complaints.

Pure and total: any text gives a result. What it recognises comes from `complaints.toml`; it
never lowers anything, and what it does not recognise it says it does not recognise.
"""

from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from triage import words
from triage.acuity import Acuity, most_severe
from triage.finding import Finding
from triage.phrases import Hit, Phrasebook
from triage.protocol import Citation, Text
from triage.words import VocabularyFile, Word

COMPLAINTS_FILE: Final = Path(__file__).with_name("complaints.toml")
THRESHOLD: Final = 0.6
"""Below it a complaint is only suggested: one weak word, or several misspelled ones."""
normalise = words.fold


class Complaint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One coded complaint: its words, its floor, the findings the words assert.

    `physician` says that no protocol fits and a physician takes the call; `cites` names the
    sources of the floor; `motif` is the national code sent to partners.
    """

    code: str
    motif: str
    label: Text
    default_acuity: Acuity
    cites: tuple[str, ...]
    terms: tuple[str, ...]
    states: dict[str, bool] = {}
    physician: bool = False


class ComplaintFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data file."""

    unrecognised_acuity: Acuity
    citations: tuple[Citation, ...]
    complaints: tuple[Complaint, ...]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint found in the text, and the words that say so.

    Attributes:
        words: As typed, folded (lower case, no accents, abbreviations spelled out).
        score: 0 to 1: how surely the words say it.
        past: They stand in a tale of the past or of the family.
    """

    code: str
    motif: str
    label: Text
    default_acuity: Acuity
    words: tuple[str, ...]
    score: float = 1.0
    past: bool = False


class Recognition(msgspec.Struct, frozen=True, kw_only=True):
    """What a text says.

    Attributes:
        matches: Complaints, worst first; empty when nothing is recognised.
        findings: Findings the words assert; never a denial.
        default_acuity: The most severe default among the matches, or that of an
            unrecognised text; None when there is no text.
        suggestions: Complaints below the threshold: offered at the head of the list, never
            taken for granted.
    """

    matches: tuple[Match, ...]
    findings: tuple[Finding, ...]
    default_acuity: Acuity | None
    suggestions: tuple[Match, ...] = ()

    @property
    def complaint(self) -> str | None:
        """Give the code of the best match, or None."""
        return self.matches[0].code if self.matches else None


class _Found(msgspec.Struct, frozen=True):
    """The terms of one complaint that a text says."""

    complaint: Complaint
    places: frozenset[int]
    score: float
    past: bool


class Recogniser:
    """Recognises complaints with one data file; immutable once built."""

    def __init__(self, file: ComplaintFile, vocabulary: VocabularyFile) -> None:
        self._file = file
        self._by_code = {entry.code: entry for entry in file.complaints}
        terms = ((entry.code, term) for entry in file.complaints for term in entry.terms)
        self._phrases = Phrasebook(vocabulary, terms)

    def complaint(self, code: str) -> Complaint | None:
        """Give the complaint of that code, or None."""
        return self._by_code.get(code)

    def complaints(self) -> tuple[Complaint, ...]:
        """Give every complaint, in the order of the file: the list to choose from."""
        return self._file.complaints

    def citations(self) -> tuple[Citation, ...]:
        """Give the sources of the floors."""
        return self._file.citations

    def recognise(self, text: str | None) -> Recognition:
        """Recognise the complaints a text states.

        Args:
            text: Anything; only the first 400 words are read.

        Returns:
            The matches, the most severe floor first, then the most words, the best fit, the
            first said. A complaint whose words are part of a longer match ("bleeding" in "nasal
            bleeding") is left out; one that only a tale of the past states comes only when
            nothing else does.
        """
        said = self._phrases.read(text or "")
        found = [one for one in self._gather(self._phrases.hits(said)) if one.score > 0]
        sure = [one for one in found if one.score >= THRESHOLD]
        present = [one for one in sure if not one.past] or sure
        kept = [one for one in present if not any(one.places < more.places for more in present)]
        kept.sort(key=_rank)
        codes = {one.complaint.code for one in kept}
        unsure = sorted((one for one in found if one.complaint.code not in codes), key=_rank)
        default = most_severe(*(one.complaint.default_acuity for one in kept))
        if not kept and said:
            default = self._file.unrecognised_acuity
        states = {
            key: value
            for one in kept
            if not one.past
            for key, value in one.complaint.states.items()
        }
        return Recognition(
            matches=tuple(_as_match(one, said) for one in kept),
            findings=tuple(Finding(input=key, value=states[key]) for key in sorted(states)),
            default_acuity=default,
            suggestions=tuple(_as_match(one, said) for one in unsure if one.score < THRESHOLD),
        )

    def _gather(self, hits: list[Hit]) -> list[_Found]:
        """Join the hits of each complaint: the best, and what others add to it."""
        stated: dict[str, list[Hit]] = {}
        for hit in hits:
            if not hit.denied:
                stated.setdefault(hit.term.owner, []).append(hit)
        return [self._join(code, of_one) for code, of_one in stated.items()]

    def _join(self, code: str, hits: list[Hit]) -> _Found:
        """Join the hits of one complaint, those of the present before those of the past."""
        present = [hit for hit in hits if not hit.past]
        ranked = sorted(present or hits, key=lambda hit: (-len(hit.places) * hit.score, hit.places))
        places, used = set(ranked[0].places), {ranked[0].term}
        doubt = 1 - ranked[0].score
        for hit in ranked[1:]:
            new = places.isdisjoint(hit.places) and hit.term not in used
            if new and doubt > 1 - THRESHOLD:
                doubt *= 1 - hit.score
                places |= set(hit.places)
                used.add(hit.term)
        return _Found(self._by_code[code], frozenset(places), 1 - doubt, not present)


def _rank(found: _Found) -> tuple[Acuity, int, float, int, str]:
    """Order by floor, then words matched, then score, then place in the text, then code."""
    return (
        found.complaint.default_acuity,
        -len(found.places),
        -found.score,
        min(found.places),
        found.complaint.code,
    )


def _as_match(found: _Found, said: tuple[Word, ...]) -> Match:
    """Build the match of a complaint."""
    return Match(
        code=found.complaint.code,
        motif=found.complaint.motif,
        label=found.complaint.label,
        default_acuity=found.complaint.default_acuity,
        words=tuple(said[place].typed for place in sorted(found.places)),
        score=round(found.score, 3),
        past=found.past,
    )


@cache
def shipped() -> Recogniser:
    """Give the recogniser over the data files that ship with the product."""
    file = msgspec.toml.decode(COMPLAINTS_FILE.read_bytes(), type=ComplaintFile)
    return Recogniser(file, words.vocabulary())
