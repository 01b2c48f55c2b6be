"""The one shape in which `replay`, `bench`, `chaos` and `demo --once` report what they found.

With `--json` stdout is exactly one object; without it a table for people. A missed goal is a
figure that says `met: false`; exit codes belong to invariants only.
"""

import logging
import platform
import re
import sys
from collections.abc import Sequence
from os import cpu_count
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from kernel import telemetry

_GOAL: Final = re.compile(r"^(<=|>=|<|>|==|=)\s*(-?\d+(?:\.\d+)?)$")
_FRACTIONS: Final = frozenset({"share", "kappa"})
"""Units of values between 0 and 1: shown with three digits."""
_SHOWN: Final = ("name", "value", "unit", "low", "high", "goal", "met")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured or counted value; what does not apply is left out of the JSON.

    Attributes:
        name: Unique in its report, such as `step.offer.p95`.
        value: The figure; a text where a number says nothing.
        unit: `ms`, `s`, `cases`, `1/s`, ...
        low: Lower end of the interval over the runs.
        high: Upper end of it.
        goal: Such as `<= 25`.
        met: Whether the value meets the goal.
        against: Ratio to each peer measured on this machine in the same session.
    """

    name: str
    value: float | int | str | bool
    unit: str | UnsetType = UNSET
    low: float | UnsetType = UNSET
    high: float | UnsetType = UNSET
    goal: str | UnsetType = UNSET
    met: bool | UnsetType = UNSET
    against: dict[str, float] | UnsetType = UNSET


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one command found.

    Attributes:
        name: Of the command, such as `replay`.
        version: Of Régul.
        machine: System, processor, cores and Python of this machine.
        figures: Their names are unique.
        seed: Of every random choice.
        runs: How many runs the figures stand for.
    """

    name: str
    version: str
    machine: str
    figures: list[Figure]
    seed: int | UnsetType = UNSET
    runs: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse two figures of one name.

        Raises:
            ValueError: A name occurs twice.
        """
        names = [figure.name for figure in self.figures]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"figures named twice: {', '.join(twice)}")


def machine() -> str:
    """Describe this machine in one line."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"{system}, {cpu_count()} cores, Python {platform.python_version()}"


def met(value: float, goal: str) -> bool:
    """Tell whether a value meets a goal.

    Args:
        value: The figure.
        goal: A comparison and a number, such as `<= 25` or `== 0`.

    Raises:
        ValueError: The goal is not of that shape.
    """
    match = _GOAL.match(goal)
    if match is None:
        raise ValueError(f"a goal is a comparison and a number, not {goal!r}")
    limit = float(match[2])
    return {
        "<=": value <= limit,
        ">=": value >= limit,
        "<": value < limit,
        ">": value > limit,
        "==": value == limit,
        "=": value == limit,
    }[match[1]]


def against_goal(name: str, value: float, unit: str, goal: str) -> Figure:
    """Build a figure with its goal and whether it is met.

    Args:
        name: Unique in its report.
        value: The figure.
        unit: Of the value.
        goal: Such as `<= 25`.
    """
    return Figure(name=name, value=value, unit=unit, goal=goal, met=met(value, goal))


def percentile(values: Sequence[float], share: float) -> float:
    """Give a percentile by the nearest rank: a value that really occurred.

    Args:
        values: In any order, not empty.
        share: 0.5 for the median, up to 1.

    Raises:
        ValueError: No values, or a share outside (0, 1].
    """
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile needs values and a share in (0, 1]")
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def as_json(report: Report) -> bytes:
    """Give the report as one JSON object on one line."""
    return msgspec.json.encode(report) + b"\n"


def as_table(report: Report) -> str:
    """Give the report as a table for people, one figure a line."""
    rows = [_SHOWN, *(_cells(figure) for figure in report.figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_SHOWN))]
    used = [i for i in range(len(_SHOWN)) if any(row[i] for row in rows[1:])]
    lines = ["  ".join(row[i].ljust(widths[i]) for i in used).rstrip() for row in rows]
    seed = "" if report.seed is UNSET else f", seed {report.seed}"
    runs = "" if report.runs is UNSET else f", {report.runs} runs"
    head = f"{report.name} {report.version} on {report.machine}{seed}{runs}"
    return "\n".join([head, "", *lines, ""])


def show(report: Report, *, json: bool) -> None:
    """Write the report to stdout.

    Args:
        report: What was found.
        json: One object instead of the table.
    """
    sys.stdout.write(as_json(report).decode() if json else as_table(report))
    sys.stdout.flush()


def _cells(figure: Figure) -> tuple[str, ...]:
    digits = 3 if figure.unit in _FRACTIONS else 1
    values = (getattr(figure, name) for name in _SHOWN)
    return tuple(_text(value, digits) for value in values)


def _text(value: object, digits: int) -> str:
    if value is UNSET:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.{digits}f}" if isinstance(value, float) else str(value)


def quieten() -> None:
    """Leave stdout to the report, and stderr to errors of our own.

    For commands that kill servers on purpose: a client that lost its connection is no news there.
    """
    telemetry.configure("error")
    logging.getLogger("nats").setLevel(logging.CRITICAL)
