"""Where the files of a feed are: fetched into a folder of our own, or lying on this machine."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from directory.feed_doctor import Examination
from directory.feed_intake import Taken
from directory.feed_people import People
from directory.feed_store import Feed, Run
from interop import feed_fetching
from kernel import errors

State: TypeAlias = Literal["unchanged", "held", "done"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What running a feed did.

    Attributes:
        run: The run; None when nothing was to be done.
        taken: All batches together.
        people: Practitioners, organisations and roles that a feed of diaries names.
        withdrawn: Diaries that the feed no longer names.
        written: Rows of a register that were new or said something else.
        examination: What the doctor says; None for registers, and when nothing was read.
    """

    state: State
    run: Run | None = None
    taken: Taken = msgspec.field(default_factory=Taken)
    people: People = msgspec.field(default_factory=People)
    withdrawn: int = 0
    written: int = 0
    examination: Examination | None = None


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """The folder or file of a feed, and its ETag where it came over HTTP."""

    path: Path
    digest: bytes
    etag: str | None


def is_remote(address: str) -> bool:
    """Tell whether a feed is fetched over HTTP."""
    return "://" in address


def digest(path: Path) -> bytes:
    """Give the SHA-256 of a feed's rows, without its manifest, which may change by itself."""
    total = hashlib.sha256()
    for one in [path] if path.is_file() else sorted(path.glob("*.ndjson")):
        with one.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.digest()


@contextmanager
def spool() -> Iterator[Path]:
    """Give a folder for what is fetched, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="regul-feed-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def locate(feed: Feed, folder: Path, *, loopback: bool) -> Located | None:
    """Fetch a feed, or find it on this machine; None when its publisher says nothing changed.

    Args:
        feed: Which feed.
        folder: For what is fetched.
        loopback: It may be fetched from this machine.

    Raises:
        kernel.errors.RegulError: It cannot be had.
    """
    if not is_remote(feed.address):
        here = Path(feed.address)
        if not here.exists() or here.is_dir() != (feed.kind == "smart"):
            raise errors.Unavailable("feed_away", "The files of the feed are not there.", 60)
        return Located(path=here, digest=digest(here), etag=None)
    source = feed_fetching.Source(folder, loopback=loopback)
    here = folder if feed.kind == "smart" else folder / "feed"
    if feed.kind == "smart":
        fetched = source.smart(feed.address, feed.etag)
    else:
        fetched = source.file(feed.address, feed.etag, here)
    if fetched is None:
        return None
    return Located(path=here, digest=digest(here), etag=fetched.etag or None)
