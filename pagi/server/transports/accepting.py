"""Taking connections from a listening socket, one at a time, and what is done where that fails."""

import errno
import logging
import socket
from collections.abc import Callable, Iterator

log = logging.getLogger("pagi.server")

PAUSE_SECONDS = 0.1
"""How long nothing is accepted after the system said that it has no room: every attempt before would fail alike."""
GIVING_WAY_SECONDS = 0.002
"""How long another worker has for the connection that is rather its own: on a busy machine it has to be given a CPU first."""
OPENING_SECONDS = 1.0
"""When the server closes, how long connections that were just accepted may take to be ready for their request."""
OUT_OF_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """One listening socket. `accept` is to be called whenever it is readable.

    It takes one connection each time: with several workers on one socket, whoever took all that wait would leave the others idle.
    """

    __slots__ = ("_gives_way", "_is_pausing", "listening")

    def __init__(self, listening: socket.socket, gives_way: Callable[[], bool] = lambda: False) -> None:
        self.listening = listening
        self._gives_way = gives_way
        self._is_pausing = False

    @property
    def is_closed(self) -> bool:
        """Nothing more will come."""
        return self.listening.fileno() < 0

    def accept(self) -> socket.socket | None:
        """A connection, not blocking and without Nagle's delay; None where another worker was faster or the client has gone.

        Raises:
            Pause: the system has no descriptor or memory for it, which is logged once and not for each attempt; or another worker
                holds fewer connections, and is to have the first chance.
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
        try:
            accepted, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return None
        except OSError as error:
            if error.errno not in OUT_OF_ROOM:
                if not self.is_closed:
                    log.warning("a connection could not be accepted: %s", error.strerror)
                return None
            if not self._is_pausing:
                self._is_pausing = True
                log.error("cannot accept: %s; trying again every %g s", error.strerror, PAUSE_SECONDS)
            raise Pause(PAUSE_SECONDS) from error
        if self._is_pausing:
            self._is_pausing = False
            log.info("accepting again")
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return accepted


class Pause(Exception):
    """Nothing is to be accepted for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds
