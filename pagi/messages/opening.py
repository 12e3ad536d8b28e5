"""What the client said first: the head of a request, of a handshake, or of an event-stream request."""

from collections.abc import Mapping
from typing import Any, cast

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.transport import HoldsNothing, TransportHandle
from pagi.gateway.types import Scope
from pagi.http.cookies import parse_cookies
from pagi.http.headers import Headers
from pagi.http.query import Query


class Opening:
    """The same look-ups for all three kinds. Everything is made when it is first asked for."""

    __slots__ = ("_cookies", "_headers", "_query", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._headers: Headers | None = None
        self._query: Query | None = None
        self._cookies: dict[str, str] | None = None

    @property
    def headers(self) -> Headers:
        """The header fields, names without regard to case."""
        if self._headers is None:
            self._headers = Headers(self.scope.get("headers", []))
        return self._headers

    @property
    def query(self) -> Query:
        """The fields of the query string.

        Raises:
            TooManyFields: more than a thousand.
        """
        if self._query is None:
            self._query = Query.parse(self.scope.get("query_string", b""))
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """What the Cookie field holds; the first of equal names wins."""
        if self._cookies is None:
            self._cookies = parse_cookies("; ".join(self.headers.get_all("cookie")))
        return self._cookies

    @property
    def path(self) -> str:
        """The path, decoded, with the `root_path` the app is mounted at."""
        return cast("str", self.scope["path"])

    @property
    def raw_path(self) -> bytes:
        """The path as the client wrote it; where the server does not tell, the decoded one as UTF-8."""
        raw = self.scope.get("raw_path")
        return raw if raw is not None else self.path.encode()

    @property
    def root_path(self) -> str:
        """Where the app is mounted; empty at the root."""
        return cast("str", self.scope.get("root_path", ""))

    @property
    def path_params(self) -> Mapping[str, Any]:
        """What the route's parameters matched, converted."""
        return cast("Mapping[str, Any]", self.scope.get("path_params") or {})

    @property
    def scheme(self) -> str:
        """http, https, ws or wss."""
        return cast("str", self.scope.get("scheme") or ("ws" if self.scope["type"] == "websocket" else "http"))

    @property
    def http_version(self) -> str:
        """1.0, 1.1, 2 or 3."""
        return cast("str", self.scope.get("http_version", "1.1"))

    @property
    def client(self) -> tuple[str, int] | None:
        """Host and port of the client; None on a Unix socket."""
        client = self.scope.get("client")
        return (client[0], client[1]) if client else None

    @property
    def server(self) -> tuple[str, int | None] | None:
        """Host and port (or path and None) that we listen on, where the server tells."""
        server = self.scope.get("server")
        return (server[0], server[1]) if server else None

    @property
    def host(self) -> str:
        """The Host field, else what we listen on."""
        named = self.headers.get("host")
        if named:
            return named
        server = self.server
        if server is None or server[1] is None:
            return "localhost"
        return f"[{server[0]}]:{server[1]}" if ":" in server[0] else f"{server[0]}:{server[1]}"

    @property
    def url(self) -> str:
        """The absolute URL that was asked for, escaped as the client wrote it."""
        query = self.scope.get("query_string", b"")
        path = self.raw_path.decode("latin-1")
        return f"{self.scheme}://{self.host}{path}" + (f"?{query.decode('latin-1')}" if query else "")

    @property
    def connection(self) -> ConnectionHandle:
        """How this exchange ends, and the server's closing signal."""
        return cast("ConnectionHandle", self.scope["pagi.connection"])

    @property
    def transport(self) -> TransportHandle:
        """How many bytes wait to leave; nothing ever seems to, under a server that does not tell."""
        handle: TransportHandle | None = self.scope.get("pagi.transport")
        if handle is None:
            handle = self.scope["pagi.transport"] = TransportHandle(HoldsNothing(), 64 * 1024, 16 * 1024)
        return handle
