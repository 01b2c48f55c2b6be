"""The dossier column of an open case: facts first, then the live assessment and the history."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from console import assessed, people, triage_views, views
from console.assessed import Seen
from console.catalogue import Words
from kernel import identity
from kernel.actor import Actor, may
from kernel.database import Tx
from kernel.edge import Edge
from triage import dossier, entitlement
from triage.dossier import CaseView
from triage.library import Library
from triage.model import Callback
from triage.standing import Standing


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A case as read, with the views made of it.

    Attributes:
        file: What triage gave.
        labels: Names of the staff named in it.
    """

    file: CaseView
    labels: Mapping[UUID, str]
    dossier: views.Dossier
    triage: triage_views.Triage


async def read(tx: Tx, edge: Edge, case_id: UUID, words: Words, library: Library) -> Shown:
    """Read a case and make its views; the read is audited.

    Args:
        tx: The transaction.
        edge: Of the request.
        case_id: Which case.
        words: The reader's.
        library: Wording of the questions.

    Raises:
        Missing: `case_missing`.
    """
    file = await dossier.view(tx, edge.actor, case_id, edge.keys)
    staff = {file.case.responsible_actor_id, file.case.taken_by, file.case.opened_by}
    staff |= {one.decided_by for one in file.dispositions} | {one.received_by for one in file.calls}
    staff |= {one.confirmed_by for one in file.confirmations}
    staff |= {one.confirmed_by or one.reported_by for one in file.deaths}
    labels = await identity.labels(tx, [one for one in staff if one is not None])
    return Shown(
        file=file,
        labels=labels,
        dossier=show(file, edge.actor, labels, words),
        triage=triage(file, edge.actor, library, words),
    )


def triage(file: CaseView, actor: Actor, library: Library, words: Words) -> triage_views.Triage:
    """Show the live assessment of a case.

    Args:
        file: As read.
        actor: Who reads; answers only with the right to record them.
        library: Wording of the questions.
        words: The reader's.
    """
    if file.assessment is None:
        return triage_views.Triage(case_id=file.id, editable=False)
    case = file.case
    seen = Seen(
        case_id=file.id,
        result=file.assessment.result,
        standing=Standing(
            assured=case.acuity_assured, worst=case.acuity_worst, proposed=case.acuity_proposed
        ),
        findings=file.findings,
        to_confirm=file.assessment.to_confirm,
        lower=lower(file, actor),
        physician=case.physician_reasons,
        editable=case.state != "closed" and may(actor, "finding.record"),
    )
    return assessed.view(seen, library, words)


def lower(file: CaseView, actor: Actor) -> triage_views.Lower | None:
    """Show the milder level that waits, and whether this reader may confirm it.

    Args:
        file: As read.
        actor: Who reads.
    """
    case, waits = file.case, file.case.lower
    if waits is None or case.state == "closed":
        return None
    refusal = entitlement.confirmation_refusal(actor.role, case, has_reason=True)
    assured_falls = waits.assured != case.acuity_assured
    return triage_views.Lower(
        assessment_id=waits.assessment_id,
        standing=case.acuity_assured if assured_falls else case.acuity_proposed,
        said=waits.assured if assured_falls else waits.proposed,
        allowed=refusal is None and may(actor, "acuity.confirm"),
        repeated=case.previous_case_id is not None and not assured_falls,
    )


def recall(file: CaseView, actor: Actor) -> views.Recall | None:
    """Show the call that a waiting patient is owed.

    Args:
        file: As read.
        actor: Who reads; answers it only with the right to settle callbacks.
    """
    case = file.case
    owed = next((one for one in file.callbacks if _is_live_recall(one)), None)
    if case.recall_due_at is None or owed is None:
        return None
    return views.Recall(
        due_at=case.recall_due_at,
        overdue=case.recall_overdue,
        attempts=owed.attempts,
        callback_id=owed.id if may(actor, "callback.settle") else None,
    )


def death(file: CaseView, actor: Actor, labels: Mapping[UUID, str]) -> views.Death | None:
    """Show a reported death, or that one may be reported; None where neither is so.

    Args:
        file: As read.
        actor: Who reads; a physician confirms, and takes back.
        labels: Names of the staff.
    """
    stands = next((one for one in file.deaths if one.reversed_at is None), None)
    if stands is None:
        may_report = file.case.state != "closed" and may(actor, "death.report")
        return views.Death() if may_report else None
    physician = may(actor, "death.confirm")
    return views.Death(
        id=stands.id,
        at=stands.confirmed_at or stands.reported_at,
        by=labels.get(stands.confirmed_by or stands.reported_by, ""),
        source=stands.source,
        confirmed=stands.confirmed_at is not None,
        confirmable=physician and stands.confirmed_at is None and file.case.state != "closed",
        reversible=physician,
    )


def _is_live_recall(callback: Callback) -> bool:
    return callback.reason == "recall" and callback.state == "due"


def show(file: CaseView, actor: Actor, labels: Mapping[UUID, str], words: Words) -> views.Dossier:
    """Show the facts of a case.

    Args:
        file: As read.
        actor: Who reads.
        labels: Names of the staff.
        words: The reader's.
    """
    case = file.case
    open_ = case.state != "closed"
    owner = labels.get(case.responsible_actor_id, "") if case.responsible_actor_id else ""
    if case.responsible_organisation_id is not None:
        owner = words.t("dossier.receiver")
    return views.Dossier(
        case_id=case.id,
        number=case.id.hex[-5:].upper(),
        state=case.state,
        complaint=people.complaint(case.complaint, words),
        complaint_text=file.complaint_text or "",
        place=people.place_name(case.place),
        place_detail=file.address or "",
        phone=people.phone(file),
        patient=people.name(file.patient),
        age="" if case.age_years is None else words.age(case.age_years),
        sex=case.sex or "",
        opened_at=case.opened_at,
        owner=owner,
        mine=case.responsible_actor_id == actor.id,
        takable=open_ and may(actor, "case.take") and case.responsible_organisation_id is None,
        taken_by=case.taken_by,
        priority=case.priority,
        stream=case.stream,
        proposed_priority=file.proposed_priority,
        qualifiable=open_ and may(actor, "case.qualify") and case.decided_at is None,
        closable=open_
        and may(actor, "case.close")
        and bool(file.dispositions)
        and _closing_refusal(file, actor) is None,
        timeline=timeline(file, labels, words),
        calls=case.calls_96h,
        previous=case.previous_case_id,
        recall=recall(file, actor),
        death=death(file, actor, labels),
        reflex=open_ and _dispatchable(file, actor),
    )


def _closing_refusal(file: CaseView, actor: Actor) -> entitlement.Refusal | None:
    """Tell why this reader may not close, or None."""
    decided = any(one.decided_role == "physician" and not one.reflex for one in file.dispositions)
    return entitlement.closing_refusal(actor.role, file.case, by_physician=decided)


def _dispatchable(file: CaseView, actor: Actor) -> bool:
    """Tell whether this reader may dispatch at once: not yet done, place and number known."""
    case = file.case
    return (
        case.decided_at is None
        and may(actor, "dispatch.reflex")
        and not any(one.reflex for one in file.dispositions)
        and bool(people.phone(file))
        and case.place is not None
        and entitlement.dispatch_refusal(case) is None
    )


def timeline(file: CaseView, labels: Mapping[UUID, str], words: Words) -> tuple[views.Line, ...]:
    """Tell what happened, oldest first.

    Args:
        file: As read.
        labels: Names of the staff.
        words: The reader's.
    """
    lines = [
        views.Line(
            at=one.received_at, text=words.t("event.received"), who=labels.get(one.received_by, "")
        )
        for one in file.calls
    ]
    case = file.case
    lines.append(
        views.Line(
            at=case.opened_at, text=words.t("event.opened"), who=labels.get(case.opened_by, "")
        )
    )
    if file.assessment is not None:
        level = file.assessment.result.proposed
        text = words.t("event.assessed", level=level or words.t("level.none"))
        lines.append(views.Line(at=file.assessment.assessed_at, text=text))
    if case.qualified_at is not None:
        text = words.t("event.qualified", priority=case.priority or "")
        lines.append(views.Line(at=case.qualified_at, text=text))
    lines += [
        views.Line(
            at=one.decided_at,
            text=words.t("event.decided", kind=words.code("kind", one.kind)),
            who=labels.get(one.decided_by, ""),
        )
        for one in file.dispositions
    ]
    lines += _lowered(file, labels, words)
    return tuple(sorted(lines, key=lambda one: one.at))


def _lowered(file: CaseView, labels: Mapping[UUID, str], words: Words) -> list[views.Line]:
    """Tell who put a milder level in force."""
    none = words.t("level.none")
    return [
        views.Line(
            at=one.confirmed_at,
            text=words.t(
                "event.lowered",
                before=one.from_proposed or none,
                after=one.to_proposed or none,
                reason=words.code("reason", one.reason),
            ),
            who=labels.get(one.confirmed_by, ""),
        )
        for one in file.confirmations
    ]
