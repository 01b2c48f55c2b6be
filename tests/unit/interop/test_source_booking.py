"""A source's booking interface: only a clear answer is an answer, whatever else comes back."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest

from interop.source_booking import ANSWER_BEFORE, Editor, Limits, Verdict, Wanted
from routing.mirrored import SOURCE_TRANSITIONS, SourceState, SourceVerb

START = datetime(2026, 3, 29, 8, 0, tzinfo=UTC)
WANTED = Wanted(
    appointment_id=UUID(int=7),
    slot_key="a/b c?#é",
    schedule_key="diary 1",
    starts_at=START,
    ends_at=START + timedelta(minutes=15),
    answer_before=START - timedelta(hours=1),
)
OUTCOME = {"resourceType": "OperationOutcome"}


def appointment(**fields: Any) -> dict[str, Any]:
    given = {
        "resourceType": "Appointment", "id": str(WANTED.appointment_id), "status": "booked",
        "start": "2026-03-29T10:00:00+02:00",
    }  # fmt: skip
    return {**given, **fields}


class Foreign(http.server.BaseHTTPRequestHandler):
    """Somebody else's server: says what it was told to say."""

    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}
    heard: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
    slowly = False

    def do_GET(self) -> None:
        self._say()

    def do_PUT(self) -> None:
        self._say()

    def _say(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.heard.append((self.command, self.path, dict(self.headers), body))
        status, said = self.answers[self.command]
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        for number in range(len(said)):
            self.wfile.write(said[number : number + 1] if self.slowly else said)
            if not self.slowly:
                break
            time.sleep(0.05)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def foreign() -> Iterator[str]:
    Foreign.answers, Foreign.slowly = {}, False
    Foreign.heard.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/fhir/"
    server.shutdown()
    server.server_close()
    thread.join()


def say(status: int, said: object) -> tuple[int, bytes]:
    return status, said if isinstance(said, bytes) else json.dumps(said).encode()


def editor(address: str, **options: Any) -> Editor:
    return Editor(address, loopback=True, limits=Limits(answer_s=0.3), **options)


@pytest.mark.parametrize(
    ("status", "said", "verdict", "outcome"),
    [
        (201, appointment(), Verdict.YES, "source_confirmed"),
        (200, appointment(status="arrived"), Verdict.YES, "source_confirmed"),
        (200, appointment(status="pending"), Verdict.NOTHING, "source_pending"),
        (200, appointment(status="cancelled"), Verdict.NO, "source_cancelled"),
        (409, OUTCOME, Verdict.NO, "source_taken"),
        (422, b"", Verdict.NO, "source_taken"),
        (200, appointment(start="2026-03-29T10:00:00Z"), Verdict.NOTHING, "source_unclear"),
        (200, appointment(start=None), Verdict.NOTHING, "source_unclear"),
        (200, appointment(id=str(UUID(int=8))), Verdict.NOTHING, "source_unclear"),
        (200, appointment(status="on-fire"), Verdict.NOTHING, "source_unclear"),
        (200, b"<html>booked</html>", Verdict.NOTHING, "source_unclear"),
        (200, b"[" * 60_000, Verdict.NOTHING, "source_unclear"),
        (200, b" " * 200_000, Verdict.NOTHING, "source_unclear"),
        (302, appointment(), Verdict.NOTHING, "source_unclear"),
        (404, b"", Verdict.NOTHING, "source_unclear"),
        (401, OUTCOME, Verdict.NOTHING, "source_denies_us"),
        (429, OUTCOME, Verdict.NOTHING, "source_busy"),
        (503, OUTCOME, Verdict.NOTHING, "source_busy"),
    ],
)
def test_only_a_clear_answer_books(
    foreign: str, status: int, said: object, verdict: Verdict, outcome: str
) -> None:
    Foreign.answers["PUT"] = say(status, said)
    told = editor(foreign).book(WANTED, check=False)
    assert (told.verdict, told.outcome) == (verdict, outcome)


@pytest.mark.parametrize(
    ("status", "said", "verdict", "outcome"),
    [
        (200, {"resourceType": "Slot", "status": "busy"}, Verdict.NO, "source_taken"),
        (
            200,
            {"resourceType": "Slot", "status": "free", "start": "2026-03-29T09:00:00Z"},
            Verdict.NO,
            "source_slot_moved",
        ),
        (410, b"", Verdict.NO, "source_slot_gone"),
        (404, OUTCOME, Verdict.NO, "source_slot_gone"),
        (404, b"no such page", Verdict.NOTHING, "source_unclear"),
        (500, b"", Verdict.NOTHING, "source_busy"),
    ],
)
def test_what_is_not_free_is_never_asked_for(
    foreign: str, status: int, said: object, verdict: Verdict, outcome: str
) -> None:
    Foreign.answers["GET"] = say(status, said)
    told = editor(foreign).book(WANTED, check=True)
    assert (told.verdict, told.outcome) == (verdict, outcome)
    assert [one[:2] for one in Foreign.heard] == [("GET", "/fhir/Slot/a%2Fb%20c%3F%23%C3%A9")]


@pytest.mark.parametrize(
    ("status", "said", "over", "verdict"),
    [
        (200, appointment(status="cancelled"), False, Verdict.YES),
        (410, b"", False, Verdict.YES),
        (404, OUTCOME, True, Verdict.YES),
        (404, OUTCOME, False, Verdict.NOTHING),
        (404, b"", True, Verdict.NOTHING),
        (200, appointment(), True, Verdict.NOTHING),
        (409, OUTCOME, True, Verdict.NOTHING),
        (503, b"", True, Verdict.NOTHING),
    ],
)
def test_nothing_is_there_only_when_the_source_says_so(
    foreign: str, status: int, said: object, over: bool, verdict: Verdict
) -> None:
    Foreign.answers["PUT"] = say(status, said)
    assert editor(foreign).undo(WANTED, over=over).verdict is verdict


def test_what_is_asked_names_no_patient_and_carries_its_key_and_its_end(foreign: str) -> None:
    Foreign.answers["PUT"] = say(201, appointment())
    editor(foreign, token="s3cret").book(WANTED, check=False)
    ((method, path, headers, body),) = Foreign.heard
    assert (method, path) == ("PUT", f"/fhir/Appointment/{WANTED.appointment_id}")
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Idempotency-Key"] == str(WANTED.appointment_id)
    asked = json.loads(body)
    assert asked["extension"] == [{"url": ANSWER_BEFORE, "valueInstant": "2026-03-29T07:00:00Z"}]
    assert asked["participant"] == [
        {
            "type": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                            "code": "SBJ",
                        }
                    ]
                }
            ],
            "status": "accepted",
        }
    ]


def test_an_answer_that_trickles_in_is_none(foreign: str) -> None:
    Foreign.answers["PUT"], Foreign.slowly = say(201, appointment()), True
    began = time.monotonic()
    assert editor(foreign).book(WANTED, check=False).outcome == "source_away"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/", "https://127.0.0.1/", "ftp://a.example/", "https://u:p@a/", ""]
)
def test_a_source_is_never_asked_within_our_own_network(address: str) -> None:
    told = Editor(address).book(WANTED, check=True)
    assert (told.verdict, told.outcome) == (Verdict.NOTHING, "source_address_refused")


def test_the_source_table_ends_what_it_begins() -> None:
    ends = {SourceState.REFUSED, SourceState.UNDONE}
    assert not {state for state, _ in SOURCE_TRANSITIONS} & ends
    reached = {SourceState.ASKING, *SOURCE_TRANSITIONS.values()}
    assert reached == set(SourceState)
    assert {verb for _, verb in SOURCE_TRANSITIONS} == set(SourceVerb)
