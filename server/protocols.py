"""`regul protocols`: the triage room's own command line."""

from triage.commands import main

__all__ = ["main"]
