"""Feeds of our own in a folder, registered and run; what a run may write, counted."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from directory import feed_intake, feed_store
from directory.feed_store import Feed
from kernel import actor as actors
from kernel.database import Database
from kernel.ids import uuid7
from server import feed_runs, feed_sources


async def at(admin: Any, moment: datetime) -> None:
    await admin.execute(
        "create or replace function kernel.regul_now() returns timestamptz language sql volatile"
        f" as $$ select '{moment.isoformat()}'::timestamptz $$"
    )


async def register(system: Database, world: Any, address: Path | str, **values: Any) -> Feed:
    fields = {
        "kind": "smart", "publisher": "rite-aid", "zone": "America/New_York", "country": "US",
        "codes": {"57": "nursing"}, "organisation_id": world.organisation_id, **values,
    }  # fmt: skip
    feed = Feed(id=uuid7(), address=str(address), territory_id=world.territory_id, **fields)
    async with system.transaction(actors.system()) as tx:
        await feed_intake.register(tx, actors.system(), feed)
    return feed


async def again(system: Database, feed: Feed) -> feed_sources.Outcome:
    async with system.transaction(actors.system()) as tx:
        (known,) = await feed_store.feeds(tx, feed.id)
    return await feed_runs.run(system, known, loopback=True)


async def state(admin: Any) -> tuple[int, ...]:
    """Count what a run may write."""
    row = await admin.fetchrow(
        "select (select count(*) from directory.slot where withdrawn_at is null) as slots,"
        " (select count(*) from directory.slot) as ever,"
        " (select count(*) from directory.publication) as publications,"
        " (select count(*) from events.outbox where kind <> 'places.changed') as events,"
        " (select count(*) from directory.feed_run) as runs,"
        " (select count(*) from directory.feed_fault) as faults,"
        " (select count(*) from directory.feed_alias) as aliases,"
        " (select count(*) from kernel.audit) as audits"
    )
    return tuple(row.values())


class Small:
    """A feed of our own in a folder, rewritten at will."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder, self.now = folder, now
        self.made = now
        self.places = 12
        self.hours: Sequence[int] = range(9, 13)
        self.busy: set[tuple[int, int]] = set()
        self.gone: set[tuple[int, int]] = set()
        self.left: int | None = None
        self.extra: list[str] = []

    def write(self) -> Path:
        day = (self.now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        rows: list[Any] = []
        for n in range(self.places):
            rows += [
                {
                    "resourceType": "Location", "id": f"L{n}", "name": f"Place {n}",
                    "address": {"city": "Amiens", "postalCode": "80000"},
                    "position": {"longitude": 2.3, "latitude": 49.9},
                },
                {
                    "resourceType": "Schedule", "id": f"S{n}",
                    "actor": [{"reference": f"Location/L{n}"}],
                    "serviceType": [{"coding": [{"code": "57"}]}],
                },
            ]  # fmt: skip
            for hour in self.hours:
                if (n, hour) not in self.gone:
                    rows.append(self.slot(n, hour, day))
        lines = [*map(json.dumps, rows), *self.extra]
        (self.folder / "rows.ndjson").write_text("\n".join(lines))
        manifest = {"transactionTime": self.made.isoformat(), "request": "x", "output": []}
        (self.folder / "bulk-publish.json").write_text(json.dumps(manifest))
        return self.folder

    def slot(self, n: int, hour: int, day: datetime) -> dict[str, Any]:
        start = day + timedelta(hours=hour)
        slot: dict[str, Any] = {
            "resourceType": "Slot", "id": f"{n}-{hour}",
            "schedule": {"reference": f"Schedule/S{n}"},
            "status": "busy" if (n, hour) in self.busy else "free",
            "start": start.isoformat(), "end": (start + timedelta(minutes=15)).isoformat(),
        }  # fmt: skip
        if self.left is not None:
            slot["extension"] = [
                {
                    "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/slot-capacity",
                    "valueInteger": self.left,
                }
            ]
        return slot


async def mirrored(system: Database, world: Any, small: Small) -> Feed:
    return await register(
        system, world, small.write(), zone="Europe/Paris", country="FR", publisher="small"
    )


def command(dsn: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "server.cli", "feeds", *words],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "DATABASE_URL": dsn},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
