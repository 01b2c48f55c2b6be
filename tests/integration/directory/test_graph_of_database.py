"""`./regul directory graph` asks the database's own directory, at the database's own time."""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest

from directory import links, seeding, somme
from kernel import actor as actors
from kernel.database import Database
from server import directory_graph
from server.refusal import Refusal

TERRITORY = UUID("018f0000-0000-7000-8000-000000000080")


async def test_the_database_answers_as_the_rows_that_were_written(
    admin: Any,
    system_database: Database,
    database_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = somme.generate(date(2026, 3, 2), TERRITORY, days=1)
    await admin.execute(
        "insert into kernel.territory (id, code, name, time_zone, country)"
        " values ($1, '80', 'Somme', 'Europe/Paris', 'FR')",
        TERRITORY,
    )
    async with system_database.transaction(actors.system(TERRITORY)) as tx:
        await seeding.write(tx, seed)
        found = await links.read(tx)
    assert set(found) == set(seed.rows.links)
    monkeypatch.setenv("DATABASE_URL", database_dsn)

    async def ask(*words: str) -> Any:
        assert await asyncio.to_thread(directory_graph.main, [*words, "--json"]) == 0
        return msgspec.json.decode(capsys.readouterr().out)

    for words in (["closing"], ["coverage", "cardiology", "imaging"]):
        assert await ask(*words) == await ask(*words, "--demo")
    doctor = (await ask("closing"))[0]["care_service"]["care_service_id"]
    assert (await ask("closing", doctor))["losses"]


def test_without_a_database_the_question_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(Refusal, match="DATABASE_URL"):
        directory_graph.main(["closing"])
