"""The watching half of `pagi dev`: holds the address, runs one process for each version of the code, and never imports any of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import FrameType

import click
import msgspec

from pagi.cli.serving import Orders
from pagi.cli.watching import told
from pagi.server.process.log_lines import wants_colour

EXIT_USAGE = 2
POLL_SECONDS = 0.02

PROGRAM = "import sys; sys.path[:] = {path!r}; from pagi.cli.serving import main; main({pipe})"
"""The child imports from where we do: the current folder is not put in front of the standard library."""


class Supervisor:
    """Keeps one version of the application running.

    The sockets stay open here across reloads, so that a client who comes in between waits instead of being refused. A child
    is ended by closing its pipe; so it also ends when this process is killed.
    """

    def __init__(self, orders: Orders, sockets: Sequence[socket.socket], environment: Mapping[str, str], grace_seconds: float) -> None:
        self._orders = orders
        self._sockets = sockets
        self._environment = dict(environment)
        self._grace_seconds = grace_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._current: Orders | None = None
        """What the last process was told."""
        self._pipe = -1
        self._signals = 0
        self.stop = Event()
        """Set when this is to end."""

    def run(self, changes: Iterator[list[Path]]) -> int:
        """Serves until INT or TERM, with a new process after each change. `changes` gives an empty list now and then.

        Returns the exit code: 0, or 2 if there is no such application to begin with.
        """
        with _handling(self._signalled):
            try:
                return self._run(changes)
            finally:
                self._end()

    def _run(self, changes: Iterator[list[Path]]) -> int:
        following = msgspec.structs.replace(self._orders, is_first=False)
        wanted: Orders | None = self._orders
        for changed in changes:
            if changed:
                say(f"{told(changed, Path.cwd())} changed, reloading", fg="yellow")
                wanted = following if self._current is not None else wanted
            if wanted is not None:
                self._end()
                if self.stop.is_set():
                    break
                self._start(wanted)
                wanted = None
            code = self._child.poll() if self._child is not None else None
            if code is None or self._current is None:
                continue
            if code == EXIT_USAGE and self._current.is_first:
                return EXIT_USAGE
            # It ended by itself. Until the code changes, another process says so to whoever asks.
            problem = f"the application ended by itself ({_exit(code)})"
            say(f"{problem}; waiting for a change", fg="red")
            self._end()
            wanted = None if self._current.problem else msgspec.structs.replace(following, problem=f"{problem}; see the terminal")
        return 0

    def _start(self, orders: Orders) -> None:
        self._current = orders
        reading, self._pipe = os.pipe()
        program = PROGRAM.format(path=sys.path, pipe=reading)
        # In our process group and with our stdin: `breakpoint()` works, and a terminal's Ctrl-C reaches it too.
        try:
            self._child = subprocess.Popen(  # noqa: S603 (this very Python)
                [sys.executable, *(f"-W{option}" for option in sys.warnoptions), "-c", program],
                pass_fds=[reading, *(opened.fileno() for opened in self._sockets)],
                env=self._environment,
            )
        finally:
            os.close(reading)
        with suppress(BrokenPipeError):  # it is gone already, and the next look at it tells why
            os.write(self._pipe, msgspec.json.encode(orders) + b"\n")

    def _end(self) -> None:
        """Ends the process, if there is one: asked first, killed when the grace is over or at a second signal."""
        child, self._child = self._child, None
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        if child is None:
            return
        deadline = time.monotonic() + self._grace_seconds
        while child.poll() is None:
            if time.monotonic() > deadline or self._signals > 1:
                child.kill()
                child.wait()
                say("it did not end in time and was killed", fg="yellow")
                return
            time.sleep(POLL_SECONDS)

    def _signalled(self) -> None:
        self._signals += 1
        self.stop.set()


def say(text: str, *, fg: str | None = None, bold: bool = False) -> None:
    """A line to the developer, on stderr; coloured on a terminal only."""
    click.echo(click.style(text, fg=fg, bold=bold), err=True, color=wants_colour(sys.stderr))


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


@contextmanager
def _handling(function: Callable[[], None]) -> Generator[None]:
    """While entered, INT and TERM only call `function`."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        function()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
