"""The core of a replay: recorded cases through the public API, and what was seen at the end.

Any process may die while it runs: every request is repeated under its key until it is answered.
The check at the end reads everything again from outside: each case with its disposition and its
one responsible, each appointment with its seat, and the events that a subscriber received.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import msgspec

from server import placement, replay_cases, wire
from server.centre import API, Centre
from server.client import AwayError, RefusedError
from server.placement import Placed
from server.receiver import receiving
from server.replay_cases import Places, RecordedCase
from server.replay_ledger import NO_LEVEL, Ending, Inbox, Steps, unannounced
from server.replay_policy import Acuity, decide
from server.subscriber import Subscriber, following, settle
from server.world_script import Person

WORKERS: Final = 8
SETTLE_S: Final = 90.0
LOOK_EVERY_S: Final = 0.5
LOGINS: Final = ("operator", "physician", "receiver", "supervisor")
KINDS: Final = (
    "call.received", "call.ended", "case.opened", "case.qualified", "case.closed",
    "assessment.recorded", "disposition.decided", "hold.placed", "appointment.booked",
    "appointment.pending", "appointment.confirmed", "appointment.cancelled", "referral.sent",
    "referral.updated", "handoff.requested", "handoff.delivered", "handoff.accepted",
    "handoff.refused", "handoff.overdue", "handoff.escalated", "waiting.entered",
    "waiting.placed", "callback.due", "slot.displaced", "availability.published",
)  # fmt: skip
"""What the replay's subscriber asks for."""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The service that a replay talks to.

    Attributes:
        base_url: Of the API.
        nats_url: Of NATS, with or without credentials; the subscriber signs in with its own.
        keys: API key by login, for each of `LOGINS`.
    """

    base_url: str
    nats_url: str
    keys: Mapping[str, str]


Progress: TypeAlias = Callable[[int], None]
"""Told how many cases have ended."""


def _nothing(_done: int) -> None:
    """Take note of nothing."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run.

    Attributes:
        seed: Of places, offers and callers.
        workers: Cases under way at a time.
        settle_s: How long events and answers may arrive after the last case, seconds.
        progress: Told how many cases have ended.
        before_check: Done after the run and before the check: plants a fault.
    """

    seed: int = 80
    workers: int = WORKERS
    settle_s: float = SETTLE_S
    progress: Progress = _nothing
    before_check: Callable[[Sequence[Ending]], Awaitable[None]] | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What a replay saw.

    Attributes:
        expected: How many cases were sent in.
        endings: How each ended, in the order of ending; a case that is not here was lost.
        failures: Why a case was lost, by source id.
        silent: Cases whose events did not all arrive, with the kinds that are missing.
        inbox: What the subscriber received.
        over_nats: How many messages came over NATS; the rest filled gaps over HTTP.
        steps: Times.
        took_s: From the first call to the last ending, seconds.
    """

    expected: int
    endings: list[Ending]
    failures: dict[str, str]
    inbox: Inbox
    steps: Steps
    silent: Sequence[tuple[str, tuple[str, ...]]] = ()
    over_nats: int = 0
    took_s: float = 0.0


async def run(where: Where, cases: Sequence[RecordedCase], options: Options) -> Outcome:
    """Run recorded cases and check what became of them.

    Args:
        where: A seeded service with demo accounts.
        cases: In the order in which they are started.
        options: How.
    """
    steps = Steps()
    centre = Centre(where.base_url, where.keys, steps)
    outcome = Outcome(expected=len(cases), endings=[], failures={}, inbox=Inbox(), steps=steps)
    try:
        subscriber = await subscribed(centre, where)
        outcome.inbox = subscriber.inbox
        async with following(subscriber), receiving(centre.client("receiver")):
            began = time.monotonic()
            drafts = await _all(centre, cases, options, outcome)
            outcome.took_s = time.monotonic() - began
            await _settled(subscriber, drafts, options.settle_s)
            if options.before_check is not None:
                await options.before_check(drafts)
                await _settled(subscriber, drafts, 1.0)
        await _check(centre, drafts, options.workers, outcome)
        outcome.over_nats = subscriber.over_nats
    finally:
        await centre.close()
    outcome.silent = unannounced(outcome.endings, outcome.inbox.kinds_by_journey())
    return outcome


async def subscribed(centre: Centre, where: Where) -> Subscriber:
    """Subscribe as the supervisor, whose territory is the whole replay's.

    Args:
        centre: With the supervisor's client.
        where: Address of NATS.
    """
    client = centre.client("supervisor")
    body = {"kinds": KINDS, "delivery": "nats"}
    made = await client.post(f"{API}/subscriptions", body, wire.Made)
    return Subscriber(client, where.nats_url, where.keys["supervisor"], made.id)


async def _all(
    centre: Centre, cases: Sequence[RecordedCase], options: Options, outcome: Outcome
) -> list[Ending]:
    """Run every case, `workers` at a time; give the endings as the journeys saw them."""
    places = Places(replay_cases.communes())
    waiting = iter(cases)
    drafts: list[Ending] = []

    async def work() -> None:
        for case in waiting:
            try:
                drafts.append(await _one(centre, case, places, options.seed))
            except (RefusedError, AwayError, msgspec.MsgspecError) as error:
                outcome.failures[case.id] = str(error)
            options.progress(len(drafts) + len(outcome.failures))

    async with asyncio.TaskGroup() as group:
        for _ in range(options.workers):
            group.create_task(work())
    return drafts


async def _one(centre: Centre, recorded: RecordedCase, places: Places, seed: int) -> Ending:
    """Bring one recorded case from its call to its end."""
    began = time.monotonic()
    desk = centre.desk(uuid4().hex)
    place = places.of(seed, recorded.id)
    number = hash_of(seed, recorded.id)
    person = Person(family="Rejeu (fictif)", given="Cas", phone=f"+3363998{number % 10_000:04d}")
    call = await desk.call(person)
    case = await desk.open_case(call, recorded, place, person)
    await desk.record(case, recorded)
    file = await desk.read(case)
    await desk.qualify(file)
    await desk.end_call(call, "case", case)
    await desk.take(case)
    proposed = file.case.acuity_proposed
    level = None if proposed is None else msgspec.convert(proposed, Acuity)
    placed = await placement.settle(desk, case, decide(level), number)
    centre.steps.add("whole_case", time.monotonic() - began)
    return _draft(recorded, desk.journey, case, proposed, placed)


def hash_of(seed: int, name: str) -> int:
    """Give a number that depends on seed and name only, below 2**31.

    Args:
        seed: Of the run.
        name: Id of the case.
    """
    return zlib.crc32(f"{seed}/{name}".encode()) & 0x7FFFFFFF


def _draft(
    recorded: RecordedCase, journey: str, case: UUID, proposed: str | None, placed: Placed
) -> Ending:
    booked = placed.appointment
    return Ending(
        source_id=recorded.id,
        journey=journey,
        case_id=case,
        acuity=proposed or NO_LEVEL,
        outcome=placed.outcome,
        appointment_id=None if booked is None else booked.id,
        seat=None if booked is None else (booked.slot_id, booked.seat),
    )


async def _settled(subscriber: Subscriber, drafts: Sequence[Ending], settle_s: float) -> None:
    """Wait until every expected event has arrived and no number is missing, or time is up."""
    end = time.monotonic() + settle_s
    while time.monotonic() < end:
        await settle(subscriber)
        inbox = subscriber.inbox
        if not inbox.missing() and not unannounced(drafts, inbox.kinds_by_journey()):
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _check(centre: Centre, drafts: Sequence[Ending], workers: int, outcome: Outcome) -> None:
    """Read every case and appointment again, as they stand now."""
    waiting = iter(drafts)

    async def look() -> None:
        for draft in waiting:
            try:
                outcome.endings.append(await _read_again(centre, draft))
            except (RefusedError, AwayError, msgspec.MsgspecError) as error:
                outcome.failures[draft.source_id] = str(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(look())


async def _read_again(centre: Centre, draft: Ending) -> Ending:
    client = centre.client("operator")
    file = await client.get(f"{API}/cases/{draft.case_id}", wire.CaseFile)
    seat = None
    if draft.appointment_id is not None:
        path = f"{API}/appointments/{draft.appointment_id}"
        booked = await client.get(path, wire.Appointment)
        seat = (booked.slot_id, booked.seat)
    return msgspec.structs.replace(
        draft,
        responsible=file.case.responsible,
        dispositions=len(file.dispositions),
        seat=seat,
    )
