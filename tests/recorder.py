"""An ASGI server of one exchange at a time, in memory: it checks every event against the grammar and keeps what it was sent."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import anyio
import anyio.lowlevel

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.direct import Timer
from pagi.gateway.grammar import START, advance, check, is_final
from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.transport import HoldsNothing, TransportHandle
from pagi.gateway.types import AnyApp, Message
from pagi.http.event_stream import Decoder
from pagi.http.media_types import names_event_stream
from pagi.http.url import decode_path
from pagi.testing.runtime import HostedRuntime

Server = Literal["own", "events", "wrapped", "foreign"]
"""`own`: everything our server has. `events`: the same without its plain calls for streams. `wrapped`: behind something that hides
`full` and `settle` too. `foreign`: ASGI alone."""


class Answer:
    """What an exchange was answered with."""

    def __init__(self, kind: str, events: list[Message]) -> None:
        self.kind = kind
        self.events = events
        nothing: Message = {}
        head = next((event for event in events if "headers" in event and "status" in event), nothing)
        self.status: int = head.get("status", 0)
        self.raw_headers: list[tuple[bytes, bytes]] = list(head.get("headers", []))
        self.body = b"".join(event.get("body", b"") for event in events if event["type"].endswith(("response.body", "chunk")))

    @property
    def headers(self) -> dict[str, str]:
        """The fields, the last of each name."""
        return {name.decode(): value.decode() for name, value in self.raw_headers}

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def sent(self) -> list[Any]:
        """What a WebSocket was sent: the messages."""
        return [event.get("text") if event.get("text") is not None else event.get("bytes") for event in self.of("websocket.send")]

    @property
    def data(self) -> list[str]:
        """What a stream was sent: the data of its events."""
        return [event.text for event in Decoder().feed(self.body)] if self.body else [event["data"] for event in self.of("sse.send")]

    @property
    def outline(self) -> list[str]:
        """The types of the events. Bytes of a stream are called by what they are, and the retry at its start by nothing."""
        return outline(self.events)

    @property
    def retry(self) -> int | None:
        """The reconnection time a stream began with."""
        return next((event["retry"] for event in self.of("sse.start") if "retry" in event), None) or _retry_of(self.body)

    def of(self, kind: str) -> list[Message]:
        """The events of one type."""
        return [event for event in self.events if event["type"] == kind]


def outline(events: list[Message]) -> list[str]:
    """See `Answer.outline`."""
    names: list[str] = []
    for event in events:
        body: bytes = event.get("body", b"")
        if event["type"] != "chunk":
            names.append(event["type"])
        elif not body.startswith(b"retry:"):
            names.append("sse.comment" if body.startswith(b":") else "sse.send")
    return names


def _retry_of(body: bytes) -> int | None:
    decoder = Decoder()
    decoder.feed(body)
    return decoder.retry


class Exchange:
    """One exchange. `run` drives it; what the client and the server do meanwhile are the other methods."""

    def __init__(self, app: AnyApp, scope: dict[str, Any], incoming: Iterable[Message], server: Server) -> None:
        self.app = app
        self.scope = scope
        self.events: list[Message] = []
        self.handle = ConnectionHandle(anyio.Event)
        self.receives = 0
        self.timers = 0
        self.lost: list[BaseException] = []
        """What a timer raised, and nobody heard."""
        self._incoming = deque(incoming)
        self._arrived = anyio.Event()
        self._server = server
        self._kind: str = scope["type"]
        self._state = START[self._kind]
        if server != "foreign":
            scope["pagi.connection"] = self.handle
            scope["pagi.transport"] = TransportHandle(HoldsNothing(), 65536, 16384)

    async def run(self) -> Answer:
        """Calls the application and returns what it sent."""
        senders = {"own": DirectSender, "events": Sender}
        send = senders[self._server](self) if self._server in senders else self.send
        await self.app(self.scope, self.receive, send)
        if self.handle.disconnect_reason is None:
            # Like a server, it ends the stream or session of an application that returned.
            started = self._state not in ("start", "connecting")
            assert is_final(self._kind, self._state) or (self._kind != "http" and started), f"{self._kind} was left {self._state}"
            self.handle.mark_complete()
        assert not self.lost
        return Answer(self._kind, self.events)

    def arrive(self, event: Message) -> None:
        """The client sends something."""
        self._incoming.append(event)
        self._arrived.set()

    def leave(self, reason: Reason = Reason.CLIENT_CLOSED) -> None:
        """The client leaves."""
        self.handle.mark_disconnected(reason)
        self._arrived.set()

    async def receive(self) -> Message:
        """The application's `receive`."""
        self.receives += 1
        while not self._incoming:
            if self.handle.disconnect_reason is not None:
                return {"type": f"{self._kind}.disconnect", "code": 1006, "reason": self.handle.disconnect_reason.value}
            self._arrived = anyio.Event()
            await self._arrived.wait()
        event = dict(self._incoming.popleft())
        if event["type"] in ("http.request", "http.disconnect"):
            event["type"] = event["type"].replace("http", self._kind)
        return event

    async def send(self, event: Message) -> None:
        """The application's `send`."""
        await anyio.lowlevel.checkpoint()
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        self._state = advance(self._kind, self._state, event)
        check(self._kind, event)
        self.events.append(event)
        if self._kind != "websocket" or event["type"] != "websocket.connect":
            self.handle.response_started = True

    def settle(self, kind: str) -> None:
        """Makes it an exchange of that kind."""
        assert not self.events
        assert kind in ("http", "sse")
        self._kind = kind
        self._state = START[kind]

    def start(self, event: Message) -> None:
        """The head of a stream."""
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        assert event["type"] in ("http.response.start", "sse.start")
        self._state = advance(self._kind, self._state, event)
        check(self._kind, event)
        self.events.append(event)
        self.handle.response_started = True

    def chunk(self, data: bytes) -> bool:
        """A piece of a stream. Every second one asks for a pause."""
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        assert isinstance(data, bytes)
        assert self._state in ("started", "streaming", "open")
        if data:
            self.events.append({"type": "chunk", "body": data})
        return len(self.events) % 2 == 0

    async def pace(self) -> None:
        """A pause."""
        await anyio.lowlevel.checkpoint()
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)

    def after(self, seconds: float, fn: Callable[[], None]) -> Timer:
        """A call for later. What it raises would be lost in a server, and so fails here."""
        self.timers += 1
        runtime = HostedRuntime(self.lost.append)
        return runtime.at(runtime.now() + seconds, fn)

    def full(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """A whole http answer."""
        assert self._kind == "http"
        assert self._state == "start"
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        self._state = "done"
        self.events.append({"type": "http.response.start", "status": status, "headers": headers})
        self.events.append({"type": "http.response.body", "body": body})
        self.handle.response_started = True


class Sender:
    """`send` of our own server, as far as whole answers go."""

    def __init__(self, exchange: Exchange) -> None:
        self.send = exchange.send
        self.full = exchange.full
        self.settle = exchange.settle

    async def __call__(self, event: Message) -> None:
        await self.send(event)


class DirectSender(Sender):
    """`send` of our own server."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.start = exchange.start
        self.chunk = exchange.chunk
        self.pace = exchange.pace
        self.after = exchange.after


class Recorder:
    """Makes exchanges of requests and runs them."""

    def __init__(self, app: AnyApp, server: Server = "own", state: dict[str, Any] | None = None) -> None:
        self.app = app
        self.server: Server = server
        self.state = state or {}

    def http(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | list[bytes] = b"",
        root_path: str = "",
    ) -> Exchange:
        """A request, not yet run."""
        parts = [body] if isinstance(body, bytes) else body
        incoming: list[Message] = [
            {"type": "http.request", "body": part, "more_body": index + 1 < len(parts)} for index, part in enumerate(parts)
        ]
        scope = self._scope("http", target, headers, root_path)
        scope["method"] = method
        accepts = [value for name, value in scope["headers"] if name == b"accept"]
        if self.server in ("own", "events") and method not in ("HEAD", "OPTIONS") and any(map(names_event_stream, accepts)):
            scope["type"] = "sse"
        return Exchange(self.app, scope, incoming, self.server)

    def websocket(
        self,
        target: str,
        messages: Iterable[str | bytes] = (),
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
        stays: bool = False,
    ) -> Exchange:
        """A handshake and what the client sends after it; unless it `stays`, it then leaves."""
        incoming: list[Message] = [{"type": "websocket.connect"}]
        for message in messages:
            kind = "text" if isinstance(message, str) else "bytes"
            incoming.append({"type": "websocket.receive", kind: message})
        if not stays:
            incoming.append({"type": "websocket.disconnect", "code": 1001, "reason": "bye"})
        scope = self._scope("websocket", target, headers, "")
        scope["scheme"] = "ws"
        scope["subprotocols"] = list(subprotocols)
        scope["extensions"] = {"websocket.http.response": {}}
        return Exchange(self.app, scope, incoming, self.server)

    async def get(self, target: str, **options: Any) -> Answer:
        """Runs a GET."""
        return await self.http("GET", target, **options).run()

    async def post(self, target: str, **options: Any) -> Answer:
        """Runs a POST."""
        return await self.http("POST", target, **options).run()

    async def stream(self, target: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Runs a request for an event stream to its end."""
        return await self.http(method, target, headers={"accept": "text/event-stream", **(headers or {})}, **options).run()

    async def talk(self, target: str, messages: Iterable[str | bytes] = (), **options: Any) -> Answer:
        """Runs a WebSocket session to its end."""
        return await self.websocket(target, messages, **options).run()

    def _scope(self, kind: str, target: str, headers: Mapping[str, str] | None, root_path: str) -> dict[str, Any]:
        raw_path, _, query = target.encode().partition(b"?")
        fields = {"host": "example.org", **(headers or {})}
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "scheme": "http",
            "path": root_path + decode_path(raw_path),
            "raw_path": root_path.encode() + raw_path,
            "query_string": query,
            "root_path": root_path,
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("example.org", 80),
            "state": dict(self.state),
            "extensions": {},
        }
