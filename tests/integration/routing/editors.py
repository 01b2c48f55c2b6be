"""A real editor's server of our own (`examples/editor.py`) and mirrored practices on its diary."""

import asyncio
import http.client
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from interop.source_booking import Limits
from kernel import actor as actors
from kernel import ids
from kernel.settings import Settings
from routing import mirrored, source_answers
from routing.mirrored import SourceBooking
from routing.model import Appointment
from server.source_bookings import Asker
from tests.integration.routing.world import TERRITORY, Practice, World

SOURCE = "editor"
LIMITS = Limits(connect_s=0.5, answer_s=0.5)


class Editor:
    """The editor's process; its diary is a file that survives it."""

    def __init__(self, folder: Path, slots: int = 24) -> None:
        self._diary = folder / "diary.json"
        self._slots = slots
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        port = self.address.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [
                sys.executable, "examples/editor.py", "--port", port,
                "--diary", str(self._diary), "--slots", str(self._slots),
            ],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def slots(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self._diary.read_text("utf-8"))["slots"]
        return kept

    def live(self) -> set[UUID]:
        """Give the ids of what is booked there."""
        kept = json.loads(self._diary.read_text("utf-8"))["appointments"]
        return {UUID(key) for key, one in kept.items() if one["status"] == "booked"}

    def desk(self, **said: str) -> bool:
        """Be the practice's own desk, or change how the editor answers."""
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=60)
        try:
            connection.request("POST", "/desk", json.dumps(said).encode())
            return bool(json.loads(connection.getresponse().read())["taken"])
        finally:
            connection.close()


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """A mirrored practice with its slots' ids by the editor's own."""

    practice: Practice
    slots: dict[str, UUID]


class Mirrored:
    """The territory with one mirrored practice, its editor, and a worker that asks it."""

    def __init__(self, world: World, editor: Editor, mirror: Mirror, settings: Settings) -> None:
        self.world, self.editor, self.mirror = world, editor, mirror
        self.settings = settings
        self.asker = self.another_asker()

    def another_asker(self, limits: Limits = LIMITS) -> Asker:
        return Asker(self.world.system, self.settings, limits)

    async def fetch(self, query: str) -> list[Any]:
        async with self.world.system.transaction(actors.system()) as tx:
            return list(await tx.fetch(query))

    async def make_due(self) -> None:
        async with self.world.system.transaction(actors.system()) as tx:
            await tx.execute(
                "update routing.source_booking set due_at = now()"
                " where state in ('asking', 'undoing') and due_at > now()"
            )

    async def pass_deadline(self, booked: Appointment) -> None:
        await self.world.admin.execute(
            "update routing.source_booking set deadline = now()"
            " where appointment_id = $1 and state = 'asking'",
            booked.id,
        )

    async def book(self, key: str = "slot-3", acuity: str = "U3") -> Appointment:
        decided = await self.world.disposition(acuity)
        await self.world.offers(decided.id)
        held = await self.world.hold(self.mirror.slots[key], decided.id)
        return await self.world.book(held.id)

    async def ask(self) -> int:
        """Say what is due at the source, now."""
        await self.make_due()
        asked = await self.asker.step(SOURCE)
        await self.world.react()
        return asked

    async def too_late(self) -> int:
        """Let the time for an answer pass and have the worker notice."""
        await self.world.admin.execute(
            "update routing.source_booking set deadline = now() - interval '2 minutes'"
            " where state = 'asking'"
        )
        moved = await self.notice()
        await self.world.react()
        return moved

    async def notice(self) -> int:
        system = actors.system()
        return await self.world.system.run(system, lambda tx: source_answers.give_up(tx, system))

    async def at_source(self, booked: Appointment) -> SourceBooking:
        async with self.world.database.transaction(self.world.operator) as tx:
            return await mirrored.known(tx, booked.id)

    async def state(self, booked: Appointment) -> tuple[str, str, str | None]:
        """Give the state of an appointment, of its source, and why it was cancelled."""
        row = await self.world.admin.fetchrow(
            "select a.state, b.state, a.cancel_reason from routing.appointment a"
            " left join routing.source_booking b on b.appointment_id = a.id where a.id = $1",
            booked.id,
        )
        return (row[0], row[1], row[2])


async def mirror_of(world: World, editor: Editor) -> Mirror:
    """Mirror the editor's diary as its feed would, and say how it is booked."""
    at = await world.practice(ownership="mirrored")
    await world.admin.execute(
        "update directory.schedule set source = $2, as_of = now() where id = $1",
        at.schedule_id, SOURCE,
    )  # fmt: skip
    await world.admin.execute(
        "insert into directory.booking_source (source, address) values ($1, $2)",
        SOURCE, editor.address,
    )  # fmt: skip
    slots: dict[str, UUID] = {}
    for key, slot in editor.slots().items():
        slots[key] = ids.uuid7()
        await world.admin.execute(
            "insert into directory.slot (id, schedule_id, care_service_id, organisation_id,"
            " location_id, territory_id, key, kind, modality, visibility, starts_at, ends_at,"
            " capacity) values ($1, $2, $3, $4, $5, $6, $7, 'slot', 'office', 'PUBLIC', $8, $9, 1)",
            slots[key], at.schedule_id, at.care_service_id, at.organisation_id, at.location_id,
            TERRITORY, key, datetime.fromisoformat(slot["start"]),
            datetime.fromisoformat(slot["end"]),
        )  # fmt: skip
        await world.admin.execute(
            "insert into directory.seat (slot_id, number) values ($1, 1)", slots[key]
        )
    return Mirror(practice=at, slots=slots)


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait until a condition holds, or fail."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
