"""Frame by frame: what ends the connection, what ends a stream, and what a server must put up with (RFC 9113)."""

import pytest

from pagi.server.wire.events import Fault, StreamReset
from pagi.server.wire.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    MAX_WINDOW,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Code,
)
from tests.server.wire.http2_peer import GET, OPENING, POST, Peer, block, bodies, data, frame, headers, rst, setting, window_update, word

HALF_HEAD = frame(HEADERS, END_STREAM, 1, block(GET))
OPEN = headers(1, POST, ends=False)
DECLARED = headers(1, [*POST, (b"content-length", b"3")], ends=False)
ENDED = headers(1) + rst(1)
DEPENDS_ON_1 = word(1) + b"\xff"
CLEARTEXT = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

CONNECTION_FAULTS: dict[str, tuple[bytes, Code]] = {
    # 3.4
    "a preface that is none": (CLEARTEXT, Code.PROTOCOL_ERROR),
    "a preface with a wrong end": (PREFACE[:-1] + b"x", Code.PROTOCOL_ERROR),
    "a first frame that is not SETTINGS": (PREFACE + headers(1), Code.PROTOCOL_ERROR),
    "a first frame that acknowledges SETTINGS": (PREFACE + frame(SETTINGS, ACK, 0), Code.PROTOCOL_ERROR),
    # 4.2
    "a frame too long": (OPENING + OPEN + frame(DATA, 0, 1, bytes(16385)), Code.FRAME_SIZE_ERROR),
    "a head too long for a frame": (OPENING + frame(HEADERS, END_HEADERS, 1, bytes(16385)), Code.FRAME_SIZE_ERROR),
    # 4.3
    "a block with an index of nothing": (OPENING + frame(HEADERS, 5, 1, b"\xfe"), Code.COMPRESSION_ERROR),
    "a block with index 0": (OPENING + frame(HEADERS, 5, 1, b"\x80"), Code.COMPRESSION_ERROR),
    "a block that ends too soon": (OPENING + frame(HEADERS, 5, 1, b"\x82\x04\x20/ab"), Code.COMPRESSION_ERROR),
    "a block that ends in a number": (OPENING + frame(HEADERS, 5, 1, b"\x82\xff\xff"), Code.COMPRESSION_ERROR),
    "a number without end": (OPENING + frame(HEADERS, 5, 1, b"\xff" * 20), Code.COMPRESSION_ERROR),
    "a bad Huffman code": (OPENING + frame(HEADERS, 5, 1, b"\x04\x84\xff\xff\xff\xff"), Code.COMPRESSION_ERROR),
    "a table larger than allowed": (OPENING + frame(HEADERS, 5, 1, b"\x3f\xe2\x1f\x82"), Code.COMPRESSION_ERROR),
    "a table update behind a field": (OPENING + frame(HEADERS, 5, 1, b"\x82\x20"), Code.COMPRESSION_ERROR),
    "a bad block of trailers": (OPENING + OPEN + frame(HEADERS, 5, 1, b"\xfe"), Code.COMPRESSION_ERROR),
    "a bad block for a stream that was reset": (OPENING + headers(1, GET[1:]) + frame(HEADERS, 5, 1, b"\xfe"), Code.COMPRESSION_ERROR),
    # 4.3 and 6.10
    "another frame in the middle of a head": (OPENING + HALF_HEAD + frame(PING, 0, 0, bytes(8)), Code.PROTOCOL_ERROR),
    "another head in the middle of a head": (OPENING + HALF_HEAD + headers(3), Code.PROTOCOL_ERROR),
    "an unknown frame in the middle of a head": (OPENING + HALF_HEAD + frame(0xFA, 0, 1), Code.PROTOCOL_ERROR),
    "CONTINUATION of another stream": (OPENING + HALF_HEAD + frame(CONTINUATION, END_HEADERS, 3), Code.PROTOCOL_ERROR),
    "CONTINUATION of nothing": (OPENING + frame(CONTINUATION, END_HEADERS, 1, block(GET)), Code.PROTOCOL_ERROR),
    "CONTINUATION behind a whole head": (OPENING + OPEN + frame(CONTINUATION, END_HEADERS, 1), Code.PROTOCOL_ERROR),
    "CONTINUATION on stream 0": (OPENING + frame(CONTINUATION, END_HEADERS, 0), Code.PROTOCOL_ERROR),
    # 5.1: idle
    "DATA on an idle stream": (OPENING + data(1, b"a"), Code.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (OPENING + rst(1), Code.PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (OPENING + window_update(1, 1), Code.PROTOCOL_ERROR),
    "DATA on a stream of ours": (OPENING + headers(5) + data(2, b"a"), Code.PROTOCOL_ERROR),
    "RST_STREAM on a stream of ours": (OPENING + headers(5) + rst(2), Code.PROTOCOL_ERROR),
    # 5.1: closed
    "DATA behind the client's reset": (OPENING + OPEN + rst(1) + data(1, b"a"), Code.STREAM_CLOSED),
    "HEADERS behind the client's reset": (OPENING + OPEN + rst(1) + headers(1, [(b"x", b"y")]), Code.STREAM_CLOSED),
    # 5.1.1
    "a head on a stream of ours": (OPENING + headers(2), Code.PROTOCOL_ERROR),
    "a head on a stream that was skipped": (OPENING + headers(5) + headers(3), Code.PROTOCOL_ERROR),
    "DATA on a stream that was skipped": (OPENING + headers(5) + data(3, b"a"), Code.STREAM_CLOSED),
    # 6.1
    "DATA on stream 0": (OPENING + data(0, b"a"), Code.PROTOCOL_ERROR),
    "DATA with too much padding": (OPENING + OPEN + data(1, b"\x03abc"[:3], flags=PADDED), Code.PROTOCOL_ERROR),
    "DATA with nothing but padding to come": (OPENING + OPEN + data(1, b"\x01", flags=PADDED), Code.PROTOCOL_ERROR),
    "padded DATA without a byte": (OPENING + OPEN + data(1, b"", flags=PADDED), Code.FRAME_SIZE_ERROR),
    # 6.2
    "HEADERS on stream 0": (OPENING + headers(0), Code.PROTOCOL_ERROR),
    "HEADERS with too much padding": (OPENING + frame(HEADERS, 5 | PADDED, 1, b"\xff" + block(GET)), Code.PROTOCOL_ERROR),
    "HEADERS too short for a priority": (OPENING + frame(HEADERS, 5 | HAS_PRIORITY, 1, b"\0\0\0\0"), Code.FRAME_SIZE_ERROR),
    # 6.3
    "PRIORITY on stream 0": (OPENING + frame(PRIORITY, 0, 0, DEPENDS_ON_1), Code.PROTOCOL_ERROR),
    "PRIORITY of another size": (OPENING + frame(PRIORITY, 0, 1, b"\0\0\0\0"), Code.FRAME_SIZE_ERROR),
    "an idle stream that depends on itself": (OPENING + frame(PRIORITY, 0, 1, DEPENDS_ON_1), Code.PROTOCOL_ERROR),
    # 6.4
    "RST_STREAM on stream 0": (OPENING + rst(0), Code.PROTOCOL_ERROR),
    "RST_STREAM of another size": (OPENING + OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0"), Code.FRAME_SIZE_ERROR),
    # 6.5
    "SETTINGS on a stream": (OPENING + frame(SETTINGS, 0, 1), Code.PROTOCOL_ERROR),
    "SETTINGS of another size": (OPENING + frame(SETTINGS, 0, 0, b"\0\0\0"), Code.FRAME_SIZE_ERROR),
    "an acknowledgement with settings": (OPENING + frame(SETTINGS, ACK, 0, setting(1, 1)), Code.FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": (OPENING + frame(SETTINGS, 0, 0, setting(2, 2)), Code.PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE over the maximum": (OPENING + frame(SETTINGS, 0, 0, setting(4, 2**31)), Code.FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE under the minimum": (OPENING + frame(SETTINGS, 0, 0, setting(5, 16383)), Code.PROTOCOL_ERROR),
    "MAX_FRAME_SIZE over the maximum": (OPENING + frame(SETTINGS, 0, 0, setting(5, 2**24)), Code.PROTOCOL_ERROR),
    "ENABLE_CONNECT_PROTOCOL of 2": (OPENING + frame(SETTINGS, 0, 0, setting(8, 2)), Code.PROTOCOL_ERROR),
    "NO_RFC7540_PRIORITIES of 2": (OPENING + frame(SETTINGS, 0, 0, setting(9, 2)), Code.PROTOCOL_ERROR),
    # 6.6
    "PUSH_PROMISE": (OPENING + frame(PUSH_PROMISE, END_HEADERS, 1, word(2) + block(GET)), Code.PROTOCOL_ERROR),
    # 6.7
    "PING on a stream": (OPENING + frame(PING, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
    "PING of another size": (OPENING + frame(PING, 0, 0, bytes(6)), Code.FRAME_SIZE_ERROR),
    # 6.8
    "GOAWAY on a stream": (OPENING + frame(GOAWAY, 0, 1, word(0, 0)), Code.PROTOCOL_ERROR),
    "GOAWAY too short": (OPENING + frame(GOAWAY, 0, 0, word(0)), Code.FRAME_SIZE_ERROR),
    # 6.9
    "WINDOW_UPDATE of 0 for the connection": (OPENING + window_update(0, 0), Code.PROTOCOL_ERROR),
    "WINDOW_UPDATE of 0 for a stream that is over": (OPENING + ENDED + window_update(1, 0), Code.PROTOCOL_ERROR),
    "WINDOW_UPDATE of another size": (OPENING + frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), Code.FRAME_SIZE_ERROR),
    "a connection window over the maximum": (OPENING + window_update(0, MAX_WINDOW), Code.FLOW_CONTROL_ERROR),
    "settings that make a window too large": (
        OPENING + OPEN + window_update(1, MAX_WINDOW - 65535) + frame(SETTINGS, 0, 0, setting(4, 65536)),
        Code.FLOW_CONTROL_ERROR,
    ),
    # RFC 9218, 7.1
    "PRIORITY_UPDATE on a stream": (OPENING + frame(PRIORITY_UPDATE, 0, 1, word(1) + b"u=1"), Code.PROTOCOL_ERROR),
    "PRIORITY_UPDATE too short": (OPENING + frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0"), Code.FRAME_SIZE_ERROR),
    "PRIORITY_UPDATE for stream 0": (OPENING + frame(PRIORITY_UPDATE, 0, 0, word(0) + b"u=1"), Code.PROTOCOL_ERROR),
    "PRIORITY_UPDATE for a push": (OPENING + frame(PRIORITY_UPDATE, 0, 0, word(2) + b"u=1"), Code.PROTOCOL_ERROR),
}

STREAM_FAULTS: dict[str, tuple[bytes, Code]] = {
    # 5.1: half-closed (remote)
    "DATA behind the end": (headers(1) + data(1, b"a"), Code.STREAM_CLOSED),
    "HEADERS behind the end": (headers(1) + headers(1, [(b"x", b"y")]), Code.STREAM_CLOSED),
    # 5.3.1 of RFC 7540
    "a stream that depends on itself": (headers(1, flags=END_HEADERS | HAS_PRIORITY, before=DEPENDS_ON_1), Code.PROTOCOL_ERROR),
    "an open stream that depends on itself": (OPEN + frame(PRIORITY, 0, 1, DEPENDS_ON_1), Code.PROTOCOL_ERROR),
    "PRIORITY of another size for an open stream": (OPEN + frame(PRIORITY, 0, 1, b"\0\0\0\0"), Code.FRAME_SIZE_ERROR),
    # 6.9
    "WINDOW_UPDATE of 0": (OPEN + window_update(1, 0), Code.PROTOCOL_ERROR),
    "a stream window over the maximum": (OPEN + window_update(1, MAX_WINDOW), Code.FLOW_CONTROL_ERROR),
    # 8.1
    "a second head that does not end": (OPEN + headers(1, [(b"x", b"y")], ends=False), Code.PROTOCOL_ERROR),
    "a pseudo-header in trailers": (OPEN + headers(1, [(b":method", b"GET")]), Code.PROTOCOL_ERROR),
    "a bad field in trailers": (OPEN + headers(1, [(b"X", b"y")]), Code.PROTOCOL_ERROR),
    "too many trailers": (OPEN + headers(1, [(b"x", b"y")] * 101), Code.PROTOCOL_ERROR),
    # 8.1.1
    "more body than declared": (headers(1, [*POST, (b"content-length", b"1")], ends=False) + data(1, b"ab"), Code.PROTOCOL_ERROR),
    "less body than declared": (
        headers(1, [*POST, (b"content-length", b"3")], ends=False) + data(1, b"ab", ends=True),
        Code.PROTOCOL_ERROR,
    ),
    "less body than declared, with trailers": (
        headers(1, [*POST, (b"content-length", b"1")], ends=False) + headers(1, [(b"x", b"y")]),
        Code.PROTOCOL_ERROR,
    ),
    "no body where one is declared": (headers(1, [*POST, (b"content-length", b"1")]), Code.PROTOCOL_ERROR),
    "a malformed head": (headers(1, GET[1:]), Code.PROTOCOL_ERROR),
}

HARMLESS: dict[str, bytes] = {
    "SETTINGS": frame(SETTINGS, 0, 0, setting(3, 5) + setting(6, 1)),
    "an acknowledgement": frame(SETTINGS, ACK, 0),
    "unknown settings": frame(SETTINGS, 0, 0, setting(0x77, 1) + setting(0xFFFF, 2**32 - 1)),
    "a setting twice": frame(SETTINGS, 0, 0, setting(4, 1) + setting(4, 70000)),
    "unknown frames": frame(0xFA, 0xFF, 0, b"grease") + frame(0xFB, 0, 7, b""),
    "a reserved bit in a stream id": headers(2**31 | 1),
    "unknown flags": frame(PING, 0x40, 0, bytes(8)) + frame(HEADERS, 5 | 0x40, 1, block(GET)),
    "PRIORITY for an idle stream": frame(PRIORITY, 0, 5, DEPENDS_ON_1),
    "PRIORITY for an open stream": headers(1) + frame(PRIORITY, 0, 1, word(0) + b"\x10"),
    "PRIORITY for a stream that is over": ENDED + frame(PRIORITY, 0, 1, word(0) + b"\x10"),
    "a head with a priority": headers(3, flags=END_HEADERS | HAS_PRIORITY, before=DEPENDS_ON_1),
    "WINDOW_UPDATE behind the end": headers(1) + window_update(1, 10),
    "WINDOW_UPDATE for a stream that is over": ENDED + window_update(1, 10),
    "RST_STREAM for a stream that is over": ENDED + rst(1),
    "RST_STREAM with an unknown code": headers(1) + rst(1, 0xFFFF),
    "WINDOW_UPDATE for a stream that we reset": headers(1, GET[1:]) + window_update(1, MAX_WINDOW),
    "DATA for a stream that we reset": headers(1, GET[1:], ends=False) + data(1, b"a") + data(1, b"", ends=True),
    "trailers for a stream that we reset": headers(1, GET[1:], ends=False) + headers(1, [(b"x", b"y")]),
    "PING": frame(PING, 0, 0, b"12345678"),
    "an answer to no PING": frame(PING, ACK, 0, b"12345678"),
    "PRIORITY_UPDATE": frame(PRIORITY_UPDATE, 0, 0, word(1) + b"u=1, i"),
    "PRIORITY_UPDATE that says nothing": frame(PRIORITY_UPDATE, 0, 0, word(1) + b"\xff{}"),
    "a stream window at the maximum": headers(1) + window_update(1, MAX_WINDOW - 65535),
    "ids that are skipped": headers(1) + headers(101),
    "an empty CONTINUATION": HALF_HEAD + frame(CONTINUATION, 0, 1) + frame(CONTINUATION, END_HEADERS, 1),
}


@pytest.mark.parametrize(("sent", "code"), CONNECTION_FAULTS.values(), ids=CONNECTION_FAULTS.keys())
def test_the_connection_ends(sent: bytes, code: Code) -> None:
    peer = Peer(opened=False)
    events = peer.receive(sent)
    assert [type(event) for event in events] == [Fault]
    assert (events[0].stream_id, peer.engine.closing) == (0, True)
    assert peer.goaway()[1] is code
    assert peer.receive(headers(999)) == []
    assert (peer.frames(), peer.budget.used) == ([], 0)


@pytest.mark.parametrize(("sent", "code"), STREAM_FAULTS.values(), ids=STREAM_FAULTS.keys())
def test_a_stream_ends_that_nobody_was_told_of(sent: bytes, code: Code) -> None:
    peer = Peer()
    assert peer.receive(sent) == []
    assert peer.resets() == [(1, code)]
    assert (peer.engine.open_streams, peer.budget.used) == (0, 0)
    assert peer.request(headers(99)).stream_id == 99
    peer.answer(99)
    assert bodies(peer.frames()) == {99: b"ok"}


@pytest.mark.parametrize(
    ("sent", "code"),
    [fault for fault in STREAM_FAULTS.values() if fault[0].startswith((OPEN, headers(1), DECLARED))],
)
def test_a_stream_ends_that_has_an_exchange(sent: bytes, code: Code) -> None:
    peer = Peer()
    size = int.from_bytes(sent[:3], "big") + 9
    peer.request(sent[:size])
    assert peer.receive(sent[size:]) == [StreamReset(1)]
    assert peer.resets() == [(1, code)]
    peer.answer(1)
    assert (peer.frames(), peer.budget.used) == ([], 0)
    peer.engine.release(1)
    assert peer.request(headers(99)).stream_id == 99


@pytest.mark.parametrize("sent", HARMLESS.values(), ids=HARMLESS.keys())
def test_the_connection_lives(sent: bytes) -> None:
    peer = Peer()
    assert not any(isinstance(event, Fault) for event in peer.receive(sent))
    peer.frames()
    peer.receive(headers(1001))
    peer.answer(1001)
    frames = peer.frames()
    assert bodies(frames) == {1001: b"ok"}
    assert not peer.engine.closing


def test_a_whole_exchange_is_closed_to_the_client() -> None:
    for late, code in ((data(1, b"a"), Code.STREAM_CLOSED), (headers(1, [(b"x", b"y")]), Code.STREAM_CLOSED)):
        peer = Peer()
        peer.receive(headers(1))
        peer.answer(1)
        peer.frames()
        peer.engine.release(1)
        assert isinstance(peer.receive(late)[0], Fault)
        assert peer.goaway() == (1, code)


def test_ping_and_settings_are_acknowledged() -> None:
    peer = Peer()
    peer.receive(frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, setting(4, 10)))
    assert peer.frames() == [(PING, ACK, 0, b"12345678"), (SETTINGS, ACK, 0, b"")]


def test_goaway_names_the_last_stream_somebody_heard_of() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3))
    peer.receive(headers(5), data(0, b"a"))
    assert peer.goaway() == (3, Code.PROTOCOL_ERROR)


def test_goaway_says_why() -> None:
    peer = Peer()
    (fault,) = peer.receive(data(0, b"a"))
    assert isinstance(fault, Fault)
    assert peer.frames()[-1].payload[8:] == fault.detail.encode() == b"DATA on stream 0"


def test_nothing_of_a_body_follows_the_end() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.answer(1, bytes(1000))
    peer.receive(data(0, b"a"))
    assert [sent.kind for sent in peer.frames()] == [HEADERS, GOAWAY]
    peer.answer(1)
    assert peer.frames() == []


def test_a_larger_frame_is_taken_where_the_options_say_so() -> None:
    peer = Peer(h2_max_frame_bytes=20000)
    request = peer.request(headers(1, POST, ends=False), data(1, bytes(20000), ends=True))
    assert len(request.body) == 20000
