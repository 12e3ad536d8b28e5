"""What a supervisor and its workers say to each other: a JSON object a line, over a socket pair. Either end is the other's pulse.

A worker whose supervisor is gone reads the end of its channel and ends too; so does one that the supervisor lets go of.
"""

import select
import socket
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from pagi.server.options import ServerOptions

READ_BYTES = 65536
MOST_UNREAD_BYTES = 4 * 1024 * 1024
"""A line longer than this, or so much that the other end does not read, is no conversation any more."""


class Orders(msgspec.Struct, frozen=True, kw_only=True, tag="orders"):
    """What a worker is to serve, and how. Its first line."""

    number: int
    """Its place, from 1. Who replaces it has the same."""
    options: ServerOptions
    sockets: list[int]
    """Descriptors that listen."""
    shares: int | None = None
    """The descriptor of the table of connections (see `shares`), and our place in it."""
    place: int = 0
    application: msgspec.Raw
    """For the worker's own program alone: where it finds what it serves."""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """The worker is to tell something of itself, such as its `status`."""

    what: str


class Retire(msgspec.Struct, frozen=True, tag="retire"):
    """Another has taken the worker's place: it accepts nothing more, and ends when its work is done."""


class ReopenLogs(msgspec.Struct, frozen=True, tag="reopen_logs"):
    """The file of the access log was rotated away: the worker is to go on in the one that bears its name now."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker serves."""


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """The worker's loop turns."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker could not start, and ends with `code`."""

    reason: str
    details: str = ""
    """The application's part of the traceback, as text; empty where there is none."""
    code: int = 3


class Retiring(msgspec.Struct, frozen=True, tag="retiring"):
    """The worker wishes to be replaced. It serves until it is told to retire."""

    why: str


class Status(msgspec.Struct, frozen=True, tag="status"):
    """What the worker was asked for."""

    what: str
    about: dict[str, Any]


Order: TypeAlias = Orders | Ask | Retire | ReopenLogs
"""From the supervisor."""
Word: TypeAlias = Ready | Beat | Failed | Retiring | Status
"""From the worker."""

Heard = TypeVar("Heard")


class Channel(Generic[Heard]):
    """One end. It never waits: what the other end does not take yet is kept, and goes out with the next `send` or `flush`."""

    def __init__(self, end: socket.socket, heard: Any) -> None:
        end.setblocking(False)
        self.end = end
        self.has_ended = False
        """The other end is closed, or talks nonsense: nothing more will come."""
        self._decode = msgspec.json.Decoder[Heard](heard).decode
        self._unread = b""
        self._unsent = b""

    def fileno(self) -> int:
        """The descriptor, to be waited for."""
        return self.end.fileno()

    def send(self, message: Order | Word) -> None:
        """Says it; nothing happens if nobody is there any more."""
        self._unsent += msgspec.json.encode(message) + b"\n"
        self.flush()

    def flush(self) -> None:
        """Sends what was kept."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self.end.send(self._unsent) :]
        except BlockingIOError:
            if len(self._unsent) > MOST_UNREAD_BYTES:
                self._give_up()
        except OSError:
            self._unsent = b""  # its end is read, and told, by `receive`

    def receive(self) -> list[Heard]:
        """What was said since the last time."""
        self._read()
        *lines, self._unread = self._unread.split(b"\n")
        heard: list[Heard] = []
        try:
            heard.extend(map(self._decode, lines))
        except msgspec.DecodeError:
            self._give_up()
        return heard

    def wait(self) -> None:
        """Waits until there is something to receive, if only the end."""
        select.select([self.end], [], [])

    def close(self) -> None:
        """Hangs up."""
        self.end.close()

    def _read(self) -> None:
        while not self.has_ended:
            try:
                data = self.end.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self._unread += data
            if not data or len(self._unread) > MOST_UNREAD_BYTES:
                self._give_up()

    def _give_up(self) -> None:
        self.has_ended = True
        self._unsent = b""
