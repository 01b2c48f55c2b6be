"""The two streams: what they are set to, and whether one that is there still tells the whole."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)

FEED: Final = "FEED"
"""Internal copy of the feed: sequence = position."""
OUT: Final = "OUT"
"""What subscribers pull: `out.<subscription id>`."""
SUBJECTS: Final[Mapping[str, str]] = {FEED: "feed.>", OUT: "out.*"}
KEPT_S: Final = 7 * 24 * 3600
"""How long the streams keep a message; older ones come from PostgreSQL."""
OLDEST: Final = (2, 14, 3)
"""Source: advisories.nats.io secnote-2026-16, -18, -26."""
ALARM_SHARE: Final = 0.7
"""A stream that is fuller than this is told as degraded: a full one refuses."""
TRIES_AFTER_S: Final = (30.0, 60.0, 300.0, 900.0, 3600.0)
"""Pauses before a message that nobody acknowledged is given again; the last one repeats."""
MAX_DELIVER: Final = 8
"""A message given so often in vain is passed over: the subscriber sees the gap in its numbers."""
_BYTES: Final = 512 * 1024 * 1024
_DUPLICATES_S: Final = 3600


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """How full a stream is.

    Attributes:
        stream: Its name.
        share: Of the bytes it may hold, 0 to 1.
    """

    stream: str
    share: float


def stream_config(
    name: str, subject: str, first_sequence: int | None = None, replicas: int = 1
) -> StreamConfig:
    """Give the settings of our streams.

    Args:
        name: `FEED` or `OUT`.
        subject: What it stores.
        first_sequence: Sequence of its first message; None for a stream that is there.
        replicas: 1 on a single server, 3 on a cluster.

    Returns:
        On disk, full means refused (never silently dropped), nothing can be deleted or purged.
    """
    return StreamConfig(
        name=name,
        subjects=[subject],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        num_replicas=replicas,
        max_bytes=_BYTES,
        max_age=KEPT_S,
        deny_delete=True,
        deny_purge=True,
        allow_direct=False,
        allow_atomic=True,
        duplicate_window=_DUPLICATES_S,
        first_seq=first_sequence,
    )


def consumer_config(name: str) -> ConsumerConfig:
    """Give the settings of a subscriber's consumer.

    Args:
        name: The subscription's id.

    Returns:
        Durable, pulled, each message acknowledged, given again after growing pauses, 256 in flight.
    """
    return ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=f"out.{name}",
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=TRIES_AFTER_S[0],
        backoff=list(TRIES_AFTER_S),
        max_deliver=MAX_DELIVER,
        max_ack_pending=256,
    )


def settled(info: StreamInfo, replicas: int) -> bool:
    """Say whether a stream that is there has the settings of this version.

    Args:
        info: Of the stream.
        replicas: What it should have.
    """
    there = info.config
    return (
        there.discard == DiscardPolicy.NEW
        and there.max_bytes == _BYTES
        and there.num_replicas == replicas
        and bool(there.deny_delete and there.deny_purge and there.allow_atomic)
    )


def whole(info: StreamInfo) -> bool:
    """Say whether a stream has every message from its first to its last.

    Args:
        info: Of a stream in which nothing can be deleted: a hole is damage.
    """
    state = info.state
    if state.messages == 0:
        return True
    held = int(state.last_seq) - int(state.first_seq) + 1
    return not state.num_deleted and state.lost is None and int(state.messages) == held


def filling(info: StreamInfo) -> Filling:
    """Say how full a stream is.

    Args:
        info: Of the stream.
    """
    limit = info.config.max_bytes or _BYTES
    return Filling(stream=str(info.config.name), share=int(info.state.bytes) / limit)


def refuse_old(version: object) -> None:
    """Refuse a server with known holes.

    Args:
        version: As the server tells it, for example `2.15.1`.

    Raises:
        RuntimeError: It is older than 2.14.3.
    """
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", str(version))
    if match is None or tuple(int(part) for part in match.groups()) < OLDEST:
        message = f"nats-server {version} is older than {'.'.join(map(str, OLDEST))}"
        raise RuntimeError(message)
