"""The client's side of one event stream, read as a browser reads it."""

from collections import deque
from typing import Self

from pagi.http.errors import PagiError
from pagi.http.event_stream import Decoder, ReceivedEvent
from pagi.http.headers import Headers
from pagi.http.media_types import InvalidMediaType, parse_media_type
from pagi.testing.exchange import ClientExchange
from pagi.testing.reply import Reply, ReplyHead


class StreamDeclined(PagiError):
    """Raised when the answer was not an event stream: another status than 200 (204 asks not to come back), or another type."""

    def __init__(self, reply: Reply) -> None:
        kind = reply.headers.get("content-type", "no content-type")
        where = f", to {reply.headers['location']}; follow_redirects=True goes there" if "location" in reply.headers else ""
        super().__init__(f"the stream was declined with {reply.status_code} ({kind}{where}): {reply.content[:200]!r}")
        self.reply = reply
        self.status = reply.status_code
        self.headers = reply.headers
        self.body = reply.content


class StreamEnded(PagiError):
    """Raised when an event was awaited and the stream had ended."""

    def __init__(self, *, is_complete: bool) -> None:
        super().__init__("the stream ended" if is_complete else "the stream was cut before its end")
        self.is_complete = is_complete
        """False where the connection broke off."""


class _Listener(Decoder):
    """A decoder that keeps every comment, as no browser does."""

    __slots__ = ("comments",)

    def __init__(self) -> None:
        self.comments: deque[str] = deque()
        super().__init__()

    def _field(self, line: bytes) -> None:
        if line.startswith(b":"):
            self.comments.append(line[1:].removeprefix(b" ").decode("utf-8", "replace"))
        super()._field(line)


class EventStreamSession:
    """An open event stream. `async for` gives the events until it ends."""

    def __init__(self, exchange: ClientExchange, head: ReplyHead) -> None:
        self.status_code = head.status_code
        self.headers: Headers = head.headers
        self.history = head.history
        """The redirects that were followed to this stream."""
        self._exchange = exchange
        self._decoder = _Listener()
        self._events: deque[ReceivedEvent] = deque()
        self._last_event_id = ""
        """As of the last event that was given out: the decoder may be ahead."""

    @property
    def last_event_id(self) -> str:
        """What a client would send as Last-Event-ID when it comes back; empty until an id came."""
        return self._last_event_id if self._events else self._decoder.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds the server asks clients to wait before they come back; None until it said so."""
        return self._decoder.retry

    async def receive(self) -> ReceivedEvent:
        """The next event; `data` is decoded where it is JSON, `text` is always the text. Comments are skipped.

        Raises:
            StreamEnded: there is none. What the application failed with is raised instead, if it did.
        """
        while not self._events:
            await self._read()
        event = self._events.popleft()
        if event.id is not None:
            self._last_event_id = event.id
        return event

    async def receive_comment(self) -> str:
        """The next comment: keepalives are comments. Events that come before it wait for `receive`.

        Raises:
            StreamEnded: see `receive`.
        """
        while not self._decoder.comments:
            await self._read()
        return self._decoder.comments.popleft()

    def comments(self) -> list[str]:
        """The comments that are here already and were not received, waiting for none: how many keepalives an hour brought."""
        for piece in self._exchange.read_ready():
            self._events += self._decoder.feed(piece)
        comments = list(self._decoder.comments)
        self._decoder.comments.clear()
        return comments

    async def _read(self) -> None:
        piece = await self._exchange.read()
        if not piece:
            raise StreamEnded(is_complete=self._exchange.is_complete)
        self._events += self._decoder.feed(piece)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedEvent:
        try:
            return await self.receive()
        except StreamEnded as ended:
            raise StopAsyncIteration from ended


def is_event_stream(head: ReplyHead) -> bool:
    """Whether a browser would read this answer as an event stream (HTML living standard section 9.2.2)."""
    try:
        media_type = parse_media_type(head.headers.get("content-type", ""))
    except InvalidMediaType:
        return False
    return head.status_code == 200 and media_type.essence == "text/event-stream"
