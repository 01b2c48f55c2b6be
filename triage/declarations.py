"""What every declaration of a protocol file must say: units, directions, devices, languages.

Pure. Each problem is one sentence that names the place in the file.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from triage.format import Input, Text, WorseIf
from triage.protocol import Protocol

UCUM: Final = frozenset(
    {
        "a", "mo", "wk", "d", "h", "min", "s",
        "/min", "mm[Hg]", "%", "Cel", "mmol/L", "g/L", "g/dL", "mg/dL", "umol/L", "10*9/L",
        "kg", "g", "cm", "m", "mL", "L/min",
        "{score}", "{#}", "{count}", "{INR}",
    }
)  # fmt: skip
"""Units that inputs may have, as UCUM codes (ucum.org, case sensitive); braces are annotations."""

MEASURED: Final = frozenset({"/min", "mm[Hg]", "Cel", "mmol/L", "g/L", "mg/dL", "umol/L"})
"""Units of what nobody can tell without a device, or without being trained to count."""

MIN_TESTS: Final = 4
"""Worked cases that a file brings at least."""

_DIRECTIONS: Final[dict[str, frozenset[str]]] = {
    "number": frozenset({"up", "down", "away", "conditional", "none"}),
    "bool": frozenset({"true", "false", "conditional", "none"}),
    "choice": frozenset({"listed", "conditional", "none"}),
}


def problems(protocol: Protocol) -> Iterator[str]:
    """Check the declarations of a protocol file.

    Args:
        protocol: The readable protocol.

    Yields:
        Sentences, in file order.
    """
    file = protocol.file
    yield from _texts(msgspec.to_builtins(file), "")
    for entry in file.inputs:
        yield from _input(entry)
    known = {citation.id for citation in file.citations}
    used = {key for rule in file.rules for key in rule.cites}
    for score in file.scores:
        if not score.cites or not set(score.cites) <= known:
            yield f"score {score.id}: every score cites a source of the file"
        used |= set(score.cites)
    for citation in file.citations:
        if citation.id not in used:
            yield f"citation {citation.id} supports nothing"
    if len(file.tests) < MIN_TESTS:
        yield f"{len(file.tests)} tests: a file brings at least {MIN_TESTS}"
    if file.kind == "general" and file.default_acuity is not None:
        yield "only a complaint has a default acuity"


def _texts(value: object, where: str) -> Iterator[str]:
    """Find a sentence that is missing in one of the languages, wherever it stands."""
    if isinstance(value, dict):
        if set(Text.__struct_fields__) == value.keys():
            if not all(str(text).strip() for text in value.values()):
                yield f"{where.strip('.')}: needed in fr and en"
            return
        for key, part in value.items():
            yield from _texts(part, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            name = part.get("id") or part.get("key") if isinstance(part, dict) else None
            yield from _texts(part, f"{where}.{name or index}")


def _input(entry: Input) -> Iterator[str]:
    """Check one input: its unit, the ways it is worse, who can measure it."""
    if entry.unit is not None and entry.unit not in UCUM:
        yield f"input {entry.key}: {entry.unit} is no unit of ours (UCUM)"
    cases: list[Input | WorseIf] = [entry, *entry.worse_if]
    for case in cases:
        if case.worse not in _DIRECTIONS[entry.type]:
            yield f"input {entry.key}: a {entry.type} cannot be worse {case.worse}"
        if case.worse == "away" and (case.normal or entry.normal) is None:
            yield f"input {entry.key}: away needs the normal range"
        yield from _normal(entry, case)
    if entry.worse == "conditional" and not entry.worse_if:
        yield f"input {entry.key}: conditional needs worse_if"
    lay = {"caller", "bystander"} & set(entry.by)
    if entry.unit in MEASURED and entry.device is None and lay:
        yield f"input {entry.key}: who has no device is not asked for a measurement"
    if not entry.by:
        yield f"input {entry.key}: nobody can answer it"


def _normal(entry: Input, case: Input | WorseIf) -> Iterator[str]:
    """Check that a normal range lies inside of the range."""
    if case.normal is None or entry.range is None:
        return
    low, high = case.normal
    if not entry.range[0] <= low <= high <= entry.range[1]:
        yield f"input {entry.key}: the normal range lies inside of the range"
