"""The feed doctor: finds what is wrong with a publisher's rows, repairs only what is safe.

Pure. Every fault names the row and keeps the original beside a repair, so that the publisher can
be told. What cannot be repaired without guessing is marked and left as it was published.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from directory import identifiers
from directory.feed_rows import BrokenRow, FeedContent, FeedDiary, FeedPeriod, FeedPlace
from kernel import errors

FaultCode: TypeAlias = Literal[
    "repeated_id",
    "repeated_row",
    "lost_leading_zero",
    "unknown_place",
    "unknown_diary",
    "suspect_offset",
    "ends_before_start",
    "past_period",
    "empty_but_free",
    "homonym_city",
    "frozen_feed",
    "unknown_code",
    "no_position",
    "too_far",
    "too_many_places",
    "diary_too_large",
    "unreadable",
    "malformed_identifier",
    "suspect_identifier",
]
POSTCODE_DIGITS: Final = {"US": 5, "FR": 5, "DE": 5, "ES": 5, "IT": 5}
"""Digits of a postcode whose first ones may be zeros that a spreadsheet swallows."""

FROZEN_AFTER: Final = timedelta(hours=24)
"""Availability that is a day old says nothing any more."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a feed beside its rows.

    Attributes:
        country: ISO 3166-1 alpha-2 code.
        zone: IANA zone of its places.
        now: The moment of the examination, aware.
        frozen_after: A feed that was made longer ago than this has stopped.
        unchanged_since: Since when its content is the same, whatever date it bears; None when
            this is the first time.
        homonyms: Names of towns, in lower case, that several towns of the country share.
    """

    country: str
    zone: str
    now: datetime
    frozen_after: timedelta = FROZEN_AFTER
    unchanged_since: datetime | None = None
    homonyms: frozenset[str] = frozenset()


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes:
        row: `place`, `diary`, `period`, `number`, `organisation`, `practitioner` or `feed`.
        key: The publisher's identifier of the row.
        file: Name of its file; empty where the feed is one file.
        line: Line of its file; 0 for the feed as a whole.
        original: What was published.
        repaired: What is used instead; None where nothing safe was found.
    """

    code: FaultCode
    row: Literal["place", "diary", "period", "feed", "number", "organisation", "practitioner"]
    key: str
    file: str = ""
    line: int
    original: str
    repaired: str | None = None


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor says.

    Attributes:
        content: The rows with the repairs; a period has a key of its own in its diary.
        faults: In the order of the files.
        bookable: Periods that may be offered: free, whole, of a known diary, not yet over.
        full: Sound periods of a known diary to come in which nothing is left.
    """

    content: FeedContent
    faults: tuple[Fault, ...]
    bookable: tuple[FeedPeriod, ...]
    full: tuple[FeedPeriod, ...]

    def count(self, code: FaultCode) -> int:
        """Count the faults of one kind."""
        return sum(fault.code == code for fault in self.faults)


def examine(content: FeedContent, known: Circumstances) -> Examination:
    """Examine one state of a feed.

    Args:
        content: As read.
        known: What is known beside it.

    Returns:
        Repaired rows, every fault, and what may be offered.
    """
    faults: list[Fault] = [*_feed(content, known)]
    places = [_place(place, known, faults) for place in content.places]
    faults += _orphans(content)
    faults += _numbers(content)
    diaries = {diary.key for diary in content.diaries}
    examined = _periods(content.periods, known, faults)
    sound = [
        (period, found)
        for period, found in examined
        if period.diary_key in diaries and not found & _UNUSABLE
    ]
    return Examination(
        content=msgspec.structs.replace(
            content, places=tuple(places), periods=tuple(period for period, _ in examined)
        ),
        faults=tuple(faults),
        bookable=tuple(period for period, found in sound if period.free and not found & _EMPTY),
        full=tuple(period for period, found in sound if not period.free or found & _EMPTY),
    )


_UNUSABLE: Final[frozenset[FaultCode]] = frozenset(
    {"repeated_row", "ends_before_start", "past_period", "too_far"}
)
_EMPTY: Final[frozenset[FaultCode]] = frozenset({"empty_but_free"})
FARTHEST: Final = timedelta(days=3_650)
"""A period that starts later than this is a slip of the pen."""
LONGEST: Final = timedelta(days=31)
"""So is one that has been running for longer than this."""


def _feed(content: FeedContent, known: Circumstances) -> Iterator[Fault]:
    """Find out whether the feed has stopped."""
    if content.as_of is not None and known.now - content.as_of > known.frozen_after:
        yield Fault(
            code="frozen_feed", row="feed", key="", line=0, original=content.as_of.isoformat()
        )
    elif (since := known.unchanged_since) is not None and known.now - since > known.frozen_after:
        yield Fault(code="frozen_feed", row="feed", key="", line=0, original=since.isoformat())


def _place(place: FeedPlace, known: Circumstances, faults: list[Fault]) -> FeedPlace:
    """Give a place its swallowed zeros back; mark a town that is not the only one of its name."""
    wanted = POSTCODE_DIGITS.get(known.country)
    first, dash, rest = place.postcode.partition("-")
    if wanted is not None and first.isdigit() and wanted - 2 <= len(first) < wanted:
        whole = first.zfill(wanted) + dash + rest
        faults.append(_of_place("lost_leading_zero", place, place.postcode, whole))
        place = msgspec.structs.replace(place, postcode=whole)
    if not place.postcode and place.city.casefold() in known.homonyms:
        faults.append(_of_place("homonym_city", place, place.city, None))
    return place


def _of_place(code: FaultCode, place: FeedPlace, original: str, repaired: str | None) -> Fault:
    return Fault(
        code=code,
        row="place",
        key=place.key,
        file=place.file,
        line=place.line,
        original=original,
        repaired=repaired,
    )


def _orphans(content: FeedContent) -> Iterator[Fault]:
    """Find diaries of unknown places and periods of unknown diaries."""
    places = {place.key for place in content.places}
    diaries = {diary.key for diary in content.diaries}
    for diary in content.diaries:
        if diary.place_key not in places:
            yield _of_diary("unknown_place", diary)
    for period in content.periods:
        if period.diary_key not in diaries:
            yield _of_period("unknown_diary", period, period.diary_key)
    yield from _repeated_rows(content)


def _numbers(content: FeedContent) -> Iterator[Fault]:
    """Check the national numbers: their shape and their check digit; none is repaired."""
    for number in content.numbers:
        code: FaultCode = "suspect_identifier"
        try:
            if identifiers.parse(number.system, number.value).checked:
                continue
        except errors.Malformed:
            code = "malformed_identifier"
        yield Fault(
            code=code,
            row="number",
            key=number.key,
            file=number.file,
            line=number.line,
            original=f"{number.system} {number.value}",
        )


def _of_diary(code: FaultCode, diary: FeedDiary) -> Fault:
    return Fault(
        code=code,
        row="diary",
        key=diary.key,
        file=diary.file,
        line=diary.line,
        original=diary.place_key,
    )


def _repeated_rows(content: FeedContent) -> Iterator[Fault]:
    """Find places and diaries whose identifier was used before: nobody knows which one is meant."""
    for row, found in (("place", content.places), ("diary", content.diaries)):
        seen: set[str] = set()
        for one in found:
            if one.key in seen:
                yield Fault(
                    code="repeated_id",
                    row="place" if row == "place" else "diary",
                    key=one.key,
                    file=one.file,
                    line=one.line,
                    original=one.key,
                )
            seen.add(one.key)


def _periods(
    periods: Iterable[FeedPeriod], known: Circumstances, faults: list[Fault]
) -> list[tuple[FeedPeriod, frozenset[FaultCode]]]:
    """Examine periods in order; a repeated identifier becomes one of the diary and the start.

    Returns:
        Each period with the codes of its own faults.
    """
    zone = ZoneInfo(known.zone)
    seen: set[tuple[str, datetime, datetime]] = set()
    used: Counter[str] = Counter()
    examined = []
    for published in periods:
        period = published
        own: list[Fault] = []
        span = (period.diary_key, period.start, period.end)
        if span in seen:
            own.append(_of_period("repeated_row", period, period.start.isoformat()))
        elif used[period.key]:
            whole = f"{period.diary_key}@{period.start.isoformat()}"
            own.append(_of_period("repeated_id", period, period.key, whole))
            period = msgspec.structs.replace(period, key=whole, published_key=published.key)
        seen.add(span)
        used[published.key] += 1
        own += _of_times(period, zone, known.now)
        faults += own
        examined.append((period, frozenset(fault.code for fault in own)))
    return examined


def _of_times(period: FeedPeriod, zone: ZoneInfo, now: datetime) -> Iterator[Fault]:
    """Judge the times and the capacity of one period."""
    published = period.start.utcoffset()
    # UTC is how many systems write a moment, whatever the zone of the place.
    if published and published != period.start.astimezone(zone).utcoffset():
        yield _of_period("suspect_offset", period, period.start.isoformat())
    if period.end <= period.start:
        yield _of_period("ends_before_start", period, period.end.isoformat())
    elif period.end <= now:
        yield _of_period("past_period", period, period.end.isoformat())
    elif period.start - now > FARTHEST or now - period.start > LONGEST:
        yield _of_period("too_far", period, period.start.isoformat())
    if period.free and period.capacity is not None and period.capacity <= 0:
        yield _of_period("empty_but_free", period, str(period.capacity))


def _of_period(
    code: FaultCode, period: FeedPeriod, original: str, repaired: str | None = None
) -> Fault:
    return Fault(
        code=code,
        row="period",
        key=period.key,
        file=period.file,
        line=period.line,
        original=original,
        repaired=repaired,
    )


def totals(faults: Iterable[Fault], broken: Iterable[BrokenRow]) -> dict[str, int]:
    """Count faults by code and unreadable rows by reason, for a report; most frequent first."""
    found = Counter[str](fault.code for fault in faults)
    found.update(f"unreadable_{row.reason}" for row in broken)
    return dict(found.most_common())
