"""The demo's territory and accounts: obviously fictitious, made again without harm.

Keys are derived from the instance's master key: the same instance prints the same keys, another
one has others. Nothing here runs outside a demo or a throw-away instance.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

import msgspec

from kernel import identity
from kernel.actor import Actor, Role, system
from kernel.crypto import KeyRing
from kernel.database import Database, Tx
from kernel.identity import Account, DemoAccount, Territory

_NAMESPACE: Final = UUID("7c1f0d52-3d0e-5c58-8f0a-5d1b0c2e8000")

TERRITORY: Final = Territory(
    id=uuid5(_NAMESPACE, "territory/80"),
    code="80",
    name="Somme",
    time_zone="Europe/Paris",
    country="FR",
)
"""The demonstration territory."""


class Persona(msgspec.Struct, frozen=True, kw_only=True):
    """One demo account before it has an id and a key.

    Attributes:
        login: Name for sign-in, also the word in its key.
        role: What it may do.
        label: Shown on colleagues' screens.
        language: `fr` or `en`.
        delegations: Kinds of disposition an OSNP may decide alone.
        place: Name of the organisations it acts for in `Places`; empty for the centre's staff.
    """

    login: str
    role: Role
    label: str
    language: str = "fr"
    delegations: tuple[str, ...] = ()
    place: str = ""


PERSONAS: Final[tuple[Persona, ...]] = (
    Persona(login="operator", role=Role.OPERATOR, label="Ariane Modèle (ARM)"),
    Persona(login="operator-2", role=Role.OPERATOR, label="Basile Exemple (ARM)", language="en"),
    Persona(
        login="osnp",
        role=Role.OSNP,
        label="Cléa Fictive (OSNP)",
        delegations=("ORIENT", "CONSEIL"),
    ),
    Persona(login="physician", role=Role.PHYSICIAN, label="Dr Denis Exemple"),
    Persona(login="physician-2", role=Role.PHYSICIAN, label="Dr Elsa Modèle", language="en"),
    Persona(login="supervisor", role=Role.SUPERVISOR, label="Félix Témoin (superviseur)"),
    Persona(login="clinic", role=Role.CLINIC, label="Cabinet de démonstration", place="clinic"),
    Persona(login="clinic-2", role=Role.CLINIC, label="Second cabinet", place="clinic-2"),
    Persona(login="delegate", role=Role.DELEGATE, label="Secrétariat fictif", place="clinic"),
    Persona(login="receiver", role=Role.CLINIC, label="Tous les effecteurs", place="all"),
    Persona(login="partner-a", role=Role.PARTNER, label="Partenaire A", place="partner-a"),
    Persona(login="partner-b", role=Role.PARTNER, label="Partenaire B", place="partner-b"),
    Persona(login="administrator", role=Role.ADMINISTRATOR, label="Administration"),
    Persona(login="auditor", role=Role.AUDITOR, label="Audit"),
)
"""Every demo account, in the order of the sign-in page."""

LOGINS: Final[tuple[str, ...]] = tuple(persona.login for persona in PERSONAS)

_OF_TERRITORY: Final = frozenset(
    {
        Role.OPERATOR,
        Role.OSNP,
        Role.PHYSICIAN,
        Role.IOA,
        Role.SUPERVISOR,
        Role.ADMINISTRATOR,
        Role.AUDITOR,
    }
)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A demo account with what it signs in with.

    Attributes:
        login: Name for sign-in.
        label: Shown on screens.
        role: What it may do.
        actor_id: Its row.
        organisation_ids: What it acts for.
        key: Its API key.
    """

    login: str
    label: str
    role: Role
    actor_id: UUID
    organisation_ids: tuple[UUID, ...]
    key: str


def stand_in(place: str) -> UUID:
    """Give the organisation a place stands for when the caller names none (tests).

    Args:
        place: Of a persona.
    """
    return uuid5(_NAMESPACE, f"organisation/{place}")


def actor_id(login: str) -> UUID:
    """Give the id of a demo account.

    Args:
        login: Its name for sign-in.
    """
    return uuid5(_NAMESPACE, f"actor/{login}")


def key_of(keys: KeyRing, login: str) -> str:
    """Give the API key of a demo account on this instance.

    Args:
        keys: Over the instance's master key.
        login: Its name for sign-in.
    """
    return f"rg_{login}_{keys.token('demo_key', login).hex()[:48]}"


def opened(keys: KeyRing, organisations: Mapping[str, Sequence[UUID]]) -> tuple[Opened, ...]:
    """Describe every demo account of this instance.

    Args:
        keys: Over the instance's master key.
        organisations: For each `place` of a persona the organisations it stands for.
    """
    return tuple(
        Opened(
            login=persona.login,
            label=persona.label,
            role=persona.role,
            actor_id=actor_id(persona.login),
            organisation_ids=_organisations(persona, organisations),
            key=key_of(keys, persona.login),
        )
        for persona in PERSONAS
    )


def _organisations(
    persona: Persona, organisations: Mapping[str, Sequence[UUID]]
) -> tuple[UUID, ...]:
    if not persona.place:
        return ()
    return tuple(organisations.get(persona.place) or (stand_in(persona.place),))


async def ensure(
    database: Database,
    keys: KeyRing,
    organisations: Mapping[str, Sequence[UUID]] | None = None,
) -> tuple[Opened, ...]:
    """Store the demo's territory and accounts; running it again changes nothing.

    Args:
        database: Pool under `regul_system`.
        keys: Over the instance's master key.
        organisations: For `clinic`, `clinic-2`, `all`, `partner-a` and `partner-b` the
            organisations they act for; made-up ids where one is missing.

    Returns:
        The accounts with their keys, in the order of `PERSONAS`.
    """
    accounts = opened(keys, organisations or {})

    async def store(tx: Tx) -> None:
        await identity.save_territory(tx, TERRITORY)
        for persona, account in zip(PERSONAS, accounts, strict=True):
            await identity.save_account(tx, _stored(persona, account))

    await database.run(system(TERRITORY.id), store)
    return accounts


def _stored(persona: Persona, account: Opened) -> Account:
    actor = Actor(
        id=account.actor_id,
        role=persona.role,
        territory_id=TERRITORY.id if persona.role in _OF_TERRITORY else None,
        organisation_ids=account.organisation_ids,
        label=persona.label,
        language=persona.language,
        delegations=persona.delegations,
    )
    return Account(actor=actor, login=persona.login, api_key=account.key)


async def offered(database: Database, *, demo: bool) -> tuple[DemoAccount, ...]:
    """List the accounts of the one-click sign-in; none outside a demo.

    Args:
        database: Any pool.
        demo: Whether this instance is a demo.
    """
    if not demo:
        return ()
    async with database.plain() as connection:
        return await identity.with_logins(connection, LOGINS)
