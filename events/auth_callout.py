"""Sign-in of subscribers at NATS, answered from our own API keys.

The server asks on `$SYS.REQ.USER.AUTH`; user name = subscription id (or actor id, for all of the
actor's subscriptions), password = API key. What is granted is exactly: pull and acknowledge the
own consumers on OUT, and one private inbox `_INBOX_<user name>`. The grant ends after a quarter of
an hour; the client then signs in again and is looked up again.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from events import listening, nkeys, subscriptions
from events.jetstream import OUT, Bus, BusAway
from kernel import actor, errors, identity
from kernel.actor import Actor
from kernel.database import Database
from kernel.telemetry import logger

ACCOUNT: Final = "REGUL"
"""Account of the server's configuration in which subscribers and we meet."""
DOMAIN: Final = "hub"
"""JetStream domain of the centre's server, by which a site's leaf node names it."""
LASTS_S: Final = 900
"""Seconds after which a grant ends and its holder signs in again: how long a connection that was
opened with a key that has changed since may live. One whose subscription ended or whose owner was
switched off can pull nothing at once, because its consumer is taken away (`consumers`)."""
SUBJECT: Final = "$SYS.REQ.USER.AUTH"
_AGAIN_S: Final = 1.0
_PAYLOAD: Final = 4096
_SUBSCRIPTIONS: Final = 16
_SYSTEM: Final = actor.system()

new_seed = nkeys.new_seed


class _Options(msgspec.Struct, kw_only=True):
    user: str = ""
    password: str = msgspec.field(name="pass", default="")


class _Server(msgspec.Struct, kw_only=True):
    id: str


class _Ask(msgspec.Struct, kw_only=True):
    server: _Server = msgspec.field(name="server_id")
    user_nkey: str
    options: _Options = msgspec.field(name="connect_opts")


class _Claims(msgspec.Struct, kw_only=True):
    nats: _Ask


def issuer_public_key(seed: str) -> str:
    """Give the public key that the server's configuration names as `issuer`.

    Args:
        seed: As made by `new_seed`.

    Returns:
        `A...`.

    Raises:
        SeedError: It is no seed of an account.
    """
    return nkeys.Signer(seed).public_key


def permissions(user: str, consumers: Sequence[UUID]) -> dict[str, Any]:
    """Give what one subscriber may do at NATS, and nothing else.

    Args:
        user: The user name, part of the private inbox.
        consumers: The subscriptions.

    Returns:
        Claims `pub` and `sub` of a user token.
    """
    nexts = [f"API.CONSUMER.MSG.NEXT.{OUT}.{one}" for one in consumers]
    allowed = [f"$JS.{way}{one}" for one in nexts for way in ("", f"{DOMAIN}.")]
    allowed += [f"$JS.ACK.{OUT}.{one}.>" for one in consumers]
    return {"pub": {"allow": allowed}, "sub": {"allow": [f"_INBOX_{user}.>"]}}


class Callout:
    """Answers the server's questions."""

    def __init__(self, database: Database, bus: Bus, seed_file: Path) -> None:
        """Read the seed.

        Args:
            database: Pool under `regul_system`.
            bus: The connection, as a user that the configuration lists in `auth_users`.
            seed_file: Holds the account's seed.

        Raises:
            SeedError: The file holds no seed of an account.
        """
        self._database = database
        self._bus = bus
        self._signer = nkeys.Signer(seed_file.read_text("ascii"))

    async def run(self) -> None:
        """Answer for as long as the process lives; NATS being away is waited for."""
        answering: Client | None = None
        while True:
            try:
                client = await self._bus.client()
                if client is not answering:
                    await client.subscribe(SUBJECT, queue="regul", cb=self._take)
                    answering = client
            except (BusAway, NatsError, OSError):
                answering = None if not self._bus.connected else answering
            await listening.pause(_AGAIN_S)

    async def _take(self, message: Msg) -> None:
        try:
            ask = _CLAIMS.decode(nkeys.claims_of(message.data)).nats
            await message.respond(await self.answer(ask))
        except (ValueError, msgspec.MsgspecError, NatsError, OSError) as error:
            logger().warning("callout.refused", error=type(error).__name__)

    async def answer(self, ask: _Ask) -> bytes:
        """Answer one question.

        Args:
            ask: Who wants to sign in.

        Returns:
            A signed token: a grant, or a refusal without a reason.
        """
        try:
            consumers = await self._consumers(ask.options)
        except (errors.RegulError, ValueError) as error:
            logger().info("callout.refused", error=type(error).__name__)
            consumers = ()
        now = int(time.time())
        verdict: dict[str, Any] = {"type": "authorization_response", "version": 2}
        if consumers:
            verdict["jwt"] = self._signer.sign(_user(ask, consumers, now), now)
        else:
            verdict["error"] = "unknown credentials"
        claims = {"aud": ask.server.id, "sub": ask.user_nkey, "nats": verdict}
        return self._signer.sign(claims, now).encode()

    async def _consumers(self, options: _Options) -> Sequence[UUID]:
        wanted = UUID(options.user)
        async with self._database.transaction(_SYSTEM) as tx:
            subscriber: Actor | None = await identity.of_key(tx, identity.digest(options.password))
            if subscriber is None:
                return ()
            own = await subscriptions.consumers_of(tx, subscriber.id)
        if wanted == subscriber.id:
            return own
        return [one for one in own if one == wanted]


def _user(ask: _Ask, consumers: Sequence[UUID], now: int) -> dict[str, Any]:
    return {
        "aud": ACCOUNT,
        "sub": ask.user_nkey,
        "name": ask.options.user,
        "exp": now + LASTS_S,
        "nats": {
            "type": "user",
            "version": 2,
            "subs": _SUBSCRIPTIONS,
            "data": -1,
            "payload": _PAYLOAD,
            **permissions(str(UUID(ask.options.user)), consumers),
        },
    }


_CLAIMS: Final = msgspec.json.Decoder(_Claims)
