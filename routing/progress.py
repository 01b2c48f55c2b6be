"""A case's way through placing: moved where its state table leads, else left alone."""

from uuid import UUID

from kernel import errors
from kernel.actor import Actor
from kernel.database import Tx
from triage import cases
from triage.model import TRANSITIONS, Case, State


async def advance(tx: Tx, actor: Actor, case_id: UUID, to_state: State) -> None:
    """Move a case if its table leads there from where it is.

    A second ambulance does not set a case back that is on scene, and what a clinic says of a
    patient whose case was closed meanwhile is still recorded.

    Args:
        tx: The transaction.
        actor: Who causes it.
        case_id: Which.
        to_state: Where to.
    """
    case = await cases.get(tx, actor, case_id)
    if to_state in TRANSITIONS[case.state]:
        await cases.move(tx, actor, case_id, to_state)


def refuse_closed(case: Case) -> None:
    """Refuse to place a patient whose case is closed.

    Args:
        case: The case.

    Raises:
        Conflict: `case_closed`.
    """
    if case.state == "closed":
        code = "case_closed"
        raise errors.Conflict(code, "This case is closed.")
