"""What `SyncTestClient` opens: the async sessions, stepped from a test that is a plain function."""

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, ParamSpec, Self, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from pagi.http.event_stream import ReceivedEvent
from pagi.http.headers import Headers
from pagi.testing.event_stream import EventStreamSession, StreamEnded
from pagi.testing.line import RawConnection
from pagi.testing.reply import ReplyHead, StreamedReply
from pagi.testing.websocket import WebSocketClosed, WebSocketSession

P = ParamSpec("P")
T = TypeVar("T")


class Bridge:
    """Runs steps of the async client on the loop's thread, and waits for each: at most `timeout` seconds, or for ever."""

    def __init__(self, portal: BlockingPortal, timeout: float | None) -> None:
        self._portal = portal
        self._timeout = timeout

    def call(self, step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of an async function.

        Raises:
            TimeoutError: it took too long. It was cancelled.
        """

        async def bounded() -> T:
            with anyio.move_on_after(self._timeout):
                return await step(*args, **kwargs)
            raise TimeoutError(f"nothing came within {self._timeout:g} s; SyncTestClient(timeout=...) says how long a step may take")

        return self._portal.call(bounded)

    def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a plain function that belongs to the loop's thread."""
        return self._portal.call(lambda: step(*args, **kwargs))

    @contextmanager
    def session(self, session: AbstractAsyncContextManager[T]) -> Generator[T]:
        """An async session as a block of a plain function."""
        opened = self.call(session.__aenter__)
        try:
            yield opened
        except BaseException as error:
            if not self.call(session.__aexit__, type(error), error, error.__traceback__):
                raise
        else:
            self.call(session.__aexit__, None, None, None)


class SyncStreamedReply(ReplyHead):
    """See `StreamedReply`."""

    def __init__(self, bridge: Bridge, reply: StreamedReply) -> None:
        super().__init__(reply.status_code, reply.headers, reply.http_version, reply.informational)
        self.history = reply.history
        self._bridge = bridge
        self._reply = reply
        self._pieces = reply.aiter_bytes()

    @property
    def is_complete(self) -> bool:
        """The body was read to its end, and the server did not cut it short."""
        return self._reply.is_complete

    @property
    def trailers(self) -> Headers:
        """Fields that came behind the body; known once it is complete."""
        return self._reply.trailers

    def iter_bytes(self) -> Iterator[bytes]:
        """The body in the pieces it comes in. Ends quietly where the server cut it short: see `is_complete`."""
        while True:
            try:
                yield self._bridge.call(self._pieces.__anext__)
            except StopAsyncIteration:
                return

    def read(self) -> bytes:
        """What is left of the body."""
        return self._bridge.call(self._reply.read)


class SyncEventStreamSession:
    """See `EventStreamSession`. `for` gives the events until the stream ends."""

    def __init__(self, bridge: Bridge, feed: EventStreamSession) -> None:
        self.status_code = feed.status_code
        self.headers = feed.headers
        self.history = feed.history
        self._bridge = bridge
        self._feed = feed

    @property
    def last_event_id(self) -> str:
        """What a client would send as Last-Event-ID when it comes back; empty until an id came."""
        return self._feed.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds the server asks clients to wait before they come back; None until it said so."""
        return self._feed.retry

    def receive(self) -> ReceivedEvent:
        """See `EventStreamSession.receive`."""
        return self._bridge.call(self._feed.receive)

    def receive_comment(self) -> str:
        """See `EventStreamSession.receive_comment`."""
        return self._bridge.call(self._feed.receive_comment)

    def comments(self) -> list[str]:
        """See `EventStreamSession.comments`."""
        return self._bridge.run(self._feed.comments)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ReceivedEvent:
        try:
            return self.receive()
        except StreamEnded as ended:
            raise StopIteration from ended


class SyncWebSocketSession:
    """See `WebSocketSession`. `for` gives the messages until the server closes."""

    def __init__(self, bridge: Bridge, session: WebSocketSession) -> None:
        self.subprotocol = session.subprotocol
        self.headers = session.headers
        self._bridge = bridge
        self._session = session

    @property
    def closed(self) -> WebSocketClosed | None:
        """How the session ended; None while it is open."""
        return self._session.closed

    @property
    def pings(self) -> int:
        """How many pings came so far."""
        return self._session.pings

    def receive(self) -> str | bytes:
        """See `WebSocketSession.receive`."""
        return self._bridge.call(self._session.receive)

    def receive_text(self) -> str:
        """See `WebSocketSession.receive_text`."""
        return self._bridge.call(self._session.receive_text)

    def receive_bytes(self) -> bytes:
        """See `WebSocketSession.receive_bytes`."""
        return self._bridge.call(self._session.receive_bytes)

    def receive_json(self) -> Any:
        """See `WebSocketSession.receive_json`."""
        return self._bridge.call(self._session.receive_json)

    def send_text(self, text: str) -> None:
        """See `WebSocketSession.send_text`."""
        self._bridge.call(self._session.send_text, text)

    def send_bytes(self, data: bytes) -> None:
        """See `WebSocketSession.send_bytes`."""
        self._bridge.call(self._session.send_bytes, data)

    def send_json(self, value: object) -> None:
        """See `WebSocketSession.send_json`."""
        self._bridge.call(self._session.send_json, value)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """See `WebSocketSession.close`."""
        self._bridge.call(self._session.close, code, reason)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str | bytes:
        try:
            return self.receive()
        except WebSocketClosed as closed:
            raise StopIteration from closed


class SyncRawConnection:
    """See `RawConnection`."""

    def __init__(self, bridge: Bridge, wire: RawConnection) -> None:
        self._bridge = bridge
        self._wire = wire

    @property
    def is_closed(self) -> bool:
        """The server closed it, and everything it wrote was read; or the test did."""
        return self._wire.is_closed

    @property
    def unread_bytes(self) -> int:
        """What the server wrote and the test has not read."""
        return self._wire.unread_bytes

    def send(self, data: bytes) -> None:
        """See `RawConnection.send`."""
        self._bridge.call(self._wire.send, data)

    def receive(self, most: int | None = None) -> bytes:
        """See `RawConnection.receive`."""
        return self._bridge.call(self._wire.receive, most)

    def receive_until(self, mark: bytes) -> bytes:
        """See `RawConnection.receive_until`."""
        return self._bridge.call(self._wire.receive_until, mark)

    def receive_rest(self) -> bytes:
        """See `RawConnection.receive_rest`."""
        return self._bridge.call(self._wire.receive_rest)

    def eof(self) -> None:
        """See `RawConnection.eof`."""
        self._bridge.run(self._wire.eof)

    def close(self) -> None:
        """See `RawConnection.close`."""
        self._bridge.run(self._wire.close)

    def abort(self) -> None:
        """See `RawConnection.abort`."""
        self._bridge.run(self._wire.abort)
