"""The live feed of a page: small named events that say what to fetch anew, and a steady beat.

No patient data goes through it: a page fetches the fragment with its own rights. The beat carries
the server's time; its absence tells the page that the link is cut.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.response import ServerSentEvent, ServerSentEventMessage

from console import catalogue, render
from console.reader import Reader
from events.catalogue import AssessmentRecorded
from events.live import Hub
from events.model import StoredEvent
from kernel.edge import Edge

BEAT_S: Final = 2.0
"""A page calls the link cut after two missed beats and a bit."""
QUEUE: Final = frozenset({"call", "case", "disposition", "callback", "waiting_entry", "referral"})
_POSITION: Final = re.compile(r"^[0-9]{1,18}$", re.ASCII)
WEEK: Final = frozenset({"schedule", "slot", "appointment", "hold"})


def messages(page: Sequence[StoredEvent]) -> Iterator[ServerSentEventMessage]:
    """Say what a page of events changes on screens, each thing once.

    Args:
        page: Events in order of positions.

    Yields:
        Named events; the last position as their id.
    """
    last = page[-1].position
    told: set[tuple[str, str]] = set()
    for one in page:
        told.update((name, _subject(name, one)) for name in _names(one))
    for name, subject in sorted(told):
        yield ServerSentEventMessage(event=name, data=subject, id=last)


def _names(event: StoredEvent) -> Iterator[str]:
    if event.aggregate in QUEUE or event.aggregate == "appointment":
        yield "queue-changed"
    if event.case_id is not None:
        yield "case-changed"
    if event.aggregate == "handoff":
        yield "handoffs-changed"
    if event.aggregate == "care_service":
        yield "capacity-changed"
    if event.aggregate in WEEK:
        yield "week-changed"
    if isinstance(event.event, AssessmentRecorded) and event.event.acuity_assured == "U0":
        yield "urgent"


def _subject(name: str, event: StoredEvent) -> str:
    return str(event.case_id) if name == "case-changed" else "1"


def beat() -> ServerSentEventMessage:
    """Give a sign of life with the server's time."""
    return ServerSentEventMessage(event="beat", data=catalogue.iso(datetime.now(UTC)))


async def _follow(
    hub: Hub, edge: Edge, after: int | None, ended: asyncio.Event
) -> AsyncIterator[ServerSentEventMessage]:
    """Merge the feed with the beat: whichever comes first goes out."""
    yield beat()
    feed = hub.follow(edge.actor, after, ended).__aiter__()
    coming: asyncio.Future[Sequence[StoredEvent] | None] = asyncio.ensure_future(_next(feed))
    try:
        while not ended.is_set():
            await asyncio.wait({coming}, timeout=BEAT_S)
            if not coming.done():
                yield beat()
                continue
            page = coming.result()
            if page is None:
                return
            for message in messages(page) if page else (beat(),):
                yield message
            coming = asyncio.ensure_future(_next(feed))
    finally:
        coming.cancel()


async def _next(feed: AsyncIterator[Sequence[StoredEvent]]) -> Sequence[StoredEvent] | None:
    return await anext(feed, None)


@get("/console/stream", include_in_schema=False)
async def stream(
    request: Request[Any, Any, Any],
    edge: NamedDependency[Edge],
    live: NamedDependency[Hub],
) -> ServerSentEvent:
    """Follow what changes; `Last-Event-ID` goes on after the last position seen."""
    text = request.headers.get("last-event-id", "")
    after = int(text) if _POSITION.match(text) else None
    ended: asyncio.Event = request.app.state.drain
    return ServerSentEvent(_follow(live, edge, after, ended), headers=dict(render.HEADERS))


@get("/console/health", include_in_schema=False)
async def health_banner(who: NamedDependency[Reader]) -> Response[str]:
    """Tell what is degraded now."""
    return who.fragment("health.html")


ROUTES: Final = [stream, health_banner]
