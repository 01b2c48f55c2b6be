"""Who has care within reach: for each commune, how many care services of a speciality can be used.

A commune is covered when at least one care service that takes the patient lies within the radius
(great-circle, from its centre), or comes to him there. What is said of one commune is what asking
`eligibility.judge` about every care service would say; a property test compares the two.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from directory import consent, distance, hours
from directory.gazetteer import Commune
from directory.links import IN_PERSON
from directory.model import Intake, Modality, Need
from directory.screen import BIT, OFFICE, Indices
from directory.snapshot import Snapshot

ADULT: Final = 40 * 12
"""Age in months of the patient that coverage is asked for."""
CHILD: Final = 5 * 12
"""Age where nobody takes adults."""
_HOME: Final = BIT[Modality.HOME_VISIT]


class Cover(msgspec.Struct, frozen=True, kw_only=True):
    """Coverage of a territory by one service code; row i belongs to commune i.

    Attributes:
        age_months: Of the patient.
        offering: Care services that take the patient, wherever they lie.
        counts: How many of them can be used from each commune.
        nearest_m: Great-circle metres to the nearest office; infinity when there is none.
    """

    service: str
    communes: tuple[Commune, ...]
    radius_m: int
    age_months: int | None
    offering: int
    counts: NDArray[np.int64]
    nearest_m: NDArray[np.float64]

    @property
    def bare(self) -> tuple[Commune, ...]:
        """Give the communes without any, the most populous first."""
        found = [self.communes[at] for at in np.flatnonzero(self.counts == 0).tolist()]
        return tuple(sorted(found, key=lambda one: (-one.population, one.insee)))

    @property
    def people(self) -> int:
        """Give the inhabitants of the territory."""
        return sum(one.population for one in self.communes)

    @property
    def people_without(self) -> int:
        """Give the inhabitants of the communes without any."""
        return sum(one.population for one in self.bare)

    @property
    def farthest(self) -> tuple[Commune, float] | None:
        """Give the commune that is farthest from an office, and its metres; None without one."""
        if not self.communes or not np.isfinite(self.nearest_m).all():
            return None
        at = int(np.argmax(self.nearest_m))
        return self.communes[at], float(self.nearest_m[at])


def patient(service: str, now: datetime, radius_m: int) -> Need:
    """Give the need that coverage is asked for: an adult met in one room.

    Args:
        service: Service code.
        now: Moment of the question.
        radius_m: Great-circle metres to an office.
    """
    return Need(
        service=service, earliest=now, age_months=ADULT, modalities=IN_PERSON, radius_m=radius_m
    )


def by_age(snapshot: Snapshot, communes: Sequence[Commune], need: Need) -> Cover:
    """Give the coverage for the need's patient; for a child where nobody takes him.

    Args:
        snapshot: The directory.
        communes: Of the territory.
        need: As for `cover`.
    """
    found = cover(snapshot, communes, need)
    if found.offering:
        return found
    child = cover(snapshot, communes, msgspec.structs.replace(need, age_months=CHILD))
    return child if child.offering else found


def cover(
    snapshot: Snapshot,
    communes: Sequence[Commune],
    need: Need,
    *,
    without: Iterable[int] = (),
    audience: consent.Audience = consent.Audience.CENTRE,
) -> Cover:
    """Give the coverage of a territory.

    Args:
        snapshot: The directory.
        communes: Of the territory.
        need: What is asked, with a `radius_m`; its place is left out of account. With a deadline
            only who has a place free in time counts, otherwise everybody who is active.
        without: Rows that are taken to be closed.
        audience: On whose behalf, when the need has a deadline.

    Raises:
        ValueError: The need has no radius.
    """
    if need.radius_m is None:
        raise ValueError("coverage is asked within a radius")
    rows, ways = _able(snapshot, need, frozenset(without), audience)
    office, home = rows[(ways & OFFICE) != 0], rows[(ways & _HOME) != 0]
    lons = np.array([one.lon for one in communes])
    lats = np.array([one.lat for one in communes])
    counts = np.zeros(len(communes), dtype=np.int64)
    nearest = np.full(len(communes), np.inf)
    at_office = np.isin(home, office)
    if len(office):
        from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import, first needed here

        tree = cKDTree(distance.unit_vectors(snapshot.lon[office], snapshot.lat[office]))
        points = distance.unit_vectors(lons, lats)
        within = distance.chord(need.radius_m)
        counts += tree.query_ball_point(points, within, return_length=True)
        chords, _ = tree.query(points)
        nearest = 2.0 * distance.EARTH_RADIUS_M * np.arcsin(np.minimum(chords / 2.0, 1.0))
    for row, twice in zip(home.tolist(), at_office.tolist(), strict=True):
        metres = distance.great_circle_m(
            float(snapshot.lon[row]), float(snapshot.lat[row]), lons, lats
        )
        served = _served(snapshot, row, communes, metres)
        counts += served & ~(twice & (metres <= need.radius_m))
    return Cover(
        service=need.service,
        communes=tuple(communes),
        radius_m=need.radius_m,
        age_months=need.age_months,
        offering=len(rows),
        counts=counts,
        nearest_m=nearest,
    )


def _served(
    snapshot: Snapshot, row: int, communes: Sequence[Commune], metres: distance.Floats
) -> NDArray[np.bool_]:
    """Tell which communes a care service visits."""
    service = snapshot.services[row]
    named = np.array([one.insee in service.coverage_communes for one in communes], dtype=np.bool_)
    if service.coverage_m is None:
        return named
    near: NDArray[np.bool_] = metres <= service.coverage_m
    return near | named


def _able(
    snapshot: Snapshot, need: Need, without: frozenset[int], audience: consent.Audience
) -> tuple[Indices, NDArray[np.uint8]]:
    """Give the rows that take the patient, and in which ways (bits)."""
    capability = snapshot.capability(need.service)
    if capability is None:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.uint8)
    rows = capability.rows
    ways = snapshot.screen.ways(need, rows, None)
    ways[~snapshot.screen.admits(need, rows)] = 0
    ways[np.isin(rows, list(without))] = 0
    for at in np.flatnonzero(ways).tolist():
        ways[at] &= _in_time(snapshot, int(rows[at]), need, audience)
    kept = ways != 0
    return rows[kept], ways[kept]


def _in_time(snapshot: Snapshot, row: int, need: Need, audience: consent.Audience) -> int:
    """Give the ways (bits) in which a row has a place free before the deadline; all without one."""
    service = snapshot.services[row]
    every = OFFICE | _HOME
    if service.intake is Intake.REFERRAL:
        opening = hours.next_opening(service, snapshot.locations[row], need.earliest)
        late = opening is None or (need.deadline is not None and opening > need.deadline)
        return 0 if late else every
    if need.deadline is None:
        return every
    found = snapshot.openings(row, need, need.earliest, audience, every)
    return sum(BIT[way] for way, moment in found.items() if moment <= need.deadline)
