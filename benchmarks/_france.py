"""A synthetic France for benchmarks: real communes, as many GPs as the density table says.

Nothing here describes a real practice: practitioners, places and diaries are drawn from a seed.
Communes and densities are read from `../shared/data/france` (INSEE / La Poste / Etalab and ANCT,
Licence Ouverte 2.0), which is not part of the product; `load` says so when it is absent.
"""

import csv
import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import columns
from directory.columns import Slots
from directory.model import (
    CareService,
    CareServiceId,
    Intake,
    Location,
    LocationId,
    Modality,
    Organisation,
    OrganisationId,
    OrganisationKind,
    PractitionerId,
    Role,
    RoleId,
    Schedule,
    ScheduleId,
    SlotId,
)
from directory.rows import Rows
from server.accounts import TERRITORY
from server.refusal import Refusal

ROOT: Final = Path(os.environ.get("REGUL_ROOT", Path(__file__).resolve().parents[1]))
DATA: Final = ROOT.parent / "shared" / "data" / "france"
CARE_SERVICES: Final = 80_000
ROLES: Final = 220_000
SLOTS: Final = 1_000_000
CLINIC_ROLES: Final = 10
"""Care services of the first organisation, whose fortnight is published."""
_OVERSEAS_DENSITY: Final = 100.0
_DAYS: Final = 14
_OTHERS: Final = (
    ("nursing", 5), ("physiotherapy", 5), ("dental", 4), ("midwifery", 2), ("paediatrics", 2),
    ("psychiatry", 2), ("cardiology", 2), ("gynaecology", 2), ("dermatology", 1), ("imaging", 1),
    ("ophthalmology", 1), ("laboratory", 1), ("ear_nose_throat", 1), ("emergency_department", 1),
)  # fmt: skip
_SKILLS: Final = ("suture", "ecg", "infant_care", "vaccination", "plaster", "wound_care")
_LANGUAGES: Final = ("en", "ar", "pt", "es", "de", "tr", "it", "pl")


class Commune(msgspec.Struct, frozen=True):
    """One real commune."""

    insee: str
    name: str
    department: str
    population: int
    lon: float
    lat: float
    postcode: str


class France(msgspec.Struct, frozen=True):
    """The world and what was drawn for it.

    Attributes:
        rows: Organisations, locations, roles, care services.
        schedules: One for each care service with a diary.
        slots: `diary` indexes `schedules`.
        clinic: The organisation with `CLINIC_ROLES` care services.
    """

    communes: tuple[Commune, ...]
    rows: Rows
    schedules: tuple[Schedule, ...]
    slots: Slots
    clinic: OrganisationId


def communes() -> tuple[Commune, ...]:
    """Read the real communes, overseas ones included.

    Raises:
        Refusal: The shared data is not on this machine.
    """
    path = DATA / "communes_clean.csv"
    if not path.exists():
        raise Refusal(f"{path} is absent: this benchmark needs the shared data beside the clone.")
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Commune(
                row["insee"], row["name"], row["dep"], int(row["population"] or 0),
                float(row["lon"]), float(row["lat"]), re.split(r"\D+", row["postcodes"])[0],
            )
            for row in csv.DictReader(lines)
            if row["lon"] and row["lat"]
        )  # fmt: skip


def densities() -> dict[str, float]:
    """Read general practitioners per 100,000 inhabitants by department."""
    with (DATA / "gp_density_2020.csv").open(encoding="utf-8", newline="") as lines:
        return {
            row[0]: float(row[3].replace(",", "."))
            for row in csv.reader(lines)
            if re.fullmatch(r"[0-9AB]{2,3}", row[0]) and row[3]
        }


def build(start: datetime, seed: int, size: float) -> France:
    """Draw the world.

    Args:
        start: Moment from which slots lie ahead.
        seed: Of every random choice.
        size: Share of the national size, up to 1.
    """
    dice = np.random.default_rng(seed)
    towns = communes()
    weights = np.array([one.population for one in towns], dtype=np.float64)
    count = max(round(CARE_SERVICES * size), 10 * CLINIC_ROLES)
    codes, where = _posts(dice, towns, weights, count)
    organisations, places, of_place = _practices(dice, towns, where)
    services = _services(dice, codes, of_place, places)
    clinic = places[of_place[0]].organisation_id
    schedules = tuple(
        Schedule(
            id=ScheduleId(key),
            care_service_id=one.id,
            paused=paused,
            release_before_s=86_400 if held else None,
            as_of=start,
        )
        for key, one, paused, held in zip(
            _ids(dice, count), services, (dice.random(count) < 0.02).tolist(),
            (dice.random(count) < 0.1).tolist(), strict=True,
        )
        if one.intake is Intake.APPOINTMENT
    )  # fmt: skip
    ways = {one.id: max(one.modalities - {Modality.OFFICE}, default=None) for one in services}
    slots = _slots(dice, start, [ways[one.care_service_id] for one in schedules], size)
    roles = _roles(dice, max(round(ROLES * size), count), services)
    rows = Rows(organisations=organisations, locations=places, roles=roles, care_services=services)
    return France(towns, rows, schedules, slots, clinic)


def _ids(dice: np.random.Generator, count: int) -> list[UUID]:
    drawn = dice.bytes(16 * count)
    return [UUID(bytes=drawn[at : at + 16], version=4) for at in range(0, 16 * count, 16)]


def _posts(
    dice: np.random.Generator, towns: Sequence[Commune], weights: NDArray[np.float64], count: int
) -> tuple[list[str], NDArray[np.intp]]:
    """Draw the service and the commune of each post, sorted by commune; a clinic first."""
    table = densities()
    people = weights.sum()
    doctors = np.array(
        [
            weight * table.get(one.department, _OVERSEAS_DENSITY)
            for one, weight in zip(towns, weights, strict=True)
        ]
    )
    share = doctors.sum() / 100_000 / CARE_SERVICES
    general = min(round(count * share), count)
    names, parts = zip(*_OTHERS, strict=True)
    others = dice.choice(len(names), count - general, p=np.array(parts) / sum(parts))
    codes = ["general_practice"] * general + [names[at] for at in others]
    where = np.concatenate(
        [
            dice.choice(len(towns), general, p=doctors / doctors.sum()),
            dice.choice(len(towns), count - general, p=weights / people),
        ]
    )
    order = np.argsort(where, kind="stable")
    first = where[order][0]
    codes = ["general_practice"] * CLINIC_ROLES + [codes[at] for at in order[CLINIC_ROLES:]]
    sorted_where = where[order]
    sorted_where[:CLINIC_ROLES] = first
    return codes, sorted_where


def _practices(
    dice: np.random.Generator, towns: Sequence[Commune], where: NDArray[np.intp]
) -> tuple[tuple[Organisation, ...], tuple[Location, ...], list[int]]:
    """Group posts of one commune into practices of about three; the first has ten."""
    joins = dice.random(len(where)) < 2 / 3
    joins[:CLINIC_ROLES] = True
    joins[CLINIC_ROLES] = False
    fresh = np.append(True, (where[1:] != where[:-1]) | ~joins[1:])
    of_place = (np.cumsum(fresh) - 1).tolist()
    at = where[fresh]
    spread = dice.normal(0.0, 0.012, (len(at), 2))
    access = dice.random(len(at)) < 0.7
    organisations, places = [], []
    for number, (town_at, key, place_key) in enumerate(
        zip(at.tolist(), _ids(dice, len(at)), _ids(dice, len(at)), strict=True)
    ):
        town = towns[town_at]
        owner = OrganisationId(key)
        organisations.append(
            Organisation(
                id=owner, name=f"Cabinet {number} (fictif)", kind=OrganisationKind.PRACTICE
            )
        )
        places.append(
            Location(
                id=LocationId(place_key), organisation_id=owner, name=town.name,
                lon=min(max(town.lon + float(spread[number, 0]), -180.0), 180.0),
                lat=town.lat + float(spread[number, 1]), zone="Europe/Paris", commune=town.insee,
                postcode=town.postcode, department=town.department, territory_id=TERRITORY.id,
                accessibility=_ACCESS if access[number] else frozenset(),
            )
        )  # fmt: skip
    return tuple(organisations), tuple(places), of_place


_ACCESS: Final = frozenset({"step_free", "wheelchair"})
_FRENCH: Final = frozenset({"fr"})
_EVERYWHERE: Final = {
    1: frozenset({Modality.OFFICE}),
    2: frozenset({Modality.OFFICE, Modality.TELECONSULTATION}),
    3: frozenset({Modality.OFFICE, Modality.HOME_VISIT}),
}


def _services(
    dice: np.random.Generator, codes: Sequence[str], of_place: Sequence[int],
    places: Sequence[Location],
) -> tuple[CareService, ...]:  # fmt: skip
    count = len(codes)
    ways = dice.choice(3, count, p=[0.75, 0.15, 0.1]) + 1
    ways[:CLINIC_ROLES] = 1
    tongue = dice.integers(0, 4 * len(_LANGUAGES), count)
    skill = dice.integers(0, 1 << len(_SKILLS), count)
    age = dice.random(count).tolist()
    spoken = [frozenset({"fr", one}) for one in _LANGUAGES]
    skills = [
        frozenset(one for bit, one in enumerate(_SKILLS) if value >> bit & 1)
        for value in range(1 << len(_SKILLS))
    ]
    made = []
    for number, key in enumerate(_ids(dice, count)):
        place = places[of_place[number]]
        referral = codes[number] == "emergency_department"
        home = int(ways[number]) == 3
        language = int(tongue[number])
        made.append(
            CareService(
                id=CareServiceId(key), organisation_id=place.organisation_id,
                location_id=place.id, name=f"Offre {number} (fictive)", service=codes[number],
                skills=skills[int(skill[number])],
                modalities=_EVERYWHERE[1 if referral else int(ways[number])],
                intake=Intake.REFERRAL if referral else Intake.APPOINTMENT,
                min_age_months=72 if 0.1 < age[number] < 0.2 else 0,
                max_age_months=216 if codes[number] == "paediatrics" else None,
                languages=spoken[language] if language < len(spoken) else _FRENCH,
                coverage_m=10_000 if home else None,
                referral_required=0.8 < age[number] < 0.85,
                active=number < CLINIC_ROLES or age[number] < 0.99,
            )
        )  # fmt: skip
    return tuple(made)


def _roles(
    dice: np.random.Generator, count: int, services: Sequence[CareService]
) -> tuple[Role, ...]:
    """Draw what practitioners do where: one role for each service, more at the same places."""
    chosen = np.concatenate(
        [np.arange(len(services)), dice.integers(0, len(services), count - len(services))]
    )
    pairs = zip(chosen.tolist(), _ids(dice, count), _ids(dice, count), strict=True)
    return tuple(
        Role(
            id=RoleId(key), practitioner_id=PractitionerId(person),
            organisation_id=services[at].organisation_id, location_id=services[at].location_id,
            service=services[at].service,
        )
        for at, key, person in pairs
    )  # fmt: skip


def _slots(
    dice: np.random.Generator, start: datetime, ways: Sequence[Modality | None], size: float
) -> Slots:
    """Draw open slots in office hours; some diaries are full, some nearly empty."""
    count = max(round(SLOTS * size), 10 * len(ways))
    eagerness = dice.gamma(1.2, 1.0, len(ways))
    eagerness[:CLINIC_ROLES] = 0.0
    owners = np.sort(dice.choice(len(ways), count, p=eagerness / eagerness.sum()))
    slots = np.zeros(count, dtype=columns.SLOT)
    slots["id"] = np.frombuffer(dice.bytes(16 * count), dtype="V16")
    slots["diary"] = owners
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    quarter = 15 * 60 * 1_000_000
    # Soonest days are the fullest: few free places today, many in a fortnight.
    day = np.minimum((dice.beta(1.6, 1.0, count) * _DAYS).astype(np.int64) + 1, _DAYS)
    begins = dice.integers(7 * 4, 18 * 4, count)
    slots["start"] = columns.micros(midnight) + day * 24 * 4 * quarter + begins * quarter
    slots["end"] = slots["start"] + quarter
    slots["capacity"] = slots["free"] = 1
    other = [columns.MODALITIES.index(one or Modality.OFFICE) for one in ways]
    elsewhere = dice.random(count) < 0.3
    slots["modality"] = np.array(other, dtype=np.uint8)[owners] * elsewhere
    slots["visibility"] = dice.choice(4, count, p=[0.5, 0.2, 0.25, 0.05])
    return slots


def slot_ids(count: int, seed: int) -> list[SlotId]:
    """Give drawn ids of slots."""
    return [SlotId(one) for one in _ids(np.random.default_rng(seed), count)]


def fortnight(start: datetime, count: int) -> list[tuple[datetime, datetime]]:
    """Give the times of `count` slots over the fortnight that follows a moment."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    each = -(-count // _DAYS)
    found = []
    for number in range(count):
        day, turn = divmod(number, each)
        begin = midnight + timedelta(days=day, hours=7, minutes=15 * turn)
        found.append((begin, begin + timedelta(minutes=15)))
    return found
