"""Answers as HTTP/1.x bytes (RFC 9112 sections 4, 6 and 7): heads, body framing, trailers, and the queue of what to write."""

import logging
from collections.abc import Sequence
from typing import cast

from pagi.gateway.file_range import FileRange
from pagi.gateway.types import HeaderList
from pagi.http.errors import AppError
from pagi.server.options import KIB
from pagi.server.wire.engine import Part
from pagi.server.wire.events import Answer, ResponseEnd, ResponseHead
from pagi.server.wire.head_gate import members
from pagi.server.wire.head_writer import (
    FINAL_LINES,
    LENGTH_TAILS,
    MAX_REMEMBERED,
    StaticLines,
    WrongContentLength,
    head_parts,
    status_line,
    trailer_lines,
)

JOIN_BYTES = 64 * KIB
"""A body over this is never joined to anything: copying it costs more than a second buffer in the write."""

CHUNK_FRAMES = tuple(b"%x\r\n" % size for size in range(MAX_REMEMBERED))
"""What stands before small chunks."""

BODYLESS = frozenset((204, 304))
"""Final statuses that have no body, whatever the application gives."""

_UPGRADE_REQUIRED = 426

_log = logging.getLogger(__name__)


class BodyRefused(AppError):
    """The application sent something as a body that is not bytes."""

    def __init__(self, data: object) -> None:
        super().__init__(f"a body must be bytes, got {type(data).__name__}; encode it first")


class BodyOutOfOrder(AppError):
    """A body, its end or a head came where the answer has no place for it."""


class ResponseWriter:
    """One connection's answers, one after another."""

    __slots__ = ("_chunks", "_declared", "_dropped", "_open", "_sent", "_trailers", "head_only", "modern", "parts", "size", "te")

    def __init__(self) -> None:
        self.parts: list[Part] | None = None
        self.size = 0
        """Bytes in `parts`."""
        self.modern = True
        """The request was HTTP/1.1. False for 1.0: no chunks, no interim heads, and a 1.0 status line."""
        self.head_only = False
        """The request was HEAD."""
        self.te = b""
        self._open = False
        self._chunks = False
        self._dropped = False
        self._trailers = False
        self._declared: int | None = None
        self._sent = 0

    def answer(self, event: Answer, common: StaticLines, closes: bool) -> bool:
        """Queues a whole answer. `closes` is whether the connection ends with it; the result is that, or the application's wish."""
        if self._open:
            raise BodyOutOfOrder("a second response head before the end of the first; send one head per answer")
        status, body = event.status, event.body
        if body.__class__ is not bytes:
            body = as_bytes(body)
        size = len(body)
        line = FINAL_LINES.get(status) if self.modern and status.__class__ is int else None
        if line is None:
            line = status_line(status, modern=self.modern)
        parts, declared, wanted = head_parts(line, event.headers, common.lines)
        if status in BODYLESS:
            body = b""
            if status == 304 and declared is not None:
                parts.append(b"\r\ncontent-length: %d" % declared)
            size = -1
        elif declared is not None and declared != size:
            if not self.head_only or size:
                raise WrongContentLength(declared, size)
            size = declared
        closes = closes or wanted
        if closes or not self.modern or status == _UPGRADE_REQUIRED:
            parts.append(self._connection_line(status, closes))
        if size < 0:
            parts.append(b"\r\n\r\n")
        else:
            parts.append(LENGTH_TAILS[size] if size < MAX_REMEMBERED else b"\r\ncontent-length: %d\r\n\r\n" % size)
        if self.head_only:
            body = b""
        if len(body) > JOIN_BYTES:
            self._queue(b"".join(parts))
            self._queue(body)
            return closes
        parts.append(body)
        whole = b"".join(parts)
        self.parts = [whole] if self.parts is None else [*self.parts, whole]  # the hot path: no call
        self.size += len(whole)
        return closes

    def start(self, event: ResponseHead, common: StaticLines, closes: bool) -> bool:
        """Queues the head of an answer; the result is as in `answer`. Without Content-Length: chunks, or for 1.0 until the close."""
        if self._open:
            raise BodyOutOfOrder("a second response head before the end of the first; send one head per answer")
        status = event.status
        parts, declared, wanted = head_parts(status_line(status, modern=self.modern), event.headers, common.lines)
        bodyless = status in BODYLESS
        chunked = self.modern and declared is None and not bodyless
        until_close = not self.modern and declared is None and not bodyless
        closes = closes or wanted or until_close
        if closes or not self.modern or status == _UPGRADE_REQUIRED:
            parts.append(self._connection_line(status, closes))
        if chunked:
            parts.append(b"\r\ntransfer-encoding: chunked")
        elif declared is not None and status != 204:
            parts.append(b"\r\ncontent-length: %d" % declared)
        parts.append(b"\r\n\r\n")
        self._queue(b"".join(parts))
        self._open = True
        self._chunks = chunked and not self.head_only
        self._dropped = self.head_only or bodyless
        self._declared = None if bodyless else declared
        self._sent = 0
        self._trailers = event.trailers
        return closes

    def body(self, data: Part) -> None:
        """Queues body bytes, framed as the head promised; HEAD, 204 and 304 have none."""
        if data.__class__ is not bytes and data.__class__ is not FileRange:
            data = as_bytes(data)
        size = len(data)
        if self._chunks:
            if size:
                frame = CHUNK_FRAMES[size] if size < MAX_REMEMBERED else b"%x\r\n" % size
                if self.parts is None:
                    self.parts = []
                self.parts += (frame, data, b"\r\n")
                self.size += len(frame) + size + 2
            return
        if not self._open:
            raise BodyOutOfOrder("body before the response head")
        declared = self._declared
        if declared is not None:
            if self._sent + size > declared:
                raise WrongContentLength(declared, self._sent + size)
            self._sent += size
        if size and not self._dropped:
            self._queue(data)

    def end(self, event: ResponseEnd) -> None:
        """Ends the body, with trailers where they were promised, the client welcomes them and the framing has them."""
        if not self._open:
            raise BodyOutOfOrder("the end of a body before the response head")
        if self._declared is not None and self._sent < self._declared and not self._dropped:
            raise WrongContentLength(self._declared, self._sent)
        last = b""
        if self._chunks:
            last = b"0\r\n" + self._trailer_lines(event.trailers) + b"\r\n"
        elif event.trailers:
            _log.debug("trailers dropped: this answer is not chunked")
        self._open = self._chunks = False
        if last:
            self._queue(last)

    def interim(self, status: int, headers: HeaderList) -> None:
        """Queues a 1xx head, unless the final one has left already: then a hint is too late, and only a hint."""
        if self._open:
            return
        parts, _, _ = head_parts(status_line(status, informational=True), headers, b"")
        parts.append(b"\r\n\r\n")
        self._queue(b"".join(parts))

    def switch(self, headers: HeaderList) -> None:
        """Queues the 101 that opens a WebSocket (RFC 9110 section 7.8)."""
        parts, _, _ = head_parts(status_line(101, informational=True), headers, b"")
        parts.append(b"\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        self._queue(b"".join(parts))

    def raw(self, data: Part) -> None:
        """Queues bytes of an open tunnel."""
        self._queue(data)

    def take(self) -> list[Part]:
        """The queue, small neighbours joined; empties it."""
        parts = self.parts
        if parts is None:
            return []
        if len(parts) > 1:
            parts = coalesced(parts, self.size)
        self.parts = None
        self.size = 0
        return parts

    def _queue(self, data: Part) -> None:
        if self.parts is None:
            self.parts = [data]
        else:
            self.parts.append(data)
        self.size += len(data)

    def _connection_line(self, status: int, closes: bool) -> bytes:
        """RFC 9112 section 9.3: 1.1 stays open unless told, 1.0 closes unless told."""
        options = b"close" if closes else b"" if self.modern else b"keep-alive"
        if status == _UPGRADE_REQUIRED:
            options += b", upgrade" if options else b"upgrade"
        return b"\r\nconnection: " + options

    def _trailer_lines(self, trailers: HeaderList | None) -> bytes:
        if not trailers:
            return b""
        lines = trailer_lines(trailers)
        if self._trailers and b"trailers" in members([self.te]):
            return lines
        _log.debug(
            "%d trailers dropped: %s",
            len(trailers),
            "the client's TE does not name them" if self._trailers else "the head did not announce them",
        )
        return b""


def as_bytes(data: object) -> bytes:
    """A body that is not `bytes` itself. Raises `BodyRefused` where it is nothing of the kind."""
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    if isinstance(data, memoryview):
        return data.tobytes()
    raise BodyRefused(data)


def coalesced(parts: Sequence[Part], size: int) -> list[Part]:
    """The same bytes, `size` of them, in fewer parts, none of them joined to a large one or to a part of a file."""
    if size <= JOIN_BYTES:
        return [b"".join(cast("Sequence[bytes]", parts))]  # a part of a file is larger
    joined: list[Part] = []
    run: list[bytes] = []
    size = 0
    for part in parts:
        if run and size + len(part) > JOIN_BYTES:
            joined.append(b"".join(run))
            run, size = [], 0
        if len(part) > JOIN_BYTES or isinstance(part, FileRange):
            joined.append(part)
        else:
            run.append(part)
            size += len(part)
    if run:
        joined.append(b"".join(run))
    return joined
