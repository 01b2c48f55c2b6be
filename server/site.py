"""The `site` subcommand: at a site, keep the centre's events in the site's own nats-server.

It needs no database: stream SITE is where it stands. Several may run; one at a time stores.
"""

import argparse
import asyncio
import http.client
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from events.site_bridge import Bridge, Entry
from kernel import telemetry
from server.background import beside
from server.refusal import Refusal
from server.stack import until_signal

LINK_USER: Final = "link"
SITE_USER: Final = "bridge"
PAGE: Final = 200
ASK_S: Final = 3.0


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    events: tuple[msgspec.Raw, ...]


class Record:
    """The centre's record of one subscription, asked by HTTP."""

    def __init__(self, centre: str, key: str, subscription_id: UUID) -> None:
        """Set up; each question is a connection of its own.

        Args:
            centre: Address of the centre's service, such as `https://regul.example`.
            key: API key of the subscription's actor.
            subscription_id: Which.

        Raises:
            Refusal: The address is none.
        """
        parts = urlsplit(centre)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refusal("--centre is an address such as https://regul.example.")
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = f"/api/v1/subscriptions/{subscription_id}/events"
        self._headers = {"Authorization": f"Bearer {key}"}

    async def after(self, number: int) -> Sequence[bytes]:
        """Ask for the events after a number.

        Args:
            number: Before the first one wanted.

        Returns:
            At most a page of CloudEvents, in order; empty at the end.

        Raises:
            OSError: The centre does not answer, or refuses.
        """
        return await asyncio.to_thread(self._ask, number)

    def _ask(self, number: int) -> Sequence[bytes]:
        if self._tls is None:
            line = http.client.HTTPConnection(self._host, self._port, timeout=ASK_S)
        else:
            line = http.client.HTTPSConnection(
                self._host, self._port, timeout=ASK_S, context=self._tls
            )
        try:
            line.request("GET", f"{self._path}?after={number}&limit={PAGE}", headers=self._headers)
            answer = line.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                raise OSError(f"the centre answers {answer.status}")
            return [bytes(one) for one in msgspec.json.decode(body, type=_Page).events]
        except (http.client.HTTPException, msgspec.MsgspecError) as error:
            raise OSError("the centre's answer can't be read") from error
        finally:
            line.close()


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    made = argparse.ArgumentParser(prog="regul site", description=__doc__)
    made.add_argument("--centre", required=True, help="address of the centre's service")
    made.add_argument("--nats", required=True, help="address of the site's nats-server")
    made.add_argument("--subscription", required=True, type=UUID, help="its id")
    made.add_argument("--key-file", required=True, type=Path, help="holds the API key")
    made.add_argument(
        "--password-file", required=True, type=Path, help="holds REGUL_BRIDGE_PASSWORD"
    )
    return made


def secret(path: Path) -> str:
    """Read a secret from its file.

    Args:
        path: The file.

    Raises:
        Refusal: It can't be read.
    """
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise Refusal(f"Cannot read {path.name} ({error.strerror}).") from None


def main(arguments: list[str]) -> int:
    """Bring events until SIGTERM or Ctrl-C.

    Args:
        arguments: See `regul site --help`.

    Returns:
        0.
    """
    options = parser().parse_args(arguments)
    telemetry.configure("info")
    password = secret(options.password_file)
    record = Record(options.centre, secret(options.key_file), options.subscription)
    bridge = Bridge(
        Entry(url=options.nats, user=LINK_USER, password=password),
        Entry(url=options.nats, user=SITE_USER, password=password),
        options.subscription,
        record.after,
    )

    async def run() -> None:
        async with beside(bridge.run()):
            await until_signal()

    asyncio.run(run())
    return 0
