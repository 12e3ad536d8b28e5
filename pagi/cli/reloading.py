"""The watching half of `pagi dev`: holds the address, runs one process for each version of the code, and never imports any of it."""

import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

import click
import msgspec

from pagi.cli.serving import Application
from pagi.cli.watching import told
from pagi.server import ServerOptions
from pagi.server.process.channel import Failed, Orders, Retire
from pagi.server.process.exit_codes import EXIT_CLEAN, EXIT_USAGE
from pagi.server.process.log_lines import wants_colour
from pagi.server.process.worker_process import Program, WorkerProcess, ending

POLL_SECONDS = 0.02


class Reloader:
    """Keeps one version of the application running.

    The sockets stay open here across reloads, so that a client who comes in between waits instead of being refused. A process
    is told to retire; it also ends when this one is killed, because its channel ends then.
    """

    def __init__(
        self, application: Application, options: ServerOptions, sockets: Sequence[socket.socket], program: Program, grace_seconds: float
    ) -> None:
        self._application = application
        self._options = options
        self._sockets = sockets
        self._program = program
        self._grace_seconds = grace_seconds
        self._process: WorkerProcess | None = None
        self._current: Application | None = None
        """What the last process was told."""
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
        following = msgspec.structs.replace(self._application, is_first=False)
        wanted: Application | None = self._application
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
            code = self._look()
            if code is None or self._current is None:
                continue
            if code == EXIT_USAGE and self._current.is_first:
                return EXIT_USAGE
            # It ended by itself. Until the code changes, another process says so to whoever asks.
            problem = f"the application ended by itself ({ending(code)})"
            say(f"{problem}; waiting for a change", fg="red")
            self._end()
            wanted = None if self._current.problem else msgspec.structs.replace(following, problem=f"{problem}; see the terminal")
        return EXIT_CLEAN

    def _start(self, application: Application) -> None:
        self._current = application
        sockets = [opened.fileno() for opened in self._sockets]
        orders = Orders(
            number=1,
            options=self._options,
            sockets=sockets,
            application=msgspec.Raw(msgspec.json.encode(application)),
        )
        # In our process group and with our stdin: `breakpoint()` works, and a terminal's Ctrl-C reaches it too.
        self._process = WorkerProcess(self._program, orders, sockets)

    def _look(self) -> int | None:
        """Tells why the process could not start, if it says so. Returns its exit code; None while it runs, or where there is none."""
        process = self._process
        if process is None:
            return None
        code = process.poll()  # first: its last words are there then
        for word in process.channel.receive():
            if isinstance(word, Failed):
                say(word.reason, fg="red")
        return code

    def _end(self) -> None:
        """Ends the process, if there is one: asked first, killed when the grace is over or at a second signal."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send(Retire())
        process.signal(signal.SIGTERM)  # it may be loading, and not listen yet
        left = self._grace_seconds
        while process.wait(POLL_SECONDS) is None:
            left -= POLL_SECONDS
            if left < 0 or self._signals > 1:
                process.signal(signal.SIGKILL)
                process.wait(self._grace_seconds)
                say("it did not end in time and was killed", fg="yellow")
                break
        process.let_go()

    def _signalled(self) -> None:
        self._signals += 1
        self.stop.set()


def say(text: str, *, fg: str | None = None, bold: bool = False) -> None:
    """A line to the developer, on stderr; coloured on a terminal only."""
    click.echo(click.style(text, fg=fg, bold=bold), err=True, color=wants_colour(sys.stderr))


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
