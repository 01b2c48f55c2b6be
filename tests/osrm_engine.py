"""A small routing engine for tests: a real HTTP server that speaks OSRM's documented table answer.

Roads are straight lines of 1.5 times the great circle, at 36 km/h; tests say what else happens.
"""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from directory import distance

DETOUR = 1.5
SPEED_MS = 10.0
MOST = 100


class Engine:
    """One engine on this machine.

    Attributes:
        asked: How many coordinates each question had.
        mood: `well`, `closed` (hangs up), `slow`, `garbage`, `refusing` (400), `broken` (500),
            `short` (rows missing) or `off_map` (everything is snapped from far away).
        no_way_east_of: From farther east there is no way.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.mood = "well"
        self.no_way_east_of = 180.0
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = engine.answer(self.path)
                with contextlib.suppress(OSError):
                    if status == 0:
                        self.close_connection = True
                        return
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json; charset=UTF-8")
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, target: str) -> tuple[int, bytes]:
        """Give status and body of a question; status 0 = hang up."""
        parts = urlsplit(target)
        _, service, version, profile, places = parts.path.split("/")
        assert (service, version, profile) == ("table", "v1", "driving")
        points = [tuple(map(float, one.split(","))) for one in places.split(";")]
        query = {name: value[0] for name, value in parse_qs(parts.query).items()}
        self.asked.append(len(points))
        if self.mood == "slow":
            time.sleep(1.0)
        if self.mood == "closed":
            return 0, b""
        if self.mood == "garbage":
            return 200, b"<html>"
        if self.mood == "broken":
            return 500, b'{"code":"Sorry"}'
        if self.mood == "refusing" or len(points) > MOST:
            return 400, json.dumps(
                {"code": "TooBig" if len(points) > MOST else "NoSegment"}
            ).encode()
        return 200, json.dumps(self._table(points, query)).encode()

    def _table(self, points: list[tuple[float, ...]], query: dict[str, str]) -> dict[str, Any]:
        sources = [points[int(at)] for at in query["sources"].split(";")]
        (target,) = [points[int(at)] for at in query["destinations"].split(";")]
        metres = [
            None if one[0] > self.no_way_east_of else DETOUR * distance.one(*one, *target)
            for one in sources
        ]
        snapped = 9_000.0 if self.mood == "off_map" else 12.5
        if self.mood == "short":
            metres.pop()
        return {
            "code": "Ok",
            "durations": [[None if one is None else round(one / SPEED_MS, 1)] for one in metres],
            "distances": [[None if one is None else round(one, 1)] for one in metres],
            "sources": [
                {"hint": "", "distance": snapped, "name": "", "location": x} for x in sources
            ],
            "destinations": [{"hint": "", "distance": 3.0, "name": "", "location": target}],
        }

    def stop(self) -> None:
        """Close it: further questions are refused by the machine."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def running() -> Iterator[Engine]:
    """Run an engine until the block ends."""
    engine = Engine()
    thread = threading.Thread(target=engine._server.serve_forever, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        engine.stop()
        thread.join(5)
