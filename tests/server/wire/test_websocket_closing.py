"""Ping, Pong and Close (RFC 6455 sections 5.5 and 7), and what still comes after a Close of ours."""

import random

import pytest

from pagi.server.wire.deflate import deflate
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import (
    Closed,
    Ping,
    Pong,
)
from tests.server.wire.client_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    FIN,
    KIB,
    LIMIT,
    PING,
    PONG,
    RSV1,
    TEXT,
    close,
    closing,
    code_of,
    frame,
    in_bytes,
    output,
    packed,
    peak_while,
    text,
)


def test_a_ping_is_answered_with_its_payload() -> None:
    engine = WebSocketEngine(LIMIT)
    assert engine.receive(frame(FIN | PING, b"are you there")) == [Ping(b"are you there")]
    assert output(engine) == b"\x8a\x0dare you there"


@pytest.mark.parametrize("join", [True, False], ids=["in one read", "one by one"])
def test_a_few_pings_are_all_answered_in_their_order(join: bool) -> None:
    engine = WebSocketEngine(LIMIT)
    pings = [frame(FIN | PING, b"%d" % i) for i in range(10)]
    for data in [b"".join(pings)] if join else pings:
        engine.receive(data)
    assert engine.queued == 30
    assert output(engine) == b"".join(b"\x8a\x01%d" % i for i in range(10))


@pytest.mark.parametrize("join", [True, False], ids=["in one read", "one by one"])
def test_of_many_pings_only_the_latest_are_answered(join: bool) -> None:
    engine = WebSocketEngine(LIMIT)
    pings = [frame(FIN | PING, b"%d" % i) for i in range(100)]
    for data in [b"".join(pings)] if join else pings:
        engine.receive(data)
    assert engine.queued == 16 * 4
    assert output(engine) == b"".join(b"\x8a\x02%d" % i for i in range(84, 100))


def test_a_pong_goes_before_the_answer_to_the_message_around_its_ping() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.receive(frame(TEXT, b"a") + frame(FIN | PING, b"x") + frame(FIN | CONTINUATION, b"b"))
    engine.send_text("ab")
    assert engine.queued == 7
    assert output(engine) == b"\x8a\x01x\x81\x02ab"


def test_a_pong_goes_before_a_close() -> None:
    engine = WebSocketEngine(LIMIT)
    engine.receive(frame(FIN | PING, b"x"))
    engine.close()
    assert output(engine) == b"\x8a\x01x\x88\x02\x03\xe8"


def test_a_close_is_echoed_with_code_and_reason() -> None:
    engine = WebSocketEngine(LIMIT)
    assert engine.receive(close(4001, "tschüß".encode())) == [Closed(4001, "tschüß")]
    assert output(engine) == b"\x88\x0a\x0f\xa1" + "tschüß".encode()
    assert (engine.is_open, engine.close_sent, engine.close_received) == (False, True, True)


def test_a_close_without_a_code_is_1005_and_echoed_empty() -> None:
    engine = WebSocketEngine(LIMIT)
    assert engine.receive(frame(FIN | CLOSE)) == [Closed(1005, "")]
    assert output(engine) == b"\x88\x00"


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999])
def test_a_lawful_close_code_is_heard(code: int) -> None:
    assert WebSocketEngine(LIMIT).receive(close(code)) == [Closed(code, "")]


def test_nothing_is_read_after_the_peers_close() -> None:
    assert WebSocketEngine(LIMIT).receive(close(1000) + text("late") + close(1001)) == [Closed(1000, "")]


def test_a_close_inside_a_fragmented_message_ends_it() -> None:
    assert WebSocketEngine(LIMIT).receive(frame(TEXT, b"half") + close(1000)) == [Closed(1000, "")]


AFTER_OUR_CLOSE: dict[str, bytes] = {
    "a text": text("late"),
    "a text that is not UTF-8": frame(FIN | TEXT, b"\xff"),
    "a long binary": frame(FIN | BINARY, b"x" * 70_000),
    "fragments": frame(TEXT, b"a") + frame(CONTINUATION) + frame(FIN, b"b"),
    "a compressed message": packed(b"x" * 1000),
    "a ping among data": text("a") + frame(FIN | PING, b"x") + text("b"),
}


@pytest.mark.parametrize("data", AFTER_OUR_CLOSE.values(), ids=AFTER_OUR_CLOSE)
def test_after_our_close_data_is_dropped_and_the_peers_close_is_heard(data: bytes) -> None:
    engine = closing()
    events = engine.receive(data + close(1001))
    assert [event for event in events if not isinstance(event, Ping)] == [Closed(1001, "")]
    assert output(engine) == b""


@pytest.mark.parametrize("data", [case for case in AFTER_OUR_CLOSE.values() if len(case) < 1000], ids=lambda case: "")
def test_after_our_close_bytes_one_by_one_are_dropped_too(data: bytes) -> None:
    events = in_bytes(closing(), data + close(1001))
    assert [event for event in events if not isinstance(event, Ping)] == [Closed(1001, "")]


@pytest.mark.parametrize("first", [FIN | BINARY, BINARY, FIN | RSV1 | BINARY, FIN | PONG], ids=["plain", "fragment", "packed", "pong"])
@pytest.mark.parametrize("cut", [1, 3, 5, 6, 60])
def test_our_close_may_fall_inside_a_frame_of_the_peer(first: int, cut: int) -> None:
    data = frame(first, deflate(random.Random(3).randbytes(100), 15))
    engine = WebSocketEngine(LIMIT, DEFLATE)
    assert engine.receive(data[:cut]) == []
    engine.close()
    events = engine.receive(data[cut:] + frame(FIN | BINARY, b"late") + close(1000))
    assert [event for event in events if not isinstance(event, Pong)] == [Closed(1000, "")]


def test_a_broken_control_frame_after_our_close_is_a_fault_without_a_second_close() -> None:
    engine = closing()
    assert code_of(engine.receive(frame(FIN | 11))) == [1002]
    assert output(engine) == b""


def test_a_dropped_frame_is_not_buffered() -> None:
    engine = closing()
    engine.receive(frame(FIN | BINARY, size=1 << 40))

    def pour() -> None:
        for _ in range(100):
            engine.receive(bytes(64 * KIB))

    assert peak_while(pour) < 256 * KIB
