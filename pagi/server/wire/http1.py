"""HTTP/1.1 framing (RFC 9112), heads by a short cut or h11. No I/O, no clock: bytes in, events out, and back."""

import logging

from pagi.server.options import HTTP1Options
from pagi.server.wire.engine import EventRefused, Part
from pagi.server.wire.events import (
    Abort,
    Answer,
    BodyData,
    BodyEnd,
    Event,
    Fault,
    InformationalHead,
    InputEnded,
    Request,
    RequestHead,
    ResponseData,
    ResponseEnd,
    ResponseHead,
    TunnelOpened,
)
from pagi.server.wire.head_gate import Fields, RequestRefused
from pagi.server.wire.head_reader import HeadReader
from pagi.server.wire.head_writer import HeaderRefused, StaticLines
from pagi.server.wire.request_body import RequestBody, body_of
from pagi.server.wire.response_writer import ResponseWriter
from pagi.server.wire.unfinished import judge_unfinished

_HEAD_END = b"\r\n\r\n"
_CR = 13

_log = logging.getLogger(__name__)


class HTTP1Engine:
    """One HTTP/1.1 connection, seen from the server: a request at a time, later ones kept back until `advance`.

    Stream ids count requests from 1. A `Fault` in a head has the id the request would have had, so that it can be answered.
    """

    http_version = "1.1"

    __slots__ = (
        "_at",
        "_body",
        "_common",
        "_continued",
        "_data",
        "_drain_bytes",
        "_drained",
        "_draining",
        "_ends",
        "_expects",
        "_in_hand",
        "_input_ended",
        "_options",
        "_reader",
        "_scanned",
        "_skipped_line",
        "_stream_id",
        "_tunnel",
        "_writer",
        "closing",
        "unread",
    )

    def __init__(self, options: HTTP1Options, common: StaticLines, drain_bytes: int) -> None:
        self.closing: bool = False
        """Nothing more can be exchanged after the output in hand."""
        self.unread: bytes = b""
        """What was left of the last `receive`, because it was much work: to be received again, before anything else, in a later turn."""
        self._options = options
        self._common = common
        self._drain_bytes = drain_bytes
        self._reader = HeadReader(options.max_fields)
        self._writer = ResponseWriter()
        # Unread bytes are `_data` from `_at` on. While a head is unfinished `_scanned` is where its end is looked for next.
        self._data: bytes = b""
        self._at: int = 0
        self._scanned: int = 0
        self._skipped_line = False
        self._stream_id: int = 0
        self._in_hand = False
        self._tunnel = False
        self._ends = False  # the connection closes after the answer in hand
        self._input_ended = False
        self._body: RequestBody | None = None  # of the request in hand; None when it is complete
        self._expects = False
        self._continued = False
        self._draining = False
        self._drained: int = 0

    @property
    def idle(self) -> bool:
        """No exchange in hand, and no bytes of one."""
        return not self._in_hand and not self._draining and self._at == len(self._data)

    @property
    def mid_head(self) -> bool:
        """Bytes of an unfinished head wait."""
        return not self._in_hand and self._at < len(self._data)

    @property
    def draining(self) -> bool:
        """The rest of an answered request's body is being swallowed."""
        return self._draining

    @property
    def waiting_bytes(self) -> int:
        """Bytes received and kept back, of later requests or of a tunnel not yet opened."""
        return len(self._data) - self._at

    @property
    def is_bypassed(self) -> bool:
        """The connection is a tunnel, and not at its end: between the two its bytes mean nothing here."""
        return self._tunnel and not self.closing

    # ---- reading

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes mean. `b""` is the end of input. While a whole request is in hand they are only kept.

        Look at `unread` afterwards.
        """
        self.unread = b""
        if self.closing or self._input_ended:
            return []
        if not data:
            return self._end_input()
        if self._in_hand:
            if self._tunnel:
                return [*self._take_waiting(), BodyData(self._stream_id, data)]
            if self._body is not None:
                return self._read_body(self._body, data)
            self._keep(data)
            return []
        if self._body is not None:
            return self._drain(self._body, data)
        if self._at == len(self._data):
            self._data = data
            self._at = 0
        else:
            self._keep(data)
        return self._read_head()

    def advance(self) -> list[Event]:
        """The exchange in hand is over: what the bytes kept back mean. In a tunnel: the bytes that came before it was open."""
        if not self._in_hand:
            return []
        if self._tunnel:
            return self._take_waiting()
        self._in_hand = False
        self._writer.head_only = False  # what is sent between requests, as a 408, answers none of them
        if self._ends or ((self._body is not None or self._input_ended) and self._must_end(True)):
            self._close()
            return []
        if self._body is not None:
            self._draining = True
            self._drained = 0
            return []
        return self._read_head() if self._at < len(self._data) else []

    def close_after(self) -> None:
        """The exchange in hand is the last one (shutdown): its head, if still unsent, says so."""
        self._ends = True

    def consumed(self, stream_id: int, size: int) -> None:
        """HTTP/1.1 has no windows: a connection that must wait stops reading."""

    def _keep(self, data: bytes) -> None:
        if self._at == len(self._data):
            self._data = data
        else:
            # At most a head, or max_pipelined_bytes and one read: copying it again is cheaper than a second kind of buffer.
            self._data = self._data[self._at :] + data
        self._at = 0

    def _read_head(self) -> list[Event]:
        data, at = self._data, self._at
        end = data.find(_HEAD_END, self._scanned or at)
        try:
            if data[at] == _CR:
                return self._skip_line()
            if end < 0 or end + 4 - at > self._options.max_head_bytes:
                judge_unfinished(data, at, self._scanned or at, end, self._options.max_head_bytes)
                if at:
                    self._data, self._at = data[at:], 0
                # The empty line may already have begun.
                self._scanned = max(len(self._data) - 3, 0)
                return self._read_on_ended()
            head, fields = self._reader.read(data, at, end)
        except RequestRefused as refused:
            return self._refuse(refused)
        self._scanned = 0
        self._skipped_line = False
        self._stream_id += 1
        self._in_hand = True
        self._at = end + 4
        self._ends = self._ends or not head.keep_alive
        self._expects = head.expects_continue
        self._continued = False
        writer = self._writer
        writer.modern = head.http_version == "1.1"
        writer.head_only = head.method == "HEAD"
        writer.te = fields.te
        if head.has_body:
            return self._begin_body(head, fields)
        if self._at == len(data):
            self._data = b""
            self._at = 0
        return [Request(self._stream_id, head)]

    def _skip_line(self) -> list[Event]:
        """One empty line before a request line is skipped (RFC 9112 section 2.2), a second is not."""
        data, at = self._data, self._at
        following = data[at + 1 : at + 2]
        if self._skipped_line or following not in (b"", b"\n"):
            raise RequestRefused(
                400, "more than one empty line before the request line" if following == b"\n" else "a bare CR before the request line"
            )
        if not following:
            return self._read_on_ended()
        self._skipped_line = True
        self._at = at + 2
        self._scanned = 0
        return self._read_head() if self._at < len(data) else self._read_on_ended()

    def _read_on_ended(self) -> list[Event]:
        """There is no whole head. That is nothing new, unless no more bytes will come."""
        if not self._input_ended:
            return []
        if self._at == len(self._data):
            self._close()
            return []
        return self._refuse(RequestRefused(400, "the input ended in the middle of a request head"))

    def _begin_body(self, head: RequestHead, fields: Fields) -> list[Event]:
        body = body_of(fields, self._options)
        data = self._data[self._at :]
        self._data, self._at = b"", 0
        try:
            data = body.feed(data) if data else data
        except RequestRefused as refused:
            return self._refuse(refused)
        if body.done:
            self._data = body.rest
            return [Request(self._stream_id, head, data)]
        self._body = body
        self.unread = body.rest
        request = Request(self._stream_id, head, data, False)
        return [request, InputEnded(self._stream_id)] if self._input_ended else [request]

    def _read_body(self, body: RequestBody, data: bytes) -> list[Event]:
        try:
            data = body.feed(data)
        except RequestRefused as refused:
            return self._refuse(refused)
        events: list[Event] = [BodyData(self._stream_id, data)] if data else []
        if body.done:
            self._body = None
            self._data = body.rest
            events.append(BodyEnd(self._stream_id))
        else:
            self.unread = body.rest
        return events

    def _drain(self, body: RequestBody, data: bytes) -> list[Event]:
        """Swallows the rest of an answered request's body, framing included, within the bound."""
        try:
            body.feed(data)
        except RequestRefused as refused:
            # The request was answered: what we said now would be taken for the next answer. Closing is all that is left.
            _log.debug("unread body: %s", refused.detail)
            self._close()
            return []
        self._drained += len(data) - len(body.rest)
        if self._drained > self._drain_bytes:
            self._close()
            return []
        if not body.done:
            self.unread = body.rest
            return []
        self._body = None
        self._draining = False
        self._data = body.rest
        return self._read_head() if body.rest else []

    def _end_input(self) -> list[Event]:
        self._input_ended = True
        if self._in_hand:
            return [InputEnded(self._stream_id)]
        if self._at < len(self._data):
            return self._read_on_ended()
        self._close()
        return [InputEnded(0)]

    def _take_waiting(self) -> list[Event]:
        waiting = self._data[self._at :]
        self._data, self._at = b"", 0
        return [BodyData(self._stream_id, waiting)] if waiting else []

    def _refuse(self, refused: RequestRefused) -> list[Event]:
        """Nothing more is read; what is answered says that the connection closes."""
        if not self._in_hand:
            self._in_hand = True
            self._stream_id += 1
            self._writer.modern = True
            self._writer.head_only = False
        self._data, self._at, self._body = b"", 0, None
        self._ends = True
        self._input_ended = True
        return [Fault(self._stream_id, refused.status, refused.detail)]

    def _close(self) -> None:
        self.closing = True
        self._draining = False
        self._data, self._at, self._body = b"", 0, None
        self._reader.forget()

    # ---- writing

    def send(self, event: Event) -> None:
        """Queues an event for the peer.

        Raises:
            HeaderRefused: a status, name or value that may not go out.
            WrongContentLength: the body is not as long as declared.
            BodyRefused: a body that is not bytes.
            BodyOutOfOrder: a body without a head, or a second head.
            EventRefused: an event that is not a server's to send.
        """
        if isinstance(event, Answer):
            ends = self._ends or ((self._body is not None or self._input_ended) and self._must_end(True))
            self._ends = self._writer.answer(event, self._common, ends)
        elif isinstance(event, ResponseData):
            if self._tunnel:
                self._writer.raw(event.data)
            else:
                self._writer.body(event.data)
        elif isinstance(event, ResponseHead):
            self._ends = self._writer.start(event, self._common, self._ends or self._must_end(False))
        elif isinstance(event, ResponseEnd):
            if self._tunnel:
                self._close()
            else:
                self._writer.end(event)
        elif isinstance(event, InformationalHead):
            self._send_interim(event)
        elif isinstance(event, TunnelOpened):
            self._writer.switch(event.headers)
            self._tunnel = True
            self._reader.forget()
        elif isinstance(event, Abort):
            self._close()
        else:
            raise EventRefused(f"a server does not send {type(event).__name__}")

    def queued(self, stream_id: int) -> int:
        """Bytes accepted by `send` and not yet taken: HTTP/1.1 has one queue."""
        return self._writer.size

    def take_output(self) -> list[Part]:
        """What to write now, in order. A body over 64 KiB is a part of its own."""
        return self._writer.take()

    def _must_end(self, whole: bool) -> bool:
        """Whether it is already certain that the connection cannot go on after this answer. `whole`: the body will not be read."""
        if self._body is None:
            return self._input_ended and self._at == len(self._data)
        return self._input_ended or (self._expects and not self._continued) or (whole and self._body.to_come() > self._drain_bytes)

    def _send_interim(self, event: InformationalHead) -> None:
        if not self._writer.modern:
            return  # "A server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 9110 section 15.2).
        if event.status == 101:
            raise HeaderRefused("101 is sent by TunnelOpened")
        if event.status == 100:
            if self._expects and not self._continued and self._body is not None:
                self._writer.interim(100, [])
                self._continued = True
        elif self._options.early_hints:
            self._writer.interim(event.status, event.headers)
