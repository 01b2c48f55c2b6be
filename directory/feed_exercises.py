"""Where professionals of a register work: a role each, with its organisation and its location.

A register names a commune, not a position: the location stands at the centre of the commune, over
the whole country and by the clock there, until a source that knows better says where it is.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from directory import codes, feed_offers, gazetteer, identifiers
from directory.feed_rows import FeedExercise
from directory.feed_store import Feed
from directory.gazetteer import Commune
from directory.identifiers import System
from kernel import errors
from kernel.database import Tx


class Exercise(msgspec.Struct, frozen=True, kw_only=True):
    """A role as it is stored.

    Attributes:
        key: Bare RPPS, place of work and service: the same line gives the same role.
        body: What the register calls the organisation: `finess/...`, `siret/...` or `place/...`.
        finess: Bare, when the site has one whose check digit is right.
        siret: Likewise.
        commune: National code; the position is that of its centre, in degrees.
    """

    key: str
    rpps: str
    service: str
    body: str
    name: str
    finess: str | None
    siret: str | None
    commune: str
    postcode: str
    department: str
    zone: str
    lon: float
    lat: float


def exercise(row: FeedExercise, rpps: str, feed: Feed) -> Exercise | str:
    """Give the role of a line, or why there is none.

    Args:
        row: As published.
        rpps: Bare number of the professional.
        feed: Says what the register's codes mean.

    Returns:
        A role; or `service_unmapped` (no code of the line means anything here), `place_unknown`
        (no such commune), `organisation_unnumbered`.
    """
    known = codes.load().service
    meant = (feed.codes.get(code, "") for code in row.codes)
    service = next((one for one in meant if one in known), None)
    if service is None:
        return "service_unmapped"
    finess, siret = _checked(System.FINESS, row.finess), _checked(System.SIRET, row.siret)
    place = feed_offers.text(row.structure)
    if finess is None and siret is None and not place:
        return "organisation_unnumbered"
    commune = _commune(row)
    if commune is None:
        return "place_unknown"
    body = f"finess/{finess}" if finess else f"siret/{siret}" if siret else f"place/{place}"
    return Exercise(
        key=f"{rpps}/{body}/{service}", rpps=rpps, service=service, body=body,
        name=feed_offers.text(row.name) or commune.name, finess=finess, siret=siret,
        commune=commune.insee, postcode=row.postcode or commune.postcodes[0],
        department=commune.department, zone=gazetteer.zone(commune.department),
        lon=commune.lon, lat=commune.lat,
    )  # fmt: skip


def _checked(system: System, text: str) -> str | None:
    """Give a bare number whose check digit is right."""
    try:
        found = identifiers.parse(system, text)
    except errors.Malformed:
        return None
    return found.value if found.checked else None


def _commune(row: FeedExercise) -> Commune | None:
    """Give the commune by its code, else by postcode and name when only one can be meant."""
    if found := gazetteer.commune(row.commune):
        return found
    if not row.postcode:
        return None
    named = gazetteer.find(f"{row.postcode} {row.city}".strip())
    alone = gazetteer.find(row.postcode)
    return named[0] if named else alone[0] if len(alone) == 1 else None


async def write(tx: Tx, feed: Feed, exercises: Sequence[Exercise]) -> Mapping[str, UUID]:
    """Write roles with the organisations and locations that are not there yet.

    An organisation that is known by a number keeps its id, name and locations.

    Returns:
        Our id of each role, by key.
    """
    await tx.execute("set local statement_timeout = '60s'")
    made = {one.body: one for one in reversed(exercises)}
    rows = [
        {
            "id": feed_offers.identity(feed.id, "organisation", body), "body": body,
            "name": one.name, "finess": one.finess, "siret": one.siret,
        }
        for body, one in sorted(made.items())
    ]  # fmt: skip
    bodies = {
        row["body"]: row["id"]
        for row in await tx.fetch(UPSERT_BODIES, msgspec.json.encode(rows).decode())
    }
    there = {(bodies[one.body], one.commune): one for one in reversed(exercises)}
    await tx.execute(
        INSERT_PLACES,
        feed.territory_id,
        msgspec.json.encode(
            [_place(feed, owner, one) for (owner, _), one in sorted(there.items())]
        ).decode(),
    )
    roles = [
        {
            "id": feed_offers.identity(feed.id, "role", one.key), "rpps": one.rpps,
            "organisation_id": bodies[one.body], "commune": one.commune, "service": one.service,
        }
        for one in exercises
    ]  # fmt: skip
    written = {
        row["id"] for row in await tx.fetch(UPSERT_ROLES, msgspec.json.encode(roles).decode())
    }
    ids = {one.key: feed_offers.identity(feed.id, "role", one.key) for one in exercises}
    return {key: role for key, role in ids.items() if role in written}


def _place(feed: Feed, owner: UUID, one: Exercise) -> Mapping[str, object]:
    return {
        "id": feed_offers.identity(feed.id, "location", f"{owner}/{one.commune}"),
        "organisation_id": owner, "name": one.name, "lon": one.lon, "lat": one.lat,
        "zone": one.zone, "commune": one.commune, "postcode": one.postcode,
        "department": one.department,
    }  # fmt: skip


# Whoever has the number already is meant; else the row is new. FINESS tells sites apart, so a
# SIRET is asked only of those without one.
UPSERT_BODIES: Final = """
with given as (
    select n.id, n.body, n.name, n.finess, n.siret,
        coalesce(
            (select o.id from directory.organisation o where o.finess = n.finess),
            (select o.id from directory.organisation o
                where n.finess is null and o.siret = n.siret order by o.id limit 1),
            n.id) as known
    from json_to_recordset($1::json) as n (id uuid, body text, name text, finess text, siret text)),
added as (
    insert into directory.organisation (id, name, kind, finess, siret)
    select id, name, 'practice', finess, siret from given where known = id
    on conflict do nothing)
select body, known as id from given
"""

# A known organisation may have a better position in the commune already.
INSERT_PLACES: Final = """
insert into directory.location (id, organisation_id, territory_id, name, lon, lat, zone, commune,
    postcode, department)
select n.id, n.organisation_id, $1, n.name, n.lon, n.lat, n.zone, n.commune, n.postcode,
    n.department
from json_to_recordset($2::json) as n (id uuid, organisation_id uuid, name text, lon float8,
    lat float8, zone text, commune text, postcode text, department text)
where not exists (
    select from directory.location l
    where l.organisation_id = n.organisation_id and l.commune = n.commune)
on conflict do nothing
"""

UPSERT_ROLES: Final = """
insert into directory.role as r (id, practitioner_id, organisation_id, location_id, service)
select n.id, p.id, n.organisation_id, l.id, n.service
from json_to_recordset($1::json) as n (id uuid, rpps text, organisation_id uuid, commune text,
        service text)
    join directory.practitioner p on p.rpps = n.rpps
    join lateral (
        select id from directory.location l
        where l.organisation_id = n.organisation_id and l.commune = n.commune
        order by id limit 1) l on true
on conflict (id) do update set practitioner_id = excluded.practitioner_id,
    organisation_id = excluded.organisation_id, location_id = excluded.location_id,
    service = excluded.service
returning r.id
"""
