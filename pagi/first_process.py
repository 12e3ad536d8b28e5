"""As process 1 of a container: the command goes on in a child; process 1 hands signals on to it, and buries whom it left behind.

The kernel gives process 1 no signal that it does not ask for, and every orphan. So this comes before all other imports, those of
the package itself too, and this file is also a program of its own, which imports nothing but the system:
`python first_process.py PID DESCRIPTOR`.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

VARIABLE = "PAGI_IN_CHARGE"
"""Names the descriptor where a process writes its id to be the one that signals are handed to, and whose end is the end."""

HANDED_ON = {
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
}
WATCHED = {*HANDED_ON, signal.SIGCHLD}


def step_aside_early() -> None:
    """`step_aside`, where Python was started as the command `pagi`. The package calls it: its imports take some tenths of a second.

    A program that only imports the package is left as it is, also as process 1.
    """
    if is_command(sys.orig_argv, sys.argv):
        from pagi.standard_streams import open_missing  # not above: as a program this file finds no pagi

        open_missing()  # else the pipe to process 1 would be our stdout, where there is none
        step_aside()


def is_command(words: list[str], arguments: list[str]) -> bool:
    """Python was started with these words as `pagi` or `python -m pagi`, by what it makes of them (`sys.argv`).

    >>> is_command(["python", "/app/bin/pagi", "run"], ["/app/bin/pagi", "run"])
    True
    >>> is_command(["python", "-m", "pagi", "run"], ["-m", "run"])
    True
    >>> is_command(["python", "server.py", "-m", "pagi"], ["server.py", "-m", "pagi"])
    False
    """
    if arguments[:1] == ["-m"]:  # until Python has found the module
        return words[-len(arguments)].removeprefix("-m") == "pagi"
    return bool(arguments) and os.path.basename(arguments[0]) == "pagi"


def step_aside() -> None:
    """Does nothing, unless this is process 1: then it returns in a child of it."""
    if os.getpid() == 1:
        _step_aside()


def _step_aside() -> None:
    # What is blocked is kept, for process 1 as well, across `exec` until somebody waits for it: no signal is lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        os.set_inheritable(reading, True)
        os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, str(child), str(reading)])  # noqa: S606
    os.close(reading)
    os.set_inheritable(writing, True)
    os.environ[VARIABLE] = str(writing)
    # A terminal's Ctrl-C is for the child; process 1 in the same group would hand it on, and so double it.
    os.setpgid(0, 0)
    with suppress(OSError):
        os.tcsetpgrp(0, os.getpgrp())  # TTOU is still blocked, else this would stop us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)


def look_after(charge: int, words: int) -> int:
    """Hands signals on until the one in charge ends. Returns its exit code, as a shell would tell it."""
    os.set_blocking(words, False)
    while True:
        number = signal.sigwait(WATCHED)
        charge = _in_charge(words, charge)
        if number != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                os.kill(charge, number)
            continue
        for pid, code in list(_buried()):
            if pid == charge:
                return code if code >= 0 else 128 - code


def _in_charge(words: int, charge: int) -> int:
    """Whoever said so last."""
    with suppress(BlockingIOError):
        while said := os.read(words, 4096):
            charge = int(said.split()[-1])
    return charge


def _buried() -> Iterator[tuple[int, int]]:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            yield pid, os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(look_after(int(sys.argv[1]), int(sys.argv[2])))
