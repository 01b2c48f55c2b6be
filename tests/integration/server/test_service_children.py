"""API and worker come back after kill -9, and neither outlives a stop."""

import urllib.request

import pytest

from server.layout import port_in_use
from server.process import command_line
from server.stack import Stack, throw_away_home

NAMES = ["api", "worker", "postgres", "nats"]


def healthy(base_url: str) -> bool:
    with urllib.request.urlopen(f"{base_url}/healthz", timeout=5) as answer:  # noqa: S310 - ours
        return bool(answer.status == 200)


async def test_each_child_killed_in_turn_is_back_and_all_stop_together() -> None:
    with throw_away_home() as home:
        async with Stack(home, throw_away=True, environ={}) as stack:
            for name in NAMES:
                stack.kill(name)
                await stack.wait_ready(name)
            assert healthy(stack.base_url)
            restarts = stack.supervisor.restarts
            services = stack.supervisor._services.values()
            pids = [one.process.pid for one in services if one.process is not None]
            ports = [int(stack.base_url.rpartition(":")[2])]
            ports += [one.port for one in (stack.postgres, stack.nats) if one is not None]
        assert restarts == dict.fromkeys(restarts, 1)
        assert set(restarts) == set(NAMES)
        assert [pid for pid in pids if command_line(pid)] == []
        assert [port for port in ports if port_in_use(port)] == []


async def test_a_used_api_port_is_refused() -> None:
    from server.refusal import Refusal

    with throw_away_home() as home:
        async with Stack(home, throw_away=True, environ={}) as first:
            port = int(first.base_url.rpartition(":")[2])
            with throw_away_home() as other, pytest.raises(Refusal, match="is in use"):
                async with Stack(other, throw_away=True, environ={}, api_port=port):
                    pass
