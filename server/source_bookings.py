"""The worker that asks the sources of mirrored diaries: books, and takes back what is not wanted.

What is to be said is taken under a lease in one transaction, said outside any, and the answer is
written in another that holds only for this attempt. A worker killed in between has lost nothing:
the lease lapses, and the same question is asked again under the same id. Each source has a lane of
its own, so that one that does not answer keeps nobody else waiting.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Never

from directory import booking_sources
from directory.booking_sources import BookingSource
from events import listening
from interop import source_booking
from interop.source_booking import Editor, Limits, Said, Verdict, Wanted
from kernel import actor as actors
from kernel import errors, telemetry
from kernel.database import Database, Tx
from kernel.settings import Settings
from routing import mirrored, source_answers
from routing.mirrored import Errand, SourceState

_EVERY_S: Final = 0.5
_AT_ONCE: Final = 2
"""Questions to one source at a time."""
_THREADS: Final = 32
_SYSTEM: Final = actors.system()


class Asker:
    """Says at the sources what is due; one for each process."""

    def __init__(
        self, database: Database, settings: Settings, limits: Limits | None = None
    ) -> None:
        """Prepare.

        Args:
            database: Pool under `regul_system`.
            settings: Of this process: where tokens lie, and whether this machine is asked.
            limits: How long a source may take.
        """
        self._database = database
        self._settings = settings
        self._limits = limits
        self._threads = ThreadPoolExecutor(_THREADS, "source")
        self._lanes: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> Never:
        """Ask for as long as the process lives."""
        try:
            while True:
                await self.start_lanes()
                await listening.pause(_EVERY_S)
        finally:
            for lane in self._lanes.values():
                lane.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def start_lanes(self) -> None:
        """Open a lane for each source at which something is due and none is open."""
        self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.done()}
        async with self._database.transaction(_SYSTEM) as tx:
            wanted = await mirrored.due(tx)
        for source in wanted:
            if source not in self._lanes:
                self._lanes[source] = asyncio.create_task(self._lane(source))

    async def _lane(self, source: str) -> None:
        try:
            while await self.step(source):
                pass
        except errors.RegulError as problem:
            telemetry.logger().warning("source.stopped", code=problem.code)

    async def step(self, source: str) -> int:
        """Say what is due at one source; give how many questions were asked."""
        taken = await self._database.run(_SYSTEM, lambda tx: mirrored.take(tx, source, _AT_ONCE))
        if not taken:
            return 0
        async with self._database.transaction(_SYSTEM) as tx:
            known = await booking_sources.find(tx, source)
        await asyncio.gather(*(self._carry(errand, known) for errand in taken))
        return len(taken)

    async def _carry(self, errand: Errand, source: BookingSource | None) -> None:
        if source is None:
            said = Said(verdict=Verdict.NOTHING, outcome="source_unknown")
        else:
            ask = partial(_ask, errand, source, self._settings, self._limits)
            said = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        system = actors.system(errand.territory_id)
        await self._database.run(system, lambda tx: settle(tx, errand, said))


async def settle(tx: Tx, errand: Errand, said: Said) -> None:
    """Write what a source said.

    Args:
        tx: A transaction of the system in the errand's territory.
        errand: What was asked.
        said: The answer.
    """
    if said.verdict is Verdict.NOTHING:
        await mirrored.again(tx, errand, said.outcome)
    elif errand.state is SourceState.UNDOING:
        await mirrored.set_undone(tx, errand, said.outcome)
    elif said.verdict is Verdict.YES:
        await source_answers.said_yes(tx, errand, said.reference)
    else:
        await source_answers.said_no(tx, errand, said.outcome)


def _ask(
    errand: Errand, source: BookingSource, settings: Settings, limits: Limits | None
) -> source_booking.Said:
    """Ask one question; runs in a thread."""
    token = ""
    if source.credential is not None:
        try:
            token = (settings.source_credentials / source.credential).read_text("utf-8").strip()
        except OSError:
            return Said(verdict=Verdict.NOTHING, outcome="source_credential_missing")
    editor = Editor(
        source.address, token=token, loopback=settings.feeds_from_loopback, limits=limits
    )
    wanted = Wanted(
        appointment_id=errand.appointment_id,
        slot_key=errand.slot_key,
        schedule_key=errand.schedule_key,
        starts_at=errand.starts_at,
        ends_at=errand.ends_at,
        answer_before=errand.deadline,
    )
    if errand.state is SourceState.UNDOING:
        return editor.undo(wanted, over=errand.over)
    return editor.book(wanted, check=errand.attempts == 1)
