"""deploy/ is checked without a container engine; nats-server itself checks its configurations."""

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from events.nkeys import Signer, new_seed
from server import chaos_site_servers, cli, site
from server.nats_config import NatsConfig, config_text
from server.nats_server import find_binary
from tests.conftest import Servers

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
CONFIGURATIONS = ("nats", "hub", "site")


def compose(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return found


FILES = {name: compose(name) for name in ("compose.yaml", "compose.site.yaml")}
"""Whole ones; `compose.hub.yaml` only adds to the first."""
ADDED = compose("compose.hub.yaml")
COMPOSE = FILES["compose.yaml"]
SERVICES: dict[str, Any] = COMPOSE["services"]
EVERY = [(file, name) for file, found in FILES.items() for name in found["services"]]


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


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_nats_server_accepts_the_deployed_configuration(tmp_path: Path, name: str) -> None:
    certificates = tmp_path / "certificates"
    chaos_site_servers.certify(certificates)
    server = (
        chaos_site_servers.site(tmp_path, certificates, "secret", "nats-leaf://s:k@127.0.0.1:7422")
        if name == "site"
        else chaos_site_servers.hub(tmp_path, "secret", Signer(new_seed()).public_key, 7422)
    )
    told = accepted(DEPLOY / f"{name}.conf", REGUL_NATS_STORE=str(tmp_path), **server.environ)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_says_which_settings_it_reads(name: str) -> None:
    text = (DEPLOY / f"{name}.conf").read_text("utf-8")
    head = text.partition("\n\n")[0].partition("\nserver_name")[0].partition("\ninclude")[0]
    assert set(re.findall(r"\$(REGUL_\w+)", text)) == set(re.findall(r"REGUL_\w+", head)) - {
        "REGUL_AUTH_CALLOUT_SEED"
    }


def test_every_configuration_syncs_every_message_and_lets_nobody_in_anonymously() -> None:
    made = config_text(NatsConfig(listen="l", store="s", pid_file="p", password="x", issuer="A"))
    for text in (made, *((DEPLOY / f"{one}.conf").read_text("utf-8") for one in ("nats", "site"))):
        assert "sync_interval: always" in text
        assert "no_auth_user" not in text
        assert "mqtt" not in text
    hub = (DEPLOY / "hub.conf").read_text("utf-8")
    assert 'include "nats.conf"' in hub
    assert "no_advertise: true" in hub
    assert "verify: true" in hub


async def test_a_stranger_is_not_let_in(servers: Servers) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.nats.port)
    writer.write(b'CONNECT {"verbose": false}\r\nPING\r\n')
    async with asyncio.timeout(60):
        said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"-ERR 'Authorization Violation'" in said
    assert b"PONG" not in said


@pytest.mark.parametrize(("file", "name"), EVERY)
def test_a_container_comes_from_a_pinned_image_and_restarts(file: str, name: str) -> None:
    service = FILES[file]["services"][name]
    tag = service["image"].rpartition(":")[2]
    assert tag != "latest"
    assert tag[0].isdigit()
    assert "restart" in service


@pytest.mark.parametrize("name", ["postgres", "nats", "api"])
def test_a_container_that_answers_requests_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_what_is_published_is_on_loopback_but_for_the_door_of_sites() -> None:
    found = {
        (file, name): service["ports"]
        for file, made in (*FILES.items(), ("compose.hub.yaml", ADDED))
        for name, service in made["services"].items()
        if "ports" in service
    }
    assert found.pop(("compose.hub.yaml", "nats")) == ["7422:7422"]
    assert set(found) == {("compose.yaml", "api"), ("compose.site.yaml", "nats")}
    assert all(port.startswith("127.0.0.1:") for ports in found.values() for port in ports)


@pytest.mark.parametrize("file", FILES)
def test_every_secret_volume_and_dependency_named_is_declared(file: str) -> None:
    made = FILES[file]
    for service in made["services"].values():
        assert set(service.get("secrets", ())) <= set(made["secrets"])
        assert set(service.get("depends_on", ())) <= set(made["services"])
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            declared = source in made["volumes"] or source == "./certificates"
            assert declared or (DEPLOY / source).exists()


@pytest.mark.parametrize(("file", "name"), EVERY)
def test_no_secret_stands_in_a_compose_file(file: str, name: str) -> None:
    for setting in FILES[file]["services"][name].get("environment", {}):
        assert setting.endswith("_FILE") or not any(
            word in setting for word in ("PASSWORD", "URL", "TOKEN")
        )


def test_the_bridge_of_a_site_is_started_with_options_that_it_knows() -> None:
    name, *options = compose("compose.site.yaml")["services"]["bridge"]["command"]
    assert name in cli.available()
    filled = [one.replace("${REGUL_SUBSCRIPTION:-}", str(UUID(int=1))) for one in options]
    made = site.parser().parse_args(filled)
    assert made.nats == "nats://nats:4222"


@pytest.mark.parametrize("file", FILES)
def test_the_nats_image_is_no_older_than_what_the_launcher_accepts(file: str) -> None:
    tag = FILES[file]["services"]["nats"]["image"].rpartition(":")[2].partition("-")[0]
    assert tuple(map(int, tag.split("."))) >= (2, 14, 3)


def test_everything_the_container_file_copies_exists_or_is_built() -> None:
    for line in (ROOT / "deploy" / "Containerfile").read_text("utf-8").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            assert words[1].startswith(".regul/wheel/") or (ROOT / words[1]).exists(), line
