"""Which heads of HTTP/2 requests pass the gate, and what becomes of the others (RFC 9113 sections 8.2 and 8.3, RFC 8441)."""

import pytest

from pagi.server.options import HTTP1Options
from pagi.server.wire.events import Answer, Fault
from pagi.server.wire.http2_frames import HEADERS, Code
from tests.server.wire.http2_peer import GET, POST, WEBSOCKET, Peer, bodies, data, headers

METHOD, SCHEME, PATH, AUTHORITY = GET
PROTOCOL = (b":protocol", b"websocket")
CONNECT = (b":method", b"CONNECT")

MALFORMED: dict[str, list[tuple[bytes, bytes]]] = {
    # 8.2: names and values
    "a name in upper case": [*GET, (b"X-Y", b"z")],
    "an empty name": [*GET, (b"", b"z")],
    "a blank in a name": [*GET, (b"x y", b"z")],
    "a colon in a name": [*GET, (b"x:y", b"z")],
    "a NUL in a name": [*GET, (b"x\0y\nz", b"z")],
    "a byte over ASCII in a name": [*GET, (b"x\xe9", b"z")],
    "a NUL in a value": [*GET, (b"x", b"a\0b")],
    "a CR in a value": [*GET, (b"x", b"a\rb")],
    "an LF in a value": [*GET, (b"x", b"a\nb")],
    "another field in a value": [*GET, (b"x", b"a\ny\0b")],
    "an LF at the end of a value": [*GET, (b"x", b"a\n")],
    "a control byte in a value": [*GET, (b"x", b"a\x01b")],
    "a DEL in a value": [*GET, (b"x", b"a\x7f")],
    "a blank before a value": [*GET, (b"x", b" a")],
    "a tab behind a value": [*GET, (b"x", b"a\t")],
    "a value of one blank": [*GET, (b"x", b" ")],
    # 8.2.2
    "Connection": [*GET, (b"connection", b"keep-alive")],
    "Keep-Alive": [*GET, (b"keep-alive", b"timeout=5")],
    "Proxy-Connection": [*GET, (b"proxy-connection", b"keep-alive")],
    "Transfer-Encoding": [*POST, (b"transfer-encoding", b"chunked")],
    "Upgrade": [*GET, (b"upgrade", b"websocket")],
    "TE with more than trailers": [*GET, (b"te", b"trailers, deflate")],
    "TE without trailers": [*GET, (b"te", b"gzip")],
    "an empty TE beside a good one": [*GET, (b"te", b"trailers"), (b"te", b"")],
    # 8.3
    "a pseudo-header behind a field": [*GET[:3], (b"x", b"y"), AUTHORITY],
    "a pseudo-header of answers": [*GET, (b":status", b"200")],
    "an unknown pseudo-header": [*GET, (b":test", b"ok")],
    "a pseudo-header without a name": [*GET, (b":", b"ok")],
    "two methods": [METHOD, *GET],
    "two paths": [PATH, *GET],
    "two schemes": [SCHEME, *GET],
    "two authorities": [AUTHORITY, *GET],
    # 8.3.1
    "nothing": [],
    "no method": [SCHEME, PATH, AUTHORITY],
    "no scheme": [METHOD, PATH, AUTHORITY],
    "no path": [METHOD, SCHEME, AUTHORITY],
    "no host": [METHOD, SCHEME, PATH],
    "an empty method": [(b":method", b""), *GET[1:]],
    "a method that is no token": [(b":method", b"GE T"), *GET[1:]],
    "an empty path": [METHOD, SCHEME, (b":path", b""), AUTHORITY],
    "a path that does not begin with a slash": [METHOD, SCHEME, (b":path", b"a"), AUTHORITY],
    "a whole URL for a path": [METHOD, SCHEME, (b":path", b"https://a/"), AUTHORITY],
    "a fragment": [METHOD, SCHEME, (b":path", b"/#a"), AUTHORITY],
    "a blank in a path": [METHOD, SCHEME, (b":path", b"/a b"), AUTHORITY],
    "a control byte in a path": [METHOD, SCHEME, (b":path", b"/a\r\nx: y"), AUTHORITY],
    "a byte over ASCII in a path": [METHOD, SCHEME, (b":path", b"/\xe9"), AUTHORITY],
    "an asterisk for GET": [METHOD, SCHEME, (b":path", b"*"), AUTHORITY],
    "a strange scheme": [METHOD, (b":scheme", b"ftp"), PATH, AUTHORITY],
    "an empty authority": [METHOD, SCHEME, PATH, (b":authority", b"")],
    "an authority with a user": [METHOD, SCHEME, PATH, (b":authority", b"u@a")],
    "an authority with a path": [METHOD, SCHEME, PATH, (b":authority", b"a/b")],
    "an authority with a control byte": [METHOD, SCHEME, PATH, (b":authority", b"a\r\n")],
    "a Host that is another": [*GET, (b"host", b"b")],
    "two Hosts": [*GET, (b"host", b"a"), (b"host", b"a")],
    "two Hosts without an authority": [*GET[:3], (b"host", b"a"), (b"host", b"a")],
    "an empty Host": [*GET[:3], (b"host", b"")],
    "a bad Host": [*GET[:3], (b"host", b"a b")],
    # lengths
    "two lengths": [*POST, (b"content-length", b"0"), (b"content-length", b"0")],
    "a list of lengths": [*POST, (b"content-length", b"0, 0")],
    "a signed length": [*POST, (b"content-length", b"+0")],
    "an empty length": [*POST, (b"content-length", b"")],
    "a length of 19 digits": [*POST, (b"content-length", b"0" * 19)],
    # 8.5 and RFC 8441
    "CONNECT with a path": [CONNECT, PATH, AUTHORITY],
    "CONNECT with a scheme": [CONNECT, SCHEME, AUTHORITY],
    "CONNECT without an authority": [CONNECT],
    ":protocol without CONNECT": [METHOD, PROTOCOL, *GET[1:]],
    "extended CONNECT without a path": [CONNECT, PROTOCOL, SCHEME, AUTHORITY],
    "extended CONNECT without a scheme": [CONNECT, PROTOCOL, PATH, AUTHORITY],
    "extended CONNECT without a host": [CONNECT, PROTOCOL, SCHEME, PATH],
    "two protocols": [CONNECT, PROTOCOL, PROTOCOL, SCHEME, PATH, AUTHORITY],
}

ANSWERED: dict[str, tuple[list[tuple[bytes, bytes]], int]] = {
    "CONNECT": ([CONNECT, AUTHORITY], 501),
    "another protocol": ([(b":protocol", b"connect-udp"), CONNECT, *GET[1:]], 501),
    "another expectation": ([*POST, (b"expect", b"200-ok")], 417),
    "too many fields": ([*GET, *((b"x", b"y"),) * 101], 431),
    "a field too long": ([*GET, (b"x", b"y" * 16384)], 431),
}

GOOD: dict[str, list[tuple[bytes, bytes]]] = {
    "any method": [(b":method", b"brew"), *GET[1:]],
    "OPTIONS for all": [(b":method", b"OPTIONS"), SCHEME, (b":path", b"*"), AUTHORITY],
    "cleartext": [METHOD, (b":scheme", b"http"), PATH, AUTHORITY],
    "any order of pseudo-headers": [AUTHORITY, PATH, SCHEME, METHOD],
    "a port": [METHOD, SCHEME, PATH, (b":authority", b"a.example:8443")],
    "an address": [METHOD, SCHEME, PATH, (b":authority", b"[::1]:8443")],
    "an empty value": [*GET, (b"x", b"")],
    "a value with blanks inside": [*GET, (b"x", b"a \t b")],
    "a value over ASCII": [*GET, (b"x", b"\xe9\xff")],
    "a name with an underscore": [*GET, (b"x_y", b"z")],
    "TE of trailers": [*GET, (b"te", b"trailers")],
    "a length of 0": [*POST, (b"content-length", b"0")],
    "as many fields as may be": [*GET, *((b"x", b"y"),) * 100],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_head_is_reset(fields: list[tuple[bytes, bytes]]) -> None:
    peer = Peer()
    assert peer.receive(headers(1, fields)) == []
    assert peer.resets() == [(1, Code.PROTOCOL_ERROR)]
    assert peer.request(headers(3)).stream_id == 3


@pytest.mark.parametrize(("fields", "status"), ANSWERED.values(), ids=ANSWERED.keys())
def test_a_head_that_is_refused_is_answered(fields: list[tuple[bytes, bytes]], status: int) -> None:
    peer = Peer()
    (fault,) = peer.receive(headers(1, fields))
    assert isinstance(fault, Fault)
    assert (fault.stream_id, fault.status) == (1, status)
    peer.send(Answer(1, fault.status, [], b"no"))
    frames = peer.frames()
    assert (frames[0].kind, peer.fields(frames[0])[0], bodies(frames)) == (HEADERS, (b":status", b"%d" % status), {1: b"no"})
    assert (peer.engine.open_streams, peer.engine.take_finished()) == (0, [1])
    assert peer.request(headers(3)).stream_id == 3


def test_a_refused_question_for_a_head_gets_no_body() -> None:
    peer = Peer()
    peer.receive(headers(1, [(b":method", b"HEAD"), *GET[1:], (b"expect", b"else")]), headers(3, [*GET, (b"expect", b"else")]))
    peer.send(Answer(1, 417, [], b"no"), Answer(3, 417, [], b"no"))
    assert bodies(peer.frames()) == {3: b"no"}


def test_the_body_of_a_refused_head_is_dropped_and_given_back() -> None:
    peer = Peer()
    fields = [*POST, (b"expect", b"else")]
    (fault,) = peer.receive(headers(1, fields, ends=False), data(1, bytes(1000)))
    assert isinstance(fault, Fault)
    assert peer.receive(data(1, bytes(1000))) == []
    assert peer.budget.used == 0
    peer.send(Answer(1, 417, [], b""))
    assert peer.resets() == [(1, Code.NO_ERROR)]
    assert peer.receive(data(1, b"late", ends=True)) == []
    assert peer.engine.open_streams == 0


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD.keys())
def test_a_good_head_passes(fields: list[tuple[bytes, bytes]]) -> None:
    peer = Peer()
    head = peer.request(headers(1, fields)).head
    assert head.headers == [(b"host", dict(fields)[b":authority"]), *(pair for pair in fields if pair[0][:1] != b":")]
    assert (head.method.encode(), head.target) == (dict(fields)[b":method"], dict(fields)[b":path"])


def test_the_limits_of_heads_are_those_of_http_1() -> None:
    peer = Peer(http1=HTTP1Options(max_head_bytes=200, max_fields=2))
    room = 200 - sum(len(name) + len(value) + 4 for name, value in GET) - len(b"x") - 4
    assert peer.request(headers(1, [*GET, (b"x", b"y" * room)])).stream_id == 1
    for stream_id, extra in ((3, [(b"x", b"y")] * 3), (5, [(b"x", b"y" * (room + 1))])):
        (fault,) = peer.receive(headers(stream_id, [*GET, *extra]))
        assert isinstance(fault, Fault)
        assert fault.status == 431


@pytest.mark.parametrize("name", [b"WebSocket", b"WEBSOCKET"])
def test_the_protocol_is_compared_without_case(name: bytes) -> None:
    peer = Peer()
    fields = [(key, name if key == b":protocol" else value) for key, value in WEBSOCKET]
    assert peer.request(headers(1, fields, ends=False)).head.tunnel == "websocket"
