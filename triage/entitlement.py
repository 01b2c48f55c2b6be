"""Who may decide what: pure rules over a role and a case; the law's words stand in docs.

The operator sets priority and stream; the physician decides; an OSNP decides within what is
delegated; listed complaints need no regulation (NR); a dispatch at once is open to the operator.
A case that is open, at U0-U1, or for which a physician is required is deferred, booked or closed
by a physician only. A milder level than the one in force is confirmed by a physician at U0-U2.
"""

from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from kernel.actor import Role
from triage.acuity import Acuity, most_severe
from triage.model import Case, Kind, PhysicianReason, Priority

PRIORITIES_FILE: Final = Path(__file__).with_name("priorities.toml")
_URGENT: Final[frozenset[Acuity | None]] = frozenset({"U0", "U1", "U2"})
_VITAL: Final[frozenset[Acuity | None]] = frozenset({"U0", "U1"})
SAFETY_NET_KINDS: Final[frozenset[Kind]] = frozenset({"CONSEIL", "PMT", "ORIENT"})
"""Kinds after which the patient is left: signs, call-back and read-back are stored."""
PLACE_KINDS: Final[frozenset[Kind]] = frozenset({"INTER", "ORIENT"})
"""Kinds that send somebody somewhere: they name a service."""

Refusal: TypeAlias = Literal[
    "physician_only",
    "not_delegated",
    "reason_missing",
    "safety_net_missing",
    "service_missing",
    "unregulated_not_listed",
    "dispatch_not_assured",
]

THIRD_CALL: Final = 3
"""From this contact within 96 hours on a physician is required."""
_RANK: Final[tuple[Priority, ...]] = ("P0", "P1", "P2", "P3", "NR")
"""Priorities, most urgent first."""


class _Unregulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Complaints that need no medical regulation."""

    complaints: tuple[str, ...]


class PriorityTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The centre's mapping from proposed level to priorities, most fitting first."""

    allowed: dict[Acuity, tuple[Priority, ...]]
    unregulated: _Unregulated


@cache
def priority_table() -> PriorityTable:
    """Read the mapping file, once a process."""
    return msgspec.toml.decode(PRIORITIES_FILE.read_bytes(), type=PriorityTable)


def fitting_priority(proposed: Acuity | None) -> Priority:
    """Give the priority that fits a proposed level; P2 while there is none.

    Args:
        proposed: The level in force.
    """
    return "P2" if proposed is None else priority_table().allowed[proposed][0]


def proposed_priority(case: Case) -> Priority:
    """Give the priority to propose: never deferred (P3) where only a physician may defer.

    Args:
        case: With its levels in force.
    """
    fitting = fitting_priority(case.acuity_proposed)
    return "P2" if fitting == "P3" and _needs_physician(case) else fitting


def physician_reasons(*, unmatched: bool, calls_96h: int) -> tuple[PhysicianReason, ...]:
    """Give why a physician is required; nothing when none is.

    Args:
        unmatched: No protocol is known to cover the patient (age, pregnancy) or the complaint.
        calls_96h: Contacts about the patient in 96 hours, this one included.
    """
    reasons: list[PhysicianReason] = ["no_matching_protocol"] if unmatched else []
    if calls_96h >= THIRD_CALL:
        reasons.append("third_call")
    return tuple(reasons)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to decide, as far as the rules look at it."""

    kind: Kind
    acuity: Acuity
    has_reason: bool
    has_safety_net: bool
    has_service: bool


def is_open(case: Case) -> bool:
    """Tell whether a vital danger is neither assured nor excluded and can still be asked about."""
    return vital_possible(case.acuity_assured, case.acuity_worst, closed=case.interval_closed)


def vital_possible(assured: Acuity | None, worst: Acuity | None, *, closed: bool) -> bool:
    """Tell whether U0-U1 is neither assured nor excluded and can still be asked about.

    Args:
        assured: In force.
        worst: Not excluded.
        closed: No obtainable question can still matter.
    """
    return not closed and worst in _VITAL and assured not in _VITAL


def confirmation_refusal(role: Role, case: Case, *, has_reason: bool) -> Refusal | None:
    """Check who puts a milder level in force: a physician at U0-U2, with a reason always.

    Args:
        role: Of the one who confirms.
        case: With its levels in force.
        has_reason: Whether a reason came with it.
    """
    standing = most_severe(case.acuity_assured, case.acuity_proposed)
    if standing in _URGENT and role is not Role.PHYSICIAN:
        return "physician_only"
    return None if has_reason else "reason_missing"


def deferral_refusal(role: Role, case: Case) -> Refusal | None:
    """Check who defers a case: a physician where only one may decide.

    Args:
        role: Of the one who owes the call back later.
        case: The case.
    """
    if role in {Role.PHYSICIAN, Role.SYSTEM}:
        return None
    return "physician_only" if _needs_physician(case) else None


def decision_refusal(
    role: Role, delegations: tuple[str, ...], case: Case, wanted: Decision
) -> Refusal | None:
    """Check a decision.

    Args:
        role: Of the one who decides.
        delegations: Kinds an OSNP may decide alone.
        case: With its present assessment.
        wanted: The decision.

    Returns:
        None when it may stand, else why not: a level below the proposed one needs a reason
        always and a physician for U0-U2; a case that is open, that needs a physician or is at
        U0-U1 is decided by one; an operator decides only what needs no regulation.
    """
    lower = case.acuity_proposed is not None and wanted.acuity > case.acuity_proposed
    if role is not Role.PHYSICIAN:
        if role is Role.OPERATOR and not _unregulated(case):
            return "physician_only"
        if role is Role.OSNP and wanted.kind not in delegations:
            return "not_delegated"
        if _needs_physician(case) or (lower and case.acuity_proposed in _URGENT):
            return "physician_only"
    if lower and not wanted.has_reason:
        return "reason_missing"
    if wanted.kind in SAFETY_NET_KINDS and not wanted.has_safety_net:
        return "safety_net_missing"
    return "service_missing" if wanted.kind in PLACE_KINDS and not wanted.has_service else None


def _unregulated(case: Case) -> bool:
    """Tell whether a case is NR and still may be: answers after it was set can end that."""
    if case.priority != "NR":
        return False
    return priority_refusal(Role.OPERATOR, case, "NR", has_reason=False) is None


def _needs_physician(case: Case) -> bool:
    """Tell whether only a physician may decide or close."""
    if _unregulated(case):
        return False
    return case.physician_required or is_open(case) or case.acuity_proposed in _VITAL


def closing_refusal(role: Role, case: Case, *, by_physician: bool) -> Refusal | None:
    """Check who closes: an open case, or one that nobody entitled to it decided, a physician.

    Args:
        role: Of the one who closes; the system closes what it was told to.
        case: The case.
        by_physician: A physician decided it: the others may end what is done.
    """
    if role in {Role.PHYSICIAN, Role.SYSTEM}:
        return None
    if case.decided_at is not None and (by_physician or not _needs_physician(case)):
        return None
    return "physician_only" if _needs_physician(case) or not _unregulated(case) else None


def booking_refusal(role: Role, case: Case, *, by_physician: bool) -> Refusal | None:
    """Check who books or sends for a case that is open again since somebody else decided it.

    Args:
        role: Of the one who books.
        case: With its levels in force.
        by_physician: A physician decided what is carried out.
    """
    if by_physician or role in {Role.PHYSICIAN, Role.SYSTEM}:
        return None
    return "physician_only" if _needs_physician(case) else None


def priority_refusal(
    role: Role, case: Case, priority: Priority, *, has_reason: bool
) -> Refusal | None:
    """Check a priority against the level proposed.

    Args:
        role: Of the one who sets it.
        case: With its present assessment.
        priority: What shall be set.
        has_reason: Whether a reason came with it.

    Returns:
        None when it may stand; `unregulated_not_listed` for an NR that is not in the list, that
        is called about for the third time, or whose milder level nobody has confirmed. What a
        human raised to P0 or P1 is lowered with a reason only.
    """
    table = priority_table()
    if priority == "NR":
        listed = case.complaint in table.unregulated.complaints
        mild = case.acuity_assured in {None, "U4", "U5"} and case.acuity_proposed not in {
            *_URGENT,
            "U3",
        }
        settled = "third_call" not in case.physician_reasons and case.lower is None
        return None if listed and mild and settled else "unregulated_not_listed"
    proposed, physician = case.acuity_proposed, role is Role.PHYSICIAN
    if priority == "P3" and not physician and _needs_physician(case):
        return "physician_only"
    raised = case.priority in {"P0", "P1"} and _RANK.index(priority) > _RANK.index(case.priority)
    if proposed is not None and priority not in table.allowed[proposed]:
        if proposed in _URGENT and not physician:
            return "physician_only"
        return None if has_reason else "reason_missing"
    return "reason_missing" if raised and not has_reason else None


def dispatch_refusal(case: Case) -> Refusal | None:
    """Check a reflex dispatch: the level U0 is assured, or a human set P0.

    Args:
        case: The case.
    """
    vital = case.acuity_assured == "U0" or case.priority == "P0"
    return None if vital else "dispatch_not_assured"
