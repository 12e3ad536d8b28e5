"""Holds both sides to the agreement: every scope, every event either way and their order, and what is missing at the end.

For development. The server checks by itself what would harm it or the client; what is only wrong, and would be found under another server,
is found here. Whoever wraps an application in `Lint` hides pagi's short ways from it, so that all of it goes by events.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from pagi.gateway.fields import BadEvent, check
from pagi.gateway.grammar import IGNORED, MEANING, START, EventOutOfOrder, advance, expected, is_final
from pagi.gateway.marker import Marker, is_pagi
from pagi.gateway.received import received
from pagi.gateway.scope_forms import BadScope, check_scope, is_lower_name, is_pair
from pagi.gateway.types import AnyApp, Message, Receive, Scope, Send
from pagi.http.errors import AppError

log = logging.getLogger("pagi.lint")

MAX_TOLD = 100
"""Different warnings in one process: each is given once."""

_EXTENSIONS = "ASGI extensions"
_HTTP = "ASGI, HTTP & WebSocket"
_PAGI = "pagi, docs/gateway.md"

PLACES: Mapping[str, str] = {
    "http.response.early_hint": _EXTENSIONS,
    "http.response.pathsend": _EXTENSIONS,
    "http.response.trailers": _EXTENSIONS,
    "websocket.http.response": _EXTENSIONS,
    "websocket.keepalive": _PAGI,
    "http": _HTTP,
    "websocket": _HTTP,
    "sse": _PAGI,
    "lifespan": "ASGI, Lifespan",
}
"""Where the agreement speaks of an event: by the longest name that its own begins with."""

_WITHOUT_BODY = (204, 304)
_ENDED_BY_RETURN = {("websocket", "open"), ("sse", "open"), ("lifespan", "start")}
"""What need not be ended by an event: a session or stream that was begun, and a lifespan that is declined."""


class LintError(AppError):
    """One side of the agreement broke it. `side` is which: `application`, or `server`, with the middleware in between."""

    def __init__(self, problem: str, *, side: str, place: str) -> None:
        super().__init__(f"{problem} (see {place})")
        self.side = side
        self.place = place


class Lint:
    """An application, held to the agreement, and its server with it.

        app = Lint(app)

    What is wrong raises `LintError` where it is done: in the application's `send` or `receive`, or where it is called. One that the
    application swallowed is raised at its end. An error of the application itself always comes first: what lint had to say is a
    note on it. What harms nobody is a warning, given once: a field name that is not in lower case.
    """

    def __init__(self, app: AnyApp) -> None:
        self._app = app
        if is_pagi(app):
            self.__pagi__ = Marker(self)
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(scope, receive, send, self._warn)
        sender = _SettlingSender(exchange, send) if hasattr(send, "settle") else _Sender(exchange)
        try:
            await self._app(scope, exchange.receive, sender)
        except Exception as error:
            if exchange.broken is not None and exchange.broken is not error:
                error.add_note(f"lint had found before: {exchange.broken}")
            raise
        exchange.returned()

    def _warn(self, problem: str) -> None:
        if problem not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(problem)
            log.warning("%s", problem)


class _Exchange:
    """One call of the application."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, warn: Any) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._warn = warn
        self.broken: LintError | None = None
        """The first that was wrong."""
        try:
            self.kind = check_scope(scope)
        except BadScope as error:
            raise LintError(str(error), side="server", place=_place("scope")) from error
        self._sent = START[self.kind]
        self._received = "start"
        self._status = 0
        self._has_left = False

    # ---- what the server hands over

    async def receive(self) -> Message:
        event = await self._receive()
        try:
            self._received = received(self.kind, self._received, event)
        except BadEvent as error:
            raise self._found(error, side="server") from error
        if self._received == "gone":
            self._has_left = True
        return event

    # ---- what the application sends

    async def send(self, event: Message) -> None:
        if self._is_over():  # whatever it is: the server has no use for it, and says so
            await self._send(event)
            return
        try:
            check(self.kind, event)
            after = advance(self.kind, self._sent, event)
            event = self._looked_at(event)
        except (BadEvent, EventOutOfOrder) as error:
            raise self._found(error, side="application") from error
        try:
            await self._send(event)
        except OSError:
            self._has_left = True
            raise
        self._sent = after

    def _looked_at(self, event: Message) -> Message:
        """The event, after a look at what neither fields nor order tell."""
        name = event["type"]
        if event.get("headers") is not None:
            event = {**event, "headers": self._fields(name, event["headers"])}
        if name in ("http.response.start", "websocket.http.response.start", "sse.http.response.start"):
            self._status = event["status"]
        elif name == "http.response.body" and self._status in _WITHOUT_BODY and event.get("body"):
            self._refuse(name, f"an answer of status {self._status} has no body, and got {len(event['body'])} bytes; leave 'body' out")
        elif name == "websocket.accept":
            chosen, offered = event.get("subprotocol"), self._scope.get("subprotocols", [])
            if chosen is not None and chosen not in offered:
                among = ", ".join(map(repr, offered)) or "none"
                self._refuse(name, f"the subprotocol {chosen!r} was not offered; accept with one that was ({among}), or with None")
        return event

    def _fields(self, name: str, headers: Iterable[object]) -> list[object]:
        """The fields of a head, after a look at each. They may come from an iterator, whose place they take."""
        fields = list(headers)
        for field in fields:
            if not is_pair(field):
                self._refuse(name, f"a header must be a pair of bytes, got {field!r:.64}; encode name and value")
            elif not is_lower_name(field[0]):
                self._warn(f"{name!r} has a header {field[0]!r:.64}: names have to be in lower case, and other servers may not change them")
        return fields

    def returned(self) -> None:
        """The application returned: says what it left open."""
        if self.broken is not None:
            if self._scope.get("pagi.exception") is not self.broken:  # else its framework has told it already
                raise self.broken
        elif not (self._is_over() or is_final(self.kind, self._sent) or (self.kind, self._sent) in _ENDED_BY_RETURN):
            missing = [name for name in expected(self.kind, self._sent) if name not in IGNORED]
            self._refuse(missing[0], f"the application returned, and {MEANING[self.kind][self._sent]}; {' or '.join(missing)} is missing")

    def _is_over(self) -> bool:
        """The exchange ended without the application: nothing of it is expected any more."""
        handle = self._scope.get("pagi.connection")
        return self._has_left or getattr(handle, "disconnect_reason", None) is not None

    def _refuse(self, name: str, problem: str) -> None:
        raise self._found(BadEvent(self.kind, name, problem), side="application")

    def _found(self, error: BadEvent | EventOutOfOrder, *, side: str) -> LintError:
        found = LintError(str(error), side=side, place=_place(str(error.event_type)))
        self.broken = self.broken or found
        return found


class _Sender:
    """What the application gets as `send`: nothing but the call, so that everything goes by events."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __call__(self, event: Message) -> None:
        await self._exchange.send(event)


class _SettlingSender(_Sender):
    """The same where the server can make the exchange http or sse: an application settles that before it says anything."""

    __slots__ = ("_inner",)

    def __init__(self, exchange: _Exchange, inner: Any) -> None:
        super().__init__(exchange)
        self._inner = inner

    def settle(self, kind: str) -> None:
        """See `Direct.settle`."""
        self._inner.settle(kind)
        self._exchange.kind = kind


def _place(name: str) -> str:
    return PLACES[max((known for known in PLACES if name.startswith(known)), key=len, default="http")]
