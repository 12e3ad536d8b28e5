"""How one exchange ends and the next may begin: unread bodies, expectations, ends of input."""

import pytest

from pagi.server.options import HTTP1Options
from pagi.server.wire.events import (
    Answer,
    BodyData,
    BodyEnd,
    Event,
    Fault,
    InformationalHead,
    InputEnded,
    Request,
)
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http1 import HTTP1Engine
from tests.server.wire.output import joined

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
COMMON = StaticLines(b"\r\ndate: D\r\nserver: pagi")


def post(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


def engine() -> HTTP1Engine:
    return HTTP1Engine(HTTP1Options(), COMMON, drain_bytes=100)


def the_request(events: list[Event]) -> Request:
    (request,) = events
    assert isinstance(request, Request)
    return request


def is_draining(wire: HTTP1Engine) -> bool:
    return wire.draining and not wire.idle and not wire.mid_head


def answer(wire: HTTP1Engine, stream_id: int = 1, body: bytes = b"ok") -> bytes:
    wire.send(Answer(stream_id, 200, [], body))
    return joined(wire)


# ---- unread bodies


@pytest.mark.parametrize(
    ("head", "rest"),
    [(post(50), b"x" * 50), (CHUNKED, b"28\r\n" + b"x" * 40 + b"\r\n0\r\n\r\n")],
    ids=["sized", "chunked"],
)
def test_a_short_unread_body_is_swallowed_and_never_taken_for_a_request(head: bytes, rest: bytes) -> None:
    wire = engine()
    wire.receive(head + rest[:4])
    assert b"connection:" not in answer(wire)
    assert wire.advance() == []
    assert is_draining(wire)
    assert wire.receive(rest[4:20]) == []
    assert the_request(wire.receive(rest[20:] + GET)).stream_id == 2
    assert not is_draining(wire)
    assert wire.receive(b"") == [InputEnded(2)]


def test_a_drained_body_leaves_an_idle_connection() -> None:
    wire = engine()
    wire.receive(post(5))
    answer(wire)
    wire.advance()
    assert wire.receive(b"hello") == []
    assert wire.idle


def test_a_long_unread_body_closes_the_connection_and_the_answer_says_so() -> None:
    wire = engine()
    wire.receive(post(102) + b"x")
    assert b"\r\nconnection: close\r\n" in answer(wire)
    wire.advance()
    assert wire.closing
    assert wire.receive(GET) == []


def test_a_body_exactly_at_the_drain_limit_is_swallowed() -> None:
    wire = engine()
    wire.receive(post(100))
    assert b"connection:" not in answer(wire)
    wire.advance()
    assert not wire.closing


def test_a_long_unread_chunked_body_closes_when_the_limit_is_passed() -> None:
    wire = engine()
    wire.receive(CHUNKED)
    answer(wire)
    wire.advance()
    assert wire.receive(b"32\r\n" + b"x" * 50 + b"\r\n") == []
    assert not wire.closing
    assert wire.receive(b"32\r\n" + b"x" * 50 + b"\r\n0\r\n\r\n" + GET) == []
    assert wire.closing


def test_a_broken_unread_body_closes_without_a_second_answer() -> None:
    wire = engine()
    wire.receive(CHUNKED)
    answer(wire)
    wire.advance()
    assert wire.receive(b"nonsense\r\n" + GET) == []
    assert wire.closing
    assert wire.take_output() == []


def test_input_that_ends_while_draining_closes() -> None:
    wire = engine()
    wire.receive(post(50))
    answer(wire)
    wire.advance()
    assert wire.receive(b"") == [InputEnded(0)]
    assert wire.closing


# ---- 100-continue


def test_100_is_sent_once_when_asked_for() -> None:
    wire = engine()
    assert the_request(wire.receive(EXPECT)).head.expects_continue
    wire.send(InformationalHead(1, 100, []))
    wire.send(InformationalHead(1, 100, []))
    assert joined(wire) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert wire.receive(b"hello") == [BodyData(1, b"hello"), BodyEnd(1)]
    assert b"connection:" not in answer(wire)
    wire.advance()
    assert wire.idle


def test_100_is_not_sent_to_who_did_not_ask_or_sent_it_all() -> None:
    for raw in (post(5), EXPECT + b"hello", b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"):
        wire = engine()
        wire.receive(raw)
        wire.send(InformationalHead(1, 100, []))
        assert wire.take_output() == []


def test_an_expectation_never_answered_closes_the_connection() -> None:
    wire = engine()
    wire.receive(EXPECT)
    assert b"\r\nconnection: close\r\n" in answer(wire)
    wire.advance()
    assert wire.closing


def test_an_expectation_whose_body_came_unasked_keeps_the_connection() -> None:
    wire = engine()
    wire.receive(EXPECT)
    wire.receive(b"hello")
    assert b"connection:" not in answer(wire)
    wire.advance()
    assert wire.idle


# ---- ends of input


def test_a_client_that_closes_its_half_is_still_answered() -> None:
    wire = engine()
    wire.receive(GET)
    assert wire.receive(b"") == [InputEnded(1)]
    assert wire.receive(b"") == []
    assert b"\r\nconnection: close\r\n" in answer(wire)
    wire.advance()
    assert wire.closing


def test_requests_kept_back_are_answered_after_the_end_of_input() -> None:
    wire = engine()
    wire.receive(GET + GET)
    wire.receive(b"")
    assert b"connection:" not in answer(wire)
    assert the_request(wire.advance()).stream_id == 2
    assert b"\r\nconnection: close\r\n" in answer(wire, 2)
    assert wire.advance() == []
    assert wire.closing


def test_a_kept_back_request_cut_short_is_a_fault_in_its_head_and_an_end_in_its_body() -> None:
    wire = engine()
    wire.receive(GET + GET[:9])
    wire.receive(b"")
    answer(wire)
    (fault,) = wire.advance()
    assert isinstance(fault, Fault)
    wire = engine()
    wire.receive(GET + post(5) + b"hell")
    wire.receive(b"")
    answer(wire)
    request, end = wire.advance()
    assert isinstance(request, Request)
    assert not request.complete
    assert end == InputEnded(2)


def test_an_empty_line_kept_back_at_the_end_of_input_is_nothing() -> None:
    wire = engine()
    wire.receive(GET + b"\r\n")
    wire.receive(b"")
    answer(wire)
    assert wire.advance() == []
    assert wire.closing


def test_a_body_cut_short_is_an_end_of_input() -> None:
    wire = engine()
    wire.receive(post(5) + b"hell")
    assert wire.receive(b"") == [InputEnded(1)]
    assert b"\r\nconnection: close\r\n" in answer(wire)
    wire.advance()
    assert wire.closing
