"""Connections to addresses that others name: https, to the public network only.

Every address of a host is checked, and the connection goes to the very one that was, so that a name
cannot change in between. This machine is allowed by a setting only.
"""

import http.client
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

from kernel import errors, public_network


def parts(address: str) -> SplitResult:
    """Read an address.

    Args:
        address: As configured or published.

    Raises:
        kernel.errors.Invalid: `feed_address_refused`: no plain http(s) address.
    """
    try:
        found = urlsplit(address)
        port_of(found)
    except ValueError as error:
        raise errors.Invalid("feed_address_refused", "That is no address.") from error
    plain = found.scheme in {"http", "https"} and found.hostname and not found.username
    if not plain or not address.isprintable() or " " in address:
        raise errors.Invalid("feed_address_refused", "A feed has an https address.")
    return found


def port_of(parts: SplitResult) -> int:
    """Give the port of an address, named or usual."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def resolve(parts: SplitResult, *, loopback: bool) -> str:
    """Give an IP address of the host that may be asked: all of its addresses have to be.

    Args:
        parts: Of the address.
        loopback: This machine is allowed, with or without TLS.

    Raises:
        kernel.errors.Invalid: `feed_address_refused`.
        OSError: The name is not known.
    """
    host, port = parts.hostname or "", port_of(parts)
    found = {str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for one in found:
        if not allowed(one, loopback=loopback, https=parts.scheme == "https"):
            raise errors.Invalid("feed_address_refused", "Only the public network is asked.")
    return min(found)


def allowed(address: str, *, loopback: bool, https: bool) -> bool:
    """Tell whether an IP address may be asked.

    Args:
        address: IPv4 or IPv6, without a name.
        loopback: This machine is allowed, with or without TLS.
        https: The connection is encrypted.
    """
    if not public_network.includes(address, loopback=loopback):
        return False
    return https or not public_network.includes(address, loopback=False)


class Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the host's own name."""

    def __init__(self, parts: SplitResult, address: str, timeout_s: float) -> None:
        """Prepare; `timeout_s` holds for connecting and between two pieces."""
        super().__init__(parts.hostname or "", port_of(parts), timeout=timeout_s)
        self._address = address
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    def connect(self) -> None:
        """Connect to the checked address; the certificate has to be the host's."""
        sock = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = (
            sock if self._tls is None else self._tls.wrap_socket(sock, server_hostname=self.host)
        )
