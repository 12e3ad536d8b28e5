"""One HTTP request and its answer, of kind `http` or `sse`, whatever the framing."""

from collections.abc import Coroutine
from typing import Any

from pagi.gateway import grammar
from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import HeaderList, Message
from pagi.http.errors import AppError
from pagi.server.exchanges.base import PLAIN, YIELD_BYTES, YIELD_EVENTS, Carrier, Exchange, is_only_client_gone
from pagi.server.exchanges.files import FileBody
from pagi.server.exchanges.scope import http_scope
from pagi.server.exchanges.sse import ServedStream
from pagi.server.wire.events import Answer, InformationalHead, Request, ResponseData, ResponseEnd, ResponseHead


class Sender:
    """What the application gets as `send`. A wrapper of it hides `full` and `settle`, and so sees ordinary events."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: "HTTPExchange") -> None:
        self._exchange = exchange

    def __call__(self, event: Message) -> Coroutine[Any, Any, None]:
        """Takes one event.

        Raises:
            AppError: the event is wrong or out of order.
            ClientGone: the client left.
        """
        return self._exchange.send(event)

    def full(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Takes a whole answer at once: head, body and end. A missing Content-Length is added.

        Raises:
            AppError: something was sent before, or a field may not go out.
            ClientGone: the client left.
        """
        self._exchange.send_full(status, headers, body)

    def settle(self, kind: str) -> None:
        """Makes the exchange `"http"` or `"sse"`, before anything was sent.

        Raises:
            AppError: something was sent, or there is no such kind.
        """
        self._exchange.settle(kind)


class HTTPExchange(Exchange):
    """An exchange of kind http or sse: they differ in the names of their events, and sse speaks through an `EventStream`."""

    __slots__ = (
        "_answered", "_body_delivered", "_chunks", "_continue_due", "_input_ended", "_received_bytes",
        "_state", "_stream", "_streaming", "_trailers_due", "_waiting_bytes", "_waits_for_body",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, request: Request) -> None:
        head = request.head
        service = carrier.service
        super().__init__(carrier, request.stream_id, head, "sse" if head.accepts_events and service.speaks_sse else "http")
        self.scope = http_scope(
            self.kind, head, carrier.peer, service.options.serve.root_path, service.state, self.handle, carrier.transport
        )
        body = request.body
        self._chunks: list[bytes] = [body] if body else []
        self._waiting_bytes = self._received_bytes = len(body)
        self._input_ended = request.complete
        self._body_delivered = False
        self._waits_for_body = False
        self._continue_due = head.expects_continue
        self._state = grammar.START["http"]
        self._streaming = False
        self._answered = False
        self._trailers_due = False
        self._stream: ServedStream | None = None

    async def converse(self) -> None:
        try:
            await self.service.app(self.scope, self.receive, Sender(self))
        except Exception as error:
            self._failed(error)
        except BaseException:
            if self.handle.is_connected and not self._answered:
                self.carrier.abort(self)
            raise
        else:
            self._returned()
        finally:
            if self._stream is not None:
                self._stream.stop()

    # ---- what the application sends

    def settle(self, kind: str) -> None:
        """See `Sender.settle`."""
        if kind not in ("http", "sse"):
            raise AppError(f"an exchange is settled as 'http' or 'sse', not {kind!r}")
        if self.handle.response_started or self._stream is not None:
            raise AppError(f"the exchange is {self.kind!r} for good: an event was sent before settle({kind!r})")
        self.kind = kind

    def send_full(self, status: int, headers: HeaderList, body: bytes) -> None:
        """See `Sender.full`."""
        handle = self.handle
        if handle.disconnect_reason is not None:
            raise ClientGone(handle.disconnect_reason)
        if handle.response_started:
            raise grammar.EventOutOfOrder("http", "done" if self._answered else "streaming", "send.full")
        self.carrier.send(Answer(self.stream_id, status, headers, body))
        handle.response_started = True
        self.status = status
        self.bytes_sent = len(body)
        self._finish()

    async def send(self, event: Message) -> None:
        """See `Sender.__call__`."""
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        if self._streaming and len(event) == 3 and event.get("type") == "http.response.body" and event.get("more_body") is True:
            # The ordinary middle of a stream needs no grammar: it follows a start and leaves the state as it is.
            body = event.get("body")
            if type(body) is bytes:
                self._data(body)
                if self.carrier.is_congested or self.events_unyielded >= YIELD_EVENTS or self.bytes_unyielded >= YIELD_BYTES:
                    await self.pace()
                return
        if self.kind == "http":
            grammar.check("http", event)
            state = grammar.advance("http", self._state, event)
            await self._deliver(event)
            self._state = state
        else:
            await self._send_to_stream(event)

    async def _send_to_stream(self, event: Message) -> None:
        if self._stream is None:
            self._stream = ServedStream(self.service.options.sse, self.service.runtime, self._keep_alive)
        for translated in self._stream.feed(event):
            await self._deliver(translated)

    async def _deliver(self, event: Message) -> None:
        match event["type"]:
            case "http.response.body":
                if (source := FileBody.of(event)) is not None:
                    await self._send_file(source)
                    return
                body = event.get("body") or b""
                if body:
                    self._data(bytes(body))
                if event.get("more_body"):
                    await self.pace()
                elif not self._trailers_due:
                    self._end()
            case "http.response.start":
                trailers = bool(event.get("trailers"))
                headers = list(event.get("headers") or ())
                self.carrier.send(ResponseHead(self.stream_id, event["status"], headers, trailers))
                self.handle.response_started = True
                self.status = event["status"]
                self._trailers_due = trailers
                self._streaming = self.kind == "http"
            case "http.response.pathsend":
                await self._send_file(FileBody(event["path"]))
            case "http.response.trailers":
                if not event.get("more_trailers"):
                    self._end(list(event.get("headers") or ()))
            case "http.response.early_hint":
                if not self.handle.response_started:  # later it is too late to help
                    links = [(b"link", link) for link in event["links"]]
                    self.carrier.send(InformationalHead(self.stream_id, 103, links))

    def _data(self, body: bytes) -> None:
        self.carrier.send(ResponseData(self.stream_id, body))
        size = len(body)
        self.bytes_sent += size
        self.bytes_unyielded += size
        self.events_unyielded += 1

    def _end(self, trailers: HeaderList | None = None) -> None:
        self.carrier.send(ResponseEnd(self.stream_id, trailers))
        self._finish()

    def _finish(self) -> None:
        self._answered = True
        self._streaming = False
        self.carrier.flush()
        self.carrier.answered(self)
        if self._waiter is not None:
            self.wake()

    async def _send_file(self, source: FileBody) -> None:
        async with source:
            async for piece in source:
                self._data(piece)
                await self.pace()
        if not self._trailers_due:
            self._end()

    # ---- what the application receives

    async def receive(self) -> Message:
        """The next event: the body as it comes, then the end of the exchange."""
        handle = self.handle
        while not self._answered and handle.is_connected:
            if not self._body_delivered and (self._chunks or self._input_ended):
                return self._take_body()
            if self._continue_due:
                self._continue_due = False
                self.carrier.send(InformationalHead(self.stream_id, 100, []))
                self.carrier.flush()
            self._waits_for_body = not self._body_delivered
            await self.wait()
            self._waits_for_body = False
        if self.kind == "sse":
            return {"type": "sse.disconnect", "reason": (handle.disconnect_reason or Reason.CLIENT_CLOSED).value}
        return {"type": "http.disconnect"}

    def _take_body(self) -> Message:
        chunks = self._chunks
        body = b""
        if chunks:
            body = chunks.pop(0)
            self._waiting_bytes -= len(body)
            self.carrier.took(self.stream_id, len(body), self._waiting_bytes)
        more = bool(chunks) or not self._input_ended
        self._body_delivered = not more
        return {"type": "sse.request" if self.kind == "sse" else "http.request", "body": body, "more_body": more}

    # ---- what the connection tells

    def body_received(self, data: bytes) -> None:
        if self._answered:
            return
        self._received_bytes += len(data)
        limit = self.service.options.body.max_body_bytes
        if limit and self._received_bytes > limit:
            self._give_up(413, f"the request body is over {limit} bytes", Reason.BODY_TOO_LARGE)
            return
        self._continue_due = False
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self.carrier.holds(self.stream_id, self._waiting_bytes)
        self.wake()

    def body_ended(self) -> None:
        self._input_ended = True
        self.wake()

    def input_ended(self) -> bool:
        if self._input_ended and not self._streaming and self._stream is None:
            return True  # a half-close: a one-shot answer can still reach the client
        self.disconnected(Reason.CLIENT_CLOSED)
        return False

    def sweep(self, now: float) -> None:
        stall = self.service.options.body.body_stall_seconds
        if self._waits_for_body and stall and now - max(self.carrier.last_read, self.began) >= stall:
            self._give_up(408, f"the request body stood still for {stall:g} s", Reason.CLIENT_TIMEOUT)
        if self._stream is not None and self.handle.is_connected and self._stream.is_idle(now):
            self.carrier.abort(self)
            self.disconnected(Reason.IDLE_TIMEOUT)

    # ---- the ends

    def faulted(self, status: int, detail: str) -> None:
        self._give_up(status, detail, Reason.PROTOCOL_ERROR)

    def _give_up(self, status: int, detail: str, reason: Reason) -> None:
        """The peer broke a limit: answer while that is possible, and read no more."""
        if not self.handle.response_started:
            self._refuse(status, detail)
        else:
            self.carrier.abort(self)
        self.disconnected(reason)

    def _refuse(self, status: int, detail: str) -> None:
        self.carrier.close_after_answer()
        self.carrier.send(Answer(self.stream_id, status, list(PLAIN), f"{detail}\n".encode()))
        self.handle.response_started = True
        self.status = status
        self._finish()

    def _failed(self, error: Exception) -> None:
        handle = self.handle
        if handle.disconnect_reason is not None and is_only_client_gone(error):
            return
        if handle.disconnect_reason is not None:
            self.log_failure("the application failed after the client had gone", error=error)
        elif self._answered:
            self.log_failure("the application failed after its answer was complete", error=error)
        elif handle.response_started:
            self.log_failure("the application failed in the middle of its answer: the connection is cut", error=error)
            self.carrier.abort(self)
            self.disconnected(Reason.SERVER_ERROR)
        else:
            self.log_failure("the application failed", error=error)
            self._refuse(500, "Internal Server Error")
            self.disconnected(Reason.SERVER_ERROR)

    def _returned(self) -> None:
        if self._answered or self.handle.disconnect_reason is not None:
            return
        if self._stream is not None:
            for event in self._stream.finish():
                if body := event["body"]:
                    self._data(body)
                self._end()
                return
        if self.handle.response_started:
            self.log_failure("the application returned in the middle of its answer: the connection is cut")
            self.carrier.abort(self)
        else:
            self.log_failure("the application returned without answering")
            self._refuse(500, "Internal Server Error")
        self.disconnected(Reason.SERVER_ERROR)

    def _keep_alive(self, event: Message) -> None:
        """A comment on a quiet stream. It waits for nobody: a congested client has bytes enough to read."""
        if self.handle.is_connected and not self._answered and not self.carrier.is_congested:
            self.carrier.send(ResponseData(self.stream_id, event["body"]))
            self.carrier.flush()
