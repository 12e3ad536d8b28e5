"""Taking connections from a listening socket, one at a time, and what is done where that fails."""

import errno
import logging
import socket
from collections.abc import Iterator

log = logging.getLogger("pagi.server")

PAUSE_SECONDS = 0.1
"""How long nothing is accepted after the system said that it has no room: every attempt before would fail alike."""
OPENING_SECONDS = 1.0
"""When the server closes, how long connections that were just accepted may take to be ready for their request."""
OUT_OF_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """One listening socket. `accept` is to be called whenever it is readable.

    It takes one connection each time: with several workers on one socket, whoever took all that wait would leave the others idle.
    """

    __slots__ = ("_is_pausing", "listening")

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self._is_pausing = False

    @property
    def is_closed(self) -> bool:
        """Nothing more will come."""
        return self.listening.fileno() < 0

    def accept(self) -> socket.socket | None:
        """A connection, not blocking and without Nagle's delay; None where another worker was faster or the client has gone.

        Raises:
            OutOfRoom: the system has no descriptor or memory for it: pause. It is logged once, not for each attempt.
        """
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
            raise OutOfRoom from error
        if self._is_pausing:
            self._is_pausing = False
            log.info("accepting again")
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return accepted

    def waiting(self) -> Iterator[socket.socket]:
        """All that wait now, as far as there is room for them."""
        try:
            while (accepted := self.accept()) is not None:
                yield accepted
        except OutOfRoom:
            return


class OutOfRoom(Exception):
    """The system has no descriptor or memory for another connection."""
