"""The `bench` subcommand: runs one file of `benchmarks/`, each a script with `main(arguments)`."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from server.refusal import Refusal
from server.report import quieten

BENCHMARKS: Final = Path(os.environ.get("REGUL_ROOT", Path(__file__).resolve().parents[1])) / (
    "benchmarks"
)


def names() -> list[str]:
    """Give the benchmarks of this clone, sorted."""
    return sorted(path.stem for path in BENCHMARKS.glob("[a-z]*.py"))


def main(arguments: list[str]) -> int:
    """Run one benchmark.

    Args:
        arguments: Its name, then its own options (`--json`, `--seed`, `--sabotage`, ...).

    Returns:
        Its exit code: 0 it ran and every invariant held, 1 an invariant broke.

    Raises:
        Refusal: No such benchmark.
    """
    if not arguments or arguments[0] in {"-h", "--help"}:
        sys.stdout.write(f"usage: ./regul bench NAME [--json]\n\n  {', '.join(names())}\n")
        return 0
    name, *rest = arguments
    if name not in names():
        raise Refusal(f"There is no benchmark {name!r}; there are {', '.join(names())}.")
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise Refusal(f"The benchmark {name!r} can't be loaded.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    run = cast("Callable[[list[str]], int]", module.main)
    quieten()
    return run(rest)
