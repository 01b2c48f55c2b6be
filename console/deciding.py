"""The form of a decision: what it proposes, what it was filled with, how a decision is shown."""

from typing import Any, Final

from console import forms, traced, views
from console.reader import Reader
from directory import codes
from kernel.actor import Actor, Role, may
from triage.acuity import SCALE
from triage.assessment import Assessment
from triage.dispositions import Decide, SafetyNetSaid
from triage.dossier import CaseView
from triage.library import Library
from triage.model import Disposition, Kind
from triage.protocol import SafetyNet

KINDS: Final[tuple[Kind, ...]] = ("ORIENT", "CONSEIL", "INTER", "PMT", "PASPLUS")
_UNREGULATED: Final[tuple[Kind, ...]] = ("CONSEIL", "PASPLUS")
_MODALITIES: Final = ("office", "home_visit", "teleconsultation", "telephone")
_WITH_SAFETY: Final = frozenset({"CONSEIL", "PMT", "ORIENT"})
_WITH_PLACE: Final = frozenset({"INTER", "ORIENT"})
_PROPOSED: Final[dict[str, tuple[Kind, str]]] = {
    "U0": ("INTER", "smur"),
    "U1": ("INTER", "smur"),
    "U2": ("ORIENT", "emergency_department"),
    "U3": ("ORIENT", "general_practice"),
    "U4": ("ORIENT", "general_practice"),
    "U5": ("CONSEIL", "general_practice"),
}
"""What the form shows first for a level; a proposal of the screen, decided by its reader."""


def kinds(actor: Actor, file: CaseView) -> tuple[Kind, ...]:
    """Give the decisions an actor may try; the use case decides.

    Args:
        actor: Who reads.
        file: The case.
    """
    if file.case.state == "closed" or not may(actor, "disposition.decide"):
        return ()
    if actor.role is Role.PHYSICIAN:
        return KINDS
    if actor.role is Role.OSNP:
        return tuple(one for one in KINDS if one in actor.delegations)
    return _UNREGULATED if file.case.priority == "NR" else ()


def proposal(file: CaseView, who: Reader) -> dict[str, Any]:
    """Fill the form of a decision with what the assessment proposes.

    Args:
        file: The case.
        who: The reader.
    """
    result = None if file.assessment is None else file.assessment.result
    proposed = file.case.acuity_proposed
    kind, service = _PROPOSED.get(proposed or "U3", ("ORIENT", "general_practice"))
    if result is not None and result.needs and kind != "INTER":
        service = result.needs[0].service
    french = who.words.language == "fr"
    said = () if result is None else nets(result, who.library)
    return {
        "proposed": proposed,
        "proposed_kind": kind,
        "service": service,
        "services": tuple(
            sorted(
                (
                    views.Choice(code=code, label=one.fr if french else one.en)
                    for code, one in codes.load().service.items()
                ),
                key=lambda one: one.label,
            )
        ),
        "safety": tuple(traced.told(one.worsening_signs, who.words) for one in said[:1]),
        "call_back": "" if not said else traced.told(said[0].call_back, who.words),
    }


def nets(result: Assessment, library: Library) -> tuple[SafetyNet, ...]:
    """Give what is to be said before the patient is left, that of the complaint first.

    Args:
        result: What the engine says.
        library: Its protocols.
    """
    found = (library.get(one.id) for one in result.protocols)
    own = [
        one.file.safety_net
        for one in found
        if one is not None and one.file.kind == "complaint" and not one.file.population.everyone
    ]
    return tuple(sorted(result.safety_net, key=lambda net: net not in own))


def decision(one: Disposition, who: Reader, *, searchable: bool) -> views.Disposition:
    """Show a decision, with both levels where they differ.

    Args:
        one: The decision.
        who: The reader.
        searchable: Places may be looked for.
    """
    service = codes.load().service.get(one.service or "")
    french = who.words.language == "fr"
    return views.Disposition(
        id=one.id,
        kind=one.kind,
        acuity=one.acuity,
        service="" if service is None else service.fr if french else service.en,
        due_at=one.due_at,
        decided_at=one.decided_at,
        who=who.words.code("role", one.decided_role),
        searchable=searchable,
        proposed=one.acuity_proposed if one.acuity_proposed != one.acuity else None,
        reason=who.words.code("reason", one.reason) if one.reason else "",
    )


def command(form: forms.Form) -> Decide:
    """Read the form of a decision.

    Args:
        form: As sent.
    """
    kind: Kind = next((one for one in KINDS if one == form.text("kind")), "PASPLUS")
    signs, call_back = form.text("worsening_signs")[:4000], form.text("call_back")[:4000]
    said = SafetyNetSaid(
        worsening_signs=signs, call_back=call_back, read_back=form.flag("read_back")
    )
    modality = form.text("modality")
    placed = kind in _WITH_PLACE
    return Decide(
        kind=kind,
        acuity=next((one for one in SCALE if one == form.text("acuity")), "U3"),
        reason=form.optional("reason"),
        service=form.optional("service") if placed else None,
        modality=modality if placed and modality in _MODALITIES else None,
        safety_net=said if kind in _WITH_SAFETY and signs and call_back else None,
    )
