"""Availability as a CSV file: one period a line, columns as docs/feeds.md says."""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from directory.feed_rows import BrokenRow, FeedContent, FeedDiary, FeedPeriod, FeedPlace
from directory.model import Modality, Visibility
from interop import delimited
from interop.smart_scheduling import LONGEST_KEY, MOST_BROKEN, MOST_ROWS, time_fault
from kernel import errors

NEEDED: Final = (
    "place", "place_name", "city", "postcode", "lon", "lat", "diary", "service", "start", "end",
)  # fmt: skip
"""Columns that a file must have; `slot`, `modality`, `visibility`, `capacity`, `free` and `link`
may be left out."""
_FREE: Final = {
    "": True, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False,
}  # fmt: skip


class _Refused(Exception):
    """A line that cannot be read, with its reason."""


class _Row(msgspec.Struct, frozen=True):
    place: FeedPlace
    diary: FeedDiary
    period: FeedPeriod


def read(path: Path) -> FeedContent:
    """Read a file.

    Args:
        path: UTF-8, separated by semicolons, commas or tabs; the first line names the columns.

    Returns:
        Every readable row; unreadable ones by line and reason.

    Raises:
        kernel.errors.Invalid: `feed_columns_missing`, `feed_too_large`.
        kernel.errors.Unavailable: `feed_away`: there is no such file.
    """
    places: dict[str, FeedPlace] = {}
    diaries: dict[str, FeedDiary] = {}
    periods: list[FeedPeriod] = []
    broken: list[BrokenRow] = []
    with _opened(path) as stream:
        lines = delimited.rows(stream, "", "utf-8", csv.QUOTE_MINIMAL)
        header = next(lines, delimited.Cells(line=1))
        at = delimited.columns(header.values, NEEDED)
        if at is None:
            raise errors.Invalid(
                "feed_columns_missing", "The first line does not name the columns.", line=1
            )
        for cells in lines:
            try:
                row = _row(cells, at)
            except _Refused as refused:
                if len(broken) < MOST_BROKEN:
                    broken.append(BrokenRow(file=path.name, line=cells.line, reason=str(refused)))
                continue
            if len(periods) >= MOST_ROWS:
                raise errors.Invalid("feed_too_large", "More rows than one feed may have.")
            places.setdefault(row.place.key, row.place)
            diaries.setdefault(row.diary.key, row.diary)
            periods.append(row.period)
    return FeedContent(
        places=tuple(places.values()), diaries=tuple(diaries.values()), periods=tuple(periods),
        broken=tuple(broken),
    )  # fmt: skip


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise errors.Unavailable("feed_away", "There is no such file.", 60) from error


def _row(cells: delimited.Cells, at: Mapping[str, int]) -> _Row:
    """Read one line.

    Raises:
        _Refused: With the reason.
    """
    if cells.reason:
        raise _Refused(cells.reason)
    if len(cells.values) != len(at):
        raise _Refused("cells_missing")

    def cell(name: str) -> str:
        place = at.get(name)
        return "" if place is None else cells.values[place]

    place_key, diary_key = cell("place"), cell("diary")
    start, end = _moment(cell("start")), _moment(cell("end"))
    slot_key = cell("slot") or f"{diary_key}@{cell('start')}"
    if not all(0 < len(key) <= LONGEST_KEY for key in (place_key, diary_key, slot_key)):
        raise _Refused("key_unusable")
    try:
        return _Row(
            FeedPlace(
                key=place_key, name=cell("place_name"), city=cell("city"), region="",
                postcode=cell("postcode"), lon=_number(cell("lon")), lat=_number(cell("lat")),
                line=cells.line,
            ),
            FeedDiary(
                key=diary_key, place_key=place_key, codes=(cell("service"),),
                modality=Modality(cell("modality") or "office"), line=cells.line,
            ),
            FeedPeriod(
                key=slot_key, diary_key=diary_key, start=start, end=end,
                free=_FREE[cell("free").casefold()],
                capacity=int(cell("capacity")) if cell("capacity") else None,
                visibility=Visibility(cell("visibility") or "PUBLIC"),
                link=cell("link") or None, line=cells.line,
            ),
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise _Refused("value_unreadable") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Refused("time_unreadable") from error
    if reason := time_fault(moment):
        raise _Refused(reason)
    return moment


def _number(text: str) -> float | None:
    return float(text.replace(",", ".")) if text else None
