"""`wsgi.input`: the request's body as a file that a thread reads. No more of it is in memory than one event and one buffer."""

from collections.abc import Callable
from io import RawIOBase
from typing import Any

from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import Message

BUFFER_BYTES = 16 * 1024


class BodyFile(RawIOBase):
    """The body, a part at a time: `receive` waits for the next event. To be read through a `BufferedReader`."""

    def __init__(self, first: Message | None, receive: Callable[[], Message]) -> None:
        self._receive = receive
        self._part = memoryview(b"")
        self.is_over = False
        """Nothing more is read: the body is whole, or nobody waits for it any more."""
        if first is not None:
            self._take(first)

    def readable(self) -> bool:
        """True: it can be read, and nothing else."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fills as much of `buffer` as there is; 0 at the end of the body.

        Raises:
            ClientGone: the client left before the body was whole.
        """
        while not self._part and not self.is_over:
            self._take(self._receive())
        size = min(len(buffer), len(self._part))
        buffer[:size] = self._part[:size]
        self._part = self._part[size:]
        return size

    def _take(self, event: Message) -> None:
        if event["type"] != "http.request":
            self.is_over = True
            raise ClientGone(Reason.CLIENT_CLOSED)
        self._part = memoryview(event.get("body") or b"")
        self.is_over = not event.get("more_body")
