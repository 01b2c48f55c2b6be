"""Terms: a few words that together say one thing, and where a text says them.

Pure. How a term is written in the data files:

- `douleur thoracique`: these words close together, in any order;
- `thorac*`: a prefix; `PAIN`: a class of the vocabulary;
- `= ne respire pas`: next to each other, in this order;
- `~ arrive pas respirer`: in this order, up to two words between, within one clause;
- `fatigue ?`: a weak term, which needs a second one beside it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from triage.words import Lexicon, VocabularyFile, Word, fold

_SLACK: Final = 3
_ORDERED_SLACK: Final = 2
_WEAK: Final = 0.5
_GAP: Final = 0.97
"""Each word between makes a match this much less likely."""


class Term(msgspec.Struct, frozen=True):
    """A term, read.

    Attributes:
        owner: What it speaks for.
        atoms: Its words, prefixes and classes.
        ordered: Whether they must stand in this order.
        slack: How many other words may stand between.
        weight: 1, or less for a weak term.
        denies: It holds a denial itself, so that none around it counts.
    """

    owner: str
    atoms: tuple[str, ...]
    ordered: bool
    slack: int
    weight: float
    denies: bool


class Hit(msgspec.Struct, frozen=True):
    """A term found: the places of its words, and how well they fit (0 to 1)."""

    term: Term
    places: tuple[int, ...]
    score: float
    denied: bool
    past: bool
    kin: bool


class Phrasebook:
    """Finds the terms of many owners in one pass; immutable once built.

    Args:
        vocabulary: What words mean.
        terms: Pairs of owner and term.
    """

    def __init__(self, vocabulary: VocabularyFile, terms: Iterable[tuple[str, str]]) -> None:
        fillers = frozenset(vocabulary.fillers)
        scopes = vocabulary.scopes
        denials = frozenset((*scopes.denials, *scopes.ne, *scopes.pas, *scopes.only_next))
        read = [_read(owner, text, vocabulary, fillers, denials) for owner, text in terms]
        self._terms = tuple(term for term in read if term.atoms)
        used: dict[str, int] = {}
        for term in self._terms:
            for atom in term.atoms:
                used[atom] = used.get(atom, 0) + 1
        self._by_anchor: dict[str, list[Term]] = {}
        for term in self._terms:
            anchor = min(term.atoms, key=lambda atom: (used[atom], atom))
            self._by_anchor.setdefault(anchor, []).append(term)
        self._lexicon = Lexicon(vocabulary, used)

    def read(self, text: str) -> tuple[Word, ...]:
        """Read the words of a text."""
        return self._lexicon.read(text)

    def hits(self, words: Sequence[Word]) -> list[Hit]:
        """Find every term, once for each place of its rarest word.

        Args:
            words: As `read` gave them.
        """
        places: dict[str, list[int]] = {}
        for at, word in enumerate(words):
            for atom in word.atoms:
                places.setdefault(atom, []).append(at)
        found: list[Hit] = []
        for anchor, here in sorted(places.items()):
            for term in self._by_anchor.get(anchor, ()):
                if all(atom in places for atom in term.atoms):
                    for at in here:
                        hit = _hit(words, places, term, anchor, at)
                        if hit is not None:
                            found.append(hit)
        return found


def _read(
    owner: str,
    text: str,
    vocabulary: VocabularyFile,
    fillers: frozenset[str],
    denials: frozenset[str],
) -> Term:
    """Read a term as the data file writes it."""
    ordered, slack, weight = False, _SLACK, 1.0
    if text[0] in "=~":
        ordered, slack, text = True, 0 if text[0] == "=" else _ORDERED_SLACK, text[1:]
    if text.endswith("?"):
        weight, text = _WEAK, text[:-1]
    atoms: list[str] = []
    for word in text.replace("'", " ").split():
        if word.isupper():
            if word not in vocabulary.classes:
                message = f"a term of {owner} names no class of the vocabulary: {word}"
                raise ValueError(message)
            atoms.append(word)
            continue
        folded = fold(word)
        atoms.extend(vocabulary.abbreviations.get(folded, folded).split())
    kept = tuple(atom for atom in atoms if atom not in fillers)
    denies = any(
        atom in denials or not denials.isdisjoint(vocabulary.classes.get(atom, ())) for atom in kept
    )
    return Term(owner, kept, ordered, slack, weight, denies)


def _hit(
    words: Sequence[Word], places: dict[str, list[int]], term: Term, anchor: str, at: int
) -> Hit | None:
    """Match a term around one place of its rarest word."""
    found = (
        _ordered(words, term, anchor, at)
        if term.ordered
        else _near(words, places, term, anchor, at)
    )
    if not found:
        return None
    first, last = min(found), max(found)
    if words[first].sentence != words[last].sentence:
        return None
    if term.denies and words[first].clause != words[last].clause:
        return None
    gap = last - first + 1 - len(found)
    score = term.weight * _GAP**gap
    for place in found:
        score *= words[place].quality
    denied = not term.denies and any(words[place].denied for place in found)
    past, kin = (
        any(flags) for flags in zip(*((words[p].past, words[p].kin) for p in found), strict=True)
    )
    return Hit(term, tuple(sorted(found)), score, denied, past, kin)


def _near(
    words: Sequence[Word], places: dict[str, list[int]], term: Term, anchor: str, at: int
) -> tuple[int, ...]:
    """Pick the nearest place of each other atom, all within the term's reach."""
    reach = len(term.atoms) - 1 + term.slack
    picked = [at]
    rest = list(term.atoms)
    rest.remove(anchor)
    for atom in rest:
        likely = (
            place
            for place in places[atom]
            if abs(place - at) <= reach
            and place not in picked
            and words[place].sentence == words[at].sentence
        )
        nearest = min(likely, key=lambda place: (abs(place - at), place), default=None)
        if nearest is None:
            return ()
        picked.append(nearest)
    return tuple(picked) if max(picked) - min(picked) <= reach else ()


def _ordered(words: Sequence[Word], term: Term, anchor: str, at: int) -> tuple[int, ...]:
    """Follow the atoms in order, before and after the anchor."""
    picked = [at]
    index = term.atoms.index(anchor)
    for atoms, step in ((term.atoms[index + 1 :], 1), (reversed(term.atoms[:index]), -1)):
        here = at
        for atom in atoms:
            steps = (here + step * (1 + gap) for gap in range(term.slack + 1))
            place = next((p for p in steps if 0 <= p < len(words) and atom in words[p].atoms), None)
            if place is None:
                return ()
            picked.append(place)
            here = place
    return tuple(picked)
