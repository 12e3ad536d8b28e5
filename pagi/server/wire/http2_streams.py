"""The streams of one HTTP/2 connection and where each stands (RFC 9113 section 5.1). Knows no frame."""

from collections import deque
from enum import Enum, auto

import msgspec

from pagi.server.wire.events import RequestHead
from pagi.server.wire.http2_priority import DEFAULT_URGENCY

MAX_REMEMBERED_ENDS = 32
MAX_REMEMBERED_RESETS = 256
"""Streams that are over, of which it is still known how they ended. What comes late for one that we reset is the client's right."""


class Fate(Enum):
    """Where a stream stands that takes no more input."""

    IDLE = auto()
    """Nobody has opened it."""
    HALF_CLOSED = auto()
    """The client has ended its side; ours is open."""
    ENDED = auto()
    """By both sides, or by the client's reset."""
    RESET = auto()
    """By us. What the client sent before it heard of it may still come."""
    FORGOTTEN = auto()
    """Over for a long time, or skipped by the client."""


class Place(Enum):
    """Where a stream waits for its turn to send."""

    NOWHERE = auto()
    SEQUENCE = auto()
    ROTATION = auto()


class Stream(msgspec.Struct, eq=False, gc=False):
    """One request and its answer. The engine's parts share it: some of its fields are of what comes, others of what goes."""

    stream_id: int
    window_in: int
    """Bytes that the client may still send."""
    window_out: int
    """Bytes that it takes."""
    held: bool = True
    """An exchange has it, or an event that makes one."""
    is_open: bool = True
    """Not ended in both directions, and not reset."""
    fate: Fate = Fate.ENDED
    """Once it is not open: how it ended."""

    # ---- what comes

    input_open: bool = True
    is_announced: bool = False
    """A `Request` or a `Fault` of it has left."""
    is_touched: bool = False
    """It has news in this read."""
    request: RequestHead | None = None
    """Its head, in the read it came in."""
    fresh: list[bytes] | None = None
    """Body bytes of this read."""
    ends_now: bool = False
    """Its request ended in this read."""
    is_reset: bool = False
    """By the client, or for its fault."""
    ignored: bool = False
    """Its body is of no use to anybody."""
    declared: int | None = None
    """Content-Length of the request."""
    received: int = 0
    unread: int = 0
    """Bytes handed over, and not yet said to be consumed."""
    credit: int = 0
    """Bytes that the client may send beside its window, and has not been told of."""

    # ---- what goes

    output_open: bool = True
    has_begun: bool = False
    """The final head was queued."""
    head_only: bool = False
    """The request was HEAD."""
    takes_trailers: bool = False
    """Its TE names them."""
    wants_trailers: bool = False
    """Our head promised them."""
    drops_body: bool = False
    """HEAD, 204 and 304 have none."""
    length: int | None = None
    """Content-Length of the answer."""
    length_sent: int = 0
    queue: list[bytes] = []
    offset: int = 0
    """Bytes of the first of `queue` that were taken."""
    queued: int = 0
    ends: bool = False
    """Nothing is added to `queue` any more."""
    trailers: bytes | None = None
    """Their block, to be sent after `queue`."""
    sent: int = 0
    urgency: int = DEFAULT_URGENCY
    incremental: bool = False
    place: Place = Place.NOWHERE


class Streams:
    """All streams of a connection: those that are open or have an exchange, and how the last of the others ended."""

    __slots__ = ("_ended", "_known", "_reset", "held", "last_id", "open")

    def __init__(self) -> None:
        self._known: dict[int, Stream] = {}
        self._ended: deque[int] = deque(maxlen=MAX_REMEMBERED_ENDS)
        self._reset: dict[int, None] = {}  # a set that keeps its order
        self.last_id = 0
        """The highest that the client opened."""
        self.open = 0
        """Streams that are open, as the protocol counts."""
        self.held = 0
        """Streams whose exchange still runs. A reset frees no place: else a client begins work without end (CVE-2023-44487)."""

    def __len__(self) -> int:
        return len(self._known)

    def known(self) -> list[Stream]:
        """Those that are open or held."""
        return list(self._known.values())

    def get(self, stream_id: int) -> Stream | None:
        """A stream that is open or held."""
        return self._known.get(stream_id)

    def add(self, stream: Stream) -> None:
        """The client opened a stream, with a higher id than all before."""
        self._known[stream.stream_id] = stream
        self.open += 1
        if stream.held:
            self.held += 1

    def fate(self, stream_id: int) -> Fate:
        """Where a stream stands that takes no more input."""
        stream = self._known.get(stream_id)
        if stream is not None:
            return Fate.HALF_CLOSED if stream.is_open else stream.fate
        if stream_id > self.last_id or not stream_id & 1:
            return Fate.IDLE
        if stream_id in self._reset:
            return Fate.RESET
        return Fate.ENDED if stream_id in self._ended else Fate.FORGOTTEN

    def input_ended(self, stream: Stream) -> None:
        """The client has sent all of it."""
        stream.input_open = False
        if not stream.output_open:
            self.close(stream, Fate.ENDED)

    def output_ended(self, stream: Stream) -> None:
        """All of the answer is on its way."""
        stream.output_open = False
        if not stream.input_open:
            self.close(stream, Fate.ENDED)

    def close(self, stream: Stream, fate: Fate) -> None:
        """The stream is over, by its end or by a reset."""
        if not stream.is_open:
            return
        stream.is_open = stream.input_open = stream.output_open = False
        stream.fate = fate
        self.open -= 1
        if not stream.held:
            self._forget(stream)

    def release(self, stream: Stream) -> None:
        """Its exchange is over."""
        if stream.held:
            stream.held = False
            self.held -= 1
            if not stream.is_open:
                self._forget(stream)

    def refused(self, stream_id: int) -> None:
        """A stream was reset before it was added."""
        self._remember_reset(stream_id)

    def input_of_reset_ended(self, stream_id: int) -> None:
        """The client ended a stream that we had reset: nothing more can be on its way."""
        stream = self._known.get(stream_id)
        if stream is not None:
            stream.fate = Fate.ENDED
        elif self._reset.pop(stream_id, 0) is None:
            self._ended.append(stream_id)

    def _forget(self, stream: Stream) -> None:
        del self._known[stream.stream_id]
        if stream.fate is Fate.RESET:
            self._remember_reset(stream.stream_id)
        else:
            self._ended.append(stream.stream_id)

    def _remember_reset(self, stream_id: int) -> None:
        self._reset[stream_id] = None
        if len(self._reset) > MAX_REMEMBERED_RESETS:
            del self._reset[next(iter(self._reset))]
