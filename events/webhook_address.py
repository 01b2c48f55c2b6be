"""Which addresses a webhook may have: the public network over TLS, and nothing inside of ours.

A subscriber chooses the address, we connect to it: without these rules it could make us speak to
our own database, to a cloud's metadata service or to a neighbour. The name is resolved once for
each connection, every address it has must be allowed, and the connection goes to the one that was
checked, so a name that answers differently the second time changes nothing.

Source: OWASP ASVS 5.0, 1.3.6; which addresses are public is `kernel.public_network`.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

import msgspec

from kernel import errors, public_network

LONGEST: Final = 2000
PORT: Final = 443
REFUSED: Final = "webhook_address_refused"

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives all addresses of a name; raises OSError when it has none."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An address that may be connected to once its name was resolved and checked.

    Attributes:
        host: Name or IP address, in ASCII.
        port: 443, or any on this machine where that is allowed.
        path: With the query; begins with `/`.
        tls: Whether the connection is encrypted.
    """

    host: str
    port: int
    path: str
    tls: bool

    @property
    def authority(self) -> str:
        """Give the value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (PORT if self.tls else 80)
        return host if usual else f"{host}:{self.port}"


def target(url: str, *, loopback: bool) -> Target:
    """Read an address and refuse what no webhook may have.

    Args:
        url: As the subscriber gave it.
        loopback: This machine may be reached, on any port, with or without TLS: for tests and
            demonstrations only.

    Returns:
        Where to connect; its name is not resolved yet.

    Raises:
        Invalid: `webhook_address_refused`; `why` says which rule.
    """
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\'):
        raise _refusal("characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refusal("unreadable") from None
    host = (parts.hostname or "").rstrip(".")
    if not host or "%" in host:
        raise _refusal("host")
    if "@" in parts.netloc or "#" in url:
        raise _refusal("userinfo_or_fragment")
    here = loopback and _is_here(host)
    if parts.scheme != "https" and not (here and parts.scheme == "http"):
        raise _refusal("scheme")
    tls = parts.scheme == "https"
    if not here and port not in {None, PORT}:
        raise _refusal("port")
    if _is_special(host, loopback=loopback):
        raise _refusal("address")
    return Target(host=host, port=port or (PORT if tls else 80), path=_path(parts), tls=tls)


async def pinned(one: Target, resolve: Resolve, *, loopback: bool) -> str:
    """Resolve the name of a target and give the address to connect to.

    Args:
        one: The target.
        resolve: Asked once.
        loopback: This machine may be reached.

    Returns:
        An IP address that was checked.

    Raises:
        Invalid: `webhook_address_refused`: one of the addresses is not public.
        OSError: The name has no address.
    """
    found = await resolve(one.host, one.port)
    if not found:
        raise OSError
    if not all(public_network.includes(address, loopback=loopback) for address in found):
        raise _refusal("address")
    return found[0]


def resolver(executor: Executor) -> Resolve:
    """Give a resolver with threads of its own, so that slow names of one don't hold up others.

    Args:
        executor: Runs the look-ups.
    """

    async def resolve(host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            executor, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    return resolve


def _refusal(why: str) -> errors.Invalid:
    return errors.Invalid(
        REFUSED, "A webhook has an https address on the public network.", path="endpoint", why=why
    )


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_special(host: str, *, loopback: bool) -> bool:
    """Refuse at once what needs no resolving: literal addresses, other spellings of them."""
    if _is_here(host):
        return not loopback
    try:
        ipaddress.ip_address(host)
    except ValueError:
        last = host.rpartition(".")[2].lower()
        # 127.1, 2130706433, 0x7f.1: a C library reads them as addresses. `.internal` and the like
        # never name a host of the public network.
        return last[:1].isdigit() or last in _INSIDE or "." not in host
    return not public_network.includes(host, loopback=loopback)


_INSIDE: Final = frozenset({"internal", "local", "localhost", "localdomain", "lan", "home", "arpa"})
