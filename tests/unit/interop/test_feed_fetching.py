"""Fetching a feed: ETag, limits of bytes, time and compression, and where it may not be asked."""

import contextlib
import gzip
import http.server
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interop import outgoing, smart_scheduling
from interop.feed_fetching import Limits, Source
from kernel import errors

MANIFEST = (
    b'{"transactionTime":"2026-03-02T11:00:00Z","request":"x","output":'
    b'[{"type":"Location","url":"/a/rows.ndjson"},{"type":"Slot","url":"b/rows.ndjson"},'
    b'{"type":"Patient","url":"/never"}]}'
)
PLACE = b'{"resourceType":"Location","id":"1"}\n'
Answer = tuple[int, dict[str, str], bytes]
TIGHT = Limits(file_bytes=4 << 20, total_bytes=5 << 20, files=2, connect_s=0.5, file_s=1.0)


class Publisher:
    """A publisher on this machine; tests say what it answers."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[], Iterator[bytes]]] = {}
        self.asked: list[tuple[str, str | None]] = []
        publisher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked.append((self.path, self.headers.get("If-None-Match")))
                answer = publisher.answers.get(self.path, (404, {}, b""))
                with contextlib.suppress(OSError):
                    self._say(answer)

            def _say(self, answer: Answer | Callable[[], Iterator[bytes]]) -> None:
                if callable(answer):
                    self.send_response(200)
                    self.end_headers()
                    for piece in answer():
                        self.wfile.write(piece)
                    return
                status, headers, body = answer
                etag = headers.get("ETag")
                status = 304 if etag and self.headers.get("If-None-Match") == etag else status
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if status != 304:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    started = Publisher()
    yield started
    started.stop()


def refused(source: Source, address: str, folder: Path) -> str:
    with pytest.raises(errors.RegulError) as problem:
        source.file(address, None, folder / "x.ndjson")
    assert list(folder.iterdir()) == []
    return problem.value.code


def test_a_manifest_and_its_files_are_fetched_once(publisher: Publisher, tmp_path: Path) -> None:
    publisher.answers = {
        "/v1/$bulk-publish": (200, {"ETag": '"7"'}, MANIFEST),
        "/a/rows.ndjson": (200, {"Content-Encoding": "gzip"}, gzip.compress(PLACE)),
        "/v1/b/rows.ndjson": (200, {}, b""),
    }
    address = f"{publisher.url}/v1/$bulk-publish"
    source = Source(tmp_path, loopback=True)
    fetched = source.smart(address, None)
    assert fetched is not None
    assert fetched.etag == '"7"'
    read = smart_scheduling.read(tmp_path)
    assert [(one.key, one.file) for one in read.places] == [("1", "0000-Location.ndjson")]
    assert source.smart(address, fetched.etag) is None
    assert publisher.asked[-1] == ("/v1/$bulk-publish", '"7"')
    assert len(publisher.asked) == 4


def test_a_zip_bomb_is_refused_long_before_it_is_unpacked(
    publisher: Publisher, tmp_path: Path
) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    publisher.answers = {"/": (200, {"Content-Encoding": "gzip"}, bomb)}
    source = Source(tmp_path, loopback=True)
    assert refused(source, publisher.url, tmp_path) == "feed_compression_bomb"
    assert source._total < 64 << 20


def test_a_file_that_never_ends_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * (1 << 20)

    publisher.answers = {"/": endless}
    assert refused(Source(tmp_path, loopback=True, limits=TIGHT), publisher.url, tmp_path) == (
        "feed_too_large"
    )


def test_a_publisher_that_drips_is_given_up(publisher: Publisher, tmp_path: Path) -> None:
    stop = threading.Event()

    def drip() -> Iterator[bytes]:
        while not stop.wait(0.05):
            yield b"x"

    publisher.answers = {"/": drip}
    assert refused(Source(tmp_path, loopback=True, limits=TIGHT), publisher.url, tmp_path) == (
        "feed_away"
    )
    stop.set()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((302, {"Location": "http://169.254.169.254/"}, b""), "feed_redirected"),
        ((403, {}, b""), "feed_refused"),
        ((503, {}, b""), "feed_away"),
        ((200, {"Content-Encoding": "br"}, b"x"), "feed_encoding_unknown"),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "feed_away"),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(PLACE)[:-9]), "feed_away"),
        ((200, {"Content-Length": "100"}, b"cut off"), "feed_away"),
    ],
)
def test_what_is_not_a_file_is_refused(
    publisher: Publisher, tmp_path: Path, answer: Answer, code: str
) -> None:
    publisher.answers = {"/": answer}
    assert refused(Source(tmp_path, loopback=True), publisher.url, tmp_path) == code


def test_this_machine_is_asked_only_when_the_setting_says_so(
    publisher: Publisher, tmp_path: Path
) -> None:
    assert refused(Source(tmp_path), publisher.url, tmp_path) == "feed_address_refused"
    assert publisher.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "https://10.0.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest", "ftp://a/",
        "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://0.0.0.0/",
        "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/", "https://100.64.0.1/",
        "http://93.184.216.34/", "https://user:word@93.184.216.34/", "https:///", "file:///etc",
        "https://224.0.0.1/", "https://93.184.216.34:999999/", "https://a b/", "https://2130706433/",
    ],
)  # fmt: skip
def test_private_networks_and_plain_http_are_never_asked(address: str, tmp_path: Path) -> None:
    assert refused(Source(tmp_path), address, tmp_path) == "feed_address_refused"


def test_one_private_address_of_a_name_is_enough_to_refuse_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def both(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443))
            for one in ("93.184.216.34", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert refused(Source(tmp_path), "https://feeds.example/", tmp_path) == "feed_address_refused"


def test_a_public_address_is_allowed_with_tls_only() -> None:
    assert outgoing.allowed("93.184.216.34", loopback=False, https=True)
    assert outgoing.allowed("2606:2800:220:1::1", loopback=False, https=True)
    assert not outgoing.allowed("93.184.216.34", loopback=True, https=False)
    assert outgoing.allowed("127.0.0.1", loopback=True, https=False)
    assert not outgoing.allowed("127.0.0.1", loopback=False, https=True)
    for inside in ("10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"):
        assert not outgoing.allowed(inside, loopback=True, https=True)


def test_a_manifest_of_too_many_files_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    output = b",".join([b'{"type":"Slot","url":"/s"}'] * 3)
    body = b'{"transactionTime":"2026-03-02T11:00:00Z","output":[' + output + b"]}"
    publisher.answers = {"/": (200, {}, body)}
    with pytest.raises(errors.Invalid) as problem:
        Source(tmp_path, loopback=True, limits=TIGHT).smart(publisher.url, None)
    assert problem.value.code == "feed_too_large"
    assert len(publisher.asked) == 1
