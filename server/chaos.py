"""The `chaos` subcommand: servers are killed, stores damaged, messages lost; what must hold, holds?

One module per kind, each with `main(arguments)`. Every kind runs on throw-away servers of its own,
checks its invariants from outside, and takes `--sabotage`, which plants faults that must be found.
"""

import importlib
import sys
from pathlib import Path
from typing import Final

from server.refusal import Refusal
from server.report import quieten

KINDS: Final[dict[str, tuple[str, str]]] = {
    "cases": ("chaos_cases", "cases through the API while each server is killed in turn"),
    "feed": ("chaos_feed", "every event once and in order while everything is killed in turn"),
    "bus-loss": ("chaos_bus_loss", "the bus' files wiped, cut, bits flipped: nothing is lost"),
    "bus-away": ("chaos_bus_away", "the bus stopped and restarted: no one at work notices"),
    "subscriber": ("chaos_subscriber", "messages dropped, doubled, reordered: the example repairs"),
    "site": ("chaos_site", "a site cut off from the centre: each handoff once, in order, soon"),
    "handoffs": ("chaos_handoffs", "receivers dead, slow or silent: a human answers or is called"),
    "booking": ("chaos_booking", "places fought for while workers and PostgreSQL are killed"),
    "availability": ("chaos_availability", "diaries published anew while their places are booked"),
}
"""Kind -> (module, what it does); a kind whose module is missing is not offered."""
DEFAULT: Final = "cases"


def available() -> dict[str, tuple[str, str]]:
    """Give the kinds of this version, in the order of the table."""
    here = Path(__file__).parent
    return {name: kind for name, kind in KINDS.items() if (here / f"{kind[0]}.py").exists()}


def usage() -> str:
    """Give the text of `--help`: every kind with its line."""
    kinds = available()
    width = max(map(len, kinds))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in kinds.items()]
    return "\n".join(
        [
            f"usage: ./regul chaos [KIND] [options]     (without a kind: {DEFAULT})",
            "",
            *lines,
            "",
            "./regul chaos KIND --help tells more.",
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    """Run one kind.

    Args:
        arguments: The kind, then its own options; without a kind, cases.

    Returns:
        0: every invariant held; 1: one broke, or every planted fault was found.

    Raises:
        Refusal: No such kind.
    """
    if arguments[:1] in (["-h"], ["--help"]):
        sys.stdout.write(usage())
        return 0
    kinds = available()
    named = bool(arguments) and not arguments[0].startswith("-") and "." not in arguments[0]
    name, rest = (arguments[0], arguments[1:]) if named else (DEFAULT, arguments)
    if name not in kinds:
        raise Refusal(f"There is no chaos {name!r}; there are {', '.join(kinds)}.")
    module = importlib.import_module(f"server.{kinds[name][0]}")
    quieten()
    return int(module.main(rest))
