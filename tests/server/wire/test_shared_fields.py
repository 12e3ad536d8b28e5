"""What an idle stream keeps of its request's head: no copy of what other heads said, and nothing for a next request."""

import pytest

from pagi.server.wire.events import RequestHead
from pagi.server.wire.head_reader import HeadReader
from pagi.server.wire.shared_fields import SHARED_BYTES, SHARED_FIELDS, shared

AGENT = b"\r\nUser-Agent: a browser of this test"
COOKIE = b"\r\nCookie: session=secret"
EVENTS = b"GET /feed HTTP/1.1\r\nHost: a" + AGENT + b"\r\nAccept: text/event-stream" + COOKIE
WEBSOCKET = (
    b"GET /talk HTTP/1.1\r\nHost: a" + AGENT + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    b"\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==" + COOKIE
)
PLAIN = b"GET /page HTTP/1.1\r\nHost: a" + AGENT + COOKIE


def read(reader: HeadReader, head: bytes) -> RequestHead:
    return reader.read(head + b"\r\n\r\n", 0, len(head))[0]


@pytest.mark.parametrize("head", [EVENTS, WEBSOCKET], ids=["event stream", "WebSocket"])
def test_streams_of_two_clients_keep_common_fields_once_and_private_ones_apart(head: bytes) -> None:
    one, other = (read(HeadReader(20), head) for _ in range(2))
    assert one.headers == other.headers
    assert one.headers is not other.headers
    common = {name for (name, value), pair in zip(one.headers, other.headers, strict=True) if pair[1] is value}
    assert common == {name for name, _ in one.headers} - {b"cookie", b"sec-websocket-key"}


def test_what_a_stream_asked_for_does_not_change_what_comes_after_it() -> None:
    reader = HeadReader(20)
    heads = [PLAIN, EVENTS, PLAIN, PLAIN, WEBSOCKET, EVENTS, EVENTS, PLAIN]
    assert [read(reader, head) for head in heads] == [read(HeadReader(20), head) for head in heads]


def test_a_large_value_is_not_shared() -> None:
    small, large = b"x" * SHARED_BYTES, b"x" * (SHARED_BYTES + 1)
    first, second = (shared([(b"x-a", bytes(bytearray(value))) for value in (small, large)]) for _ in range(2))
    assert first == second
    assert first[0] is second[0]
    assert first[1] is not second[1]


def test_no_more_is_kept_than_the_bound_says() -> None:
    first = (b"x-number", b"%d" % -1)
    assert shared([first])[0] is first
    shared([(b"x-number", b"%d" % number) for number in range(SHARED_FIELDS)])
    again = (b"x-number", b"%d" % -1)
    assert shared([again])[0] is again, "the first one was forgotten"
