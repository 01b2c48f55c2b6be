"""What a replay saw: numbered events, steps with their times, and how each case ended.

Pure book-keeping; the invariants of a replay are checked on it: no event number is missing or
twice with different content, no seat is booked twice, every case ends and is announced.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from server.replay_policy import Outcome
from server.report import Figure, against_goal, percentile

NO_LEVEL: Final = "none"
"""Acuity of a case for which triage proposed no level."""

ALWAYS: Final = ("call.received", "case.opened", "case.qualified", "disposition.decided")
EXPECTED: Final[Mapping[Outcome, tuple[str, ...]]] = {
    "advice": (*ALWAYS, "case.closed"),
    "appointment": (*ALWAYS, "appointment.booked|appointment.pending", "handoff.requested"),
    "referral": (*ALWAYS, "referral.sent", "handoff.requested", "handoff.accepted"),
    "waiting": (*ALWAYS, "waiting.entered"),
}
"""Event kinds that a case's subscriber must have received, by how the case ended; `a|b` is one
of both."""


class NumberedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a subscriber received it.

    Attributes:
        number: Gapless in its subscription, from 1.
        id: Of the event.
        kind: Such as `appointment.booked`.
        subject: Pseudonym under which the subscriber knows the case; empty without a case.
        journey: Correlation id of the request that caused it.
    """

    number: int
    id: str
    kind: str
    subject: str
    journey: str = ""


class Inbox:
    """The numbered events of one subscription, in any order of arrival, repeated or not."""

    def __init__(self) -> None:
        """Begin with nothing received."""
        self._by_number: dict[int, NumberedEvent] = {}
        self._contradictions: list[int] = []
        self.repeated = 0

    def receive(self, event: NumberedEvent) -> bool:
        """Take an event.

        Args:
            event: As received.

        Returns:
            False when this number was there already.
        """
        known = self._by_number.setdefault(event.number, event)
        if known is event:
            return True
        self.repeated += 1
        if known.id != event.id:
            self._contradictions.append(event.number)
        return False

    def __len__(self) -> int:
        """Give how many different numbers arrived."""
        return len(self._by_number)

    @property
    def whole_up_to(self) -> int:
        """Give the last number before the first gap; 0 when number 1 is missing."""
        number = 0
        while number + 1 in self._by_number:
            number += 1
        return number

    @property
    def highest(self) -> int:
        """Give the highest number received; 0 for none."""
        return max(self._by_number, default=0)

    def missing(self) -> Sequence[int]:
        """Give the numbers below the highest that never arrived, ascending."""
        return [n for n in range(1, self.highest) if n not in self._by_number]

    def contradictions(self) -> Sequence[int]:
        """Give the numbers that came with two different events."""
        return tuple(self._contradictions)

    def kinds_by_journey(self) -> Mapping[str, frozenset[str]]:
        """Give the kinds received of each journey.

        An event that others cause later, such as the receiver's answer, belongs to the journey
        that opened its case: the pseudonym joins them.
        """
        opened = {
            event.subject: event.journey
            for event in self._by_number.values()
            if event.kind == "case.opened"
        }
        kinds: defaultdict[str, set[str]] = defaultdict(set)
        for event in self._by_number.values():
            kinds[opened.get(event.subject, event.journey)].add(event.kind)
        return {journey: frozenset(found) for journey, found in kinds.items()}

    def events(self) -> Sequence[NumberedEvent]:
        """Give all events in the order of their numbers."""
        return [self._by_number[number] for number in sorted(self._by_number)]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How one recorded case ended, as read back from outside.

    Attributes:
        source_id: Id of the recorded case.
        journey: Correlation id of its requests.
        case_id: The case made from it.
        acuity: Proposed level, or `none`.
        outcome: How it ended.
        responsible: Whoever is responsible at the end: ids of actors or organisations.
        dispositions: How many dispositions the case has.
        appointment_id: For outcome `appointment`.
        seat: (slot, seat number) of its appointment; None without one.
    """

    source_id: str
    journey: str
    case_id: UUID
    acuity: str
    outcome: Outcome
    responsible: tuple[UUID, ...] = ()
    dispositions: int = 0
    appointment_id: UUID | None = None
    seat: tuple[UUID, int] | None = None


class Steps:
    """Times of the steps, by name, in the order in which steps first happened."""

    def __init__(self) -> None:
        """Begin with no step."""
        self._seconds: dict[str, list[float]] = {}

    def add(self, name: str, seconds: float) -> None:
        """Record one step.

        Args:
            name: Such as `offer`.
            seconds: From sending the first attempt to the answer.
        """
        self._seconds.setdefault(name, []).append(seconds)

    def figures(self) -> list[Figure]:
        """Give p50, p95 and p99 of each step in milliseconds."""
        return [
            Figure(
                name=f"step.{name}.p{int(share * 100)}",
                value=round(percentile(seconds, share) * 1000, 1),
                unit="ms",
            )
            for name, seconds in self._seconds.items()
            for share in (0.5, 0.95, 0.99)
        ]


def twice(endings: Iterable[Ending]) -> Sequence[tuple[UUID, int]]:
    """Give the seats that more than one case holds."""
    seats = Counter(ending.seat for ending in endings if ending.seat is not None)
    return [seat for seat, count in seats.items() if count > 1]


def totals(endings: Iterable[Ending]) -> list[Figure]:
    """Count the cases per proposed level and outcome, sorted by level."""
    pairs = Counter((ending.acuity, ending.outcome) for ending in endings)
    ordered = sorted(pairs.items(), key=lambda item: (item[0][0] == NO_LEVEL, item[0]))
    return [
        Figure(name=f"cases.{acuity}.{outcome}", value=count, unit="cases")
        for (acuity, outcome), count in ordered
    ]


def unannounced(
    endings: Iterable[Ending], received: Mapping[str, frozenset[str]]
) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Give the cases whose events did not all arrive.

    Args:
        endings: How the cases ended.
        received: Kinds received by journey.

    Returns:
        (source id, kinds that are missing), in the order of the endings.
    """
    found = []
    for ending in endings:
        kinds = received.get(ending.journey, frozenset())
        lacking = tuple(one for one in EXPECTED[ending.outcome] if kinds.isdisjoint(one.split("|")))
        if lacking:
            found.append((ending.source_id, lacking))
    return found


def invariants(
    endings: Sequence[Ending], *, expected: int, inbox: Inbox, silent: int
) -> list[Figure]:
    """Give the figures that decide the exit code: each goal must be met.

    Args:
        endings: How the cases ended.
        expected: How many cases were read.
        inbox: What the subscriber received.
        silent: Cases whose events did not all arrive.
    """
    return [
        against_goal("lost", expected - len(endings), "cases", "== 0"),
        against_goal("booked_twice", len(twice(endings)), "seats", "== 0"),
        against_goal(
            "without_disposition",
            sum(ending.dispositions < 1 for ending in endings),
            "cases",
            "== 0",
        ),
        against_goal(
            "not_one_responsible",
            sum(len(ending.responsible) != 1 for ending in endings),
            "cases",
            "== 0",
        ),
        against_goal("unannounced", silent, "cases", "== 0"),
        against_goal("events_missing", len(inbox.missing()), "events", "== 0"),
        against_goal("events_contradicting", len(inbox.contradictions()), "events", "== 0"),
    ]
