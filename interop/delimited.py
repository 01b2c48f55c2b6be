"""Rows of a delimited text file, line by line: bounded, checked for encoding and for formulas.

A cell never holds a line break, so one broken line never stops the rest.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final, Literal, TypeAlias

import msgspec

from interop import smart_scheduling

FORMULA: Final = re.compile(r"[=@\t\r]|[+-](?![\d .,()/-]*$)")
"""What a spreadsheet would run when a cell begins with it; signed numbers and phones are none."""
MOST_CELLS: Final = 200
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Encoding: TypeAlias = Literal["utf-8", "french"]
"""`french`: UTF-8, or where a line is not, Windows-1252, as registers have been published."""


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """One line.

    Attributes:
        line: Number from 1.
        values: Its cells, blanks around them gone; empty when the line is refused.
        reason: Why it is refused; empty when it can be read: `line_too_long`, `encoding`,
            `quotes`, `too_many_cells`, `formula`.
    """

    line: int
    values: tuple[str, ...] = ()
    reason: str = ""


def rows(stream: BinaryIO, delimiter: str, encoding: Encoding, quoting: int) -> Iterator[Cells]:
    """Yield the lines of a file, refused ones with their reason.

    Args:
        stream: Bytes.
        delimiter: Between cells; empty = whichever of `;`, `,` and tab is first in the first line.
        encoding: What it is written in.
        quoting: `csv.QUOTE_MINIMAL` or `csv.QUOTE_NONE`.
    """
    for number, raw in smart_scheduling.lines(stream):
        if raw is None:
            yield Cells(line=number, reason="line_too_long")
            continue
        text = _decoded(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, encoding)
        if text is None:
            yield Cells(line=number, reason="encoding")
            continue
        delimiter = delimiter or _delimiter(text)
        yield _cells(number, text, delimiter, quoting)


def _decoded(raw: bytes, encoding: Encoding) -> str | None:
    line = raw.rstrip(b"\r\n")
    for one in ("utf-8", "cp1252") if encoding == "french" else ("utf-8",):
        try:
            text = line.decode(one)
        except UnicodeDecodeError:
            continue
        return None if _CONTROL.search(text) else text
    return None


def _delimiter(text: str) -> str:
    return next((one for one in text if one in ";,\t"), ";")


def _cells(number: int, text: str, delimiter: str, quoting: int) -> Cells:
    try:
        found = next(
            csv.reader([text], delimiter=delimiter, quoting=_quoting(quoting), strict=True), []
        )
    except csv.Error:
        return Cells(line=number, reason="quotes")
    if len(found) > MOST_CELLS:
        return Cells(line=number, reason="too_many_cells")
    if any(FORMULA.match(cell) for cell in found):
        return Cells(line=number, reason="formula")
    return Cells(line=number, values=tuple(cell.strip() for cell in found))


def _quoting(quoting: int) -> Literal[0, 3]:
    return csv.QUOTE_NONE if quoting == csv.QUOTE_NONE else csv.QUOTE_MINIMAL


def columns(header: Sequence[str], wanted: Sequence[str]) -> Mapping[str, int] | None:
    """Give the place of each column by name, case aside; None when a wanted one is missing."""
    found = {name.strip().casefold(): place for place, name in enumerate(header)}
    if not all(name.casefold() in found for name in wanted):
        return None
    return found
