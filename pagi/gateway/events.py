"""Every event of the agreement as a typed dict, for readers, tests and constructors. What is enforced stands in `grammar` and `fields`.

Sizes are in bytes, durations in seconds unless a field says otherwise. A field that is `NotRequired` may also be None.
"""

from collections.abc import Iterable
from os import PathLike
from typing import BinaryIO, Literal, NotRequired, TypeAlias, TypedDict

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
"""Names in lower case, values as bytes, order and duplicates kept."""

# Two fields of WebSocket messages are called `bytes` and `text`.
_Bytes: TypeAlias = bytes | bytearray | memoryview

# ---- http: received


class HTTPRequestEvent(TypedDict):
    """A piece of the request body; a request without one has a single empty piece."""

    type: Literal["http.request"]
    body: bytes
    more_body: bool


class HTTPDisconnectEvent(TypedDict):
    """The client left, or the answer is complete. Said as often as it is asked for."""

    type: Literal["http.disconnect"]


# ---- http: sent


class HTTPEarlyHintEvent(TypedDict):
    """An interim 103 with Link values, before the head; dropped where it cannot be sent, and after the head."""

    type: Literal["http.response.early_hint"]
    links: Iterable[bytes]


class HTTPResponseStartEvent(TypedDict):
    """The head of the answer. It leaves with the next event, or at the end of the loop's tick."""

    type: Literal["http.response.start"]
    status: int
    headers: NotRequired[Headers]
    trailers: NotRequired[bool]
    """True announces an `http.response.trailers` after the body."""


class HTTPResponseBodyEvent(TypedDict):
    """A piece of the body: bytes, or a file, at most one of `body`, `file` and `fh`. A file always ends the body."""

    type: Literal["http.response.body"]
    body: NotRequired[_Bytes]
    file: NotRequired[str | PathLike[str]]
    """A path that the server opens, sends and closes."""
    fh: NotRequired[BinaryIO]
    """An open file that the server reads and never closes."""
    offset: NotRequired[int]
    length: NotRequired[int]
    more_body: NotRequired[bool]


class HTTPResponsePathsendEvent(TypedDict):
    """ASGI's way to send a whole file: once, and never beside a body."""

    type: Literal["http.response.pathsend"]
    path: str | PathLike[str]


class HTTPResponseTrailersEvent(TypedDict):
    """Fields after the body; dropped unless the client said `TE: trailers` and the framing has them."""

    type: Literal["http.response.trailers"]
    headers: NotRequired[Headers]
    more_trailers: NotRequired[bool]


# ---- websocket: received


class WebSocketConnectEvent(TypedDict):
    """The handshake waits for an answer. Always first."""

    type: Literal["websocket.connect"]


class WebSocketReceiveEvent(TypedDict):
    """One whole message: exactly one of the two is not None."""

    type: Literal["websocket.receive"]
    bytes: NotRequired[bytes | None]
    text: NotRequired[str | None]


class WebSocketDisconnectEvent(TypedDict):
    """The WebSocket is over. Branch on `reason`, not on `code`, where it is one of `Reason`."""

    type: Literal["websocket.disconnect"]
    code: int
    reason: NotRequired[str]


# ---- websocket: sent


class WebSocketAcceptEvent(TypedDict):
    """Completes the handshake."""

    type: Literal["websocket.accept"]
    subprotocol: NotRequired[str | None]
    headers: NotRequired[Headers]


class WebSocketSendEvent(TypedDict):
    """One message: exactly one of the two."""

    type: Literal["websocket.send"]
    bytes: NotRequired[_Bytes | None]
    text: NotRequired[str | None]


class WebSocketCloseEvent(TypedDict):
    """Closes with `code` (1000); before `websocket.accept` it denies the handshake with 403."""

    type: Literal["websocket.close"]
    code: NotRequired[int]
    reason: NotRequired[str | None]


class WebSocketKeepaliveEvent(TypedDict):
    """From now on a ping every `interval` seconds (0 for none), and the end after `timeout` seconds without a pong."""

    type: Literal["websocket.keepalive"]
    interval: float
    timeout: NotRequired[float | None]


class WebSocketDenialStartEvent(TypedDict):
    """The head of an ordinary answer to a handshake that is not accepted."""

    type: Literal["websocket.http.response.start"]
    status: int
    headers: NotRequired[Headers]


class WebSocketDenialBodyEvent(TypedDict):
    """A piece of that answer's body."""

    type: Literal["websocket.http.response.body"]
    body: NotRequired[_Bytes]
    more_body: NotRequired[bool]


# ---- sse: received


class SSERequestEvent(TypedDict):
    """A piece of the request body, as on http."""

    type: Literal["sse.request"]
    body: bytes
    more_body: bool


class SSEDisconnectEvent(TypedDict):
    """The stream is over; `reason` is one of `Reason`."""

    type: Literal["sse.disconnect"]
    reason: str


# ---- sse: sent (a decline uses the http events)


class SSEStartEvent(TypedDict):
    """Begins the stream with `status` (200); what an event stream needs among its headers is added.

    `retry` is how many milliseconds clients should wait before they come back, `keepalive` what `sse.keepalive` would set.
    """

    type: Literal["sse.start"]
    status: NotRequired[int]
    headers: NotRequired[Headers]
    retry: NotRequired[int | None]
    keepalive: NotRequired[float | None]


class SSESendEvent(TypedDict):
    """One event. `data` of several lines arrives whole; `retry` is in milliseconds, `comment` is skipped by clients."""

    type: Literal["sse.send"]
    data: str
    event: NotRequired[str | None]
    id: NotRequired[str | None]
    retry: NotRequired[int | None]
    comment: NotRequired[str | None]


class SSECommentEvent(TypedDict):
    """A line that clients skip."""

    type: Literal["sse.comment"]
    comment: str


class SSEKeepaliveEvent(TypedDict):
    """From now on a comment after `interval` seconds of silence (0 for none)."""

    type: Literal["sse.keepalive"]
    interval: float
    comment: NotRequired[str | None]


class SSECloseEvent(TypedDict):
    """Ends the stream at once. `reason` is for the log and never sent; `retry`, in milliseconds, is the last thing that is."""

    type: Literal["sse.close"]
    reason: NotRequired[str | None]
    retry: NotRequired[int | None]


class SSEDeclineStartEvent(TypedDict):
    """The original's name for the head of an ordinary answer; `http.response.start` does as well."""

    type: Literal["sse.http.response.start"]
    status: int
    headers: NotRequired[Headers]


class SSEDeclineBodyEvent(TypedDict):
    """The original's name for a piece of that answer's body; `http.response.body` does as well."""

    type: Literal["sse.http.response.body"]
    body: NotRequired[_Bytes]
    more_body: NotRequired[bool]


# ---- lifespan: received


class LifespanStartupEvent(TypedDict):
    """Before any connection is accepted."""

    type: Literal["lifespan.startup"]


class LifespanShutdownEvent(TypedDict):
    """After the last exchange ended."""

    type: Literal["lifespan.shutdown"]


# ---- lifespan: sent


class LifespanStartupCompleteEvent(TypedDict):
    """The server may accept connections."""

    type: Literal["lifespan.startup.complete"]


class LifespanStartupFailedEvent(TypedDict):
    """The server must not start."""

    type: Literal["lifespan.startup.failed"]
    message: NotRequired[str]


class LifespanShutdownCompleteEvent(TypedDict):
    """The process may end."""

    type: Literal["lifespan.shutdown.complete"]


class LifespanShutdownFailedEvent(TypedDict):
    """Logged; the process ends all the same."""

    type: Literal["lifespan.shutdown.failed"]
    message: NotRequired[str]
