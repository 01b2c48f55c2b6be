"""The `secrets` subcommand: make the secrets of a new centre, as `deploy/compose.yaml` reads them.

Nothing that exists is replaced: a lost master key loses every identity.
"""

import argparse
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from events import nkeys
from server.bootstrap import DATABASE, LOGIN
from server.nats_config import SERVICE_USER
from server.refusal import Refusal

FOLDER: Final = Path("deploy/secrets")
MASTER: Final = "master_key"
_BYTES: Final = 24
_MASTER_BYTES: Final = 32


def made() -> Mapping[str, str]:
    """Make the secrets of one centre.

    Returns:
        File name -> content. Passwords are of letters and digits, the first one a letter: they
        stand in URLs and in a configuration of nats-server.
    """
    admin, login, bus = (f"p{secrets.token_hex(_BYTES)}" for _ in range(3))
    seed = nkeys.new_seed()
    issuer = nkeys.Signer(seed).public_key
    return {
        "postgres_password": admin,
        "database_admin_url": f"postgresql://postgres:{admin}@postgres:5432/postgres",
        "database_url": f"postgresql://{LOGIN}:{login}@postgres:5432/{DATABASE}",
        "nats_url": f"nats://{SERVICE_USER}:{bus}@nats:4222",
        "nats.env": f"REGUL_NATS_PASSWORD={bus}\nREGUL_CALLOUT_ISSUER={issuer}",
        "callout_seed": seed,
        MASTER: secrets.token_hex(_MASTER_BYTES),
    }


def write(folder: Path) -> None:
    """Write the secrets of a new centre.

    Args:
        folder: Made when it is missing, closed to others. The files are readable, because
            containers read them under accounts of their own, which never see the folder.

    Raises:
        Refusal: It holds a secret already, or can't be written.
    """
    found = made()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        there = [name for name in found if (folder / name).exists()]
        if there:
            raise Refusal(f"{folder} holds {there[0]} already; nothing was written.")
        for name, text in found.items():
            (folder / name).write_text(f"{text}\n", "ascii")
            (folder / name).chmod(0o644)
    except OSError as error:
        raise Refusal(f"Cannot write {folder} ({error.strerror}).") from None


def main(arguments: list[str]) -> int:
    """Write them and say what to keep.

    Args:
        arguments: See `regul secrets --help`.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="regul secrets", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"default: {FOLDER}")
    folder: Path = parser.parse_args(arguments).folder
    write(folder)
    sys.stdout.write(
        f"Written to {folder}. Keep a copy of {folder / MASTER} elsewhere: losing it loses every "
        "identity.\n"
    )
    return 0
