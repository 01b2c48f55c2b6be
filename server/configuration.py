"""What each of our processes reads when it starts: settings, master key, the names they share."""

import os
from typing import Final

from kernel import crypto, settings, telemetry
from kernel.settings import Settings
from server.refusal import Refusal

WAKE_CHANNEL: Final = "regul_feed"
"""Channel of the wake-up after commits; the sequencer listens."""
WORKER: Final = "worker"
"""Under which name the worker process beats."""


def read_settings() -> Settings:
    """Read the settings of this process.

    Raises:
        Refusal: One can't be read, or the database is not named.
    """
    try:
        chosen = settings.load(os.environ)
        telemetry.configure(chosen.log_level)
    except settings.SettingsError as error:
        raise Refusal(f"{error}.") from None
    except KeyError:
        raise Refusal("REGUL_LOG_LEVEL is debug, info, warning or error.") from None
    if not chosen.database_url:
        raise Refusal("DATABASE_URL is not set: ./regul demo runs a database of its own.")
    return chosen


def master_key(settings: Settings) -> bytes:
    """Read the master key of this instance.

    Args:
        settings: Names its file.

    Raises:
        Refusal: It can't be read.
    """
    try:
        return crypto.read_master(settings.key_file)
    except OSError:
        raise Refusal(
            f"The master key {settings.key_file} can't be read: set REGUL_KEY_FILE."
        ) from None
    except ValueError:
        raise Refusal(
            f"The master key {settings.key_file} does not hold 64 hexadecimal digits."
        ) from None
