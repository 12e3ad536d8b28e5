"""What came back: the answer to one request, whole or as it comes, and the ways in which there is none."""

from collections.abc import AsyncIterator
from typing import Any, Protocol, Self

import msgspec

from pagi.http.errors import PagiError
from pagi.http.headers import Headers
from pagi.http.media_types import InvalidMediaType, parse_media_type
from pagi.testing.cookies import read_set_cookie

SHOWN_BYTES = 500
"""How much of a body an error message shows."""


class ServerHungUp(PagiError):
    """Raised when the server closed the connection before there was an answer."""


class ServerBrokeProtocol(PagiError):
    """Raised when what the server sent is not HTTP or WebSocket, as h11 and wsproto read it."""


class ReplyHead:
    """Status and fields of an answer, and the informational heads (100, 103) that came before it."""

    def __init__(self, status_code: int, headers: Headers, http_version: str, informational: "list[ReplyHead] | None" = None) -> None:
        self.status_code = status_code
        self.headers = headers
        self.http_version = http_version
        self.informational: list[ReplyHead] = informational or []
        self.history: list[Reply] = []
        """The redirects that were followed to this answer."""

    @property
    def status(self) -> int:
        """The status code, by pagi's own word for it."""
        return self.status_code

    @property
    def is_success(self) -> bool:
        """The status is within 200 to 299."""
        return 200 <= self.status_code < 300

    @property
    def cookies(self) -> dict[str, str]:
        """What this answer sets, by name; a cookie it deletes is there with its last value, mostly empty."""
        read = [read_set_cookie(field) for field in self.headers.get_all("set-cookie")]
        return {cookie.name: cookie.value for cookie in read if cookie is not None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.headers.get('content-type', 'without content-type')}>"


class Reply(ReplyHead):
    """A whole answer."""

    def __init__(self, head: ReplyHead, content: bytes, *, is_complete: bool, trailers: Headers) -> None:
        super().__init__(head.status_code, head.headers, head.http_version, head.informational)
        self.history = head.history
        self.content = content
        self.is_complete = is_complete
        """False where the server cut the answer short."""
        self.trailers = trailers

    @property
    def text(self) -> str:
        """The body as text, by the charset that Content-Type names; UTF-8 where it names none, what does not fit replaced."""
        try:
            charset = parse_media_type(self.headers.get("content-type", "text/plain")).charset
            return self.content.decode(charset or "utf-8", "replace")
        except (InvalidMediaType, LookupError):
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body read as JSON.

        Raises:
            NotJSON: it is not.
        """
        try:
            return msgspec.json.decode(self.content)
        except msgspec.DecodeError as error:
            raise NotJSON(self, error) from error


class NotJSON(PagiError, msgspec.DecodeError):
    """Raised when an answer was to be read as JSON and is not."""

    def __init__(self, reply: Reply, error: msgspec.DecodeError) -> None:
        kind = reply.headers.get("content-type", "no content-type")
        start = f"{reply.content[:SHOWN_BYTES]!r}{' ...' if len(reply.content) > SHOWN_BYTES else ''}"
        coding = reply.headers.get("content-encoding")
        coded = f" The body is coded as {coding}, as its Accept-Encoding asked: the client does not decode it." if coding else ""
        super().__init__(f"the answer is no JSON ({error}): {reply.status_code}, {kind}, {len(reply.content)} bytes: {start}{coded}")
        self.reply = reply


class BodySource(Protocol):
    """Where a body comes from."""

    is_complete: bool
    trailers: Headers

    async def read(self) -> bytes: ...


class _Pieces:
    """What is left of a body. No generator, which would want closing when a test leaves in the middle."""

    def __init__(self, source: BodySource) -> None:
        self._source = source

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._source.read()
        if not piece:
            raise StopAsyncIteration
        return piece


class StreamedReply(ReplyHead):
    """An answer whose body is read as it comes. What is not read holds the application back, as a slow client does."""

    def __init__(self, head: ReplyHead, source: BodySource) -> None:
        super().__init__(head.status_code, head.headers, head.http_version, head.informational)
        self.history = head.history
        self._source = source

    @property
    def is_complete(self) -> bool:
        """The body was read to its end, and the server did not cut it short."""
        return self._source.is_complete

    @property
    def trailers(self) -> Headers:
        """Fields that came behind the body; known once it is complete."""
        return self._source.trailers

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body in the pieces it comes in. Ends quietly where the server cut it short: see `is_complete`."""
        return _Pieces(self._source)

    async def read(self) -> bytes:
        """What is left of the body."""
        return b"".join([piece async for piece in self.aiter_bytes()])
