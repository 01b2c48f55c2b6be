"""One child process: started through `child.py`, signalled and reaped by us, its output in a log.

Start it from the main thread: the parent-death signal is tied to the thread that starts it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from server.layout import Account

SHIM: Final = Path(__file__).with_name("child.py")
STOP_S: Final = 15.0
TAIL_BYTES: Final = 2_000


class Process:
    """A child process that dies with us.

    Attributes:
        log: File that receives its output.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        stop_signal: signal.Signals,
        account: Account | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start a command.

        Args:
            command: Absolute path of the program, then its arguments.
            log: File that receives its output, appended.
            stop_signal: What asks it to stop; also sent by the kernel when we die.
            account: Who it runs as; the present account when None.
            env: Its environment; ours when None.
            cwd: Its working directory; the root directory when None.
        """
        account = account or Account()
        self.log = log
        self._stop_signal = stop_signal
        start = [stop_signal.value, account.uid, account.gid, os.getpid()]
        shim = [sys.executable, "-I", "-S", str(SHIM), *map(str, start)]
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._child = subprocess.Popen(
                [*shim, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env) if env is not None else None,
                cwd=cwd or "/",
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self._child.pid

    def exit_code(self) -> int | None:
        """Give the exit code, negative for a signal; None while it runs. Reaps it."""
        return self._child.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended.

        Args:
            number: The signal.
        """
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)

    def stop(self, timeout_s: float = STOP_S) -> int:
        """Ask it to stop, wait, kill it when it does not; give its exit code.

        Args:
            timeout_s: How long to wait before the kill, in seconds.
        """
        self.signal(self._stop_signal)
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            return self._child.wait(timeout_s)

    def said(self) -> str:
        """Give the last lines it wrote since its start, for an error message."""
        with self.log.open("rb") as handle:
            end = handle.seek(0, os.SEEK_END)
            handle.seek(max(self._log_start, end - TAIL_BYTES))
            return handle.read().decode("utf-8", "replace").strip()


def exists(pid: int) -> bool:
    """Tell whether a process id is taken, be it by a zombie or a stranger.

    Args:
        pid: The process id.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait(process: Process) -> int:
    """Wait for a short-lived process and give its exit code.

    Args:
        process: Such as initdb.
    """
    while (code := process.exit_code()) is None:
        time.sleep(0.005)
    return code


def command_line(pid: int) -> str:
    """Give the command line of a process; empty for a zombie or when there is none.

    Args:
        pid: Its process id.
    """
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        pass
    if sys.platform == "linux":
        return ""
    listed = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return listed.stdout.strip()


def stop_left_over(pid: int, sign: str, number: signal.Signals, timeout_s: float = STOP_S) -> None:
    """Stop a server that an earlier instance of ours left running; nobody else's process.

    Args:
        pid: What the server's own pid file says.
        sign: Text that its command line must hold, such as its data directory.
        number: Signal that asks it to stop.
        timeout_s: How long to wait before SIGKILL, in seconds.
    """
    until = time.monotonic() + timeout_s
    while sign in command_line(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number if time.monotonic() < until else signal.SIGKILL)
        time.sleep(0.05)
        if time.monotonic() > until + timeout_s:
            return
