"""Who a text speaks of: age, in years and in months under two, and sex.

Pure and total. What is not said plainly is left open: a text that names a man and a woman says
the sex of neither, unless one of them is named with the age.
"""

import re
from typing import Final

from triage.measures import Measure
from triage.words import fold

_MOST_LETTERS: Final = 8000
_OLDEST: Final = 120
_MONTHS_UNDER_TWO: Final = 24
_YEARS: Final = (
    re.compile(r"\b(\d{1,3})[ -]*(?:years?|yrs?|y)[ -]*(?:old|/?o\b)"),
    re.compile(r"\b(\d{1,3}) ?(?:yo|y/o)\b"),
    re.compile(
        r"\b(?:aged?|agee?(?: de)?|age ?:)\s*(\d{1,3})\b(?!\s*(?:mois|months?|jours|days|sem))"
    ),
    re.compile(
        r"(?<!depuis )(?<!y a )(?<!pendant )(?<!tous les )(?<!apres )(?<!dans )(?<!plus de )"
        r"\b(\d{1,3}) ?ans\b(?! (?:de (?:suivi|traitement|tabac)))"
    ),
    re.compile(r"^\W*(\d{1,3}) ?[mfh]\b"),
    re.compile(r"\b[mfh] ?(\d{2})\b(?! ?(?:/|%|bpm|h\b))"),
    re.compile(r"\b(\d{1,3})[ -]year[ -](?=(?:male|female|man|woman|boy|girl))"),
)
_MONTHS: Final = (
    re.compile(r"\b(\d{1,2})[ -]*(?:months?|mo|mths?)[ -]*(?:old|/?o\b)"),
    re.compile(
        r"\b(?:bebe|nourrisson|enfant|fille|garcon|fillette|age|agee|fils|baby|infant)(?: a| de)*"
        r" (\d{1,2}) ?mois\b"
    ),
    re.compile(r"^\W*(\d{1,2}) ?mois\b"),
)
_WEEKS: Final = (
    re.compile(r"\b(\d{1,2})[ -]*(?:weeks?|wks?)[ -]*old"),
    re.compile(r"\b(?:bebe|nourrisson|age|agee|baby)(?: a| de)* (\d{1,2}) ?semaines?\b"),
)
_DAYS: Final = (
    re.compile(r"\b(\d{1,2})[ -]*days?[ -]*old"),
    re.compile(
        r"\b(?:bebe|nourrisson|nouveau[ -]ne|age|agee|baby)(?: a| de)* (\d{1,2}) ?(?:jours?|j)\b"
    ),
)
_NEWBORN: Final = re.compile(r"\b(?:newborn|neonate|nouveau[ -]ne)s?\b")
_MALE: Final = frozenset(
    {
        *("man", "male", "boy", "gentleman", "mr", "husband", "grandfather"),
        *("monsieur", "homme", "garcon", "garconnet", "masculin", "papi", "gars"),
    }
)
_FEMALE: Final = frozenset(
    {
        *("woman", "female", "girl", "lady", "mrs", "ms", "miss", "grandmother"),
        *("madame", "mme", "femme", "fille", "fillette", "feminin", "mamie", "dame"),
    }
)
_HE: Final = frozenset({"he", "his", "him", "himself"})
_SHE: Final = frozenset({"she", "her", "hers", "herself"})
_WORD: Final = re.compile(r"[a-z]+")
_BESIDE: Final = 30
"""Letters within which a word for a person is taken to belong to the age."""
_LETTER: Final = re.compile(
    r"\b\d{1,3} ?(?:yo|y/o|ans|y)?[ ,]*([MFH])\b"
    r"|\b([MFH])[ ,/]*\d{1,3} ?(?:yo|y/o|ans|y)\b"
    r"|^\W*([MFH]) ?\d{2}\b"
)


def read(text: str) -> tuple[Measure, ...]:
    """Read age and sex.

    Args:
        text: Anything.

    Returns:
        `age_y` (years, a fraction under two), `age_mo` (under two only), `sex` ("F", "M"), each
        only when said plainly.
    """
    raw = text[:_MOST_LETTERS]
    plain = fold(raw).replace("’", "'")
    found: list[Measure] = []
    age = _age(plain)
    if age is not None:
        months, words, _ = age
        found.append(Measure("age_y", round(months / 12, 2), words))
        if months < _MONTHS_UNDER_TWO:
            found.append(Measure("age_mo", float(round(months, 2)), words))
    sex = _sex(raw, plain, None if age is None else age[2])
    if sex is not None:
        found.append(sex)
    return tuple(found)


def _age(text: str) -> tuple[float, str, int] | None:
    """Give the first age said: months, the words, where."""
    likely: list[tuple[int, float, str]] = []
    for patterns, months in ((_YEARS, 12.0), (_MONTHS, 1.0), (_WEEKS, 12 / 52), (_DAYS, 12 / 365)):
        for pattern in patterns:
            for match in pattern.finditer(text):
                value = float(match.group(1)) * months
                if value <= _OLDEST * 12:
                    likely.append((match.start(), value, match.group().strip()))
                    break
    if not likely:
        born = _NEWBORN.search(text)
        return None if born is None else (0.0, born.group(), born.start())
    at, value, words = min(likely)
    return value, words, at


def _sex(raw: str, text: str, age_at: int | None) -> Measure | None:
    """Give the sex said beside the age, by a letter, or by every word alike."""
    letter = _LETTER.search(raw)
    if letter is not None:
        said = next(group for group in letter.groups() if group)
        return Measure("sex", "F" if said == "F" else "M", letter.group().strip())
    if age_at is not None:
        near = _unanimous(text[max(0, age_at - _BESIDE // 2) : age_at + _BESIDE], _MALE, _FEMALE)
        if near is not None:
            return near
    return _unanimous(text, _MALE, _FEMALE) or _unanimous(text, _HE, _SHE)


def _unanimous(text: str, male: frozenset[str], female: frozenset[str]) -> Measure | None:
    """Give the sex when words of one kind only are there."""
    words = _WORD.findall(text)
    men = [word for word in words if word in male]
    women = [word for word in words if word in female]
    if bool(men) == bool(women):
        return None
    return Measure("sex", "M", men[0]) if men else Measure("sex", "F", women[0])
