"""What a WebSocket engine refuses: RFC 6455 sections 5 and 7 and RFC 7692 as tables."""

import pytest

from pagi.server.wire.deflate import deflate
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import TextMessage, WebSocketNotOpen, WSFault
from tests.server.wire.client_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    FIN,
    LIMIT,
    PING,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    close,
    frame,
    in_bytes,
    output,
    packed,
    text,
)

FAULTS: dict[str, tuple[bytes, int]] = {
    **{
        f"RSV bit {bit:#x} on a {name}": (frame(FIN | bit | opcode, b"x"), 1002)
        for bit in (RSV1, RSV2, RSV3)
        for name, opcode in (("text", TEXT), ("ping", PING))
    },
    **{f"reserved opcode {opcode}": (frame(FIN | opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a control frame of 126 bytes": (frame(FIN | PING, b"x" * 126), 1002),
    "a control frame of 65,536 bytes": (frame(FIN | PING, size=65536), 1002),
    "a fragmented ping": (frame(PING, b"x"), 1002),
    "a fragmented close": (frame(CLOSE), 1002),
    "an unmasked text": (frame(FIN | TEXT, b"hello", masked=False), 1002),
    "an unmasked ping": (frame(FIN | PING, b"hello", masked=False), 1002),
    "an unmasked empty frame": (frame(FIN | BINARY, masked=False), 1002),
    "a continuation of nothing": (frame(FIN | CONTINUATION, b"x"), 1002),
    "an unfinished continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a text inside a fragmented text": (frame(TEXT, b"a") + text("b"), 1002),
    "a binary inside a fragmented text": (frame(TEXT, b"a") + frame(FIN | BINARY, b"b"), 1002),
    "a length of 125 in three bytes": (frame(FIN | TEXT, b"x" * 125, form=16), 1002),
    "a length of 0 in three bytes": (frame(FIN | TEXT, form=16), 1002),
    "a length of 65,535 in nine bytes": (frame(FIN | TEXT, b"x" * 65535, form=64), 1002),
    "a length of 1 in nine bytes": (frame(FIN | TEXT, b"x", form=64), 1002),
    "a length with the top bit": (frame(FIN | BINARY, size=1 << 63, form=64), 1002),
    "a close of one byte": (frame(FIN | CLOSE, b"\x03"), 1002),
    **{
        f"close code {code}": (close(code), 1002) for code in (0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "a close reason that is not UTF-8": (close(1000, b"\xff"), 1007),
    "a text that is not UTF-8": (frame(FIN | TEXT, b"a\xff"), 1007),
    "a text that ends inside a character": (frame(FIN | TEXT, b"\xc3"), 1007),
    "a text with a surrogate": (frame(FIN | TEXT, b"\xed\xa0\x80"), 1007),
    "a text with an overlong slash": (frame(FIN | TEXT, b"\xc0\xaf"), 1007),
    "a text past the last code point": (frame(FIN | TEXT, b"\xf4\x90\x80\x80"), 1007),
    "a long text that is not UTF-8": (frame(FIN | TEXT, b"a" * 200 + b"\xff"), 1007),
    "a fragment that is not UTF-8": (frame(TEXT, b"\xff"), 1007),
    "fragments that end inside a character": (frame(TEXT, b"a") + frame(FIN, b"\xc3"), 1007),
}


@pytest.mark.parametrize(("data", "code"), FAULTS.values(), ids=FAULTS)
def test_a_broken_rule_closes_with_its_code(data: bytes, code: int) -> None:
    engine = WebSocketEngine(LIMIT)
    events = engine.receive(data)
    assert [type(event) for event in events] == [WSFault]
    assert (events[0].code if isinstance(events[0], WSFault) else 0) == code
    assert output(engine)[:4] == bytes([FIN | CLOSE, len(websocket_reason(code)) + 2]) + code.to_bytes(2, "big")


def websocket_reason(code: int) -> str:
    return {1002: "protocol error", 1007: "invalid data", 1009: "message too big"}[code]


@pytest.mark.parametrize(("data", "code"), [case for case in FAULTS.values() if len(case[0]) < 1000], ids=lambda case: "")
def test_a_broken_rule_closes_with_its_code_byte_by_byte(data: bytes, code: int) -> None:
    events = in_bytes(WebSocketEngine(LIMIT), data)
    assert [event.code for event in events if isinstance(event, WSFault)] == [code]


@pytest.mark.parametrize(("data", "code"), FAULTS.values(), ids=FAULTS)
def test_every_fault_says_why(data: bytes, code: int) -> None:
    (fault,) = WebSocketEngine(LIMIT).receive(data)
    assert isinstance(fault, WSFault)
    assert len(fault.detail) > 10


COMPRESSED_FAULTS: dict[str, tuple[bytes, int]] = {
    "RSV1 on a control frame": (frame(FIN | RSV1 | PING, b"x"), 1002),
    "RSV1 on a continuation": (frame(RSV1 | TEXT, b"\xf2\x48\xcd") + frame(FIN | RSV1, b"\xc9\xc9\x07\x00"), 1002),
    "RSV1 on a continuation of a plain message": (frame(TEXT, b"a") + frame(FIN | RSV1, b"b"), 1002),
    "RSV1 and RSV2": (frame(FIN | RSV1 | RSV2 | TEXT, b"\x00"), 1002),
    "an unmasked compressed frame": (frame(FIN | RSV1 | TEXT, b"\x00", masked=False), 1002),
    "no deflate stream": (frame(FIN | RSV1 | BINARY, b"\xff\xff\xff"), 1007),
    "no deflate stream, in fragments": (frame(RSV1 | BINARY, b"\xff\xff\xff"), 1007),
    "a deflate stream cut off": (frame(FIN | RSV1 | BINARY, deflate(b"abcdefgh" * 20, 15)[:6]), 1007),
    "a deflate stream cut off, in fragments": (frame(RSV1 | BINARY, deflate(b"abcdefgh" * 20, 15)[:6]) + frame(FIN), 1007),
    "bytes after the last block": (frame(FIN | RSV1 | TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00more"), 1007),
    "a compressed text that is not UTF-8": (packed(b"\xff", TEXT), 1007),
}


@pytest.mark.parametrize(("data", "code"), COMPRESSED_FAULTS.values(), ids=COMPRESSED_FAULTS)
def test_a_broken_rule_of_compression_closes_with_its_code(data: bytes, code: int) -> None:
    events = WebSocketEngine(LIMIT, DEFLATE).receive(data)
    assert [event.code for event in events if isinstance(event, WSFault)] == [code]


def test_what_came_before_a_fault_is_still_heard() -> None:
    events = WebSocketEngine(LIMIT).receive(text("one") + frame(FIN | 3) + text("two"))
    assert [type(event) for event in events] == [TextMessage, WSFault]


def test_nothing_is_read_after_a_fault() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.receive(frame(FIN | 3))
    assert engine.receive(text("late") + close(1000)) == []


def test_nothing_can_be_sent_after_a_fault() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.receive(frame(FIN | 3))
    assert (engine.is_open, engine.close_sent, engine.close_received) == (False, True, False)
    with pytest.raises(WebSocketNotOpen):
        engine.send_text("late")
