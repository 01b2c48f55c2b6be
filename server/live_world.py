"""The demo's small live world: calls arrive, the centre works, clinics change their week.

Through the public API only, with people who do not exist. It is bounded: never more than a few
cases at a time, never faster than a call every few seconds, and it leaves the newest cases in the
queues for whoever tries the demo out.
"""

import asyncio
import contextlib
import random
import sys
from collections import deque
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from server import placement, replay_cases, world_script
from server.accounts import Opened
from server.background import beside
from server.centre import API, Centre, Desk
from server.client import AwayError, RefusedError
from server.journey_clinic import Publication, week
from server.receiver import Receiver
from server.replay_cases import Places
from server.replay_policy import Acuity, decide
from server.wire import CareServices

LEFT_FOR_PEOPLE: Final = 6
"""So many cases stay in the queues before the scripted physician takes the oldest."""
MOST_CALLS: Final = 5_000
"""Then the world rests until the next start: a forgotten demo does not fill the disk."""
SHORTEST_S: Final = 3.0
PUBLISH_EVERY_S: Final = 45.0
ANSWER_EVERY_S: Final = 20.0
"""The scripted receiver lets a human see a handoff for a while before it accepts."""
DAYS_AHEAD: Final = 15
"""The week that clinics write anew lies beyond the seeded diaries."""
KEPT: Final = 0.8
"""Share of the places that a clinic keeps when it writes its week anew."""
CLINICS: Final = ("clinic", "clinic-2")
INHABITANTS: Final = 566_000
ZONE: Final = "Europe/Paris"


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A case in a physician's queue: its journey and the level proposed."""

    desk: Desk
    case: UUID
    proposed: str | None


class LiveWorld:
    """Keeps a demo alive; use as an async context manager.

    Attributes:
        calls: How many calls have come.
        settled: How many cases the scripted physician has brought to an end.
        published: How often a clinic has published.
    """

    def __init__(
        self, base_url: str, accounts: Sequence[Opened], *, seed: int, speed: float
    ) -> None:
        """Set up; nothing happens before it is entered.

        Args:
            base_url: Of the API.
            accounts: The demo's, with their keys and organisations.
            seed: Of every random choice.
            speed: How much busier than reality.
        """
        self.calls = self.settled = self.published = 0
        self._centre = Centre(base_url, {one.login: one.key for one in accounts})
        self._surgeries = {
            one.login: one.organisation_ids[0] for one in accounts if one.login in CLINICS
        }
        self._dice = random.Random(f"{seed}/world")
        self._seed = seed
        self._speed = speed
        self._places = Places(replay_cases.communes())
        self._queue: deque[Waiting] = deque()
        self._running = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin."""
        for work in (self._calls(), self._clinic(), self._receiver()):
            await self._running.enter_async_context(beside(work))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; what is half done stays as it is in the record."""
        await self._running.aclose()
        await self._centre.close()

    async def one_call(self) -> None:
        """Let somebody call; their case enters a physician's queue.

        Raises:
            RefusedError: The service refused.
            AwayError: The service is away.
        """
        self.calls += 1
        desk = self._centre.desk()
        recorded = world_script.presentation(self._dice)
        place = self._places.of(self._seed, f"world/{self.calls}")
        person = world_script.person(self._dice)
        call = await desk.call(person)
        case = await desk.open_case(call, recorded, place, person)
        await desk.record(case, recorded)
        file = await desk.read(case)
        await desk.qualify(file)
        await desk.end_call(call, "case", case)
        waiting = Waiting(desk=desk, case=case, proposed=file.case.acuity_proposed)
        self._queue.append(waiting)

    async def one_decision(self) -> None:
        """Let the scripted physician settle the oldest case that is still free to take.

        Raises:
            RefusedError: A human was quicker, or the service refused.
            AwayError: The service is away.
        """
        oldest = self._queue.popleft()
        await oldest.desk.take(oldest.case)
        level = None if oldest.proposed is None else msgspec.convert(oldest.proposed, Acuity)
        seed = self._dice.randrange(2**31)
        await placement.settle(oldest.desk, oldest.case, decide(level), seed)
        self.settled += 1

    async def one_publication(self) -> None:
        """Let a clinic write its week anew, a few places more or less.

        Raises:
            RefusedError: The service refused.
            AwayError: The service is away.
        """
        login = self._dice.choice(CLINICS)
        client = self._centre.client(login)
        path = f"{API}/care-services?organisation={self._surgeries[login]}"
        own = (await client.get(path, CareServices)).care_services
        diaries = [one for service in own for one in service.schedules]
        if diaries:
            path = f"{API}/schedules/{self._dice.choice(diaries)}/slots"
            await client.accepted("PUT", path, self._week())
            self.published += 1

    def _week(self) -> Publication:
        """Write a week beyond the seeded diaries with some of its places left out."""
        now = datetime.now(UTC)
        first = now.replace(hour=0, minute=0, second=0, microsecond=0)
        whole = week(first + timedelta(days=DAYS_AHEAD), int(now.timestamp()))
        kept = [slot for slot in whole.slots if self._dice.random() < KEPT]
        return msgspec.structs.replace(whole, slots=kept)

    async def _calls(self) -> None:
        """Let calls come at the rate of the hour, and work the queue down to what is left."""
        while self.calls < MOST_CALLS:
            local = datetime.now(ZoneInfo(ZONE))
            rate = world_script.calls_per_hour(local, INHABITANTS, self._speed)
            await asyncio.sleep(world_script.wait_s(self._dice, rate, SHORTEST_S))
            await _tolerated(self.one_call())
            if len(self._queue) > LEFT_FOR_PEOPLE:
                await _tolerated(self.one_decision())

    async def _clinic(self) -> None:
        while True:
            await _tolerated(self.one_publication())
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _receiver(self) -> None:
        receiver = Receiver(self._centre.client("receiver"))
        while True:
            await asyncio.sleep(ANSWER_EVERY_S)
            await _tolerated(receiver.look())


async def _tolerated(step: Awaitable[None]) -> None:
    """Do a step; a refusal or a service that is away is told and the world goes on."""
    try:
        await step
    except (RefusedError, AwayError) as error:
        sys.stderr.write(f"regul: live world: {error}\n")
