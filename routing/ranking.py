"""From what the directory found to the best places: one lexicographic cost, reasons, why-not.

Pure: the same search, asking and seed give the same ranking, whatever the order of the rows.
The directory has applied the hard constraints; here only reach, refusals by the patient and the
order are decided. The parts of the cost are bands, not seconds: what differs by less than a band
is equal there, and the next part decides.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from directory.agreements import Age
from directory.capacity_reports import Capacity
from directory.consent import Freshness
from directory.model import Accepts, CareServiceId, Intake, Modality, SlotKind
from directory.snapshot import Candidate, OpenSlot
from directory.trust import NEWCOMER, Estimate
from events.model import ALWAYS_ANSWERED
from routing import reasons
from routing.model import OfferKind, Place, Reason, Value
from triage.acuity import Acuity

Cost: TypeAlias = tuple[int, int, int, int, int, int, bytes]
"""Breach, wait, agreement, travel, discontinuity, fairness, then the seeded tie-break."""


DOUBTFUL: Final = 0.1
"""So far below a newcomer's acceptance a publisher's record is told with its counts."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The widths that make two places equal in one part of the cost.

    Attributes:
        wait_band_s: How much waiting matters, by acuity: an eighth of the clinical window
            (U2 15 min of 2 h, U3 90 min of 12 h, U4 6 h of 48 h), five minutes above, a day for
            advice. The more urgent, the narrower the band and the less travel can outweigh it.
        travel_band_s: Journeys that differ by less are equal.
        retry_s: What a refusal costs the patient: a wait for the answer and another call. It
            counts as far as a publisher is less likely to accept than one nobody knows.
        marked_s: What it costs that a mirrored diary or a figure of beds is older than its source
            should be.
        full_s: What it costs that a place says of itself that it has no bed left.
        spare: Further slots remembered for losers of a race.
    """

    wait_band_s: Mapping[Acuity, int] = MappingProxyType(
        {"U0": 300, "U1": 300, "U2": 900, "U3": 5400, "U4": 21_600, "U5": 86_400}
    )
    travel_band_s: int = 300
    retry_s: int = 1800
    marked_s: int = 600
    full_s: int = 1200
    spare: int = 20


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What the ranking must know beside the search.

    Attributes:
        now: Moment of the question, database clock.
        due_at: When the patient is to be seen at the latest; None = no limit.
        wanted_skills: Skills asked for, told as a reason.
        child: The patient is known to be a child; the acceptance is told as a reason.
        own: Care services the patient already knows (own practitioner).
        refused: Care services the patient does not want.
        recent: First places lately given to each care service: fairness between equals.
        mirrored: Schedules whose editor confirms each appointment.
        trusted: What was learned of publishers, by organisation; others are newcomers.
        ages: When schedules were last told, and whether that is older than it should be.
        capacity: What care services say of their beds and emergency places.
    """

    now: datetime
    acuity: Acuity
    due_at: datetime | None = None
    wanted_skills: frozenset[str] = frozenset()
    child: bool = False
    own: frozenset[UUID] = frozenset()
    refused: frozenset[UUID] = frozenset()
    recent: Mapping[UUID, int] = MappingProxyType({})
    mirrored: frozenset[UUID] = frozenset()
    trusted: Mapping[UUID, Estimate] = MappingProxyType({})
    ages: Mapping[UUID, Age] = MappingProxyType({})
    capacity: Mapping[UUID, Sequence[Capacity]] = MappingProxyType({})


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered places.

    Attributes:
        places: One per care service, best first.
        spare: Further slots of any care service, best first.
        unreachable: Care services whose every slot starts before the patient can be there, with
            the earliest moment at which he could.
        declined: Care services the patient refused.
    """

    places: tuple[Place, ...]
    spare: tuple[Place, ...]
    unreachable: tuple[tuple[Candidate, datetime], ...]
    declined: tuple[Candidate, ...]


class _Option(msgspec.Struct, frozen=True):
    """One slot (or one referral) of one candidate, with its cost."""

    cost: Cost
    candidate: Candidate
    slot: OpenSlot | None


def rank(
    candidates: Iterable[Candidate],
    asking: Asking,
    *,
    seed: int,
    count: int,
    policy: Policy | None = None,
) -> Ranking:
    """Rank what the directory found.

    Args:
        candidates: Eligible care services with their slots, in any order.
        asking: The patient's side.
        seed: Breaks equals; logged with the offer.
        count: How many places, at least one.
        policy: Band widths; the default when left out.
    """
    widths = policy or Policy()
    options: list[_Option] = []
    unreachable: list[tuple[Candidate, datetime]] = []
    declined: list[Candidate] = []
    for candidate in sorted(candidates, key=_identity):
        if candidate.service.id in asking.refused:
            declined.append(candidate)
            continue
        found = [
            _Option(_cost(candidate, slot, asking, seed, widths), candidate, slot)
            for slot in _takeable(candidate, asking)
        ]
        options.extend(found)
        if not found:
            unreachable.append((candidate, _arrival(candidate, asking)))
    options.sort(key=lambda option: option.cost)
    first, rest = _split(options, count)
    return Ranking(
        places=tuple(_place(option, asking, number) for number, option in enumerate(first, 1)),
        spare=tuple(
            _place(option, asking, number)
            for number, option in enumerate(rest[: widths.spare], len(first) + 1)
        ),
        unreachable=tuple(unreachable),
        declined=tuple(declined),
    )


def _identity(candidate: Candidate) -> CareServiceId:
    return candidate.service.id


def _split(options: Sequence[_Option], count: int) -> tuple[Sequence[_Option], Sequence[_Option]]:
    """Give the best option of each of the first `count` care services, and the others in order."""
    chosen: dict[CareServiceId, _Option] = {}
    rest: list[_Option] = []
    for option in options:
        key = option.candidate.service.id
        if key in chosen or len(chosen) >= count:
            rest.append(option)
        else:
            chosen[key] = option
    return tuple(chosen.values()), rest


def takeable(candidate: Candidate, asking: Asking) -> bool:
    """Tell whether a patient who does not refuse the place can be there for some slot of it."""
    return candidate.service.id not in asking.refused and bool(_takeable(candidate, asking))


def _takeable(candidate: Candidate, asking: Asking) -> tuple[OpenSlot | None, ...]:
    """Give the slots the patient can reach; a referral is one option without a slot."""
    if candidate.service.intake is Intake.REFERRAL:
        return (None,)
    return tuple(slot for slot in candidate.slots if reachable(candidate, slot, asking.now))


def reachable(candidate: Candidate, slot: OpenSlot, now: datetime) -> bool:
    """Tell whether the patient can be there: before the start, or before a range ends.

    Args:
        candidate: The care service, with the journey.
        slot: One of its slots.
        now: When he would set out.
    """
    if slot.modality is not Modality.OFFICE or candidate.travel_s is None:
        return True
    latest = slot.end if slot.kind is SlotKind.RANGE else slot.start
    arrival = now + timedelta(seconds=candidate.travel_s)
    return arrival < latest if slot.kind is SlotKind.RANGE else arrival <= latest


def _arrival(candidate: Candidate, asking: Asking) -> datetime:
    return asking.now + timedelta(seconds=candidate.travel_s or 0.0)


def _start(candidate: Candidate, slot: OpenSlot | None, asking: Asking) -> datetime:
    """Give when the patient is seen at the earliest; a referral, when its intake opens."""
    if slot is not None:
        return max(slot.start, asking.now)
    opening = candidate.verdict.opening
    return asking.now if opening is None else max(opening, asking.now)


def _journey_s(candidate: Candidate, slot: OpenSlot | None) -> float:
    """Give the patient's journey; nobody travels for a call, an unknown place counts as zero."""
    modality = candidate.verdict.modality if slot is None else slot.modality
    if modality in {Modality.TELECONSULTATION, Modality.TELEPHONE}:
        return 0.0
    return candidate.travel_s or 0.0


def _cost(
    candidate: Candidate, slot: OpenSlot | None, asking: Asking, seed: int, policy: Policy
) -> Cost:
    start = _start(candidate, slot, asking)
    journey_s = _journey_s(candidate, slot)
    wait_s = (start - asking.now).total_seconds()
    if slot is None:
        wait_s = max(wait_s, journey_s)
    expected_s = _expected_s(candidate, slot, asking, policy)
    return (
        _late_s(start, asking) // 60,
        int((wait_s + expected_s) // policy.wait_band_s[asking.acuity]),
        int(slot is not None and slot.kind is SlotKind.OVERBOOK),
        int((journey_s + expected_s) // policy.travel_band_s),
        int(candidate.service.id not in asking.own),
        asking.recent.get(candidate.service.id, 0),
        _draw(seed, candidate.service.id, None if slot is None else slot.id),
    )


def _expected_s(
    candidate: Candidate, slot: OpenSlot | None, asking: Asking, policy: Policy
) -> float:
    """Give the seconds that a patient is expected to lose to a refusal, or to a diary gone stale.

    Only what lies below a newcomer's acceptance counts: nobody is ranked down for being new.
    """
    known = asking.trusted.get(candidate.service.organisation_id)
    doubt = 0.0 if known is None else max(0.0, NEWCOMER - known.acceptance)
    beds = [one for one in asking.capacity.get(candidate.service.id, ()) if _counts(one)]
    old = _marked(slot, asking) or any(one.freshness is Freshness.MARKED for one in beds)
    full = bool(beds) and all(one.free == 0 for one in beds)
    return doubt * policy.retry_s + (policy.marked_s if old else 0) + (policy.full_s if full else 0)


def _marked(slot: OpenSlot | None, asking: Asking) -> bool:
    age = None if slot is None else asking.ages.get(slot.schedule_id)
    return age is not None and age.freshness is not Freshness.FRESH


def _counts(one: Capacity) -> bool:
    """Tell whether a figure is still used."""
    return one.freshness is not Freshness.OUTDATED


def _late_s(start: datetime, asking: Asking) -> int:
    if asking.due_at is None or start <= asking.due_at:
        return 0
    return int((start - asking.due_at).total_seconds())


def _draw(seed: int, care_service_id: UUID, slot_id: UUID | None) -> bytes:
    """Draw a lot that depends on the seed and the place only, never on the order of rows."""
    text = f"{seed}|{care_service_id}|{slot_id}".encode()
    return hashlib.blake2b(text, digest_size=16).digest()


def _place(option: _Option, asking: Asking, number: int) -> Place:
    candidate, slot = option.candidate, option.slot
    start = _start(candidate, slot, asking)
    mirrored = slot is not None and slot.schedule_id in asking.mirrored
    kind = OfferKind.REFERRAL if slot is None else OfferKind(slot.kind.value)
    age = None if slot is None else asking.ages.get(slot.schedule_id)
    known = asking.trusted.get(candidate.service.organisation_id)
    return Place(
        rank=number,
        care_service_id=candidate.service.id,
        organisation_id=candidate.service.organisation_id,
        location_id=candidate.location.id,
        name=candidate.service.name,
        kind=kind,
        modality=(candidate.verdict.modality if slot is None else slot.modality).value,
        starts_at=start if slot is None else slot.start,
        ends_at=None if slot is None else slot.end,
        slot_id=None if slot is None else slot.id,
        free=1 if slot is None else slot.free,
        travel_s=None if candidate.travel_s is None else round(candidate.travel_s),
        road_m=None if candidate.road_m is None else round(candidate.road_m),
        agreement=mirrored
        or kind in {OfferKind.REFERRAL, OfferKind.OVERBOOK}
        or asking.acuity in ALWAYS_ANSWERED,
        late_s=_late_s(start, asking),
        zone=candidate.location.zone,
        as_of=None if age is None else age.as_of,
        marked=_marked(slot, asking),
        acceptance=None if known is None else round(known.acceptance, 3),
        asked=0 if known is None else known.asked,
        reasons=tuple(_reasons(option, asking, start)),
    )


def _reasons(option: _Option, asking: Asking, start: datetime) -> Iterable[Reason]:
    """Give what speaks for a place, most telling first."""
    candidate, slot = option.candidate, option.slot
    yield _journey(candidate, slot)
    yield _time(slot, start, asking)
    late_s = _late_s(start, asking)
    if late_s:
        yield Reason(code="late", values={"late_s": late_s})
    elif asking.due_at is not None:
        margin_s = int((asking.due_at - start).total_seconds())
        yield Reason(code="in_time", values={"margin_s": margin_s})
    if slot is not None and slot.kind is SlotKind.RANGE:
        yield Reason(code="seats", values={"free": slot.free, "capacity": slot.capacity})
    elif slot is not None and slot.kind is SlotKind.OVERBOOK:
        yield Reason(code="overbooking")
    elif slot is not None and Accepts.OVERBOOKING in candidate.service.accepts:
        yield Reason(code="accepts_overbooking")
    if candidate.service.id in asking.own:
        yield Reason(code="own_practitioner")
    if asking.child and candidate.service.accepts_children:
        yield Reason(code="accepts_children")
    if asking.wanted_skills:
        yield Reason(code="skills", values={"skill_codes": sorted(asking.wanted_skills)})
    for caution in candidate.verdict.cautions:
        yield Reason(code=caution.value)
    yield from _doubts(candidate, slot, asking)


def _beds(told: Capacity, now: datetime) -> Reason:
    """Tell what a place says of its beds, how long ago, and whether that is old."""
    ago_s = max(0, int((now - told.as_of).total_seconds()))
    if not _counts(told):
        return Reason(code="beds_outdated", values={"kind": told.kind.value, "ago_s": ago_s})
    code = "beds_over" if told.over else "beds_full" if told.free == 0 else "beds"
    if told.freshness is Freshness.MARKED:
        code += "_old"
    values: dict[str, Value] = {
        "kind": told.kind.value, "free": told.free, "total": told.total,
        "occupied": told.occupied, "ago_s": ago_s,
    }  # fmt: skip
    return Reason(code=code, values=values)


def _doubts(candidate: Candidate, slot: OpenSlot | None, asking: Asking) -> Iterable[Reason]:
    """Tell what it says of its beds, an old diary, and a record well below a newcomer's."""
    for told in asking.capacity.get(candidate.service.id, ()):
        yield _beds(told, asking.now)
    age = None if slot is None else asking.ages.get(slot.schedule_id)
    if age is not None and _marked(slot, asking):
        yield Reason(code="told_long_ago", values={"told_at": reasons.iso(age.as_of)})
    known = asking.trusted.get(candidate.service.organisation_id)
    if known is not None and known.acceptance < NEWCOMER - DOUBTFUL:
        code = "less_reliable_contested" if known.contested else "less_reliable"
        yield Reason(code=code, values={"accepted": known.accepted, "asked": known.asked})


def _journey(candidate: Candidate, slot: OpenSlot | None) -> Reason:
    modality = candidate.verdict.modality if slot is None else slot.modality
    if modality in {Modality.TELECONSULTATION, Modality.TELEPHONE}:
        return Reason(code=modality.value)
    if modality is Modality.HOME_VISIT:
        return Reason(code="comes_to_patient")
    if candidate.travel_s is None:
        return Reason(code="travel_unknown")
    return Reason(code="travel", values={"travel_s": round(candidate.travel_s)})


def _time(slot: OpenSlot | None, start: datetime, asking: Asking) -> Reason:
    if slot is not None:
        return Reason(code="starts", values={"start_at": reasons.iso(slot.start)})
    if start <= asking.now:
        return Reason(code="open_now")
    return Reason(code="opens", values={"start_at": reasons.iso(start)})
