"""Requests out of HEADERS, CONTINUATION and DATA (RFC 9113 sections 5.1, 6.1, 6.2 and 8.1), and the events of one read."""

import logging

from pagi.server.options import HTTP1Options, HTTP2Options
from pagi.server.wire.events import BodyData, BodyEnd, Event, Fault, Request, RequestHead, StreamReset
from pagi.server.wire.head_gate import RequestRefused
from pagi.server.wire.http2_faults import ConnectionFault, StreamFault
from pagi.server.wire.http2_floods import Flood, Floods
from pagi.server.wire.http2_frames import END_HEADERS, END_STREAM, HAS_PRIORITY, MAX_STREAM_ID, PADDED, WORD, Code, reset
from pagi.server.wire.http2_head_gate import Meaning
from pagi.server.wire.http2_head_reader import HTTP2HeadReader
from pagi.server.wire.http2_inflow import Inflow
from pagi.server.wire.http2_output import Output
from pagi.server.wire.http2_streams import Fate, Stream, Streams

HELD_FOR_EACH_PLACE = 2
"""Exchanges that may run for each stream that may be open: those whose client gave them up run on for a while."""

_MALFORMED = 400
_PRIORITY_BYTES = 5

_log = logging.getLogger(__name__)


class Requests:
    """What one client asks. Gathers what a read has of each stream, and tells it in as few events."""

    __slots__ = (
        "_block", "_block_flags", "_continuations", "_depends_on_itself", "_early", "_floods", "_heads", "_inflow", "_max_block_bytes",
        "_max_continuations", "_max_streams", "_news", "_output", "_streams", "is_full", "last_told", "pending",
    )  # fmt: skip

    def __init__(
        self, options: HTTP2Options, http1: HTTP1Options, streams: Streams, output: Output, inflow: Inflow, floods: Floods
    ) -> None:
        self._streams = streams
        self._output = output
        self._inflow = inflow
        self._floods = floods
        self._heads = HTTP2HeadReader(http1, options.h2_max_inflated_head_bytes)
        self._max_streams = options.h2_max_concurrent_streams
        self._max_block_bytes = options.h2_max_inflated_head_bytes
        self._max_continuations = options.h2_max_continuations
        self._news: list[Stream | Fault] = []
        self._early: dict[int, tuple[int, bool]] = {}
        self._block = bytearray()
        self._block_flags = 0
        self._depends_on_itself = False
        self._continuations = 0
        self.pending = 0
        """The stream whose head waits for CONTINUATION; 0 for none."""
        self.is_full = False
        """The connection ends: every new stream is refused."""
        self.last_told = 0
        """The highest stream of which an event has left."""

    # ---- heads

    def headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        """A HEADERS frame."""
        if not stream_id & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"HEADERS on stream {stream_id}, which a client cannot open")
        if flags & PADDED:
            payload = unpadded(payload)
        depends_on_itself = False
        if flags & HAS_PRIORITY:
            if len(payload) < _PRIORITY_BYTES:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a HEADERS frame is too short for its priority")
            depends_on_itself = WORD.unpack_from(payload)[0] & MAX_STREAM_ID == stream_id
            payload = payload[_PRIORITY_BYTES:]
        self._check_block(len(payload))
        if flags & END_HEADERS:
            self._whole(stream_id, flags, payload, depends_on_itself)
            return
        self.pending = stream_id
        self._continuations = 0
        self._block_flags = flags
        self._block = bytearray(payload)
        self._depends_on_itself = depends_on_itself

    def continuation(self, flags: int, payload: bytes) -> None:
        """A CONTINUATION frame of the head that waits."""
        self._continuations += 1
        if self._continuations > self._max_continuations:
            raise ConnectionFault(
                Code.ENHANCE_YOUR_CALM,
                f"a head in over {self._max_continuations} CONTINUATION frames; raise h2_max_continuations if such clients are welcome",
                status=431,
            )
        self._check_block(len(self._block) + len(payload))
        self._block += payload
        if flags & END_HEADERS:
            block, self._block = bytes(self._block), bytearray()
            stream_id, self.pending = self.pending, 0
            self._whole(stream_id, self._block_flags, block, self._depends_on_itself)

    def _check_block(self, size: int) -> None:
        if size > self._max_block_bytes:
            raise ConnectionFault(
                Code.ENHANCE_YOUR_CALM,
                f"a request head of over {self._max_block_bytes} bytes; raise h2_max_inflated_head_bytes if such clients are welcome",
                status=431,
            )

    def _whole(self, stream_id: int, flags: int, block: bytes, depends_on_itself: bool) -> None:
        """A field block is complete. Whatever becomes of it, it is unpacked: those that follow build on it."""
        streams = self._streams
        if stream_id > streams.last_id:
            streams.last_id = stream_id
            self._open(stream_id, flags, block, depends_on_itself)
            return
        stream = streams.get(stream_id)
        if stream is not None and stream.input_open:
            self._trailers(stream, flags, block)
            return
        fate = streams.fate(stream_id)
        if fate is Fate.RESET:
            self._heads.skip(block)
            self._floods.spend(Flood.OTHERS)
            if flags & END_STREAM:
                streams.input_of_reset_ended(stream_id)
        elif fate is Fate.HALF_CLOSED:
            self._heads.skip(block)
            raise StreamFault(stream_id, Code.STREAM_CLOSED, "HEADERS behind the end of a request")
        elif fate is Fate.FORGOTTEN:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"HEADERS on stream {stream_id} behind stream {streams.last_id}")
        else:
            raise ConnectionFault(Code.STREAM_CLOSED, f"HEADERS on stream {stream_id}, which is closed")

    def _open(self, stream_id: int, flags: int, block: bytes, depends_on_itself: bool) -> None:
        streams = self._streams
        if self.is_full or streams.open >= self._max_streams or streams.held >= HELD_FOR_EACH_PLACE * self._max_streams:
            self._heads.skip(block)
            raise StreamFault(
                stream_id,
                Code.REFUSED_STREAM,
                "the connection is about to end" if self.is_full else f"{streams.open} streams are open, {streams.held} requests run",
            )
        ends = bool(flags & END_STREAM)
        try:
            meaning = self._heads.read(block)
        except RequestRefused as refused:
            self._refuse(stream_id, ends, refused)
            return
        if depends_on_itself:
            raise StreamFault(stream_id, Code.PROTOCOL_ERROR, "a stream depends on itself")
        stream = Stream(stream_id, self._inflow.stream_window, self._output.first_window)
        stream.request = request_head(meaning, ends)
        stream.input_open = not ends
        stream.head_only = meaning.method == "HEAD"
        fields = meaning.fields
        stream.takes_trailers = fields.takes_trailers
        stream.urgency = fields.urgency
        stream.incremental = fields.incremental
        if self._early:
            stream.urgency, stream.incremental = self._early.pop(stream_id, (fields.urgency, fields.incremental))
        if fields.content_length is not None:
            stream.declared = fields.content_length
            self._check_length(stream, ends)
        streams.add(stream)
        self._touch(stream)

    def _refuse(self, stream_id: int, ends: bool, refused: RequestRefused) -> None:
        if refused.status == _MALFORMED:
            # "Malformed requests or responses that are detected MUST be treated as a stream error of type PROTOCOL_ERROR"
            # (RFC 9113 section 8.1.1).
            raise StreamFault(stream_id, Code.PROTOCOL_ERROR, refused.detail)
        stream = Stream(stream_id, self._inflow.stream_window, self._output.first_window, held=False)
        stream.input_open = not ends
        stream.ignored = True
        stream.head_only = self._heads.refused_head
        self._streams.add(stream)
        self._news.append(Fault(stream_id, refused.status, refused.detail))

    def _trailers(self, stream: Stream, flags: int, block: bytes) -> None:
        try:
            self._heads.read_trailers(block)
        except RequestRefused as refused:
            raise StreamFault(stream.stream_id, Code.PROTOCOL_ERROR, f"trailers: {refused.detail}") from refused
        if not flags & END_STREAM:
            raise StreamFault(stream.stream_id, Code.PROTOCOL_ERROR, "a second head, or trailers that do not end the request")
        self._check_length(stream, True)
        self._end(stream)

    def early_priority(self, stream_id: int, urgency: int, incremental: bool) -> None:
        """PRIORITY_UPDATE for a stream that is still to come. Of more than may be open at once the oldest is dropped."""
        self._early.pop(stream_id, None)
        self._early[stream_id] = (urgency, incremental)
        if len(self._early) > self._max_streams:
            del self._early[next(iter(self._early))]

    # ---- bodies

    def data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """A DATA frame."""
        if not stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "DATA on stream 0")
        size = len(payload)
        self._inflow.arrived(size)
        if flags & PADDED:
            payload = unpadded(payload)
        ends = flags & END_STREAM
        if not payload and not ends:
            self._floods.spend(Flood.EMPTY_DATA)
        stream = self._streams.get(stream_id)
        if stream is None or not stream.input_open:
            self._late_data(stream_id, bool(ends))
            return
        used = 0 if stream.ignored else len(payload)
        stream.received += len(payload)
        if stream.declared is not None:
            self._check_length(stream, bool(ends))
        self._inflow.arrived_on(stream, size, used)
        if used:
            if stream.fresh is None:
                stream.fresh = [payload]
            else:
                stream.fresh.append(payload)
        if ends:
            self._end(stream)
        else:
            self._touch(stream)

    def _late_data(self, stream_id: int, ends: bool) -> None:
        fate = self._streams.fate(stream_id)
        if fate is Fate.IDLE:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"DATA on stream {stream_id}, which nobody opened")
        if fate is Fate.HALF_CLOSED:
            raise StreamFault(stream_id, Code.STREAM_CLOSED, "DATA behind the end of a request")
        if fate is not Fate.RESET:
            raise ConnectionFault(Code.STREAM_CLOSED, f"DATA on stream {stream_id}, which is closed")
        if ends:
            self._streams.input_of_reset_ended(stream_id)

    @staticmethod
    def _check_length(stream: Stream, ends: bool) -> None:
        """Content-Length must be the sum of the DATA (RFC 9113 section 8.1.1)."""
        declared, received = stream.declared, stream.received
        if declared is not None and (received > declared or (ends and received != declared)):
            raise StreamFault(stream.stream_id, Code.PROTOCOL_ERROR, f"Content-Length says {declared} bytes, the body has {received}")

    def _end(self, stream: Stream) -> None:
        stream.ends_now = True
        self._streams.input_ended(stream)
        self._touch(stream)

    # ---- ends before their time

    def fail(self, fault: StreamFault) -> None:
        """The client broke a rule on a stream: we reset it, and count that (CVE-2025-8671)."""
        _log.debug("stream %d: %s: %s", fault.stream_id, fault.code.name, fault.detail)
        if fault.code is not Code.ENHANCE_YOUR_CALM:
            self._floods.spend(Flood.RESETS)
        stream = self._streams.get(fault.stream_id)
        if stream is None:
            self._output.control(reset(fault.stream_id, fault.code))
            self._streams.refused(fault.stream_id)
        elif stream.is_open:
            self._gone(stream)
            self._output.reset(stream, fault.code)

    def reset_by_peer(self, stream: Stream) -> None:
        """RST_STREAM came."""
        if stream.is_open:
            self._gone(stream)
            self._output.drop(stream, Fate.ENDED)

    def _gone(self, stream: Stream) -> None:
        self._inflow.give_back(stream)
        stream.is_reset = True
        stream.fresh = None
        self._touch(stream)

    # ---- events

    def _touch(self, stream: Stream) -> None:
        if not stream.is_touched:
            stream.is_touched = True
            self._news.append(stream)

    def take_events(self) -> list[Event]:
        """What was gathered, a stream's in the place of its first news."""
        events: list[Event] = []
        if not self._news:
            return events
        news, self._news = self._news, []
        for item in news:
            if isinstance(item, Stream):
                self._tell(item, events)
            elif self._streams.get(item.stream_id) is not None:  # else it was reset at once
                self.last_told = max(self.last_told, item.stream_id)
                events.append(item)
        return events

    def _tell(self, stream: Stream, events: list[Event]) -> None:
        stream.is_touched = False
        stream_id = stream.stream_id
        if stream.is_reset:
            if not stream.is_announced:
                self._streams.release(stream)
            elif stream.held:
                events.append(StreamReset(stream_id))
            return
        fresh = stream.fresh
        body = b""
        if fresh is not None:
            stream.fresh = None
            body = fresh[0] if len(fresh) == 1 else b"".join(fresh)
        if stream.request is not None:
            stream.is_announced = True
            self.last_told = max(self.last_told, stream_id)
            events.append(Request(stream_id, stream.request, body, stream.ends_now or not stream.input_open))
            stream.request = None
        elif not stream.ignored:
            if body:
                events.append(BodyData(stream_id, body))
            if stream.ends_now:
                events.append(BodyEnd(stream_id))
        stream.ends_now = False
        if stream.credit:
            self._output.control(self._inflow.stream_update(stream))

    def abandon(self) -> None:
        """The connection is over: what was gathered is told nobody."""
        for item in self._news:
            if isinstance(item, Stream) and not item.is_announced:
                self._inflow.give_back(item)
                self._streams.release(item)
        self._news = []


def request_head(meaning: Meaning, ends: bool) -> RequestHead:
    """The head of one request. `ends`: no body follows."""
    fields = meaning.fields
    if ends and fields.content_length is None and not meaning.accepts_events and meaning.tunnel is None:
        return RequestHead(meaning.method, meaning.target, "2", list(meaning.headers))
    return RequestHead(
        meaning.method,
        meaning.target,
        "2",
        list(meaning.headers),
        content_length=fields.content_length,
        has_body=not ends and meaning.tunnel is None,
        expects_continue=not ends and fields.expects_continue,
        tunnel=meaning.tunnel,
        accepts_events=meaning.accepts_events,
    )


def unpadded(payload: bytes) -> bytes:
    """A payload without its padding (RFC 9113 section 6.1).

    Raises:
        ConnectionFault: there is more padding than payload.
    """
    if not payload:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a padded frame does not say by how much")
    padding = payload[0]
    if padding >= len(payload):
        raise ConnectionFault(Code.PROTOCOL_ERROR, f"{padding} bytes of padding in a frame of {len(payload)}")
    return payload[1 : len(payload) - padding]
