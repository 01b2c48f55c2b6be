"""A small editor's server: its own diary, a feed of it, and the booking interface a centre asks.

    python examples/editor.py --port 8090 --diary diary.json [--slots 24] [--token SECRET]

It implements both sides of what docs/availability.md asks of a source: `GET /Slot/{id}`,
`PUT /Appointment/{id}` and a SMART Scheduling Links feed under `/feed/`. The diary is a file, so
that it survives the process. `POST /desk` is the practice's own desk and the rehearsal of trouble:
`{"take": "SLOT"}` seats a patient of its own, `{"mood": "..."}` sets how it answers from now on.
Standard library only.
"""
# ruff: noqa: INP001, T201 - a script, which prints where it listens

import argparse
import json
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ANSWER_BEFORE = "urn:regul:fhir:answer-before"
MOODS = ("well", "mute", "deaf", "slow", "pending", "broken")
"""well: answers; mute: does what is asked and never answers; deaf: does nothing and never answers;
slow: answers after two seconds; pending: decides when it is well again; broken: 503."""
SLOW_S = 2.0
MUTE_S = 60.0


class Diary:
    """Slots and appointments; every change is written down before it is answered."""

    def __init__(self, path: Path, count: int) -> None:
        """Open the diary, and fill it with free quarters of an hour from the next hour on."""
        self._path = path
        self._lock = threading.Lock()
        self.mood = "well"
        self._kept: dict[str, dict[str, Any]] = {"slots": {}, "appointments": {}}
        if path.exists():
            self._kept = json.loads(path.read_text("utf-8"))
        known = {one["start"] for one in self._kept["slots"].values()}
        first = len(known)
        added = [one for one in _quarters(count) if one["start"] not in known]
        for number, one in enumerate(added, first):
            self._kept["slots"][f"slot-{number}"] = {**one, "id": f"slot-{number}"}
        self._write()

    def slots(self) -> dict[str, Any]:
        """Give the slots by id."""
        with self._lock:
            return dict(self._kept["slots"])

    def appointments(self) -> dict[str, Any]:
        """Give every appointment that was ever asked for, by the id it was asked under."""
        with self._lock:
            return dict(self._kept["appointments"])

    def take(self, slot: str) -> bool:
        """Seat a patient of the practice's own; False when the place is taken."""
        with self._lock:
            if self._kept["slots"][slot]["status"] != "free":
                return False
            self._kept["slots"][slot]["status"] = "busy"
            self._write()
            return True

    def put(self, key: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Book or cancel; the same again gives the same, a cancelled one stays so."""
        with self._lock:
            known = self._kept["appointments"].get(key)
            if asked["status"] == "cancelled":
                return 200, self._cancel(key, known, asked)
            if known is not None and known["status"] != "proposed":
                return 200, known
            if self.mood == "pending":
                self._kept["appointments"][key] = {**asked, "id": key, "status": "proposed"}
                self._write()
                return 200, self._kept["appointments"][key]
            return self._book(key, asked)

    def _book(self, key: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        slot = self._kept["slots"].get(asked["slot"][0]["reference"].removeprefix("Slot/"))
        late = any(
            datetime.fromisoformat(one["valueInstant"]) < datetime.now(UTC)
            for one in asked.get("extension", [])
            if one["url"] == ANSWER_BEFORE
        )
        if slot is None or slot["status"] != "free" or late:
            return 409, _outcome("conflict")
        slot["status"] = "busy"
        booked = {**asked, "id": key, "status": "booked"}
        self._kept["appointments"][key] = booked
        self._write()
        return 201, booked

    def _cancel(
        self, key: str, known: dict[str, Any] | None, asked: dict[str, Any]
    ) -> dict[str, Any]:
        """Free the place; what was never asked for is kept as cancelled, so that it stays so."""
        if known is not None and known["status"] == "booked":
            slot = known["slot"][0]["reference"].removeprefix("Slot/")
            self._kept["slots"][slot]["status"] = "free"
        self._kept["appointments"][key] = {**(known or asked), "id": key, "status": "cancelled"}
        self._write()
        gone: dict[str, Any] = self._kept["appointments"][key]
        return gone

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._kept), "utf-8")
        part.replace(self._path)


def _quarters(count: int) -> list[dict[str, Any]]:
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    starts = [begin + timedelta(minutes=15 * n) for n in range(count)]
    return [
        {
            "resourceType": "Slot", "status": "free",
            "schedule": {"reference": "Schedule/diary-1"},
            "start": start.isoformat(), "end": (start + timedelta(minutes=15)).isoformat(),
        }
        for start in starts
    ]  # fmt: skip


def _outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}


def feed(diary: Diary) -> bytes:
    """Give the rows of the feed: one place, one diary, its slots."""
    place = {
        "resourceType": "Location", "id": "place-1", "name": "Cabinet de l'exemple",
        "address": {"city": "Amiens", "postalCode": "80000"},
        "position": {"longitude": 2.2957, "latitude": 49.8941},
    }  # fmt: skip
    schedule = {
        "resourceType": "Schedule", "id": "diary-1",
        "actor": [{"reference": "Location/place-1"}],
        "serviceType": [{"coding": [{"code": "gp"}]}],
    }  # fmt: skip
    rows = [place, schedule, *diary.slots().values()]
    return "\n".join(json.dumps(one) for one in rows).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers one question."""

    protocol_version = "HTTP/1.1"
    diary: Diary
    token = ""

    def do_GET(self) -> None:
        """Give a slot, the feed, or what stands in the diary."""
        path = urlsplit(self.path).path
        if path == "/desk":
            self._tell(200, {"appointments": self.diary.appointments(), "mood": self.diary.mood})
        elif path == "/feed/bulk-publish.json":
            output = [{"type": "Slot", "url": "rows.ndjson"}]
            now = datetime.now(UTC).isoformat()
            self._tell(200, {"transactionTime": now, "request": self.path, "output": output})
        elif path == "/feed/rows.ndjson":
            self._send(200, feed(self.diary), "application/fhir+ndjson")
        elif self._may() and self._mood():
            slot = self.diary.slots().get(unquote(path.removeprefix("/Slot/")))
            self._tell(404 if slot is None else 200, slot or _outcome("not-found"))

    def do_PUT(self) -> None:
        """Book or cancel."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._may() or not self._mood():
            return
        key = urlsplit(self.path).path.removeprefix("/Appointment/")
        status, answer = self.diary.put(key, asked)
        if self.diary.mood == "mute":
            time.sleep(MUTE_S)
            self.close_connection = True
            return
        self._tell(status, answer)

    def do_POST(self) -> None:
        """Be the practice's own desk, or change how questions are answered."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "mood" in said and said["mood"] in MOODS:
            self.diary.mood = said["mood"]
        taken = self.diary.take(said["take"]) if "take" in said else True
        self._tell(200, {"taken": taken})

    def _may(self) -> bool:
        if self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            self._tell(401, _outcome("login"))
            return False
        return True

    def _mood(self) -> bool:
        """Behave as told; False when there is no answer any more."""
        if self.diary.mood == "deaf":
            time.sleep(MUTE_S)
            self.close_connection = True
            return False
        if self.diary.mood == "broken":
            self._tell(503, _outcome("transient"))
            return False
        if self.diary.mood == "slow":
            time.sleep(SLOW_S)
        return True

    def _tell(self, status: int, answer: object) -> None:
        self._send(status, json.dumps(answer).encode(), "application/fhir+json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing of each question."""


class Server(ThreadingHTTPServer):
    """Ends at once, whoever still waits."""

    daemon_threads = True
    block_on_close = False


def main() -> None:
    """Serve until told to stop; the first line says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any that is free")
    parser.add_argument("--diary", type=Path, required=True)
    parser.add_argument("--slots", type=int, default=24, help="of a new diary")
    parser.add_argument("--token", default="", help="ask for this bearer token")
    options = parser.parse_args()
    Handler.diary = Diary(options.diary, options.slots)
    Handler.token = options.token
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"http://127.0.0.1:{server.server_port}")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
