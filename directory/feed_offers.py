"""What an examined feed means here: locations and mirrored diaries with the slots to be published.

Pure. A row that cannot be taken is quarantined: a fault says why, nothing is guessed. A period in
which nothing is left is kept only as far as somebody of ours is already in it.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import msgspec

from directory import codes, publication
from directory.feed_doctor import FARTHEST, LONGEST, Examination, Fault
from directory.feed_rows import FeedDiary, FeedPeriod, FeedPlace
from directory.feed_store import Feed
from directory.gazetteer import Commune
from directory.model import (
    CareServiceId,
    Interval,
    Location,
    LocationId,
    Modality,
    OrganisationId,
    ScheduleId,
    Slot,
    SlotKind,
)
from directory.publication import PublishedSlot

MOST_PLACES: Final = 200
"""Places of one period that are offered; the schema's limit (`slot_capacity_range`)."""
_LONGEST_TEXT: Final = 200
_HTTPS: Final = re.compile(r"https://[!-~]{1,1992}")


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where a human books a slot, by the slot's key and start."""

    key: str
    start: datetime
    url: str


class Diary(msgspec.Struct, frozen=True, kw_only=True):
    """A mirrored diary of a feed with the care service it stands for.

    Attributes:
        free: Slots to be offered; the capacity is what is left at the source.
        full: Slots in which nothing is left.
        fingerprint: Of all but the slots.
        links: Where a human books, for the slots that have a link.
    """

    key: str
    schedule_id: ScheduleId
    care_service_id: CareServiceId
    location_id: LocationId
    name: str
    service: str
    modality: Modality
    free: tuple[PublishedSlot, ...]
    full: tuple[PublishedSlot, ...]
    fingerprint: bytes
    links: tuple[Link, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A location of a feed."""

    key: str
    location: Location
    fingerprint: bytes


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a feed that can be taken in, and why the rest cannot."""

    places: tuple[Place, ...]
    diaries: tuple[Diary, ...]
    quarantined: tuple[Fault, ...]


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that is stored, with how many of its seats are held or booked."""

    slot: Slot
    taken: int


class Gazetteer:
    """Finds a commune by postcode and name, or by a postcode that is its alone."""

    def __init__(self, communes: Iterable[Commune]) -> None:
        """Index the communes."""
        self._by: dict[str, list[Commune]] = defaultdict(list)
        for commune in communes:
            for postcode in commune.postcodes:
                self._by[postcode].append(commune)

    def find(self, postcode: str, city: str) -> Commune | None:
        """Give the commune; None when the postcode is unknown or several could be meant."""
        found = self._by.get(postcode, [])
        named = [one for one in found if one.name.casefold() == city.casefold()] or found
        return named[0] if len(named) == 1 else None


def identity(feed_id: UUID, noun: str, key: str) -> UUID:
    """Give our id of a publisher's row: the same at every run, whatever was lost in between."""
    return uuid5(feed_id, f"{noun}/{key}")


def fingerprint(value: msgspec.Struct | tuple[object, ...]) -> bytes:
    """Give 16 bytes that tell whether a row says the same as before."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()[:16]


def text(value: str) -> str:
    """Cut a publisher's text to what is kept of it, without characters that cannot be stored."""
    return value.replace("\x00", "")[:_LONGEST_TEXT].strip()


def prepare(found: Examination, feed: Feed, gazetteer: Gazetteer) -> Offers:
    """Turn an examined feed into what can be taken in.

    Args:
        found: From the doctor.
        feed: Says zone, territory, organisation and what the codes mean.
        gazetteer: Finds the communes of its places.

    Returns:
        Places and diaries in the order of the feed; a repeated key counts once, the first time.
    """
    quarantined: list[Fault] = []
    places: dict[str, Place] = {}
    for row in found.content.places:
        if row.key not in places and (taken := _place(row, feed, gazetteer, quarantined)):
            places[row.key] = taken
    modalities = {one.key: one.modality for one in reversed(found.content.diaries)}
    free = _by_diary(found.bookable, modalities, quarantined)
    full = _by_diary(found.full, modalities, [])
    links = _links(found.bookable)
    diaries: dict[str, Diary] = {}
    for one in found.content.diaries:
        if one.key in diaries:
            continue
        service = _service(one, feed, quarantined)
        if service is None or one.place_key not in places:
            continue
        slots = (free.get(one.key, ()), full.get(one.key, ()))
        linked = links.get(one.key, ())
        if sum(map(len, slots)) > publication.LARGEST:
            quarantined.append(_fault("diary_too_large", one, str(len(slots[0]))))
            continue
        made = _diary(one, feed, places[one.place_key], service, slots)
        diaries[one.key] = msgspec.structs.replace(made, links=tuple(linked))
    return Offers(
        places=tuple(places.values()),
        diaries=tuple(diaries.values()),
        quarantined=tuple(quarantined),
    )


def _place(
    row: FeedPlace, feed: Feed, gazetteer: Gazetteer, quarantined: list[Fault]
) -> Place | None:
    postcode = text(row.postcode)
    commune = gazetteer.find(postcode, row.city)
    position = _position(row)
    if position is None:
        position = None if commune is None else (commune.lon, commune.lat)
        quarantined.append(
            Fault(
                code="no_position", row="place", key=row.key, file=row.file, line=row.line,
                original=f"{row.postcode} {row.city}",
                repaired=None if commune is None else f"centre of {commune.insee}",
            )
        )  # fmt: skip
        if position is None:
            return None
    location = Location(
        id=LocationId(identity(feed.id, "location", row.key)),
        organisation_id=OrganisationId(feed.organisation_id or feed.id),
        territory_id=feed.territory_id,
        name=text(row.name) or text(row.city) or text(row.key),
        lon=position[0],
        lat=position[1],
        zone=feed.zone,
        commune="" if commune is None else commune.insee,
        postcode=postcode,
        department=department(postcode) if feed.country == "FR" else text(row.region),
    )
    return Place(key=row.key, location=location, fingerprint=fingerprint(location))


def _position(row: FeedPlace) -> tuple[float, float] | None:
    """Give (lon, lat) in degrees where they were published and can be."""
    if row.lon is None or row.lat is None:
        return None
    sane = abs(row.lon) <= 180 and abs(row.lat) <= 90  # noqa: PLR2004 - degrees
    return (row.lon, row.lat) if sane else None


def department(postcode: str) -> str:
    """Give the French department of a postcode; empty when it is none.

    Source: La Poste, first two digits, three overseas; Corsica: 200 and 201 lie in 2A, others in
    2B. A few communes near a border are served by the post office of the next department.
    """
    if len(postcode) != 5 or not postcode.isdigit():  # noqa: PLR2004 - digits of a postcode
        return ""
    if postcode.startswith(("97", "98")):
        return postcode[:3]
    if postcode.startswith("20"):
        return "2A" if postcode[:3] in {"200", "201"} else "2B"
    return postcode[:2]


def _service(row: FeedDiary, feed: Feed, quarantined: list[Fault]) -> str | None:
    """Give our code of the first of the diary's codes that the feed's table knows.

    A table of our own columns (`csv`) may say our codes themselves.
    """
    ours = codes.load().service if feed.kind == "csv" else {}
    meant = (feed.codes.get(code, code if code in ours else None) for code in row.codes)
    known = next(filter(None, meant), None)
    if known is None:
        quarantined.append(_fault("unknown_code", row, "|".join(row.codes)))
    return known


def _fault(code: str, row: FeedDiary, original: str) -> Fault:
    return msgspec.convert(
        {
            "code": code, "row": "diary", "key": row.key, "file": row.file, "line": row.line,
            "original": original,
        },
        Fault,
    )  # fmt: skip


def _by_diary(
    periods: Sequence[FeedPeriod], modalities: Mapping[str, Modality], quarantined: list[Fault]
) -> Mapping[str, tuple[PublishedSlot, ...]]:
    found: defaultdict[str, dict[tuple[str, datetime], PublishedSlot]] = defaultdict(dict)
    for period in periods:
        slot = _slot(period, modalities[period.diary_key], quarantined)
        found[period.diary_key].setdefault((slot.key, slot.start), slot)
    return {key: tuple(slots.values()) for key, slots in found.items()}


def _links(periods: Sequence[FeedPeriod]) -> Mapping[str, Sequence[Link]]:
    """Give the booking links by diary; what is no https address is left out."""
    found: defaultdict[str, list[Link]] = defaultdict(list)
    for one in periods:
        if one.link is not None and _HTTPS.fullmatch(one.link):
            key = one.published_key or one.key
            link = Link(key=key, start=one.start.astimezone(UTC), url=one.link)
            found[one.diary_key].append(link)
    return found


def _slot(period: FeedPeriod, modality: Modality, quarantined: list[Fault]) -> PublishedSlot:
    """Give the slot of a period: places that are counted make a range, else it is for one."""
    capacity = period.capacity
    if capacity is not None and capacity > MOST_PLACES:
        quarantined.append(
            Fault(
                code="too_many_places", row="period", key=period.key, file=period.file,
                line=period.line, original=str(capacity), repaired=str(MOST_PLACES),
            )
        )  # fmt: skip
    counted = capacity is not None
    return PublishedSlot(
        key=period.published_key or period.key,
        start=period.start.astimezone(UTC),
        end=period.end.astimezone(UTC),
        kind=SlotKind.RANGE if counted else SlotKind.SLOT,
        modality=modality,
        visibility=period.visibility,
        capacity=min(MOST_PLACES, max(1, capacity or 1)),
    )


def _diary(
    row: FeedDiary,
    feed: Feed,
    place: Place,
    service: str,
    slots: tuple[tuple[PublishedSlot, ...], tuple[PublishedSlot, ...]],
) -> Diary:
    free, full = slots
    known = {(slot.key, slot.start) for slot in free}
    name = text(row.name) or place.location.name
    return Diary(
        key=row.key,
        schedule_id=ScheduleId(identity(feed.id, "schedule", row.key)),
        care_service_id=CareServiceId(identity(feed.id, "care_service", row.key)),
        location_id=place.location.id,
        name=name,
        service=service,
        modality=row.modality,
        free=free,
        full=tuple(slot for slot in full if (slot.key, slot.start) not in known),
        fingerprint=fingerprint((name, service, place.key, row.modality)),
    )


def window(now: datetime) -> Interval:
    """Give the stretch of time that a feed speaks for: whatever is not over yet."""
    return Interval(start=now - LONGEST, end=now + FARTHEST + timedelta(days=1))


def wanted(
    diary: Diary, stored: Sequence[Stored], *, unsure: bool = False
) -> tuple[PublishedSlot, ...]:
    """Give the slots that a diary shall have, our own patients in them counted.

    The source counts what is left beside those whom we sent; a period of which nothing is left
    stays with the seats that are ours, so that nobody is displaced for having taken the last one.

    Args:
        diary: As the feed has it.
        stored: What we have of it.
        unsure: Rows could not be read: what somebody of ours is in stays, it may be one of those.
    """
    taken = {_at(one.slot): one for one in stored if one.taken}
    free = {_at(slot): slot for slot in diary.free}
    full = {_at(slot) for slot in diary.full}
    kept = {at: one for at, one in taken.items() if at not in free and (unsure or at in full)}
    return (
        *(_with_ours(slot, taken.get(at)) for at, slot in free.items()),
        *(_only_ours(one) for one in kept.values()),
    )


_At = tuple[str, datetime, datetime]


def _at(slot: Slot | PublishedSlot) -> _At:
    return (slot.key, slot.start, slot.end)


def _with_ours(slot: PublishedSlot, ours: Stored | None) -> PublishedSlot:
    if ours is None or slot.kind is SlotKind.SLOT:
        return slot
    capacity = min(MOST_PLACES, slot.capacity + ours.taken)
    return msgspec.structs.replace(slot, capacity=capacity)


def _only_ours(ours: Stored) -> PublishedSlot:
    slot = ours.slot
    return PublishedSlot(
        key=slot.key, start=slot.start, end=slot.end, kind=slot.kind, modality=slot.modality,
        visibility=slot.visibility, capacity=ours.taken,
    )  # fmt: skip


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What taking a feed in would change.

    Attributes:
        stored: Rows of the feed that are stored.
        changed: How many of them change or go, and how many come in their midst.
    """

    stored: int
    changed: int

    @property
    def share(self) -> float:
        """Give the part that changes, 0 to 1."""
        return min(1.0, self.changed / self.stored) if self.stored else 0.0


def survey_rows(known: Mapping[str, bytes], published: Mapping[str, bytes]) -> Survey:
    """Compare the fingerprints of what is stored with those of what is published, by key."""
    same = sum(known.get(key) == given for key, given in published.items())
    new = len(published.keys() - known.keys())
    return Survey(stored=len(known), changed=len(known) - same + new)


def survey_slots(
    diaries: Iterable[Diary], stored: Mapping[ScheduleId, Sequence[Stored]], now: datetime
) -> Survey:
    """Compare slots within the stretch that both speak for: a horizon that moves on is no change.

    A slot whose number of places differs counts as the same.
    """
    there = changed = 0
    for diary in diaries:
        ours = [one.slot for one in stored.get(diary.schedule_id, ()) if one.slot.end > now]
        if not ours:
            continue
        last = max(slot.start for slot in ours)
        # Whatever was free and is full now was taken: a change of the day, not of the diary.
        given = {_at(one) for one in (*diary.free, *diary.full)}
        known = {_at(one) for one in ours}
        free = {_at(one) for one in diary.free if one.start <= last}
        there += len(known)
        changed += len(known - given) + len(free - known)
    return Survey(stored=there, changed=changed)
