"""What a care service says of itself: whom it takes, with what, when, and to whom it sends on.

Its owner changes it as a whole; the same again changes nothing and leaves no trace. A change is
told (`directory.places_told`), so that searches read it at once.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Final
from uuid import UUID

import msgspec

from directory import codes, offers, places_told
from directory.hours import FARTHEST
from directory.model import Accepts, Holidays, OpeningException, OpeningHours, Sector
from directory.offers import CareServiceView
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx

LONGEST_LIST: Final = 200
_ACTION: Final = "care_service.describe"
_LANGUAGE: Final = r"^[a-z]{2}$"
_PHONE: Final = r"^(\+[0-9]{5,18}|[0-9]{2,6})$"

Phone = Annotated[str, msgspec.Meta(pattern=_PHONE)]
"""E.164, or a short national number such as 15."""
Codes = Annotated[frozenset[str], msgspec.Meta(max_length=50)]
Months = Annotated[int, msgspec.Meta(ge=0, le=150 * 12)]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner of a care service says of it; what is left out is unknown or no limit.

    Attributes:
        accepts: What it takes beyond its published slots.
        equipment: Codes of `codes.toml`, as `skills` and `accessibility`.
        sector: What may be charged.
        min_age_months: Youngest age taken.
        max_age_months: First age no longer taken.
        coverage_m: Home visits: great-circle radius served.
        transfer_phone: Where a centre hands a call over with its caller.
        active: Offered at all.
    """

    accepts: frozenset[Accepts] = frozenset({Accepts.NEW_PATIENTS})
    skills: Codes = frozenset()
    equipment: Codes = frozenset()
    accessibility: Codes = frozenset()
    languages: Annotated[
        frozenset[Annotated[str, msgspec.Meta(pattern=_LANGUAGE)]],
        msgspec.Meta(min_length=1, max_length=30),
    ] = frozenset({"fr"})
    sector: Sector | None = None
    min_age_months: Months = 0
    max_age_months: Months | None = None
    coverage_m: Annotated[int, msgspec.Meta(ge=1, le=500_000)] | None = None
    phone: Phone | None = None
    transfer_phone: Phone | None = None
    active: bool = True


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """When a care service is open, on the clock of its place.

    Attributes:
        weekly: Spans by weekday; None = round the clock; empty = only on `exceptions`.
        holidays: What a public holiday means for the week.
        exceptions: Days that beat the week: spans, or one empty span for a closed day.
    """

    weekly: tuple[OpeningHours, ...] | None = None
    holidays: Holidays = Holidays.OPEN
    exceptions: tuple[OpeningException, ...] = ()


async def describe(
    tx: Tx, actor: Actor, care_service_id: UUID, profile: Profile
) -> CareServiceView:
    """Set what a care service says of itself.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: `skill_unknown`, `equipment_unknown`, `accessibility_unknown`;
            `age_range`: nobody is of such an age.
    """
    territory_id = await _owned(tx, actor, care_service_id)
    _check_profile(profile)
    row = await tx.fetchrow(
        UPDATE_PROFILE, care_service_id, sorted(profile.accepts), sorted(profile.skills),
        sorted(profile.equipment), sorted(profile.accessibility), sorted(profile.languages),
        profile.sector, profile.min_age_months, profile.max_age_months, profile.coverage_m,
        profile.phone, profile.transfer_phone, profile.active,
    )  # fmt: skip
    if row is not None:
        await _recorded(tx, actor, care_service_id, territory_id, f"profile active={row['active']}")
    return await _view(tx, care_service_id)


async def open_hours(tx: Tx, actor: Actor, care_service_id: UUID, hours: Hours) -> CareServiceView:
    """Set when a care service is open; days that are over are dropped.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: `hours_overlap`: two spans share a moment, a day is open and
            closed; `hours_range`: a span ends before it begins, an exception is over a year ahead.
    """
    territory_id = await _owned(tx, actor, care_service_id)
    today: date = await tx.fetchval(LOCK_CLOCK, care_service_id)
    _check_hours(hours, today)
    before = await _view(tx, care_service_id)
    kept = [one for one in hours.exceptions if one.day >= today]
    weekly = hours.weekly or ()
    await tx.execute(UPDATE_HOURS, care_service_id, hours.weekly is None, hours.holidays)
    await tx.execute(DELETE_OPENINGS, care_service_id)
    await tx.execute(
        INSERT_OPENINGS, care_service_id, [one.weekday for one in weekly],
        [one.opens_min for one in weekly], [one.closes_min for one in weekly],
    )  # fmt: skip
    await tx.execute(DELETE_EXCEPTIONS, care_service_id)
    await tx.execute(
        INSERT_EXCEPTIONS, care_service_id, [one.day for one in kept],
        [one.opens_min for one in kept], [one.closes_min for one in kept],
    )  # fmt: skip
    after = await _view(tx, care_service_id)
    if after != before:
        said = f"hours weekly={len(weekly)} exceptions={len(kept)} holidays={hours.holidays}"
        await _recorded(tx, actor, care_service_id, territory_id, said)
    return after


async def refer_to(
    tx: Tx, actor: Actor, care_service_id: UUID, targets: Sequence[UUID]
) -> CareServiceView:
    """Set to which care services one sends its patients on.

    Raises:
        kernel.errors.Missing: `care_service_missing`: it, or one of the targets.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Invalid: `referral_to_itself`.
    """
    territory_id = await _owned(tx, actor, care_service_id)
    wanted = sorted(set(targets))
    if care_service_id in wanted:
        raise errors.Invalid("referral_to_itself", "A care service does not refer to itself.")
    if await tx.fetchval(COUNT_SERVICES, wanted) != len(wanted):
        raise errors.Missing("care_service_missing")
    gone = await tx.fetch(DELETE_LINKS, care_service_id, wanted)
    new = await tx.fetch(INSERT_LINKS, care_service_id, wanted)
    if gone or new:
        said = f"refers_to added={len(new)} dropped={len(gone)}"
        await _recorded(tx, actor, care_service_id, territory_id, said)
    return await _view(tx, care_service_id)


async def _owned(tx: Tx, actor: Actor, care_service_id: UUID) -> UUID:
    """Give the territory of a care service that the actor may change."""
    require(actor, _ACTION)
    row = await tx.fetchrow(SELECT_OWNER, care_service_id)
    if row is None:
        raise errors.Missing("care_service_missing")
    require(actor, _ACTION, organisation_id=row["organisation_id"])
    territory_id: UUID = row["territory_id"]
    if actor.territory_id not in {None, territory_id} and not actor.organisation_ids:
        raise errors.Forbidden("other_territory", "This belongs to another territory.")
    return territory_id


async def _view(tx: Tx, care_service_id: UUID) -> CareServiceView:
    found = await offers.find(tx, care_service_id)
    if found is None:
        raise errors.Missing("care_service_missing")
    return found


async def _recorded(
    tx: Tx, actor: Actor, care_service_id: UUID, territory_id: UUID, detail: str
) -> None:
    await audit.record(
        tx, actor, _ACTION, "care_service", care_service_id, territory_id=territory_id,
        detail=detail,
    )  # fmt: skip
    await places_told.tell(tx, actor, [care_service_id])


def _check_profile(profile: Profile) -> None:
    known = codes.load()
    if known.unknown_skills(profile.skills):
        raise errors.Invalid("skill_unknown", "There is no such skill code.")
    if known.unknown_equipment(profile.equipment):
        raise errors.Invalid("equipment_unknown", "There is no such equipment code.")
    if known.unknown_accessibility(profile.accessibility):
        raise errors.Invalid("accessibility_unknown", "There is no such accessibility code.")
    if profile.max_age_months is not None and profile.max_age_months <= profile.min_age_months:
        raise errors.Invalid("age_range", "The first age refused is above the youngest taken.")


def _check_hours(hours: Hours, today: date) -> None:
    weekly = [(one.weekday, one.opens_min, one.closes_min) for one in hours.weekly or ()]
    single = [(one.day, one.opens_min, one.closes_min) for one in hours.exceptions]
    if any(one.day - today > FARTHEST for one in hours.exceptions):
        raise errors.Invalid("hours_range", "An exception lies a year ahead at most.")
    closed = {day for day, opens, closes in single if (opens, closes) == (0, 0)}
    spans = [one for one in single if one[0] not in closed]
    if len(single) - len(spans) != len(closed):
        raise errors.Invalid("hours_overlap", "A day is either closed or has hours.")
    _check_spans(weekly)
    _check_spans(spans)


def _check_spans(spans: Iterable[tuple[int | date, int, int]]) -> None:
    last: dict[int | date, int] = {}
    for day, opens, closes in sorted(spans, key=lambda one: one[1]):
        if opens >= closes:
            raise errors.Invalid("hours_range", "A span ends after it begins.")
        if opens < last.get(day, 0):
            raise errors.Invalid("hours_overlap", "Two spans of a day share a moment.")
        last[day] = closes


SELECT_OWNER: Final = """
select c.organisation_id, l.territory_id
from directory.care_service c join directory.location l on l.id = c.location_id
where c.id = $1
"""

UPDATE_PROFILE: Final = """
update directory.care_service set accepts = $2, skills = $3, equipment = $4, accessibility = $5,
    languages = $6, sector = $7, min_age_months = $8, max_age_months = $9, coverage_m = $10,
    phone = $11, transfer_phone = $12, active = $13
where id = $1 and (accepts, skills, equipment, accessibility, languages, sector, min_age_months,
        max_age_months, coverage_m, phone, transfer_phone, active)
    is distinct from ($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text,
        $8::integer, $9::integer, $10::integer, $11::text, $12::text, $13::boolean)
returning active
"""

# The row is the lock of its hours.
LOCK_CLOCK: Final = """
select (kernel.regul_now() at time zone l.zone)::date
from directory.care_service c join directory.location l on l.id = c.location_id
where c.id = $1 for no key update of c
"""

UPDATE_HOURS: Final = """
update directory.care_service set round_the_clock = $2, holidays = $3 where id = $1
"""

DELETE_OPENINGS: Final = """
delete from directory.opening where care_service_id = $1
"""

INSERT_OPENINGS: Final = """
insert into directory.opening (care_service_id, weekday, opens_min, closes_min)
select $1, weekday, opens_min, closes_min
from unnest($2::smallint[], $3::smallint[], $4::smallint[]) as n (weekday, opens_min, closes_min)
"""

DELETE_EXCEPTIONS: Final = """
delete from directory.opening_exception where care_service_id = $1
"""

INSERT_EXCEPTIONS: Final = """
insert into directory.opening_exception (care_service_id, day, opens_min, closes_min)
select $1, day, opens_min, closes_min
from unnest($2::date[], $3::smallint[], $4::smallint[]) as n (day, opens_min, closes_min)
"""

COUNT_SERVICES: Final = """
select count(*) from directory.care_service where id = any ($1::uuid[])
"""

DELETE_LINKS: Final = """
delete from directory.referral_link where source_id = $1 and not target_id = any ($2::uuid[])
returning target_id
"""

INSERT_LINKS: Final = """
insert into directory.referral_link (source_id, target_id)
select $1, target_id from unnest($2::uuid[]) as n (target_id)
on conflict on constraint referral_link_once do nothing
returning target_id
"""
