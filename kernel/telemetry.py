"""Logs and metrics: stable names, an allow-list of fields, never a patient's data."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

ALLOWED_FIELDS: Final = frozenset(
    {
        "event", "level", "timestamp", "logger",
        "actor_id", "actor_role", "aggregate", "attempt", "case_id", "code", "count",
        "duration_ms", "epoch", "error", "event_id", "generation", "handoff_id", "kind", "method",
        "name", "pid", "port", "position", "reason", "request_id", "route", "seed", "sequence",
        "slot_id", "status", "stream", "subscription_id", "version", "worker",
    }
)  # fmt: skip
"""Fields a log line may carry; anything else is dropped and named in `dropped`."""

LOG_EVENTS: Final = frozenset(
    {
        "request.failed", "request.refused", "server.started", "server.stopping",
        "worker.started", "worker.failed", "worker.stopped", "relay.fenced", "relay.rebuilt",
        "relay.away", "dispatcher.fenced", "reaction.parked", "handoff.overdue",
        "database.away", "nats.away", "nats.back", "callout.refused",
        "feed.failed", "source.stopped",
    }
)  # fmt: skip
"""Stable names of log lines."""


def keep_allowed(
    _logger: object, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop every field that is not allowed and say which were dropped.

    Args:
        fields: The log line.

    Returns:
        The line with allowed fields only.
    """
    dropped = sorted(set(fields) - ALLOWED_FIELDS)
    for name in dropped:
        del fields[name]
    if dropped:
        fields["dropped"] = dropped
    return fields


class _Lines:
    """Writes each line to what is stderr at that moment: a command may have replaced it since."""

    def msg(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def configure(level: str) -> None:
    """Set logging up once a process: JSON lines on stderr.

    Args:
        level: `debug`, `info`, `warning` or `error`.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )


def logger() -> structlog.stdlib.BoundLogger:
    """Give the process' logger.

    Returns:
        Call `info("log.event", field=...)` with a name of `LOG_EVENTS`.
    """
    bound: structlog.stdlib.BoundLogger = structlog.get_logger()
    return bound


def place(error: BaseException) -> str:
    """Give file, line and function where an error was raised; no value of any variable.

    Args:
        error: Any exception.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    last = own[-3:]
    return " < ".join(
        f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno} {f.name}" for f in reversed(last)
    )
