"""The command line: finds the subcommand's module, imports it and nothing else, runs it.

Each subcommand, of one word or two, is a module with `main(arguments: list[str]) -> int`. The
table below is read without importing any of them, so `--help` stays fast and works before anything
is installed.
"""

import importlib
import importlib.metadata
import os
import signal
import sys
from pathlib import Path
from typing import Final, NamedTuple

from server.refusal import Refusal


class Subcommand(NamedTuple):
    """One subcommand: where its `main` lives and what it does, in one line."""

    module: str
    help: str


COMMANDS: Final[dict[str, Subcommand]] = {
    "demo": Subcommand("server.demo", "start everything with a small live world, or --once"),
    "test": Subcommand("server.parts", "run everything that CI runs"),
    "check": Subcommand("server.check", "format, lint, types, imports, docstrings"),
    "serve": Subcommand("server.serve", "run the HTTP service"),
    "work": Subcommand("server.work", "run the workers: sequencer, relay, dispatcher, leases"),
    "migrate": Subcommand("server.migrate", "bring a database to this version"),
    "secrets": Subcommand("server.deployment_secrets", "make the secrets of a new centre"),
    "replay": Subcommand("server.replay", "run recorded cases through the API"),
    "bench": Subcommand("server.bench", "measure, with machine, seed and goals"),
    "chaos": Subcommand("server.chaos", "kill servers under load and check the invariants"),
    "site": Subcommand("server.site", "at a site: keep the centre's events in its own nats-server"),
    "parked": Subcommand("server.parked", "list, replay or dismiss events whose effect failed"),
    "contracts": Subcommand("server.contracts", "write OpenAPI, AsyncAPI and schema files"),
    "protocols": Subcommand("server.protocols", "list and check the triage protocols"),
    "directory graph": Subcommand("server.directory_graph", "ask the referral graph"),
    "directory journeys": Subcommand("server.directory_journeys", "how long a journey takes"),
    "routing fairness": Subcommand("server.routing_fairness", "who came first, and against lots"),
    "feeds": Subcommand("server.feeds", "examine, take in and report publishers' feeds"),
    "evaluate": Subcommand("server.evaluate", "score the protocols on labelled cases"),
    "mutants": Subcommand("server.mutants", "plant faults in pure modules: do tests notice?"),
    "screenshots": Subcommand("server.screenshots", "photograph the console's pages for docs"),
    "conformance": Subcommand("server.conformance", "check the exchange formats"),
}


def available() -> dict[str, Subcommand]:
    """Give the subcommands whose module exists in this version, in the order of the table."""
    here = Path(__file__).parent
    return {
        name: command
        for name, command in COMMANDS.items()
        if (here / f"{command.module.rpartition('.')[2]}.py").exists()
        or (here / command.module.rpartition(".")[2] / "__init__.py").exists()
    }


def usage() -> str:
    """Give the text of `--help`: every subcommand with its line."""
    commands = available()
    width = max(map(len, commands), default=0)
    lines = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    return "\n".join(
        [
            "usage: ./regul COMMAND [options]",
            "",
            "The nerve centre of a care-regulation service.",
            "",
            *lines,
            "",
            "./regul COMMAND --help tells more.",
        ]
    )


def version() -> str:
    """Give the version: of the installed distribution, else of the source tree."""
    try:
        return importlib.metadata.version("regul")
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code: 2 for a refusal, 130 after Ctrl-C.

    Args:
        arguments: The words after the program's name.
    """
    name = arguments[0] if arguments else "--help"
    if name in {"--help", "-h", "help", "--version"}:
        print(f"regul {version()}" if name == "--version" else usage())
        return 0
    commands = available()
    words = 2 if " ".join(arguments[:2]) in commands else 1
    command, rest = commands.get(" ".join(arguments[:words])), arguments[words:]
    if command is None:
        print(f"regul: no command {name!r}; ./regul --help lists them.", file=sys.stderr)
        return 2
    try:
        from server.environment import refuse_foreign_packages

        refuse_foreign_packages()
        return int(importlib.import_module(command.module).main(rest) or 0)
    except Refusal as refusal:
        print(f"regul: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def main() -> None:
    """Run the process's own command line and exit with its code."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    sys.exit(code)


if __name__ == "__main__":
    main()
