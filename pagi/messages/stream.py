"""An answer that comes piece by piece. Its first piece is taken before the head leaves, so until then it may still refuse."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, TypeAlias, cast

import anyio.to_thread

from pagi.gateway.direct import is_direct
from pagi.gateway.types import HeaderList, Send
from pagi.messages.response import BYTES_TYPE, TEXT_TYPE, HeadersLike, Response

Chunks: TypeAlias = AsyncIterable[bytes] | AsyncIterable[str] | Iterable[bytes] | Iterable[str]

_END = object()


class NotAChunk(TypeError):
    """A stream gave something that is neither bytes nor text."""

    def __init__(self, chunk: object) -> None:
        super().__init__(
            f"a stream gives bytes or str, got {type(chunk).__name__}; encode it first, or use router.sse for a stream of events"
        )


class Stepper(AsyncIterator[Any]):
    """A plain iterator, stepped in a worker thread: it may block."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    async def __anext__(self) -> Any:
        item = await anyio.to_thread.run_sync(next, self._iterator, _END)
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Closes a generator underneath."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            await anyio.to_thread.run_sync(close)


class Stream(Response):
    """An answer whose body is an iterator of bytes or str, async or not; a plain one runs in a worker thread.

    The type is plain text if the first piece is text, else octets, unless it is given.
    """

    __slots__ = ("_first", "_has_type", "_iterator")

    is_whole = False

    def __init__(self, chunks: Chunks, *, status: int = 200, headers: HeadersLike | None = None, content_type: str | None = None) -> None:
        self._head(status, headers, content_type, None)
        self.body = b""
        self._first: bytes | None = None
        source = cast("AsyncIterable[Any] | Iterable[Any]", chunks)
        self._iterator: AsyncIterator[Any] = aiter(source) if isinstance(source, AsyncIterable) else Stepper(iter(source))

    async def prefetch(self) -> None:
        """Takes the first piece, which may raise; the head then knows its type. A second call does nothing.

        Raises:
            NotAChunk: the piece is neither bytes nor text.
        """
        if self._first is not None:
            return
        chunk = await anext(self._iterator, b"")
        if not any(name == b"content-type" for name, _ in self.raw_headers):
            self.raw_headers.insert(0, TEXT_TYPE if isinstance(chunk, str) else BYTES_TYPE)
        self._first = as_chunk(chunk)

    async def deliver(self, send: Send, status: int, raw_headers: HeaderList) -> None:
        """Sends the pieces as they come.

        Raises:
            ClientGone: the client left.
            NotAChunk: a piece is neither bytes nor text.
        """
        first = self._first or b""
        if is_direct(send):
            send.start({"type": "http.response.start", "status": status, "headers": raw_headers})
            take = send.chunk
            if take(first):
                await send.pace()
            async for chunk in self._iterator:
                if take(chunk if chunk.__class__ is bytes else as_chunk(chunk)):
                    await send.pace()
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": status, "headers": raw_headers})
        if first:
            await send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in self._iterator:
            data = chunk if chunk.__class__ is bytes else as_chunk(chunk)
            if data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def aclose(self) -> None:
        """Closes the generator underneath, in the task that steps it."""
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


def as_chunk(chunk: object) -> bytes:
    """A piece of a body as bytes.

    Raises:
        NotAChunk: it is neither bytes nor text.
    """
    if isinstance(chunk, str):
        return chunk.encode()
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", chunk))
    raise NotAChunk(chunk)
