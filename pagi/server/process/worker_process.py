"""One worker as the supervisor has it: a process started by exec, and the channel to it."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from pagi.server.process.channel import Channel, Order, Orders, Word

OF_THE_TERMINAL = (signal.SIGINT, signal.SIGHUP)
"""Signals that reach every process of a terminal. A worker starts with these blocked, and says itself what it does about them."""
TELL_WHERE = signal.SIGUSR1
"""Has a worker write the tracebacks of all its threads to stderr, also while it is blocked."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is run as a worker. It gets its end of the channel as its last argument, and its `Orders` through that."""

    command: list[str]
    environment: dict[str, str]


class WorkerProcess:
    """A process that was just started. The descriptors that it is `given` are its own as well.

    Raises:
        OSError: the system does not give one.
    """

    def __init__(self, program: Program, orders: Orders, given: Sequence[int], *, stdin: int | None = None) -> None:
        ours, theirs = socket.socketpair()
        signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_TERMINAL)
        try:
            self._process = subprocess.Popen(  # noqa: S603 (this very Python)
                [*program.command, str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *given],
                env=program.environment,
                stdin=stdin,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_THE_TERMINAL)
        self.channel = Channel[Word](ours, Word)
        self.send(orders)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, order: Order) -> None:
        """Gives it an order."""
        self.channel.send(order)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def poll(self) -> int | None:
        """Its exit code, negative if a signal ended it; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Like `poll`, but waits so long for its end."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode

    def let_go(self) -> None:
        """Hangs up. If it still runs, it cuts its work and ends."""
        self.channel.close()


def ending(code: int) -> str:
    """How a person is told that a process ended so.

    >>> ending(3), ending(-9)
    ('exit code 3', 'SIGKILL')
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
