"""deploy/ is checked without a container engine; nats-server itself checks its configurations."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.nkeys import Signer, new_seed
from server.nats_config import NatsConfig, config_text
from server.nats_server import find_binary
from tests.conftest import Servers

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def accepted(path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [find_binary(), "-t", "-c", path],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize("password", ["plain", "s}", 'a"b', "back\\slash", "3digits{"])
def test_nats_server_accepts_the_embedded_configuration(tmp_path: Path, password: str) -> None:
    config = NatsConfig(
        listen="127.0.0.1:4222",
        store=str(tmp_path / "a store"),
        pid_file=str(tmp_path / "nats.pid"),
        password=password,
        issuer=Signer(new_seed()).public_key,
    )
    (tmp_path / "nats.conf").write_text(config_text(config))
    told = accepted(tmp_path / "nats.conf")
    assert told.returncode == 0, told.stderr


def test_nats_server_accepts_the_deployed_configuration() -> None:
    issuer = Signer(new_seed()).public_key
    env = {"REGUL_NATS_PASSWORD": "secret", "REGUL_CALLOUT_ISSUER": issuer}
    told = accepted(ROOT / "deploy" / "nats.conf", **env)
    assert told.returncode == 0, told.stderr


def test_both_configurations_sync_every_message_and_let_nobody_in_anonymously() -> None:
    made = config_text(NatsConfig(listen="l", store="s", pid_file="p", password="x", issuer="A"))
    for text in (made, (ROOT / "deploy" / "nats.conf").read_text("utf-8")):
        assert "sync_interval: always" in text
        assert "no_auth_user" not in text
        assert "mqtt" not in text


async def test_a_stranger_is_not_let_in(servers: Servers) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.nats.port)
    writer.write(b'CONNECT {"verbose": false}\r\nPING\r\n')
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"-ERR 'Authorization Violation'" in said
    assert b"PONG" not in said


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_comes_from_a_pinned_image_and_restarts(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].rpartition(":")[2]
    assert tag != "latest"
    assert tag[0].isdigit()
    assert "restart" in service


@pytest.mark.parametrize("name", ["postgres", "nats", "api"])
def test_a_container_that_answers_requests_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_only_the_api_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["api"]
    assert all(port.startswith("127.0.0.1:") for port in published["api"])


def test_every_secret_volume_and_dependency_named_is_declared() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "deploy" / source).exists()


def test_no_secret_stands_in_the_compose_file() -> None:
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            assert name.endswith("_FILE") or not any(
                word in name for word in ("PASSWORD", "URL", "TOKEN")
            )


def test_the_nats_image_is_no_older_than_what_the_launcher_accepts() -> None:
    tag = SERVICES["nats"]["image"].rpartition(":")[2].partition("-")[0]
    assert tuple(map(int, tag.split("."))) >= (2, 14, 3)


def test_everything_the_container_file_copies_exists_or_is_built() -> None:
    for line in (ROOT / "deploy" / "Containerfile").read_text("utf-8").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            assert words[1].startswith(".regul/wheel/") or (ROOT / words[1]).exists(), line
