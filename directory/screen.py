"""The part of eligibility that many care services pass or fail at once, as arrays.

It says the same as `directory.eligibility` about who is treated, how and where, without giving
reasons: a search screens hundreds of rows here and asks `judge` about the few that it shows. A
property test compares the two. Row i belongs to care service i of the snapshot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from directory.columns import MODALITIES, micros
from directory.eligibility import DUTY
from directory.model import CareService, Intake, Location, Modality, Need

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]
Moments = NDArray[np.int64]
Bits = NDArray[np.uint8]
"""Modalities as bits, bit i = `MODALITIES[i]`."""

BIT: Final[Mapping[Modality, int]] = {one: 1 << index for index, one in enumerate(MODALITIES)}
OFFICE: Final = BIT[Modality.OFFICE]
_HOME_VISIT: Final = BIT[Modality.HOME_VISIT]
EVERY_WAY: Final = (1 << len(MODALITIES)) - 1
_NO_LIMIT: Final = np.iinfo(np.int32).max


def bits(modalities: Iterable[Modality]) -> int:
    """Give modalities as bits."""
    return sum(BIT[one] for one in modalities)


def of_bits(value: int) -> tuple[Modality, ...]:
    """Give the modalities of bits, in `Modality` order."""
    return tuple(one for one in MODALITIES if value & BIT[one])


class Screen:
    """Columns of the care services of a snapshot.

    Attributes:
        referral: Rows engaged by a referral: they have hours instead of slots.
        office_only: Rows where one can only go to.
    """

    def __init__(self, services: Sequence[CareService], locations: Sequence[Location]) -> None:
        """Freeze the columns of care services and of their locations, in the same order."""
        pairs = list(zip(services, locations, strict=True))
        self._active = np.array([one.active for one in services], dtype=np.bool_)
        self._min_age = np.array([one.min_age_months for one in services], dtype=np.int32)
        self._max_age = np.array(
            [_NO_LIMIT if one.max_age_months is None else one.max_age_months for one in services],
            dtype=np.int32,
        )
        self._sent_only = np.array([one.referral_required for one in services], dtype=np.bool_)
        self._coverage = np.array(
            [-1.0 if one.coverage_m is None else one.coverage_m for one in services],
            dtype=np.float64,
        )
        self._modalities = np.array([bits(one.modalities) for one in services], dtype=np.uint8)
        self.referral = np.array(
            [one.intake is Intake.REFERRAL for one in services], dtype=np.bool_
        )
        self.office_only = self._modalities == OFFICE
        self._skills = _members(services, lambda one: one.skills)
        self._shifts = _shifts(services)
        self._equipment = _members(services, lambda one: one.equipment)
        self._accepts = _members(services, lambda one: one.accepts)
        self._languages = _members(services, lambda one: one.languages)
        self._access = _members(pairs, lambda one: one[0].accessibility | one[1].accessibility)
        self._communes = _members(services, lambda one: one.coverage_communes)

    def admits(self, need: Need, rows: Indices) -> Mask:
        """Tell which rows treat this patient, wherever and whenever.

        Args:
            need: What is asked; its service is not looked at.
            rows: Shape (n,).
        """
        fit: Mask = self.faults(need, rows) == 0
        return fit

    def faults(self, need: Need, rows: Indices) -> Bits:
        """Count the reasons for which rows do not treat this patient, wherever and whenever.

        Args:
            need: What is asked; its service is not looked at.
            rows: Shape (n,).

        Returns:
            As many as `directory.eligibility.judge` gives of who is treated and how.
        """
        found: Bits = (~self._active[rows]).view(np.uint8)
        if need.age_months is not None:
            fits = self._min_age[rows] <= need.age_months
            fits &= self._max_age[rows] > need.age_months
            found += ~fits
        if not need.referred:
            found += self._sent_only[rows]
        for members, wanted in (
            (self._skills, need.skills),
            (self._equipment, need.equipment),
            (self._accepts, need.accepts),
            (self._access, need.accessibility),
        ):
            if wanted:
                lacking = np.zeros(len(rows), dtype=np.bool_)
                for code in wanted:
                    having = _picked(members, code, rows)
                    if members is self._skills and code == DUTY:
                        having = having | self._on_call(need.earliest)[rows]
                    lacking |= ~having
                found += lacking
        if need.languages:
            spoken = np.zeros(len(rows), dtype=np.bool_)
            for code in need.languages:
                spoken |= _picked(self._languages, code, rows)
            found += ~spoken
        return found

    def _on_call(self, moment: datetime) -> Mask:
        """Tell of every row whether it is on call at a moment."""
        at = micros(moment)
        rows, starts, ends = self._shifts
        found = np.zeros(len(self._active), dtype=np.bool_)
        found[rows[(starts <= at) & (ends > at)]] = True
        return found

    def ways(self, need: Need, rows: Indices, straight_m: NDArray[np.float64] | None) -> Bits:
        """Give the modalities of each row that fit the need and the place.

        The need's radius is not looked at: an office at any distance fits.

        Args:
            need: What is asked.
            rows: Shape (n,).
            straight_m: Great-circle metres of each row; None when the place is unknown.
        """
        found: Bits = self._modalities[rows]
        if need.modalities:
            found &= np.uint8(bits(need.modalities))
        if straight_m is None:
            return found
        served = straight_m <= self._coverage[rows]
        if need.commune is not None:
            served |= _picked(self._communes, need.commune, rows)
        found[~served] &= np.uint8(~_HOME_VISIT & 0xFF)
        return found


def _shifts(services: Sequence[CareService]) -> tuple[Indices, Moments, Moments]:
    """Give row, start and end of every shift on call, in microseconds."""
    every = [
        (row, micros(one.start), micros(one.end))
        for row, service in enumerate(services)
        for one in service.shifts
    ]
    table = np.array(every, dtype=np.int64).reshape(-1, 3)
    return table[:, 0].astype(np.intp), table[:, 1], table[:, 2]


def _members(rows: Sequence[object], codes: "Callable[..., frozenset[str]]") -> dict[str, Mask]:
    """Give for each code which rows have it."""
    found: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        for code in codes(row):
            found.setdefault(code, []).append(index)
    masks = {}
    for code, mine in found.items():
        masks[code] = mask = np.zeros(len(rows), dtype=np.bool_)
        mask[mine] = True
    return masks


def _picked(members: Mapping[str, Mask], code: str, rows: Indices) -> Mask:
    mask = members.get(code)
    return np.zeros(len(rows), dtype=np.bool_) if mask is None else mask[rows]
