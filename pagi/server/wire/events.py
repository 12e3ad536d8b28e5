"""What a framing of HTTP says and hears: frozen values, the one language between `wire/` and `exchanges/`."""

from typing import ClassVar

import msgspec

from pagi.gateway.file_range import FileRange
from pagi.gateway.types import HeaderList


class RequestHead(msgspec.Struct, gc=False):
    """One request's head, read and checked. Names are lower-case; order and duplicates are kept.

    `target` is in origin form (`/path?query`) or `*`: an absolute-form target was reduced, and its authority is the Host
    among `headers` (RFC 9112 section 3.2.2). `headers` is a fresh list: whoever gets it may change it.
    """

    method: str
    target: bytes
    http_version: str
    headers: HeaderList
    keep_alive: bool = True
    content_length: int | None = None
    """As declared, in bytes; None where the framing alone tells (chunked, HTTP/2 without the field)."""
    has_body: bool = False
    """A body was announced: a Content-Length over 0, or chunked."""
    expects_continue: bool = False
    tunnel: str | None = None
    """The protocol asked for by Upgrade, or by extended CONNECT on HTTP/2; only `"websocket"` is ever set."""
    accepts_events: bool = False
    """An Accept field names `text/event-stream` with a q that is not 0. False for HEAD and OPTIONS."""


class Event(msgspec.Struct, frozen=True, gc=False):
    stream_id: int


# ---- from the peer


class Request(Event, frozen=True, gc=False):
    """A request's head, with as much of its body as came in the same read."""

    head: RequestHead
    body: bytes = b""
    complete: bool = True
    """The body ends here: no `BodyData` or `BodyEnd` follows."""


class BodyData(Event, frozen=True, gc=False):
    """Some bytes of a request body, or of an opened tunnel. Never empty: the end is `BodyEnd`."""

    data: bytes


class BodyEnd(Event, frozen=True, gc=False):
    """The request body is whole. Trailer fields of requests are counted, checked and dropped."""


class InputEnded(Event, frozen=True, gc=False):
    """The peer will send nothing more (end of input, half-close). An answer may still reach it."""


class StreamReset(Event, frozen=True, gc=False):
    """The peer gave this exchange up (HTTP/2)."""


class Fault(Event, frozen=True, gc=False):
    """The peer broke the framing. Nothing more is read from it.

    `status` is what to answer where an answer is still possible; `detail` is one sentence for the log and the answer.
    """

    status: int
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


# ---- to the peer


class Answer(Event, frozen=True, gc=False):
    """A whole answer: head, body and end at once. `headers` and `body` are the application's own, unchecked.

    A Content-Length among `headers` must be right; without one it is added (but not to 204 and 304).
    """

    kind: ClassVar[str] = "answer"
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ResponseHead(Event, frozen=True, gc=False):
    """The head of an answer whose body follows as `ResponseData` and ends with `ResponseEnd`."""

    status: int
    headers: list[tuple[bytes, bytes]]
    trailers: bool = False
    """Trailer fields will come with `ResponseEnd`, where the framing and the client's TE allow them."""


class InformationalHead(Event, frozen=True, gc=False):
    """A 1xx head: 100 before a body, 103 with links."""

    status: int
    headers: list[tuple[bytes, bytes]]


class ResponseData(Event, frozen=True, gc=False):
    """Some bytes of an answer's body, or of an opened tunnel; or what is to be read from a file (only where the line sends files)."""

    data: bytes | FileRange


class ResponseEnd(Event, frozen=True, gc=False):
    """The answer's body, or the tunnel, ends here."""

    trailers: list[tuple[bytes, bytes]] | None = None


class TunnelOpened(Event, frozen=True, gc=False):
    """The tunnel that the request asked for is granted: 101 on HTTP/1.1, 200 on HTTP/2. Bytes follow both ways."""

    headers: list[tuple[bytes, bytes]]


class Abort(Event, frozen=True, gc=False):
    """Ends an answer without a clean end: HTTP/1.1 closes, HTTP/2 resets."""
