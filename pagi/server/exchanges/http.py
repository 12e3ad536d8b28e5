"""One HTTP request and its answer, of kind `http` or `sse`, whatever the framing."""

from collections.abc import Callable

from pagi.gateway import grammar
from pagi.gateway.file_body import send_file
from pagi.gateway.file_range import FileRange
from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import HeaderList, Message
from pagi.http.errors import AppError
from pagi.server.exchanges.base import FLUSH_BYTES, PLAIN, YIELD_EVENTS, Carrier, Exchange
from pagi.server.exchanges.inbox import Inbox
from pagi.server.exchanges.scope import http_scope
from pagi.server.exchanges.sender import Sender
from pagi.server.exchanges.sse import ServedStream
from pagi.server.runtime import Timer
from pagi.server.wire.events import Answer, InformationalHead, Request, ResponseData, ResponseEnd, ResponseHead
from pagi.server.wire.head_writer import WrongContentLength


def declared_length(headers: HeaderList) -> int | None:
    """The Content-Length of an answer, which the engine has found to be well formed."""
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            return int(value)
    return None


class HTTPExchange(Exchange):
    """An exchange of kind http or sse: they differ in the names of their events, and sse speaks through a `ServedStream`."""

    __slots__ = (
        "_answered", "_body", "_half_closed", "_inbox", "_left", "_state", "_stream", "_streaming", "_unspilled", "_unspilled_bytes",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, request: Request) -> None:
        head = request.head
        service = carrier.service
        super().__init__(carrier, request.stream_id, head, "sse" if head.accepts_events and service.speaks_sse else "http")
        self.scope = http_scope(
            service.common_scope(carrier.peer), carrier.peer, self.kind, head, service.state, self.handle, carrier.transport
        )
        if request.complete:
            self._body: bytes | None = request.body
            """The whole body, until it was handed over. Most have one: only others need an `Inbox`."""
            self._inbox: Inbox | None = None
        else:
            self._body = None
            self._inbox = Inbox(head, request.body)
        self._answered = self._half_closed = False
        self._state = "start"
        self._streaming = False
        """The head is out and body bytes may follow."""
        self._stream: ServedStream | None = None
        self._left: int | None = None
        """Body bytes that the declared Content-Length still allows."""
        self._unspilled: list[bytes] | None = None
        self._unspilled_bytes: int = 0
        """Body bytes of this tick: they leave together."""

    # ---- what the application sends

    def sender(self) -> Sender:
        return Sender(self)

    def settle(self, kind: str) -> None:
        """See `Direct.settle`."""
        if kind not in ("http", "sse"):
            raise AppError(f"an exchange is settled as 'http' or 'sse', not {kind!r}")
        if self.handle.response_started or self._stream is not None:
            raise AppError(f"the exchange is {self.kind!r} for good: an event was sent before settle({kind!r})")
        self.kind = kind

    def send_full(self, status: int, headers: HeaderList, body: bytes) -> None:
        """See `Direct.full`."""
        handle = self.handle
        if handle.disconnect_reason is not None:
            raise ClientGone(handle.disconnect_reason)
        if handle.response_started:
            raise grammar.EventOutOfOrder("http", "done" if self._answered else "streaming", "send.full")
        self._answer(Answer(self.stream_id, status, headers, body))

    async def send(self, event: Message) -> None:
        """Takes one event.

        Raises:
            AppError: the event is wrong or out of order.
            ClientGone: the client left.
        """
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        # Ordinary bodies need no grammar: they follow a start, and whether more follows is all they say.
        if self._streaming:
            if event.get("type") == "http.response.body" and len(event) == 1 + ("body" in event) + ("more_body" in event):
                body, more = event.get("body", b""), event.get("more_body", False)
                if type(body) is bytes and type(more) is bool:
                    if not more:
                        self._end_with(body)
                    elif self._data(body):
                        await self.pace()
                    return
        elif self._stream is not None and (framed := self._stream.frame(event)) is not None:
            if self._data(framed):
                await self.pace()
            return
        if self.kind == "http":
            grammar.check("http", event)
            state = grammar.advance("http", self._state, event)
            await self._deliver(event, trailers_follow=state == "trailers")
            self._enter(state)
        else:
            stream = self._event_stream()
            for translated in stream.feed(event):
                await self._deliver(translated, trailers_follow=stream.awaits_trailers)

    def after(self, seconds: float, fn: Callable[[], None]) -> Timer:
        """See `Direct.after`."""
        runtime = self.carrier.service.runtime
        return runtime.at(runtime.now() + seconds, fn)

    def start(self, event: Message) -> None:
        """See `Direct.start`."""
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        if self.kind == "http":
            grammar.check("http", event)
            state = grammar.advance("http", self._state, event)
            self._start(event)
            self._enter(state)
        else:
            for translated in self._event_stream().feed(event):
                if translated["type"] == "http.response.start":
                    self._start(translated)
                else:
                    self._data(translated["body"])

    def chunk(self, data: bytes) -> bool:
        """See `Direct.chunk`."""
        unspilled = self._unspilled
        if unspilled is not None and self._left is None:
            # One of many in this tick: the first was looked at, and nothing can have changed that would not have spilled them.
            unspilled.append(data)
            self._unspilled_bytes = size = self._unspilled_bytes + len(data)
            return size >= self.carrier.flush_at or len(unspilled) >= YIELD_EVENTS
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        if not self._streaming:
            stream = self._stream
            if stream is None or not stream.is_live:
                raise grammar.EventOutOfOrder("http", "done" if self._answered else "start", "send.chunk")
            stream.moved = True
        return self._data(data)

    def _enter(self, state: str) -> None:
        self._state = state
        self._streaming = state in ("started", "streaming")

    def _event_stream(self) -> ServedStream:
        if self._stream is None:
            service = self.carrier.service
            self._stream = ServedStream(service.options.sse, service.runtime, self)
        return self._stream

    def _start(self, event: Message) -> None:
        headers: HeaderList = list(event.get("headers") or ())
        self.carrier.send(ResponseHead(self.stream_id, event["status"], headers, bool(event.get("trailers"))))
        self.handle.response_started = True
        self.note_head(event["status"], headers)
        self._left = declared_length(headers)

    async def _deliver(self, event: Message, *, trailers_follow: bool) -> None:
        """Sends an http event that the grammar let through."""
        kind = event["type"]
        if kind == "http.response.body":
            if event.get("file") is not None or event.get("fh") is not None:
                await send_file(event, self._piece, self._piece if self.carrier.sends_files else None)
            elif not event.get("more_body") and not trailers_follow:
                self._end_with(bytes(event.get("body") or b""))
                return
            elif self._data(bytes(event.get("body") or b"")):
                await self.pace()
            if not event.get("more_body") and not trailers_follow:
                self._end()
        elif kind == "http.response.start":
            self._start(event)
        elif kind == "http.response.pathsend":
            await send_file({"file": event["path"]}, self._piece, self._piece if self.carrier.sends_files else None)
            if not trailers_follow:
                self._end()
        elif kind == "http.response.trailers":
            if not trailers_follow:
                self._end(list(event.get("headers") or ()))
        elif not self.handle.response_started:  # an early hint; later it is too late to help
            links = [(b"link", link) for link in event["links"]]
            self.carrier.send(InformationalHead(self.stream_id, 103, links))

    async def _piece(self, piece: bytes | FileRange) -> None:
        """A piece of a file."""
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        size = len(piece)
        self._count(size)
        self.bytes_sent += size
        self.carrier.send_now(ResponseData(self.stream_id, piece))
        self.carrier.unyielded_bytes += size
        await self.pace()

    def _data(self, body: bytes) -> bool:
        """Collects body bytes of this tick. Returns whether it is time for `pace`."""
        size = len(body)
        if not size:
            return False
        if self._left is not None:
            self._count(size)
        self._unspilled_bytes = size = self._unspilled_bytes + size
        carrier, unspilled = self.carrier, self._unspilled
        if unspilled:
            unspilled.append(body)
            return size >= carrier.flush_at or len(unspilled) >= YIELD_EVENTS or carrier.is_congested
        self._unspilled = [body]
        carrier.spill_later(self)
        return size >= carrier.flush_at or carrier.is_congested

    def _count(self, size: int) -> None:
        """Holds the body to the length its head declared. Too little is found at the end, by the framing."""
        if self._left is not None:
            if size > self._left:
                sent = self.bytes_sent + self._unspilled_bytes
                raise WrongContentLength(sent + self._left, sent + size)
            self._left -= size

    def spill(self) -> None:
        parts, size = self._unspilled, self._unspilled_bytes
        if not parts:
            return
        self._unspilled, self._unspilled_bytes = None, 0
        self.bytes_sent += size
        carrier = self.carrier
        carrier.unyielded_bytes += size
        carrier.unyielded_events += len(parts)
        if len(parts) > 1 and size <= FLUSH_BYTES:
            parts = [b"".join(parts)]
        for part in parts:
            carrier.send(ResponseData(self.stream_id, part))

    def unspilled(self) -> int:
        return self._unspilled_bytes

    def _end(self, trailers: HeaderList | None = None) -> None:
        carrier = self.carrier
        self.spill()
        carrier.send(ResponseEnd(self.stream_id, trailers))
        carrier.flush()
        self._answered = True
        self._enter("done")
        carrier.answered(self)
        if self._waiter is not None:
            self.wake()

    def _end_with(self, body: bytes) -> None:
        """The last body bytes, and the end."""
        if self._unspilled:
            self._data(body)
        elif body:
            self._count(len(body))
            self.bytes_sent += len(body)
            self.carrier.send(ResponseData(self.stream_id, body))
        self._end()

    def _answer(self, answer: Answer) -> None:
        self.note_head(answer.status, answer.headers)
        self.carrier.answer(self, answer)
        self._answered = True
        self._enter("done")
        if self._waiter is not None:
            self.wake()

    # ---- what the application receives

    async def receive(self) -> Message:
        """The next event: the body as it comes, then the end of the exchange."""
        handle = self.handle
        while not self._answered and handle.is_connected:
            body = self._body
            if body is not None:
                self._body = None
                return {"type": "sse.request" if self.kind == "sse" else "http.request", "body": body, "more_body": False}
            inbox = self._inbox
            if inbox is not None:
                if inbox.has_news:
                    return self._take(inbox)
                if inbox.continue_due:
                    inbox.continue_due = False
                    self.carrier.send(InformationalHead(self.stream_id, 100, []))
                    self.carrier.flush()
                inbox.awaited = self.carrier.service.runtime.now()
            elif self._half_closed:
                break
            await self.wait()
        if self.kind == "sse":
            return {"type": "sse.disconnect", "reason": (handle.disconnect_reason or Reason.CLIENT_CLOSED).value}
        return {"type": "http.disconnect"}

    def waiting(self) -> int:
        return self._inbox.waiting if self._inbox is not None else 0

    def _take(self, inbox: Inbox) -> Message:
        inbox.awaited = None
        body = inbox.take()
        more = inbox.more
        if not more:
            self._inbox = None
        if body:
            self.carrier.took(self, len(body))
        return {"type": "sse.request" if self.kind == "sse" else "http.request", "body": body, "more_body": more}

    # ---- what the connection tells

    def body_received(self, data: bytes) -> None:
        inbox = self._inbox
        if inbox is None or self._answered:
            return
        inbox.put(data)
        inbox.awaited = None
        limit = self.carrier.service.options.body.max_body_bytes
        if limit and inbox.received > limit:
            self._give_up(413, f"the request body is over {limit} bytes", Reason.BODY_TOO_LARGE)
            return
        if self._waiter is not None:
            self.wake()  # it is taken within the tick: to pause the reading until then would cost more than it saves
        else:
            self.carrier.holds(self)

    def body_ended(self) -> None:
        if self._inbox is not None:
            self._inbox.ended = True
            self.wake()

    def input_ended(self) -> bool:
        body_is_whole = self._inbox is None or self._inbox.ended
        if body_is_whole and not self._streaming and self._stream is None:
            # A half-close: a one-shot answer can still reach the client. Who waits in `receive` is told all the same.
            self._half_closed = True
            self.wake()
            return True
        self.disconnected(Reason.CLIENT_CLOSED)
        return False

    def sweep(self, now: float) -> None:
        stall = self.carrier.service.options.body.body_stall_seconds
        inbox = self._inbox
        if stall and inbox is not None and inbox.awaited is not None and now - inbox.awaited >= stall:
            self._give_up(408, f"the request body stood still for {stall:g} s", Reason.CLIENT_TIMEOUT)
        if self._stream is not None and self.handle.is_connected and self._stream.is_idle(now):
            self.carrier.abort(self)
            self.disconnected(Reason.IDLE_TIMEOUT)

    # ---- the ends

    def faulted(self, status: int, detail: str) -> None:
        self._give_up(status, detail, Reason.PROTOCOL_ERROR)

    def returned(self) -> None:
        if self._answered or self.handle.disconnect_reason is not None:
            return
        if self._stream is not None and (last := self._stream.finish()):
            for event in last:
                if event["body"]:
                    self._data(event["body"])
            self._end()
        elif self.handle.response_started:
            self.log_failure("the application returned in the middle of its answer: the connection is cut")
            self.carrier.abort(self)
            self.disconnected(Reason.SERVER_ERROR)
        else:
            self.log_failure("the application returned without answering")
            self._refuse(500, "Internal Server Error", Reason.SERVER_ERROR)

    def failed(self, error: Exception) -> None:
        handle = self.handle
        if handle.disconnect_reason is not None:
            self.log_late_failure(error)
        elif self._answered:
            self.log_failure("the application failed after its answer was complete", error=error)
        elif handle.response_started:
            self.log_failure("the application failed in the middle of its answer: the connection is cut", error=error)
            self.carrier.abort(self)
            self.disconnected(Reason.SERVER_ERROR)
        else:
            self.log_failure("the application failed", error=error)
            self._refuse(500, "Internal Server Error", Reason.SERVER_ERROR)

    def released(self) -> None:
        if self._stream is not None:
            self._stream.stop()

    def _give_up(self, status: int, detail: str, reason: Reason) -> None:
        """The peer broke a limit: answers while that is possible, and reads no more."""
        if self.handle.response_started:
            self.carrier.abort(self)
            self.disconnected(reason)
        else:
            self._refuse(status, detail, reason)

    def _refuse(self, status: int, detail: str, reason: Reason) -> None:
        """Answers in the application's place, and ends the exchange with `reason`."""
        handle = self.handle
        handle.response_started = True
        handle.mark_disconnected(reason)
        self.carrier.close_after_answer()
        self._answer(Answer(self.stream_id, status, list(PLAIN), f"{detail}\n".encode()))
        self.wake()

    def keep_alive(self, event: Message) -> None:
        """A comment on a quiet stream. It waits for nobody: a congested client has bytes enough to read."""
        if self.handle.is_connected and not self._answered and not self.carrier.is_congested:
            self._data(event["body"])
            self.carrier.flush()
