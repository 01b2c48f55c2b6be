"""Who acts: the actor of a request or task, and the one table that says what a role may do."""

import enum
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final
from uuid import UUID

import msgspec

from kernel import errors


class Role(enum.StrEnum):
    """The roles of docs/glossary.md; an actor has exactly one."""

    OPERATOR = "operator"
    """ARM: answers the call, opens the case, sets priority and stream."""
    OSNP = "osnp"
    """Operator of unscheduled care: books within what the physician delegated."""
    PHYSICIAN = "physician"
    """Regulating physician: decides."""
    IOA = "ioa"
    """Triage nurse of an emergency department who re-orients walk-ins."""
    SUPERVISOR = "supervisor"
    CLINIC = "clinic"
    """A practice or a department that publishes availability and receives patients."""
    DELEGATE = "delegate"
    """A secretary acting for a clinic."""
    PARTNER = "partner"
    """A partner system that subscribes to events."""
    PATIENT_LINK = "patient_link"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    SYSTEM = "system"
    """A worker of the service itself."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever acts, as known at the edge.

    Attributes:
        id: Row of `kernel.actor`.
        role: What `require` looks at.
        territory_id: The centre's territory, for its staff; none for clinics and partners.
        organisation_ids: Organisations the actor acts for; empty for the centre's staff.
        label: Name shown on screens of colleagues (staff, never a patient).
        language: `fr` or `en`.
        delegations: Kinds of disposition an OSNP may decide alone, e.g. `ORIENT`.
        request_id: Echoed in answers and written in audit rows.
        correlation_id: Joins the events and audit rows of one journey.
    """

    id: UUID
    role: Role
    territory_id: UUID | None = None
    organisation_ids: tuple[UUID, ...] = ()
    label: str = ""
    language: str = "fr"
    delegations: tuple[str, ...] = ()
    request_id: str = ""
    correlation_id: str = ""


SYSTEM_ACTOR_ID: Final = UUID("00000000-0000-7000-8000-000000000001")
"""The row that migration 0001 writes for the service itself."""


def system(territory_id: UUID | None = None) -> Actor:
    """Give the actor of the service's own workers.

    Args:
        territory_id: The territory it acts in, when the task belongs to one.

    Returns:
        An actor with role `system`.
    """
    return Actor(id=SYSTEM_ACTOR_ID, role=Role.SYSTEM, territory_id=territory_id, label="Régul")


@cache
def permissions() -> Mapping[str, frozenset[Role]]:
    """Read the permission table, `kernel/permissions.toml`.

    Returns:
        For each action the roles that may do it; read once a process.
    """
    text = resources.files("kernel").joinpath("permissions.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return MappingProxyType(
        {action: frozenset(Role(role) for role in roles) for action, roles in table.items()}
    )


def may(actor: Actor, action: str) -> bool:
    """Say whether the actor's role may do this; an unknown action is refused.

    Args:
        actor: Who asks.
        action: A key of `kernel/permissions.toml`.

    Returns:
        True only when the table says so.
    """
    return actor.role in permissions().get(action, frozenset())


def require(actor: Actor, action: str, *, organisation_id: UUID | None = None) -> None:
    """Refuse what the actor may not do; the first line of every use case.

    Args:
        actor: Who asks.
        action: A key of `kernel/permissions.toml`.
        organisation_id: When given, an actor who acts for organisations must act for this one.

    Raises:
        Forbidden: `action_not_allowed` or `other_organisation`.
    """
    if not may(actor, action):
        code = "action_not_allowed"
        raise errors.Forbidden(code, "This role may not do this.", action=action)
    staff = actor.territory_id is not None or actor.role is Role.SYSTEM
    if organisation_id is not None and not staff and organisation_id not in actor.organisation_ids:
        code = "other_organisation"
        raise errors.Forbidden(code, "This belongs to another organisation.", action=action)
