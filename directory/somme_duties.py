"""Duties of the demonstration: sectors with rotas, groups, substitutes, and what services say.

Pure and seeded, as the rest of it; only shifts, substitutions and closed days depend on the start.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from directory import distance, holidays, rotas, seed
from directory.model import (
    Accepts,
    CareService,
    CareServiceId,
    Holidays,
    Intake,
    Interval,
    OrganisationId,
    OrganisationKind,
    Sector,
    wall_clock_utc,
)
from directory.places import Commune
from directory.rotas import Line
from directory.rows import (
    AffiliationRow,
    Duties,
    ExceptionRow,
    ShiftRow,
    SubstitutionRow,
    ZoneRow,
)

_SECTORS: Final = ("Amiens", "Abbeville", "Péronne", "Montdidier", "Doullens", "Albert")
"""Towns around which duty is shared out; a commune belongs to the nearest."""
_DAY: Final = (8 * 60, 20 * 60)
_NIGHT: Final = (20 * 60, 8 * 60)
_SUNDAY: Final = 6
_SERVICE: Final = {
    Line.DOCTOR: "general_practice", Line.AMBULANCE: "ambulance", Line.PHARMACY: "pharmacy",
    Line.DENTIST: "dental",
}  # fmt: skip
# Shares of the demonstration, not of the country.
_SECTOR_SHARES: Final = {
    "general_practice": ((Sector.SECTOR_1, 90), (Sector.SECTOR_2_OPTAM, 6), (Sector.SECTOR_2, 4)),
    None: ((Sector.SECTOR_1, 50), (Sector.SECTOR_2_OPTAM, 30), (Sector.SECTOR_2, 20)),
}
_DOCTORS: Final = frozenset(
    {
        "general_practice", "cardiology", "paediatrics", "psychiatry", "gynaecology",
        "ophthalmology", "ear_nose_throat", "dermatology", "neurology", "orthopaedics",
        "pneumology", "nephrology", "diabetology",
    }
)  # fmt: skip
_EQUIPMENT: Final = {
    "emergency_department": ("oxygen", "defibrillator", "infusion", "rapid_tests"),
    "smur": ("oxygen", "defibrillator", "infusion", "incubator"),
    "ambulance": ("oxygen", "defibrillator"),
    "ophthalmology": ("slit_lamp",), "dental": ("dental_xray",),
    "nephrology": ("dialysis_station",), "hospital_at_home": ("oxygen", "infusion"),
}  # fmt: skip
_GP_EQUIPMENT: Final = (("oxygen", 40), ("defibrillator", 30), ("rapid_tests", 70))
_LARGE_SITE: Final = ("isolation_room", "decontamination", "helipad")
_GROUP_KINDS: Final = frozenset({OrganisationKind.COMMUNITY, OrganisationKind.HEALTH_HOUSE})


def describe(ground: seed.Ground) -> None:
    """Say of every care service what it charges, has and accepts; closed on public holidays."""
    ground.care_services[:] = [_described(ground, one) for one in ground.care_services]


def build(ground: seed.Ground, communes: Sequence[Commune], start: date, days: int) -> Duties:
    """Give zones, rotas, groups, substitutes and closed days.

    Args:
        ground: Everything else of the territory.
        communes: Of the department.
        start: First local day of the rotas; the night before it is covered too.
        days: How many.
    """
    zones, shifts = [], []
    for line in Line:
        for sector in _sectors(communes):
            zone = ZoneRow(
                id=seed.identity("zone", line, sector[0]), territory_id=ground.territory_id,
                name=sector[0], line=line, communes=sector[1],
            )  # fmt: skip
            found = list(_shifts(ground, zone, start - timedelta(days=1), days + 1))
            if found:
                zones.append(zone)
                shifts += found
    return Duties(
        zones=tuple(zones),
        shifts=tuple(shifts),
        affiliations=tuple(_affiliations(ground)),
        substitutions=tuple(_substitutions(ground, start, days)),
        exceptions=tuple(_closed(ground, start)),
    )


def _described(ground: seed.Ground, service: CareService) -> CareService:
    rng = ground.dice(f"described/{service.id}")
    equipment = set(_EQUIPMENT.get(service.service, ()))
    if service.service == "general_practice":
        equipment |= {code for code, percent in _GP_EQUIPMENT if rng.randrange(100) < percent}
    if "trauma" in service.skills:
        equipment |= set(_LARGE_SITE)
    accepts = set(service.accepts)
    open_to_all = service.intake is Intake.REFERRAL or "duty" in service.skills
    if open_to_all or rng.randrange(100) < 60:  # noqa: PLR2004 - six in ten take new patients
        accepts.add(Accepts.NEW_PATIENTS)
    else:
        accepts.discard(Accepts.NEW_PATIENTS)
    if rng.randrange(100) < 70:  # noqa: PLR2004 - seven in ten
        accepts.add(Accepts.THIRD_PARTY_PAYMENT)
    return msgspec.structs.replace(
        service,
        equipment=frozenset(equipment),
        accepts=frozenset(accepts),
        sector=_sector(rng, service) if service.service in _DOCTORS else None,
        holidays=Holidays.CLOSED if service.hours is not None else Holidays.OPEN,
    )


def _sector(rng: random.Random, service: CareService) -> Sector:
    shares = _SECTOR_SHARES.get(service.service, _SECTOR_SHARES[None])
    return rng.choices([one for one, _ in shares], weights=[share for _, share in shares])[0]


def _sectors(communes: Sequence[Commune]) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Give each sector with the codes of the communes that are nearest to its town."""
    towns = [next(one for one in communes if one.name == name) for name in _SECTORS]
    lons, lats = np.array([one.lon for one in towns]), np.array([one.lat for one in towns])
    members: dict[str, list[str]] = {name: [] for name in _SECTORS}
    for one in communes:
        nearest = int(np.argmin(distance.great_circle_m(one.lon, one.lat, lons, lats)))
        members[_SECTORS[nearest]].append(one.insee)
    return [(name, tuple(sorted(found))) for name, found in members.items()]


def _shifts(ground: seed.Ground, zone: ZoneRow, start: date, days: int) -> Iterator[ShiftRow]:
    """Give the shifts of a zone: nights, and the days of Sundays and public holidays."""
    who = _who(ground, zone)
    if not who:
        return
    clock = ZoneInfo(ground.zone)
    nights = [who[(start.toordinal() + day) % len(who)] for day in range(days)]
    if zone.line is not Line.DENTIST:
        begins_min, ends_min = _NIGHT
        for one in rotas.nightly(start, nights, clock, begins_min=begins_min, ends_min=ends_min):
            yield _row(zone, one.interval, one.care_service_id)
    for after in range(days):
        day = start + timedelta(days=after)
        if day.weekday() == _SUNDAY or day in holidays.of(day.year, ground.department):
            interval = Interval(
                start=wall_clock_utc(day, _DAY[0], clock), end=wall_clock_utc(day, _DAY[1], clock)
            )
            yield _row(zone, interval, nights[after])


def _row(zone: ZoneRow, interval: Interval, service: CareServiceId) -> ShiftRow:
    return ShiftRow(
        zone_id=zone.id, starts_at=interval.start, ends_at=interval.end, care_service_id=service
    )


def _who(ground: seed.Ground, zone: ZoneRow) -> Sequence[CareServiceId]:
    """Give who takes turns in a zone: duty surgeries before others, by id."""
    inside = {place.id for place in ground.locations if place.commune in zone.communes}
    able = [
        one
        for one in ground.care_services
        if one.service == _SERVICE[zone.line] and one.location_id in inside
    ]
    duty = [one for one in able if "duty" in one.skills and one.role_id is None]
    return sorted(one.id for one in (duty if zone.line is Line.DOCTOR else able))


def _affiliations(ground: seed.Ground) -> Iterator[AffiliationRow]:
    """Give who belongs to a community, and to the group of public hospitals."""
    groups = {one.id for one in ground.organisations if one.kind in _GROUP_KINDS}
    hospitals = OrganisationId(seed.identity("organisation", "hospital-group"))
    ground.organisation(
        "hospital-group", "Groupement hospitalier 80 (démonstration)",
        OrganisationKind.HOSPITAL_GROUP,
    )  # fmt: skip
    for one in ground.organisations:
        if one.parent_id in groups and one.parent_id is not None:
            yield AffiliationRow(member_id=one.id, group_id=one.parent_id)
        if one.kind is OrganisationKind.HOSPITAL and one.name.upper().startswith(("CH ", "CHU")):
            yield AffiliationRow(member_id=one.id, group_id=hospitals)


def _substitutions(ground: seed.Ground, start: date, days: int) -> Iterator[SubstitutionRow]:
    """Let the first five general practitioners be away for some days, the last ones stand in."""
    clock = ZoneInfo(ground.zone)
    roles = [one for one in ground.roles if one.service == "general_practice"]
    for number, (away, other) in enumerate(zip(roles[:5], roles[-5:], strict=True)):
        first = start + timedelta(days=number % max(days, 1))
        yield SubstitutionRow(
            role_id=away.id,
            substitute_id=other.practitioner_id,
            starts_at=wall_clock_utc(first, 0, clock),
            ends_at=wall_clock_utc(first + timedelta(days=3), 0, clock),
        )


def _closed(ground: seed.Ground, start: date) -> Iterator[ExceptionRow]:
    """Close three shops for a day in the first week."""
    shops = [one for one in ground.care_services if one.service == "pharmacy" and one.hours]
    for number, one in enumerate(shops[:3]):
        yield ExceptionRow(care_service_id=one.id, day=start + timedelta(days=2 + number))
