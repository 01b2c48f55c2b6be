"""The connection of a webhook: certificates are checked, the checked address is the one used."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from events import webhook_client
from events.webhook_address import Target
from events.webhook_client import Line, NotDelivered, Route

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def certificate(folder: Path, name: str) -> Path:
    """Write key and certificate of a host that signed for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Server:
    """Answers each message, and closes after some."""

    def __init__(self, *, at_once: int = 1000) -> None:
        self.connections = 0
        self.taken = 0
        self._at_once = at_once

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for _ in range(self._at_once):
                await reader.readuntil(b"{}")
                self.taken += 1
                writer.write(OK)
                await writer.drain()
        except (OSError, EOFError):
            pass
        writer.close()


async def here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def post(
    server: Server, route: Route, *, serving: ssl.SSLContext | None, times: int = 1
) -> list[int]:
    listening = await asyncio.start_server(server.take, "127.0.0.1", 0, ssl=serving)
    port = listening.sockets[0].getsockname()[1]
    host = "partner.example"
    line = Line(Target(host=host, port=port, path="/", tls=serving is not None), route)
    try:
        return [(await line.post({}, b"{}")).status for _ in range(times)]
    finally:
        line.close()
        listening.close()


def serving(path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


async def test_a_host_with_its_own_certificate_is_trusted(tmp_path: Path) -> None:
    path = certificate(tmp_path, "partner.example")
    trusting = ssl.create_default_context(cafile=str(path))
    route = Route(resolve=here, tls=trusting, loopback=True)
    server = Server()
    assert await post(server, route, serving=serving(path), times=3) == [200, 200, 200]
    assert server.connections == 1


@pytest.mark.parametrize("name", ["unknown", "other"])
async def test_an_unknown_or_foreign_certificate_is_refused(tmp_path: Path, name: str) -> None:
    path = certificate(tmp_path, "other.example" if name == "other" else "partner.example")
    trusting = ssl.create_default_context(cafile=str(path) if name == "other" else None)
    route = Route(resolve=here, tls=trusting, loopback=True)
    server = Server()
    with pytest.raises(NotDelivered) as refusal:
        await post(server, route, serving=serving(path))
    assert refusal.value.reason == "certificate"
    assert server.taken == 0


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    server = Server()
    route = Route(resolve=here, tls=ssl.create_default_context(), loopback=False)
    with pytest.raises(NotDelivered) as refusal:
        await post(server, route, serving=None)
    assert refusal.value.reason == "address_refused"
    assert server.connections == 0


async def test_a_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    server = Server(at_once=2)
    route = Route(resolve=here, tls=ssl.create_default_context(), loopback=True)
    assert await post(server, route, serving=None, times=6) == [200] * 6
    assert (server.taken, server.connections) == (6, 3)


async def test_what_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_client, "LARGEST", 1)
    server = Server()
    route = Route(resolve=here, tls=ssl.create_default_context(), loopback=True)
    with pytest.raises(NotDelivered) as refusal:
        await post(server, route, serving=None)
    assert (refusal.value.reason, server.connections) == ("too_large", 0)
