"""Words of the console in both languages, and how times, distances and phones are written.

Texts live in `i18n/fr.json` and `i18n/en.json` under the same keys; this module only looks them
up and formats values. It knows no page and no room.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import phonenumbers

LANGUAGES: Final = ("fr", "en")
ZONE: Final = ZoneInfo("Europe/Paris")
"""The clock of the screens; a place's own zone is used where it is known."""

_TITLES: Final = frozenset({"Dr", "Pr", "M.", "Mme"})
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_YEAR_MONTHS: Final = 12
_MONTHS_SHOWN_BELOW: Final = 24


@cache
def texts(language: str) -> Mapping[str, str]:
    """Read one catalogue.

    Args:
        language: `fr` or `en`.

    Returns:
        Key -> text; read once a process.
    """
    raw = resources.files("console").joinpath(f"i18n/{language}.json").read_bytes()
    return MappingProxyType(msgspec.json.decode(raw, type=dict[str, str]))


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One reader's language and clock.

    Attributes:
        language: `fr` or `en`.
        zone: In which times are written.
    """

    language: str = "fr"
    zone: ZoneInfo = ZONE

    def t(self, key: str, **values: object) -> str:
        """Give a text.

        Args:
            key: Of the catalogues.
            **values: For its placeholders; plain text, escaped by the template.

        Raises:
            KeyError: No such key; a test finds it first.
        """
        return texts(self.language)[key].format(**values)

    def has(self, key: str) -> bool:
        """Tell whether a key exists: codes of other rooms may be newer than our texts."""
        return key in texts(self.language)

    def code(self, family: str, code: str) -> str:
        """Give the text of a code, or the code itself when it has none yet.

        Args:
            family: First part of the key, e.g. `error`.
            code: Stable code.
        """
        key = f"{family}.{code}"
        return texts(self.language).get(key, code)

    def n(self, key: str, count: int, **values: object) -> str:
        """Give a text that depends on a number: `<key>.one` or `<key>.many`."""
        one = count < 2 if self.language == "fr" else count == 1  # noqa: PLR2004 - French: 0, 1
        return self.t(f"{key}.{'one' if one else 'many'}", n=count, **values)

    def clock(self, moment: datetime, zone: str | None = None) -> str:
        """Write a time of day: `17 h 20` or `17:20`."""
        local = moment.astimezone(ZoneInfo(zone) if zone else self.zone)
        return local.strftime("%H\u202fh\u202f%M" if self.language == "fr" else "%H:%M")

    def day(self, moment: datetime, zone: str | None = None) -> str:
        """Write a day: `lun. 3 mars`."""
        local = moment.astimezone(ZoneInfo(zone) if zone else self.zone)
        weekday = self.t(f"weekday.{local.weekday()}")
        month = self.t(f"month.{local.month}")
        return self.t("format.day", weekday=weekday, day=local.day, month=month)

    def date(self, day: date) -> str:
        """Write a calendar day: `3 mars`."""
        return self.t("format.date", day=day.day, month=self.t(f"month.{day.month}"))

    def when(self, moment: datetime, now: datetime, zone: str | None = None) -> str:
        """Write a moment as people say it: `aujourd'hui 17 h 20`, `demain`, else the day."""
        where = ZoneInfo(zone) if zone else self.zone
        days = (moment.astimezone(where).date() - now.astimezone(where).date()).days
        near = {0: "format.today", 1: "format.tomorrow", -1: "format.yesterday"}.get(days)
        day = self.t(near) if near else self.day(moment, zone)
        return f"{day} {self.clock(moment, zone)}"

    def span(self, seconds: float) -> str:
        """Write a duration, rounded down to what matters: `45 s`, `12 min`, `2 h 05`, `3 j`."""
        whole = int(abs(seconds))
        if whole < _MINUTE_S:
            return f"{whole}\u00a0s"
        if whole < _HOUR_S:
            return f"{whole // _MINUTE_S}\u00a0min"
        if whole < 2 * _DAY_S:
            hours, minutes = divmod(whole // _MINUTE_S, 60)
            return f"{hours}\u00a0h\u00a0{minutes:02d}" if minutes else f"{hours}\u00a0h"
        return self.t("format.days", n=whole // _DAY_S)

    def metres(self, metres: float) -> str:
        """Write a distance: `850 m`, `2,4 km`, `38 km`."""
        if metres < 1000:  # noqa: PLR2004 - below one kilometre
            return f"{round(metres / 10) * 10}\u00a0m"
        kilometres = metres / 1000
        text = f"{kilometres:.1f}" if kilometres < 10 else f"{kilometres:.0f}"  # noqa: PLR2004
        return f"{text.replace('.', ',') if self.language == 'fr' else text}\u00a0km"

    def age(self, years: float | None) -> str:
        """Write an age: months under two years, `?` when unknown."""
        if years is None:
            return self.t("format.age_unknown")
        months = round(years * _YEAR_MONTHS)
        if months < _MONTHS_SHOWN_BELOW:
            return self.n("format.months", months)
        return self.n("format.years", months // _YEAR_MONTHS)


def phone(number: str | None) -> str:
    """Write a phone number in the pairs or groups of its country.

    Args:
        number: E.164; anything else is given back as it is.
    """
    if not number:
        return ""
    try:
        parsed = phonenumbers.parse(number, "FR")
    except phonenumbers.NumberParseException:
        return number
    style = phonenumbers.PhoneNumberFormat
    home = parsed.country_code == 33  # noqa: PLR2004 - the first country of Régul
    return phonenumbers.format_number(parsed, style.NATIONAL if home else style.INTERNATIONAL)


def initials(name: str) -> str:
    """Give the initials of a colleague: `Dr Denis Exemple` becomes `DE`.

    Args:
        name: As shown on screens; titles and what stands in brackets are left out.
    """
    words = [word for word in name.partition("(")[0].split() if word not in _TITLES]
    return "".join(word[0] for word in words[:2]).upper()


def iso(moment: datetime) -> str:
    """Write a moment for the page's own clock: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
