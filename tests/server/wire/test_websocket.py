"""WebSocket frames into messages and back: RFC 6455 section 5 as tables, wsproto's client as the peer."""

import gc
import random
import sys
import tracemalloc

import pytest
from wsproto import events as peer_events
from wsproto.connection import Connection, ConnectionType

from pagi.http.errors import AppError
from pagi.server.wire import masking, websocket
from pagi.server.wire.control_frames import InvalidClose, InvalidPing
from pagi.server.wire.masking import portable_mask
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import (
    BinaryMessage,
    Closed,
    Ping,
    Pong,
    TextMessage,
    UnsendableText,
    WebSocketNotOpen,
    WSEvent,
)
from tests.server.wire.client_frames import (
    BINARY,
    CONTINUATION,
    DEFLATE,
    FIN,
    KEY,
    LIMIT,
    MIB,
    PING,
    PONG,
    RSV1,
    TEXT,
    close,
    closing,
    frame,
    in_bytes,
    output,
    packed,
    send,
    text,
)

MESSAGES: dict[str, tuple[bytes, list[WSEvent]]] = {
    "an empty text": (text(""), [TextMessage("")]),
    "an empty binary": (frame(FIN | BINARY), [BinaryMessage(b"")]),
    "a short text": (text("grüß"), [TextMessage("grüß")]),
    "125 bytes, the last of one length byte": (text("a" * 125), [TextMessage("a" * 125)]),
    "126 bytes, the first of three": (text("a" * 126), [TextMessage("a" * 126)]),
    "65,535 bytes, the last of three": (frame(FIN | BINARY, b"b" * 65535), [BinaryMessage(b"b" * 65535)]),
    "65,536 bytes, the first of nine": (frame(FIN | BINARY, b"b" * 65536), [BinaryMessage(b"b" * 65536)]),
    "two in one read": (text("one") + text("two"), [TextMessage("one"), TextMessage("two")]),
    "fragments": (frame(TEXT, b"one ") + frame(CONTINUATION, b"") + frame(FIN, b"two"), [TextMessage("one two")]),
    "a character cut by fragments": (frame(TEXT, b"gr\xc3") + frame(FIN, b"\xbc\xc3\x9f"), [TextMessage("grüß")]),
    "empty fragments only": (frame(BINARY) + frame(FIN), [BinaryMessage(b"")]),
    "a ping between fragments": (frame(BINARY, b"a") + frame(FIN | PING, b"p") + frame(FIN, b"b"), [Ping(b"p"), BinaryMessage(b"ab")]),
    "a plain message after fragments": (frame(BINARY, b"a") + frame(FIN, b"b") + text("c"), [BinaryMessage(b"ab"), TextMessage("c")]),
    "a long fragment": (frame(BINARY, b"b" * 70_000) + frame(FIN, b"c"), [BinaryMessage(b"b" * 70_000 + b"c")]),
    "a pong nobody asked for": (frame(FIN | PONG, b"x" * 125), [Pong(b"x" * 125)]),
}


@pytest.mark.parametrize(("data", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_frames_become_messages(data: bytes, expected: list[WSEvent]) -> None:
    assert WebSocketEngine(LIMIT).receive(data) == expected


@pytest.mark.parametrize(("data", "expected"), [case for case in MESSAGES.values() if len(case[0]) < 1000], ids=lambda case: "")
def test_frames_become_the_same_messages_byte_by_byte(data: bytes, expected: list[WSEvent]) -> None:
    assert in_bytes(WebSocketEngine(LIMIT), data) == expected


COMPRESSED: dict[str, tuple[bytes, list[WSEvent]]] = {
    "a compressed text": (packed(b"abc" * 100, TEXT), [TextMessage("abc" * 100)]),
    "a compressed binary": (packed(b"abc" * 100), [BinaryMessage(b"abc" * 100)]),
    "a plain message though deflate is agreed": (text("plain"), [TextMessage("plain")]),
    "an empty compressed message": (frame(FIN | RSV1 | TEXT, b"\x00"), [TextMessage("")]),
    "an empty compressed message of no byte": (frame(FIN | RSV1 | TEXT), [TextMessage("")]),
    "RFC 7692's Hello": (frame(FIN | RSV1 | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00"), [TextMessage("Hello")]),
    "RFC 7692's Hello in a stored block": (
        frame(FIN | RSV1 | TEXT, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
        [TextMessage("Hello")],
    ),
    "RFC 7692's Hello with BFINAL": (frame(FIN | RSV1 | TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), [TextMessage("Hello")]),
    "RFC 7692's Hello in two blocks": (
        frame(FIN | RSV1 | TEXT, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
        [TextMessage("Hello")],
    ),
    "RFC 7692's Hello in two frames": (frame(RSV1 | TEXT, b"\xf2\x48\xcd") + frame(FIN, b"\xc9\xc9\x07\x00"), [TextMessage("Hello")]),
    "a ping inside a compressed message": (
        frame(RSV1 | TEXT, b"\xf2\x48\xcd") + frame(FIN | PING, b"\xf2") + frame(FIN, b"\xc9\xc9\x07\x00"),
        [Ping(b"\xf2"), TextMessage("Hello")],
    ),
    "a plain fragmented message after a compressed one": (
        packed(b"a" * 9) + frame(TEXT, b"b") + frame(FIN, b"c") + packed(b"d" * 9),
        [BinaryMessage(b"a" * 9), TextMessage("bc"), BinaryMessage(b"d" * 9)],
    ),
    "a compressed frame too long to be gathered": (
        packed(random.Random(1).randbytes(100_000)),
        [BinaryMessage(random.Random(1).randbytes(100_000))],
    ),
}


@pytest.mark.parametrize(("data", "expected"), COMPRESSED.values(), ids=COMPRESSED)
def test_compressed_frames_become_messages(data: bytes, expected: list[WSEvent]) -> None:
    assert WebSocketEngine(LIMIT, DEFLATE).receive(data) == expected


@pytest.mark.parametrize(("data", "expected"), [case for case in COMPRESSED.values() if len(case[0]) < 1000], ids=lambda case: "")
def test_compressed_frames_become_the_same_messages_byte_by_byte(data: bytes, expected: list[WSEvent]) -> None:
    assert in_bytes(WebSocketEngine(LIMIT, DEFLATE), data) == expected


SENT: dict[str, tuple[str | bytes, list[bytes]]] = {
    "an empty text": ("", [b"\x81\x00"]),
    "a text": ("grüß", [b"\x81\x06" + "grüß".encode()]),
    "125 bytes": (b"x" * 125, [b"\x82\x7d" + b"x" * 125]),
    "126 bytes": (b"x" * 126, [b"\x82\x7e\x00\x7e" + b"x" * 126]),
    "65,535 bytes": (b"x" * 65535, [b"\x82\x7e\xff\xff" + b"x" * 65535]),
    "65,536 bytes": (b"x" * 65536, [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", b"x" * 65536]),
}


@pytest.mark.parametrize(("message", "parts"), SENT.values(), ids=SENT)
def test_a_message_is_written_as_one_unmasked_frame(message: str | bytes, parts: list[bytes]) -> None:
    engine = WebSocketEngine(LIMIT)
    send(engine, message)
    assert engine.queued == sum(map(len, parts))
    assert engine.take_output() == parts
    assert (engine.queued, engine.take_output()) == (0, [])


def test_a_large_payload_is_not_copied() -> None:
    engine = WebSocketEngine(LIMIT)
    payload = bytes(MIB)
    engine.send_bytes(payload)
    assert engine.take_output()[1] is payload


def test_a_ping_is_written() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.ping(b"hi")
    assert output(engine) == b"\x89\x02hi"


def test_an_overlong_ping_is_refused() -> None:
    engine = WebSocketEngine(LIMIT)
    with pytest.raises(InvalidPing, match="125 bytes, got 126"):
        engine.ping(b"x" * 126)
    assert engine.queued == 0


def test_a_lone_surrogate_is_refused() -> None:
    engine = WebSocketEngine(LIMIT)
    with pytest.raises(UnsendableText, match="position 2"):
        engine.send_text("ab\ud800")
    assert engine.queued == 0


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70000])
def test_an_unlawful_close_code_is_refused(code: int) -> None:
    engine = WebSocketEngine(LIMIT)
    with pytest.raises(InvalidClose, match=f"close code {code} "):
        engine.close(code)
    assert engine.is_open


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_lawful_close_code_is_written(code: int) -> None:
    engine = WebSocketEngine(LIMIT)
    engine.close(code)
    assert output(engine) == b"\x88\x02" + code.to_bytes(2, "big")


def test_a_close_reason_may_have_123_bytes() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.close(1000, "ß" * 61 + "s")
    assert len(output(engine)) == 127


@pytest.mark.parametrize("reason", ["ß" * 62, "\ud800"], ids=["124 bytes", "a surrogate"])
def test_a_close_reason_that_does_not_fit_is_refused(reason: str) -> None:
    with pytest.raises(InvalidClose):
        WebSocketEngine(LIMIT).close(1000, reason)


def test_a_second_close_does_nothing() -> None:
    engine = closing()
    engine.close(1000)
    assert output(engine) == b""


@pytest.mark.parametrize("message", ["text", b"bytes"])
def test_sending_after_a_close_is_refused(message: str | bytes) -> None:
    engine = closing()
    with pytest.raises(WebSocketNotOpen):
        send(engine, message)
    with pytest.raises(WebSocketNotOpen):
        engine.ping()
    assert engine.queued == 0


@pytest.mark.parametrize("error", [InvalidClose, InvalidPing, UnsendableText, WebSocketNotOpen])
def test_what_may_not_be_sent_is_the_applications_error(error: type[Exception]) -> None:
    assert issubclass(error, AppError)


def test_a_large_message_is_deflated_where_agreed() -> None:
    engine = WebSocketEngine(LIMIT, DEFLATE)
    engine.send_text("hello " * 100)
    written = output(engine)
    assert written[0] == FIN | RSV1 | TEXT
    assert len(written) < 40


@pytest.mark.parametrize("message", [b"x" * 255, random.Random(4).randbytes(1000)], ids=["short", "noise"])
def test_what_compression_does_not_pay_for_goes_plain(message: bytes) -> None:
    engine = WebSocketEngine(LIMIT, DEFLATE)
    engine.send_bytes(message)
    assert output(engine)[0] == FIN | BINARY


def test_messages_of_wsprotos_client_are_read_and_ours_by_it() -> None:
    rng = random.Random(5)
    client, engine = Connection(ConnectionType.CLIENT), WebSocketEngine(LIMIT)
    for size in (0, 1, 125, 126, 5000, 65535, 65536, 200_000):
        for message in ("é" * (size // 2), rng.randbytes(size)):
            event = peer_events.TextMessage(message) if isinstance(message, str) else peer_events.BytesMessage(message)
            data, heard = client.send(event), list[WSEvent]()
            while data:
                cut = rng.randint(1, len(data))
                heard += engine.receive(data[:cut])
                data = data[cut:]
            assert heard == [TextMessage(message) if isinstance(message, str) else BinaryMessage(message)]
            send(engine, message)
            client.receive_data(output(engine))
            assert list(client.events()) == [event]
    assert engine.receive(client.send(peer_events.CloseConnection(1000, "done"))) == [Closed(1000, "done")]
    client.receive_data(output(engine))
    assert list(client.events()) == [peer_events.CloseConnection(1000, "done")]


def read(engine: WebSocketEngine, data: bytes) -> list[WSEvent]:
    """All that these bytes mean, in as many turns as it takes."""
    events = engine.receive(data)
    while engine.unread:
        events += engine.receive(b"")
    return events


def test_any_split_of_the_bytes_reads_alike() -> None:
    rng = random.Random(6)
    whole = b"".join(data for data, _ in [*MESSAGES.values(), *COMPRESSED.values()] * 2) + close(1000)
    expected = read(WebSocketEngine(LIMIT, DEFLATE), whole)
    assert expected[-1] == Closed(1000, "")
    for _ in range(30):
        engine, heard, start = WebSocketEngine(LIMIT, DEFLATE), list[WSEvent](), 0
        while start < len(whole):
            size = rng.choice((1, 2, 7, 100, 5000, 100_000))
            heard += read(engine, whole[start : start + size])
            start += size
        assert heard == expected


@pytest.mark.parametrize("plain", [0, 1, 2, 3, 4, 5, 2047, 2048, 2049, 2050, 2051, 70_000])
def test_python_masks_like_c(plain: int) -> None:
    data = random.Random(7).randbytes(plain)
    expected = bytes(byte ^ KEY[i % 4] for i, byte in enumerate(data))
    assert portable_mask(data, KEY) == expected
    assert masking.mask(data, KEY) == expected


def test_messages_are_read_without_the_c_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "mask", portable_mask)
    for data, expected in MESSAGES.values():
        assert WebSocketEngine(LIMIT).receive(data) == expected


def test_an_idle_socket_that_used_deflate_fragments_and_pings_holds_under_a_kibibyte() -> None:
    engines: list[WebSocketEngine] = []

    def exchange() -> None:
        for _ in range(100):
            engine = WebSocketEngine(LIMIT, DEFLATE)
            engine.receive(packed(b"x" * 1000, TEXT) + frame(TEXT, b"a" * 1000) + frame(FIN, b"b") + frame(FIN | PING))
            engine.send_text("x" * 1000)
            engine.take_output()
            engines.append(engine)

    exchange()  # what the first one ever loads and remembers is not theirs
    engines.clear()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        exchange()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held / len(engines) < 1024
    assert not hasattr(engines[0], "__dict__")
    assert sys.getsizeof(engines[0]) < 300
