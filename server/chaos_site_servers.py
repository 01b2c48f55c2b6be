"""What `chaos site` stands on: the configuration of `deploy/`, started, and a line that is cut.

The centre's nats-server runs `deploy/hub.conf`, the site's `deploy/site.conf`, with certificates
made for the run. Between them, and between the bridge and the centre's API, stands a line.
"""

import asyncio
import contextlib
import ipaddress
import os
import signal
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias

import nats
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nats.aio.client import Client
from nats.errors import Error as NatsError

from server.layout import LOOPBACK, Layout, free_port
from server.nats_server import find_binary
from server.process import Process

Cut: TypeAlias = Literal["silent", "refused"]
_ROOT: Final = Path(os.environ.get("REGUL_ROOT", Path(__file__).resolve().parents[1]))
_LOOPBACK: Final = ipaddress.ip_address(LOOPBACK)
_CHUNK: Final = 65_536
_STARTS_S: Final = 20.0


class Line:
    """A TCP line on the loopback address that can be cut.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        """Prepare; use as `async with line.open()`.

        Args:
            target: Port on the loopback address that it leads to.
        """
        self.port = free_port()
        self._target = target
        self._generation = 0
        self._silent = False
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Carry while the block runs."""
        await self.heal()
        try:
            yield
        finally:
            await self.cut("refused")

    async def cut(self, how: Cut) -> None:
        """Cut it. What was connected never says another word, even after `heal`.

        Args:
            how: `silent`: nobody is told, and who connects anew waits in vain, as behind a pulled
                cable; `refused`: connections break, new ones are refused.
        """
        self._generation += 1
        self._silent = how == "silent"
        if how == "refused" and self._server is not None:
            self._server.close()
            self._server = None
            for one in self._carrying:
                one.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def heal(self) -> None:
        """Let new connections through."""
        self._silent = False
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        born = self._generation
        writers = [writer]
        try:
            if self._silent:
                await asyncio.Event().wait()
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer, born))
                both.create_task(self._pump(far_reader, writer, born))
        except (OSError, ExceptionGroup):
            pass  # one end broke: the other end's connection ends below
        finally:
            for one in writers:
                one.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, born: int
    ) -> None:
        while data := await reader.read(_CHUNK):
            if self._generation != born:
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


class Server:
    """A nats-server with a configuration of `deploy/`.

    Attributes:
        port: Of clients, on the loopback address.
        environ: What the configuration reads, but for where it stores.
    """

    def __init__(self, folder: Path, name: str, environ: Mapping[str, str]) -> None:
        """Prepare.

        Args:
            folder: For its streams and its log.
            name: Of the configuration: `hub` or `site`.
            environ: What the configuration reads.
        """
        self.port = free_port()
        self._folder, self._name = folder, name
        self.environ = environ
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        """Give its address, without credentials."""
        return f"nats://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        config = _ROOT / "deploy" / f"{self._name}.conf"
        # Only where it listens is not as in deployment.
        place = ["-a", LOOPBACK, "-p", str(self.port)]
        self._process = Process(
            [str(find_binary()), "-c", str(config), *place],
            log=self._folder / "nats.log",
            stop_signal=signal.SIGINT,
            env={
                "PATH": "/usr/bin:/bin",
                "TZ": "UTC",
                "REGUL_NATS_STORE": str(self._folder / "store"),
                **self.environ,
            },
        )
        async with asyncio.timeout(_STARTS_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(LOOPBACK, self.port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            while self._process.exit_code() is None:  # noqa: ASYNC110 - a process calls nobody
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run while the block runs."""
        try:
            await self.start()
            yield
        finally:
            await self.kill()


@contextlib.asynccontextmanager
async def signed_in(address: str, user: str, password: str) -> AsyncIterator[Client]:
    """Connect to a server; a connection that broke is simply closed.

    Args:
        address: Without credentials.
        user: Who.
        password: Their password.
    """

    async def ignore(_: Exception) -> None:
        """Servers are killed here."""

    client = await nats.connect(
        address, user=user, password=password, error_cb=ignore, reconnect_time_wait=0.1,
        max_reconnect_attempts=-1,
    )  # fmt: skip
    try:
        yield client
    finally:
        with contextlib.suppress(NatsError, OSError):
            await client.close()


def hub(folder: Path, password: str, issuer: str, leaf_port: int) -> Server:
    """Describe the centre's nats-server.

    Args:
        folder: For everything of it.
        password: Of the service.
        issuer: Public account key that signs partners in.
        leaf_port: Where sites join.
    """
    certificates = folder / "certificates"
    environ = {
        "REGUL_NATS_PASSWORD": password,
        "REGUL_CALLOUT_ISSUER": issuer,
        "REGUL_LEAF_LISTEN": f"{LOOPBACK}:{leaf_port}",
        **_certified(certificates, "hub"),
    }
    return Server(folder, "hub", environ)


def site(folder: Path, certificates: Path, password: str, hub_leaf: str) -> Server:
    """Describe a site's nats-server.

    Args:
        folder: For everything of it.
        certificates: Made by `certify`.
        password: Of the bridge and of the reader.
        hub_leaf: Where the centre is, with subscription and key.
    """
    environ = {
        "REGUL_SITE_LISTEN": f"{LOOPBACK}:4222",
        "REGUL_HUB_LEAF": hub_leaf,
        "REGUL_BRIDGE_PASSWORD": password,
        "REGUL_READER_PASSWORD": password,
        **_certified(certificates, "site"),
    }
    return Server(folder, "site", environ)


def certify(folder: Path) -> None:
    """Make an authority and the certificates of both servers, for a day.

    Args:
        folder: Where they go, as `ca.pem`, `hub.pem` (with its key `hub.key`), `site.pem`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    _write(folder, "ca", authority, authority)
    for name in ("hub", "site"):
        _write(folder, name, ec.generate_private_key(ec.SECP256R1()), authority)


def _write(
    folder: Path,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    authority: ec.EllipticCurvePrivateKey,
) -> None:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(_LOOPBACK)]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    Layout.keep(folder / f"{name}.key", private.decode())


def _certified(folder: Path, name: str) -> dict[str, str]:
    return {
        "REGUL_LEAF_CERT": str(folder / f"{name}.pem"),
        "REGUL_LEAF_KEY": str(folder / f"{name}.key"),
        "REGUL_LEAF_CA": str(folder / "ca.pem"),
    }
