"""What goes out: heads, framing, lengths, trailers; and what may not."""

import logging
from http import HTTPStatus
from typing import Any

import pytest

from pagi.http.errors import AppError
from pagi.server.options import HTTP1Options
from pagi.server.wire.events import Answer, Event, ResponseData, ResponseEnd, ResponseHead
from pagi.server.wire.head_writer import LINES, MAX_REMEMBERED, PREFIXES, HeaderRefused, StaticLines, WrongContentLength
from pagi.server.wire.http1 import HTTP1Engine
from pagi.server.wire.response_writer import JOIN_BYTES, BodyOutOfOrder, BodyRefused
from tests.server.wire.output import joined, taken

COMMON = b"\r\ndate: D\r\nserver: pagi"
BIG = bytes(JOIN_BYTES + 1)


def engine(request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> HTTP1Engine:
    wire = HTTP1Engine(HTTP1Options(), StaticLines(COMMON), 1024)
    wire.receive(request)
    return wire


HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
TE = b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"


def sent(wire: HTTP1Engine, *events: Event) -> bytes:
    for event in events:
        wire.send(event)
    return joined(wire)


ANSWERS: list[tuple[str, bytes, Answer, bytes]] = [
    ("a length is added", b"", Answer(1, 200, [], b"hi"), b"200 OK|content-length: 2||hi"),
    ("a right length is kept once", b"", Answer(1, 200, [(b"Content-Length", b"2")], b"hi"), b"200 OK|content-length: 2||hi"),
    ("names are lower-case", b"", Answer(1, 200, [(b"X-One", b"A b")], b""), b"200 OK|x-one: A b|content-length: 0||"),
    ("order is kept", b"", Answer(1, 200, [(b"b", b"1"), (b"a", b"2")], b""), b"200 OK|b: 1|a: 2|content-length: 0||"),
    (
        "two cookies stay two",
        b"",
        Answer(1, 200, [(b"set-cookie", b"a=1")] * 2, b""),
        b"200 OK|set-cookie: a=1|set-cookie: a=1|content-length: 0||",
    ),
    ("a tab and high bytes pass", b"", Answer(1, 200, [(b"x", b"a\t\xe9")], b""), b"200 OK|x: a\t\xe9|content-length: 0||"),
    ("a status of one's own", b"", Answer(1, 299, [], b""), b"299 |content-length: 0||"),
    ("a status as an enum", b"", Answer(1, HTTPStatus.CREATED, [], b""), b"201 Created|content-length: 0||"),
    ("204 has no length", b"", Answer(1, 204, [(b"content-length", b"0")], b""), b"204 No Content||"),
    ("204 has no body", b"", Answer(1, 204, [], b"hi"), b"204 No Content||"),
    ("304 keeps its length", b"", Answer(1, 304, [(b"content-length", b"7")], b""), b"304 Not Modified|content-length: 7||"),
    ("304 gets none", b"", Answer(1, 304, [], b""), b"304 Not Modified||"),
    ("HEAD has the length of its body", HEAD, Answer(1, 200, [], b"hi"), b"200 OK|content-length: 2||"),
    ("HEAD keeps its length", HEAD, Answer(1, 200, [(b"content-length", b"9")], b""), b"200 OK|content-length: 9||"),
    (
        "framing is ours",
        b"",
        Answer(1, 200, [(b"Transfer-Encoding", b"chunked"), (b"keep-alive", b"x")], b""),
        b"200 OK|content-length: 0||",
    ),
    ("so is the connection", b"", Answer(1, 200, [(b"connection", b"x"), (b"upgrade", b"h2c")], b""), b"200 OK|content-length: 0||"),
    ("1.0 gets keep-alive", OLD, Answer(1, 200, [], b"hi"), b"200 OK|connection: keep-alive|content-length: 2||hi"),
]


@pytest.mark.parametrize(("request_", "event", "expected"), [pytest.param(*row, id=name) for name, *row in ANSWERS])
def test_a_whole_answer(request_: bytes, event: Answer, expected: bytes) -> None:
    wire = engine(request_) if request_ else engine()
    status, _, rest = expected.partition(b"|")
    head = b"HTTP/1.%d %s%s" % (request_ is not OLD, status, COMMON)
    first = sent(wire, event)
    assert first == head + b"\r\n" + rest.replace(b"|", b"\r\n")
    assert sent(wire, event) == first  # from memory


STREAMS: list[tuple[str, bytes, ResponseHead, list[bytes], bytes]] = [
    (
        "chunks",
        b"",
        ResponseHead(1, 200, []),
        [b"hello", b"", b"x" * 16],
        b"200 OK|transfer-encoding: chunked||5|hello|10|" + b"x" * 16 + b"|0||",
    ),
    ("no chunks but the last", b"", ResponseHead(1, 200, []), [], b"200 OK|transfer-encoding: chunked||0||"),
    ("a declared length", b"", ResponseHead(1, 200, [(b"content-length", b"4")]), [b"ab", b"cd"], b"200 OK|content-length: 4||abcd"),
    ("HEAD", HEAD, ResponseHead(1, 200, []), [b"hello"], b"200 OK|transfer-encoding: chunked||"),
    ("HEAD with a length", HEAD, ResponseHead(1, 200, [(b"content-length", b"4")]), [], b"200 OK|content-length: 4||"),
    ("204", b"", ResponseHead(1, 204, []), [b"hello"], b"204 No Content||"),
    ("304", b"", ResponseHead(1, 304, [(b"content-length", b"4")]), [], b"304 Not Modified|content-length: 4||"),
    (
        "1.0 with a length",
        OLD,
        ResponseHead(1, 200, [(b"content-length", b"2")]),
        [b"ab"],
        b"200 OK|connection: keep-alive|content-length: 2||ab",
    ),
    ("1.0 without", OLD, ResponseHead(1, 200, []), [b"ab"], b"200 OK|connection: close||ab"),
]


@pytest.mark.parametrize(("request_", "head", "body", "expected"), [pytest.param(*row, id=name) for name, *row in STREAMS])
def test_a_streamed_answer(request_: bytes, head: ResponseHead, body: list[bytes], expected: bytes) -> None:
    wire = engine(request_) if request_ else engine()
    status, _, rest = expected.partition(b"|")
    events = [head, *(ResponseData(1, data) for data in body), ResponseEnd(1)]
    assert sent(wire, *events) == b"HTTP/1.%d %s%s\r\n%s" % (request_ is not OLD, status, COMMON, rest.replace(b"|", b"\r\n"))


def test_an_applications_own_date_and_server_replace_ours() -> None:
    head = b"HTTP/1.1 200 OK"
    assert sent(engine(), Answer(1, 200, [(b"Server", b"mine")], b"")) == head + b"\r\ndate: D\r\nserver: mine\r\ncontent-length: 0\r\n\r\n"
    assert sent(engine(), Answer(1, 200, [(b"date", b"E")], b"")) == head + b"\r\nserver: pagi\r\ndate: E\r\ncontent-length: 0\r\n\r\n"
    both = sent(engine(), Answer(1, 200, [(b"date", b"E"), (b"server", b"mine")], b""))
    assert both == head + b"\r\ndate: E\r\nserver: mine\r\ncontent-length: 0\r\n\r\n"


def test_headers_may_be_lists_of_two() -> None:
    headers: Any = [[b"x", b"1"], (b"y", b"2")]
    assert b"\r\nx: 1\r\ny: 2\r\n" in sent(engine(), Answer(1, 200, headers, b""))


REFUSED: list[tuple[str, Any]] = [
    *(
        (f"{control!r} in a value", [(b"x-a", b"a" + control + b"b")])
        for control in (b"\r", b"\n", b"\r\n", b"\n\r", b"\r\n\r\n", b"\x00", b"\x01", b"\x1b", b"\x7f")
    ),
    ("CRLF in a remembered name's value", [(b"content-type", b"text/plain\r\nset-cookie: a")]),
    ("CRLF in a long value of a remembered name", [(b"content-type", b"x" * 70 + b"\r\n")]),
    ("CRLF in a name", [(b"x\r\ny", b"1")]),
    ("NUL in a name", [(b"x\x00", b"1")]),
    ("a blank in a name", [(b"x y", b"1")]),
    ("a colon in a name", [(b"x:", b"1")]),
    ("an empty name", [(b"", b"1")]),
    ("CRLF in the date", [(b"date", b"1\r\nx: y")]),
    ("CRLF in the server", [(b"server", b"1\r\nx: y")]),
    ("a text name", [("x", b"1")]),
    ("a text value", [(b"x", "1")]),
    ("a text content type", [(b"content-type", "text/plain")]),
    ("a text length", [(b"content-length", "0")]),
    ("a number for a value", [(b"x", 1)]),
    ("None for a value", [(b"content-type", None)]),
    ("a bytearray", [(b"x", bytearray(b"1"))]),
    ("three of them", [(b"x", b"1", b"2")]),
    ("no pair", [b"x"]),
    ("a list of three", [[b"x", b"1", b"2"]]),
    ("None for headers", None),
    ("a length that is none", [(b"content-length", b"-1")]),
    ("two lengths", [(b"content-length", b"0"), (b"content-length", b"1")]),
]


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in REFUSED])
def test_headers_that_may_not_go_out_are_refused_before_a_byte(headers: Any) -> None:
    wire = engine()
    for event in (Answer(1, 200, headers, b""), ResponseHead(1, 200, headers)):
        with pytest.raises(HeaderRefused):
            wire.send(event)
        assert wire.take_output() == []
    assert sent(wire, Answer(1, 500, [], b"")).startswith(b"HTTP/1.1 500 ")


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(HeaderRefused, match="x-bad"):
        engine().send(Answer(1, 200, [(b"x-good", b"1"), (b"x-bad", b"\n")], b""))


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 1000, -200, "200", None, True, 200.5, [200]])
def test_a_status_that_is_no_final_one_is_refused(status: Any) -> None:
    wire = engine()
    for event in (Answer(1, status, [], b""), ResponseHead(1, status, [])):
        with pytest.raises(HeaderRefused):
            wire.send(event)
    assert wire.take_output() == []


@pytest.mark.parametrize(("declared", "body"), [(b"1", b"hi"), (b"3", b"hi"), (b"0", b"hi")])
def test_an_answer_of_another_length_than_declared_is_refused(declared: bytes, body: bytes) -> None:
    wire = engine()
    with pytest.raises(WrongContentLength) as raised:
        wire.send(Answer(1, 200, [(b"content-length", declared)], body))
    assert (raised.value.declared, raised.value.actual) == (int(declared), 2)
    assert wire.take_output() == []


def test_a_stream_longer_than_declared_is_refused_before_the_byte_too_many() -> None:
    wire = engine()
    sent(wire, ResponseHead(1, 200, [(b"content-length", b"4")]), ResponseData(1, b"abc"))
    with pytest.raises(WrongContentLength) as raised:
        wire.send(ResponseData(1, b"de"))
    assert (raised.value.declared, raised.value.actual) == (4, 5)
    assert wire.take_output() == []


def test_a_stream_shorter_than_declared_is_refused_at_its_end() -> None:
    wire = engine()
    sent(wire, ResponseHead(1, 200, [(b"content-length", b"4")]), ResponseData(1, b"abc"))
    with pytest.raises(WrongContentLength) as raised:
        wire.send(ResponseEnd(1))
    assert (raised.value.declared, raised.value.actual) == (4, 3)


def test_bodies_must_be_bytes_of_some_kind() -> None:
    wrong: Any = "text"
    wire = engine()
    with pytest.raises(BodyRefused):
        wire.send(Answer(1, 200, [], wrong))
    view: Any = memoryview(b"hi")
    assert sent(wire, Answer(1, 200, [], view)).endswith(b"\r\n\r\nhi")
    array: Any = bytearray(b"hi")
    wire.send(ResponseHead(1, 200, []))
    with pytest.raises(BodyRefused):
        wire.send(ResponseData(1, wrong))
    assert sent(wire, ResponseData(1, array)).endswith(b"2\r\nhi\r\n")


def test_body_events_out_of_order_are_refused() -> None:
    wire = engine()
    for event in (ResponseData(1, b"x"), ResponseEnd(1)):
        with pytest.raises(BodyOutOfOrder):
            wire.send(event)
    wire.send(ResponseHead(1, 200, []))
    for again in (ResponseHead(1, 200, []), Answer(1, 200, [], b"")):
        with pytest.raises(BodyOutOfOrder):
            wire.send(again)
    wire.send(ResponseEnd(1))
    with pytest.raises(AppError):
        wire.send(ResponseData(1, b"x"))


# ---- trailers


def test_trailers_go_out_when_announced_and_welcome() -> None:
    end = ResponseEnd(1, [(b"X-Sum", b"1")])
    head = ResponseHead(1, 200, [], trailers=True)
    assert sent(engine(TE), head, end).endswith(b"0\r\nx-sum: 1\r\n\r\n")
    assert sent(engine(TE.replace(b"trailers", b"gzip, Trailers")), head, end).endswith(b"0\r\nx-sum: 1\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "head"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ResponseHead(1, 200, [], trailers=True)),
        (TE, ResponseHead(1, 200, [])),
        (TE, ResponseHead(1, 200, [(b"content-length", b"0")], trailers=True)),
        (OLD, ResponseHead(1, 200, [], trailers=True)),
    ],
    ids=["not welcome", "not announced", "not chunked", "1.0"],
)
def test_other_trailers_are_dropped_with_a_debug_line(request_: bytes, head: ResponseHead, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert b"x-sum" not in sent(engine(request_), head, ResponseEnd(1, [(b"x-sum", b"1")]))
    assert "dropped" in caplog.text


@pytest.mark.parametrize(
    "trailer", [(b"x", b"1\r\n"), (b"x\r\n", b"1"), (b"x", b"\x00"), ("x", b"1"), (b"content-length", b"1"), (b"Set-Cookie", b"a=b")]
)
def test_trailers_that_may_not_go_out_are_refused(trailer: Any) -> None:
    wire = engine(TE)
    sent(wire, ResponseHead(1, 200, [], trailers=True))
    with pytest.raises(HeaderRefused):
        wire.send(ResponseEnd(1, [trailer]))
    assert wire.take_output() == []


# ---- the queue


def test_a_small_answer_is_one_part_and_a_large_body_its_own() -> None:
    wire = engine()
    wire.send(Answer(1, 200, [], bytes(JOIN_BYTES)))
    assert len(wire.take_output()) == 1
    wire.send(Answer(1, 200, [], BIG))
    head, body = taken(wire)
    assert body is BIG
    assert head.endswith(b"\r\n\r\n")
    assert wire.queued(1) == 0


def test_small_chunks_are_joined_and_large_ones_are_not() -> None:
    wire = engine()
    wire.send(ResponseHead(1, 200, []))
    for _ in range(100):
        wire.send(ResponseData(1, b"x" * 100))
    queued = wire.queued(1)
    (part,) = taken(wire)
    assert len(part) == queued
    wire.send(ResponseData(1, b"x"))
    wire.send(ResponseData(1, BIG))
    wire.send(ResponseData(1, b"x"))
    before, large, after = taken(wire)
    assert large is BIG
    assert (before, after) == (b"1\r\nx\r\n10001\r\n", b"\r\n1\r\nx\r\n")
    assert wire.take_output() == []


def test_memories_of_lines_are_bounded_and_hold_no_secrets() -> None:
    for n in range(3000):
        sent(engine(), Answer(1, 200, [(b"content-type", b"text/%d" % n), (b"x-%d" % n, b"1"), (b"set-cookie", b"secret")], b""))
    assert len(LINES) <= MAX_REMEMBERED
    assert len(PREFIXES) <= MAX_REMEMBERED
    assert not any(b"secret" in line for line in LINES.values())
