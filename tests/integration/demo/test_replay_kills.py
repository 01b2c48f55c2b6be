"""A replay ends the same whichever process is killed while it runs."""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from server import replay, replay_run
from server.replay_cases import RecordedCase
from server.replay_ledger import NO_LEVEL, Ending
from server.replay_policy import Acuity, decide
from server.replay_run import LOGINS, Options, Outcome, Where
from tests.running import Running

COMPLAINTS = ("fever", "chest pain", "abd pain", "ankle injury", "headache", None, "dizziness")
KILLED = ("api", "worker", "nats", "postgres")


def recorded(count: int, prefix: str) -> list[RecordedCase]:
    """Give cases of every sort: mild, severe, with and without vitals."""
    avpu = itertools.cycle("AAAAVAAU")
    return [
        msgspec.convert(
            {
                "id": f"{prefix}-{n}",
                "age_y": 20 + n,
                "sex": "FM"[n % 2],
                "complaint_text": COMPLAINTS[n % len(COMPLAINTS)],
                "avpu": next(avpu),
                "pain_nrs": n % 10 if n % 3 else None,
                "hr": 70 + n if n % 4 else None,
                "rr": 16 + n % 12 if n % 5 else None,
                "spo2": 99 - n % 12 if n % 2 else None,
                "sbp": 120,
                "temp_c": 36.5 + n % 4,
            },
            RecordedCase,
        )
        for n in range(count)
    ]


def where(running: Running) -> Where:
    return Where(
        base_url=running.told.base_url,
        nats_url=running.told.nats_url,
        keys={login: running.api_key(login) for login in LOGINS},
    )


def levels(endings: list[Ending]) -> Counter[str]:
    return Counter(ending.acuity for ending in endings)


def permitted(ending: Ending) -> bool:
    """Tell whether the policy allows this end: late at night places within two hours run out."""
    acuity = None if ending.acuity == NO_LEVEL else msgspec.convert(ending.acuity, Acuity)
    decision = decide(acuity)
    return ending.outcome in {decision.engagement, decision.otherwise}


def assert_whole(outcome: Outcome) -> None:
    report = replay.reported(outcome, (), 1)
    wrong = [figure.name for figure in report.figures if figure.met is False]
    assert not wrong, (wrong, outcome.failures, outcome.silent)


async def test_killing_each_process_in_turn_changes_nothing(running: Running) -> None:
    calm = await replay_run.run(where(running), recorded(40, "calm"), Options(seed=1))
    assert_whole(calm)

    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done = count

    async def kill_each() -> None:
        for turn, name in enumerate(KILLED):
            while done < 4 + 9 * turn:
                await asyncio.sleep(0.02)
            await asyncio.to_thread(running.kill, name)

    async with asyncio.TaskGroup() as group, asyncio.timeout(240):
        group.create_task(kill_each())
        options = Options(seed=1, progress=progress)
        stormy = await replay_run.run(where(running), recorded(40, "stormy"), options)

    assert_whole(stormy)
    assert levels(stormy.endings) == levels(calm.endings)
    assert all(permitted(ending) for ending in [*calm.endings, *stormy.endings])


def test_a_broken_line_is_told_by_number_and_the_rest_goes_on(
    running: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [msgspec.json.encode(case).decode() for case in recorded(3, "broken")]
    lines.insert(1, '{"id": 7}')
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(lines))
    monkeypatch.setenv("NATS_URL", running.told.nats_url)
    monkeypatch.setenv("REGUL_KEY_FILE", running.told.key_file)

    code = replay.main([str(file), "--url", running.told.base_url, "--json"])

    told = capsys.readouterr()
    figures = {one["name"]: one["value"] for one in json.loads(told.out)["figures"]}
    assert code == 0
    assert "line 2:" in told.err
    assert (figures["cases"], figures["broken_lines"], figures["lost"]) == (3, 1, 0)


@pytest.mark.parametrize(
    "fault",
    [
        "lost-event",
        pytest.param("double", marks=pytest.mark.nightly),
        pytest.param("lost-case", marks=pytest.mark.nightly),
    ],
)
def test_a_planted_fault_is_found(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("NATS_URL", raising=False)
    file = tmp_path / "cases.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(case) for case in recorded(12, "sabotage")))

    code = replay.main([str(file), "--sabotage", fault, "--json"])

    report = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [(one["name"], one["met"]) for one in report["figures"]] == [(f"found.{fault}", True)]
