"""The opening handshake of a WebSocket: RFC 6455 section 4.2 as tables, and what an application may put into the answer."""

import pytest

from pagi.gateway.types import HeaderList
from pagi.http.errors import AppError
from pagi.server.wire.events import RequestHead
from pagi.server.wire.handshake import (
    Handshake,
    Refusal,
    ReservedHandshakeHeader,
    SubprotocolNotOffered,
    accept_headers,
    read_handshake,
    read_terms,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
FIELDS: HeaderList = [
    (b"host", b"example.com"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]


def request(
    *more: tuple[bytes, bytes], without: bytes = b"", method: str = "GET", version: str = "1.1", has_body: bool = False
) -> RequestHead:
    fields = [(name, value) for name, value in FIELDS if name != without]
    return RequestHead(method, b"/chat", version, [*fields, *more], has_body=has_body, tunnel="websocket")


def granted(*more: tuple[bytes, bytes]) -> Handshake:
    handshake = read_handshake(request(*more))
    assert isinstance(handshake, Handshake)
    return handshake


def test_the_handshake_of_the_rfc_is_read() -> None:
    assert granted() == Handshake(KEY, (), ())


def test_the_key_of_the_rfc_is_answered_as_the_rfc_says() -> None:
    headers, extensions = accept_headers(granted(), None, [], True)
    assert (headers, extensions) == ([(b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")], [])


VERSION_13 = ((b"sec-websocket-version", b"13"), (b"upgrade", b"websocket"))

REFUSED: dict[str, tuple[RequestHead, int, tuple[tuple[bytes, bytes], ...]]] = {
    "POST": (request(method="POST"), 405, ((b"allow", b"GET"),)),
    "HEAD": (request(method="HEAD"), 405, ((b"allow", b"GET"),)),
    "HTTP/1.0": (request(version="1.0"), 400, ()),
    "a body": (request(has_body=True), 400, ()),
    "version 8": (request((b"sec-websocket-version", b"8"), without=b"sec-websocket-version"), 426, VERSION_13),
    "version 13 twice": (request((b"sec-websocket-version", b"13")), 426, VERSION_13),
    "versions 13 and 8": (request((b"sec-websocket-version", b"13, 8"), without=b"sec-websocket-version"), 426, VERSION_13),
    "no version": (request(without=b"sec-websocket-version"), 426, VERSION_13),
    "no key": (request(without=b"sec-websocket-key"), 400, ()),
    "two keys": (request((b"sec-websocket-key", KEY)), 400, ()),
    "an empty key": (request((b"sec-websocket-key", b""), without=b"sec-websocket-key"), 400, ()),
    "a key of 15 bytes": (request((b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25j"), without=b"sec-websocket-key"), 400, ()),
    "a key of 17 bytes": (request((b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZWU="), without=b"sec-websocket-key"), 400, ()),
    "a key of 16 bytes, unpadded": (request((b"sec-websocket-key", KEY[:-2]), without=b"sec-websocket-key"), 400, ()),
    "a key that is not base64": (request((b"sec-websocket-key", b"dGhlIHNhbXBsZSBub2_jZQ=="), without=b"sec-websocket-key"), 400, ()),
    "a key with a line end": (request((b"sec-websocket-key", KEY + b"\n"), without=b"sec-websocket-key"), 400, ()),
    "a subprotocol that is no token": (request((b"sec-websocket-protocol", b"chat, super chat")), 400, ()),
    "a subprotocol with a control byte": (request((b"sec-websocket-protocol", b"chat\x01")), 400, ()),
    "a subprotocol that is not ASCII": (request((b"sec-websocket-protocol", b"ch\xe4t")), 400, ()),
    "an extension that is no token": (request((b"sec-websocket-extensions", b"per message deflate")), 400, ()),
    "an extension without a name": (request((b"sec-websocket-extensions", b"; x")), 400, ()),
    "an extension parameter without a name": (request((b"sec-websocket-extensions", b"a; =1")), 400, ()),
    "an extension parameter without its value": (request((b"sec-websocket-extensions", b"a; b=")), 400, ()),
    "an extension with a stray semicolon": (request((b"sec-websocket-extensions", b"a;")), 400, ()),
    "an open quote": (request((b"sec-websocket-extensions", b'a; b="c')), 400, ()),
    "a quoted value that is no token": (request((b"sec-websocket-extensions", b'a; b="c,d"')), 400, ()),
}


@pytest.mark.parametrize(("head", "status", "headers"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_become_a_websocket_is_refused(head: RequestHead, status: int, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    refusal = read_handshake(head)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.headers) == (status, headers)
    assert len(refusal.detail) > 10


def test_subprotocols_keep_their_order_over_several_fields() -> None:
    handshake = granted((b"sec-websocket-protocol", b"v2 ,\tv1"), (b"sec-websocket-protocol", b"v0"))
    assert handshake.subprotocols == ("v2", "v1", "v0")


def test_an_empty_or_repeated_subprotocol_is_skipped() -> None:
    assert granted((b"sec-websocket-protocol", b", v1,, v2, v1,")).subprotocols == ("v1", "v2")


def test_extension_offers_are_read_with_their_parameters() -> None:
    handshake = granted(
        (b"sec-websocket-extensions", b'permessage-deflate; server_max_window_bits="10" ;client_max_window_bits , x-webkit-deflate-frame'),
        (b"sec-websocket-extensions", b"foo; a=1"),
    )
    assert handshake.offers == (
        ("permessage-deflate", (("server_max_window_bits", "10"), ("client_max_window_bits", None))),
        ("x-webkit-deflate-frame", ()),
        ("foo", (("a", "1"),)),
    )


def extensions_of(offer: bytes, deflate: bool = True) -> bytes | None:
    headers, extensions = accept_headers(granted((b"sec-websocket-extensions", offer)), None, [], deflate)
    value = dict(headers).get(b"sec-websocket-extensions")
    assert (value is None) == (extensions == [])
    return value


BOTH = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (b"permessage-deflate; client_max_window_bits", BOTH),
        (b"permessage-deflate", BOTH),
        (b"permessage-deflate; server_max_window_bits=11", BOTH + b"; server_max_window_bits=11"),
        (b"permessage-deflate; unknown, permessage-deflate", BOTH),
        (b"permessage-deflate; server_max_window_bits=12, permessage-deflate", BOTH + b"; server_max_window_bits=12"),
        (b"permessage-deflate; unknown", None),
        (b"permessage-bzip2", None),
        (b"", None),
    ],
)
def test_the_first_deflate_offer_we_can_keep_is_granted(offer: bytes, answer: bytes | None) -> None:
    assert extensions_of(offer) == answer


def test_deflate_may_be_turned_off() -> None:
    assert extensions_of(b"permessage-deflate", deflate=False) is None


def test_an_offered_subprotocol_is_answered() -> None:
    headers, _ = accept_headers(granted((b"sec-websocket-protocol", b"v2, v1")), "v1", [], True)
    assert (b"sec-websocket-protocol", b"v1") in headers


@pytest.mark.parametrize("subprotocol", ["v3", "V1", "", "v1, v2", "v1\r\nx: y", "ü"])
def test_a_subprotocol_that_was_not_offered_is_refused(subprotocol: str) -> None:
    with pytest.raises(SubprotocolNotOffered, match="'v1', 'v2'"):
        accept_headers(granted((b"sec-websocket-protocol", b"v1, v2")), subprotocol, [], True)


def test_a_subprotocol_where_none_was_offered_is_refused() -> None:
    with pytest.raises(SubprotocolNotOffered, match="asked for none"):
        accept_headers(granted(), "v1", [], True)


def test_the_applications_headers_come_last() -> None:
    headers, _ = accept_headers(granted(), None, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")], True)
    assert headers[-2:] == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


@pytest.mark.parametrize("name", [b"sec-websocket-protocol", b"Sec-WebSocket-Accept", b"SEC-WEBSOCKET-EXTENSIONS"])
def test_a_field_of_the_handshake_may_not_come_from_the_application(name: bytes) -> None:
    with pytest.raises(ReservedHandshakeHeader, match="belongs to the server"):
        accept_headers(granted(), None, [(name, b"x")], True)


@pytest.mark.parametrize("error", [SubprotocolNotOffered, ReservedHandshakeHeader])
def test_what_may_not_be_answered_is_the_applications_error(error: type[Exception]) -> None:
    assert issubclass(error, AppError)


def test_without_a_key_there_is_no_accept_field() -> None:
    terms = read_terms(
        [(b"sec-websocket-version", b"13"), (b"sec-websocket-protocol", b"v1"), (b"sec-websocket-extensions", b"permessage-deflate")]
    )
    assert isinstance(terms, Handshake)
    headers, extensions = accept_headers(terms, "v1", [], True)
    assert [name for name, _ in headers] == [b"sec-websocket-protocol", b"sec-websocket-extensions"]
    assert len(extensions) == 1
