"""Fairness between those who could have been offered: counted from the offers as they were given.

For each service and territory: who was in reach, who was shown, who came first, and how often he
would have come first had each offer drawn lots among those in reach. A lottery is not even either,
as who publishes much is in reach often: the two Gini coefficients side by side tell what the order
adds to that. (C. Gini, Variabilità e mutabilità, 1912; 0 = all equal, towards 1 = one has all.)
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

import msgspec

from kernel.actor import Actor, require
from kernel.database import Tx


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one care service was given among the offers it was in reach of.

    Attributes:
        territory_id: Whose offers.
        service: Code of what was asked for.
        care_service_id: Who.
        in_reach: Offers that kept a place or a spare place of it.
        shown: Those among them that showed one.
        first: Those in which it came first.
        lottery: How often lots among those in reach would have put it first, on average.
    """

    territory_id: UUID
    service: str
    care_service_id: UUID
    in_reach: int
    shown: int
    first: int
    lottery: float


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """All who can be compared: one service in one territory.

    Attributes:
        territory_id: Whose offers.
        service: Code of what was asked for.
        offers: Offers with at least one place.
        gini_first: Of the first places.
        gini_shown: Of the places shown.
        gini_lottery: Of the first places that lots would have given.
        shares: Most often first in comparison with lots stands on top.
    """

    territory_id: UUID
    service: str
    offers: int
    gini_first: float
    gini_shown: float
    gini_lottery: float
    shares: tuple[Share, ...]


def gini(amounts: Sequence[float]) -> float:
    """Give the Gini coefficient; pure.

    Args:
        amounts: What each has, none below zero, in any order.

    Returns:
        0 when all have the same (or there is nothing, or nobody), at most (n - 1) / n.
    """
    total = sum(amounts)
    if total <= 0:
        return 0.0
    weighted = sum(rank * one for rank, one in enumerate(sorted(amounts), 1))
    count = len(amounts)
    return max(0.0, 2 * weighted / (count * total) - (count + 1) / count)


def grouped(shares: Iterable[Share]) -> tuple[Group, ...]:
    """Bring together those who can be compared; pure.

    Args:
        shares: In any order.

    Returns:
        Groups by territory and service.
    """
    ordered = sorted(shares, key=_whole_key)
    return tuple(_group(tuple(found)) for _, found in groupby(ordered, key=_group_key))


async def measure(tx: Tx, actor: Actor, span: timedelta) -> tuple[Group, ...]:
    """Measure the offers of a time, as far as the actor sees them.

    Args:
        tx: The transaction.
        actor: Who asks.
        span: How far back from the database's now.

    Raises:
        Forbidden: The role may not measure.
    """
    require(actor, "fairness.measure")
    rows = await tx.fetch(SELECT_SHARES, span)
    return grouped(msgspec.convert(dict(row), Share) for row in rows)


def _group_key(one: Share) -> tuple[UUID, str]:
    return (one.territory_id, one.service)


def _whole_key(one: Share) -> tuple[UUID, str, float, UUID]:
    return (one.territory_id, one.service, one.lottery - one.first, one.care_service_id)


def _group(shares: tuple[Share, ...]) -> Group:
    return Group(
        territory_id=shares[0].territory_id,
        service=shares[0].service,
        offers=sum(one.first for one in shares),
        gini_first=gini([one.first for one in shares]),
        gini_shown=gini([one.shown for one in shares]),
        gini_lottery=gini([one.lottery for one in shares]),
        shares=shares,
    )


SELECT_SHARES: Final = """
with kept as (
    select o.id, o.territory_id, o.need ->> 'service' as service, o.first_care_service_id,
        (p.one ->> 'care_service_id')::uuid as care_service_id, p.shown
    from routing.offer o
    cross join lateral (
        select e.one, true as shown from jsonb_array_elements(o.places) e(one)
        union all
        select e.one, false as shown from jsonb_array_elements(o.spare) e(one)) p
    where o.asked_at > kernel.regul_now() - $1::interval and o.first_care_service_id is not null),
reach as (
    select k.id, k.territory_id, k.service, k.care_service_id, bool_or(k.shown) as shown,
        k.care_service_id = k.first_care_service_id as first,
        1.0::float8 / count(*) over (partition by k.id) as lottery
    from kept k
    group by k.id, k.territory_id, k.service, k.care_service_id, k.first_care_service_id)
select r.territory_id, r.service, r.care_service_id, count(*)::int as in_reach,
    count(*) filter (where r.shown)::int as shown, count(*) filter (where r.first)::int as first,
    sum(r.lottery) as lottery
from reach r
group by r.territory_id, r.service, r.care_service_id
"""
