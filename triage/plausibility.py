"""Answers that are asked again, and pairs that can't both be true; pure, from the centre's file."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from triage.finding import Finding
from triage.protocol import Answer

PLAUSIBLE_FILE: Final = Path(__file__).with_name("plausible.toml")


class Below(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two inputs of one unit of which the first is always below the second."""

    lower: str
    upper: str


class PlausibleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The centre's file: bands by input, both ends plausible, and ordered pairs."""

    bands: dict[str, tuple[float, float]]
    below: tuple[Below, ...]


class ToConfirm(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that does not count yet: send it again with `confirmed`, or another one.

    Attributes:
        path: Where it stood in the request.
        value: As it was given.
        plausible: The band it is outside of, both ends plausible, in the input's unit.
    """

    path: str
    input: str
    value: float
    plausible: tuple[float, float]


@cache
def plausible_table() -> PlausibleTable:
    """Read the centre's file, once a process."""
    return msgspec.toml.decode(PLAUSIBLE_FILE.read_bytes(), type=PlausibleTable)


def doubt(finding: Finding, path: str) -> ToConfirm | None:
    """Tell whether an answer is to be asked again.

    Args:
        finding: An answer inside its input's range.
        path: Where it stood in the request.

    Returns:
        What is to be confirmed; None when the value is plausible or no band is known.
    """
    band, value = plausible_table().bands.get(finding.input), finding.value
    if band is None or value is None or isinstance(value, bool | str):
        return None
    if band[0] <= value <= band[1]:
        return None
    return ToConfirm(path=path, input=finding.input, value=value, plausible=band)


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that can't be true beside another: its input, and what would be allowed."""

    input: str
    allowed: str


def clash(finding: Finding, beside: Mapping[str, Answer | None]) -> Clash | None:
    """Tell whether an answer can't be true beside the others.

    Args:
        finding: The answer.
        beside: Every other answer that counts, by input.
    """
    value = _number(finding.value)
    for pair in plausible_table().below:
        lower, upper = _number(beside.get(pair.lower)), _number(beside.get(pair.upper))
        if finding.input == pair.lower and _upside_down(value, upper):
            return Clash(input=finding.input, allowed=f"below {pair.upper} ({upper:g})")
        if finding.input == pair.upper and _upside_down(lower, value):
            return Clash(input=finding.input, allowed=f"above {pair.lower} ({lower:g})")
    return None


def _number(value: Answer | None) -> float | None:
    return None if value is None or isinstance(value, bool | str) else float(value)


def _upside_down(lower: float | None, upper: float | None) -> bool:
    return lower is not None and upper is not None and lower >= upper


def still_doubtful(before: Sequence[ToConfirm], answered: Sequence[str]) -> tuple[ToConfirm, ...]:
    """Give what still waits to be confirmed after other answers came in.

    Args:
        before: What waited.
        answered: Inputs of the answers that came in, whether they count or not.
    """
    return tuple(one for one in before if one.input not in answered)
