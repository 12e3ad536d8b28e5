"""Which request heads are refused, with which status: through the whole engine, and by the gate alone."""

import pytest

from pagi.server.options import HTTP1Options
from pagi.server.wire.events import Fault, InputEnded, Request
from pagi.server.wire.head_reader import through_gate
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http1 import HTTP1Engine

HOST = b"Host: a\r\n"
OPTIONS = HTTP1Options(max_head_bytes=1024, max_fields=10)

REFUSED: list[tuple[str, bytes, int]] = [
    # request line (RFC 9112 section 3)
    ("no version", b"GET /\r\n" + HOST + b"\r\n", 400),
    ("no path", b"GET HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("two spaces", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a tab for a space", b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a blank at the end", b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    ("a blank before the method", b" GET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a blank in the target", b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a bad method", b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("NUL in the method", b"GE\x00T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("NUL in the path", b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a high byte in the path", b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("lower-case http", b"GET / http/1.1\r\n" + HOST + b"\r\n", 400),
    ("two digits of version", b"GET / HTTP/1.10\r\n" + HOST + b"\r\n", 400),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    ("the HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 505),
    ("HTTP/9.9", b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 505),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    ("CONNECT to a path", b"CONNECT / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    ("authority form", b"GET a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a star that is not OPTIONS", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a fragment", b"GET /#x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a fragment in absolute form", b"GET http://a/#x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a foreign scheme", b"GET ftp://a/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a user in absolute form", b"GET http://u@a/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("no host in absolute form", b"GET http:/// HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("two empty lines first", b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a bare CR first", b"\rGET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("all NUL", bytes(64), 400),
    ("NUL before the head has ended", b"GET / HTTP/1.1\r\nX: \x00", 400),
    # line ends (RFC 9112 section 2.2)
    ("LF alone", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("LF LF at the end", b"GET / HTTP/1.1\r\nHost: a\n\n", 400),
    ("LF among CRLF", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("CR alone in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    ("CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    ("an LF first", b"\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    # fields (RFC 9112 section 5)
    ("no colon", b"GET / HTTP/1.1\r\n" + HOST + b"nonsense\r\n\r\n", 400),
    ("no name", b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n\r\n", 400),
    ("a blank before the colon", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n", 400),
    ("a tab before the colon", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length\t: 1\r\n\r\n", 400),
    ("a blank in a name", b"GET / HTTP/1.1\r\n" + HOST + b"X Y: 1\r\n\r\n", 400),
    ("a high byte in a name", b"GET / HTTP/1.1\r\n" + HOST + b"X\xe9: 1\r\n\r\n", 400),
    ("obs-fold", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    ("obs-fold by tab", b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\r\n\tchunked\r\n\r\n", 400),
    ("a folded first field", b"GET / HTTP/1.1\r\n " + HOST + b"\r\n", 400),
    ("NUL in a value", b"GET / HTTP/1.1\r\n" + HOST + b"X: \x00\r\n\r\n", 400),
    ("VT in a value", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x0bb\r\n\r\n", 400),
    ("0x01 in a value", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x01b\r\n\r\n", 400),
    ("DEL in a value", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x7fb\r\n\r\n", 400),
    ("eleven fields", b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"x%d: y\r\n" % n for n in range(10)) + b"\r\n", 431),
    ("a long field", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 1024 + b"\r\n\r\n", 431),
    ("a long field without an end", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 1024, 431),
    ("a long request line", b"GET /" + b"y" * 1024 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ("a long request line without an end", b"GET /" + b"y" * 1024, 414),
    ("a request line of 1 MB", b"GET /" + b"y" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    # Host (RFC 9112 section 3.2)
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("no Host with absolute form", b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    ("two Hosts on 1.0", b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n", 400),
    ("an empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("a Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a Host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("a Host with a blank", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("a bad Host beside absolute form", b"GET http://a/ HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    # Content-Length and Transfer-Encoding (RFC 9112 sections 6 and 11.2)
    ("a negative length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    ("a signed length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\n", 400),
    ("letters for a length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: abc\r\n\r\n", 400),
    ("a hexadecimal length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\n", 400),
    ("an empty length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n", 400),
    ("a blank in a length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1 1\r\n\r\n", 400),
    ("a length of 19 digits", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000000000000\r\n\r\n", 400),
    ("a length of 20 digits", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 10000000000000000000\r\n\r\n", 400),
    ("a list of lengths", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\n", 400),
    ("equal lengths", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("unequal lengths", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\ncontent-length: 6\r\n\r\nhello!", 400),
    ("CL beside TE", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE beside CL", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("TE on 1.0", b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("gzip", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    ("gzip, chunked", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("chunked, gzip", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 501),
    ("chunked twice", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    ("identity", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    ("xchunked", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    ("an empty coding", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\r\n\r\n", 501),
    ("NUL in a coding", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\x00\r\n\r\n", 400),
    ("VT before a coding", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
    ("FF after a coding", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\x0c\r\n\r\n", 400),
    ("an unknown expectation", b"POST / HTTP/1.1\r\n" + HOST + b"Expect: gold\r\n\r\n", 417),
    ("an unknown expectation among others", b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue, gold\r\n\r\n", 417),
]

TAKEN: list[tuple[str, bytes, bytes, list[tuple[bytes, bytes]]]] = [
    ("a plain GET", b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", b"/a?b", [(b"host", b"a")]),
    ("one empty line first", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"/", [(b"host", b"a")]),
    ("1.0 without Host", b"GET / HTTP/1.0\r\n\r\n", b"/", []),
    ("blanks round a value", b"GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\n\r\n", b"/", [(b"host", b"a"), (b"x", b"")]),
    (
        "a tab and a high byte inside a value",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\tb\r\n\r\n",
        b"/",
        [(b"host", b"a"), (b"x", b"\xe9\tb")],
    ),
    (
        "order and duplicates",
        b"GET / HTTP/1.1\r\nB: 1\r\nHost: a\r\nA: 2\r\nb: 3\r\n\r\n",
        b"/",
        [(b"b", b"1"), (b"host", b"a"), (b"a", b"2"), (b"b", b"3")],
    ),
    (
        "an underscore",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
        b"/",
        [(b"host", b"a"), (b"transfer_encoding", b"chunked")],
    ),
    (
        "cookies joined",
        b"GET / HTTP/1.1\r\nCookie: a=1\r\nHost: a\r\ncookie: b=2\r\n\r\n",
        b"/",
        [(b"cookie", b"a=1; b=2"), (b"host", b"a")],
    ),
    (
        "empty cookies",
        b"GET / HTTP/1.1\r\nCookie:\r\nCookie: a=1\r\nHost: a\r\ncookie:\r\n\r\n",
        b"/",
        [(b"cookie", b"a=1"), (b"host", b"a")],
    ),
    ("absolute form", b"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n", b"/x?y", [(b"host", b"b:81"), (b"x", b"1")]),
    ("absolute form without a path", b"GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", b"/", [(b"host", b"b")]),
    ("absolute form with a query alone", b"GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n", b"/?q", [(b"host", b"b")]),
    ("OPTIONS of the server", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"*", [(b"host", b"a")]),
    ("OPTIONS of the server by URL", b"OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", b"*", [(b"host", b"b")]),
    ("a method of one's own", b"get!it / HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", b"/", [(b"host", b"[::1]:8")]),
    (
        "leading zeros of a length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n",
        b"/",
        [(b"host", b"a"), (b"content-length", b"000")],
    ),
    (
        "blanks round a length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t0 \r\n\r\n",
        b"/",
        [(b"host", b"a"), (b"content-length", b"0")],
    ),
    ("two slashes", b"GET //x HTTP/1.1\r\nHost: a\r\n\r\n", b"//x", [(b"host", b"a")]),
]


def engine() -> HTTP1Engine:
    return HTTP1Engine(OPTIONS, StaticLines(), 1024)


CHUNKED = [
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: CHUNKED",
    b"Transfer-Encoding:\tchunked",
    b"transfer-encoding:chunked",
    b"TRANSFER-ENCODING:  chunked \t",
]


@pytest.mark.parametrize("field", CHUNKED)
def test_chunks_are_recognised_however_they_are_spelled(field: bytes) -> None:
    (request,) = engine().receive(b"POST / HTTP/1.1\r\n" + HOST + field + b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    assert isinstance(request, Request)
    assert (request.head.has_body, request.body, request.complete) == (True, b"hi", True)


@pytest.mark.parametrize("field", [b"Transfer_Encoding: chunked", b"Content_Length: 5", b"X-Transfer-Encoding: chunked"])
def test_only_the_exact_name_frames_a_body(field: bytes) -> None:
    (request,) = engine().receive(b"POST / HTTP/1.1\r\n" + HOST + field + b"\r\n\r\n")
    assert isinstance(request, Request)
    assert (request.head.has_body, request.complete) == (False, True)


@pytest.mark.parametrize(("raw", "status"), [pytest.param(raw, status, id=name) for name, raw, status in REFUSED])
def test_a_bad_head_is_refused_with_its_status_however_it_is_split(raw: bytes, status: int) -> None:
    (fault,) = engine().receive(raw)
    assert isinstance(fault, Fault)
    assert fault.status == status
    assert fault.detail
    if len(raw) > 4096:
        return
    byte_by_byte = engine()
    events = [event for at in range(len(raw)) for event in byte_by_byte.receive(raw[at : at + 1])]
    assert [event.status if isinstance(event, Fault) else event for event in events] == [status]


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw, _ in REFUSED])
def test_nothing_after_a_refused_head_is_read(raw: bytes) -> None:
    wire = engine()
    wire.receive(raw)
    assert wire.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == []
    wire.advance()
    assert wire.closing


@pytest.mark.parametrize(("raw", "target", "headers"), [pytest.param(*row, id=name) for name, *row in TAKEN])
def test_a_good_head_is_read(raw: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    for events in (engine().receive(raw), engine().receive(raw)):
        (request,) = events
        assert isinstance(request, Request)
        assert request.head.target == target
        assert request.head.headers == headers


@pytest.mark.parametrize(
    ("connection", "version", "keeps"),
    [
        (b"", "1.1", True),
        (b"Connection: close\r\n", "1.1", False),
        (b"Connection: CLOSE\r\n", "1.1", False),
        (b"Connection: keep-alive\r\n", "1.1", True),
        (b"Connection: x, close\r\n", "1.1", False),
        (b"Connection: x\r\nConnection: close\r\n", "1.1", False),
        (b"", "1.0", False),
        (b"Connection: Keep-Alive\r\n", "1.0", True),
        (b"Connection: keep-alive, close\r\n", "1.0", False),
    ],
)
def test_who_keeps_the_connection(connection: bytes, version: str, keeps: bool) -> None:
    head, _ = (
        through_gate(b"GET / HTTP/%s\r\nHost: a\r\n%s" % (version.encode(), connection[:-2]), 10)
        if connection
        else through_gate(b"GET / HTTP/%s\r\nHost: a" % version.encode(), 10)
    )
    assert head.keep_alive is keeps
    assert head.http_version == version


@pytest.mark.parametrize(
    ("fields", "tunnel"),
    [
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"),
        (b"Connection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n", "websocket"),
        (b"Connection: upgrade\r\nUpgrade: h2c, websocket\r\n", "websocket"),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\n", None),
        (b"Upgrade: websocket\r\n", None),
        (b"Connection: upgrade\r\n", None),
    ],
)
def test_which_upgrades_are_heard(fields: bytes, tunnel: str | None) -> None:
    (request,) = engine().receive(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    assert isinstance(request, Request)
    assert request.head.tunnel == tunnel


@pytest.mark.parametrize(
    ("method", "fields", "accepts"),
    [
        (b"GET", b"Accept: text/event-stream\r\n", True),
        (b"POST", b"Accept: application/json, TEXT/Event-Stream\r\n", True),
        (b"GET", b"Accept: application/json\r\nAccept: text/event-stream\r\n", True),
        (b"GET", b"Accept: text/event-stream;q=0\r\n", False),
        (b"GET", b"Accept: */*\r\n", False),
        (b"HEAD", b"Accept: text/event-stream\r\n", False),
        (b"OPTIONS", b"Accept: text/event-stream\r\n", False),
    ],
)
def test_who_accepts_events(method: bytes, fields: bytes, accepts: bool) -> None:
    (request,) = engine().receive(method + b" / HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    assert isinstance(request, Request)
    assert request.head.accepts_events is accepts


def test_an_expectation_without_a_body_or_on_1_0_is_ignored() -> None:
    for raw in (
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
    ):
        (request,) = engine().receive(raw)
        assert isinstance(request, Request)
        assert not request.head.expects_continue


def test_input_that_ends_inside_a_head_is_a_fault() -> None:
    for raw in (b"G", b"\r", b"GET / HTTP/1.1\r\nHost: a\r\n\r"):
        wire = engine()
        assert wire.receive(raw) == []
        (fault,) = wire.receive(b"")
        assert isinstance(fault, Fault)
        assert fault.status == 400


def test_input_that_ends_between_requests_is_none() -> None:
    for raw in (b"", b"\r\n"):
        wire = engine()
        if raw:
            wire.receive(raw)
        assert wire.receive(b"") == [InputEnded(0)]
        assert wire.closing
