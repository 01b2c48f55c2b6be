"""The demo's mirrored diary: an editor's own server on this machine, its feed, its booking.

`examples/editor.py` is that server; its rows come by the feed worker like anybody's, and what is
booked there is `pending` until it says yes.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from directory import booking_sources, feed_intake, feed_store
from directory.booking_sources import BookingSource
from directory.feed_store import Feed
from kernel import errors, identity
from kernel.actor import Actor, system
from kernel.database import Tx, open_database
from kernel.ids import uuid7
from server.accounts import TERRITORY, Opened
from server.child_command import ROOT, ChildCommand
from server.layout import LOOPBACK, Layout
from server.process import Process
from server.stack import Stack

SOURCE: Final = "Exemple en ligne"
_SCRIPT: Final = ROOT / "examples" / "editor.py"
_SLOTS: Final = 192
"""Quarters of an hour that the editor offers: two days."""
_EVERY_S: Final = 30


class EditorCommand(ChildCommand):
    """The editor's server as a supervised child."""

    def __init__(self, layout: Layout, port: int, diary: Path) -> None:
        """Describe it; starts nothing."""
        super().__init__("editor", (), layout=layout, env={}, port=port)
        self._words = ("--port", str(port), "--diary", str(diary), "--slots", str(_SLOTS))

    def start(self) -> None:
        """Start it without waiting for it."""
        self._process = Process(
            [sys.executable, "-P", str(_SCRIPT), *self._words],
            log=self._layout.logs / "editor.log",
            stop_signal=signal.SIGTERM,
            env=self._env,
            cwd=self._layout.home,
        )


async def begin(stack: Stack, accounts: Sequence[Opened]) -> None:
    """Start the editor and have its feed asked; does nothing where the example is not installed.

    Args:
        stack: A running demo.
        accounts: The demo's; the editor keeps the diary of the first clinic.
    """
    clinic = next((one for one in accounts if one.login == "clinic"), None)
    if clinic is None or not _SCRIPT.exists():
        return
    port = stack.layout.port("editor")
    diary = stack.layout.run / "editor.json"
    await stack.supervisor.add(EditorCommand(stack.layout, port, diary))
    database = await open_database(stack.dsn, "regul_system", 1)
    try:
        await database.run(
            system(), lambda tx: _register(tx, system(), f"http://{LOOPBACK}:{port}", clinic)
        )
    finally:
        await database.close()


async def _register(tx: Tx, actor: Actor, address: str, clinic: Opened) -> None:
    """Say where the editor is booked, and register its feed unless it is known."""
    await booking_sources.keep(tx, actor, BookingSource(source=SOURCE, address=address))
    manifest = f"{address}/feed/bulk-publish.json"
    if any(one.address == manifest for one in await feed_store.feeds(tx)):
        return
    territory_id = await identity.territory_of_code(tx, TERRITORY.code)
    if territory_id is None:
        raise errors.Missing("territory_missing")
    feed = _feed(territory_id, clinic.organisation_ids[0], manifest)
    await feed_intake.register(tx, actor, feed, interval_s=_EVERY_S)


def _feed(territory_id: UUID, organisation_id: UUID, manifest: str) -> Feed:
    return Feed(
        id=uuid7(), kind="smart", address=manifest, publisher=SOURCE, zone=TERRITORY.time_zone,
        country=TERRITORY.country, territory_id=territory_id, organisation_id=organisation_id,
        codes={"gp": "general_practice"},
    )  # fmt: skip
