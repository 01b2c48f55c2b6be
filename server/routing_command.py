"""`./regul routing`: questions about how places were given, asked from the command line."""

import argparse
import importlib
from typing import Final

PARTS: Final = {"fairness": "server.routing_fairness"}
"""Module of each part; imported when asked for."""


def main(arguments: list[str]) -> int:
    """Answer a question about offers.

    Args:
        arguments: The words after `routing`.
    """
    parser = argparse.ArgumentParser(prog="regul routing", description=__doc__)
    parser.add_argument("part", choices=PARTS, help="fairness: who came first, and against lots")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments[:1])
    return int(importlib.import_module(PARTS[options.part]).main(arguments[1:]))
