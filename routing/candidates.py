"""Which searches to make for a need, and why the near places that were refused are not offered.

Pure. The search itself is the directory's; this module widens it step by step and turns verdicts
into reasons with the nearest change that would admit the place.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from directory import search_radii
from directory.eligibility import Change, Verdict
from directory.eligibility import Reason as Binding
from directory.model import CareService, Location, Need
from directory.snapshot import Candidate, Search, Snapshot
from routing import reasons
from routing.model import Reason, Refused, Value
from routing.ranking import Asking, Ranking, takeable
from routing.ranking import rank as ranking_of

REFUSED_LIMIT: Final = 20
"""How many refusals are explained."""

UNKNOWN_CONSTRAINT: Final = "no_place_published"


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """What a widened search gave, not yet ranked.

    Attributes:
        search: The last search made within the deadline: eligible and refused.
        eligible: What is to be ranked: in time, or else after the deadline.
        radius_m: The radius of the last search; None when the patient's place is unknown.
    """

    search: Search
    eligible: tuple[Candidate, ...]
    radius_m: int | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a widened search gave, ranked.

    Attributes:
        search: The last search made within the deadline: eligible and refused.
        ranking: The places, in time or else after the deadline.
        radius_m: The radius of the last search; None when the patient's place is unknown.
    """

    search: Search
    ranking: Ranking
    radius_m: int | None = None


def find(
    snapshot: Snapshot,
    need: Need,
    asking: Asking,
    *,
    seed: int,
    count: int,
    radii_m: Sequence[int] = (),
) -> Found:
    """Search a snapshot and rank what was found; see `reach` and `ranked`."""
    reached = reach(snapshot, need, asking, count=count, radii_m=radii_m)
    return ranked(reached, asking, seed=seed, count=count)


def reach(
    snapshot: Snapshot, need: Need, asking: Asking, *, count: int, radii_m: Sequence[int] = ()
) -> Reached:
    """Search a snapshot, widening until there are enough places; then past the deadline.

    Who can be reached does not depend on what is known of publishers, so that this may be looked
    up for the few that were found.

    Args:
        snapshot: The directory.
        need: What is asked; its own `radius_m`, when set, is the only radius tried.
        asking: The patient's side; `asking.now` is the moment of the question.
        count: Places wanted; widening stops at as many.
        radii_m: Growing; empty = those of the patient's department. Not used when the patient's
            place is unknown.
    """
    tried: Sequence[int | None] = (need.radius_m,)
    if need.lon is not None and need.lat is not None and need.radius_m is None:
        tried = radii_m or search_radii.around(need.lon, need.lat, need.commune).radii()
    found, open_ = _widened(snapshot, need, asking, tried, count)
    if open_ or need.deadline is None:
        return found
    later = msgspec.structs.replace(need, radius_m=found.radius_m, deadline=None)
    beyond = snapshot.search(later, asking.now, refused_limit=0).eligible
    return msgspec.structs.replace(found, eligible=beyond)


def _widened(
    snapshot: Snapshot, need: Need, asking: Asking, tried: Sequence[int | None], count: int
) -> tuple[Reached, int]:
    """Search with the first radius that gives enough places, else with the last.

    A wider radius never gives fewer, so that after the first one halving finds it: a department
    that widens in ten steps costs five searches.

    Returns:
        What was found, and how many of it can be taken.
    """
    seen: dict[int, tuple[Reached, int]] = {}

    def at(step: int) -> tuple[Reached, int]:
        if step not in seen:
            wider = msgspec.structs.replace(need, radius_m=tried[step])
            search = snapshot.search(wider, asking.now, refused_limit=REFUSED_LIMIT)
            open_ = sum(1 for one in search.eligible if takeable(one, asking))
            found = Reached(search=search, eligible=search.eligible, radius_m=tried[step])
            seen[step] = (found, open_)
        return seen[step]

    first, last = 0, len(tried) - 1
    if at(0)[1] < count and last:
        first = 1
        while first < last:
            middle = (first + last) // 2
            if at(middle)[1] >= count:
                last = middle
            else:
                first = middle + 1
    return at(first)


def ranked(reached: Reached, asking: Asking, *, seed: int, count: int) -> Found:
    """Rank what was reached.

    Args:
        reached: From `reach`.
        asking: The same, with what is known of publishers.
        seed: Breaks equals.
        count: Places wanted.
    """
    ranking = ranking_of(reached.eligible, asking, seed=seed, count=count)
    return Found(search=reached.search, ranking=ranking, radius_m=reached.radius_m)


def why_not(
    found: Found, services: Mapping[UUID, tuple[CareService, Location]]
) -> tuple[Refused, ...]:
    """Explain the near places that are not offered.

    Args:
        found: The search and its ranking, which adds what reach and the patient refused.
        services: Names and zones by care service.

    Returns:
        Refusals by the patient, then out of reach, then the directory's own in its order. Reach
        is judged for eligible places only: a slot of a refused one may also start too early.
    """
    ranking = found.ranking
    told = [_declined(candidate) for candidate in ranking.declined]
    told.extend(_unreachable(candidate, at) for candidate, at in ranking.unreachable)
    offered = {place.care_service_id for place in ranking.places}
    for verdict in found.search.refused:
        known = services.get(verdict.care_service_id)
        if known is not None and verdict.care_service_id not in offered:
            told.append(refusal(verdict, *known))
    return tuple(told)


def refusal(verdict: Verdict, service: CareService, location: Location) -> Refused:
    """Give the first binding reason of a refused care service, and all it would take.

    Args:
        verdict: With at least one refusal.
        service: The care service it is about.
        location: Its location.
    """
    first = verdict.refusals[0]
    return Refused(
        care_service_id=service.id,
        name=service.name,
        reason=Reason(code=first.reason.value),
        changes=tuple(change_reason(one.change) for one in verdict.refusals),
        distance_m=None if verdict.straight_m is None else math.ceil(verdict.straight_m),
        zone=location.zone,
    )


def change_reason(change: Change) -> Reason:
    """Write a change as a reason of the catalogue.

    Args:
        change: From the directory.
    """
    if change.side == "openings" and isinstance(change.value, datetime):
        values: dict[str, Value] = {
            "to_at": reasons.iso(change.value),
            "modality": change.field,
        }
        return Reason(code="change_openings", values=values)
    return Reason(code=f"change_{change.field}", values=_values(change))


def _values(change: Change) -> dict[str, Value]:
    value = change.value
    if value is None or isinstance(value, bool):
        return {}
    if isinstance(value, datetime):
        return {"to_at": reasons.iso(value)}
    if isinstance(value, frozenset):
        return {"to_codes": sorted(value)}
    if isinstance(value, str):
        return {"to": value}
    return {"to_age" if change.field == "age_months" else "to_m": value}


def _declined(candidate: Candidate) -> Refused:
    return Refused(
        care_service_id=candidate.service.id,
        name=candidate.service.name,
        reason=Reason(code="refused_by_patient"),
        changes=(Reason(code="change_refused_places"),),
        distance_m=_metres(candidate),
        zone=candidate.location.zone,
    )


def _unreachable(candidate: Candidate, arrival: datetime) -> Refused:
    change = Change(
        side="openings", field=candidate.verdict.modality.value, value=_up_to_minute(arrival)
    )
    return Refused(
        care_service_id=candidate.service.id,
        name=candidate.service.name,
        reason=Reason(code="unreachable_in_time"),
        changes=(change_reason(change),),
        distance_m=_metres(candidate),
        zone=candidate.location.zone,
    )


def _metres(candidate: Candidate) -> int | None:
    straight = candidate.verdict.straight_m
    return None if straight is None else math.ceil(straight)


def _up_to_minute(at: datetime) -> datetime:
    whole = at.astimezone(UTC).replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


def constraint(refused: Iterable[Refused]) -> str:
    """Name what stands in the way of a need that has no place.

    Args:
        refused: The near refusals.

    Returns:
        The most frequent first binding reason (ties: the one nearer to the end of the
        directory's own order, which is the easier to lift); `no_place_published` when none.
    """
    order = {reason.value: place for place, reason in enumerate(Binding)}
    counts: dict[str, int] = {}
    for one in refused:
        counts[one.reason.code] = counts.get(one.reason.code, 0) + 1
    return max(
        counts, key=lambda code: (counts[code], order.get(code, -1)), default=UNKNOWN_CONSTRAINT
    )
