"""Fetches a publisher's feed over HTTPS into a folder: bounded, asked once, from public hosts only.

A publisher names addresses, so every one is checked where it leads (`outgoing`), no redirect is
followed, and bytes, time and compression have limits. This machine is allowed by a setting only.
"""

import contextlib
import http.client
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import msgspec

from interop import outgoing, smart_scheduling
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
        parts = outgoing.parts(address)
        where = outgoing.resolve(parts, loopback=self._loopback)
        connection = outgoing.Pinned(parts, where, self._limits.connect_s)
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
