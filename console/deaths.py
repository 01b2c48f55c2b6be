"""A death on the dossier: reported by anybody, confirmed or taken back by a physician."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import forms
from console.desk import dossier_answer, tried
from console.reader import Reader
from triage import deaths
from triage.deaths import ReportDeath, ReverseDeath
from triage.library import Library


@post(
    ["/poste/{case_id:uuid}/deces", "/regulation/{case_id:uuid}/deces"],
    include_in_schema=False,
    status_code=200,
)
async def report(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Note that somebody said the patient died."""
    form = await forms.read(request)
    wish = msgspec.convert({"source": form.text("source") or "other"}, ReportDeath)
    problem = await tried(who, lambda tx: deaths.report(tx, who.edge.actor, case_id, wish))
    return await dossier_answer(who, library, case_id, problem)


@post(
    ["/poste/{case_id:uuid}/deces/confirmer", "/regulation/{case_id:uuid}/deces/confirmer"],
    include_in_schema=False,
    status_code=200,
)
async def confirm(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Confirm a death as a physician."""
    report_id = (await forms.read(request)).id("report_id")
    problem = await tried(who, lambda tx: deaths.confirm(tx, who.edge.actor, report_id))
    return await dossier_answer(who, library, case_id, problem)


@post(
    ["/poste/{case_id:uuid}/deces/annuler", "/regulation/{case_id:uuid}/deces/annuler"],
    include_in_schema=False,
    status_code=200,
)
async def reverse(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Take a report or a confirmation back."""
    form = await forms.read(request)
    wish = ReverseDeath(reason=form.text("reason") or "other")
    report_id = form.id("report_id")
    problem = await tried(who, lambda tx: deaths.reverse(tx, who.edge.actor, report_id, wish))
    return await dossier_answer(who, library, case_id, problem)


ROUTES: Final = [report, confirm, reverse]
