"""The configuration of nats-server: accounts, JetStream, and the key that signs partners' rights.

The service itself signs in as a static user with every right in its account. Partners are let in
by auth callout: nats-server asks the service, which answers with a signed user token that holds
the partner's permissions. Allow-lists only, no anonymous user.
"""

import base64
from typing import Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SERVICE_USER: Final = "regul"
ACCOUNT: Final = "REGUL"
SEED_PREFIX: Final = 18 << 3
ACCOUNT_PREFIX: Final = 0
CRC_POLYNOMIAL: Final = 0x1021
MAX_PAYLOAD_BYTES: Final = 1_048_576


class NatsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration file is made from.

    Attributes:
        listen: Address and port, such as `127.0.0.1:4222`.
        store: Directory of the streams.
        pid_file: File that receives the server's process id.
        password: Of the service user.
        issuer: Public account key (`A...`) that signs partners' tokens.
    """

    listen: str
    store: str
    pid_file: str
    password: str
    issuer: str


def quoted(text: str) -> str:
    """Quote a value for the configuration format, in which bare words may swallow a bracket.

    Args:
        text: The value, without control characters.
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def config_text(config: NatsConfig) -> str:
    """Write the configuration file of an embedded server.

    `sync_interval: always`: an acknowledged message is on disk, whatever happens to the machine
    (the default syncs every two minutes). MQTT, leaf nodes and routes stay off.

    Args:
        config: What differs from one instance to the next.
    """
    return f"""\
server_name: regul
listen: {quoted(config.listen)}
pid_file: {quoted(config.pid_file)}
max_payload: {MAX_PAYLOAD_BYTES}
lame_duck_duration: "30s"
jetstream {{
  store_dir: {quoted(config.store)}
  sync_interval: always
}}
accounts {{
  SYS {{ }}
  {ACCOUNT} {{
    jetstream: enabled
    users: [ {{ user: {SERVICE_USER}, password: {quoted(config.password)} }} ]
  }}
}}
system_account: SYS
authorization {{
  timeout: 3
  auth_callout {{
    issuer: {quoted(config.issuer)}
    account: {ACCOUNT}
    auth_users: [ {SERVICE_USER} ]
  }}
}}
"""


def new_account_seed() -> str:
    """Make the secret half of an account key, in nkeys form (`SA...`)."""
    raw = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.Raw,
        serialization.PrivateFormat.Raw,
        serialization.NoEncryption(),
    )
    head = bytes([SEED_PREFIX | (ACCOUNT_PREFIX >> 5), (ACCOUNT_PREFIX & 31) << 3])
    return _encode(head + raw)


def account_key(seed: str) -> Ed25519PrivateKey:
    """Read the signing key out of an account seed.

    Args:
        seed: In nkeys form, as `new_account_seed` makes it.

    Raises:
        ValueError: It is no account seed, or damaged.
    """
    data = base64.b32decode(seed + "=" * (-len(seed) % 8))
    body, crc = data[:-2], data[-2:]
    if crc != _crc16(body).to_bytes(2, "little") or body[0] != SEED_PREFIX or body[1] != 0:
        raise ValueError("not an account seed")
    return Ed25519PrivateKey.from_private_bytes(body[2:])


def account_public_key(seed: str) -> str:
    """Give the public half (`A...`) of an account seed, the `issuer` of the configuration.

    Args:
        seed: In nkeys form.
    """
    raw = (
        account_key(seed)
        .public_key()
        .public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    )
    return _encode(bytes([ACCOUNT_PREFIX]) + raw)


def _encode(body: bytes) -> str:
    coded = base64.b32encode(body + _crc16(body).to_bytes(2, "little"))
    return coded.rstrip(b"=").decode("ascii")


def _crc16(data: bytes) -> int:
    """Compute the CRC-16/XMODEM checksum that ends every nkey.

    Source: nats-io/nkeys, crc16.go.
    """
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ CRC_POLYNOMIAL) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return crc
