"""The triage engine: findings and protocols in, an interval of levels out."""

from triage.oracle import assess

__all__ = ["assess"]
