"""The three journeys and the live world, on a running service seen from outside."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from kernel.crypto import KeyRing, read_master
from server import once, seed
from server.accounts import LOGINS, opened
from server.client import Client
from server.layout import free_port
from server.live_world import LEFT_FOR_PEOPLE, LiveWorld
from server.replay_run import Where
from server.stack import throw_away_home
from server.timeline import Timeline
from tests.conftest import Servers
from tests.running import Running

ROOT = Path(__file__).resolve().parents[3]


def where(running: Running) -> Where:
    return Where(
        base_url=running.told.base_url,
        nats_url=running.told.nats_url,
        keys={login: running.api_key(login) for login in LOGINS},
    )


async def test_every_step_of_the_three_journeys_is_observed(running: Running) -> None:
    timeline = Timeline(quiet=True)

    await once.journeys(where(running), timeline, 1)

    assert [(step.name, step.missed) for step in timeline.steps if step.missed] == []
    journeys = {step.name.split(".")[0] for step in timeline.steps}
    assert journeys == {"A", "B", "C"}


async def test_the_live_world_takes_calls_decides_and_publishes(running: Running) -> None:
    keys = KeyRing(read_master(Path(running.told.key_file)))
    accounts = opened(keys, seed.organisations())
    living = LiveWorld(running.told.base_url, accounts, seed=3, speed=1e-9)

    async with living:
        for _ in range(LEFT_FOR_PEOPLE + 1):
            await living.one_call()
        await living.one_decision()
        async with asyncio.timeout(30):
            while not living.published:
                await asyncio.sleep(0.05)

    assert (living.calls, living.settled) == (LEFT_FOR_PEOPLE + 1, 1)


class Demo:
    """`./regul demo` as a child, read line by line until it is ready."""

    def __init__(self, home: Path) -> None:
        env = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "NATS_URL"}
        }
        env |= {"REGUL_HOME": str(home), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", "-m", "server.cli", "demo", "--quiet-world"]
        began = time.monotonic()
        self.child = subprocess.Popen(
            [*command, "--port", str(free_port())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            cwd=ROOT,
        )
        self.lines: list[str] = []
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        self.took_s = time.monotonic() - began

    def stop(self) -> int:
        self.child.send_signal(signal.SIGINT)
        assert self.child.stdout is not None
        self.lines += self.child.stdout.read().splitlines(keepends=True)
        self.child.stdout.close()
        return self.child.wait(60)

    @property
    def text(self) -> str:
        return "".join(self.lines)


def test_the_demo_starts_stops_and_starts_again_on_its_data() -> None:
    with throw_away_home() as home:
        first = Demo(home)
        key = re.search(r"rg_operator_\w+", first.text)
        address = re.search(r"http://127\.0\.0\.1:\d+", first.text)
        assert key, first.text
        assert address, first.text
        status = asyncio.run(ask(address[0], key[0]))
        assert first.stop() == 0

        second = Demo(home)
        assert second.stop() == 0

    assert b"up" in status
    assert "seats" in first.text
    assert "seats" not in second.text
    assert key[0] in second.text
    print(f"demo: first start {first.took_s:.1f} s, second start {second.took_s:.1f} s")


def test_once_runs_on_servers_that_exist(
    servers: Servers, database_dsn: str, nats_url: str
) -> None:
    env = dict(
        os.environ,
        DATABASE_URL=database_dsn,
        NATS_URL=nats_url,
        REGUL_AUTH_CALLOUT_SEED=str(servers.nats.seed_file),
        PYTHONPATH=str(ROOT),
    )
    command = [sys.executable, "-P", "-m", "server.cli", "demo", "--once", "--json"]

    done = subprocess.run(command, env=env, cwd=ROOT, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    figures = {one["name"]: one for one in json.loads(done.stdout)["figures"]}
    assert figures["steps.not_observed"]["value"] == 0


async def ask(address: str, key: str) -> bytes:
    client = Client(address, key)
    try:
        return (await client.accepted("GET", "/api/v1/status")).body
    finally:
        await client.close()
