"""The directory's nouns: who offers care, where, when.

Times are aware UTC datetimes, intervals half-open [start, end), positions (lon, lat) in WGS84
degrees. Nothing here reads a clock or a database.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

OrganisationId = NewType("OrganisationId", UUID)
LocationId = NewType("LocationId", UUID)
PractitionerId = NewType("PractitionerId", UUID)
RoleId = NewType("RoleId", UUID)
CareServiceId = NewType("CareServiceId", UUID)
ScheduleId = NewType("ScheduleId", UUID)
SlotId = NewType("SlotId", UUID)
ClaimId = NewType("ClaimId", UUID)

CHILD_BELOW_MONTHS: Final = 15 * 12
"""Below this age a patient counts as a child for `accepts_children`."""


class OrganisationKind(StrEnum):
    """What sort of organisation it is."""

    HOSPITAL = "hospital"
    PRACTICE = "practice"
    HEALTH_HOUSE = "health_house"
    HEALTH_CENTRE = "health_centre"
    COMMUNITY = "community"
    AMBULANCE = "ambulance"
    PHARMACY = "pharmacy"
    LABORATORY = "laboratory"
    TELEHEALTH = "telehealth"
    CENTRE = "centre"
    HOSPITAL_GROUP = "hospital_group"


class Modality(StrEnum):
    """How patient and practitioner meet."""

    OFFICE = "office"
    HOME_VISIT = "home_visit"
    TELECONSULTATION = "teleconsultation"
    TELEPHONE = "telephone"


class Intake(StrEnum):
    """How a care service is engaged: at a fixed time, or by a referral without one."""

    APPOINTMENT = "appointment"
    REFERRAL = "referral"


class Accepts(StrEnum):
    """What a care service takes beyond its published slots."""

    WALK_IN = "walk_in"
    OVERBOOKING = "overbooking"
    NEW_PATIENTS = "new_patients"
    THIRD_PARTY_PAYMENT = "third_party_payment"


class Sector(StrEnum):
    """What may be charged. Source: medical convention between the French insurers and doctors."""

    SECTOR_1 = "sector_1"
    SECTOR_2 = "sector_2"
    SECTOR_2_OPTAM = "sector_2_optam"
    NOT_CONTRACTED = "not_contracted"


class Holidays(StrEnum):
    """What a public holiday means for weekly hours."""

    OPEN = "open"
    CLOSED = "closed"
    AS_SUNDAY = "as_sunday"


class Ownership(StrEnum):
    """Who holds the diary: we, or an editor whose calendar we mirror."""

    OWNED = "owned"
    MIRRORED = "mirrored"


class SlotKind(StrEnum):
    """A slot for one, a range for n patients, or an extra place by agreement."""

    SLOT = "slot"
    RANGE = "range"
    OVERBOOK = "overbook"


class Visibility(StrEnum):
    """Who may be shown a slot. Source: ANS, SAS FHIR guide 1.2.0, TRE_R314."""

    PUBLIC = "PUBLIC"
    PRO = "PRO"
    SNP = "SNP"
    CPTS = "CPTS"


class Interval(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A half-open stretch of time [start, end) in UTC, never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse naive, non-UTC or empty intervals.

        Raises:
            ValueError: The interval is not [start, end) in UTC with start < end.
        """
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            raise ValueError("an interval is given in UTC")
        if self.start >= self.end:
            raise ValueError("an interval ends after it starts")

    def contains(self, moment: datetime) -> bool:
        """Tell whether `moment` lies in [start, end)."""
        return self.start <= moment < self.end

    def overlaps(self, other: "Interval") -> bool:
        """Tell whether the two share a moment; touching ends do not."""
        return self.start < other.end and other.start < self.end

    def within(self, other: "Interval") -> bool:
        """Tell whether every moment of this interval lies in `other`."""
        return other.start <= self.start and self.end <= other.end


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """A legal or functional body: hospital, practice, ambulance firm, ...

    Attributes:
        parent_id: What it is part of (hospital group, CPTS, health house).
        finess: Bare FINESS of the site, when it has one.
        siret: Bare SIRET, when known.
    """

    id: OrganisationId
    name: str
    kind: OrganisationKind
    parent_id: OrganisationId | None = None
    finess: str | None = None
    siret: str | None = None


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place where care is given, or from which it starts.

    Attributes:
        lon: Longitude, WGS84 degrees.
        lat: Latitude, WGS84 degrees.
        zone: IANA time zone in which its opening hours are read.
        territory_id: The territory whose centre it belongs to.
        commune: National code of the commune.
        accessibility: Codes of `codes.toml`.
    """

    id: LocationId
    organisation_id: OrganisationId
    name: str
    lon: float
    lat: float
    zone: str
    commune: str
    postcode: str
    department: str
    territory_id: UUID
    accessibility: frozenset[str] = frozenset()


class Practitioner(msgspec.Struct, frozen=True, kw_only=True):
    """A health professional; `rpps` is bare."""

    id: PractitionerId
    rpps: str
    family: str
    given: str


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What a practitioner does for one organisation at one location."""

    id: RoleId
    practitioner_id: PractitionerId
    organisation_id: OrganisationId
    location_id: LocationId
    service: str


class OpeningHours(msgspec.Struct, frozen=True, kw_only=True):
    """One weekly opening in local time.

    Attributes:
        weekday: 0 Monday to 6 Sunday.
        opens_min: Minutes after local midnight.
        closes_min: Minutes after local midnight, after `opens_min`, at most 1440.
    """

    weekday: int
    opens_min: int
    closes_min: int


class OpeningException(msgspec.Struct, frozen=True, kw_only=True):
    """What holds on one local day whatever its weekday: a span, or closed when it is empty."""

    day: date
    opens_min: int = 0
    closes_min: int = 0


class CareService(msgspec.Struct, frozen=True, kw_only=True):
    """One offer of care: a speciality at a place, for whom and how.

    Attributes:
        service: Service code of `codes.toml`.
        skills: Skill codes.
        equipment: Equipment codes.
        sector: What may be charged; None when it is unknown or does not apply.
        min_age_months: Youngest age taken; 0 from birth.
        max_age_months: First age no longer taken; None without limit.
        languages: ISO 639-1 codes.
        accessibility: Codes of the service beside those of its location.
        coverage_m: Home visits: great-circle radius served; None = none by distance.
        coverage_communes: Home visits: communes served whatever their distance.
        referral_required: Only on the word of another professional.
        hours: Weekly opening of a referral intake; None = round the clock.
        exceptions: Local days on which other hours hold, by day.
        shifts: When it is on call: open then whatever its hours; by start.
        phone: Professional number in E.164, None when unknown.
        transfer_phone: Where a centre hands a call over with its caller, None when unknown.
    """

    id: CareServiceId
    organisation_id: OrganisationId
    location_id: LocationId
    name: str
    service: str
    role_id: RoleId | None = None
    skills: frozenset[str] = frozenset()
    modalities: frozenset[Modality] = frozenset({Modality.OFFICE})
    intake: Intake = Intake.APPOINTMENT
    accepts: frozenset[Accepts] = frozenset({Accepts.NEW_PATIENTS})
    equipment: frozenset[str] = frozenset()
    sector: Sector | None = None
    min_age_months: int = 0
    max_age_months: int | None = None
    languages: frozenset[str] = frozenset({"fr"})
    accessibility: frozenset[str] = frozenset()
    coverage_m: int | None = None
    coverage_communes: frozenset[str] = frozenset()
    referral_required: bool = False
    hours: tuple[OpeningHours, ...] | None = None
    exceptions: tuple[OpeningException, ...] = ()
    holidays: Holidays = Holidays.OPEN
    shifts: tuple[Interval, ...] = ()
    phone: str | None = None
    transfer_phone: str | None = None
    active: bool = True

    @property
    def accepts_children(self) -> bool:
        """Tell whether some age below fifteen years is taken."""
        return self.min_age_months < CHILD_BELOW_MONTHS


class ReferralLink(msgspec.Struct, frozen=True, kw_only=True):
    """Who may send to whom: patients go from one care service on to another."""

    source_id: CareServiceId
    target_id: CareServiceId


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """The diary of one care service.

    Attributes:
        source: Who feeds it: `own`, or the name of the editor.
        sequence: Number of the last accepted publication.
        as_of: When that publication was made.
        paused: The publisher's consent is withdrawn for now: nothing of it is shown.
        release_before_s: Hold-back: a slot is shown to the centre only this many seconds before
            it starts; None = at once.
        release_min: Release time, minutes after midnight on the clock of the place: on the day
            that the hold-back ends (without one: the slot's own day) nothing is shown earlier.
        quota_per_day: Most places the centre may have of one local day; None = no limit.
        zone: IANA zone of the place's clock.
        spent: Local days whose quota is used up.
        absences: First and last local day of each absence, one after the other: nothing of these
            days is to be had, whenever it was published.
        marked_after_s: A mirrored diary older than this is marked and ranked down.
        refused_after_s: A mirrored diary older than this is not bookable; never below the former.
    """

    id: ScheduleId
    care_service_id: CareServiceId
    ownership: Ownership = Ownership.OWNED
    source: str = "own"
    sequence: int = 0
    as_of: datetime | None = None
    paused: bool = False
    release_before_s: int | None = None
    release_min: int | None = None
    quota_per_day: int | None = None
    zone: str = "UTC"
    spent: tuple[date, ...] = ()
    absences: tuple[date, ...] = ()
    marked_after_s: int | None = None
    refused_after_s: int | None = None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """An interval in which `capacity` patients can be seen.

    Attributes:
        key: The publisher's own name of the slot, unique in its schedule.
        modality: How patient and practitioner meet in it.
        visibility: To whom it may be shown.
        capacity: Number of seats; 1 for kind `slot`.
    """

    id: SlotId
    schedule_id: ScheduleId
    key: str
    start: datetime
    end: datetime
    kind: SlotKind = SlotKind.SLOT
    modality: Modality = Modality.OFFICE
    visibility: Visibility = Visibility.PUBLIC
    capacity: int = 1

    @property
    def interval(self) -> Interval:
        """Give the slot's time."""
        return Interval(start=self.start, end=self.end)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What a disposition asks of the directory.

    Attributes:
        service: Service code.
        earliest: Nothing before this moment.
        deadline: The patient must be seen no later than this; None = no limit.
        skills: All of these.
        equipment: All of these.
        accepts: All of these.
        modalities: Any of these; empty = any.
        age_months: None when unknown.
        lon: Longitude of the patient; None when unknown.
        lat: Latitude of the patient; None when unknown.
        commune: Commune of the patient, for home visits.
        radius_m: Great-circle limit for going to an office; None = no limit.
        languages: At least one of these is to be spoken; empty = any.
        accessibility: All of these.
        referred: A professional sends the patient (regulation does).
    """

    service: str
    earliest: datetime
    deadline: datetime | None = None
    skills: frozenset[str] = frozenset()
    equipment: frozenset[str] = frozenset()
    accepts: frozenset[Accepts] = frozenset()
    modalities: frozenset[Modality] = frozenset()
    age_months: int | None = None
    lon: float | None = None
    lat: float | None = None
    commune: str | None = None
    radius_m: int | None = None
    languages: frozenset[str] = frozenset()
    accessibility: frozenset[str] = frozenset()
    referred: bool = True

    def __post_init__(self) -> None:
        """Refuse a need that ends before it begins.

        Raises:
            ValueError: `deadline` lies before `earliest`.
        """
        if self.deadline is not None and self.deadline < self.earliest:
            raise ValueError("the deadline of a need is not before its earliest moment")


def wall_clock_utc(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Give the UTC time at which a wall clock shows `minutes` after midnight on a day.

    Args:
        day: Local calendar day.
        minutes: 0 to 1440 on the wall clock, not elapsed time: 540 is 09:00 on a DST day too.
        zone: Zone of that wall clock.

    Returns:
        The first of the two moments when the clock is put back; a wall time skipped when it is
        put forward gives the moment one gap later (02:30 becomes what then reads 03:30).
    """
    wall = datetime.combine(day, time(0)) + timedelta(minutes=minutes)
    return wall.replace(tzinfo=zone).astimezone(UTC)
