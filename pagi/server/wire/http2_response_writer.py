"""Answers on the streams of one HTTP/2 connection: heads, bodies, their order and length, trailers (RFC 9113 section 8.1)."""

import logging

from pagi.server.wire.events import Answer, InformationalHead, ResponseData, ResponseEnd, ResponseHead
from pagi.server.wire.head_writer import HeaderRefused, StaticLines, WrongContentLength
from pagi.server.wire.http2_frames import Code
from pagi.server.wire.http2_head_writer import block_parts, length_field, status_field, trailer_block
from pagi.server.wire.http2_output import Output
from pagi.server.wire.http2_streams import Stream
from pagi.server.wire.response_writer import BODYLESS, BodyOutOfOrder, as_bytes

_OK = 200

_log = logging.getLogger(__name__)


class HTTP2ResponseWriter:
    """Turns what is sent on a stream into what its connection writes. Nothing is queued where an error is raised."""

    __slots__ = ("_common", "_output")

    def __init__(self, output: Output, common: StaticLines) -> None:
        self._output = output
        self._common = common

    def answer(self, stream: Stream, event: Answer) -> None:
        """Queues a whole answer."""
        if stream.has_begun:
            raise BodyOutOfOrder("a second response head before the end of the first; send one head per answer")
        status, body = event.status, event.body
        if body.__class__ is not bytes:
            body = as_bytes(body)
        size = len(body)
        parts, declared = block_parts(status_field(status), event.headers, self._common.lines)
        if status in BODYLESS:
            body = b""
            size = -1 if status != 304 or declared is None else declared
        elif declared is not None and declared != size:
            if not stream.head_only or size:
                raise WrongContentLength(declared, size)
            size = declared
        if size >= 0:
            parts.append(length_field(size))
        stream.has_begun = True
        if stream.head_only or not body:
            self._head(stream, parts, True)
        else:
            self._head(stream, parts, False)
            self._output.body(stream, body, True)

    def start(self, stream: Stream, event: ResponseHead) -> None:
        """Queues the head of an answer."""
        if stream.has_begun:
            raise BodyOutOfOrder("a second response head before the end of the first; send one head per answer")
        status = event.status
        parts, declared = block_parts(status_field(status), event.headers, self._common.lines)
        if declared is not None and status != 204:
            parts.append(length_field(declared))
        bodyless = status in BODYLESS
        stream.has_begun = True
        stream.drops_body = stream.head_only or bodyless
        stream.length = None if bodyless else declared
        stream.wants_trailers = event.trailers
        self._head(stream, parts, False)

    def open_tunnel(self, stream: Stream, headers: list[tuple[bytes, bytes]]) -> None:
        """Queues the 200 that opens a tunnel (RFC 8441 section 5)."""
        if stream.has_begun:
            raise BodyOutOfOrder("a tunnel cannot open after a response head")
        parts, _ = block_parts(status_field(_OK), headers, self._common.lines)
        stream.has_begun = True
        self._head(stream, parts, False)

    def body(self, stream: Stream, event: ResponseData) -> None:
        """Queues body bytes; HEAD, 204 and 304 have none."""
        data = event.data
        if not isinstance(data, bytes):
            data = as_bytes(data)
        if not stream.has_begun or stream.ends:
            raise BodyOutOfOrder("body after its end" if stream.ends else "body before the response head")
        if stream.length is not None:
            if stream.length_sent + len(data) > stream.length:
                raise WrongContentLength(stream.length, stream.length_sent + len(data))
            stream.length_sent += len(data)
        if data and not stream.drops_body:
            self._output.body(stream, data, False)

    def end(self, stream: Stream, event: ResponseEnd) -> None:
        """Ends the body, with trailers where they were promised and the client welcomes them."""
        if not stream.has_begun or stream.ends:
            raise BodyOutOfOrder("the end of a body " + ("twice" if stream.ends else "before the response head"))
        if stream.length is not None and stream.length_sent < stream.length and not stream.drops_body:
            raise WrongContentLength(stream.length, stream.length_sent)
        if event.trailers:
            block = trailer_block(event.trailers)
            if stream.wants_trailers and stream.takes_trailers and not stream.drops_body:
                stream.trailers = block
            else:
                _log.debug(
                    "%d trailers dropped: %s",
                    len(event.trailers),
                    "the client's TE does not name them" if stream.wants_trailers else "the head did not announce them",
                )
        self._output.body(stream, b"", True)

    def interim(self, stream: Stream, event: InformationalHead) -> None:
        """Queues a 1xx head, unless the final one has left already: then a hint is too late, and only a hint."""
        status = event.status
        if status == 101:
            raise HeaderRefused("101 has no place in HTTP/2 (RFC 9113 section 8.6); a tunnel is opened by TunnelOpened")
        parts, _ = block_parts(status_field(status, informational=True), event.headers, b"")
        if not stream.has_begun:
            self._head(stream, parts, False)

    def abort(self, stream: Stream) -> None:
        """Ends an answer without a clean end; one that was whole already is given up with its request."""
        if stream.is_open:
            self._output.reset(stream, Code.CANCEL if stream.ends or not stream.output_open else Code.INTERNAL_ERROR)

    def _head(self, stream: Stream, parts: list[bytes], ends: bool) -> None:
        if ends:
            stream.ends = True
        self._output.head(stream, b"".join(parts), ends)
