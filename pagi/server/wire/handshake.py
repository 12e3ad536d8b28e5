"""The opening handshake of a WebSocket (RFC 6455 section 4): judged by a request's head, answered in fields. Sends nothing."""

import re
from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from wsproto.utilities import generate_accept_token

from pagi.gateway.types import HeaderList
from pagi.http.errors import AppError
from pagi.server.wire import deflate as permessage
from pagi.server.wire.deflate import DeflateTerms
from pagi.server.wire.events import RequestHead

Offer: TypeAlias = tuple[str, tuple[tuple[str, str | None], ...]]
"""One extension asked for: its name, then parameters with or without a value."""

_TCHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_IS_TOKEN = re.compile(_TCHARS)
_IS_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_OFFER_NAME = re.compile(rf"[ \t]*({_TCHARS})[ \t]*")
# RFC 6455 section 9.1: a quoted value must be a token once unquoted, so no comma or semicolon hides in one.
_OFFER_PARAMETER = re.compile(rf";[ \t]*({_TCHARS})[ \t]*(?:=[ \t]*(?:({_TCHARS})|\"({_TCHARS})\")[ \t]*)?")

_OURS = frozenset((b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol"))


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a request cannot become a WebSocket, as the answer it gets."""

    status: int
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Handshake(msgspec.Struct, frozen=True, gc=False):
    """A request that may become a WebSocket."""

    key: bytes | None
    """Sec-WebSocket-Key; None over HTTP/2, which has none (RFC 8441 section 5)."""
    subprotocols: tuple[str, ...]
    """In the client's order of preference, each once."""
    offers: tuple[Offer, ...]


class SubprotocolNotOffered(AppError):
    """The application accepted with a subprotocol that the client did not ask for (RFC 6455 section 4.2.2)."""

    def __init__(self, subprotocol: str, offered: tuple[str, ...]) -> None:
        asked = f"one of {', '.join(map(repr, offered))}" if offered else "none"
        super().__init__(
            f"subprotocol {subprotocol!r} was not offered, the client asked for {asked}; accept with one of those or with None"
        )
        self.subprotocol = subprotocol
        self.offered = offered


class ReservedHandshakeHeader(AppError):
    """The application set a field of the handshake that the server writes."""

    def __init__(self, name: bytes) -> None:
        text = name.decode("latin-1")
        super().__init__(f"{text} belongs to the server and may not stand in websocket.accept headers; use its `subprotocol` to choose one")
        self.name = name


def read_handshake(head: RequestHead) -> Handshake | Refusal:
    """Judges a request whose `tunnel` is `websocket` (RFC 6455 section 4.2.1; over HTTP/2 RFC 8441 section 5, which has no key).

    Upgrade, Connection and Host, or the pseudo-headers of an extended CONNECT, were the framing's to check.
    """
    if head.http_version == "2":
        return read_terms(head.headers)
    if head.method != "GET":
        return Refusal(405, f"a WebSocket is opened by GET, not by {head.method}", ((b"allow", b"GET"),))
    if head.http_version != "1.1":
        return Refusal(400, f"a WebSocket needs HTTP/1.1, the request is HTTP/{head.http_version}")
    if head.has_body:
        return Refusal(400, "a WebSocket handshake has no body")
    terms = read_terms(head.headers)
    if isinstance(terms, Refusal):
        return terms
    keys = [value for name, value in head.headers if name == b"sec-websocket-key"]
    if len(keys) != 1:
        return Refusal(400, f"Sec-WebSocket-Key must stand once, got {len(keys)}")
    if _IS_KEY.fullmatch(keys[0]) is None:
        return Refusal(400, "Sec-WebSocket-Key must be 16 bytes in base64")
    return Handshake(keys[0], terms.subprotocols, terms.offers)


def read_terms(headers: HeaderList) -> Handshake | Refusal:
    """The part of a handshake that is the same over every framing: version, subprotocols, extensions. Its key is None."""
    versions: list[bytes] = []
    protocols: list[bytes] = []
    extensions: list[bytes] = []
    for name, value in headers:
        if name == b"sec-websocket-version":
            versions.append(value)
        elif name == b"sec-websocket-protocol":
            protocols.append(value)
        elif name == b"sec-websocket-extensions":
            extensions.append(value)
    if versions != [b"13"]:
        given = b", ".join(versions).decode("latin-1") or "none"
        return Refusal(
            426,
            f"this server speaks WebSocket version 13, the request names {given}",
            ((b"sec-websocket-version", b"13"), (b"upgrade", b"websocket")),
        )
    try:
        return Handshake(None, _read_subprotocols(protocols), tuple(_read_offers(extensions)))
    except ValueError as exc:
        return Refusal(400, str(exc))


def accept_headers(
    handshake: Handshake, subprotocol: str | None, app_headers: HeaderList, deflate: bool
) -> tuple[HeaderList, list[DeflateTerms]]:
    """The fields that grant a handshake, the application's last, and the extensions to hand to `WebSocketEngine`.

    Upgrade and Connection are the framing's to add. With `deflate` the first permessage-deflate offer that we can keep is granted.

    Raises:
        SubprotocolNotOffered: the client did not ask for `subprotocol`.
        ReservedHandshakeHeader: `app_headers` has a field that only the server may write.
    """
    for name, _ in app_headers:
        if name.lower() in _OURS:
            raise ReservedHandshakeHeader(name)
    headers: HeaderList = []
    if handshake.key is not None:
        headers.append((b"sec-websocket-accept", generate_accept_token(handshake.key)))
    if subprotocol is not None:
        if subprotocol not in handshake.subprotocols:
            raise SubprotocolNotOffered(subprotocol, handshake.subprotocols)
        headers.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
    extensions = _choose(handshake.offers) if deflate else []
    headers.extend((b"sec-websocket-extensions", terms.header()) for terms in extensions)
    headers.extend(app_headers)
    return headers, extensions


def _choose(offers: Iterable[Offer]) -> list[DeflateTerms]:
    for name, parameters in offers:
        if name == permessage.NAME:
            terms = permessage.judge_offer(parameters)
            if terms is not None:
                return [terms]
    return []


def _read_subprotocols(values: list[bytes]) -> tuple[str, ...]:
    """Raises ValueError for what is no token. Empty members are skipped, as in every list (RFC 9110 section 5.6.1.2)."""
    names: dict[str, None] = {}
    for member in b",".join(values).decode("latin-1").split(","):
        name = member.strip(" \t")
        if name:
            if _IS_TOKEN.fullmatch(name) is None:
                raise ValueError("Sec-WebSocket-Protocol must be a list of tokens")
            names[name] = None
    return tuple(names)


def _read_offers(values: list[bytes]) -> Iterable[Offer]:
    """Raises ValueError for what is no extension list (RFC 6455 section 9.1: then the handshake fails)."""
    for member in b",".join(values).decode("latin-1").split(","):
        if not member.strip(" \t"):
            continue
        found = _OFFER_NAME.match(member)
        if found is None:
            raise ValueError("Sec-WebSocket-Extensions must be a list of extensions")
        name, at = found[1], found.end()
        parameters: list[tuple[str, str | None]] = []
        while at < len(member):
            found = _OFFER_PARAMETER.match(member, at)
            if found is None:
                raise ValueError(f"Sec-WebSocket-Extensions has a malformed parameter of {name}")
            parameters.append((found[1], found[2] or found[3]))
            at = found.end()
        yield name, tuple(parameters)
