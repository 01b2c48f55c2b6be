"""One recorded answer, and whether an input accepts it; pure, no clock."""

import math

import msgspec

from triage.protocol import Answer, Input, Observer, Unanswerable


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answered input (`value`) or an unanswerable one (`unanswerable`), never both.

    An input without a finding is open.
    """

    input: str
    value: Answer | None = None
    unanswerable: Unanswerable | None = None


class ObserverContext(msgspec.Struct, frozen=True, kw_only=True):
    """Who can look, with which devices; decides which open inputs may be asked.

    Attributes:
        observers: Who is with the patient or on the line.
        devices: Names of the devices at hand, such as "oximeter"; "*" is all of them.
    """

    observers: tuple[Observer, ...] = ("caller", "bystander")
    devices: tuple[str, ...] = ()

    def can_obtain(self, entry: Input) -> bool:
        """Tell whether somebody here can answer the input."""
        equipped = entry.device is None or "*" in self.devices or entry.device in self.devices
        return equipped and any(who in self.observers for who in entry.by)


LAY_CALLER = ObserverContext()
"""A caller without any device."""

PROFESSIONAL = ObserverContext(observers=("caller", "bystander", "professional"), devices=("*",))
"""A professional beside the patient, fully equipped."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a finding is not accepted: the input, a stable reason, and what is allowed."""

    input: str
    reason: str
    allowed: str


def refusal(entry: Input, finding: Finding) -> Refusal | None:
    """Check one finding against its input.

    Args:
        entry: The input as the protocol declares it.
        finding: The finding to check.

    Returns:
        None when it is acceptable, else why not; the refused value itself is not repeated.
    """
    if (finding.value is None) == (finding.unanswerable is None):
        return _refused(entry, "value_or_unanswerable", "exactly one of value, unanswerable")
    if finding.value is None:
        return None
    if entry.type == "bool":
        accepted = isinstance(finding.value, bool)
        return None if accepted else _refused(entry, "wrong_type", "true or false")
    if entry.type == "choice":
        accepted = isinstance(finding.value, str) and finding.value in entry.choices
        return None if accepted else _refused(entry, "not_a_choice", ", ".join(entry.choices))
    return _number_refusal(entry, finding.value)


def _number_refusal(entry: Input, value: Answer) -> Refusal | None:
    """Check a number: a finite one inside the closed range."""
    low, high = entry.range or (-math.inf, math.inf)
    allowed = f"{low:g} to {high:g} {entry.unit or ''}".strip()
    if isinstance(value, bool | str):
        return _refused(entry, "wrong_type", allowed)
    if not math.isfinite(value) or not low <= value <= high:
        return _refused(entry, "out_of_range", allowed)
    return None


def _refused(entry: Input, reason: str, allowed: str) -> Refusal:
    """Build a refusal for an input."""
    return Refusal(input=entry.key, reason=reason, allowed=allowed)
