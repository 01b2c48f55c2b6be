"""What a reader of a foreign format hands over: neutral rows, as published, with file and line.

Readers live in interop and judge nothing beyond what makes a row unreadable; `feed_doctor` judges.
Times keep the offset that was published.
"""

from datetime import datetime
from typing import TypeAlias

import msgspec

from directory.identifiers import System
from directory.model import Modality, Visibility


class FeedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A place of a feed.

    Attributes:
        key: The publisher's own identifier.
        lon: WGS84 degrees, None when not published.
        lat: WGS84 degrees, None when not published.
        file: Name of the file; empty when the feed is one file.
        line: Line of the file, from 1.
    """

    key: str
    name: str
    city: str
    region: str
    postcode: str
    lon: float | None = None
    lat: float | None = None
    file: str = ""
    line: int


class FeedDiary(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule of a feed; `codes` say what can be booked in it.

    Attributes:
        name: What the publisher calls it; empty = as its place.
        modality: How patient and practitioner meet.
        role_key: Whose diary it is, in the publisher's words; empty when nobody is named.
    """

    key: str
    place_key: str
    codes: tuple[str, ...]
    name: str = ""
    role_key: str = ""
    modality: Modality = Modality.OFFICE
    file: str = ""
    line: int


class FeedPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time of a diary, with the offsets that were published.

    Attributes:
        key: Identifier, unique in the diary once the doctor has seen it.
        published_key: The publisher's identifier where `key` had to be made; else empty.
        free: Whether the publisher says that it can be booked.
        capacity: Places left; None when not published.
        visibility: To whom the publisher lets it be shown.
        link: Where to book, None when not published.
    """

    key: str
    published_key: str = ""
    diary_key: str
    start: datetime
    end: datetime
    free: bool
    capacity: int | None = None
    visibility: Visibility = Visibility.PUBLIC
    link: str | None = None
    file: str = ""
    line: int


class FeedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A national number as a publisher wrote it, with or without its prefix.

    Attributes:
        system: The register.
        value: As published.
        key: The publisher's identifier of whom or what it names.
    """

    system: System
    value: str
    key: str
    file: str = ""
    line: int


class FeedOrganisation(msgspec.Struct, frozen=True, kw_only=True):
    """A site of a register of places.

    Attributes:
        finess: As published.
        category: The register's own code of what it is.
        siret: As published; empty when it is not.
    """

    finess: str
    name: str
    category: str
    siret: str = ""
    line: int


class FeedExercise(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody of a register works and as what; everything as published, empty when not.

    Attributes:
        codes: What is done there, the most precise code first.
        structure: The register's own id of the place.
        commune: National code.
    """

    codes: tuple[str, ...]
    finess: str = ""
    siret: str = ""
    structure: str = ""
    name: str = ""
    postcode: str = ""
    commune: str = ""
    city: str = ""


class FeedPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A professional of a register of people; `rpps` as published.

    Attributes:
        exercise: What the line says of one place of work; None when it says nothing.
    """

    rpps: str
    family: str
    given: str
    exercise: FeedExercise | None = None
    line: int


class FeedBody(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation of a feed; numbers as published, empty when they are not.

    Attributes:
        key: The publisher's own identifier.
    """

    key: str
    name: str
    finess: str = ""
    siret: str = ""
    line: int


class FeedWorker(msgspec.Struct, frozen=True, kw_only=True):
    """A person of a feed with the publisher's own identifier; `rpps` as published."""

    key: str
    rpps: str
    family: str
    given: str
    line: int


class FeedRole(msgspec.Struct, frozen=True, kw_only=True):
    """What a person does where, by the publisher's identifiers.

    Attributes:
        body_key: The organisation; empty = the feed's own.
        codes: What is done there, the most precise code first.
    """

    key: str
    worker_key: str
    body_key: str
    place_key: str
    codes: tuple[str, ...]
    line: int


class BrokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that could not be read: which file and line, and a stable reason."""

    file: str
    line: int
    reason: str


class FeedContent(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a feed.

    Attributes:
        as_of: When the publisher says that it was made; None when it does not say.
        numbers: National numbers of those whom the rows name, to be checked.
        workers: People with a number, whoever they are.
        bodies: Organisations.
        roles: Who works where.
        broken: Rows left out.
    """

    as_of: datetime | None = None
    places: tuple[FeedPlace, ...] = ()
    diaries: tuple[FeedDiary, ...] = ()
    periods: tuple[FeedPeriod, ...] = ()
    numbers: tuple[FeedNumber, ...] = ()
    workers: tuple[FeedWorker, ...] = ()
    bodies: tuple[FeedBody, ...] = ()
    roles: tuple[FeedRole, ...] = ()
    broken: tuple[BrokenRow, ...] = ()


RegisterRow: TypeAlias = FeedOrganisation | FeedPerson | BrokenRow
"""What a register gives, line by line."""
