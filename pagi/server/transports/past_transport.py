"""Writing past an asyncio transport: it takes bytes, and a part of a file need not become any."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from pagi.server.transports.parts import send_parts
from pagi.server.wire.engine import Part


class PastTransport:
    """Sends parts with files among them, on a duplicate of the transport's socket: no loop lets its own be waited for.

    It begins when the transport has written all of its own, and is over when everything was sent; until then whatever the line
    is to write comes here.

    Args:
        over: called once everything was sent, or given up, with the error of a peer that is gone.
    """

    __slots__ = ("_after", "_is_waiting", "_loop", "_out", "_over", "_parts")

    def __init__(self, loop: asyncio.AbstractEventLoop, out: socket.socket, over: Callable[[OSError | None], None]) -> None:
        self._loop = loop
        self._out = out
        self._over = over
        self._parts: list[Part] = []
        self._after: list[Callable[[], None]] = []
        self._is_waiting = False

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def add(self, parts: Sequence[Part]) -> None:
        """These are to follow."""
        self._parts += parts

    def then(self, fn: Callable[[], None]) -> None:
        """Calls `fn` once everything was sent, and not where the peer is gone."""
        self._after.append(fn)

    def go_on(self) -> None:
        """Sends what the socket takes."""
        error: OSError | None = None
        try:
            send_parts(self._out, self._parts)
        except OSError as gone:
            self._parts.clear()
            error = gone
        if not self._parts:
            self.close()
            self._over(error)
            for fn in self._after if error is None else ():
                fn()
        elif not self._is_waiting:
            self._is_waiting = True
            self._loop.add_writer(self._out.fileno(), self.go_on)

    def close(self) -> None:
        """Sends no more."""
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self._out.fileno())
        self._out.close()
