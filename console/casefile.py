"""The dossier column of an open case: facts first, then the live assessment and the history."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from console import assessed, people, views
from console.catalogue import Words
from kernel import identity
from kernel.actor import Actor, may
from kernel.database import Tx
from kernel.edge import Edge
from triage import dossier, entitlement
from triage.dossier import CaseView
from triage.finding import Finding
from triage.library import Library


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A case as read, with the views made of it.

    Attributes:
        file: What triage gave.
        labels: Names of the staff named in it.
    """

    file: CaseView
    labels: Mapping[UUID, str]
    dossier: views.Dossier
    triage: views.Triage


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
    labels = await identity.labels(tx, [one for one in staff if one is not None])
    return Shown(
        file=file,
        labels=labels,
        dossier=show(file, edge.actor, labels, words),
        triage=triage(file, edge.actor, library, words),
    )


def triage(file: CaseView, actor: Actor, library: Library, words: Words) -> views.Triage:
    """Show the live assessment of a case.

    Args:
        file: As read.
        actor: Who reads; answers only with the right to record them.
        library: Wording of the questions.
        words: The reader's.
    """
    if file.assessment is None:
        return views.Triage(case_id=file.id, editable=False)
    findings = [
        Finding(input=one.input, value=one.value, unanswerable=one.unanswerable)
        for one in file.findings
    ]
    editable = file.case.state != "closed" and may(actor, "finding.record")
    return assessed.view(
        file.id, file.assessment.result, findings, library, words, editable=editable
    )


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
    dispatched = any(one.reflex for one in file.dispositions)
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
        and entitlement.closing_refusal(actor.role, case) is None,
        timeline=timeline(file, labels, words),
        reflex=open_
        and case.decided_at is None
        and may(actor, "dispatch.reflex")
        and not dispatched
        and bool(people.phone(file))
        and case.place is not None
        and entitlement.dispatch_refusal(case) is None,
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
    return tuple(sorted(lines, key=lambda one: one.at))
