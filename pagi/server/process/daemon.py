"""Leaving the terminal: the process that was started ends, with an exit code that says how the start went, and another goes on."""

import os
import stat
import sys
from contextlib import suppress

from pagi.server.process.exit_codes import EXIT_CLEAN, EXIT_FAILED

STREAMS = (0, 1, 2)


def leave_terminal() -> int:
    """Returns in a process with a session of its own, to which no terminal can belong.

    It stays in this folder, so relative paths go on leading where they did. The process that called this waits for `tell`, whose
    descriptor is returned, and never returns from here.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os._exit(_outcome(reading))
    os.close(reading)
    os.setsid()
    if os.fork():
        os._exit(EXIT_CLEAN)  # a leader of a session could still be given a terminal
    return writing


def tell(descriptor: int, code: int) -> None:
    """The start is over: whoever waits for it ends with `code`. Nothing happens if nobody does any more."""
    with suppress(OSError):
        os.write(descriptor, bytes([code]))
    os.close(descriptor)


def let_streams_go() -> None:
    """Standard streams that are files stay. A terminal or a pipe ends with whoever is behind it: those lead nowhere from now on."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in STREAMS:
        if not _is_file(descriptor):
            os.dup2(null, descriptor)
    if null not in STREAMS:
        os.close(null)


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False  # closed


def _outcome(reading: int) -> int:
    word = os.read(reading, 1)
    return word[0] if word else EXIT_FAILED
