"""The directory of a running Régul: data, keys, logs, ports, and who may run there.

`.regul/` holds postgres/, nats/, run/, keys/ and logs/. One instance at a time holds its lock.
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import socket
from pathlib import Path
from typing import IO, Final

import msgspec

from server.refusal import Refusal

LOOPBACK: Final = "127.0.0.1"
SECRET_BYTES: Final = 24
PORT_TRIES: Final = 20


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The operating-system account of the embedded servers; -1 means the present one."""

    uid: int = -1
    gid: int = -1


def server_account() -> Account:
    """Give the account of embedded servers: postgres, else nobody, when we are root."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise Refusal("Running as root needs an account named postgres or nobody for the servers.")


def reachable(path: Path, account: Account) -> bool:
    """Tell whether an account may enter a directory: every parent lets it through.

    Args:
        path: A directory, which may not exist yet.
        account: Who wants to enter.
    """
    if account.uid < 0:
        return True
    for part in (path, *path.parents):
        if not part.exists():
            continue
        entry = part.stat()
        owner = entry.st_uid == account.uid and entry.st_mode & 0o100
        group = entry.st_gid == account.gid and entry.st_mode & 0o010
        if not (owner or group or entry.st_mode & 0o001):
            return False
    return True


def free_port() -> int:
    """Give a TCP port that nobody uses on the loopback address at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_in_use(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether something listens on a port (or another reason forbids to bind it)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


class Layout:
    """The directories of one instance.

    Attributes:
        home: The directory itself, usually `.regul`.
        data: Where the servers' data live: `home`, or a directory under /var/lib/regul when the
            servers' account cannot enter `home` (root with a private home directory).
        account: Who runs the embedded servers.
    """

    def __init__(self, home: Path) -> None:
        """Create the directories.

        Args:
            home: The directory of the instance.

        Raises:
            Refusal: It cannot be written.
        """
        self.home = home.absolute()
        self.account = server_account()
        self.data = self.home
        if not reachable(self.home.parent, self.account):
            name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
            self.data = Path("/var/lib/regul") / name
        self._lock: IO[str] | None = None
        try:
            for directory in (self.home, self.data, self.run, self.keys, self.logs):
                directory.mkdir(parents=True, exist_ok=True)
            self.keys.chmod(0o700)
            for directory in (self.home, self.data):
                if reachable(directory.parent, self.account):
                    directory.chmod(0o755)
            (self.run / "writable").write_text("")
        except OSError as error:
            raise Refusal(
                f"Cannot write {self.home} ({error.strerror}): run Régul where you may write."
            ) from None

    @property
    def run(self) -> Path:
        """Give the directory of locks, ports and configuration files made at start."""
        return self.home / "run"

    @property
    def keys(self) -> Path:
        """Give the directory of secrets, readable by the owner only."""
        return self.home / "keys"

    @property
    def logs(self) -> Path:
        """Give the directory of the children's logs."""
        return self.home / "logs"

    def lock(self) -> None:
        """Hold this directory for this process until it ends.

        Raises:
            Refusal: Another live instance holds it.
        """
        handle = (self.run / "lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise Refusal(f"Régul already runs in {self.home}; stop it first.") from None
        self._lock = handle

    def unlock(self) -> None:
        """Let another instance use this directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secret(self, name: str) -> str:
        """Give a secret of this instance, made at first use, 0600.

        Args:
            name: File name under keys/.
        """
        path = self.keys / name
        try:
            return path.read_text("ascii").strip()
        except FileNotFoundError:
            value = secrets.token_urlsafe(SECRET_BYTES)
            self.keep(path, value)
            return value

    @staticmethod
    def keep(path: Path, text: str) -> None:
        """Write a private file, 0600 from its first moment.

        Args:
            path: The file; replaced when it exists.
            text: Its content.
        """
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
        fresh.replace(path)

    def port(self, name: str, wanted: int = 0) -> int:
        """Choose the port of a service: the wanted one, else the last one, else a free one.

        Args:
            name: Of the service.
            wanted: A port somebody asked for; 0 leaves the choice.

        Raises:
            Refusal: The wanted port is used.
        """
        if wanted:
            if port_in_use(wanted):
                raise Refusal(f"Port {wanted} for {name} is in use; choose another one.")
            return wanted
        path = self.run / f"{name}.port"
        try:
            last = int(path.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            last = 0
        port = last if last and not port_in_use(last) else free_port()
        path.write_text(str(port), "ascii")
        return port

    def give(self, path: Path) -> None:
        """Hand a file or directory to the servers' account.

        Args:
            path: What the servers must own.
        """
        if self.account.uid >= 0:
            os.chown(path, self.account.uid, self.account.gid)
