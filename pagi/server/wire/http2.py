"""HTTP/2 framing (RFC 9113). No I/O, no clock: bytes in, events out, and back."""

from pagi.server.options import HTTP1Options, HTTP2Options
from pagi.server.wire.events import Event
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http2_inflow import UnreadBudget


class HTTP2Engine:
    """One HTTP/2 connection, seen from the server. Its first bytes must be the client preface, which may come in any pieces.

    Our own preface is queued from the start: call `take_output` once before the first read.

    What `receive` gives:

    - `Request`: with what came of its body in the same read. It holds one of the client's places until `release`.
    - `BodyData`, `BodyEnd`: at most one of each for a stream and a read. Padding was given back already, so `len(data)` is what
      `consumed` is told.
    - `StreamReset`: the client gave the exchange up, or broke a rule with it and was reset by us. Its unread bytes were given back,
      and what is still sent to it is dropped without an error. `release` is still due.
    - `Fault` with a stream's id: a request that is no `Request` but can be answered (431, 417, 501): send an `Answer` to it. It needs
      no `release`. A request reset by the client in the read it came in gives no event at all.
    - `Fault` with stream id 0: the connection is over. GOAWAY is queued, `closing` is True, nothing more is read.
    - `InputEnded` with stream id 0: end of input.
    """

    http_version = "2"
    waiting_bytes = 0
    is_bypassed = False

    closing: bool
    """Nothing more can be exchanged after the output in hand: no stream is open, or the client broke the framing."""

    def __init__(self, options: HTTP2Options, http1: HTTP1Options, common: StaticLines, budget: UnreadBudget) -> None:
        raise NotImplementedError

    @property
    def mid_head(self) -> bool:
        """The preface is unfinished, or a head is, or a frame that may begin one."""
        raise NotImplementedError

    @property
    def has_output(self) -> bool:
        """Another `take_output` would give something."""
        raise NotImplementedError

    @property
    def open_streams(self) -> int:
        """Streams that are not ended in both directions."""
        raise NotImplementedError

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes mean. `b""` is the end of input. Nothing is raised, whatever comes."""
        raise NotImplementedError

    def advance(self) -> list[Event]:
        """HTTP/2 keeps no bytes back: nothing."""
        return []

    def send(self, event: Event) -> None:
        """Queues an event for the peer. For a stream that is gone it is dropped.

        `Answer`, `ResponseHead`, `ResponseData`, `ResponseEnd`, `InformationalHead`, `TunnelOpened` (a head with status 200) and `Abort`
        (a reset: INTERNAL_ERROR, or CANCEL where the answer was whole).

        Raises:
            HeaderRefused: a status, name or value that may not go out.
            WrongContentLength: the body is not as long as declared.
            BodyRefused: a body that is not bytes.
            BodyOutOfOrder: a body without a head, or a second head.
            EventRefused: an event that has no place in HTTP/2.
        """
        raise NotImplementedError

    def consumed(self, stream_id: int, size: int) -> None:
        """The application took this many body bytes: the stream's window opens."""
        raise NotImplementedError

    def release(self, stream_id: int) -> None:
        """The exchange is over and its task has ended: what is unread of its request is given back, and its place is free.

        If the request has not ended the stream is reset with NO_ERROR, after the answer (RFC 9113 section 8.1); if the answer has not
        either, with INTERNAL_ERROR, at once.
        """
        raise NotImplementedError

    def queued(self, stream_id: int) -> int:
        """Body bytes accepted for the stream and not yet taken. Stream 0: what `take_output` would give if called until it is empty,
        so without what waits for a window."""
        raise NotImplementedError

    def sent(self, stream_id: int) -> int:
        """Body bytes of the stream's answer that were taken so far. It stands still while the client's window is shut."""
        raise NotImplementedError

    def take_output(self) -> list[bytes]:
        """What to write now, in order: control frames and heads, then about 64 KiB of bodies at most, by priority."""
        raise NotImplementedError

    def take_finished(self) -> list[int]:
        """Streams whose last byte, their end or their reset by us, was in what `take_output` gave since the last call."""
        raise NotImplementedError

    def close_after(self) -> None:
        """Ends the connection in two steps (RFC 9113 section 6.8): a GOAWAY that names no stream, with a PING; when that is answered, or at
        the second call, one that names the last stream. Streams that come after it are refused. `closing` follows the last open one.
        """
        raise NotImplementedError

    def tick(self, seconds: float) -> None:
        """So much time has passed: what was spent of the bursts is allowed again, and windows that were held back may open."""
        raise NotImplementedError
