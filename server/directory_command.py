"""`./regul directory`: questions about the directory as a whole, asked from the command line."""

import argparse
import importlib
from typing import Final

PARTS: Final = {
    "graph": "server.directory_graph",
    "journeys": "server.directory_journeys",
}
"""Module of each part; imported when asked for."""


def main(arguments: list[str]) -> int:
    """Answer a question about the directory.

    Args:
        arguments: The words after `directory`.
    """
    parser = argparse.ArgumentParser(prog="regul directory", description=__doc__)
    parser.add_argument(
        "part", choices=PARTS, help="graph: paths, closings, coverage, drawings; journeys: travel"
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments[:1])
    return int(importlib.import_module(PARTS[options.part]).main(arguments[1:]))
