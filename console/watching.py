"""What keeps a waiting patient in view: the milder level confirmed, the call owed answered."""

from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import desk, forms
from console.reader import Reader
from kernel.database import Tx
from triage import callbacks, confirmations
from triage.callbacks import Attempt
from triage.confirmations import ConfirmAcuity
from triage.library import Library
from triage.model import AttemptOutcome

_OUTCOMES: Final[tuple[AttemptOutcome, ...]] = ("reached", "no_answer", "wrong_number", "refused")


@post(
    ["/poste/{case_id:uuid}/abaisser", "/regulation/{case_id:uuid}/abaisser"],
    include_in_schema=False,
    status_code=200,
)
async def confirm_lower(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Put in force the milder level that the page showed."""
    form = await forms.read(request)
    command = ConfirmAcuity(assessment_id=form.id("assessment_id"), reason=form.optional("reason"))

    async def act(tx: Tx) -> None:
        await confirmations.confirm(tx, who.edge.actor, case_id, command)

    return await desk.dossier_answer(who, library, case_id, await desk.tried(who, act))


@post(
    ["/poste/{case_id:uuid}/rappel", "/regulation/{case_id:uuid}/rappel"],
    include_in_schema=False,
    status_code=200,
)
async def answer_recall(
    request: Request[Any, Any, Any],
    who: NamedDependency[Reader],
    library: NamedDependency[Library],
    case_id: FromPath[UUID],
) -> Response[str]:
    """Write down one attempt at the call that a waiting patient is owed."""
    form = await forms.read(request)
    outcome: AttemptOutcome = next(
        (one for one in _OUTCOMES if one == form.text("outcome")), "no_answer"
    )
    callback_id = form.id("callback_id")

    async def act(tx: Tx) -> None:
        await callbacks.attempt(tx, who.edge.actor, callback_id, Attempt(outcome=outcome))

    return await desk.dossier_answer(who, library, case_id, await desk.tried(who, act))


ROUTES: Final[list[Any]] = [confirm_lower, answer_recall]
