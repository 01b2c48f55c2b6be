"""What a closing takes away: whom nobody can be sent to any more, who can no longer send, where.

Patients enter by the care services that need no referral and go on along the links. A care
service is unreachable when every way to it from the entries led through the one that closes (it
dominates it); a sender loses a speciality when every way to it did.
"""

import msgspec
import numpy as np

from directory import links
from directory.links import Links, Mask
from directory.model import CareServiceId
from directory.screen import Indices
from directory.snapshot import Snapshot


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """One sender and the service codes that it can no longer send patients to, sorted."""

    care_service_id: CareServiceId
    services: tuple[str, ...]


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What follows when one care service closes.

    Attributes:
        unreachable: Others that no patient can be sent to any more, by id.
        losses: Senders that lose a speciality, by id.
    """

    care_service_id: CareServiceId
    unreachable: tuple[CareServiceId, ...]
    losses: tuple[Loss, ...]


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """How much hangs on one care service: how many others, and how many senders."""

    care_service_id: CareServiceId
    unreachable: int
    losses: int


def closing(snapshot: Snapshot, frozen: Links, row: int) -> Closing:
    """Tell what follows when the care service of a row closes.

    Args:
        snapshot: The directory.
        frozen: Links of the same snapshot.
        row: Which.
    """
    entries = _entries(snapshot)
    before = links.reached(frozen.onward, entries)
    after = links.reached(frozen.onward, entries, closed=row)
    cut = np.flatnonzero(before & ~after)
    services = snapshot.services
    return Closing(
        care_service_id=services[row].id,
        unreachable=tuple(services[one].id for one in cut.tolist() if one != row),
        losses=_losses(snapshot, frozen, row),
    )


def weights(snapshot: Snapshot, frozen: Links) -> tuple[Weight, ...]:
    """Rank the care services that something hangs on, the heaviest first (ties: by id).

    These are the cut vertices of the referral graph as patients walk it; one on which nothing
    hangs is left out.
    """
    found: list[Weight] = []
    linked = np.union1d(frozen.onward.ends, frozen.back.ends)
    for row in linked.tolist():
        told = closing(snapshot, frozen, row)
        if told.unreachable or told.losses:
            found.append(
                Weight(
                    care_service_id=told.care_service_id,
                    unreachable=len(told.unreachable),
                    losses=len(told.losses),
                )
            )
    return tuple(
        sorted(found, key=lambda one: (-one.losses, -one.unreachable, one.care_service_id))
    )


def _entries(snapshot: Snapshot) -> Indices:
    """Give the rows that a patient may go to by himself."""
    open_to_all = [one.active and not one.referral_required for one in snapshot.services]
    return np.flatnonzero(np.array(open_to_all, dtype=np.bool_))


def _losses(snapshot: Snapshot, frozen: Links, row: int) -> tuple[Loss, ...]:
    """Give who could send to a speciality, by whatever way, and no longer can."""
    beyond = np.flatnonzero(links.reached(frozen.onward, np.array([row], dtype=np.intp)))
    codes = sorted({snapshot.services[one].service for one in beyond.tolist()})
    lost: dict[int, list[str]] = {}
    for code in codes:
        capability = snapshot.capability(code)
        if capability is None:
            continue
        able = _senders(frozen, capability.rows)
        still = _senders(frozen, capability.rows, closed=row)
        still[row] = able[row]
        for one in np.flatnonzero(able & ~still).tolist():
            lost.setdefault(one, []).append(code)
    return tuple(
        Loss(care_service_id=snapshot.services[one].id, services=tuple(lost[one]))
        for one in sorted(lost)
    )


def _senders(frozen: Links, targets: Indices, closed: int | None = None) -> Mask:
    """Tell who can send a patient on to one of some rows, in one step or more."""
    open_rows = targets if closed is None else targets[targets != closed]
    first = np.unique(frozen.back.after(open_rows))
    if closed is not None:
        first = first[first != closed]
    return links.reached(frozen.back, first, closed)
