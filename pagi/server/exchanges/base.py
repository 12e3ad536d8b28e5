"""What the three conversations share: what they ask of their connection, the handles, the wake-up, the end and the log line."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any, Protocol, cast

from pagi.gateway.connection import ConnectionHandle, Waiter
from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.transport import TransportHandle
from pagi.gateway.types import HeaderList, Message, Send
from pagi.server.access_log import NO_FIELDS, printable
from pagi.server.exchanges.scope import Peer
from pagi.server.figures import EarlyEnd, OpenExchange
from pagi.server.service import Service
from pagi.server.wire.events import Answer, Event, RequestHead

log = logging.getLogger("pagi.server")

PLAIN: HeaderList = [(b"content-type", b"text/plain; charset=utf-8")]
SWEPT_SECONDS = 4.0
"""Heartbeats at least this far apart are left to the sweep; closer ones have a timer of their own."""

FLUSH_BYTES = 64 * 1024
"""What is collected in one tick leaves when it is this much."""
YIELD_BYTES = 256 * 1024
YIELD_EVENTS = 128
"""`send` lets everybody else run at least this often: without it a fast reader delayed a 10 ms timer by 2 s."""


class Carrier(Protocol):
    """The connection, as an exchange sees it."""

    service: Service
    peer: Peer
    transport: TransportHandle
    is_congested: bool
    """Unsent bytes reached the high mark and have not yet fallen under the low one."""
    reading_paused: bool
    sends_files: bool
    """`ResponseData` may be a part of a file."""
    flush_at: int
    """Collected bytes at which `pace` is due: `FLUSH_BYTES`, or what is left to the high mark where that is less."""
    unyielded_bytes: int
    unyielded_events: int
    """Sent since `pace` last let others run."""

    @property
    def last_read(self) -> float:
        """When the last bytes came, on the runtime's clock."""
        ...

    def room(self) -> int:
        """Bytes that are left to the high mark."""
        ...

    def send(self, event: Event) -> None:
        """Queues an event; it leaves with `flush`, or at the end of the tick."""
        ...

    def flush(self) -> None: ...

    def send_now(self, event: Event) -> None:
        """`send` and `flush` in one, for what is large enough to leave by itself."""
        ...

    async def writable(self) -> None:
        """Returns when the unsent bytes fell under the low mark, or the line is lost."""
        ...

    def holds(self, exchange: "Exchange") -> None:
        """Input waits for the application: past the high mark nothing more is read."""
        ...

    def took(self, exchange: "Exchange", size: int) -> None:
        """The application took `size` bytes of input: more may be read."""
        ...

    def resume_tunnel(self, exchange: "Exchange") -> None:
        """The exchange's tunnel was granted: delivers its bytes that came before. From now on they come and go by the shortest way."""
        ...

    def tunnel(self, exchange: "Exchange", parts: list[bytes], size: int) -> None:
        """Sends bytes of the exchange's tunnel now; `size` is all of them together."""
        ...

    def close_after_answer(self) -> None:
        """This answer is the connection's last."""
        ...

    def spill_later(self, exchange: "Exchange") -> None:
        """The exchange has something to say: calls its `spill` with the next `flush`, or at the end of the tick."""
        ...

    def answer(self, exchange: "Exchange", answer: Answer) -> None:
        """Sends a whole answer at once: `send`, `flush` and `answered` in one."""
        ...

    def answered(self, exchange: "Exchange") -> None:
        """The answer is complete: calls the exchange's `sent` once the system took its last byte, and reads the next request."""
        ...

    def abort(self, exchange: "Exchange") -> None:
        """Ends the answer without a clean end."""
        ...

    def close(self, exchange: "Exchange") -> None:
        """The exchange's tunnel is done: what is queued leaves, then the line closes."""
        ...

    def over(self, exchange: "Exchange") -> None:
        """The exchange's task has ended and its end is known: forget it."""
        ...


class Exchange(ABC):
    """One exchange between the peer and the application. Owned by its connection, run in a task of its own."""

    __slots__ = (
        "_waiter",
        "answer_headers",
        "began",
        "bytes_sent",
        "carrier",
        "ended",
        "handle",
        "head",
        "is_over",
        "kind",
        "scope",
        "status",
        "stream_id",
        "task",
    )

    scope: dict[str, Any]
    task: object
    """What the runtime gave for the running task: keeping it keeps the task alive."""

    def __init__(self, carrier: Carrier, stream_id: int, head: RequestHead, kind: str) -> None:
        service = carrier.service
        service.exchanges += 1
        self.carrier = carrier
        self.stream_id = stream_id
        self.head = head
        self.kind = kind
        self.handle = ConnectionHandle(service.new_waiter)
        self.status = 0
        self.bytes_sent: int = 0
        self.answer_headers: HeaderList = NO_FIELDS
        """The fields of the answer, where the access log asks for them."""
        self.began = service.runtime.now() if service.keeps_time else 0.0
        self.ended: float | None = None
        """When its end was known, on the runtime's clock. Like `began` for the access log and metrics, 0 without them."""
        self.is_over = False
        """Its task has ended."""
        self._waiter: Waiter | None = None

    # ---- what the connection tells

    @abstractmethod
    def body_received(self, data: bytes) -> None:
        """Some bytes of the request body, or of the tunnel."""

    @abstractmethod
    def body_ended(self) -> None:
        """The request body is whole; or the tunnel was closed by the peer."""

    @abstractmethod
    def input_ended(self) -> bool:
        """The peer will send nothing more. Returns whether the exchange goes on (a half-close)."""

    @abstractmethod
    def sweep(self, now: float) -> None:
        """Looks at its deadlines."""

    @abstractmethod
    def faulted(self, status: int, detail: str) -> None:
        """The peer broke the framing in the middle of the exchange. `status` is for an answer, where one is still possible."""

    @abstractmethod
    def waiting(self) -> int:
        """Bytes of input that wait for the application, for the marks."""

    @abstractmethod
    def spill(self) -> None:
        """Hands what was collected since the last time to the connection, as few events."""

    @abstractmethod
    def unspilled(self) -> int:
        """Bytes collected and not yet spilled."""

    def begin_closing(self, deadline: float) -> None:
        """The server will end."""
        self.handle.mark_closing(deadline)
        if self.handle.disconnect_reason is not None:
            self.handle.abandon()  # the client left before: nobody waits out the grace that was given then

    def disconnected(self, reason: Reason) -> None:
        """The exchange ended early, from whatever side."""
        self.handle.mark_disconnected(reason)
        self.conclude()
        self.wake()

    def sent(self) -> None:
        """The operating system took the last byte of the answer."""
        handle = self.handle
        if handle.is_watched:
            handle.mark_complete()
        elif handle.disconnect_reason is None:
            handle.complete = True
        self.conclude()

    # ---- for the conversations

    @abstractmethod
    async def receive(self) -> Message:
        """What the application gets as `receive`."""

    @abstractmethod
    def sender(self) -> Send:
        """What the application gets as `send`."""

    @abstractmethod
    def returned(self) -> None:
        """The application returned: ends what it left open."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """The application raised."""

    @abstractmethod
    def released(self) -> None:
        """The task ends: what it held beside it, timers above all, is let go."""

    async def run(self) -> None:
        """The exchange's whole task: the application's call, and what must follow it whatever it did."""
        try:
            try:
                await self.carrier.service.app(self.scope, self.receive, self.sender())
            except Exception as error:
                self.failed(error)
            else:
                self.returned()
        except Exception as error:
            self.log_failure("the server failed", error=error)
            self.carrier.abort(self)
            self.disconnected(Reason.SERVER_ERROR)
        except BaseException:
            if self.ended is None:
                self.carrier.abort(self)
            raise
        finally:
            self.is_over = True
            self.released()
            if self.ended is not None:
                self._over(self.ended)

    def note_head(self, status: int, headers: HeaderList) -> None:
        """The head of the answer goes out. Its fields are kept where the access log shows them."""
        self.status = status
        if self.carrier.service.keeps_headers:
            self.answer_headers = headers

    def wake(self) -> None:
        """Whoever waits in `receive` looks again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.set()

    def wait(self) -> Awaitable[None]:
        """Waits for the next `wake`; to be awaited at once."""
        waiter = self._waiter
        if waiter is None:
            waiter = self._waiter = self.carrier.service.new_waiter()
        return waiter.wait()

    async def pace(self) -> None:
        """Called after something was queued: waits while the peer is slow, and lets others run now and then in any case.

        Raises:
            ClientGone: the client left meanwhile.
        """
        carrier = self.carrier
        carrier.flush()
        if carrier.is_congested:
            carrier.unyielded_bytes = carrier.unyielded_events = 0
            await carrier.writable()
        elif carrier.unyielded_bytes >= YIELD_BYTES or carrier.unyielded_events >= YIELD_EVENTS:
            carrier.unyielded_bytes = carrier.unyielded_events = 0
            await carrier.service.runtime.checkpoint()
        carrier.flush_at = min(FLUSH_BYTES, carrier.room())
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)

    def log_failure(self, what: str, *, error: BaseException | None = None) -> None:
        """One line in the server's log for an application that failed."""
        log.error("%s: %s", self.where(), what, exc_info=error)
        if error is not None and self.carrier.service.failures is not None:
            self.carrier.service.failures(error)

    def log_late_failure(self, error: BaseException) -> None:
        """For an application that failed after its client had gone. That news itself is no failure, however it was wrapped."""
        if is_only_client_gone(error):
            return
        if is_only_client_gone(error.__cause__ or error.__context__):
            log.info("%s: the application ended with %s when the client had gone", self.where(), type(error).__name__)
        else:
            self.log_failure("the application failed after the client had gone", error=error)

    def where(self) -> str:
        """The exchange, for a line in the log; what the client sent of it is escaped."""
        request_id = self.scope.get("pagi.request_id")
        named = f" [{printable(str(request_id))}]" if request_id is not None else ""
        return f"{self.kind} {self.head.method} {self.head.target.decode('latin-1')!r}{named}"

    def conclude(self) -> None:
        """The end is known. With the task's end, whichever is later, it closes the exchange."""
        if self.ended is None:
            service = self.carrier.service
            service.exchanges -= 1
            self.ended = service.runtime.now() if service.keeps_time else 0.0
            if self.is_over:
                self._over(self.ended)

    def _over(self, ended: float) -> None:
        service = self.carrier.service
        if service.keeps_time:
            self._record(service, ended)
        self.carrier.over(self)

    def look(self, now: float, client: str) -> OpenExchange:
        """What is to be told of it while it goes on."""
        reason = self.handle.disconnect_reason
        return OpenExchange(
            kind=self.kind,
            method=self.head.method,
            path=self._path(),
            client=client,
            http_version=self.head.http_version,
            status=self.status,
            seconds=round(now - self.began, 3),
            buffered_bytes=self.carrier.transport.buffered_amount,
            is_congested=self.carrier.is_congested,
            reason=reason.value if reason is not None else None,
        )

    def _path(self) -> str:
        return self.head.target.partition(b"?")[0].decode("latin-1")

    def _record(self, service: Service, ended: float) -> None:
        reason, seconds = self.handle.disconnect_reason, ended - self.began
        figures = service.figures
        if figures is not None:
            figures.ended(self.kind, self.status, self.bytes_sent, seconds)
            if reason is not None:
                figures.ended_early(EarlyEnd(time.time(), self.kind, self.head.method, self._path(), reason.value, round(seconds, 3)))
        access_log = service.access_log
        if access_log is not None:
            access_log.record(
                self.scope,
                method=self.head.method,
                status=self.status,
                bytes_sent=self.bytes_sent,
                seconds=seconds,
                reason=reason.value if reason is not None else None,
                headers=self.answer_headers,
            )


def is_only_client_gone(error: BaseException | None) -> bool:
    """The error is nothing but the news that the client left, alone or in a group of its like."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_only_client_gone(inner) for inner in cast(BaseExceptionGroup[BaseException], error).exceptions)
    return isinstance(error, OSError)
