"""The queue column: waiting cases in the working order that triage gives."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from console import people, views
from console.catalogue import Words
from kernel import identity
from kernel.database import Tx
from kernel.edge import Edge
from routing.model import REVIEW_WITHIN_S
from triage import desk, qualification
from triage.acuity import Acuity
from triage.model import Stream
from triage.qualification import QueuedCase

STREAMS: Final[tuple[Stream, ...]] = ("AMU", "SNP", "PSY", "NEONAT")
OPERATORS: Final = "poste"
"""The page whose queue holds every case; the physicians' holds one stream."""


def stream_of(page: str, wanted: str) -> str:
    """Give the queue to show: all cases to operators, one stream to physicians.

    Args:
        page: Code of the page.
        wanted: As asked; the first stream when it is none.
    """
    if page == OPERATORS:
        return "ALL"
    return wanted if wanted in STREAMS else STREAMS[0]


async def show(
    edge: Edge, words: Words, page: str, wanted: str, current: UUID | None
) -> views.Queue:
    """Read a queue.

    Args:
        edge: Of the request.
        words: The reader's.
        page: Code of the page.
        wanted: Stream asked for.
        current: The case that is open beside it.
    """
    stream = stream_of(page, wanted)

    async def read(tx: Tx) -> tuple[Sequence[QueuedCase], Mapping[UUID, str]]:
        found = await _cases(tx, edge, stream)
        owners = {one.case.responsible_actor_id for one in found} - {None}
        return found, await identity.labels(tx, [one for one in owners if one is not None])

    found, labels = await edge.run(read)
    return views.Queue(
        page=page,
        rows=tuple(row(one, labels, words) for one in found),
        stream=stream,
        streams=("ALL",) if page == OPERATORS else STREAMS,
        current=current,
    )


async def _cases(tx: Tx, edge: Edge, stream: str) -> Sequence[QueuedCase]:
    for one in STREAMS:
        if one == stream:
            return (await qualification.queue(tx, edge.actor, one)).cases
    return await desk.open_cases(tx, edge.actor)


def row(queued: QueuedCase, labels: Mapping[UUID, str], words: Words) -> views.QueueRow:
    """Show one waiting case.

    Args:
        queued: At its place.
        labels: Names of the staff responsible.
        words: The reader's.
    """
    case = queued.case
    counted = qualification.waiting(case)
    since = case.awaiting_since or case.opened_at
    target: Acuity = counted.counts_as() or counted.proposed or "U3"
    owner = labels.get(case.responsible_actor_id) if case.responsible_actor_id else None
    return views.QueueRow(
        case_id=case.id,
        complaint=people.complaint(case.complaint, words),
        acuity=counted.assured,
        worst=case.acuity_worst,
        not_qualified=queued.not_qualified,
        sounds=queued.sounds,
        age="" if case.age_years is None else words.age(case.age_years),
        place=people.commune_name(case.place),
        since=since,
        decided_at=case.decided_at,
        overdue_at=(case.decided_at or since) + timedelta(seconds=REVIEW_WITHIN_S[target]),
        owner=owner or "",
        priority=case.priority,
        stream=case.stream,
        state=case.state,
        lower_waits=case.lower is not None,
        physician=case.priority is not None and case.physician_required,
        calls=case.calls_96h,
        recall_due_at=case.recall_due_at,
        recall_overdue=case.recall_overdue,
    )
