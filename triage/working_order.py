"""The order in which waiting cases are worked; pure.

Assured U0-U1 first, and what a human said to be as urgent (P0, P1); then open cases whose
worst is U0-U1, oldest first, marked not qualified; then the rest by level and age. Only a U0 that
the answers assure sounds: a priority ranks a case and rings nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from triage.acuity import Acuity, most_severe

_URGENT: Final[frozenset[Acuity | None]] = frozenset({"U0", "U1"})


class WaitingCase(msgspec.Struct, frozen=True, kw_only=True):
    """What the order needs of a waiting case.

    `assured` is the level in force; `said` what a human asserted with the priority; `proposed`
    ranks within the rest; `opened_at` is an aware UTC time.
    """

    case_id: UUID
    assured: Acuity | None
    worst: Acuity | None
    proposed: Acuity | None
    closed: bool
    opened_at: datetime
    said: Acuity | None = None

    def counts_as(self) -> Acuity | None:
        """Give the level that ranks it: the more severe of what is assured and what was said."""
        return most_severe(self.assured, self.said)


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
    return case.counts_as() not in _URGENT and not case.closed and case.worst in _URGENT


def _key(case: WaitingCase) -> tuple[int, str, datetime, str]:
    """Give the sort key: group, level within the group, age, then the id."""
    level = case.counts_as()
    if level in _URGENT:
        return (0, level or "", case.opened_at, str(case.case_id))
    if _not_qualified(case):
        return (1, "", case.opened_at, str(case.case_id))
    return (2, most_severe(case.proposed, level) or "U9", case.opened_at, str(case.case_id))
