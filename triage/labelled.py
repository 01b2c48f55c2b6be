"""Recorded cases with an expert's label: what is entered, and apart from it what is compared.

A line holds recorded facts, `gold` (the label) and `reference` (what others said). The last two
live in a structure of their own: nothing that builds findings can reach them.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from triage.finding import Finding
from triage.protocol import Answer

Urgency: TypeAlias = Literal["em", "ne", "sc"]
"""Emergency, non-emergency, self-care."""

VITALS: Final = ("sbp", "dbp", "hr", "rr", "temp_c", "spo2")
"""What needs a device or a count by somebody trained; `--mask vitals` makes them unobtainable."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded of one visit; every field may be absent, nothing absent is guessed.

    Attributes:
        id: Name of the case in its source.
        site: Which hospital recorded it; for the report only.
        age_y: Age in completed years.
        sex: As recorded.
        injury: Whether an external cause (injury, poisoning) brought the patient.
        complaint_text: Chief complaint in the words of the record.
        text: A whole vignette, where the source has no fields.
        avpu: Alert, voice, pain, unresponsive.
        pain_present: Whether there is pain.
        pain_nrs: Pain, 0 to 10.
        sbp: Systolic pressure, mmHg.
        dbp: Diastolic pressure, mmHg.
        hr: Beats a minute.
        rr: Breaths a minute.
        temp_c: Degrees Celsius.
        spo2: Per cent.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    site: int | None = None
    age_y: float | None = None
    sex: Literal["F", "M", "O"] | None = None
    injury: bool | None = None
    complaint_text: str | None = None
    text: str | None = None
    avpu: Literal["A", "C", "V", "P", "U"] | None = None
    pain_present: bool | None = None
    pain_nrs: float | None = None
    sbp: float | None = None
    dbp: float | None = None
    hr: float | None = None
    rr: float | None = None
    temp_c: float | None = None
    spo2: float | None = None


class Gold(msgspec.Struct, frozen=True, kw_only=True):
    """The experts' answer: a level from 1 to 5, or an urgency of three."""

    ktas: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    urgency: Urgency | None = None


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What others said of the case."""

    nurse_ktas: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What a case is compared with; never entered."""

    gold: Gold
    reference: Reference = Reference()


class LabelledCase(msgspec.Struct, frozen=True, kw_only=True):
    """One line: its facts and, apart, its label."""

    facts: Facts
    label: Label


class UnreadableCase(ValueError):
    """A line is no labelled case; the text gives its number, never its content."""


def read(lines: Iterable[bytes]) -> Iterator[LabelledCase]:
    """Decode a file of labelled cases, one JSON object a line; empty lines are skipped.

    Args:
        lines: Of the file, in binary.

    Yields:
        The cases in the order of the file.

    Raises:
        UnreadableCase: A line is not a case with a label.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            facts = msgspec.json.decode(line, type=Facts)
            label = msgspec.json.decode(line, type=Label)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnreadableCase(f"line {number} is not a labelled case") from error
        if (label.gold.ktas is None) == (label.gold.urgency is None):
            raise UnreadableCase(f"line {number}: one label, a level or an urgency")
        yield LabelledCase(facts=facts, label=label)


def recorded(facts: Facts, *, mask_vitals: bool = False) -> tuple[Finding, ...]:
    """Give the findings of the recorded fields; what was not recorded stays open.

    `responds` follows from the level of consciousness by its definition: who is alert, confused
    or woken by a voice answers when spoken to; who reacts to pain only, or not at all, does not.

    Args:
        facts: The case.
        mask_vitals: Enter the vital signs as not obtainable here, as on the telephone, instead
            of their values.

    Returns:
        At most one finding for each input.
    """
    given: dict[str, Answer | None] = {
        "age_y": facts.age_y,
        "sex": "other" if facts.sex == "O" else facts.sex,
        "injury": facts.injury,
        "acvpu": facts.avpu,
        "responds": None if facts.avpu is None else facts.avpu in {"A", "C", "V"},
        "pain_now": facts.pain_present,
        "pain_nrs": facts.pain_nrs,
    }
    masked: tuple[Finding, ...] = ()
    if mask_vitals:
        masked = tuple(Finding(input=key, unanswerable="not_obtainable_here") for key in VITALS)
    else:
        given |= {key: getattr(facts, key) for key in VITALS}
    found = (Finding(input=k, value=value) for k, value in given.items() if value is not None)
    return (*found, *masked)
