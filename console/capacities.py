"""Beds and emergency places: the clinic's one-step form, and how every page shows a figure."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from console import forms, week
from console.catalogue import Words
from console.reader import Reader
from directory import capacity, capacity_reports
from directory.capacity import LARGEST, CapacityKind, Cause
from directory.capacity_reports import Capacity, Said
from directory.model import CareService, CareServiceId, Intake, Modality
from directory.snapshot import Snapshot
from kernel import errors
from kernel.database import Tx

CAUSES: Final = tuple(
    one.value
    for one in (
        Cause.CENSUS,
        Cause.CORRECTION,
        Cause.OPENING,
        Cause.CLOSING,
        Cause.ADMISSION,
        Cause.DISCHARGE,
    )
)
"""As the form lists them: a count first, which is what is mostly typed."""
_STEPS: Final = {"admission": 1, "discharge": -1}
_MOST: Final = 30
_WITHOUT_BEDS: Final = frozenset(
    {"ambulance", "fire_rescue", "imaging", "laboratory", "pharmacy", "smur"}
)
"""Engaged by a referral, but nobody lies there."""


class BedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One figure as it is shown.

    Attributes:
        place: Name of the care service.
        label: What is counted, in the reader's language.
        told: The figure with author, cause and freshness.
    """

    place: str
    label: str
    told: Capacity


class Beds(msgspec.Struct, frozen=True, kw_only=True):
    """The panel of a clinic.

    Attributes:
        rows: What it said, by care service and kind.
        services: Where it may say something new: id and name.
        kinds: What may be counted: code and label.
        problem: Code of a refusal.
        done: What was just said, in words.
    """

    rows: tuple[BedRow, ...]
    services: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    causes: tuple[str, ...] = CAUSES
    problem: str = ""
    done: str = ""
    wrong: Mapping[str, str] = MappingProxyType({})


def label(kind: CapacityKind, words: Words) -> str:
    """Give what is counted, in the reader's language."""
    known = capacity.labels()[kind]
    return known.fr if words.language == "fr" else known.en


def rows(
    told: Mapping[UUID, Sequence[Capacity]], snapshot: Snapshot | None, words: Words
) -> tuple[BedRow, ...]:
    """Lay figures out by the name of their place, then by kind.

    Args:
        told: By care service.
        snapshot: Names of care services.
        words: The reader's.
    """
    found = [
        BedRow(place=_name(snapshot, owner), label=label(one.kind, words), told=one)
        for owner, mine in told.items()
        for one in mine
    ]
    return tuple(sorted(found, key=lambda row: (row.place, row.told.kind)))


def _name(snapshot: Snapshot | None, care_service_id: UUID) -> str:
    known = None if snapshot is None else snapshot.service(CareServiceId(care_service_id))
    return "" if known is None else known.name


async def show(who: Reader, snapshot: Snapshot, beds: Beds | None = None) -> Beds | None:
    """Read the panel of the reader's organisations; None when they have nothing to count.

    Args:
        who: The reader.
        snapshot: The directory.
        beds: What was just tried: its outcome is kept.
    """
    mine = snapshot.of_organisations(who.edge.actor.organisation_ids)
    told = await who.edge.run(lambda tx: capacity_reports.told(tx, [one.id for one in mine]))
    counting = [one for one in mine if one.id in told or _counts(one)][:_MOST]
    if not counting:
        return None
    return Beds(
        rows=rows(told, snapshot, who.words),
        services=_choices(counting),
        kinds=tuple((one.value, label(one, who.words)) for one in CapacityKind),
        problem=beds.problem if beds else "",
        done=beds.done if beds else "",
        wrong=beds.wrong if beds else {},
    )


def _counts(one: CareService) -> bool:
    received = one.intake is Intake.REFERRAL and Modality.OFFICE in one.modalities
    return received and one.service not in _WITHOUT_BEDS


def _choices(services: Iterable[CareService]) -> tuple[tuple[str, str], ...]:
    return tuple((str(one.id), one.name) for one in sorted(services, key=lambda one: one.name))


def understand(sent: forms.Form) -> tuple[Said | None, Mapping[str, str]]:
    """Read what was typed, or the button that was pressed, as a report.

    Args:
        sent: `sequence`, `total` and `occupied` as they stand; `step` of a button changes the
            figures that were shown by one patient.

    Returns:
        The report, or None with the code of what is wrong for each field.
    """
    shown = week.whole_number(sent.text("sequence") or "0", 0, 999_999)
    step = sent.text("step")
    if step in _STEPS:
        total = week.whole_number(sent.text("shown_total"), 0, LARGEST)
        occupied = week.whole_number(sent.text("shown_occupied"), 0, LARGEST)
        moved = None if occupied is None else max(0, occupied + _STEPS[step])
    else:
        total = week.whole_number(sent.text("total"), 0, LARGEST)
        moved = week.whole_number(sent.text("occupied"), 0, LARGEST)
    cause = sent.text("cause") if step not in _STEPS else step
    wrong = {}
    if total is None:
        wrong["total"] = "beds_unreadable"
    if moved is None:
        wrong["occupied"] = "beds_unreadable"
    if total is None or moved is None or shown is None or cause not in CAUSES:
        return None, wrong or {"total": "beds_unreadable"}
    over = sent.flag("over") or (step in _STEPS and sent.flag("shown_over"))
    said = Said(sequence=shown + 1, total=total, occupied=moved, cause=Cause(cause), over=over)
    return said, {}


@get("/cabinet/lits", include_in_schema=False)
async def beds_part(
    who: NamedDependency[Reader], snapshot: NamedDependency[Snapshot]
) -> Response[str]:
    """Give the panel alone, for the live page."""
    return who.fragment("beds.html", beds=await show(who, snapshot))


@post("/cabinet/lits", include_in_schema=False, status_code=200)
async def report(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    snapshot: NamedDependency[Snapshot],
) -> Response[str]:
    """Say how many are occupied; whoever was slower sees what the other said, and says it again."""
    sent = await forms.read(request)
    care_service_id = sent.id("care_service")
    try:
        kind = CapacityKind(sent.text("kind"))
    except ValueError:
        raise forms.unreadable() from None
    said, wrong = understand(sent)
    problem, done = "", ""

    async def act(tx: Tx) -> Capacity:
        assert said is not None  # noqa: S101 - asked only when it was understood
        return await capacity_reports.report(tx, who.edge.actor, care_service_id, kind, said)

    if said is not None:
        try:
            now = await who.edge.run(act)
            done = who.words.t(
                "beds.done", label=label(kind, who.words), free=now.free, total=now.total
            )
        except errors.Unavailable:
            raise
        except errors.RegulError as refusal:
            older = refusal.code == "sequence_not_newer"
            problem = "beds_told_meanwhile" if older else refusal.code
    tried = Beds(rows=(), services=(), kinds=(), problem=problem, done=done, wrong=wrong)
    return who.fragment("beds.html", beds=await show(who, snapshot, tried))


ROUTES: Final = [beds_part, report]
