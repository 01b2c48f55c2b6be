"""Fetches a publisher's feed over HTTPS into a folder: bounded, asked once, from public hosts only.

A publisher names addresses, so every one is checked where it leads: https only, never an address
of a private, local or reserved network (the connection goes to the very address that was checked,
so that a name cannot change in between), no redirect is followed, and bytes, time and compression
have limits. This machine is allowed by a setting only.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from interop import smart_scheduling
from kernel import errors

CHUNK: Final = 1 << 16
MANIFEST: Final = "bulk-publish.json"
_TYPES: Final = frozenset({"Location", "Schedule", "Slot"})
_NOT_MODIFIED: Final = 304
_OK: Final = 200


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a feed may take.

    Attributes:
        file_bytes: Of one file, uncompressed.
        total_bytes: Of all files, uncompressed.
        files: Named by a manifest.
        ratio: Most bytes that one compressed byte may become, past the first mebibyte.
        connect_s: To connect, and between two pieces.
        file_s: For one file.
    """

    file_bytes: int = 512 << 20
    total_bytes: int = 2 << 30
    files: int = 2_000
    ratio: int = 200
    connect_s: float = 10.0
    file_s: float = 300.0


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched: the ETag that the next question carries, empty when there was none."""

    etag: str


class Source:
    """One publisher's host names, asked under limits."""

    def __init__(
        self, folder: Path, *, loopback: bool = False, limits: Limits | None = None
    ) -> None:
        """Prepare.

        Args:
            folder: Where files are written; must exist.
            loopback: This machine and plain HTTP to it are allowed.
            limits: How much it may take.
        """
        self._folder = folder
        self._loopback = loopback
        self._limits = limits or Limits()
        self._total = 0

    def smart(self, address: str, etag: str | None) -> Fetched | None:
        """Fetch a manifest and the files it names; None when it has not changed.

        Args:
            address: Of the manifest.
            etag: Of the last time.

        Raises:
            kernel.errors.Invalid: `feed_manifest_unreadable`, and what `file` refuses.
            kernel.errors.Unavailable: `feed_away`.
        """
        path = self._folder / MANIFEST
        fetched = self.file(address, etag, path)
        if fetched is None:
            return None
        manifest = smart_scheduling.manifest(path)
        wanted = [one for one in manifest.output if one.type in _TYPES]
        if len(wanted) > self._limits.files:
            raise errors.Invalid("feed_too_large", "The manifest names too many files.")
        for number, output in enumerate(wanted):
            name = f"{number:04}-{output.type}.ndjson"
            self.file(urljoin(address, output.url), None, self._folder / name)
        return fetched

    def file(self, address: str, etag: str | None, path: Path) -> Fetched | None:
        """Fetch one file; None when it has not changed.

        Args:
            address: Where it is.
            etag: Of the last time.
            path: Where it is written; whole or not at all.

        Raises:
            kernel.errors.Invalid: `feed_address_refused`, `feed_redirected`, `feed_too_large`,
                `feed_compression_bomb` or `feed_refused` (with the `status`).
            kernel.errors.Unavailable: `feed_away`: no answer, or not within the time.
        """
        part = path.with_suffix(".part")
        try:
            with self._answer(address, etag) as answer:
                if answer.status == _NOT_MODIFIED and etag:
                    return None
                _check_status(answer.status)
                with part.open("wb") as file:
                    for piece in self._pieces(answer):
                        file.write(piece)
                part.rename(path)
                return Fetched(etag=answer.headers.get("ETag", ""))
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise errors.Unavailable("feed_away", "The publisher does not answer.", 60) from error
        finally:
            part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _answer(self, address: str, etag: str | None) -> Iterator[http.client.HTTPResponse]:
        parts = _parts(address)
        connection = _Pinned(parts, self._resolve(parts), self._limits.connect_s)
        headers = {"Accept-Encoding": "gzip", "User-Agent": "regul", "Connection": "close"}
        if etag:
            headers["If-None-Match"] = etag
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET", target, headers=headers)
            with connection.getresponse() as answer:
                yield answer
        finally:
            connection.close()

    def _resolve(self, parts: SplitResult) -> str:
        """Give an address of the host that may be asked: all of its addresses have to be."""
        host, port = parts.hostname or "", _port(parts)
        found = {str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        for one in found:
            if not allowed(one, loopback=self._loopback, https=parts.scheme == "https"):
                raise errors.Invalid("feed_address_refused", "A feed is on the public network.")
        return min(found)

    def _pieces(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """Yield the decoded bytes, counting them."""
        encoding = answer.headers.get("Content-Encoding", "identity").lower()
        if encoding not in {"identity", "gzip"}:
            raise errors.Invalid("feed_encoding_unknown", "Only gzip is understood.")
        until = time.monotonic() + self._limits.file_s
        gzip = zlib.decompressobj(31) if encoding == "gzip" else None
        packed = given = 0
        while raw := answer.read1(CHUNK):
            packed += len(raw)
            for piece in (raw,) if gzip is None else unpacked(gzip, raw):
                given += len(piece)
                self._total += len(piece)
                self._check(packed, given, compressed=gzip is not None)
                yield piece
            if time.monotonic() > until:
                raise TimeoutError
        if answer.length or (gzip is not None and not gzip.eof):
            raise http.client.IncompleteRead(b"")

    def _check(self, packed: int, given: int, *, compressed: bool) -> None:
        limits = self._limits
        if compressed and given > (1 << 20) and given > packed * limits.ratio:
            raise errors.Invalid("feed_compression_bomb", "A file unpacks to far too much.")
        if given > limits.file_bytes or self._total > limits.total_bytes:
            raise errors.Invalid("feed_too_large", "The feed is larger than allowed.")


def unpacked(gzip: "zlib._Decompress", raw: bytes) -> Iterator[bytes]:
    """Yield what compressed bytes become, never more than a piece at a time."""
    while raw:
        yield gzip.decompress(raw, CHUNK)
        raw = gzip.unconsumed_tail


def _check_status(status: int) -> None:
    if 300 <= status < 400:  # noqa: PLR2004 - redirections
        raise errors.Invalid("feed_redirected", "A feed is asked where it is registered.")
    if status >= 500:  # noqa: PLR2004 - the publisher's trouble
        raise http.client.HTTPException
    if status != _OK:
        raise errors.Invalid("feed_refused", "The publisher refuses.", status=status)


def _parts(address: str) -> SplitResult:
    """Read an address.

    Raises:
        kernel.errors.Invalid: `feed_address_refused`: no plain http(s) address.
    """
    try:
        parts = urlsplit(address)
        _port(parts)
    except ValueError as error:
        raise errors.Invalid("feed_address_refused", "That is no address.") from error
    plain = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
    if not plain or not address.isprintable() or " " in address:
        raise errors.Invalid("feed_address_refused", "A feed has an https address.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


# Addresses of IPv4 hosts behind a translator: RFC 6052 and RFC 8215.
_TRANSLATED: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48")))


def allowed(address: str, *, loopback: bool, https: bool) -> bool:
    """Tell whether an IP address may be asked.

    Args:
        address: IPv4 or IPv6, without a name.
        loopback: This machine is allowed, with or without TLS.
        https: The connection is encrypted.
    """
    one = ipaddress.ip_address(address.partition("%")[0])
    if any(one in network for network in _TRANSLATED):
        return False
    inner = getattr(one, "ipv4_mapped", None) or getattr(one, "sixtofour", None) or one
    if inner.is_loopback:
        return loopback
    return https and inner.is_global and not inner.is_multicast and one.is_global == inner.is_global


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the host's own name."""

    def __init__(self, parts: SplitResult, address: str, timeout_s: float) -> None:
        super().__init__(parts.hostname or "", _port(parts), timeout=timeout_s)
        self._address = address
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    def connect(self) -> None:
        """Connect to the checked address; the certificate has to be the host's."""
        sock = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = (
            sock if self._tls is None else self._tls.wrap_socket(sock, server_hostname=self.host)
        )
