"""The `contracts` subcommand: what others rely on, written to docs/contracts/ from the code.

`openapi.json` describes the HTTP API and `routes.md` lists it for people; `events.json` describes
the body of each event kind, `asyncapi.json` how subscribers receive them over NATS. Generated,
committed, and checked for drift.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from events import contracts as event_bodies
from kernel.settings import Settings
from server import description, event_contracts
from server.app import create_app

METHODS: Final = ("get", "post", "put", "patch", "delete")
DIRECTORY: Final = Path(__file__).resolve().parent.parent / "docs" / "contracts"


def write(value: Mapping[str, Any]) -> bytes:
    """Write a contract the same way every time.

    Args:
        value: JSON.
    """
    return description.text(dict(value))


async def openapi() -> dict[str, Any]:
    """Give the description of the HTTP API; needs no database."""
    with tempfile.NamedTemporaryFile("w", suffix=".key") as key:
        key.write(secrets.token_hex(32))
        key.flush()
        app = create_app(Settings(key_file=Path(key.name)))
        return description.complete(app.litestar.openapi_schema.to_schema())


def routes(described: Mapping[str, Any]) -> bytes:
    """List the routes for people, by path.

    Args:
        described: The OpenAPI description.

    Returns:
        A page in Markdown.
    """
    lines = [
        "# Routes",
        "",
        "Written by `./regul contracts`; bodies and answers stand in [openapi.json](openapi.json),",
        "refusals in [errors.md](../errors.md). Every POST honours an `Idempotency-Key`.",
        "",
        "| route | gives | part |",
        "|---|---|---|",
    ]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                part = ", ".join(operation.get("tags", []))
                lines.append(f"| `{method.upper()} {path}` | {operation['summary']} | {part} |")
    return ("\n".join(lines) + "\n").encode()


async def contracts() -> dict[str, bytes]:
    """Give every contract by file name."""
    described = await openapi()
    return {
        "openapi.json": write(described),
        "routes.md": routes(described),
        "events.json": write(event_bodies.schema()),
        "asyncapi.json": write(event_contracts.asyncapi(description.version())),
    }


def drifted(directory: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Name the files that differ from what the code says.

    Args:
        directory: Where they are kept.
        wanted: What they should be.
    """
    return [
        name
        for name, text in sorted(wanted.items())
        if not (directory / name).exists() or (directory / name).read_bytes() != text
    ]


def main(arguments: list[str]) -> int:
    """Write the contracts, or with --check only compare them.

    Args:
        arguments: --check.
    """
    parser = argparse.ArgumentParser(prog="regul contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when one differs")
    options = parser.parse_args(arguments)
    wanted = asyncio.run(contracts())
    changed = drifted(DIRECTORY, wanted)
    if not options.check:
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        for name in changed:
            (DIRECTORY / name).write_bytes(wanted[name])
    for name in changed:
        sys.stdout.write(f"{'differs' if options.check else 'written'}: docs/contracts/{name}\n")
    return 1 if options.check and changed else 0
