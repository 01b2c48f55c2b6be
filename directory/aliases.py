"""What a number means here: of a national register, or an id that a partner gave."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from directory import identifiers, organisations
from directory.identifiers import System
from directory.organisations import Number
from kernel import audit, errors
from kernel.actor import Actor, require
from kernel.database import Tx

Noun: TypeAlias = Literal["organisation", "location", "practitioner", "role", "care_service"]
AliasSystem: TypeAlias = Literal[
    "rpps", "adeli", "finess", "siret", "rpps_rank", "adeli_rank", "own"
]
OWN: Final = "own"
_MOST: Final = 50


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A number to be kept for something that we know.

    Attributes:
        system: A register, or `own` for an id that a partner gave.
        source: Whose id it is, with `own` only.
        value: Bare or with its official prefix.
    """

    noun: Noun
    id: UUID
    system: AliasSystem
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    source: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a number stands for."""

    noun: str
    id: UUID
    number: Number


async def find(tx: Tx, actor: Actor, text: str) -> Sequence[Meaning]:
    """Give everything that a number stands for, read in every register whose shape it has.

    Args:
        tx: Any transaction.
        actor: Who asks.
        text: Bare, or with its official prefix; or a partner's own id.

    Returns:
        By noun, then system; empty when nobody is known by it.
    """
    require(actor, "directory.read")
    systems, values = [OWN], [text]
    for system in System:
        try:
            found = identifiers.parse(system, text)
        except errors.Malformed:
            continue
        systems.append(system)
        values.append(found.value)
    return [
        Meaning(
            noun=row["noun"], id=row["id"],
            number=organisations.number(row["system"], row["source"], row["value"]),
        )
        for row in await tx.fetch(SELECT_MEANINGS, systems, values, text, _MOST)
    ]  # fmt: skip


async def keep(tx: Tx, actor: Actor, alias: Alias) -> Meaning:
    """Keep a number for something; the same again changes nothing.

    Raises:
        kernel.errors.Forbidden: `action_not_allowed`.
        kernel.errors.Malformed: `identifier_malformed`: not of the shape of its register.
        kernel.errors.Invalid: `check_digit_wrong`; `alias_source`: an own id without whose it is,
            or a register's with it.
        kernel.errors.Missing: `alias_target_missing`: there is no such thing.
        kernel.errors.Conflict: `alias_taken`: the number already stands for another one.
    """
    require(actor, "organisation.describe")
    if (alias.system == OWN) != (alias.source != ""):
        raise errors.Invalid("alias_source", "An own id, and only that, says whose it is.")
    value = alias.value.strip()
    if alias.system != OWN:
        number = identifiers.parse(System(alias.system), alias.value)
        if not number.checked:
            raise errors.Invalid("check_digit_wrong", "The check digit is wrong.")
        value = number.value
    if not await tx.fetchval(SELECT_TARGET, alias.noun, alias.id):
        raise errors.Missing("alias_target_missing")
    new = await tx.fetchval(INSERT_ALIAS, alias.system, alias.source, value, alias.noun, alias.id)
    holder = new or await tx.fetchval(SELECT_HOLDER, alias.system, alias.source, value, alias.noun)
    if holder != alias.id:
        raise errors.Conflict("alias_taken", "The number stands for another one already.")
    if new is not None:
        await audit.record(
            tx, actor, "organisation.describe", alias.noun, alias.id,
            detail=f"alias {alias.system}",
        )  # fmt: skip
    shown = organisations.number(alias.system, alias.source, value)
    return Meaning(noun=alias.noun, id=alias.id, number=shown)


SELECT_MEANINGS: Final = """
with wanted as (select system, value from unnest($1::text[], $2::text[]) as n (system, value))
select i.noun, i.id, i.system, i.source, i.value
from wanted w join directory.identifier i on i.system = w.system and i.value = w.value
union
select 'organisation', o.id, 'finess', '', o.finess
from wanted w join directory.organisation o on o.finess = w.value where w.system = 'finess'
union
select 'organisation', o.id, 'siret', '', o.siret
from wanted w join directory.organisation o on o.siret = w.value where w.system = 'siret'
union
select 'practitioner', p.id, 'rpps', '', p.rpps
from wanted w join directory.practitioner p on p.rpps = w.value where w.system = 'rpps'
union
select a.noun, a.id, 'own', f.publisher, a.key
from directory.feed f
    cross join unnest(array['organisation', 'location', 'practitioner', 'role', 'schedule'])
        as n (noun)
    join directory.feed_alias a on a.feed_id = f.id and a.noun = n.noun and a.key = $3
where a.gone_at is null and f.kind not in ('finess', 'rpps')
order by 1, 3, 4, 2
limit $4
"""

SELECT_TARGET: Final = """
select case $1::text
    when 'organisation' then exists (select from directory.organisation where id = $2)
    when 'location' then exists (select from directory.location where id = $2)
    when 'practitioner' then exists (select from directory.practitioner where id = $2)
    when 'role' then exists (select from directory.role where id = $2)
    when 'care_service' then exists (select from directory.care_service where id = $2)
    end
"""

INSERT_ALIAS: Final = """
insert into directory.identifier (system, source, value, noun, id)
values ($1, $2, $3, $4, $5)
on conflict on constraint identifier_once do nothing
returning id
"""

SELECT_HOLDER: Final = """
select id from directory.identifier
where system = $1 and source = $2 and value = $3 and noun = $4
"""
