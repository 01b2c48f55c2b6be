"""Who a key, a session or a password belongs to; how accounts come to exist.

Keys and session tokens are 256 random bits: the database holds their SHA-256 only and finds them
by equality, so nothing can be learned from timing. Passwords are hashed by the caller (argon2id).
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from kernel.actor import Actor, Role
from kernel.database import Tx

SESSION_LASTS: Final = timedelta(hours=12)
"""How long a sign-in lasts at most. Source: OWASP ASVS 5.0, 7.3.2."""


class DemoAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account that a demo offers for one-click sign-in."""

    login: str
    label: str
    role: Role


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in with a password is checked against."""

    actor_id: UUID
    password_hash: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An actor to store, with what it signs in with.

    Attributes:
        actor: Identity, role and scope.
        login: Unique name for sign-in.
        api_key: Its API key in clear, stored as a digest only.
        password_hash: argon2id, or none.
    """

    actor: Actor
    login: str
    api_key: str | None = None
    password_hash: str | None = None


class Territory(msgspec.Struct, frozen=True, kw_only=True):
    """The area that one centre serves."""

    id: UUID
    code: str
    name: str
    time_zone: str
    country: str


def digest(secret: str) -> bytes:
    """Give what the database holds of a key or token.

    Args:
        secret: 256 random bits in some printable form.

    Returns:
        SHA-256, 32 bytes.
    """
    return hashlib.sha256(secret.encode()).digest()


async def of_key(tx: Tx, key: bytes) -> Actor | None:
    """Find the active actor of an API key.

    Args:
        tx: Any connection.
        key: `digest` of the key.
    """
    return _actor(await tx.fetchrow(SELECT_ACTOR_OF_KEY, key))


async def of_session(tx: Tx, token: bytes) -> Actor | None:
    """Find the active actor of a session that has not ended.

    Args:
        tx: Any connection.
        token: `digest` of the token.
    """
    return _actor(await tx.fetchrow(SELECT_ACTOR_OF_SESSION, token))


async def begin_session(tx: Tx, token: bytes, actor_id: UUID) -> None:
    """Store a session; it ends after `SESSION_LASTS` by the database's clock.

    Args:
        tx: Any connection.
        token: `digest` of the token.
        actor_id: Whose it is.
    """
    await tx.execute(INSERT_SESSION, token, actor_id, SESSION_LASTS)


async def end_session(tx: Tx, token: bytes) -> None:
    """Forget a session; nothing happens when there is none.

    Args:
        tx: Any connection.
        token: `digest` of the token.
    """
    await tx.execute(DELETE_SESSION, token)


async def sweep_sessions(tx: Tx) -> None:
    """Forget sessions whose time has passed.

    Args:
        tx: Any connection.
    """
    await tx.execute(DELETE_OLD_SESSIONS)


async def credential_of(tx: Tx, login: str) -> Credential | None:
    """Find what a password is checked against.

    Args:
        tx: Any connection.
        login: As typed.
    """
    row = await tx.fetchrow(SELECT_CREDENTIAL, login)
    if row is None:
        return None
    return Credential(actor_id=row["id"], password_hash=row["password_hash"])


async def id_of_login(tx: Tx, login: str) -> UUID | None:
    """Find the active actor of a login.

    Args:
        tx: Any connection.
        login: Its name for sign-in.
    """
    found: UUID | None = await tx.fetchval(SELECT_ID_OF_LOGIN, login)
    return found


async def with_logins(tx: Tx, logins: Sequence[str]) -> tuple[DemoAccount, ...]:
    """List the active accounts with these logins, in the order asked.

    Args:
        tx: Any connection.
        logins: Names for sign-in.
    """
    rows = await tx.fetch(SELECT_WITH_LOGINS, list(logins))
    return tuple(
        DemoAccount(login=row["login"], label=row["label"], role=Role(row["role"])) for row in rows
    )


async def labels(tx: Tx, actor_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """Give the names that colleagues' screens show for staff.

    Args:
        tx: Any connection.
        actor_ids: Whose; unknown ones are left out.
    """
    rows = await tx.fetch(SELECT_LABELS, list(actor_ids))
    return {row["id"]: row["label"] for row in rows}


async def is_staff(tx: Tx, actor_id: UUID, territory_id: UUID) -> bool:
    """Tell whether an actor may look after patients of a territory's centre.

    Args:
        tx: Any transaction.
        actor_id: Who.
        territory_id: Of the centre.
    """
    found: bool = await tx.fetchval(SELECT_IS_STAFF, actor_id, territory_id)
    return found


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """One of a centre's staff."""

    id: UUID
    role: str
    territory_id: UUID
    label: str


async def staff_of(tx: Tx, territory_ids: Sequence[UUID]) -> tuple[Staff, ...]:
    """List the active staff of centres.

    Args:
        tx: Any transaction.
        territory_ids: Of the centres.

    Returns:
        By label, then id.
    """
    rows = await tx.fetch(SELECT_STAFF, list(territory_ids))
    return tuple(msgspec.convert(dict(row), Staff) for row in rows)


async def save_territory(tx: Tx, territory: Territory) -> None:
    """Store a territory; one that exists stays as it is.

    Args:
        tx: Under `regul_system`.
        territory: The area.
    """
    await tx.execute(
        INSERT_TERRITORY,
        territory.id,
        territory.code,
        territory.name,
        territory.time_zone,
        territory.country,
    )


async def territory_of_code(tx: Tx, code: str) -> UUID | None:
    """Find a territory by its code.

    Args:
        tx: The transaction.
        code: Such as the number of the department.

    Returns:
        Its id, or None.
    """
    found: UUID | None = await tx.fetchval(SELECT_TERRITORY_OF_CODE, code)
    return found


async def save_account(tx: Tx, account: Account) -> None:
    """Store an account, or bring the one with this id up to date.

    Args:
        tx: Under `regul_system`.
        account: Actor, login and secrets.
    """
    actor = account.actor
    await tx.execute(
        UPSERT_ACTOR,
        actor.id,
        actor.role.value,
        actor.territory_id,
        list(actor.organisation_ids),
        actor.label,
        actor.language,
        list(actor.delegations),
        account.login,
        account.password_hash,
        None if account.api_key is None else digest(account.api_key),
    )


def _actor(row: "asyncpg.Record | None") -> Actor | None:
    if row is None:
        return None
    return Actor(
        id=row["id"],
        role=Role(row["role"]),
        territory_id=row["territory_id"],
        organisation_ids=tuple(row["organisation_ids"]),
        label=row["label"],
        language=row["language"],
        delegations=tuple(row["delegations"]),
    )


SELECT_ACTOR_OF_KEY: Final = """
select id, role, territory_id, organisation_ids, label, language, delegations
from kernel.actor where api_key_hash = $1 and active
"""
SELECT_ACTOR_OF_SESSION: Final = """
select a.id, a.role, a.territory_id, a.organisation_ids, a.label, a.language, a.delegations
from kernel.session s join kernel.actor a on a.id = s.actor_id
where s.token_hash = $1 and s.expires_at > kernel.regul_now() and a.active
"""
INSERT_SESSION: Final = """
insert into kernel.session (token_hash, actor_id, created_at, expires_at)
select $1, $2, t.at, t.at + $3::interval from (select kernel.regul_now() as at) t
"""
DELETE_SESSION: Final = """
delete from kernel.session where token_hash = $1
"""
DELETE_OLD_SESSIONS: Final = """
delete from kernel.session where expires_at < kernel.regul_now()
"""
SELECT_CREDENTIAL: Final = """
select id, password_hash from kernel.actor
where login = $1 and active and password_hash is not null
"""
SELECT_ID_OF_LOGIN: Final = """
select id from kernel.actor where login = $1 and active
"""
SELECT_WITH_LOGINS: Final = """
select a.login, a.label, a.role
from unnest($1::text[]) with ordinality as wanted (login, place)
join kernel.actor a on a.login = wanted.login
where a.active
order by wanted.place
"""
SELECT_LABELS: Final = """
select id, label from kernel.actor where id = any ($1::uuid[])
"""
SELECT_IS_STAFF: Final = """
select exists (
    select from kernel.actor
    where id = $1 and territory_id = $2 and active
      and role in ('operator', 'osnp', 'physician', 'ioa', 'supervisor'))
"""
SELECT_STAFF: Final = """
select id, role, territory_id, label from kernel.actor
where territory_id = any ($1::uuid[]) and active
  and role in ('operator', 'osnp', 'physician', 'ioa', 'supervisor')
order by label, id
"""
INSERT_TERRITORY: Final = """
insert into kernel.territory (id, code, name, time_zone, country) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
SELECT_TERRITORY_OF_CODE: Final = """
select id from kernel.territory where code = $1
"""
UPSERT_ACTOR: Final = """
insert into kernel.actor
    (id, role, territory_id, organisation_ids, label, language, delegations, login,
     password_hash, api_key_hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (id) do update set
    role = excluded.role, territory_id = excluded.territory_id,
    organisation_ids = excluded.organisation_ids, label = excluded.label,
    language = excluded.language, delegations = excluded.delegations, login = excluded.login,
    password_hash = excluded.password_hash, api_key_hash = excluded.api_key_hash
"""
