"""A checker of what happened to seats: from outside, afterwards, in linear time; pure.

It is given two things that know nothing of each other: what callers were told, with the time of
each question and answer, and every version that each seat had, in order. As the order of versions
is known, no search is needed: each is looked at once. Source: Kingsbury and Alvaro, "Elle:
inferring isolation anomalies from experimental observations", VLDB 2020, for recoverable version
orders.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from directory.seat_states import SeatState

SLACK_S: Final = 0.5
"""How far the database's clock may be off the callers', seconds: so much later a hold may still
have stood in the way."""
_CLAIMED: Final = (SeatState.HELD, SeatState.BOOKED, SeatState.DISPLACED)
_TAKEN: Final = frozenset({"slot_taken"})
_GONE: Final = frozenset({"slot_withdrawn", "slot_missing"})
_LATE: Final = frozenset({"hold_expired"})
_LET: Final = frozenset({"sequence_not_newer", "too_many_holds", "slot_missing"})
"""Refusals of a publisher who was overtaken, and of one who holds too much: nothing of a seat."""


class Operation(msgspec.Struct, kw_only=True):
    """One question of a caller.

    Attributes:
        id: Its idempotency key.
        verb: `hold`, `book`, `release`, `cancel`, `withdraw` or `publish`.
        slot_id: What it is about; None for a whole diary.
        claim: The hold it is about; of a hold what it made, as its key says.
        called: When it was asked, seconds of the callers' clock.
        returned: When it was answered; infinite when nobody lived to hear it.
        result: `ok`, the code of a refusal, or empty: not known.
    """

    id: str
    verb: str
    slot_id: UUID | None = None
    claim: UUID | None = None
    called: float
    returned: float = math.inf
    result: str = ""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a seat.

    Attributes:
        slot_id: With `seat`: which.
        claim: Who has it.
        until: End of a hold, by the database's clock, seconds since 1970.
        at: When it was written, by the same clock.
        operation: Key of what wrote it; None = nobody who was known.
    """

    slot_id: UUID
    seat: int
    state: SeatState
    claim: UUID | None
    until: float | None
    at: float
    operation: str | None


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must never be.

    Attributes:
        kind: `double`, `lost`, `phantom`, `false_refusal`, `refused_but_done` or `out_of_order`.
        about: Key of the operation, or the seat, and what it met.
    """

    kind: str
    about: str


class _Line(msgspec.Struct):
    """The versions of one seat, and when each may have begun and ended for callers."""

    versions: list[Version] = []
    early: list[float] = []
    late: list[float] = []

    def barred(self, since: float, to: float, offset: float) -> bool:
        """Tell whether nobody could have claimed it at some moment of an interval."""
        number = bisect_right(self.early, to) - 1
        while number >= 0:
            end = self.late[number + 1] if number + 1 < len(self.late) else math.inf
            one = self.versions[number]
            if end < since:
                return False
            if one.state is not SeatState.FREE:
                lapse = math.inf if one.until is None else one.until - offset + SLACK_S
                if min(end, lapse) >= since:
                    return True
            number -= 1
        # Before its first version it was not there, as far as anybody knew.
        return self.late[0] >= since

    def gone(self, to: float) -> bool:
        """Tell whether its publisher may have withdrawn it by then."""
        return any(
            begin <= to and one.state in {SeatState.DISPLACED, SeatState.WITHDRAWN}
            for one, begin in zip(self.versions, self.early, strict=True)
        )


def check(
    versions: Iterable[Version], operations: Mapping[str, Operation], *, offset: float
) -> Sequence[Wrong]:
    """Compare what callers were told with what became of the seats.

    Args:
        versions: Of all seats, those of one seat in their order.
        operations: All questions, by key.
        offset: The database's clock less the callers', seconds.

    Returns:
        What is wrong, the seats first.
    """
    wrongs: list[Wrong] = []
    lines: dict[tuple[UUID, int], _Line] = {}
    for one in versions:
        lines.setdefault((one.slot_id, one.seat), _Line([], [], [])).versions.append(one)
    for line in lines.values():
        wrongs.extend(_transitions(line.versions, operations))
        wrongs.extend(_windows(line, operations))
    slots: dict[UUID, list[_Line]] = {}
    claims: dict[UUID, list[_Line]] = {}
    for (slot_id, _), line in lines.items():
        slots.setdefault(slot_id, []).append(line)
        for claim in {one.claim for one in line.versions if one.claim is not None}:
            claims.setdefault(claim, []).append(line)
    unsettled = {one.claim for one in operations.values() if not one.result} - {None}
    seen = _Seen(slots, claims, frozenset(unsettled), offset)
    for asked in operations.values():
        found = seen.wrong(asked)
        if found is not None:
            wrongs.append(Wrong(kind=found, about=f"{asked.verb} {asked.id} {asked.result}"))
    return wrongs


def _transitions(
    versions: Sequence[Version], operations: Mapping[str, Operation]
) -> Iterable[Wrong]:
    """Look at each change of one seat: allowed, by one who asked for it and was not refused."""
    before: Version | None = None
    for one in versions:
        about = f"seat {one.slot_id}/{one.seat} {one.state} {one.operation}"
        asked = None if one.operation is None else operations.get(one.operation)
        verb = _verb(before, one)
        if verb is None:
            yield Wrong(kind="double", about=about)
        elif before is not None or one.operation is not None:
            if asked is None or asked.verb not in verb:
                yield Wrong(kind="phantom", about=about)
            elif asked.result not in {"", "ok"}:
                yield Wrong(kind="refused_but_done", about=about)
        before = one


_PUBLISHER: Final = frozenset({"withdraw", "publish"})
_ENDS: Final = frozenset({"release", "cancel"})


def _verb(before: Version | None, after: Version) -> frozenset[str] | None:
    """Give the questions that may lead from one version to the next; None: none may."""
    if before is None:
        return frozenset({"publish"}) if after.state is SeatState.FREE else None
    lapsed = (
        before.state is SeatState.HELD and before.until is not None and before.until <= after.at
    )
    open_ = before.state is SeatState.FREE or lapsed
    same = before.claim == after.claim and before.claim is not None
    rules = {
        SeatState.HELD: frozenset({"hold"}) if open_ and not same else None,
        SeatState.BOOKED: frozenset({"book"}) if same and before.state is SeatState.HELD else None,
        SeatState.FREE: _ENDS if before.state in {SeatState.HELD, SeatState.BOOKED} else None,
        SeatState.DISPLACED: _PUBLISHER
        if same and before.state in {SeatState.HELD, SeatState.BOOKED}
        else None,
        SeatState.WITHDRAWN: _ENDS
        if before.state is SeatState.DISPLACED
        else (_PUBLISHER if open_ else None),
    }
    return rules[after.state]


def _windows(line: _Line, operations: Mapping[str, Operation]) -> Iterable[Wrong]:
    """Find when each version may have begun, and that their order fits the answers."""
    asked = [operations.get(one.operation or "") for one in line.versions]
    latest = -math.inf
    for one in asked:
        latest = max(latest, -math.inf if one is None else one.called)
        line.early.append(latest)
    soonest = math.inf
    for one in reversed(asked):
        soonest = min(soonest, math.inf if one is None else one.returned)
        line.late.append(soonest)
    line.late.reverse()
    if asked[0] is None:
        line.late[0] = -math.inf  # it was there before anybody asked
    for number, (early, late) in enumerate(zip(line.early, line.late, strict=True)):
        if early > late:
            one_version = line.versions[number]
            yield Wrong(
                kind="out_of_order",
                about=f"seat {one_version.slot_id}/{one_version.seat} {one_version.operation}",
            )


class _Seen(msgspec.Struct, frozen=True):
    """What answers are compared with.

    Attributes:
        slots: Seats by slot.
        claims: Seats by who ever had them.
        unsettled: Claims about which somebody was never answered.
        offset: The database's clock less the callers', seconds.
    """

    slots: Mapping[UUID, Sequence[_Line]]
    claims: Mapping[UUID, Sequence[_Line]]
    unsettled: frozenset[UUID | None]
    offset: float

    def wrong(self, asked: Operation) -> str | None:
        """Say what is wrong with one answer, if anything is."""
        if not asked.result:
            return None
        if asked.result == "ok":
            return None if self._kept(asked) else "lost"
        return None if self._earned(asked) else "false_refusal"

    def _kept(self, asked: Operation) -> bool:
        mine = self._mine(asked)
        wanted = {"hold": SeatState.HELD, "book": SeatState.BOOKED}.get(asked.verb)
        if wanted is not None:
            return _was(mine, asked.claim, wanted)
        return asked.verb not in _ENDS or not _has_still(mine, asked.claim)

    def _earned(self, asked: Operation) -> bool:
        places = [] if asked.slot_id is None else self.slots.get(asked.slot_id, [])
        if asked.result in _TAKEN:
            return all(line.barred(asked.called, asked.returned, self.offset) for line in places)
        if asked.result in _GONE and asked.verb in {"hold", "book"}:
            return any(line.gone(asked.returned) for line in places)
        if asked.result in _LATE:
            return _lapsed(self._mine(asked), asked, self.offset)
        return asked.result in _LET or asked.claim in self.unsettled

    def _mine(self, asked: Operation) -> Sequence[_Line]:
        return [] if asked.claim is None else self.claims.get(asked.claim, [])


def _was(lines: Sequence[_Line], claim: UUID | None, state: SeatState) -> bool:
    return any(one.claim == claim and one.state is state for line in lines for one in line.versions)


def _has_still(lines: Sequence[_Line], claim: UUID | None) -> bool:
    """Tell whether a claim that was given back stands in a seat at the end."""
    return any(
        line.versions[-1].claim == claim and line.versions[-1].state in _CLAIMED for line in lines
    )


def _lapsed(lines: Sequence[_Line], asked: Operation, offset: float) -> bool:
    """Tell whether the time of a hold may have passed before its booking was answered."""
    return any(
        one.claim == asked.claim
        and one.until is not None
        and one.until - offset - SLACK_S <= asked.returned
        for line in lines
        for one in line.versions
    )
