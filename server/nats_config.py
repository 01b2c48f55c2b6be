"""The configuration of nats-server: accounts, JetStream, and whose signature lets partners in.

The service itself signs in as a static user with every right in its account. Partners are let in
by auth callout: nats-server asks the service, which answers with a signed user token that holds
the partner's permissions. Allow-lists only, no anonymous user.
"""

from typing import Final

import msgspec

from events.auth_callout import ACCOUNT

SERVICE_USER: Final = "regul"
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
