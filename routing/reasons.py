"""Reasons in words: a code and its values become one short line in French or English.

The catalogue is `reasons.toml`. The unit of a value is the end of its name, so that a template
never carries formatting of its own and both languages say the same.
"""

import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from directory import capacity, codes
from directory.capacity import CapacityKind
from routing.model import Reason, Value

Language: TypeAlias = Literal["fr", "en"]

CATALOGUE: Final = Path(__file__).parent / "reasons.toml"
_DAYS: Final[Mapping[Language, tuple[str, ...]]] = {
    "fr": ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_NEAR: Final[Mapping[Language, tuple[str, str]]] = {
    "fr": ("aujourd'hui", "demain"),
    "en": ("today", "tomorrow"),
}
_BEDS: Final = frozenset(one.value for one in CapacityKind)
_LANGUAGES: Final[Mapping[str, Mapping[Language, str]]] = {
    "fr": {"fr": "français", "en": "French"},
    "en": {"fr": "anglais", "en": "English"},
    "ar": {"fr": "arabe", "en": "Arabic"},
    "de": {"fr": "allemand", "en": "German"},
    "es": {"fr": "espagnol", "en": "Spanish"},
    "pt": {"fr": "portugais", "en": "Portuguese"},
    "office": {"fr": "au cabinet", "en": "at the office"},
    "home_visit": {"fr": "visite à domicile", "en": "home visit"},
    "teleconsultation": {"fr": "téléconsultation", "en": "video consultation"},
    "telephone": {"fr": "téléphone", "en": "telephone"},
}


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the catalogue in both languages."""

    fr: str
    en: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A reason as it leaves the API: for machines by its code, for people in two languages."""

    code: str
    values: dict[str, Value]
    fr: str
    en: str


@cache
def catalogue() -> Mapping[str, Template]:
    """Read the catalogue once per process.

    Raises:
        msgspec.ValidationError: The file does not have the documented shape.
    """
    return msgspec.toml.decode(CATALOGUE.read_bytes(), type=dict[str, Template])


def tell(reason: Reason, now: datetime, zone: str) -> Told:
    """Put a reason into both languages.

    Args:
        reason: Code and values; an unknown code is told as itself.
        now: Moment of the answer, for "today" and "tomorrow".
        zone: IANA zone whose clock is read.
    """
    return Told(
        code=reason.code,
        values=reason.values,
        fr=render(reason, "fr", now, zone),
        en=render(reason, "en", now, zone),
    )


def render(reason: Reason, language: Language, now: datetime, zone: str) -> str:
    """Put a reason into words.

    Args:
        reason: Code and values.
        language: `fr` or `en`.
        now: Moment of the answer.
        zone: IANA zone whose clock is read.
    """
    template = catalogue().get(reason.code)
    if template is None:
        return reason.code
    text = template.fr if language == "fr" else template.en
    words = {
        name: _worded(name, reason.values[name], language, now, zone)
        for _, name, _, _ in string.Formatter().parse(text)
        if name is not None and name in reason.values
    }
    return text.format_map({**dict.fromkeys(_names(text), "?"), **words})


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def _worded(name: str, value: Value, language: Language, now: datetime, zone: str) -> str:
    unit = name.rpartition("_")[2]
    if unit == "s" and isinstance(value, int):
        return duration(value, language)
    if unit == "m" and isinstance(value, int):
        return metres(value, language)
    if unit == "age" and isinstance(value, int):
        return _age(value, language)
    if unit == "at" and isinstance(value, str):
        return moment(datetime.fromisoformat(value), language, now, zone)
    if isinstance(value, list):
        return ", ".join(label(one, language) for one in value) or "-"
    return label(value, language) if isinstance(value, str) else str(value)


def duration(seconds: int, language: Language) -> str:
    """Put a length of time into words: `12 min`, `1 h 35`, `3 j` (`3 d`).

    Args:
        seconds: Not negative.
        language: `fr` or `en`.
    """
    minutes = max(1, round(seconds / 60))
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest:02d}" if rest else f"{hours} h"
    return f"{round(minutes / 1440)} {'j' if language == 'fr' else 'd'}"


def metres(distance_m: int, language: Language) -> str:
    """Put a distance into words: `800 m`, `1,5 km` (`1.5 km`), `23 km`.

    Args:
        distance_m: Metres, not negative.
        language: `fr` or `en`.
    """
    if distance_m < 1000:  # noqa: PLR2004 - metres of a kilometre
        return f"{distance_m} m"
    if distance_m < 10_000:  # noqa: PLR2004 - one decimal below ten kilometres
        text = f"{distance_m / 1000:.1f} km"
        return text.replace(".", ",") if language == "fr" else text
    return f"{-(-distance_m // 1000)} km"


def moment(at: datetime, language: Language, now: datetime, zone: str) -> str:
    """Put a moment into words: `aujourd'hui 17:20`, `tomorrow 09:00`, `mar. 24/11 09:00`.

    Args:
        at: The moment, aware.
        language: `fr` or `en`.
        now: What "today" is measured from, aware.
        zone: IANA zone whose clock is read.
    """
    clock = ZoneInfo(zone)
    local, today = at.astimezone(clock), now.astimezone(clock).date()
    ahead = local.date() - today
    if timedelta(0) <= ahead <= timedelta(days=1):
        return f"{_NEAR[language][ahead.days]} {local:%H:%M}"
    return f"{_DAYS[language][local.weekday()]} {local:%d/%m %H:%M}"


def _age(months: int, language: Language) -> str:
    if months < 24:  # noqa: PLR2004 - infants are counted in months
        return f"{months} {'mois' if language == 'fr' else 'months'}"
    return f"{months // 12} {'ans' if language == 'fr' else 'years'}"


def label(code: str, language: Language) -> str:
    """Give the label of a directory code, a kind of beds, a modality or a language, else the code.

    Args:
        code: Code of `directory/data/codes.toml`, a modality, or ISO 639-1.
        language: `fr` or `en`.
    """
    known = codes.load()
    for group in (known.service, known.skill, known.accessibility):
        if (found := group.get(code)) is not None:
            return found.fr if language == "fr" else found.en
    beds = capacity.labels().get(CapacityKind(code)) if code in _BEDS else None
    if beds is not None:
        return beds.fr if language == "fr" else beds.en
    own = _LANGUAGES.get(code)
    return code if own is None else own[language]


def iso(at: datetime) -> str:
    """Write a moment as a reason's value: ISO 8601 in UTC, whole seconds."""
    return at.astimezone(UTC).isoformat(timespec="seconds")
