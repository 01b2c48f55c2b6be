"""Beds and emergency places: what a report may say after the one before it; pure.

A report is absolute ("9 of 12 occupied"), so that a lost one is healed by the next. Its cause says
what happened since, and must fit: an admission raises what is occupied and changes nothing else.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from directory.consent import Freshness
from kernel import errors

LABELS_FILE: Final = Path(__file__).parent / "data" / "capacity.toml"
LARGEST: Final = 10_000


class CapacityKind(StrEnum):
    """What is counted."""

    HOSPITAL_BED = "hospital_bed"
    INTENSIVE_CARE_BED = "intensive_care_bed"
    SHORT_STAY_BED = "short_stay_bed"
    SURGERY_BED = "surgery_bed"
    MATERNITY_BED = "maternity_bed"
    PAEDIATRIC_BED = "paediatric_bed"
    PSYCHIATRIC_BED = "psychiatric_bed"
    GERIATRIC_BED = "geriatric_bed"
    EMERGENCY_PLACE = "emergency_place"
    RESUSCITATION_ROOM = "resuscitation_room"


class Cause(StrEnum):
    """Why a figure is not what it was."""

    ADMISSION = "admission"
    DISCHARGE = "discharge"
    OPENING = "opening"
    CLOSING = "closing"
    CENSUS = "census"
    CORRECTION = "correction"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """How full one kind of capacity is.

    Attributes:
        total: Beds or places that are open.
        occupied: Patients in them; above `total` only when `over`.
        over: The owner said itself that there are more patients than places.
    """

    total: int
    occupied: int
    over: bool = False

    @property
    def free(self) -> int:
        """Give how many are free, never below 0."""
        return max(0, self.total - self.occupied)


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The two labels of a kind."""

    en: str
    fr: str


@cache
def labels() -> dict[CapacityKind, Label]:
    """Read the labels of all kinds once per process.

    Raises:
        msgspec.ValidationError: The file does not have the documented shape.
    """
    return msgspec.toml.decode(LABELS_FILE.read_bytes(), type=dict[CapacityKind, Label])


def report(before: Figure | None, said: Figure, cause: Cause) -> Figure:
    """Give the figure that holds after a report.

    Args:
        before: What held; None when nothing was ever said.
        said: What is reported; `over` allows more patients than places.
        cause: What happened since.

    Returns:
        The figure; `over` is kept only where it is true.

    Raises:
        kernel.errors.Invalid: `capacity_over_unsaid`: more occupied than there are, without the
            flag. `capacity_cause_contradicts`: the figures did not move as the cause says.
    """
    if said.occupied > said.total and not said.over:
        raise errors.Invalid(
            "capacity_over_unsaid", "More patients than places is said with `over`.",
            total=said.total, occupied=said.occupied,
        )  # fmt: skip
    if not _fits(before, said, cause):
        raise errors.Invalid(
            "capacity_cause_contradicts", "The figures did not move as the cause says.",
            cause=cause.value,
        )  # fmt: skip
    return msgspec.structs.replace(said, over=said.occupied > said.total)


def _fits(before: Figure | None, said: Figure, cause: Cause) -> bool:
    if cause in {Cause.CENSUS, Cause.CORRECTION}:
        return True
    if before is None:
        return cause is Cause.OPENING
    places, patients = said.total - before.total, said.occupied - before.occupied
    moved = {
        Cause.ADMISSION: places == 0 and patients > 0,
        Cause.DISCHARGE: places == 0 and patients < 0,
        Cause.OPENING: places > 0 and patients == 0,
        Cause.CLOSING: places < 0 and patients == 0,
    }
    return moved[cause]


def freshness(
    as_of: datetime, now: datetime, marked_after_s: int, refused_after_s: int
) -> Freshness:
    """Tell how far a figure can be believed by its age.

    Args:
        as_of: When it was said.
        now: The moment of the question.
        marked_after_s: Older is shown with a mark and ranked down.
        refused_after_s: Older is no longer used.
    """
    age = now - as_of
    if age >= timedelta(seconds=refused_after_s):
        return Freshness.OUTDATED
    return Freshness.MARKED if age >= timedelta(seconds=marked_after_s) else Freshness.FRESH
