"""WebSocket framing for a server (RFC 6455), after the handshake: frames into messages and back. No I/O, no clock."""

from collections.abc import Sequence

from wsproto import events as lib
from wsproto.connection import Connection, ConnectionState, ConnectionType

from pagi.server.wire.control_frames import EMPTY_CLOSE, MAX_CONTROL_BYTES, PINGS, close_frame, ping_frame, read_pings, with_pongs
from pagi.server.wire.deflate import BoundedDeflate, DeflateTerms, InflationError, deflate, inflate
from pagi.server.wire.frame_start import BINARY, CONTROL, MASKED, RSV1, TEXT, flaw
from pagi.server.wire.masking import mask
from pagi.server.wire.websocket_events import (
    BinaryMessage,
    Closed,
    Ping,
    Pong,
    TextMessage,
    UnsendableText,
    WebSocketNotOpen,
    WSEvent,
    WSFault,
)

_KIB = 1024

_PLAIN = (TEXT, BINARY)
_COMPRESSED = (TEXT | RSV1, BINARY | RSV1)

# What one call of `receive` gets to, in frames of a microsecond. A piece for wsproto costs ten times that, and a KiB of its
# output or of inflation is charged like a frame: a few ms and 1,024 messages, or little more than 1 MiB that was inflated.
_TURN = 1024
_JUDGED = 9
# What wsproto gets of a long frame at a time. A compressed slice may grow a thousandfold on its way through, so it is shorter.
_SLICE_BYTES = 16 * _KIB
_COMPRESSED_SLICE_BYTES = 4 * _KIB
# A compressed frame up to this is gathered and inflated at once; a longer one flows through wsproto and is never held whole.
_GATHERED_COMPRESSED_BYTES = 64 * _KIB
# Below this a compressor costs more than the bytes it saves.
_DEFLATE_FROM_BYTES = 256

_REASONS = {1002: "protocol error", 1007: "invalid data", 1009: "message too big"}


class WebSocketEngine:
    """One WebSocket's frames. Reads whole plain data frames itself and lets wsproto judge every other; writes by hand.

    wsproto's connection is made when a frame needs it and let go at the next message boundary: an idle socket holds none.

    Args:
        max_message_bytes: one message, inflated. Past it the peer gets 1009, from the frame's header where that tells.
        extensions: what `accept_headers` granted.
    """

    __slots__ = (
        "_allowed", "_buffer", "_deaf", "_flowing", "_inflater", "_judge", "_limit", "_message", "_mid_message", "_needed", "_ordinary",
        "_output", "_pongs", "_received", "_slice", "_spent", "_terms", "close_received", "close_sent", "is_open", "queued", "unread",
    )  # fmt: skip

    def __init__(self, max_message_bytes: int, extensions: Sequence[DeflateTerms] = ()) -> None:
        self._limit = max_message_bytes
        self._terms = extensions[0] if extensions else None
        self.is_open = True
        """No Close went either way and no fault was found: messages may be sent."""
        self.close_sent = False
        self.close_received = False
        self.queued = 0
        """Bytes that `take_output` would give."""
        self.unread = b""
        """What the last turn did not get to. More may be added to it; `receive(b"")` goes on with it."""
        self._spent = 0
        """What this turn cost beside its events."""
        self._output: list[bytes] = []
        self._pongs: Sequence[bytes] = ()
        """Answers to the latest Pings, not yet among the output."""
        self._deaf = False
        """After the peer's Close or a fault nothing is read (RFC 6455 sections 5.5.1 and 7.1.7)."""
        self._ordinary = True
        """The short cuts apply: open, and no fragmented message begun."""
        self._buffer: bytearray | None = None
        """The start of one frame that must be whole, or of its header, until there are `_needed` bytes of it."""
        self._needed = 0
        self._flowing = 0
        """Payload bytes still to come of a frame that wsproto has the header of, or that is dropped."""
        self._judge: Connection | None = None
        self._inflater: BoundedDeflate | None = None
        self._mid_message = False
        self._message = bytearray()
        self._begin(False)

    # ---- reading

    def receive(self, data: bytes) -> list[WSEvent]:
        """What these bytes mean. The peer's faults are events; nothing is raised.

        One call is one turn, of 1,024 events at most. What it does not get to is `unread`.
        """
        events: list[WSEvent] = []
        if self.unread:
            data, self.unread = self.unread + data, b""
        self._spent = 0
        start, end = 0, len(data)
        if self._buffer is not None:
            start = self._top_up(self._buffer, data, events)
        while start < end:
            if start and len(events) + self._spent >= _TURN:
                self.unread = b"" if self._deaf else data[start:]
                break
            # The ordinary, short enough for a length of one byte: most frames there are, so no call is spent on them.
            if self._ordinary and end - start >= 6:
                first, size = data[start], data[start + 1] - MASKED
                if 0 <= size <= 125 and first in _PLAIN:
                    after = start + 6 + size
                    if after <= end and size <= self._limit:
                        payload = mask(data[start + 6 : after], data[start + 2 : start + 6])
                        if first == BINARY:
                            events.append(BinaryMessage(payload))
                        else:
                            self._text(payload, events)
                        start = after
                        continue
            start = self._step(data, start, end, events)
        if self._judge is not None and not self._mid_message:
            self._judge = self._inflater = None
        return events

    def _top_up(self, buffer: bytearray, data: bytes, events: list[WSEvent]) -> int:
        """Adds to the frame kept back, and reads it once it has all it needs. Gives the offset of what it left."""
        used = 0
        while self._buffer is not None and used < len(data):
            missing = self._needed - len(buffer)
            piece = memoryview(data)[used : used + missing]
            buffer += piece
            used += len(piece)
            if len(piece) == missing:
                self._buffer = None
                # It comes back where only its header was whole, which told how long the frame is.
                at = 0
                while self._buffer is None and at < len(buffer):
                    at = self._step(buffer, at, len(buffer), events)
        return used

    def _step(self, data: bytes | bytearray, start: int, end: int, events: list[WSEvent]) -> int:
        """Reads one frame, or a run of Pings, or what there is of it, at `start`. Gives the offset after what it used."""
        if self._deaf:
            return end
        self._spent += 1
        if self._flowing:
            return self._flow(data, start, end, events)
        if end - start < 2:
            return self._keep(data, start, end, 2, events)
        first, second = data[start], data[start + 1]
        size = second & 0x7F
        head = 2 if size < 126 else 4 if size == 126 else 10
        if second & MASKED:
            head += 4
        if end - start < head:
            return self._keep(data, start, end, head, events)
        # RFC 6455 section 5.2: the shortest form only, and no top bit. What is otherwise wsproto refuses.
        regular = True
        if size == 126:
            size = (data[start + 2] << 8) | data[start + 3]
            regular = size > 125
        elif size == 127:
            size = int.from_bytes(data[start + 2 : start + 10], "big")
            regular = 0xFFFF < size < 1 << 63
        if first & CONTROL:
            return self._control(data, start, end, head, size, events)
        if self.close_sent:
            self._flowing = size
            return start + head
        if not self._mid_message:
            self._begin(bool(first & RSV1) and self._terms is not None)
        if regular and self._received + size > self._allowed:
            over = f"message is over {self._limit} bytes; raise ws_max_message_bytes if such messages are welcome"
            why = flaw(first, second, self._mid_message, self._terms is not None)
            self._fault(1002 if why else 1009, why or over, events)
            return end
        if not (self._ordinary and regular and second & MASKED and self._is_cut_short(first, size)):
            return self._hand_over(data, start, end, head, size, events)
        if end - start < head + size:
            return self._keep(data, start, end, head + size, events)
        self._whole(first, data, start + head, size, events)
        return start + head + size

    def _is_cut_short(self, first: int, size: int) -> bool:
        return first in _PLAIN or (first in _COMPRESSED and self._terms is not None and size <= _GATHERED_COMPRESSED_BYTES)

    def _keep(self, data: bytes | bytearray, start: int, end: int, needed: int, events: list[WSEvent]) -> int:
        """Waits for the rest of a frame, unless its first two bytes say already that it is unlawful."""
        if end - start >= 2 and (data[start] & CONTROL or not self.close_sent):
            why = flaw(data[start], data[start + 1], self._mid_message, self._terms is not None)
            if why is not None:
                self._fault(1002, why, events)
                return end
        self._buffer = data if isinstance(data, bytearray) else bytearray(memoryview(data)[start:end])
        self._needed = needed
        return end

    def _begin(self, compressed: bool) -> None:
        """Sets the bounds of a message that may come in many frames. `_received` counts its payload bytes as on the wire."""
        self._received = 0
        # Deflate may lengthen what it cannot shorten: at worst 9 bits for 8, and a few bytes more.
        self._allowed = self._limit + (self._limit >> 3) + 64 if compressed else self._limit
        self._slice = _COMPRESSED_SLICE_BYTES if compressed else _SLICE_BYTES

    def _whole(self, first: int, data: bytes | bytearray, start: int, size: int, events: list[WSEvent]) -> None:
        """The short cut for a whole message of more than 125 bytes, or compressed, or that came in pieces."""
        payload = mask(memoryview(data)[start : start + size], data[start - 4 : start])
        if first & RSV1:
            try:
                payload = inflate(payload, self._limit)
            except InflationError as exc:
                self._fault(exc.code, str(exc), events)
                return
            self._spent += len(payload) // _KIB
        if first & 0x0F == 1:
            self._text(payload, events)
        else:
            events.append(BinaryMessage(payload))

    def _text(self, payload: bytes, events: list[WSEvent]) -> None:
        try:
            events.append(TextMessage(str(payload, "utf-8")))
        except UnicodeDecodeError as exc:
            self._fault(1007, f"text message is not UTF-8: {exc.reason} at byte {exc.start}", events)

    # ---- reading through wsproto

    def _control(self, data: bytes | bytearray, start: int, end: int, head: int, size: int, events: list[WSEvent]) -> int:
        """Pings and Pongs as many as there are, or another control frame, whole. An overlong one wsproto refuses by its header."""
        whole = head + size if size <= MAX_CONTROL_BYTES else head
        if end - start < whole:
            return self._keep(data, start, end, whole, events)
        if data[start] in PINGS and head == 6:
            return self._pings(data, start, end, events)
        self._ask(data[start : start + whole], events)
        return start + whole

    def _pings(self, data: bytes | bytearray, start: int, end: int, events: list[WSEvent]) -> int:
        """The short cut for lawful Pings and Pongs, also between the fragments of a message."""
        after, pings = read_pings(data, start, end, max(_TURN - len(events) - self._spent, 1), events)
        self._answer(pings)
        return after

    def _hand_over(self, data: bytes | bytearray, start: int, end: int, head: int, size: int, events: list[WSEvent]) -> int:
        """A data frame for wsproto: its header with what there is of its payload, up to a slice. The rest flows."""
        self._mid_message = True
        self._ordinary = False
        self._received += size
        taken = min(size, end - start - head, self._slice)
        self._flowing = size - taken
        self._ask(data[start : start + head + taken], events)
        return start + head + taken

    def _flow(self, data: bytes | bytearray, start: int, end: int, events: list[WSEvent]) -> int:
        """More of a data frame's payload. After our Close it is dropped (RFC 6455 section 1.4)."""
        taken = min(self._flowing, end - start, self._slice)
        self._flowing -= taken
        if not self.close_sent:
            self._ask(data[start : start + taken], events)
        return start + taken

    def _ask(self, piece: bytes | bytearray, events: list[WSEvent]) -> None:
        self._spent += _JUDGED
        judge = self._judge
        if judge is None:
            self._inflater = None if self._terms is None else BoundedDeflate(self._limit)
            judge = self._judge = Connection(ConnectionType.SERVER, [] if self._inflater is None else [self._inflater])
        judge.receive_data(bytes(piece))
        for event in judge.events():
            match event:
                case lib.TextMessage() | lib.BytesMessage():
                    self._collect(event, events)
                case lib.Ping():
                    self._answer([event.payload])
                    events.append(Ping(event.payload))
                case lib.Pong():
                    events.append(Pong(event.payload))
                case lib.CloseConnection() if judge.state is ConnectionState.REMOTE_CLOSING:
                    self._peer_closed(event, events)
                case lib.CloseConnection():
                    refusal = self._inflater.error if self._inflater is not None else None
                    self._fault(int(event.code), refusal or event.reason or "", events)
                case _:  # pragma: no cover
                    raise AssertionError(f"wsproto gave an event that no frame leads to: {event!r}")

    def _collect(self, event: lib.TextMessage | lib.BytesMessage, events: list[WSEvent]) -> None:
        """One bytearray for the pieces of a message, text too: a list of tiny pieces would weigh many times their bytes."""
        message, data = self._message, event.data
        self._spent += len(data) // _KIB
        if message or not event.message_finished:
            message += data.encode() if isinstance(data, str) else data
        if not event.message_finished:
            return
        if isinstance(data, str):
            events.append(TextMessage(message.decode() if message else data))
        else:
            events.append(BinaryMessage(bytes(message or data)))
        self._forget()
        self._ordinary = True

    def _forget(self) -> None:
        """No message is in progress."""
        self._message = bytearray()
        self._mid_message = False

    def _answer(self, pings: list[bytes]) -> None:
        if pings and self.is_open:
            before = sum(map(len, self._pongs))
            self._pongs = with_pongs(self._pongs, pings)
            self.queued += sum(map(len, self._pongs)) - before

    def _peer_closed(self, event: lib.CloseConnection, events: list[WSEvent]) -> None:
        code, reason = int(event.code), event.reason or ""
        self.close_received = True
        events.append(Closed(code, reason))
        # 1005 says that there was no code; it may not stand on the wire (RFC 6455 section 7.4.1).
        self._end(EMPTY_CLOSE if code == 1005 else close_frame(code, reason))

    def _fault(self, code: int, detail: str, events: list[WSEvent]) -> None:
        events.append(WSFault(code, detail))
        self._end(close_frame(code, _REASONS[code]))

    def _end(self, close: bytes) -> None:
        """The last word, unless it was said: nothing is read after it."""
        self._deaf = True
        self._buffer = None
        self._queue_close(close)

    # ---- writing

    def send_text(self, text: str) -> None:
        """Queues a text message.

        Raises:
            WebSocketNotOpen: a Close went either way.
            UnsendableText: a lone surrogate.
        """
        try:
            payload = text.encode()
        except UnicodeEncodeError as exc:
            raise UnsendableText(exc.start) from exc
        self._send(TEXT, payload)

    def send_bytes(self, data: bytes) -> None:
        """Queues a binary message.

        Raises:
            WebSocketNotOpen: a Close went either way.
        """
        self._send(BINARY, data)

    def _send(self, first: int, payload: bytes) -> None:
        if not self.is_open:
            raise WebSocketNotOpen("message")
        size = len(payload)
        if self._terms is not None and size >= _DEFLATE_FROM_BYTES:
            deflated = deflate(payload, self._terms.window_bits)
            if len(deflated) < size:
                first, payload, size = first | RSV1, deflated, len(deflated)
        if size <= 125:
            frame = b"%c%c%b" % (first, size, payload)
        elif size <= 0xFFFF:
            frame = b"%c\x7e%c%c%b" % (first, size >> 8, size & 0xFF, payload)
        else:
            header = b"%c\x7f%b" % (first, size.to_bytes(8, "big"))
            self._output += (header, payload)
            self.queued += len(header) + size
            return
        self._output.append(frame)
        self.queued += len(frame)

    def ping(self, payload: bytes = b"") -> None:
        """Queues a Ping.

        Raises:
            WebSocketNotOpen: a Close went either way.
            InvalidPing: more than 125 bytes.
        """
        frame = ping_frame(payload)
        if not self.is_open:
            raise WebSocketNotOpen("ping")
        self._output.append(frame)
        self.queued += len(frame)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Queues our Close; the peer's is awaited and its data dropped. Does nothing when a Close was sent.

        Raises:
            InvalidClose: a code other than 1000 to 1003, 1007 to 1014 or 3000 to 4999, or a reason over 123 bytes of UTF-8.
        """
        self._queue_close(close_frame(code, reason))

    def _queue_close(self, frame: bytes) -> None:
        self.is_open = self._ordinary = False
        # A message in progress is dropped with all that follows. Only control frames still count, and those come whole.
        self._judge = self._inflater = None
        self._forget()
        if not self.close_sent:
            self.close_sent = True
            self._output += (*self._pongs, frame)
            self._pongs = ()
            self.queued += len(frame)

    def take_output(self) -> list[bytes]:
        """What to write now, in order, Pongs first. The header of a payload over 64 KiB is a part of its own."""
        output, self._output = self._output, []
        if self._pongs:
            output[:0] = self._pongs
            self._pongs = ()
        self.queued = 0
        return output
