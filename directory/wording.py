"""What somebody typed, as a service code: accents, synonyms and small typos are no obstacle.

Words come from `data/words.toml` and the labels of `data/codes.toml`. Pure; the same text gives
the same codes. Whatever stands beside the word for a service ("ce soir", "pour mon fils") is
ignored. Nothing typed is kept or logged.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from directory import codes

WORDS_FILE: Final = Path(__file__).parent / "data" / "words.toml"
_LONGEST: Final = 7
"""Words in the longest run that is compared."""
_MOST_WORDS: Final = 24
_ONE_TYPO: Final = 5
"""Shortest word that may have one typo; shorter ones would become one another."""
_TWO_TYPOS: Final = 9
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae", "Œ": "oe", "Æ": "ae", "ß": "ss"})


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of words: for each service code what people say."""

    word: dict[str, tuple[str, ...]]


class Match(msgspec.Struct, frozen=True, order=True):
    """One reading of a text; the best comes first in order.

    Attributes:
        typos: Letters that had to be changed.
        shortness: Minus the letters that were read.
        service: Service code.
        phrase: The known wording.
    """

    typos: int
    shortness: int
    service: str
    phrase: str


def plain(text: str) -> str:
    """Give a text in small letters without accents, ligatures, signs and plural endings."""
    flat = unicodedata.normalize("NFKD", text.translate(_LIGATURES).casefold())
    letters = "".join(sign for sign in flat if not unicodedata.combining(sign))
    return " ".join(_singular(word) for word in re.findall(r"[a-z0-9]+", letters))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] in "sx" else word  # noqa: PLR2004 - "os", "bus"


@cache
def phrases() -> dict[str, str]:
    """Give the service code of every known wording, read once per process.

    Raises:
        ValueError: A wording stands for two services, or for a code that does not exist.
    """
    known: dict[str, str] = {}
    file = msgspec.toml.decode(WORDS_FILE.read_bytes(), type=Words)
    if unknown := codes.load().unknown_services(file.word):
        raise ValueError(f"words for unknown services: {', '.join(unknown)}")
    for service, code in codes.load().service.items():
        for text in (*file.word.get(service, ()), code.fr, code.en, service.replace("_", " ")):
            if known.setdefault(plain(text), service) != service:
                raise ValueError(f"{text!r} stands for two services")
    return known


def services(text: str, most: int = 3) -> tuple[str, ...]:
    """Give the service codes that a text may mean, the likeliest first.

    Fewest typos first, then the longest wording read; empty when nothing is recognised.

    Args:
        text: As typed, in French or English.
        most: How many at most.
    """
    words = plain(text).split()[:_MOST_WORDS]
    found: dict[str, Match] = {}
    for at in range(len(words)):
        for size in range(1, min(_LONGEST, len(words) - at) + 1):
            for match in _read(" ".join(words[at : at + size])):
                best = found.get(match.service)
                if best is None or match < best:
                    found[match.service] = match
    return tuple(match.service for match in sorted(found.values())[:most])


def _read(run: str) -> list[Match]:
    exact = phrases().get(run)
    if exact is not None:
        return [Match(0, -len(run), exact, run)]
    allowed = 0 if len(run) < _ONE_TYPO else 1 if len(run) < _TWO_TYPOS else 2
    if not allowed or run.isdigit():
        return []
    found = []
    for phrase, service in phrases().items():
        if len(phrase) < _ONE_TYPO or abs(len(phrase) - len(run)) > allowed or phrase[0] != run[0]:
            continue
        typos = distance(run, phrase)
        if typos <= allowed:
            found.append(Match(typos, -len(run), service, phrase))
    return found


def distance(one: str, other: str) -> int:
    """Count the letters to add, drop, change or swap with a neighbour to get from one to another.

    Source: optimal string alignment (Damerau 1964, restricted form).
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
