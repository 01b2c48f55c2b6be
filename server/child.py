"""Become a server process that dies with its parent; run as a script, standard library only.

`python -I -S child.py SIGNAL UID GID PARENT COMMAND...` gives up root, asks the kernel for SIGNAL
at the parent's death, checks that the parent still lives, then executes COMMAND in this same
process: the launcher owns the real pid. A script instead of `preexec_fn`, which is unsafe beside
threads. Only Linux has the parent-death signal; elsewhere a left-over server is found and stopped
at the next start.
"""

import ctypes
import os
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def become(command: list[str], *, death_signal: int, uid: int, gid: int, parent: int) -> None:
    """Replace this process by a command.

    Args:
        command: Absolute path of the program, then its arguments.
        death_signal: What the kernel sends when the parent dies.
        uid: User to become; -1 keeps the present one.
        gid: Group to become; -1 keeps the present one.
        parent: Process id of the launcher.
    """
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - the command is the launcher's own
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(126)


if __name__ == "__main__":
    SIGNAL, UID, GID, PARENT = map(int, sys.argv[1:5])
    become(sys.argv[5:], death_signal=SIGNAL, uid=UID, gid=GID, parent=PARENT)
