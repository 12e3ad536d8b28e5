"""The HTTP/1.1 engine over whole exchanges: bodies, pipelining, keep-alive, early hints, tunnels."""

import pytest

from pagi.server.options import HTTP1Options
from pagi.server.wire.engine import Engine, EventRefused
from pagi.server.wire.events import (
    Abort,
    Answer,
    BodyData,
    BodyEnd,
    Event,
    Fault,
    InformationalHead,
    InputEnded,
    Request,
    RequestHead,
    ResponseData,
    ResponseEnd,
    ResponseHead,
    StreamReset,
    TunnelOpened,
)
from pagi.server.wire.head_writer import HeaderRefused, StaticLines
from pagi.server.wire.http1 import HTTP1Engine
from tests.server.wire.output import joined

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
COMMON = StaticLines(b"\r\ndate: D\r\nserver: pagi")


def post(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


def engine(*, early_hints: bool = False) -> HTTP1Engine:
    return HTTP1Engine(HTTP1Options(early_hints=early_hints), COMMON, drain_bytes=100)


def the_request(events: list[Event]) -> Request:
    (request,) = events
    assert isinstance(request, Request)
    return request


def answer(wire: HTTP1Engine, stream_id: int = 1, body: bytes = b"ok") -> bytes:
    wire.send(Answer(stream_id, 200, [], body))
    return joined(wire)


def test_a_request_without_a_body_is_complete_at_once() -> None:
    wire = engine()
    request = the_request(wire.receive(GET))
    assert (request.stream_id, request.body, request.complete, request.head.has_body) == (1, b"", True, False)
    assert (wire.idle, wire.mid_head) == (False, False)
    assert answer(wire) == b"HTTP/1.1 200 OK\r\ndate: D\r\nserver: pagi\r\ncontent-length: 2\r\n\r\nok"
    assert wire.advance() == []
    assert wire.idle
    assert not wire.closing
    assert the_request(wire.receive(GET)).stream_id == 2


def test_a_body_in_the_same_read_comes_with_its_request() -> None:
    request = the_request(engine().receive(post(5) + b"hello"))
    assert (request.body, request.complete, request.head.content_length) == (b"hello", True, 5)


def test_a_chunked_body_in_the_same_read_comes_with_its_request() -> None:
    request = the_request(engine().receive(CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"))
    assert (request.body, request.complete, request.head.content_length, request.head.has_body) == (b"hello", True, None, True)


def test_a_body_that_comes_later_is_handed_over_without_a_copy() -> None:
    wire = engine()
    request = the_request(wire.receive(post(100_005) + b"hello"))
    assert (request.body, request.complete) == (b"hello", False)
    received = bytes(100_000)
    data, end = wire.receive(received)
    assert isinstance(data, BodyData)
    assert data.data is received
    assert end == BodyEnd(1)


def test_a_chunked_body_that_comes_later_is_data_and_an_end() -> None:
    wire = engine()
    assert the_request(wire.receive(CHUNKED)).complete is False
    assert wire.receive(b"5\r\nhel") == [BodyData(1, b"hel")]
    assert wire.receive(b"lo\r\n0\r\n") == [BodyData(1, b"lo")]
    assert wire.receive(b"\r\n") == [BodyEnd(1)]


@pytest.mark.parametrize("first", [post(5) + b"hello", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", GET, b"\r\n" + GET])
def test_a_pipelined_request_waits_for_its_turn(first: bytes) -> None:
    wire = engine()
    assert the_request(wire.receive(first + GET)).complete
    assert wire.waiting_bytes == len(GET)
    assert wire.receive(GET) == []
    assert wire.waiting_bytes == 2 * len(GET)
    assert not wire.mid_head
    for stream_id in (1, 2):
        answer(wire, stream_id)
        assert the_request(wire.advance()).stream_id == stream_id + 1
    answer(wire, 3)
    assert wire.advance() == []
    assert wire.idle


def test_a_pipelined_request_after_a_body_that_came_later_waits_too() -> None:
    for head, rest in ((post(5), b"hello"), (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n")):
        wire = engine()
        wire.receive(head)
        assert wire.receive(rest + GET) == [BodyData(1, b"hello"), BodyEnd(1)]
        answer(wire)
        assert the_request(wire.advance()).stream_id == 2


def test_a_fault_in_a_pipelined_request_comes_with_its_turn() -> None:
    wire = engine()
    wire.receive(GET + b"GET / HTTP/3.0\r\n\r\n")
    answer(wire)
    (fault,) = wire.advance()
    assert isinstance(fault, Fault)
    assert (fault.stream_id, fault.status) == (2, 505)
    assert b"connection: close" in answer(wire, 2)


def test_a_fault_in_a_body_belongs_to_its_exchange() -> None:
    wire = engine()
    wire.receive(CHUNKED)
    (fault,) = wire.receive(b"nonsense\r\n")
    assert isinstance(fault, Fault)
    assert (fault.stream_id, fault.status) == (1, 400)
    assert b"connection: close" in answer(wire)
    assert wire.receive(GET) == []


def test_a_broken_body_in_the_same_read_never_becomes_a_request() -> None:
    wire = engine()
    (fault,) = wire.receive(CHUNKED + b"nonsense\r\n" + GET)
    assert isinstance(fault, Fault)
    wire.advance()
    assert wire.closing


# ---- where a head stands


def test_an_unfinished_head_is_told_from_idleness() -> None:
    wire = engine()
    assert (wire.idle, wire.mid_head) == (True, False)
    assert wire.receive(GET[:9]) == []
    assert (wire.idle, wire.mid_head) == (False, True)
    assert the_request(wire.receive(GET[9:])).head.method == "GET"
    assert (wire.idle, wire.mid_head) == (False, False)


def test_an_unfinished_pipelined_head_counts_once_it_is_its_turn() -> None:
    wire = engine()
    wire.receive(GET + GET[:9])
    assert not wire.mid_head
    answer(wire)
    assert wire.advance() == []
    assert wire.mid_head


# ---- keep-alive and close


@pytest.mark.parametrize(
    ("head", "line", "connection", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK", None, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 OK", b"close", True),
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK", b"close", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"HTTP/1.0 200 OK", b"keep-alive", False),
    ],
)
def test_the_answer_says_what_becomes_of_the_connection(head: bytes, line: bytes, connection: bytes | None, closes: bool) -> None:
    wire = engine()
    wire.receive(head)
    lines = answer(wire).split(b"\r\n")
    assert lines[0] == line
    assert [value for value in lines if value.startswith(b"connection:")] == ([b"connection: " + connection] if connection else [])
    wire.advance()
    assert wire.closing is closes


def test_the_application_may_close_the_connection() -> None:
    for events in (
        [Answer(1, 200, [(b"Connection", b"Close")], b"")],
        [ResponseHead(1, 200, [(b"Connection", b"Close")]), ResponseEnd(1)],
    ):
        wire = engine()
        wire.receive(GET)
        for event in events:
            wire.send(event)
        assert joined(wire).count(b"\r\nconnection: close\r\n") == 1
        wire.advance()
        assert wire.closing


def test_on_shutdown_the_last_answer_says_close() -> None:
    wire = engine()
    wire.receive(GET + GET)
    wire.close_after()
    assert b"\r\nconnection: close\r\n" in answer(wire)
    assert wire.advance() == []
    assert wire.closing


def test_a_streamed_answer_of_unknown_length_ends_a_1_0_connection() -> None:
    wire = engine()
    wire.receive(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    for event in (ResponseHead(1, 200, []), ResponseData(1, b"hello"), ResponseEnd(1)):
        wire.send(event)
    assert joined(wire) == b"HTTP/1.0 200 OK\r\ndate: D\r\nserver: pagi\r\nconnection: close\r\n\r\nhello"
    wire.advance()
    assert wire.closing


# ---- early hints


def test_103_goes_out_only_by_option_and_only_to_1_1_and_before_the_head() -> None:
    hint = InformationalHead(1, 103, [(b"link", b"</a.css>; rel=preload")])
    for wire, raw, sent in (
        (engine(early_hints=True), GET, b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"),
        (engine(), GET, b""),
        (engine(early_hints=True), b"GET / HTTP/1.0\r\n\r\n", b""),
    ):
        wire.receive(raw)
        wire.send(hint)
        assert joined(wire) == sent
        wire.send(ResponseHead(1, 200, []))
        wire.take_output()
        wire.send(hint)
        assert wire.take_output() == []


@pytest.mark.parametrize("status", [101, 200, 99])
def test_other_statuses_are_no_interim_heads(status: int) -> None:
    wire = engine(early_hints=True)
    wire.receive(GET)
    with pytest.raises(HeaderRefused):
        wire.send(InformationalHead(1, status, []))


# ---- tunnels

WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def test_an_opened_tunnel_passes_bytes_both_ways() -> None:
    wire = engine()
    assert the_request(wire.receive(WEBSOCKET + b"early")).head.tunnel == "websocket"
    assert wire.receive(b" bird") == []
    wire.send(TunnelOpened(1, [(b"sec-websocket-accept", b"x")]))
    assert joined(wire) == (
        b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    )
    assert wire.advance() == [BodyData(1, b"early bird")]
    assert wire.advance() == []
    assert wire.receive(b"frame") == [BodyData(1, b"frame")]
    wire.send(ResponseData(1, b"reply"))
    assert wire.queued(1) == 5
    assert wire.take_output() == [b"reply"]
    assert wire.receive(b"") == [InputEnded(1)]
    assert not wire.closing
    wire.send(ResponseEnd(1))
    assert wire.closing


def test_bytes_that_waited_for_a_tunnel_come_before_later_ones() -> None:
    wire = engine()
    wire.receive(WEBSOCKET + b"early")
    wire.send(TunnelOpened(1, []))
    assert wire.receive(b"late") == [BodyData(1, b"early"), BodyData(1, b"late")]


def test_a_refused_tunnel_goes_on_as_http() -> None:
    wire = engine()
    wire.receive(WEBSOCKET + GET)
    wire.send(Answer(1, 403, [], b"no"))
    assert the_request(wire.advance()).stream_id == 2


def test_an_upgrade_required_answer_names_the_protocol() -> None:
    wire = engine()
    wire.receive(GET)
    wire.send(Answer(1, 426, [(b"upgrade", b"websocket")], b""))
    assert joined(wire).endswith(b"\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n")


# ---- the rest


def test_an_abort_closes_and_writes_nothing_more() -> None:
    wire = engine()
    wire.receive(GET)
    wire.send(ResponseHead(1, 200, []))
    wire.take_output()
    wire.send(Abort(1))
    assert wire.closing
    assert wire.take_output() == []


def test_an_event_of_the_peer_cannot_be_sent() -> None:
    wire = engine()
    wire.receive(GET)
    with pytest.raises(EventRefused):
        wire.send(StreamReset(1))


def test_advance_without_an_exchange_does_nothing() -> None:
    wire = engine()
    assert wire.advance() == []
    assert wire.idle
    wire.consumed(1, 5)
    assert wire.idle


def test_an_answer_between_requests_has_its_body_even_after_head() -> None:
    wire = engine()
    wire.receive(GET.replace(b"GET", b"HEAD"))
    assert answer(wire).endswith(b"content-length: 2\r\n\r\n")
    wire.advance()
    wire.receive(GET[:9])
    wire.close_after()
    wire.send(Answer(0, 408, [], b"too slow"))
    assert joined(wire).endswith(b"\r\nconnection: close\r\ncontent-length: 8\r\n\r\ntoo slow")


def test_a_client_that_repeats_its_fields_is_read_as_one_that_does_not() -> None:
    fields = b"Host: a\r\nAccept: text/event-stream\r\nContent-Length: 2\r\n\r\nhi"
    others = b"Host: b\r\nConnection: keep-alive\r\n\r\n"
    heads = [
        b"GET /a HTTP/1.1\r\n" + fields,
        b"HEAD /b HTTP/1.1\r\n" + fields,
        b"GET /a HTTP/1.1\r\n" + others,
        b"GET /a HTTP/1.1\r\n" + fields,
    ]
    wire = engine()
    for stream_id, raw in enumerate((*heads, *heads), 1):
        known, anew = the_request(wire.receive(raw)), the_request(engine().receive(raw))
        assert known.body == anew.body
        assert {name: getattr(known.head, name) for name in RequestHead.__struct_fields__} == {
            name: getattr(anew.head, name) for name in RequestHead.__struct_fields__
        }
        answer(wire, stream_id)
        wire.advance()


def test_the_engine_meets_the_seam() -> None:
    wire: Engine = engine()
    assert wire.http_version == "1.1"


def test_two_requests_never_share_a_header_list() -> None:
    wire = engine()
    first: RequestHead = the_request(wire.receive(GET)).head
    first.headers.append((b"x", b"y"))
    answer(wire)
    wire.advance()
    assert the_request(wire.receive(GET)).head.headers == [(b"host", b"a")]
