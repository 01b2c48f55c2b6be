"""The one search under /api/v1/search: who can take this patient, near here, in time, and why."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from directory import capacity_reports, codes, finder, gazetteer, search_radii, standings, wording
from directory.capacity_reports import Capacity
from directory.columns import OpenSlot
from directory.consent import Audience
from directory.eligibility import Verdict
from directory.facts import Fact
from directory.finder import Answer, Wish
from directory.inputs import near as read_near
from directory.model import Accepts, Modality, Need
from directory.snapshot import Snapshot
from directory.trust import Estimate
from kernel import errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.edge import Edge
from kernel.inputs import Code

Value: TypeAlias = str | int | bool | datetime | frozenset[str] | None
_SEED_BITS: Final = 53
"""A seed survives being read as a JavaScript number."""

Text = Annotated[str | None, QueryParameter(min_length=1, max_length=200)]
Codes = Annotated[list[Code] | None, QueryParameter(max_items=20)]
Count = Annotated[int, QueryParameter(ge=1, le=50)]
Hours = Annotated[float | None, QueryParameter(ge=0, le=24 * 92)]
# `gt=-1`: a minimum of 0 is left out of the description.
Months = Annotated[int | None, QueryParameter(gt=-1, le=150 * 12)]
Metres = Annotated[int | None, QueryParameter(ge=1, le=500_000)]
Lot = Annotated[int | None, QueryParameter(gt=-1, lt=2**_SEED_BITS)]


class FoundSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One bookable slot: half-open time, seats free when the snapshot was taken."""

    id: UUID
    schedule_id: UUID
    starts_at: datetime
    ends_at: datetime
    kind: str
    modality: str
    free: int


class Because(msgspec.Struct, frozen=True, kw_only=True):
    """One reason: a stable code and what it is about; a moment is RFC 3339 text."""

    code: str
    value: str | int | Sequence[str] | None = None


class Refusing(msgspec.Struct, frozen=True, kw_only=True):
    """One binding reason and the smallest change that lifts it.

    Attributes:
        field: What would have to change; of the need, the care service or its openings (`side`).
        value: What it would have to be.
    """

    code: str
    side: str
    field: str
    value: str | int | bool | Sequence[str] | None


class FoundPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One care service that can take the patient.

    Attributes:
        modalities: In which it can, the first being the one that `opens_at` is about.
        distance_m: Great-circle metres.
        travel_from: Who says how long the journey takes: `router` (a routing engine, asked
            before) or `estimate` (great circle, detour factor and speed of the territory).
        as_of: When the source of its first slot last spoke.
        acceptance: Learned probability that it takes the patient; none while nothing is known.
        asked: How many patients that figure rests on.
        beds: What it says of its beds and emergency places, with their age.
    """

    rank: int
    care_service_id: UUID
    organisation_id: UUID
    name: str
    service: str
    location: str
    commune: str
    postcode: str
    zone: str
    lon: float
    lat: float
    modalities: Sequence[str]
    opens_at: datetime
    slots: Sequence[FoundSlot]
    reasons: Sequence[Because]
    distance_m: int | None = None
    travel_s: int | None = None
    travel_from: str | None = None
    as_of: datetime | None = None
    acceptance: float | None = None
    asked: int = 0
    beds: Sequence[Capacity] = ()


class NearRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """One near care service that cannot, its first binding reason first."""

    care_service_id: UUID
    name: str
    reasons: Sequence[Refusing]
    distance_m: int | None = None


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """Where was searched; `commune` when the place was given by name or postcode."""

    lon: float
    lat: float
    commune: str | None = None
    name: str | None = None
    department: str | None = None


class FoundPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a search.

    Attributes:
        service: The service code searched for; `also` are other readings of the text.
        radius_m: Within which offices were taken, after widening; None = any distance.
        seed: Sent again on the same snapshot it gives the same order.
        considered: Care services that offer the service; `examined` were looked at.
    """

    service: str
    also: Sequence[str]
    around: Around | None
    radius_m: int | None
    seed: int
    snapshot_version: int
    considered: int
    examined: int
    places: Sequence[FoundPlace]
    refused: Sequence[NearRefusal]


@get(
    "/search",
    tags=["directory"],
    summary="Find the nearest care services that can take a patient in time, with reasons",
)
async def search(
    *,
    edge: NamedDependency[Edge],
    snapshot: NamedDependency[Snapshot],
    service_code: Annotated[Code | None, QueryParameter(name="service")] = None,
    text: Text = None,
    near: Annotated[str | None, QueryParameter(max_length=64)] = None,
    place: Text = None,
    within_h: Hours = None,
    age_months: Months = None,
    skill: Codes = None,
    equipment: Codes = None,
    accepts: FromQuery[list[Accepts] | None] = None,
    modality: FromQuery[list[Modality] | None] = None,
    language: Codes = None,
    accessibility: Codes = None,
    radius_m: Metres = None,
    limit: Count = 20,
    seed: Lot = None,
) -> FoundPlaces:
    """Find the nearest care services that can take a patient in time, with reasons.

    Without `radius_m` the search starts with the radius of the patient's department and widens by
    its step until there are five. Near care services
    that cannot take the patient stand in `refused`, the first binding reason first.
    """
    require(edge.actor, "directory.read")
    service, also = _service(service_code, text)
    around = await _around(near, place)
    _known(skill, equipment, accessibility)
    now = await edge.run(_now)
    need = Need(
        service=service,
        earliest=now,
        deadline=None if within_h is None else now + timedelta(hours=within_h),
        skills=frozenset(skill or ()),
        equipment=frozenset(equipment or ()),
        accepts=frozenset(accepts or ()),
        modalities=frozenset(modality or ()),
        age_months=age_months,
        lon=None if around is None else around.lon,
        lat=None if around is None else around.lat,
        commune=None if around is None else around.commune,
        radius_m=radius_m,
        languages=frozenset(language or ()),
        accessibility=frozenset(accessibility or ()),
    )
    drawn = secrets.randbits(_SEED_BITS) if seed is None else seed
    wish = Wish(
        limit=limit,
        radii=() if radius_m is not None else await _radii(around),
        seed=drawn,
        audience=_audience(edge.actor),
    )
    found = finder.find(snapshot, need, now, wish)
    known = await edge.run(lambda tx: _publishers(tx, found))
    return _view(snapshot, found, known, ((service, also), around), drawn)


async def _radii(around: Around | None) -> tuple[int, ...]:
    """Give how the search widens: by the table of the patient's department."""
    if around is None:
        return ()
    place = (around.lon, around.lat, around.commune)
    return (await asyncio.to_thread(search_radii.around, *place)).radii()


def _audience(actor: Actor) -> Audience:
    """Give on whose behalf: a centre sees what is open to centres, others what is for all."""
    return Audience.CENTRE if actor.territory_id is not None else Audience.PROFESSIONAL


async def _now(tx: Tx) -> datetime:
    now: datetime = await tx.fetchval(SELECT_NOW)
    return now


def _service(code: str | None, text: str | None) -> tuple[str, tuple[str, ...]]:
    """Read what is searched for.

    Raises:
        kernel.errors.Malformed: `service_or_text`: neither, or both.
        kernel.errors.Invalid: `service_unknown`; `text_not_understood`.
    """
    if (code is None) == (text is None):
        raise errors.Malformed("service_or_text", "Say a service code or a text.", path="service")
    if code is not None:
        if codes.load().unknown_services([code]):
            raise errors.Invalid("service_unknown", "There is no such service code.")
        return code, ()
    read = wording.services(text or "")
    if not read:
        raise errors.Invalid("text_not_understood", "No kind of care was recognised in the text.")
    return read[0], read[1:]


def _known(
    skills: Iterable[str] | None,
    equipment: Iterable[str] | None,
    accessibility: Iterable[str] | None,
) -> None:
    """Refuse codes that nobody can ever offer.

    Raises:
        kernel.errors.Invalid: `skill_unknown`, `equipment_unknown`, `accessibility_unknown`.
    """
    if codes.load().unknown_skills(skills or ()):
        raise errors.Invalid("skill_unknown", "There is no such skill code.")
    if codes.load().unknown_equipment(equipment or ()):
        raise errors.Invalid("equipment_unknown", "There is no such equipment code.")
    if codes.load().unknown_accessibility(accessibility or ()):
        raise errors.Invalid("accessibility_unknown", "There is no such accessibility code.")


async def _around(near: str | None, place: str | None) -> Around | None:
    """Read where the patient is.

    Raises:
        kernel.errors.Malformed: `near_malformed`; `near_or_place`: both.
        kernel.errors.Invalid: `place_unknown`; `place_ambiguous` with the `departments`.
    """
    if near is not None and place is not None:
        raise errors.Malformed("near_or_place", "Say coordinates or a place.", path="near")
    if place is None:
        lon, lat = read_near(near)
        return None if lon is None or lat is None else Around(lon=lon, lat=lat)
    found = await asyncio.to_thread(gazetteer.find, place)
    if not found:
        raise errors.Invalid("place_unknown", "There is no such commune or postcode.")
    first = found[0]
    same = [one for one in found if gazetteer.key(one.name) == gazetteer.key(first.name)]
    if len(same) > 1:
        raise errors.Invalid(
            "place_ambiguous",
            "Several communes have this name: add the department or the postcode.",
            departments=[one.department for one in same],
        )
    return Around(
        lon=first.lon, lat=first.lat, commune=first.insee, name=first.name,
        department=first.department,
    )  # fmt: skip


class _Known(msgspec.Struct, frozen=True):
    """What is known of the publishers of the places found."""

    trusted: Mapping[UUID, Estimate]
    beds: Mapping[UUID, Sequence[Capacity]]


async def _publishers(tx: Tx, found: Answer) -> _Known:
    services = [one.service for one in found.places]
    return _Known(
        await standings.estimates(tx, {one.organisation_id for one in services}),
        await capacity_reports.told(tx, {one.id for one in services}),
    )


def _view(
    snapshot: Snapshot,
    found: Answer,
    known: _Known,
    read: tuple[tuple[str, tuple[str, ...]], Around | None],
    seed: int,
) -> FoundPlaces:
    (service, also), around = read
    return FoundPlaces(
        service=service,
        also=also,
        around=around,
        radius_m=found.radius_m,
        seed=seed,
        snapshot_version=found.version,
        considered=found.considered,
        examined=found.examined,
        places=[_place(one, known) for one in found.places],
        refused=[_refused(snapshot, one) for one in found.refused],
    )


def _place(one: finder.Place, known: _Known) -> FoundPlace:
    estimate = known.trusted.get(one.service.organisation_id)
    return FoundPlace(
        rank=one.rank, care_service_id=one.service.id,
        organisation_id=one.service.organisation_id, name=one.service.name,
        service=one.service.service, location=one.location.name, commune=one.location.commune,
        postcode=one.location.postcode, zone=one.location.zone, lon=one.location.lon,
        lat=one.location.lat, modalities=one.fitting, opens_at=one.opening,
        slots=[_slot(slot) for slot in one.slots],
        reasons=[_because(fact) for fact in one.facts],
        distance_m=None if one.straight_m is None else round(one.straight_m),
        travel_s=None if one.travel_s is None else round(one.travel_s),
        as_of=one.as_of,
        acceptance=None if estimate is None else round(estimate.acceptance, 3),
        asked=0 if estimate is None else estimate.asked,
        beds=known.beds.get(one.service.id, ()),
    )  # fmt: skip


def _because(fact: Fact) -> Because:
    value = fact.value
    moment = value.isoformat() if isinstance(value, datetime) else value
    return Because(code=fact.code, value=moment)


def _slot(one: OpenSlot) -> FoundSlot:
    return FoundSlot(
        id=one.id, schedule_id=one.schedule_id, starts_at=one.start, ends_at=one.end,
        kind=one.kind, modality=one.modality, free=one.free,
    )  # fmt: skip


def _refused(snapshot: Snapshot, verdict: Verdict) -> NearRefusal:
    service = snapshot.service(verdict.care_service_id)
    return NearRefusal(
        care_service_id=verdict.care_service_id,
        name="" if service is None else service.name,
        distance_m=None if verdict.straight_m is None else round(verdict.straight_m),
        reasons=[
            Refusing(
                code=one.reason, side=one.change.side, field=one.change.field,
                value=_value(one.change.value),
            )
            for one in verdict.refusals
        ],
    )  # fmt: skip


def _value(value: Value) -> str | int | bool | Sequence[str] | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return sorted(value) if isinstance(value, frozenset) else value


SELECT_NOW: Final = "select kernel.regul_now()"

ROUTES: Final = [search]
