"""What an application may send over HTTP/2, and what it may not."""

import pytest

from pagi.server.wire.engine import EventRefused
from pagi.server.wire.events import Answer, InformationalHead, InputEnded, ResponseData, ResponseEnd, ResponseHead, TunnelOpened
from pagi.server.wire.head_writer import HeaderRefused, WrongContentLength
from pagi.server.wire.http2_frames import HEADERS
from pagi.server.wire.response_writer import BodyOutOfOrder, BodyRefused
from tests.server.wire.http2_peer import COMMON, COMMON_FIELDS, GET, POST, Peer, bodies, headers


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x", b"a\r\nset-cookie: b")],
        [(b"x", b"\0")],
        [(b"bad name", b"a")],
        [(b":status", b"200")],
        [(b"x\r\n", b"a")],
        [("x", b"a")],
        [(b"x", "a")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"1"), (b"Content-Length", b"2")],
        [(b"content-type", b"a\nb")],
        [b"x"],
        "x",
    ],
)
def test_what_could_be_read_as_something_else_is_refused(fields: list[tuple[bytes, bytes]]) -> None:
    peer = Peer()
    peer.receive(headers(1))
    with pytest.raises(HeaderRefused):
        peer.send(Answer(1, 200, fields, b""))
    assert peer.frames() == []
    peer.answer(1)
    assert bodies(peer.frames()) == {1: b"ok"}


@pytest.mark.parametrize("status", [99, 100, 101, 1000, "200", True, None])
def test_what_is_no_final_status_is_refused(status: int) -> None:
    peer = Peer()
    peer.receive(headers(1))
    with pytest.raises(HeaderRefused):
        peer.send(Answer(1, status, [], b""))


@pytest.mark.parametrize("status", [200, 299, 418, 599, 999])
def test_any_final_status_is_sent(status: int) -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(Answer(1, status, [], b""))
    assert peer.fields(peer.frames()[0])[0] == (b":status", b"%d" % status)


def test_fields_of_a_connection_are_dropped() -> None:
    peer = Peer()
    peer.receive(headers(1))
    names = [b"Connection", b"keep-alive", b"proxy-connection", b"Transfer-Encoding", b"upgrade"]
    peer.send(Answer(1, 200, [(name, b"close") for name in names], b""))
    assert peer.fields(peer.frames()[0]) == [(b":status", b"200"), *COMMON_FIELDS, (b"content-length", b"0")]


def test_the_applications_date_and_server_take_the_place_of_ours() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3))
    peer.send(Answer(1, 200, [(b"Date", b"then")], b""), Answer(3, 200, [(b"server", b"mine"), (b"date", b"then")], b""))
    first, second = (peer.fields(sent) for sent in peer.frames())
    assert first == [(b":status", b"200"), (b"server", b"pagi"), (b"date", b"then"), (b"content-length", b"0")]
    assert second == [(b":status", b"200"), (b"server", b"mine"), (b"date", b"then"), (b"content-length", b"0")]


def test_the_common_fields_change_with_the_second() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3))
    peer.answer(1)
    before, COMMON.lines = COMMON.lines, b"\r\ndate: E\r\nserver: pagi"
    try:
        peer.answer(3)
    finally:
        COMMON.lines = before
    heads = [peer.fields(sent)[1] for sent in peer.frames() if sent.kind == HEADERS]
    assert heads == [(b"date", b"D"), (b"date", b"E")]


def test_blanks_around_a_value_are_left_out() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(Answer(1, 200, [(b"x", b" a\t"), (b"content-type", b" b ")], b""))
    assert peer.fields(peer.frames()[0])[3:5] == [(b"x", b"a"), (b"content-type", b"b")]


def test_headers_may_be_lists_of_two() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(Answer(1, 200, [[b"x", b"a"]], b""))  # type: ignore[list-item]
    assert (b"x", b"a") in peer.fields(peer.frames()[0])


def test_a_body_must_be_as_long_as_declared() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3), headers(5))
    with pytest.raises(WrongContentLength):
        peer.send(Answer(1, 200, [(b"content-length", b"3")], b"ab"))
    peer.send(ResponseHead(3, 200, [(b"content-length", b"3")]), ResponseData(3, b"ab"))
    with pytest.raises(WrongContentLength):
        peer.send(ResponseEnd(3))
    with pytest.raises(WrongContentLength):
        peer.send(ResponseData(3, b"cd"))
    peer.send(ResponseData(3, b"c"), ResponseEnd(3))
    frames = peer.frames()
    assert bodies(frames) == {3: b"abc"}
    assert (b"content-length", b"3") in peer.fields(frames[0])


def test_events_out_of_order_are_refused() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False))
    with pytest.raises(BodyOutOfOrder):
        peer.send(ResponseData(1, b"a"))
    with pytest.raises(BodyOutOfOrder):
        peer.send(ResponseEnd(1))
    peer.send(ResponseHead(1, 200, []))
    with pytest.raises(BodyOutOfOrder):
        peer.send(ResponseHead(1, 200, []))
    with pytest.raises(BodyOutOfOrder):
        peer.answer(1)
    with pytest.raises(BodyOutOfOrder):
        peer.send(TunnelOpened(1, []))
    peer.send(ResponseEnd(1))
    with pytest.raises(BodyOutOfOrder):
        peer.send(ResponseData(1, b"a"))
    with pytest.raises(BodyOutOfOrder):
        peer.send(ResponseEnd(1))


def test_a_body_is_bytes() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3))
    with pytest.raises(BodyRefused):
        peer.send(Answer(1, 200, [], "text"))  # type: ignore[arg-type]
    peer.send(Answer(1, 200, [], bytearray(b"one")), ResponseHead(3, 200, []), ResponseData(3, memoryview(b"three")))  # type: ignore[arg-type]
    assert bodies(peer.frames()) == {1: b"one", 3: b"three"}


def test_an_event_of_the_client_is_not_sent() -> None:
    peer = Peer()
    peer.receive(headers(1))
    with pytest.raises(EventRefused):
        peer.send(InputEnded(1))


@pytest.mark.parametrize("status", [101, 200])
def test_what_is_no_interim_head_of_http_2_is_refused(status: int) -> None:
    peer = Peer()
    peer.receive(headers(1))
    with pytest.raises(HeaderRefused):
        peer.send(InformationalHead(1, status, []))


@pytest.mark.parametrize("name", [b"content-length", b"te", b"set-cookie", b"bad name", b":status"])
def test_what_is_no_trailer_is_refused(name: bytes) -> None:
    peer = Peer()
    peer.receive(headers(1, [*GET, (b"te", b"trailers")]))
    peer.send(ResponseHead(1, 200, [], trailers=True))
    with pytest.raises(HeaderRefused):
        peer.send(ResponseEnd(1, [(name, b"1")]))
