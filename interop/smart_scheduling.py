"""SMART Scheduling Links: a manifest and NDJSON files, read line by line into neutral rows.

Source: smart-on-fhir/smart-scheduling-links, specification.md: `$bulk-publish` manifest, FHIR R4
Location, Schedule and Slot, one resource a line. One broken line never stops the rest: it is left
out with its line and a reason.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import msgspec

from directory.feed_rows import BrokenRow, FeedContent, FeedDiary, FeedPeriod, FeedPlace
from kernel import errors

LONGEST_LINE: Final = 1 << 20
"""Bytes of one resource; a longer line is skipped unread."""
LONGEST_KEY: Final = 200
"""Characters of an identifier; FHIR itself allows 64."""
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
MOST_ROWS: Final = 2_000_000
"""Rows of one feed: repeated ids are found only when all of them are looked at together."""
LARGEST_MANIFEST: Final = 16 << 20
"""Bytes of a manifest."""
MOST_BROKEN: Final = 10_000
"""Unreadable rows that are remembered one by one."""
CAPACITY: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/slot-capacity"
LINK: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/booking-deep-link"

Line: TypeAlias = tuple[int, bytes | None]
"""Number of a line from 1, and its bytes; None when it was longer than allowed."""


class _Coding(msgspec.Struct, frozen=True):
    code: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: tuple[_Coding, ...] = ()


class _Reference(msgspec.Struct, frozen=True):
    reference: str


class _Extension(msgspec.Struct, frozen=True, rename="camel"):
    url: str
    value_integer: int | None = None
    value_url: str | None = None


class _Address(msgspec.Struct, frozen=True, rename="camel"):
    city: str = ""
    state: str = ""
    postal_code: str = ""


class _Position(msgspec.Struct, frozen=True):
    latitude: float | None = None
    longitude: float | None = None


class _Location(
    msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="Location"
):
    id: str
    name: str = ""
    address: _Address = _Address()
    position: _Position = _Position()


class _Schedule(
    msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="Schedule"
):
    id: str
    actor: tuple[_Reference, ...]
    service_type: tuple[_Concept, ...] = ()


class _Slot(msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="Slot"):
    id: str
    schedule: _Reference
    status: str
    start: datetime
    end: datetime
    extension: tuple[_Extension, ...] = ()


class Output(msgspec.Struct, frozen=True):
    """One file of a manifest: the resources in it, and where it is."""

    type: str
    url: str


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """The `$bulk-publish` manifest: when it was made, and its files."""

    transaction_time: datetime
    output: tuple[Output, ...]


def lines(stream: BinaryIO) -> Iterator[Line]:
    """Cut a stream into lines without ever holding one that is too long.

    Args:
        stream: Bytes of an NDJSON file.

    Yields:
        Lines with their number, blank ones left out.
    """
    number = 0
    while piece := stream.readline(LONGEST_LINE):
        number += 1
        if len(piece) == LONGEST_LINE and not piece.endswith(b"\n"):
            while piece and not piece.endswith(b"\n"):
                piece = stream.readline(LONGEST_LINE)
            yield number, None
        elif piece.strip():
            yield number, piece


_RESOURCE: Final[msgspec.json.Decoder[_Location | _Schedule | _Slot]] = msgspec.json.Decoder(
    _Location | _Schedule | _Slot
)


class _Gathered(msgspec.Struct):
    """Rows read so far."""

    places: list[FeedPlace] = msgspec.field(default_factory=list)
    diaries: list[FeedDiary] = msgspec.field(default_factory=list)
    periods: list[FeedPeriod] = msgspec.field(default_factory=list)
    broken: list[BrokenRow] = msgspec.field(default_factory=list)

    def take(self, file: str, number: int, raw: bytes | None) -> None:
        """Read one line.

        Raises:
            Invalid: `feed_too_large`: more rows than can be examined together.
        """
        if len(self.places) + len(self.diaries) + len(self.periods) >= MOST_ROWS:
            raise errors.Invalid("feed_too_large", "More rows than one feed may have.")
        reason = "line_too_long" if raw is None else self._add(file, number, raw)
        if reason and len(self.broken) < MOST_BROKEN:
            self.broken.append(BrokenRow(file=file, line=number, reason=reason))

    def _add(self, file: str, number: int, raw: bytes) -> str:
        """Add one resource; give the reason when it cannot be read."""
        one = _resource(raw)
        if isinstance(one, str):
            return one
        if not 0 < len(one.id) <= LONGEST_KEY or "\x00" in one.id:
            return "key_unusable"
        if isinstance(one, _Location):
            self.places.append(_place(one, file, number))
            return ""
        if isinstance(one, _Schedule):
            return self._add_diary(one, file, number)
        return self._add_period(one, file, number)

    def _add_diary(self, one: _Schedule, file: str, number: int) -> str:
        place = next((_id_of(actor, "Location") for actor in one.actor), None)
        if place is None:
            return "no_location"
        codes = tuple(coding.code for kind in one.service_type for coding in kind.coding)
        self.diaries.append(
            FeedDiary(key=one.id, place_key=place, codes=codes, file=file, line=number)
        )
        return ""

    def _add_period(self, one: _Slot, file: str, number: int) -> str:
        diary = _id_of(one.schedule, "Schedule")
        if diary is None:
            return "no_schedule"
        if reason := time_fault(one.start, one.end):
            return reason
        self.periods.append(_period(one, diary, file, number))
        return ""


def _resource(raw: bytes) -> _Location | _Schedule | _Slot | str:
    """Read one line; give the reason when it cannot be read."""
    try:
        raw.decode("utf-8")
        return _RESOURCE.decode(raw)
    except UnicodeDecodeError:
        return "encoding"
    except msgspec.ValidationError:
        return "not_a_resource"
    except msgspec.DecodeError:
        return "not_json"
    except RecursionError:
        return "nested_too_deep"


def time_fault(*moments: datetime) -> str:
    """Give the reason why times of a row cannot be used; empty when they can.

    Years at the ends of the calendar cannot be shown in every zone.
    """
    if any(moment.tzinfo is None for moment in moments):
        return "time_without_offset"
    sane = all(FIRST_YEAR <= moment.year <= LAST_YEAR for moment in moments)
    return "" if sane else "time_out_of_range"


def _id_of(given: _Reference, kind: str) -> str | None:
    """Give the identifier in `Location/116`, whatever address stands before it."""
    *_, resource, identity = ["", *given.reference.split("/")]
    return identity if resource == kind and identity else None


def _place(one: _Location, file: str, number: int) -> FeedPlace:
    return FeedPlace(
        key=one.id,
        name=one.name,
        city=one.address.city,
        region=one.address.state,
        postcode=one.address.postal_code,
        lon=one.position.longitude,
        lat=one.position.latitude,
        file=file,
        line=number,
    )


def _period(one: _Slot, diary: str, file: str, number: int) -> FeedPeriod:
    found = {extension.url: extension for extension in one.extension}
    capacity, link = found.get(CAPACITY), found.get(LINK)
    return FeedPeriod(
        key=one.id,
        diary_key=diary,
        start=one.start,
        end=one.end,
        free=one.status == "free",
        capacity=None if capacity is None else capacity.value_integer,
        link=None if link is None else link.value_url,
        file=file,
        line=number,
    )


def read(folder: Path) -> FeedContent:
    """Read a feed that lies in a folder: one manifest (`*bulk-publish*`) and `*.ndjson` files.

    Args:
        folder: Where the files are; of the files that the manifest names, those that are there.

    Returns:
        Every readable row; unreadable ones by file, line and reason.

    Raises:
        Invalid: `feed_without_manifest`, `feed_manifest_unreadable`.
    """
    paths = sorted(folder.glob("*bulk-publish*"))
    if not paths:
        code = "feed_without_manifest"
        raise errors.Invalid(code, "A feed has one manifest, named ...bulk-publish...")
    made = manifest(paths[0]).transaction_time
    gathered = _Gathered()
    for path in sorted(folder.glob("*.ndjson")):
        with path.open("rb") as stream:
            for number, raw in lines(stream):
                gathered.take(path.name, number, raw)
    return FeedContent(
        as_of=made,
        places=tuple(gathered.places),
        diaries=tuple(gathered.diaries),
        periods=tuple(gathered.periods),
        broken=tuple(gathered.broken),
    )


def manifest(path: Path) -> Manifest:
    """Read the manifest of a feed.

    Raises:
        Invalid: `feed_manifest_unreadable`: not what the specification says, or its time is none.
    """
    code = "feed_manifest_unreadable"
    if path.stat().st_size > LARGEST_MANIFEST:
        raise errors.Invalid(code, "The manifest is too long.")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.Invalid(code, "The manifest is not what the specification says.") from error
    if time_fault(found.transaction_time):
        raise errors.Invalid(code, "The manifest has a time that cannot be used.")
    return found
