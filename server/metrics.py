"""Metrics of this process: by route template and status, never by id, name or query."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

REQUESTS: Final = Counter(
    "regul_requests", "Requests answered", ("method", "route", "status"), registry=REGISTRY
)
SECONDS: Final = Histogram(
    "regul_request_seconds",
    "Seconds from the door to the first byte of the answer",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=REGISTRY,
)
RESTARTS: Final = Counter(
    "regul_worker_restarts", "Restarts of a worker task", ("worker",), registry=REGISTRY
)

FEED_LAG: Final = Gauge("regul_feed_lag", "Events written and not yet in FEED", registry=REGISTRY)
STREAM_FILLED: Final = Gauge(
    "regul_stream_filled_ratio",
    "How full the fullest stream is; alarm above 0.7: a full one refuses",
    registry=REGISTRY,
)

_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answer.

    Args:
        method: HTTP method; unknown ones are counted together.
        route: Template of the route, such as `/api/v1/cases/{case_id}`; `-` when none was chosen.
        status: HTTP status.
        seconds: Until the first byte of the answer.
    """
    REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
    SECONDS.labels(route).observe(seconds)
