"""The `serve` subcommand: one process of the HTTP service, until SIGTERM or Ctrl-C.

On the signal live streams are told to end first, so that clients reconnect elsewhere and nothing
waits; then running requests finish.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

from kernel import telemetry
from kernel.settings import Settings
from server import startup
from server.app import App, create_app
from server.configuration import read_settings
from server.refusal import Refusal
from server.supervision import STOP_S, exit_after

_GRACE_S: Final = 2
_KEEP_ALIVE_S: Final = 30
_BACKLOG: Final = 2_048
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """A uvicorn server that drains live streams before it closes connections.

    uvicorn alone closes connections only after its grace period, because a live stream never
    ends by itself.
    """

    def __init__(self, app: App, *, signals: bool = True) -> None:
        """Prepare the server.

        Args:
            app: What it serves.
            signals: Handle SIGINT and SIGTERM (the main thread's server only).
        """
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
                backlog=_BACKLOG,
            )
        )
        self._app = app
        self._signals = signals
        app.services.on_refusal = self.stop

    def stop(self) -> None:
        """Drain and stop; called a second time it does not wait for running requests."""
        self._app.services.drain.set()
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving and say so: from here on a signal ends the process in order.

        Args:
            sockets: Bound already.
        """
        await super().startup(sockets=sockets)
        for door in sockets or ():
            telemetry.logger().info("server.started", pid=os.getpid(), port=door.getsockname()[1])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and end with exit code 0 instead of dying of the signal."""
        if not self._signals:
            yield
            return
        loop = asyncio.get_running_loop()

        def told() -> None:
            exit_after(STOP_S)
            self.stop()

        for number in _SIGNALS:
            loop.add_signal_handler(number, told)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def listen(host: str, port: int) -> socket.socket:
    """Bind the address of the service.

    Args:
        host: Address or name.
        port: Port; 0 takes a free one.

    Raises:
        Refusal: It is used or can't be bound.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Refusal(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from None


async def serve(chosen: Settings) -> None:
    """Serve until a signal.

    Args:
        chosen: Settings of this process.

    Raises:
        Refusal: A start-up check refused.
    """
    app = create_app(chosen)
    if chosen.nats_url and not await startup.check_nats(chosen.nats_url):
        telemetry.logger().warning("nats.away")
    server = Server(app)
    with listen(chosen.host, chosen.port) as door:
        await server.serve(sockets=[door])
    telemetry.logger().info("server.stopping", pid=os.getpid())
    if app.services.refusal is not None:
        raise app.services.refusal


def main(arguments: list[str]) -> int:
    """Run the HTTP service.

    Args:
        arguments: None but --help.
    """
    argparse.ArgumentParser(prog="regul serve", description=__doc__).parse_args(arguments)
    chosen = read_settings()
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(chosen))
    return 0
