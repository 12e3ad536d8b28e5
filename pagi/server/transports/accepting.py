"""Taking connections from a listening socket, one at a time, and what is done where that fails."""

import errno
import logging
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator

log = logging.getLogger("pagi.server")

PAUSE_SECONDS = 0.1
"""How long nothing is accepted after the system said that it has no room: every attempt before would fail alike."""
GIVING_WAY_SECONDS = 0.002
"""How long another worker has for the connection that is rather its own: on a busy machine it has to be given a CPU first."""
OPENING_SECONDS = 1.0
"""When the server closes, how long connections that were just accepted may take to be ready for their request."""
CALM_SECONDS = 1.0
"""For how long there has to be room again until that is said: each client that leaves makes some, for the next that waits."""
SPARE_DESCRIPTORS = 16
"""What connections leave to files, databases and logs; of a very low limit they leave a quarter."""
OUT_OF_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """One listening socket. `accept` is to be called whenever it is readable.

    It takes one connection each time: with several workers on one socket, whoever took all that wait would leave the others idle.
    """

    __slots__ = ("_full_at", "_gives_way", "_is_tight", "_most", "listening")

    def __init__(self, listening: socket.socket, gives_way: Callable[[], bool] = lambda: False) -> None:
        self.listening = listening
        self._gives_way = gives_way
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = limit - min(SPARE_DESCRIPTORS, limit // 4) if limit != resource.RLIM_INFINITY else float("inf")
        self._is_tight = False
        """The last connection took the last descriptor that is no spare one."""
        self._full_at: float | None = None
        """When there was no room for the last time, until there was some for long enough."""

    @property
    def is_closed(self) -> bool:
        """Nothing more will come."""
        return self.listening.fileno() < 0

    def accept(self) -> socket.socket | None:
        """A connection, not blocking and without Nagle's delay; None where another worker was faster or the client has gone.

        Raises:
            Pause: the system has no descriptor or memory for it, which is logged once and not for each attempt; or another worker
                holds fewer connections, and has the first chance.
        """
        if self._gives_way():
            raise Pause(GIVING_WAY_SECONDS)
        return self._taken()

    def waiting(self) -> Iterator[socket.socket]:
        """All that wait now, as far as there is room for them."""
        try:
            while (accepted := self._taken()) is not None:
                yield accepted
        except Pause:
            return

    def _taken(self) -> socket.socket | None:
        if self._is_tight and not self._has_spare():
            raise self._full(f"connections have taken all descriptors of this process but {SPARE_DESCRIPTORS} (ulimit -n)")
        try:
            accepted, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return None
        except OSError as error:
            if error.errno not in OUT_OF_ROOM:
                if not self.is_closed:
                    log.warning("a connection could not be accepted: %s", error.strerror)
                return None
            raise self._full(error.strerror or str(error)) from error
        # The system gives the lowest number that is free, so this one tells how many are left.
        self._is_tight = accepted.fileno() >= self._most - 1
        if self._full_at is not None and not self._is_tight and time.monotonic() - self._full_at >= CALM_SECONDS:
            self._full_at = None
            log.info("accepting again")
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return accepted

    def _has_spare(self) -> bool:
        try:
            free = os.dup(self.listening.fileno())
        except OSError:
            return False
        os.close(free)
        return free < self._most

    def _full(self, why: str) -> "Pause":
        if self._full_at is None:
            log.error("cannot accept: %s; trying again every %g s", why, PAUSE_SECONDS)
        self._full_at = time.monotonic()
        return Pause(PAUSE_SECONDS)


class Pause(Exception):
    """Nothing is to be accepted for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds
