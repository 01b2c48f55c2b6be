"""Misspelled words: one letter off, or spelled as they sound in French.

Pure. Words shorter than six letters are corrected only where two letters inside them are
swapped (too many of them are one letter apart), ordinary words never, and the first letter is
taken as typed.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

SPELLING_MIN: Final = 6
SWAP_MIN: Final = 4
STEM_MIN: Final = 7
"""Shorter stems are too near to ordinary words ("concern" and "cancer")."""
ONE_LETTER_OFF: Final = 0.85
SOUNDS_ALIKE: Final = 0.8
_MOST_LETTERS: Final = 24
_SOUNDS: Final = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"eau|au", "o"),
        (r"ph", "f"),
        (r"qu|ck|ch(?=[lr])|k", "c"),
        (r"y", "i"),
        (r"th", "t"),
        (r"(?<=[aeiou])h|^h", ""),
        (r"ai|ei|oe", "e"),
        (r"(?:t|ss?|c)i(?=on)|z|ss|c(?=[ei])", "s"),
        (r"[ae][mn](?=[^aeiou]|$)", "2"),
        (r"i[mn](?=[^aeiou]|$)", "1"),
        (r"(.)\1+", r"\1"),
        (r"(?:ent|e?s|e|t|x|d)$", ""),
    )
)


class Correction(msgspec.Struct, frozen=True):
    """A word of the vocabulary meant by a misspelled one; `quality` is below 1."""

    word: str
    quality: float


class Spelling:
    """Corrects towards one vocabulary; immutable once built.

    Args:
        exact: Whole words.
        stems: Beginnings of words.
        known: Ordinary words, left alone.
    """

    def __init__(
        self, *, exact: AbstractSet[str], stems: AbstractSet[str], known: AbstractSet[str]
    ) -> None:
        self._known = known
        self._exact = _neighbourhood(exact)
        self._swaps = {
            swapped: word
            for word in sorted({*exact, *stems}, reverse=True)
            if SWAP_MIN <= len(word) < SPELLING_MIN
            for swapped in _swapped(word)
        }
        self._stems = _neighbourhood(stem for stem in stems if len(stem) >= STEM_MIN)
        self._stem_lengths = sorted({len(stem) for stems in self._stems.values() for stem in stems})
        self._sounds: dict[str, str] = {}
        for word in sorted({word for words in self._exact.values() for word in words}):
            self._sounds.setdefault(sound(word), word)
        self._stem_sounds: dict[str, str] = {}
        for stem in sorted({stem for stems in self._stems.values() for stem in stems}):
            self._stem_sounds.setdefault(sound(stem), stem)

    def correct(self, word: str) -> Correction | None:
        """Give the word meant, or None when no single one is near.

        Args:
            word: Folded, not itself in the vocabulary.
        """
        if word in self._known or not word.isalpha() or len(word) > _MOST_LETTERS:
            return None
        if len(word) < SPELLING_MIN:
            meant = self._swaps.get(word)
            return None if meant is None else Correction(meant, ONE_LETTER_OFF)
        found = _nearest(word, self._exact) or self._nearest_stem(word)
        if found is not None:
            return Correction(found, ONE_LETTER_OFF)
        heard = sound(word)
        alike = self._sounds.get(heard) or self._sounding_stem(heard)
        return None if alike is None else Correction(alike, SOUNDS_ALIKE)

    def _nearest_stem(self, word: str) -> str | None:
        """Give a stem one letter away from the beginning of a word."""
        for length in reversed(self._stem_lengths):
            for end in (length, length + 1, length - 1):
                if SPELLING_MIN - 1 <= end < len(word):
                    found = _nearest(word[:end], self._stems)
                    if found is not None and len(found) == length:
                        return found
        return None

    def _sounding_stem(self, heard: str) -> str | None:
        """Give the longest stem that sounds like the beginning of what was heard."""
        ends = range(len(heard), SPELLING_MIN - 2, -1)
        return next(
            (self._stem_sounds[heard[:end]] for end in ends if heard[:end] in self._stem_sounds),
            None,
        )


def sound(word: str) -> str:
    """Fold a word to how it sounds in French.

    Args:
        word: Folded.
    """
    for pattern, replacement in _SOUNDS:
        word = pattern.sub(replacement, word)
    return word


def _swapped(word: str) -> list[str]:
    """Give a word with each two neighbours swapped, its first and last letters apart."""
    return [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 2)]


def _neighbourhood(words: Iterable[str]) -> dict[str, list[str]]:
    """File each long word under itself and under itself less each of its letters."""
    near: dict[str, list[str]] = {}
    for word in sorted(set(words)):
        if len(word) >= SPELLING_MIN:
            for key in _shortened(word):
                near.setdefault(key, []).append(word)
    return near


def _shortened(word: str) -> set[str]:
    """Give a word, and the word less each one of its letters."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(1, len(word)))}


def _nearest(word: str, near: dict[str, list[str]]) -> str | None:
    """Give the first word one letter away."""
    for key in sorted(_shortened(word)):
        for candidate in near.get(key, ()):
            if candidate[0] == word[0] and one_edit(word, candidate):
                return candidate
    return None


def one_edit(word: str, other: str) -> bool:
    """Tell whether one letter added, dropped, changed or swapped makes one word the other.

    Args:
        word: One word.
        other: The other.
    """
    if abs(len(word) - len(other)) > 1:
        return False
    head = 0
    while head < min(len(word), len(other)) and word[head] == other[head]:
        head += 1
    a, b = word[head:], other[head:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (len(a) > 1 and len(b) > 1 and swapped)
