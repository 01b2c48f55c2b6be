"""People, organisations and roles that an editor's feed names beside its diaries.

A number that is known keeps whom it stands for, and the register's name: an editor may say who
works for it, not what a national register says.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from directory import codes, feed_offers, feed_store, identifiers
from directory.feed_offers import Offers
from directory.feed_rows import FeedBody, FeedContent, FeedRole, FeedWorker
from directory.feed_store import Alias, Feed, Noun
from directory.identifiers import System
from kernel import errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.ids import uuid7


class People(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a feed stand in the directory now.

    Attributes:
        linked: Care services of the feed that name their practitioner since this run.
    """

    practitioners: int = 0
    organisations: int = 0
    roles: int = 0
    linked: int = 0


async def take(tx: Tx, actor: Actor, feed: Feed, content: FeedContent, offers: Offers) -> People:
    """Write whom a feed names; the same again changes nothing.

    Args:
        tx: The transaction.
        actor: The system.
        feed: The feed.
        content: As examined.
        offers: What of it was taken in: roles at other places, or of another service, are left out.
    """
    require(actor, "directory.write")
    people = await _workers(tx, content.workers)
    bodies = await _bodies(tx, feed, content.bodies)
    roles = await _roles(tx, feed, (content.roles, offers), (people, bodies))
    named: dict[Noun, tuple[Mapping[str, UUID], Sequence[FeedWorker | FeedBody | FeedRole]]] = {
        "practitioner": (people, content.workers),
        "organisation": (bodies, content.bodies),
        "role": (roles, content.roles),
    }
    for noun, (ids, rows) in named.items():
        aliases = [
            Alias(key=row.key, id=ids[row.key], fingerprint=feed_offers.fingerprint(row))
            for row in rows
            if row.key in ids
        ]
        await feed_store.upsert_aliases(tx, feed.id, noun, aliases)
    linked = await _linked(tx, feed, content, roles)
    return People(
        practitioners=len(people), organisations=len(bodies), roles=len(roles), linked=linked
    )


async def _workers(tx: Tx, workers: Sequence[FeedWorker]) -> Mapping[str, UUID]:
    """Give the practitioner of each person whose number has the right shape, by key."""
    numbers = {
        one.key: number for one in workers if (number := _bare(System.RPPS, one.rpps)) is not None
    }
    given = {numbers[one.key]: one for one in reversed(workers) if one.key in numbers}
    await tx.execute(
        INSERT_PEOPLE, [uuid7() for _ in given], list(given),
        [feed_offers.text(one.family) for one in given.values()],
        [feed_offers.text(one.given) for one in given.values()],
    )  # fmt: skip
    found = {row["rpps"]: row["id"] for row in await tx.fetch(SELECT_PEOPLE, list(given))}
    return {key: found[number] for key, number in numbers.items()}


async def _bodies(tx: Tx, feed: Feed, bodies: Sequence[FeedBody]) -> Mapping[str, UUID]:
    """Give the organisation of each body, by key; one without a number is the feed's alone."""
    rows = [
        {
            "id": feed_offers.identity(feed.id, "organisation", one.key), "key": one.key,
            "name": feed_offers.text(one.name), "finess": _bare(System.FINESS, one.finess),
            "siret": _bare(System.SIRET, one.siret),
        }
        for one in bodies
    ]  # fmt: skip
    found = await tx.fetch(UPSERT_BODIES, msgspec.json.encode(rows).decode())
    return {row["key"]: row["id"] for row in found}


async def _roles(
    tx: Tx,
    feed: Feed,
    read: tuple[Sequence[FeedRole], Offers],
    known: tuple[Mapping[str, UUID], Mapping[str, UUID]],
) -> Mapping[str, UUID]:
    roles, offers = read
    people, bodies = known
    places = {place.key: place.location.id for place in offers.places}
    services = codes.load().service
    rows: dict[str, Mapping[str, object]] = {}
    for one in roles:
        meant = (feed.codes.get(code, "") for code in one.codes)
        service = next((code for code in meant if code in services), None)
        owner = bodies.get(one.body_key, feed.organisation_id)
        if service is None or owner is None or one.place_key not in places:
            continue
        if one.worker_key in people:
            rows[one.key] = {
                "id": feed_offers.identity(feed.id, "role", one.key),
                "practitioner_id": people[one.worker_key], "organisation_id": owner,
                "location_id": places[one.place_key], "service": service,
            }  # fmt: skip
    await tx.execute(UPSERT_ROLES, msgspec.json.encode(list(rows.values())).decode())
    return {key: feed_offers.identity(feed.id, "role", key) for key in rows}


async def _linked(tx: Tx, feed: Feed, content: FeedContent, roles: Mapping[str, UUID]) -> int:
    """Say at each care service of the feed whose it is; give how many did not say so before."""
    whose = {
        feed_offers.identity(feed.id, "care_service", one.key): roles[one.role_key]
        for one in content.diaries
        if one.role_key in roles
    }
    changed = await tx.fetch(UPDATE_WHOSE, list(whose), list(whose.values()))
    return len(changed)


def _bare(system: System, text: str) -> str | None:
    try:
        return identifiers.parse(system, text).value
    except errors.Malformed:
        return None


INSERT_PEOPLE: Final = """
insert into directory.practitioner (id, rpps, family, given)
select id, rpps, family, given
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as n (id, rpps, family, given)
on conflict on constraint practitioner_rpps_unique do nothing
"""

SELECT_PEOPLE: Final = """
select id, rpps from directory.practitioner where rpps = any ($1::text[])
"""

UPSERT_BODIES: Final = """
with given as (
    select n.id, n.key, n.name, n.finess, n.siret,
        coalesce(
            (select o.id from directory.organisation o where o.finess = n.finess),
            (select o.id from directory.organisation o
                where n.finess is null and o.siret = n.siret order by o.id limit 1),
            n.id) as known
    from json_to_recordset($1::json) as n (id uuid, key text, name text, finess text, siret text)),
added as (
    insert into directory.organisation (id, name, kind, finess, siret)
    select id, name, 'practice', finess, siret from given where known = id
    on conflict do nothing
    returning id)
select g.key, g.known as id
from given g
where g.known <> g.id or exists (select from added a where a.id = g.id)
    or exists (select from directory.organisation o where o.id = g.id)
"""

UPSERT_ROLES: Final = """
insert into directory.role (id, practitioner_id, organisation_id, location_id, service)
select id, practitioner_id, organisation_id, location_id, service
from json_populate_recordset(null::directory.role, $1::json)
on conflict (id) do update set practitioner_id = excluded.practitioner_id,
    organisation_id = excluded.organisation_id, location_id = excluded.location_id,
    service = excluded.service
"""

UPDATE_WHOSE: Final = """
update directory.care_service c set role_id = n.role_id
from unnest($1::uuid[], $2::uuid[]) as n (id, role_id)
where c.id = n.id and c.role_id is distinct from n.role_id
returning c.id
"""
