"""Requests a second and latency of the hot routes, against the same HTTP server with no product.

Eight connections, keep-alive, all on this machine: opening a call (one transaction with event and
audit), recording answers (triage included), reading the queue. The peer is a bare ASGI application
behind the same uvicorn, which answers a constant: the share of a request that is not ours. Every
answer must be a success; anything else breaks an invariant (exit 1). `--url` measures a running
demo instead of throw-away servers. `--sabotage` asks with a key that nobody has.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from server import replay, wire
from server.centre import API, Centre
from server.cli import version
from server.client import AwayError, Client, RefusedError
from server.demo import DEMO, Instance
from server.layout import free_port
from server.replay_run import Where
from server.report import Figure, Report, machine, percentile, show
from server.stack import Stack, throw_away_home

CONNECTIONS = 8
BARE = textwrap.dedent(
    """
    import sys
    import uvicorn

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"{}"})

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error",
                loop="uvloop", http="httptools", lifespan="off", access_log=False)
    """
)


class Measured(msgspec.Struct):
    """What one load saw: milliseconds of each answer, and how many were no success."""

    times: list[float]
    failed: int = 0
    took_s: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.took_s


async def load(act: Callable[[], Awaitable[object]], seconds: float) -> Measured:
    """Do one thing over eight connections for a while."""
    seen = Measured(times=[])
    end = time.perf_counter() + seconds

    async def work() -> None:
        while (began := time.perf_counter()) < end:
            try:
                await act()
            except (RefusedError, AwayError):
                seen.failed += 1
            seen.times.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    seen.took_s = time.perf_counter() - began
    return seen


@asynccontextmanager
async def bare() -> AsyncIterator[Client]:
    """Run the peer in a process of its own."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE, str(port))
    client = Client(f"http://127.0.0.1:{port}")
    try:
        await client.post("/", {})
        yield client
    finally:
        await client.close()
        process.terminate()
        await process.wait()


async def routes(centre: Centre) -> dict[str, Callable[[], Awaitable[object]]]:
    """Give what is measured, by name."""
    operator, physician = centre.client("operator"), centre.client("physician")
    body = {"complaint_text": "fièvre", "age_years": 40}
    made = [await operator.post(f"{API}/cases", body, wire.Made) for _ in range(CONNECTIONS * 4)]
    turn = itertools.cycle(made)
    answers = {
        "observer": "caller",
        "findings": [{"input": "responds", "value": True}, {"input": "fever", "value": True}],
    }
    return {
        "open_call": lambda: operator.post(f"{API}/calls", {"channel": "phone"}),
        "record_findings": lambda: operator.accepted(
            "PUT", f"{API}/cases/{next(turn).id}/findings", answers
        ),
        "read_queue": lambda: physician.get(f"{API}/queues/AMU"),
    }


async def measure(where: Where, seconds: float, runs: int) -> tuple[list[Figure], int]:
    """Measure in turns; give the figures and how many answers were no success."""
    centre = Centre(where.base_url, where.keys)
    seen: dict[str, list[Measured]] = {}
    async with bare() as peer:
        things = {**await routes(centre), "bare_asgi": lambda: peer.post("/", {})}
        for _ in range(runs):
            for name, act in things.items():
                seen.setdefault(name, []).append(await load(act, seconds))
    await centre.close()
    rates = {name: statistics.median(one.rate for one in many) for name, many in seen.items()}
    figures = []
    for name, many in seen.items():
        times = [one for measured in many for one in measured.times]
        peer_ratio = {} if name == "bare_asgi" else {"bare_asgi": rates[name] / rates["bare_asgi"]}
        figures += [
            Figure(name=f"{name}.rate", value=rates[name], unit="1/s", against=peer_ratio),
            Figure(name=f"{name}.p50", value=percentile(times, 0.5), unit="ms"),
            Figure(name=f"{name}.p99", value=percentile(times, 0.99), unit="ms"),
        ]
    failed = sum(one.failed for many in seen.values() for one in many)
    figures.append(Figure(name="failed", value=failed, unit="answers", goal="== 0", met=not failed))
    return figures, failed


async def run(options: argparse.Namespace) -> tuple[list[Figure], int]:
    """Measure a running demo or throw-away servers."""
    if options.url:
        return await measure(replay.where_of_url(options.url), options.seconds, options.runs)
    with throw_away_home() as home:
        async with Stack(home, settings=DEMO, seed=Instance().fill) as stack:
            where = replay.where_of(stack)
            if options.sabotage:
                where = msgspec.structs.replace(
                    where, keys={**where.keys, "physician": "rg_nobody"}
                )
            return await measure(where, options.seconds, options.runs)


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when an answer was no success."""
    parser = argparse.ArgumentParser(prog="regul bench http", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--url", default="")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    figures, failed = asyncio.run(run(options))
    report = Report(
        name="bench http",
        version=version(),
        machine=machine(),
        runs=options.runs,
        figures=figures,
    )
    show(report, json=options.json)
    return 1 if failed else 0
