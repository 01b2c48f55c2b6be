"""Log lines go where standard error points when they are written."""

import contextlib
import io
import json

import structlog

from kernel import telemetry


def test_a_logger_outlives_the_stream_it_was_set_up_with() -> None:
    before = structlog.get_config()
    try:
        with contextlib.redirect_stderr(io.StringIO()) as first:
            telemetry.configure("info")
            telemetry.logger().info("server.started")
        first.close()
        with contextlib.redirect_stderr(io.StringIO()) as second:
            telemetry.logger().warning("server.stopping", text="of a patient")
            line = json.loads(second.getvalue())
    finally:
        structlog.configure(**before)
    assert (line["event"], line["level"], line["dropped"]) == (
        "server.stopping",
        "warning",
        ["text"],
    )
