"""Stored cases as cases to compare protocols on: answers and codes, nothing that names anybody.

A shadow protocol leaves no trace with a case: what it would have said is computed from these
answers, so the report can be made again at any time and for any version.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from kernel import audit
from kernel.actor import Actor
from kernel.database import Tx
from triage.case_lines import Answers
from triage.format import Answer


async def export(
    tx: Tx, actor: Actor, since: datetime, until: datetime, most: int
) -> tuple[Answers, ...]:
    """Give the current answers of the cases opened in a period, oldest first.

    The read is audited for every case before the answer leaves.

    Args:
        tx: The transaction.
        actor: Who reads.
        since: Aware; included.
        until: Aware; excluded.
        most: Cases at most.
    """
    rows = await tx.fetch(SELECT_ANSWERS, since, until, most)
    complaints: dict[UUID, str | None] = {}
    answers: dict[UUID, dict[str, Answer]] = {}
    unanswerable: dict[UUID, list[str]] = {}
    for row in rows:
        case_id = row["id"]
        complaints[case_id] = row["complaint"]
        given, never = answers.setdefault(case_id, {}), unanswerable.setdefault(case_id, [])
        if row["value"] is not None:
            given[row["input"]] = _ANSWER.decode(row["value"])
        elif row["input"] is not None:
            never.append(row["input"])
    for case_id in complaints:
        await audit.record(
            tx, actor, "case.read", "case", case_id, case_id=case_id, detail="answers_exported"
        )
    return tuple(
        Answers(
            id=str(case_id),
            complaint=complaint,
            findings=answers[case_id],
            unanswerable=tuple(unanswerable[case_id]),
        )
        for case_id, complaint in complaints.items()
    )


_ANSWER: Final = msgspec.json.Decoder(bool | float | str)

SELECT_ANSWERS: Final = """
select c.id, c.complaint, f.input, f.value
from (
    select id, complaint, opened_at from triage.case_file
    where opened_at >= $1 and opened_at < $2
    order by opened_at, id
    limit $3::integer
) c
left join triage.finding f on f.case_id = c.id and f.superseded_at is null
order by c.opened_at, c.id, f.input
"""
