"""The four scopes as typed dicts, for readers, tests and constructors; applications are typed by `Scope`, a plain mapping.

Keys without a dot belong to ASGI and the agreement, `pagi.*` to pagi; third parties use a prefix of their own.
"""

from collections.abc import MutableMapping
from typing import Any, Literal, NotRequired, TypedDict

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.transport import TransportHandle
from pagi.gateway.types import HeaderList


class ASGIVersions(TypedDict):
    """What ASGI asks for: its version, and that of the specification of the scope type."""

    version: str
    spec_version: NotRequired[str]


class PagiVersions(TypedDict):
    """The version of the agreement, and to a lifespan who calls."""

    version: str
    is_worker: NotRequired[bool]
    """True in a worker of a server with several processes."""
    worker_num: NotRequired[int | None]
    """Which worker, from 1; None where there is one process."""


_Handles = TypedDict(
    "_Handles",
    {
        "pagi.connection": ConnectionHandle,
        "pagi.transport": NotRequired[TransportHandle],  # absent under a foreign server
        "pagi.peer": NotRequired[tuple[str, int] | None],  # the proxy, where forwarding fields were read or taken out
    },
)


class _ExchangeScope(_Handles):
    asgi: ASGIVersions
    pagi: PagiVersions
    http_version: str
    """`"1.0"`, `"1.1"` or `"2"`."""
    path: str
    """Percent-decoded text, `root_path` included."""
    raw_path: bytes
    """As it was sent, without the query."""
    query_string: bytes
    """Still encoded, without `?`."""
    root_path: str
    """Where the application is mounted; `""` at the root."""
    headers: HeaderList
    """Names in lower case, order and duplicates kept."""
    client: NotRequired[tuple[str, int] | None]
    """Absent on a Unix socket, and where a proxy did not say who it is."""
    server: tuple[str, int | None]
    """The local address; `(path, None)` on a Unix socket."""
    state: MutableMapping[str, Any]
    """A shallow copy of what the lifespan left there."""
    extensions: MutableMapping[str, Any]
    """What this server offers beyond the core."""


class HTTPScope(_ExchangeScope):
    """One request and its answer."""

    type: Literal["http"]
    method: str
    """In upper case."""
    scheme: str
    """`"http"` or `"https"`."""


class SSEScope(_ExchangeScope):
    """One request that asked for an event stream; only pagi apps get it."""

    type: Literal["sse"]
    method: str
    scheme: str


class WebSocketScope(_ExchangeScope):
    """One WebSocket, from handshake to close."""

    type: Literal["websocket"]
    scheme: str
    """`"ws"` or `"wss"`."""
    subprotocols: list[str]
    """What the client offers, in its order."""


class LifespanScope(TypedDict):
    """The life of one event loop that serves the application."""

    type: Literal["lifespan"]
    asgi: ASGIVersions
    pagi: PagiVersions
    state: MutableMapping[str, Any]
    """For the application to fill; each exchange gets a shallow copy."""


APP_SCOPE = "pagi.app_scope"
"""Where the lifespan's state carries what was made for the run of an app: every exchange finds there what is its own run's."""
