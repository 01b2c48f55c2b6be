"""A whole Régul in a process of its own, for tests that look at it from outside.

The supervisor needs an event loop that never stops; a test's loop does. So a child runs the stack
and obeys lines on its standard input: `kill NAME`, `stop`.
"""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import msgspec

ROOT = Path(__file__).resolve().parents[1]
ANSWER_S = 120.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a running stack tells about itself."""

    base_url: str
    dsn: str
    admin_dsn: str
    nats_url: str
    key_file: str
    environment: dict[str, str]


class Running:
    """A running stack: PostgreSQL, nats-server, API and worker on a seeded demo territory.

    Attributes:
        told: Its addresses and keys.
    """

    def __init__(self, home: Path, *, seed: bool = True) -> None:
        command = [sys.executable, "-P", __file__, str(home), "seed" if seed else "empty"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._errors: list[str] = []
        assert self._process.stderr is not None
        self._drain = threading.Thread(target=self._read_errors, args=(self._process.stderr,))
        self._drain.start()
        try:
            self.told = msgspec.json.decode(self._answer(), type=Told)
        except BaseException:
            self.stop()
            raise

    def api_key(self, login: str) -> str:
        """Give the API key of a demo account, such as `operator` or `physician`."""
        from server import seed

        return seed.key(Path(self.told.key_file), login)

    def kill(self, name: str) -> None:
        """Kill postgres, nats, api or worker with SIGKILL and wait until it answers again."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"kill {name}\n")
        self._process.stdin.flush()
        assert self._answer() == f"{name} is back\n"

    def stop(self) -> None:
        """Stop everything, servers last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_S)
        self._process.stdout.close()
        self._drain.join()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(ANSWER_S)
            self._drain.join()
            raise AssertionError("the stack ended: " + "".join(self._errors[-20:]))
        return line

    def _read_errors(self, stream: IO[str]) -> None:
        with stream:
            self._errors.extend(stream)


async def run(home: Path, *, seeded: bool) -> None:
    """Run a stack until the standard input ends."""
    from server.stack import Stack

    async def fill(stack: Stack) -> None:
        from server import seed

        await seed.ensure(stack.dsn, stack.layout.keys / "master.key")

    demo = {"REGUL_DEMO": "1", "REGUL_ALLOW_DRAFT_PROTOCOLS": "1"}
    async with Stack(
        home, throw_away=True, environ={}, settings=demo, seed=fill if seeded else None
    ) as stack:
        assert stack.postgres is not None
        told = Told(
            base_url=stack.base_url,
            dsn=stack.dsn,
            admin_dsn=stack.postgres.dsn("regul"),
            nats_url=stack.nats_url,
            key_file=str(stack.layout.keys / "master.key"),
            environment=stack.environment,
        )
        print(msgspec.json.encode(told).decode(), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            _, name = line.split()
            stack.kill(name)
            await stack.wait_ready(name)
            print(f"{name} is back", flush=True)


if __name__ == "__main__":
    from server.refusal import Refusal

    try:
        asyncio.run(run(Path(sys.argv[1]), seeded=sys.argv[2] == "seed"))
    except Refusal as refusal:
        sys.exit(f"regul: {refusal}")
