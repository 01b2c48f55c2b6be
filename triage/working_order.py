"""The order in which waiting cases are worked; pure.

Assured U0-U1 first; then open cases whose worst is U0-U1, oldest first, marked not
qualified; then the rest by level and age.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from triage.acuity import Acuity

_URGENT: Final[frozenset[Acuity | None]] = frozenset({"U0", "U1"})


class WaitingCase(msgspec.Struct, frozen=True, kw_only=True):
    """What the order needs of a waiting case.

    `assured` is the level that counts, a human's upward change included; `proposed` ranks
    within the rest; `opened_at` is an aware UTC time.
    """

    case_id: UUID
    assured: Acuity | None
    worst: Acuity | None
    proposed: Acuity | None
    closed: bool
    opened_at: datetime


class RankedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case at its place; `sounds` only for an assured U0."""

    case_id: UUID
    rank: int
    not_qualified: bool
    sounds: bool


def working_order(cases: Iterable[WaitingCase]) -> tuple[RankedCase, ...]:
    """Rank waiting cases.

    Args:
        cases: The cases of one queue, in any order.

    Returns:
        The same cases, rank 0 first; equal cases keep one order whatever came in.
    """
    ordered = sorted(cases, key=_key)
    return tuple(
        RankedCase(
            case_id=case.case_id,
            rank=rank,
            not_qualified=_not_qualified(case),
            sounds=case.assured == "U0",
        )
        for rank, case in enumerate(ordered)
    )


def _not_qualified(case: WaitingCase) -> bool:
    """Tell whether a vital danger is still possible and can still be asked about."""
    return case.assured not in _URGENT and not case.closed and case.worst in _URGENT


def _key(case: WaitingCase) -> tuple[int, str, datetime, str]:
    """Give the sort key: group, level within the group, age, then the id."""
    if case.assured in _URGENT:
        return (0, case.assured or "", case.opened_at, str(case.case_id))
    if _not_qualified(case):
        return (1, "", case.opened_at, str(case.case_id))
    return (2, case.proposed or "U9", case.opened_at, str(case.case_id))
