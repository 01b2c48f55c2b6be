"""Settings: read once from the environment by `server`, frozen, passed down."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator of Régul can set; docs/settings.md names each one.

    Attributes:
        database_url: DSN of a login that is a member of `regul_app`, `regul_system`
            and `regul_owner` (see docs/settings.md); `DATABASE_URL`.
        nats_url: NATS server with JetStream; `NATS_URL`.
        nats_replicas: Copies of each stream: 1 on a single nats-server, 3 on a cluster;
            `REGUL_NATS_REPLICAS`.
        key_file: File of the master key (64 hexadecimal digits); `REGUL_KEY_FILE`.
        host: Address to listen on; `REGUL_HOST`.
        port: Port of the API and console; `REGUL_PORT`.
        allowed_hosts: Host names that a request may name; `REGUL_ALLOWED_HOSTS`, comma-separated.
        throw_away: The data may be lost with the machine: start-up accepts a PostgreSQL without
            durability; `REGUL_THROW_AWAY`.
        demo: Demo accounts and one-click sign-in are offered; `REGUL_DEMO`.
        allow_draft_protocols: Protocols in status `draft` are evaluated;
            `REGUL_ALLOW_DRAFT_PROTOCOLS`.
        hold_s: Seconds a hold lasts; `REGUL_HOLD_S`.
        pool_size: Connections per process and role; `REGUL_POOL_SIZE`.
        log_level: `debug`, `info`, `warning` or `error`; `REGUL_LOG_LEVEL`.
        auth_callout_seed: File with the account seed for NATS partner sign-in; empty = this
            service answers no auth callout; `REGUL_AUTH_CALLOUT_SEED`.
        feeds_from_loopback: Feeds may be fetched, and sources of mirrored diaries asked, on this
            machine, over plain HTTP; `REGUL_FEEDS_FROM_LOOPBACK`.
        source_credentials: Folder with one file for each bearer token that a source of mirrored
            diaries asks for; `REGUL_SOURCE_CREDENTIALS`.
        webhooks_to_loopback: Webhooks may go to this machine, on any port and over plain HTTP;
            `REGUL_WEBHOOKS_TO_LOOPBACK`.
        router_url: OSRM routing engine that is asked for journeys in the background, such as
            `http://127.0.0.1:5000`; empty = journeys are estimated; `REGUL_ROUTER_URL`.
    """

    database_url: str = ""
    nats_url: str = ""
    nats_replicas: Literal[1, 3] = 1
    key_file: Path = Path(".regul/keys/master.key")
    host: str = "127.0.0.1"
    port: int = 8015
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    demo: bool = False
    throw_away: bool = False
    allow_draft_protocols: bool = False
    hold_s: int = 120
    pool_size: int = 10
    log_level: str = "info"
    auth_callout_seed: str = ""
    feeds_from_loopback: bool = False
    router_url: str = ""
    source_credentials: Path = Path(".regul/keys/sources")
    webhooks_to_loopback: bool = False


VARIABLES: Mapping[str, str] = {
    "DATABASE_URL": "database_url",
    "NATS_URL": "nats_url",
    "REGUL_NATS_REPLICAS": "nats_replicas",
    "REGUL_KEY_FILE": "key_file",
    "REGUL_HOST": "host",
    "REGUL_PORT": "port",
    "REGUL_ALLOWED_HOSTS": "allowed_hosts",
    "REGUL_DEMO": "demo",
    "REGUL_THROW_AWAY": "throw_away",
    "REGUL_ALLOW_DRAFT_PROTOCOLS": "allow_draft_protocols",
    "REGUL_HOLD_S": "hold_s",
    "REGUL_POOL_SIZE": "pool_size",
    "REGUL_LOG_LEVEL": "log_level",
    "REGUL_AUTH_CALLOUT_SEED": "auth_callout_seed",
    "REGUL_FEEDS_FROM_LOOPBACK": "feeds_from_loopback",
    "REGUL_ROUTER_URL": "router_url",
    "REGUL_SOURCE_CREDENTIALS": "source_credentials",
    "REGUL_WEBHOOKS_TO_LOOPBACK": "webhooks_to_loopback",
}
"""Environment variable -> field. `NAME_FILE` reads the value of NAME from a file (secrets)."""


class SettingsError(ValueError):
    """A setting can't be read; the message names the variable, never its value."""


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environ: Usually `os.environ`.

    Returns:
        The settings, defaults where nothing is set.

    Raises:
        SettingsError: A value that can't be read; the message names the variable.
    """
    raw: dict[str, object] = {}
    for variable, field in VARIABLES.items():
        value = environ.get(variable)
        if value is None and (path := environ.get(f"{variable}_FILE")) is not None:
            try:
                value = Path(path).read_text("utf-8").strip()
            except OSError as error:
                message = f"{variable}_FILE names a file that can't be read"
                raise SettingsError(message) from error
        if value is not None:
            raw[field] = value.split(",") if field == "allowed_hosts" else value
    try:
        return msgspec.convert(raw, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        field = str(error).rsplit("$.", 1)[-1].rstrip("`")
        variable = next((v for v, f in VARIABLES.items() if f == field), field)
        message = f"{variable} has a value that can't be read"
        raise SettingsError(message) from error


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError
