"""Offers: a disposition becomes a need, the need a ranked list of places, kept as it was given.

The search and the ranking are pure (`candidates`, `ranking`); here the disposition is read, the
answer is stored with its seed and snapshot version, and a loser of a race is told the next best.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import msgspec

from directory import agreements, capacity_reports, standings
from directory.model import CareService, Location, Modality, Need
from directory.snapshot import Candidate, Search, Snapshot
from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.inputs import Code
from routing import candidates
from routing.model import Offer, Place, Refused
from routing.ranking import Asking
from triage import cases, dispositions
from triage.acuity import DUE_MINUTES
from triage.model import Case, Disposition

_SEED_BITS: Final = 62
_CHILD_BELOW: Final = 15
Several = Annotated[tuple[UUID, ...], msgspec.Meta(max_length=50)]
Codes = Annotated[tuple[Code, ...], msgspec.Meta(max_length=20)]


class AskOffers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What places are wanted for a disposition.

    Attributes:
        disposition_id: What was decided; gives service, skills, modality, acuity, due time.
        count: Places wanted.
        radius_m: The only great-circle radius to search; widened step by step when left out.
        languages: At least one is to be spoken, ISO 639-1.
        accessibility: All of these codes.
        refused: Care services the patient does not want.
        own: Care services the patient knows.
        seed: Repeats an earlier draw between equals; drawn when left out.
    """

    disposition_id: UUID
    count: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5
    radius_m: Annotated[int, msgspec.Meta(ge=100, le=500_000)] | None = None
    languages: Codes = ()
    accessibility: Codes = ()
    refused: Several = ()
    own: Several = ()
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**62 - 1)] | None = None


async def rank(tx: Tx, actor: Actor, snapshot: Snapshot, command: AskOffers) -> Offer:
    """Rank the places for a disposition and keep the answer.

    Args:
        tx: The transaction.
        actor: Who asks.
        snapshot: The directory as this process sees it.
        command: What is wanted.

    Returns:
        The offer; `places` is empty when nothing fits, and `refused` says why.

    Raises:
        Missing: The disposition or its case is unknown here.
        Invalid: `disposition_without_service`: advice asks for no place.
    """
    require(actor, "offer.rank")
    decided = await dispositions.get(tx, actor, command.disposition_id)
    if decided.service is None:
        code = "disposition_without_service"
        raise errors.Invalid(code, "This disposition asks for no place.")
    patient = await cases.get(tx, actor, decided.case_id)
    now: datetime = await tx.fetchval(SELECT_NOW)
    need = need_of(decided, patient, command, now)
    asking = Asking(
        now=now,
        acuity=decided.acuity,
        due_at=decided.due_at if DUE_MINUTES[decided.acuity] else None,
        wanted_skills=need.skills,
        child=patient.age_years is not None and patient.age_years < _CHILD_BELOW,
        own=frozenset(command.own),
        refused=frozenset(command.refused),
        recent=await _recent(tx, decided.territory_id),
        mirrored=snapshot.mirrored(need.service),
    )
    reached = candidates.reach(snapshot, need, asking, count=command.count)
    informed = await _informed(tx, asking, reached.eligible)
    offer = _offered(decided, command, snapshot, reached, informed)
    await _insert(tx, actor, offer, need)
    await audit.record(
        tx, actor, "offer.rank", "offer", offer.id,
        case_id=offer.case_id, territory_id=offer.territory_id,
        detail=f"seed {offer.seed} places {len(offer.places)}",
    )  # fmt: skip
    return offer


def _offered(
    decided: Disposition,
    command: AskOffers,
    snapshot: Snapshot,
    reached: candidates.Reached,
    asking: Asking,
) -> Offer:
    """Rank; the seed is drawn here unless an earlier draw is repeated."""
    seed = secrets.randbits(_SEED_BITS) if command.seed is None else command.seed
    found = candidates.ranked(reached, asking, seed=seed, count=command.count)
    return Offer(
        id=ids.uuid7(),
        disposition_id=decided.id,
        case_id=decided.case_id,
        territory_id=decided.territory_id,
        asked_at=asking.now,
        acuity=decided.acuity,
        seed=seed,
        snapshot_version=snapshot.version,
        considered=found.search.considered,
        refused_total=found.search.refused_total,
        places=found.ranking.places,
        spare=found.ranking.spare,
        refused=candidates.why_not(found, _known(snapshot, found.search)),
        widened_m=found.radius_m,
    )


async def _informed(tx: Tx, asking: Asking, found: Sequence[Candidate]) -> Asking:
    """Add what is known of the publishers that were found: by their keys, never by history."""
    return msgspec.structs.replace(
        asking,
        trusted=await standings.estimates(tx, {one.service.organisation_id for one in found}),
        ages=await agreements.ages(tx, {slot.schedule_id for one in found for slot in one.slots}),
        capacity=await capacity_reports.told(tx, {one.service.id for one in found}),
    )


def need_of(decided: Disposition, patient: Case, command: AskOffers, now: datetime) -> Need:
    """Write a disposition as what the directory is asked for; pure.

    Args:
        decided: Service, skills, modality and due time.
        patient: Age and place, as far as they are known.
        command: What the caller adds.
        now: Nothing before this moment.

    Returns:
        The need. A due time of "at once" or one that has passed is no limit: everything would be
        late, and waiting orders the places anyway.
    """
    limit = decided.due_at if DUE_MINUTES[decided.acuity] else None
    where = patient.place
    return Need(
        service=decided.service or "",
        earliest=now,
        deadline=None if limit is None or limit <= now else limit,
        skills=frozenset(decided.skills),
        modalities=frozenset(one for one in Modality if one.value == decided.modality),
        age_months=None if patient.age_years is None else int(patient.age_years * 12),
        lon=None if where is None else where.lon,
        lat=None if where is None else where.lat,
        commune=None if where is None else where.insee,
        radius_m=command.radius_m,
        languages=frozenset(command.languages),
        accessibility=frozenset(command.accessibility),
    )


async def get(tx: Tx, actor: Actor, offer_id: UUID) -> Offer:
    """Read an offer as it was given.

    Args:
        tx: The transaction.
        actor: Who reads.
        offer_id: Which.

    Returns:
        The offer.

    Raises:
        Missing: `offer_missing`.
    """
    require(actor, "offer.rank")
    row = await tx.fetchrow(SELECT_OFFER, offer_id)
    if row is None:
        code = "offer_missing"
        raise errors.Missing(code, "No such offer.")
    await audit.record(
        tx, actor, "offer.rank", "offer", offer_id,
        case_id=row["case_id"], territory_id=row["territory_id"], detail="read",
    )  # fmt: skip
    return _offer(row)


async def last(tx: Tx, actor: Actor, disposition_id: UUID) -> Offer | None:
    """Read the newest offer for a disposition as it was given.

    Args:
        tx: The transaction.
        actor: Who reads.
        disposition_id: The disposition.

    Returns:
        The offer, or None when none was asked for.
    """
    require(actor, "offer.rank")
    offer_id = await tx.fetchval(SELECT_LAST, disposition_id)
    return None if offer_id is None else await get(tx, actor, offer_id)


async def next_best(
    tx: Tx, offer_id: UUID | None, disposition_id: UUID, lost_slot_id: UUID
) -> Place | None:
    """Find what a loser is offered next: the best place of the offer that is still free.

    Args:
        tx: The transaction; seats are read as they are now.
        offer_id: The offer chosen from; the disposition's last one when None.
        disposition_id: The disposition.
        lost_slot_id: What is not to be offered again.

    Returns:
        The place, or None when the offer has none left.
    """
    if offer_id is None:
        row = await tx.fetchrow(SELECT_LAST_CHOICES, disposition_id)
    else:
        row = await tx.fetchrow(SELECT_CHOICES, offer_id)
    if row is None:
        return None
    ordered = [
        one
        for column in ("places", "spare")
        for one in msgspec.json.decode(row[column], type=tuple[Place, ...])
        if one.slot_id is None or one.slot_id != lost_slot_id
    ]
    wanted = [one.slot_id for one in ordered if one.slot_id is not None]
    free = {one["slot_id"] for one in await tx.fetch(SELECT_FREE, wanted)}
    return next((one for one in ordered if one.slot_id is None or one.slot_id in free), None)


async def binding_constraint(tx: Tx, disposition_id: UUID) -> str:
    """Name what stood in the way in the last offer for a disposition.

    Args:
        tx: The transaction.
        disposition_id: The disposition.

    Returns:
        A reason code; `no_place_published` when nothing was offered or refused.
    """
    row = await tx.fetchrow(SELECT_LAST_CHOICES, disposition_id)
    if row is None:
        return candidates.UNKNOWN_CONSTRAINT
    return candidates.constraint(msgspec.json.decode(row["refused"], type=tuple[Refused, ...]))


def public(place: Place) -> Mapping[str, str | int | float | bool | None]:
    """Write a place as fields of a refusal.

    Args:
        place: The next best.
    """
    return {
        "rank": place.rank,
        "slot_id": None if place.slot_id is None else str(place.slot_id),
        "care_service_id": str(place.care_service_id),
        "name": place.name,
        "kind": place.kind.value,
        "modality": place.modality,
        "starts_at": place.starts_at.isoformat(),
        "ends_at": None if place.ends_at is None else place.ends_at.isoformat(),
        "travel_s": place.travel_s,
    }


async def _recent(tx: Tx, territory_id: UUID) -> Mapping[UUID, int]:
    rows = await tx.fetch(SELECT_RECENT, territory_id)
    return {row["first_care_service_id"]: row["times"] for row in rows}


def _known(snapshot: Snapshot, search: Search) -> Mapping[UUID, tuple[CareService, Location]]:
    found: dict[UUID, tuple[CareService, Location]] = {}
    for verdict in search.refused:
        service = snapshot.service(verdict.care_service_id)
        location = snapshot.location(verdict.care_service_id)
        if service is not None and location is not None:
            found[service.id] = (service, location)
    return found


async def _insert(tx: Tx, actor: Actor, offer: Offer, need: Need) -> None:
    first = offer.places[0].care_service_id if offer.places else None
    await tx.execute(
        INSERT_OFFER,
        offer.id,
        offer.territory_id,
        offer.case_id,
        offer.disposition_id,
        actor.id,
        offer.asked_at,
        offer.acuity,
        offer.seed,
        offer.snapshot_version,
        offer.considered,
        offer.refused_total,
        offer.widened_m,
        _json(need),
        _json(offer.places),
        _json(offer.spare),
        _json(offer.refused),
        first,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _offer(row: asyncpg.Record) -> Offer:
    fields = dict(row)
    for name in ("places", "spare", "refused"):
        fields[name] = msgspec.json.decode(fields[name])
    return msgspec.convert(fields, Offer)


SELECT_NOW: Final = """
select kernel.regul_now()
"""
INSERT_OFFER: Final = """
insert into routing.offer (id, territory_id, case_id, disposition_id, actor_id, asked_at, acuity,
    seed, snapshot_version, considered, refused_total, widened_m, need, places, spare, refused,
    first_care_service_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14::jsonb, $15::jsonb,
    $16::jsonb, $17)
"""
SELECT_OFFER: Final = """
select id, disposition_id, case_id, territory_id, asked_at, acuity, seed, snapshot_version,
    considered, refused_total, places, spare, refused, widened_m
from routing.offer where id = $1
"""
SELECT_CHOICES: Final = """
select places, spare, refused from routing.offer where id = $1
"""
SELECT_LAST: Final = """
select id from routing.offer where disposition_id = $1 order by id desc limit 1
"""
SELECT_LAST_CHOICES: Final = """
select places, spare, refused from routing.offer
where disposition_id = $1 order by id desc limit 1
"""
SELECT_FREE: Final = """
select distinct s.slot_id from directory.seat s
join directory.slot l on l.id = s.slot_id
where s.slot_id = any ($1::uuid[]) and l.withdrawn_at is null
  and l.ends_at > kernel.regul_now()
  and (s.state = 'free' or (s.state = 'held' and s.until <= kernel.regul_now()))
  and directory.directory_refusal(l.id) is null
"""
SELECT_RECENT: Final = """
select first_care_service_id, count(*)::int as times from routing.offer
where territory_id = $1 and asked_at > kernel.regul_now() - interval '1 day'
  and first_care_service_id is not null
group by first_care_service_id
"""
