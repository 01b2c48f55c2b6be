"""Public holidays of a department, read from `data/france/holidays.toml`; a pure calendar."""

import re
from datetime import date, timedelta
from functools import cache
from typing import Final

import msgspec
from dateutil.easter import easter

from directory.places import DATA

HOLIDAYS_FILE: Final = DATA / "france" / "holidays.toml"


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One holiday: a date of every year, or days after Easter Sunday.

    Attributes:
        departments: Where it holds; None = in every department.
    """

    code: str
    month: int = 1
    day: int = 1
    easter: int | None = None
    departments: frozenset[str] | None = None


class Calendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The holidays of a country.

    Attributes:
        departments: Pattern of the departments that it is about.
        holiday: Every holiday.
    """

    departments: str
    holiday: tuple[Holiday, ...]


@cache
def load() -> Calendar:
    """Read the shipped file once per process.

    Raises:
        msgspec.ValidationError: The file does not have the documented shape.
    """
    return msgspec.toml.decode(HOLIDAYS_FILE.read_bytes(), type=Calendar)


@cache
def of(year: int, department: str) -> frozenset[date]:
    """Give the public holidays of a year in a department; none for a place of another country.

    Args:
        year: 1583 to 4099, where Easter is defined.
        department: Department code, such as `80` or `2A`.
    """
    calendar = load()
    if not re.fullmatch(calendar.departments, department):
        return frozenset()
    return frozenset(
        _day(one, year)
        for one in calendar.holiday
        if one.departments is None or department in one.departments
    )


def _day(holiday: Holiday, year: int) -> date:
    if holiday.easter is None:
        return date(year, holiday.month, holiday.day)
    sunday: date = easter(year)
    return sunday + timedelta(days=holiday.easter)
