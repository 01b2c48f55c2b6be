"""The demonstration territory as rows: real places, invented practitioners, fourteen days.

Pure and seeded: the same arguments give the same rows, ids included.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np

from directory import (
    distance,
    places,
    seed,
    somme_calendar,
    somme_duties,
    somme_sites,
    somme_surgeries,
)
from directory.model import CareService, Location, LocationId, ReferralLink

DEMO_DAYS: Final = 14
# Where a general practitioner sends patients on to; one link to the nearest of each.
_FROM_GP: Final = ("emergency_department", "imaging", "laboratory", "cardiology")
_ONWARD: Final = (
    ("imaging", "cardiology"),
    ("imaging", "orthopaedics"),
    ("paediatrics", "imaging"),
)


def generate(
    start: date, territory_id: UUID, *, days: int = DEMO_DAYS, number: int = 80
) -> seed.Seed:
    """Generate the territory.

    Args:
        start: First local day of the calendars.
        territory_id: Owner of every location.
        days: Local days of calendars.
        number: Seed of every random choice; ids do not depend on it.

    Returns:
        At least 400 care services and, for fourteen days, 20,000 seats.
    """
    facts = places.territory()
    communes = places.communes()
    ground = seed.Ground(territory_id, facts.department, facts.zone, number)
    somme_sites.build(ground, communes)
    somme_surgeries.build(ground, communes, facts.gp_density_per_100k)
    somme_sites.neighbours(ground)
    somme_duties.describe(ground)
    located = {place.id: place for place in ground.locations}
    ground.links.extend(_links(ground.care_services, located))
    schedules, slots = somme_calendar.build(
        ground.care_services, ground.dice("calendar"), facts.zone, start, days
    )
    return ground.freeze(schedules, slots, somme_duties.build(ground, communes, start, days))


def _links(
    services: Sequence[CareService], located: Mapping[LocationId, Location]
) -> list[ReferralLink]:
    """Link each sender to the nearest care service of each kind that it sends to."""
    pairs = [("general_practice", target) for target in _FROM_GP] + list(_ONWARD)
    found: list[ReferralLink] = []
    for source_code, target_code in pairs:
        targets = [service for service in services if service.service == target_code]
        lons = np.array([located[target.location_id].lon for target in targets])
        lats = np.array([located[target.location_id].lat for target in targets])
        for source in services:
            if source.service != source_code:
                continue
            place = located[source.location_id]
            metres = distance.great_circle_m(place.lon, place.lat, lons, lats)
            nearest = targets[int(np.argmin(metres))]
            found.append(ReferralLink(source_id=source.id, target_id=nearest.id))
    return found
