"""The client's side for tests of the HTTP/2 engine: frames by hand, and an engine with what it said read back frame by frame."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from hpack import Decoder, Encoder

from pagi.server.options import HTTP1Options, HTTP2Options
from pagi.server.wire.events import Answer, Event, Request
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http2 import HTTP2Engine
from pagi.server.wire.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
)
from pagi.server.wire.http2_inflow import UnreadBudget

COMMON = StaticLines(b"\r\ndate: D\r\nserver: pagi")
COMMON_FIELDS = [(b"date", b"D"), (b"server", b"pagi")]
GET = ((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a"))
POST = ((b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a"))
WEBSOCKET = (
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"https"),
    (b":path", b"/chat"),
    (b":authority", b"a"),
    (b"sec-websocket-version", b"13"),
)


class Frame(NamedTuple):
    """What the engine sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A frame, right or wrong."""
    return FRAME_HEADER.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream_id) + payload


def word(*numbers: int) -> bytes:
    """Numbers of 32 bits."""
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def setting(name: int, value: int) -> bytes:
    """One setting, for a SETTINGS payload."""
    return name.to_bytes(2, "big") + value.to_bytes(4, "big")


def block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A field block that leaves the tables alone."""
    return Encoder().encode([(name, value, True) for name, value in fields])


def headers(
    stream_id: int, fields: Iterable[tuple[bytes, bytes]] = GET, *, ends: bool = True, flags: int = END_HEADERS, before: bytes = b""
) -> bytes:
    """A HEADERS frame."""
    return frame(HEADERS, flags | (END_STREAM if ends else 0), stream_id, before + block(fields))


def data(stream_id: int, payload: bytes, *, ends: bool = False, flags: int = 0) -> bytes:
    """A DATA frame."""
    return frame(DATA, flags | (END_STREAM if ends else 0), stream_id, payload)


def window_update(stream_id: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream_id, word(size))


def rst(stream_id: int, code: int = Code.CANCEL) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, word(code))


OPENING = PREFACE + frame(SETTINGS, 0, 0)
"""What a client begins with."""


class Peer:
    """An engine and what it said. Beside its `options` single ones may be given."""

    def __init__(
        self,
        *,
        budget: UnreadBudget | None = None,
        opened: bool = True,
        http1: HTTP1Options | None = None,
        options: HTTP2Options | None = None,
        **more: int,
    ) -> None:
        self.budget = budget or UnreadBudget(64 * 1024 * 1024)
        limits = msgspec.structs.replace(options or HTTP2Options(), **more)
        self.engine = HTTP2Engine(limits, http1 or HTTP1Options(), COMMON, self.budget)
        self.decoder = Decoder()
        self.greeting = self.frames()
        if opened:
            assert self.receive(OPENING) == []
            assert [sent.kind for sent in self.frames()] == [SETTINGS]

    def receive(self, *pieces: bytes) -> list[Event]:
        """What the engine makes of these bytes, in one read."""
        return self.engine.receive(b"".join(pieces))

    def requests(self, *pieces: bytes) -> list[Request]:
        """As `receive`, where nothing but requests comes of it."""
        events = self.receive(*pieces)
        assert all(isinstance(event, Request) for event in events), events
        return [event for event in events if isinstance(event, Request)]

    def request(self, *pieces: bytes) -> Request:
        """As `receive`, where one request comes of it."""
        (request,) = self.requests(*pieces)
        return request

    def send(self, *events: Event) -> None:
        """What the application says."""
        for event in events:
            self.engine.send(event)

    def answer(self, stream_id: int, body: bytes = b"ok") -> None:
        """A plain answer."""
        self.engine.send(Answer(stream_id, 200, [], body))

    def taken(self) -> bytes:
        """All that the engine may write now."""
        taken: list[bytes] = []
        while self.engine.has_output:
            taken += self.engine.take_output()
        return b"".join(taken)

    def frames(self) -> list[Frame]:
        """The same, cut into frames."""
        written, at = self.taken(), 0
        frames: list[Frame] = []
        while at < len(written):
            high, low, kind, flags, stream_id = FRAME_HEADER.unpack_from(written, at)
            size = high << 16 | low
            frames.append(Frame(kind, flags, stream_id, written[at + 9 : at + 9 + size]))
            at += 9 + size
        return frames

    def fields(self, sent: Frame) -> list[tuple[bytes, bytes]]:
        """What a HEADERS frame says."""
        assert sent.kind == HEADERS
        return [(bytes(name), bytes(value)) for name, value in self.decoder.decode(sent.payload, raw=True)]

    def resets(self) -> list[tuple[int, Code]]:
        """Streams that the engine resets now, whatever else it says."""
        return resets(self.frames())

    def goaway(self) -> tuple[int, Code]:
        """The last stream and the code of the GOAWAY that ends what it says now."""
        last = self.frames()[-1]
        assert last.kind == GOAWAY, last
        return int.from_bytes(last.payload[:4], "big"), Code(int.from_bytes(last.payload[4:8], "big"))


def resets(frames: list[Frame]) -> list[tuple[int, Code]]:
    """The resets among frames."""
    return [(sent.stream_id, Code(int.from_bytes(sent.payload, "big"))) for sent in frames if sent.kind == RST_STREAM]


def bodies(frames: list[Frame]) -> dict[int, bytes]:
    """The bodies among frames, by stream."""
    found: dict[int, bytes] = {}
    for sent in frames:
        if sent.kind == DATA:
            found[sent.stream_id] = found.get(sent.stream_id, b"") + sent.payload
    return found


def credits_of(frames: list[Frame]) -> dict[int, int]:
    """The sum of the window updates among frames, by stream."""
    found: dict[int, int] = {}
    for sent in frames:
        if sent.kind == WINDOW_UPDATE:
            found[sent.stream_id] = found.get(sent.stream_id, 0) + int.from_bytes(sent.payload, "big")
    return found


def split_head(stream_id: int, fields: Iterable[tuple[bytes, bytes]], count: int, *, ends: bool = True) -> list[bytes]:
    """A head in a HEADERS frame and `count` CONTINUATION frames."""
    packed = block(fields)
    size = len(packed) // (count + 1) + 1
    pieces = [packed[at * size : (at + 1) * size] for at in range(count + 1)]
    flags = END_STREAM if ends else 0
    return [
        frame(HEADERS, flags | (0 if count else END_HEADERS), stream_id, pieces[0]),
        *(frame(CONTINUATION, END_HEADERS if at == count else 0, stream_id, pieces[at]) for at in range(1, count + 1)),
    ]
