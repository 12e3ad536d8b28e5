"""Floods of tiny frames: a turn of the WebSocket engine is bounded, and nothing is lost between turns."""

import pytest

from pagi.server.wire.control_frames import read_pings
from pagi.server.wire.deflate import deflate
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import BinaryMessage, Closed, Ping, Pong, TextMessage, WSEvent, WSFault
from tests.server.wire.client_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    FIN,
    KIB,
    LIMIT,
    MIB,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    close,
    closing,
    code_of,
    frame,
    output,
    packed,
    text,
)

MOST = 1024


def turns(engine: WebSocketEngine, data: bytes) -> list[list[WSEvent]]:
    """The events of every turn that these bytes take."""
    told = [engine.receive(data)]
    while engine.unread:
        told.append(engine.receive(b""))
    return told


FLOODS: dict[str, tuple[bytes, list[WSEvent]]] = {
    "pings": (frame(FIN | PING, b"p") * 5000, [Ping(b"p")] * 5000),
    "pings and pongs": ((frame(FIN | PING) + frame(FIN | PONG, b"q")) * 2500, [Ping(b""), Pong(b"q")] * 2500),
    "messages": (text("") * 5000, [TextMessage("")] * 5000),
    "messages and pings": ((text("a") + frame(FIN | PING)) * 2500, [TextMessage("a"), Ping(b"")] * 2500),
    "fragments": (frame(BINARY) + frame(CONTINUATION, b"b") * 5000 + frame(FIN), [BinaryMessage(b"b" * 5000)]),
    "pings inside a message": (
        frame(BINARY, b"a") + frame(FIN | PING, b"p") * 5000 + frame(FIN, b"b"),
        [*[Ping(b"p")] * 5000, BinaryMessage(b"ab")],
    ),
    "compressed messages": (packed(b"c" * 50) * 2000, [BinaryMessage(b"c" * 50)] * 2000),
}


@pytest.mark.parametrize(("data", "expected"), FLOODS.values(), ids=FLOODS)
def test_a_flood_is_read_in_turns_and_whole(data: bytes, expected: list[WSEvent]) -> None:
    told = turns(WebSocketEngine(LIMIT, DEFLATE), data + close(1000))
    assert [event for turn in told for event in turn] == [*expected, Closed(1000, "")]
    assert len(told) > 1
    assert max(map(len, told)) <= MOST


@pytest.mark.parametrize("dear", [frame(CONTINUATION, b"b"), packed(b"c")], ids=["fragments", "compressed messages"])
def test_dear_frames_make_shorter_turns(dear: bytes) -> None:
    engine = WebSocketEngine(LIMIT, DEFLATE)
    engine.receive(frame(BINARY) if dear[0] == CONTINUATION else b"")
    assert len(turns(engine, dear * 5000)) > len(turns(WebSocketEngine(LIMIT), text("") * 5000))


def test_dropped_frames_count_too() -> None:
    assert len(turns(closing(), text("late") * 5000)) >= 5


def test_a_turn_inflates_little_more_than_a_mebibyte() -> None:
    bomb = frame(FIN | RSV1 | BINARY, deflate(bytes(200 * KIB), 15))
    told = turns(WebSocketEngine(LIMIT, DEFLATE), bomb * 200)
    assert sum(map(len, told)) == 200
    assert max(len(turn) * 200 * KIB for turn in told) < 1.3 * MIB


def test_a_flood_of_pings_leaves_sixteen_pongs() -> None:
    engine = WebSocketEngine(LIMIT)
    turns(engine, b"".join(frame(FIN | PING, b"%d" % i) for i in range(5000)))
    assert engine.queued == 16 * 6
    assert output(engine) == b"".join(b"\x8a\x04%d" % i for i in range(4984, 5000))


def test_bytes_that_come_between_turns_are_read_after_the_unread_ones() -> None:
    engine = WebSocketEngine(LIMIT)
    told = engine.receive(text("a") * 1500)
    engine.unread += text("b")
    assert [*told, *engine.receive(text("c"))] == [*[TextMessage("a")] * 1500, TextMessage("b"), TextMessage("c")]
    assert engine.unread == b""


@pytest.mark.parametrize("last", [close(1000), frame(FIN | 3)], ids=["a Close", "a fault"])
def test_nothing_is_unread_after_the_end(last: bytes) -> None:
    engine = WebSocketEngine(LIMIT)
    told = turns(engine, text("a") * (MOST - 1) + last + text("late") * 5000)
    assert sum(map(len, told)) == MOST
    assert engine.receive(text("late")) == []


def test_our_close_between_turns_drops_what_is_unread_and_hears_the_peers() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.receive(text("a") * 3000 + close(4000))
    engine.close(1001)
    assert [event for turn in turns(engine, b"") for event in turn] == [Closed(4000, "")]


# ---- runs of pings


RUNS: dict[str, tuple[bytes, int, list[bytes]]] = {
    "three": (frame(FIN | PING, b"a") + frame(FIN | PONG, b"b") + frame(FIN | PING, b"c"), 3, [b"a", b"c"]),
    "pongs only": (frame(FIN | PONG) * 2, 2, []),
    "125 bytes, the most": (frame(FIN | PING, b"x" * 125), 1, [b"x" * 125]),
    "a text after it": (frame(FIN | PING, b"a") + text("b"), 1, [b"a"]),
    "a Close after it": (frame(FIN | PING, b"a") + close(1000), 1, [b"a"]),
    "the last one unmasked": (frame(FIN | PING, b"a") + frame(FIN | PING, b"bbbbb", masked=False), 1, [b"a"]),
    "the last one cut": (frame(FIN | PING, b"a") + frame(FIN | PING, b"b")[:-1], 1, [b"a"]),
    "the last one fragmented": (frame(FIN | PING, b"a") + frame(PING, b"b"), 1, [b"a"]),
    "the last one with a reserved bit": (frame(FIN | PING, b"a") + frame(FIN | RSV1 | PING, b"b"), 1, [b"a"]),
    "the last one too long": (frame(FIN | PING, b"a") + frame(FIN | PING, b"b" * 126), 1, [b"a"]),
    "none": (text("a"), 0, []),
}


@pytest.mark.parametrize(("data", "count", "pings"), RUNS.values(), ids=RUNS)
def test_a_run_of_pings_ends_where_it_must(data: bytes, count: int, pings: list[bytes]) -> None:
    events: list[WSEvent] = []
    after, payloads = read_pings(data, 0, len(data), 100, events)
    assert (len(events), payloads) == (count, pings)
    rest: list[WSEvent] = []
    assert read_pings(data, after, len(data), 100, rest) == (after, [])


def test_a_run_of_pings_is_no_longer_than_asked() -> None:
    events: list[WSEvent] = []
    assert read_pings(frame(FIN | PING) * 9, 0, 54, 4, events) == (24, [b""] * 4)
    assert len(events) == 4


# ---- frames refused by their first two bytes


STARTS: dict[str, bytes] = {
    "all bits set": b"\xff\xff",
    **{f"reserved bit {bit:#x}": bytes([FIN | bit | TEXT, 0xFE]) for bit in (RSV1, RSV2, RSV3)},
    **{f"reserved opcode {opcode}": bytes([FIN | opcode, 0xFE]) for opcode in (3, 7, 11, 15)},
    "an unmasked text": bytes([FIN | TEXT, 126]),
    "an unmasked ping": bytes([FIN | PING, 5]),
    "a long ping": bytes([FIN | PING, 0xFE]),
    "a fragmented ping": bytes([PING, 0x85]),
    "a fragmented Close": bytes([CLOSE, 0x82]),
    "a continuation of nothing": bytes([FIN | CONTINUATION, 0xFE]),
    "a message inside another": frame(BINARY, b"a") + bytes([FIN | TEXT, 0xFE]),
}


@pytest.mark.parametrize("data", STARTS.values(), ids=STARTS)
def test_an_unlawful_start_is_refused_at_once(data: bytes) -> None:
    engine = WebSocketEngine(LIMIT)
    assert code_of(engine.receive(data)) == [1002]
    assert output(engine)[2:4] == (1002).to_bytes(2, "big")


@pytest.mark.parametrize("data", STARTS.values(), ids=STARTS)
def test_an_unlawful_start_says_why(data: bytes) -> None:
    (fault,) = WebSocketEngine(LIMIT).receive(data)
    assert isinstance(fault, WSFault)
    assert len(fault.detail) > 10


LAWFUL: dict[str, bytes] = {
    "a text": bytes([FIN | TEXT, 0xFE]),
    "a fragment": bytes([BINARY, 0x80]),
    "a compressed text": bytes([FIN | RSV1 | TEXT, 0x85]),
    "a ping": bytes([FIN | PING, 0xFD]),
    "a continuation": frame(BINARY, b"a") + bytes([CONTINUATION, 0x81]),
    "a ping inside a message": frame(BINARY, b"a") + bytes([FIN | PING, 0x81]),
}


@pytest.mark.parametrize("data", LAWFUL.values(), ids=LAWFUL)
def test_a_lawful_start_is_waited_with(data: bytes) -> None:
    assert WebSocketEngine(LIMIT, DEFLATE).receive(data) == []


def test_compression_is_unlawful_inside_a_message() -> None:
    assert code_of(WebSocketEngine(LIMIT, DEFLATE).receive(frame(RSV1 | BINARY, b"\xf2") + bytes([FIN | RSV1, 0x81]))) == [1002]


def test_an_unlawful_start_of_data_after_our_close_is_dropped_like_all_data() -> None:
    assert closing().receive(bytes([FIN | 3, 0xFE])) == []


def test_of_a_frame_that_is_unlawful_and_too_long_the_first_counts() -> None:
    assert code_of(WebSocketEngine(100).receive(frame(FIN | RSV1 | BINARY, size=1000))) == [1002]
