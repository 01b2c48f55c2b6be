"""The operators' desk: every case that still needs work, before and after it is qualified."""

from typing import Final

from kernel import audit
from kernel.actor import Actor, require
from kernel.database import Tx
from triage import cases, qualification
from triage.qualification import QueuedCase
from triage.working_order import working_order

_LONGEST: Final = 500


async def open_cases(tx: Tx, actor: Actor) -> tuple[QueuedCase, ...]:
    """Give the cases of the territory that wait for a decision or for a place.

    Args:
        tx: The transaction.
        actor: Who looks.

    Returns:
        At most 500 cases of all streams, in working order; the newest are left out beyond that.
    """
    require(actor, "queue.read")
    rows = await tx.fetch(SELECT_DESK, _LONGEST)
    found = {row["id"]: cases.as_case(row) for row in rows}
    await audit.record(tx, actor, "queue.read", "queue", None, detail="desk")
    ranked = working_order(qualification.waiting(case) for case in found.values())
    return tuple(
        QueuedCase(
            case=found[one.case_id],
            rank=one.rank,
            not_qualified=one.not_qualified,
            sounds=one.sounds,
        )
        for one in ranked
    )


SELECT_DESK: Final = """
select id, territory_id, incident_id, key_id, opened_by, opened_at, state, complaint, sex,
       age_years, insee, lon, lat, default_acuity, assessment_id, acuity_assured, acuity_worst,
       acuity_proposed, interval_closed, physician_required, priority, stream, qualified_at,
       awaiting_since, taken_by, decided_at, care_level, responsible_actor_id,
       responsible_organisation_id, closed_at, close_outcome, heard_at, lower_assessment_id,
       lower_assured, lower_proposed, lower_since, physician_reasons, calls_96h, previous_case_id,
       recall.due_at as recall_due_at,
       coalesce(recall.due_at <= kernel.regul_now(), false) as recall_overdue
from triage.case_file c
left join lateral (
    select k.due_at from triage.callback k
    where k.case_id = c.id and k.reason = 'recall' and k.state = 'due') recall on true
where territory_id = (select kernel.current_territory()) and closed_at is null
  and state in ('taken', 'qualified', 'awaiting_physician', 'decided')
order by acuity_assured nulls last, opened_at
limit $1
"""
