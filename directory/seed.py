"""A territory under construction: collects rows with reproducible ids, reads no clock.

`Ground` is filled by the generators (`somme_sites`, `somme_surgeries`, `somme_calendar`) and frozen
into `Seed`, which `directory.seeding` writes.
"""

import math
import random
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID, uuid5

import msgspec

from directory import identifiers, names
from directory.model import (
    CareService,
    CareServiceId,
    Location,
    LocationId,
    Organisation,
    OrganisationId,
    OrganisationKind,
    Practitioner,
    PractitionerId,
    ReferralLink,
    Role,
    RoleId,
    Schedule,
    Slot,
)
from directory.places import Commune
from directory.rows import Duties, Rows

NAMESPACE: Final = UUID("5b0b9c6e-4c0f-5d0e-9a57-2f0e5a6d8000")
"""Every generated id is uuid5 of this and a readable path: the same seed gives the same ids."""

_DEGREE_M: Final = 111_195.0  # metres in one degree of latitude on the mean sphere


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a demonstration territory starts with."""

    rows: Rows
    practitioners: tuple[Practitioner, ...]
    schedules: tuple[Schedule, ...]
    slots: tuple[Slot, ...]
    duties: Duties = Duties()

    @property
    def seats(self) -> int:
        """Give the number of claimable places."""
        return sum(slot.capacity for slot in self.slots)


def identity(*path: str | int) -> UUID:
    """Give the reproducible id of what lies at a readable path."""
    return uuid5(NAMESPACE, "/".join(map(str, path)))


class Ground:
    """Rows collected so far for one territory.

    Attributes:
        territory_id: The territory every location belongs to.
        seed: Start of every random choice.
    """

    def __init__(self, territory_id: UUID, department: str, zone: str, seed: int) -> None:
        """Start empty.

        Args:
            territory_id: Owner of the locations.
            department: Department code.
            zone: IANA zone of every location.
            seed: Any number; same number, same rows.
        """
        self.territory_id = territory_id
        self.department = department
        self.zone = zone
        self.seed = seed
        self.organisations: list[Organisation] = []
        self.locations: list[Location] = []
        self.practitioners: list[Practitioner] = []
        self.roles: list[Role] = []
        self.care_services: list[CareService] = []
        self.links: list[ReferralLink] = []

    def dice(self, topic: str) -> random.Random:
        """Give a generator of its own for one topic: adding one topic never shifts another."""
        return random.Random(f"{self.seed}/{topic}")

    def organisation(
        self,
        key: str,
        name: str,
        kind: OrganisationKind,
        finess: str | None = None,
        parent_id: OrganisationId | None = None,
    ) -> OrganisationId:
        """Add an organisation and give its id."""
        found = OrganisationId(identity("organisation", key))
        row = Organisation(id=found, name=name, kind=kind, finess=finess, parent_id=parent_id)
        self.organisations.append(row)
        return found

    def location(
        self,
        key: str,
        owner: OrganisationId,
        name: str,
        commune: Commune,
        *,
        position: tuple[float, float],
        accessibility: Iterable[str] = (),
        department: str | None = None,
    ) -> LocationId:
        """Add a location at (lon, lat) in a commune (of another department) and give its id."""
        found = LocationId(identity("location", key))
        row = Location(
            id=found,
            organisation_id=owner,
            name=name,
            lon=position[0],
            lat=position[1],
            zone=self.zone,
            commune=commune.insee,
            postcode=commune.postcodes[0],
            department=department or self.department,
            territory_id=self.territory_id,
            accessibility=frozenset(accessibility),
        )
        self.locations.append(row)
        return found

    def practitioner(
        self, key: str, rng: random.Random, owner: OrganisationId, place: LocationId, service: str
    ) -> tuple[RoleId, str]:
        """Add an invented practitioner with one role; give the role and the name to show."""
        family, given = names.person(rng)
        serial = len(self.practitioners) + 1
        person = Practitioner(
            id=PractitionerId(identity("practitioner", key)),
            # 1999: a series of our own, right in shape and check digit, never given out.
            rpps=identifiers.make(identifiers.System.RPPS, f"1999{serial:06d}"),
            family=family,
            given=given,
        )
        role = Role(
            id=RoleId(identity("role", key)),
            practitioner_id=person.id,
            organisation_id=owner,
            location_id=place,
            service=service,
        )
        self.practitioners.append(person)
        self.roles.append(role)
        return role.id, f"{given} {family}"

    def care_service(self, key: str, service: CareService) -> CareServiceId:
        """Add a care service (its `id` is replaced by the reproducible one) and give its id."""
        found = CareServiceId(identity("care_service", key))
        self.care_services.append(msgspec.structs.replace(service, id=found))
        return found

    def freeze(self, schedules: Sequence[Schedule], slots: Sequence[Slot], duties: Duties) -> Seed:
        """Give everything collected, with its calendar and its duties."""
        return Seed(
            rows=Rows(
                organisations=tuple(self.organisations),
                locations=tuple(self.locations),
                roles=tuple(self.roles),
                care_services=tuple(self.care_services),
                links=tuple(self.links),
            ),
            practitioners=tuple(self.practitioners),
            schedules=tuple(schedules),
            slots=tuple(slots),
            duties=duties,
        )


NO_ID: Final = CareServiceId(UUID(int=0))
"""Stands in a `CareService` given to `Ground.care_service`, which replaces it."""


def finess(serial: int) -> str:
    """Give an invented FINESS of department 80 with its check digit (series 809)."""
    return identifiers.make(identifiers.System.FINESS, f"809{serial:05d}")


def phone(serial: int) -> str:
    """Give a number of the range kept for fiction. Source: ARCEP, 03 53 01 00 00 to 99 99."""
    return f"+3335301{serial % 10_000:04d}"


def scatter(rng: random.Random, commune: Commune) -> tuple[float, float]:
    """Give a position in a commune, spread with the square root of its population."""
    spread_m = min(3_000.0, 6.0 * math.sqrt(max(commune.population, 1)) + 50.0)
    north = rng.gauss(0.0, spread_m / 2.0) / _DEGREE_M
    east = rng.gauss(0.0, spread_m / 2.0) / (_DEGREE_M * math.cos(math.radians(commune.lat)))
    return round(commune.lon + east, 5), round(commune.lat + north, 5)


def towns(rng: random.Random, found: Sequence[Commune], count: int, smallest: int) -> list[Commune]:
    """Draw communes with at least `smallest` inhabitants, by population, with repetition."""
    large = [commune for commune in found if commune.population >= smallest]
    return rng.choices(large, weights=[commune.population for commune in large], k=count)
