"""Organisations with what they belong to, who stands in for whom, and every number they go by."""

import itertools
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import msgspec

from directory import identifiers
from directory.identifiers import System
from directory.model import Interval
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx

MOST: Final = 100
"""Affiliations of one organisation, or substitutions of one role."""
GROUPS: Final = ("community", "health_house", "health_centre", "hospital_group")
"""Kinds that others belong to (CPTS, MSP, health centre, hospital group)."""


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number that something is known by.

    Attributes:
        system: The register, or `own` for a partner's id.
        source: Whose id it is; empty for registers.
        value: Bare.
        shown: In its national form, with the prefix of the register.
        checked: Its check digit is right.
    """

    system: str
    source: str
    value: str
    shown: str
    checked: bool


class Affiliation(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation on the other end, with the days on which it holds; None = open."""

    organisation_id: UUID
    name: str
    kind: str
    since: date | None
    until: date | None


class OrganisationView(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation as the API shows it.

    Attributes:
        numbers: Every number, national ones first.
        belongs_to: Groups, those of the past left out.
        members: Who belongs to it.
        care_services: How many it runs.
    """

    id: UUID
    name: str
    kind: str
    parent_id: UUID | None
    numbers: Sequence[Number]
    belongs_to: Sequence[Affiliation]
    members: Sequence[Affiliation]
    care_services: int


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation belongs to a group from a day until before another; None = open."""

    group_id: UUID
    since: date | None = None
    until: date | None = None


class StandIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands in, by the bare or prefixed RPPS number, and when."""

    rpps: Annotated[str, msgspec.Meta(min_length=11, max_length=20)]
    interval: Interval


class Substitution(msgspec.Struct, frozen=True, kw_only=True):
    """A practitioner who stands in for the one of a role; half-open, UTC."""

    substitute_id: UUID
    substitute: str
    number: str
    starts_at: datetime
    ends_at: datetime


async def organisation(tx: Tx, actor: Actor, organisation_id: UUID) -> OrganisationView:
    """Give one organisation with its numbers and affiliations.

    Raises:
        kernel.errors.Missing: `organisation_missing`.
    """
    require(actor, "directory.read")
    row = await tx.fetchrow(SELECT_ORGANISATION, organisation_id)
    if row is None:
        raise errors.Missing("organisation_missing")
    numbers = [
        number(system, "", value)
        for system, value in ((System.FINESS, row["finess"]), (System.SIRET, row["siret"]))
        if value is not None
    ]
    numbers += [
        number(one["system"], one["source"], one["value"])
        for one in await tx.fetch(SELECT_NUMBERS, organisation_id)
    ]
    linked = await tx.fetch(SELECT_AFFILIATIONS, organisation_id)
    return OrganisationView(
        id=row["id"], name=row["name"], kind=row["kind"], parent_id=row["parent_id"],
        numbers=numbers, care_services=row["care_services"],
        belongs_to=[_affiliation(one) for one in linked if one["up"]],
        members=[_affiliation(one) for one in linked if not one["up"]],
    )  # fmt: skip


async def join(
    tx: Tx, actor: Actor, organisation_id: UUID, groups: Sequence[Joining]
) -> OrganisationView:
    """Set to which groups an organisation belongs; the same again changes nothing.

    Raises:
        kernel.errors.Missing: `organisation_missing`: it, or a group.
        kernel.errors.Forbidden: `action_not_allowed`.
        kernel.errors.Invalid: `not_a_group`: nobody belongs to an organisation of that kind;
            `affiliation_range`: it ends before it begins, or begins twice.
    """
    require(actor, "organisation.describe")
    await organisation(tx, actor, organisation_id)
    _check_joining(organisation_id, groups)
    kinds = {
        row["id"]: row["kind"]
        for row in await tx.fetch(SELECT_KINDS, [one.group_id for one in groups])
    }
    if any(one.group_id not in kinds for one in groups):
        raise errors.Missing("organisation_missing")
    if any(kinds[one.group_id] not in GROUPS for one in groups):
        raise errors.Invalid("not_a_group", "Nobody belongs to an organisation of that kind.")
    await tx.execute(DELETE_AFFILIATIONS, organisation_id)
    await tx.execute(
        INSERT_AFFILIATIONS, organisation_id, [one.group_id for one in groups],
        [one.since or date.min for one in groups], [one.until or date.max for one in groups],
    )  # fmt: skip
    await audit.record(
        tx, actor, "organisation.describe", "organisation", organisation_id,
        detail=f"affiliations={len(groups)}",
    )  # fmt: skip
    return await organisation(tx, actor, organisation_id)


async def substitutions(tx: Tx, actor: Actor, role_id: UUID) -> Sequence[Substitution]:
    """Give who stands in for the practitioner of a role, now and later, by start.

    Raises:
        kernel.errors.Missing: `role_missing`.
    """
    require(actor, "directory.read")
    await _owner(tx, role_id)
    return await _substitutions(tx, role_id)


async def stand_in(
    tx: Tx, actor: Actor, role_id: UUID, wanted: Sequence[StandIn]
) -> Sequence[Substitution]:
    """Set who stands in for the practitioner of a role from now on; what is over is kept.

    Raises:
        kernel.errors.Missing: `role_missing`; `practitioner_missing`: nobody has the number.
        kernel.errors.Forbidden: `action_not_allowed`, `other_organisation`.
        kernel.errors.Malformed: `identifier_malformed`.
        kernel.errors.Invalid: `substitutions_overlap`: two at once.
    """
    require(actor, "care_service.describe")
    owner = await _owner(tx, role_id)
    require(actor, "care_service.describe", organisation_id=owner["organisation_id"])
    ordered = sorted(wanted, key=lambda one: one.interval)
    for before, after in itertools.pairwise(ordered):
        if before.interval.overlaps(after.interval):
            raise errors.Invalid("substitutions_overlap", "One stands in at a time.")
    numbers = [identifiers.parse(System.RPPS, one.rpps).value for one in ordered]
    people = {row["rpps"]: row["id"] for row in await tx.fetch(SELECT_PEOPLE, numbers)}
    if any(one not in people for one in numbers):
        raise errors.Missing("practitioner_missing")
    await tx.execute(LOCK_ROLE, role_id)
    await tx.execute(DELETE_SUBSTITUTIONS, role_id)
    await tx.execute(
        INSERT_SUBSTITUTIONS, role_id, [people[one] for one in numbers],
        [one.interval.start for one in ordered], [one.interval.end for one in ordered],
    )  # fmt: skip
    await audit.record(
        tx, actor, "care_service.describe", "role", role_id, territory_id=owner["territory_id"],
        detail=f"substitutions={len(ordered)}",
    )  # fmt: skip
    return await _substitutions(tx, role_id)


def number(system: str, source: str, value: str) -> Number:
    """Give a bare stored number as it is shown."""
    if system == "own":
        return Number(system=system, source=source, value=value, shown=value, checked=True)
    found = identifiers.parse(System(system), value)
    return Number(
        system=system, source=source, value=found.value, shown=identifiers.show(found),
        checked=found.checked,
    )  # fmt: skip


def _check_joining(organisation_id: UUID, groups: Sequence[Joining]) -> None:
    begun = {(one.group_id, one.since) for one in groups}
    backwards = any((one.since or date.min) >= (one.until or date.max) for one in groups)
    if backwards or len(begun) != len(groups):
        raise errors.Invalid("affiliation_range", "An affiliation ends after it begins, once.")
    if any(one.group_id == organisation_id for one in groups):
        raise errors.Invalid("not_a_group", "Nobody belongs to itself.")


async def _owner(tx: Tx, role_id: UUID) -> asyncpg.Record:
    row = await tx.fetchrow(SELECT_ROLE, role_id)
    if row is None:
        raise errors.Missing("role_missing")
    return row


async def _substitutions(tx: Tx, role_id: UUID) -> Sequence[Substitution]:
    return [
        Substitution(
            substitute_id=row["substitute_id"], substitute=row["substitute"],
            number=number(System.RPPS, "", row["rpps"]).shown,
            starts_at=row["starts_at"], ends_at=row["ends_at"],
        )
        for row in await tx.fetch(SELECT_SUBSTITUTIONS, role_id)
    ]  # fmt: skip


def _affiliation(row: asyncpg.Record) -> Affiliation:
    return Affiliation(
        organisation_id=row["id"], name=row["name"], kind=row["kind"],
        since=None if row["since"] == date.min else row["since"],
        until=None if row["until"] == date.max else row["until"],
    )  # fmt: skip


SELECT_ORGANISATION: Final = """
select o.id, o.name, o.kind, o.parent_id, o.finess, o.siret,
    (select count(*) from directory.care_service c where c.organisation_id = o.id)
        as care_services
from directory.organisation o where o.id = $1
"""

SELECT_NUMBERS: Final = """
select system, source, value from directory.identifier
where noun = 'organisation' and id = $1
union
select 'own', f.publisher, a.key
from directory.feed_alias a join directory.feed f on f.id = a.feed_id
where a.noun = 'organisation' and a.id = $1 and a.gone_at is null
    and f.kind not in ('finess', 'rpps')
order by system, source, value
"""

SELECT_AFFILIATIONS: Final = """
select o.id, o.name, o.kind, a.since, a.until, a.member_id = $1 as up
from directory.affiliation a
    join directory.organisation o
        on o.id = case when a.member_id = $1 then a.group_id else a.member_id end
where (a.member_id = $1 or a.group_id = $1) and a.until > kernel.regul_now()::date
order by o.name, o.id, a.since
"""

SELECT_KINDS: Final = """
select id, kind from directory.organisation where id = any ($1::uuid[])
"""

DELETE_AFFILIATIONS: Final = """
delete from directory.affiliation where member_id = $1
"""

INSERT_AFFILIATIONS: Final = """
insert into directory.affiliation (member_id, group_id, since, until)
select $1, group_id, since, until
from unnest($2::uuid[], $3::date[], $4::date[]) as n (group_id, since, until)
"""

SELECT_ROLE: Final = """
select r.organisation_id, l.territory_id
from directory.role r join directory.location l on l.id = r.location_id where r.id = $1
"""

# Locking the role would need the right to change it.
LOCK_ROLE: Final = """
select pg_advisory_xact_lock(hashtextextended('directory.substitution/' || $1::uuid::text, 0))
"""

SELECT_PEOPLE: Final = """
select id, rpps from directory.practitioner where rpps = any ($1::text[])
"""

DELETE_SUBSTITUTIONS: Final = """
delete from directory.substitution where role_id = $1 and ends_at > kernel.regul_now()
"""

INSERT_SUBSTITUTIONS: Final = """
insert into directory.substitution (role_id, substitute_id, starts_at, ends_at)
select $1, substitute_id, starts_at, ends_at
from unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[])
    as n (substitute_id, starts_at, ends_at)
where ends_at > kernel.regul_now()
on conflict on constraint substitution_once
do update set substitute_id = excluded.substitute_id, ends_at = excluded.ends_at
"""

SELECT_SUBSTITUTIONS: Final = """
select s.substitute_id, p.given || ' ' || p.family as substitute, p.rpps, s.starts_at, s.ends_at
from directory.substitution s join directory.practitioner p on p.id = s.substitute_id
where s.role_id = $1 and s.ends_at > kernel.regul_now()
order by s.starts_at
"""
