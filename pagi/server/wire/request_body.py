"""What is still to come of a request's body (RFC 9112 section 6): counted bytes, or chunks. Knows no events."""

from typing import Protocol

from pagi.server.options import HTTP1Options
from pagi.server.wire.chunked import ChunkDecoder
from pagi.server.wire.head_gate import Fields


class RequestBody(Protocol):
    """A body as it arrives."""

    done: bool
    rest: bytes
    """What was not read of the last bytes: what followed the body, once it is `done`; before, what is to be fed again later."""

    def feed(self, data: bytes) -> bytes:
        """The body's bytes among `data`. Raises `RequestRefused` where the framing is broken."""
        ...

    def to_come(self) -> int:
        """Bytes of the body that are certainly still to come."""
        ...


class SizedBody:
    """A body as long as its Content-Length."""

    __slots__ = ("_left", "done", "rest")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        self._left = 0
        self.done = True
        if not left:
            return data
        self.rest = data[left:]
        return data[:left]

    def to_come(self) -> int:
        return self._left


def body_of(fields: Fields, options: HTTP1Options) -> RequestBody:
    """The body that these fields announce: a Content-Length over 0, or chunks."""
    if fields.chunked or fields.content_length is None:
        return ChunkDecoder(options.max_head_bytes, options.max_fields)
    return SizedBody(fields.content_length)
