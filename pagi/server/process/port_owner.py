"""Who listens on a TCP port, where the kernel says so without asking: Linux, and processes that we may look into."""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"
"""The state of a listening socket in `/proc/net/tcp` (include/net/tcp_states.h of Linux)."""


def owner_of(port: int, proc: Path = PROC) -> str | None:
    """The process that listens on `port`, like `python3 (pid 4242)`; None where that cannot be seen."""
    try:
        wanted = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
        return next((_name(folder) for folder in _processes(proc) if _holds(folder, wanted)), None) if wanted else None
    except (OSError, ValueError, IndexError):
        return None  # only a hint: another system, or a process that ended while we looked


def _inodes(port: int, proc: Path) -> Iterator[str]:
    """The listening sockets of a port. A line is: number, local address, remote address, state, six more, inode."""
    for table in ("tcp", "tcp6"):
        path = proc / "net" / table
        if path.is_file():
            for line in path.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _processes(proc: Path) -> Iterator[Path]:
    return (folder for folder in proc.iterdir() if folder.name.isdigit())


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(os.readlink(link) in wanted for link in (process / "fd").iterdir())
    except OSError:
        return False  # another user's, or gone


def _name(process: Path) -> str:
    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
