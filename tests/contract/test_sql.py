"""Every SQL constant is valid on the migrated schema, and rooms keep to their own tables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "events", "triage", "directory", "routing", "console", "interop", "server")
VERBS = re.compile(r"^\s*(?:--[^\n]*\n\s*)*(select|insert|update|delete|with)\b", re.IGNORECASE)
OWNED = ("kernel", "events", "triage", "directory", "routing")
CROSSING = re.compile(r"\b(kernel|events|triage|directory|routing)\.([a-z_]+)")

ALLOWED: dict[str, set[str]] = {
    # What any room may call or compare with: functions of the rooms below, and the clock.
    "kernel": {
        "regul_now",
        "audit_append",
        "current_actor",
        "current_territory",
        "current_organisations",
    },
    "events": {"events_append"},
    "directory": {
        "directory_claim",
        "directory_book",
        "directory_release",
        "directory_extend",
        "directory_refusal",
        "directory_channel",
        "directory_owner",
        "directory_gone",
    },
}
READS: dict[str, set[str]] = {
    # An offer, a hold, an appointment and a referral are about places: which, whose, when, free.
    "routing": {
        "directory.slot",
        "directory.seat",
        "directory.schedule",
        "directory.care_service",
        "directory.location",
    },
    # The keeper of the snapshot follows the feed of every centre, one transaction each.
    "directory": {"kernel.territory"},
}
"""Room -> tables of lower rooms that its SQL reads; each line needs its reason."""
DAMAGES = {"server/replay_sabotage.py"}
"""Plants faults in databases of throw-away servers: writes what no code of ours may write."""
CHAOS = "server/chaos_"
"""Modules that damage and read throw-away servers from outside, the chaos kinds, begin so."""
WRITES = re.compile(r"\b(?:insert\s+into|update|delete\s+from)\s+([a-z_]+)\.([a-z_]+)")


def constants() -> Iterator[tuple[str, str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.parse(path.read_text("utf-8")).body:
                if not isinstance(node, ast.Assign | ast.AnnAssign):
                    continue
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                value = node.value
                if (
                    isinstance(target, ast.Name)
                    and target.id.isupper()
                    and isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                    and VERBS.match(value.value)
                ):
                    place = str(path.relative_to(ROOT))
                    if place not in DAMAGES and not place.startswith(CHAOS):
                        yield room, f"{place}:{target.id}", value.value


FOUND = list(constants())


def test_there_are_sql_constants() -> None:
    assert len(FOUND) > 20


async def test_every_sql_constant_prepares_on_the_migrated_schema(
    admin: asyncpg.Connection,
) -> None:
    broken = []
    for _, name, sql in FOUND:
        try:
            await admin.prepare(sql)
        except asyncpg.PostgresError as error:
            broken.append(f"{name}: {type(error).__name__}: {error}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("room", "name", "sql"), FOUND, ids=[one[1] for one in FOUND])
def test_sql_stays_in_its_room(room: str, name: str, sql: str) -> None:
    assert name
    crossings = {
        f"{schema}.{thing}"
        for schema, thing in CROSSING.findall(sql)
        if schema != room and schema in OWNED and thing not in ALLOWED.get(schema, set())
    }
    assert crossings <= READS.get(room, set())
    assert {schema for schema, _ in WRITES.findall(sql)} <= {room, "public"}
