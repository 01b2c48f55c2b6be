"""The scripted physician of a replay: confirms what triage proposes, by one written table.

This is a rule of the replay, not of the product: it decides nothing for real patients. A more
severe answer than the table is never replaced by a milder one; where triage proposes no level,
or says that a physician must look, the rule for "no level" below applies.

| proposed | decision | means | engaged as |
|---|---|---|---|
| U0 | INTER | SMUR | referral |
| U1 | ORIENT | emergency department, by ambulance | referral |
| U2 | ORIENT | general practice within 2 h, else emergency | appointment, else referral |
| U3 | ORIENT | general practice within 12 h | appointment, else waiting entry |
| U4 | ORIENT | general practice within 48 h | appointment, else waiting entry |
| U5 | CONSEIL | advice with its safety net | - |
| none | ORIENT at U4: a physician sees everybody whom no rule could place | as U4 | as U4 |
"""

from typing import Final, Literal, TypeAlias

import msgspec

Acuity: TypeAlias = Literal["U0", "U1", "U2", "U3", "U4", "U5"]
Kind: TypeAlias = Literal["CONSEIL", "INTER", "ORIENT"]
Engagement: TypeAlias = Literal["advice", "appointment", "referral"]
Outcome: TypeAlias = Literal["advice", "appointment", "referral", "waiting"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the scripted physician decides.

    Attributes:
        kind: Of the disposition.
        acuity: Level of the disposition.
        service: Service code of the directory; None for advice.
        engagement: How the place is engaged.
        otherwise: What follows when no place is found.
        fallback_service: Service code of a referral made then.
        reason: Code written with the decision when it is not triage's own level.
    """

    kind: Kind
    acuity: Acuity
    service: str | None
    engagement: Engagement
    otherwise: Outcome | None = None
    fallback_service: str | None = None
    reason: str = ""


TABLE: Final[dict[Acuity, Decision]] = {
    "U0": Decision(kind="INTER", acuity="U0", service="smur", engagement="referral"),
    "U1": Decision(
        kind="ORIENT", acuity="U1", service="emergency_department", engagement="referral"
    ),
    "U2": Decision(
        kind="ORIENT",
        acuity="U2",
        service="general_practice",
        engagement="appointment",
        otherwise="referral",
        fallback_service="emergency_department",
    ),
    "U3": Decision(
        kind="ORIENT",
        acuity="U3",
        service="general_practice",
        engagement="appointment",
        otherwise="waiting",
    ),
    "U4": Decision(
        kind="ORIENT",
        acuity="U4",
        service="general_practice",
        engagement="appointment",
        otherwise="waiting",
    ),
    "U5": Decision(kind="CONSEIL", acuity="U5", service=None, engagement="advice"),
}
NO_LEVEL: Final = msgspec.structs.replace(TABLE["U4"], reason="no_level_proposed")
"""No rule fired: the physician has the patient seen within 48 hours rather than guess."""


def decide(proposed: Acuity | None) -> Decision:
    """Give the decision for what triage proposes.

    Args:
        proposed: The proposed level; None when no rule fired.
    """
    return NO_LEVEL if proposed is None else TABLE[proposed]
