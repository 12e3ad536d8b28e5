"""The client's side of one HTTP/1.1 exchange, on h11: what the server wrote is read by a library that is not ours."""

from typing import Any

import h11

from pagi.gateway.types import HeaderList
from pagi.http.headers import Headers
from pagi.testing.line import RawConnection
from pagi.testing.reply import Reply, ReplyHead, ServerBrokeProtocol, ServerHungUp
from pagi.testing.request import OutgoingRequest
from pagi.testing.runtime import HostedRuntime
from pagi.testing.served import Failures

MAX_HEAD_BYTES = 1024 * 1024
"""The client takes larger heads than servers do: what an application sends is the test's to judge."""


class ClientExchange:
    """One request on a connection of its own, and the reading of its answer."""

    def __init__(self, wire: RawConnection, runtime: HostedRuntime, failures: Failures) -> None:
        self.wire = wire
        self.is_complete = False
        """The answer was read to its end."""
        self.trailers = Headers()
        self._runtime = runtime
        self._failures = failures
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._sending: object = None
        self._early: list[ReplyHead] = []
        self._pending: Any = None
        self._ended = False
        self._fed_end = False
        """h11 was told that the server closed: what it complains of then is only that something is missing."""

    async def start(self, request: OutgoingRequest, cookie: HeaderList | None = None) -> ReplyHead:
        """Sends the request with its Cookie field, its body beside the reading where it comes in pieces; gives the answer's head.

        Raises:
            ServerHungUp: there was no answer. What the application failed with is raised instead, if it did.
        """
        self._send(h11.Request(method=request.method, target=request.target, headers=[*request.headers, *(cookie or ())]))
        if request.expects_continue:
            await self._await_continue()
        if self._pending is None:
            if request.pieces is None:
                if request.body:
                    self._send(h11.Data(data=request.body))
                self._send(h11.EndOfMessage())
            else:
                self._sending = self._runtime.spawn(lambda: self._send_pieces(request))
        event = await self._final_head()
        if not isinstance(event, h11.Response):
            self._failures.check()
            raise ServerHungUp(f"the server closed the connection before it answered {request.method} {request.target}")
        return self._head_of(event)

    async def read(self) -> bytes:
        """The next bytes of the body; `b""` at its end, and where the server cut it short (see `is_complete`)."""
        while not self._ended:
            event = await self._next()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            self._ended = True
            if isinstance(event, h11.EndOfMessage):
                self.is_complete = True
                self.trailers = Headers(list(event.headers))
            self._failures.check()
        return b""

    def read_ready(self) -> list[bytes]:
        """The bytes of the body that came already."""
        pieces: list[bytes] = []
        if data := self.wire.line.take():
            self._http.receive_data(data)
        while not self._ended and self._pending is None:
            event = self._parsed()
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
            elif event is h11.NEED_DATA:
                break
            else:
                self._pending = event  # the end, which `read` tells
        return pieces

    async def read_all(self, head: ReplyHead) -> Reply:
        """The rest of the answer, as a value."""
        pieces: list[bytes] = []
        while piece := await self.read():
            pieces.append(piece)
        return Reply(head, b"".join(pieces), is_complete=self.is_complete, trailers=self.trailers)

    async def leave(self) -> None:
        """Ends it and its connection, as a client does that goes away."""
        if self._sending is not None:
            await self._runtime.cancel([self._sending], 1.0)
        self.wire.abort()

    # ---- inside

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self.wire.line.put(data)

    async def _send_pieces(self, request: OutgoingRequest) -> None:
        assert request.pieces is not None
        try:
            async for piece in request.pieces:
                if self.wire.line.is_closing:
                    return  # the server answered without it
                await self.wire.send(self._http.send(h11.Data(data=piece)) or b"")
                await self._runtime.checkpoint()
            self._send(h11.EndOfMessage())
        except BaseException:
            self.wire.abort()  # half a body is nothing to wait for an answer to
            raise

    async def _await_continue(self) -> None:
        """Waits for 100, or for the final answer that comes instead of it."""
        event = await self._next()
        if isinstance(event, h11.InformationalResponse):
            self._early.append(self._head_of(event))
        else:
            self._pending = event

    async def _final_head(self) -> Any:
        while True:
            event = await self._next()
            if not isinstance(event, h11.InformationalResponse):
                return event
            self._early.append(self._head_of(event))

    async def _next(self) -> Any:
        """The next event; `ConnectionClosed` at the end of what the server sent, in order or not."""
        event, self._pending = self._pending, None
        while event is None:
            event = self._parsed()
            if event is h11.NEED_DATA:
                event = None
                data = await self.wire.receive()
                self._fed_end = not data
                self._http.receive_data(data)
        return event

    def _parsed(self) -> Any:
        """What h11 makes of what it was fed."""
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            if self._fed_end:
                return h11.ConnectionClosed()
            raise ServerBrokeProtocol(f"h11 refuses what the server sent: {error}") from error

    def _head_of(self, event: Any) -> ReplyHead:
        version = bytes(event.http_version).decode()
        final = isinstance(event, h11.Response)
        return ReplyHead(
            event.status_code, Headers([(bytes(n), bytes(v)) for n, v in event.headers]), version, self._early if final else None
        )
