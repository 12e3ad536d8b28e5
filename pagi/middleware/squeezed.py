"""A stream or file that is compressed on its way out: a `send` between the answer that is delivered and the server."""

from collections.abc import Callable
from typing import Any

import anyio.to_thread

from pagi.gateway.file_body import FileBodyError, send_file
from pagi.gateway.types import HeaderList, Message, Send
from pagi.messages.response import Response
from pagi.messages.stream import Stream
from pagi.middleware.codings import Coder, Coding

OFF_LOOP_BYTES = 64 * 1024
"""From here on a worker thread compresses: that takes a millisecond or more, a thread hop about a tenth of it."""

Settle = Callable[[HeaderList], Coding | None]
"""Decides by the fields of an answer how it is compressed, and makes the fields say so."""


class Squeezed(Stream):
    """Another answer, compressed as it leaves. What that one knows of its type only with its first piece is waited for."""

    __slots__ = ("_coding", "_inner", "_is_settled", "_level", "_settle")

    def __init__(self, inner: Response, settle: Settle, level: int, *, is_settled: bool) -> None:
        self._inner = inner
        self._settle = settle
        self._level = level
        self.status = inner.status
        # A stream is answered with once, and adds its type here when it knows it; a file may be answered with again.
        self.raw_headers = inner.raw_headers if isinstance(inner, Stream) else list(inner.raw_headers)
        self._headers = None
        self.body = b""
        self._is_settled = is_settled
        self._coding = settle(self.raw_headers) if is_settled else None

    async def prefetch(self) -> None:
        """Takes the first piece of a stream, which may raise; the head then knows its type."""
        if isinstance(self._inner, Stream):
            await self._inner.prefetch()
        if not self._is_settled:
            self._is_settled = True
            self._coding = self._settle(self.raw_headers)

    async def deliver(self, send: Send, status: int, raw_headers: HeaderList) -> None:
        """Sends the compressed pieces. Each piece of a stream can be decoded when it arrives.

        Raises:
            ClientGone: the client left.
            FileBodyError: the file cannot be read, or is shorter than it was.
        """
        if self._coding is not None:
            is_stream = isinstance(self._inner, Stream)
            send = _Squeezer(send, self._coding.coder(self._level, is_stream))
        await self._inner.deliver(send, status, raw_headers)

    async def aclose(self) -> None:
        """Gives back what the answer underneath holds."""
        await self._inner.aclose()


class _Squeezer:
    """A `send` that compresses the body that passes. It hides the server's plain calls, so every piece passes here."""

    __slots__ = ("_coder", "_raw", "_read")

    def __init__(self, raw: Send, coder: Coder) -> None:
        self._raw = raw
        self._coder = coder
        self._read = 0

    async def __call__(self, event: Message) -> None:
        if event["type"] != "http.response.body":
            await self._raw(event)
            return
        if event.get("file") is not None or event.get("fh") is not None:
            await self._file(event)
        elif data := event.get("body", b""):
            # Nothing is kept back: a reader of a live stream waits for this very piece.
            await self._forward(await self._fed(data) + self._coder.flush())
        if not event.get("more_body", False):
            await self._raw({"type": "http.response.body", "body": self._coder.end()})

    async def _file(self, event: Message) -> None:
        """A file. Nobody waits for a part of it, so it is not flushed in between."""
        await send_file(event, self._piece)
        length: Any = event.get("length")
        if length is not None and self._read < length:
            # The framing does not know how long it should have been, and would end it as if it were whole.
            raise FileBodyError(f"the file of 'http.response.body' ended after {self._read} of {length} bytes")

    async def _piece(self, piece: bytes) -> None:
        self._read += len(piece)
        await self._forward(await self._fed(piece))

    async def _fed(self, data: bytes) -> bytes:
        if len(data) < OFF_LOOP_BYTES:
            return self._coder.feed(data)
        return await anyio.to_thread.run_sync(self._coder.feed, data)

    async def _forward(self, data: bytes) -> None:
        if data:
            await self._raw({"type": "http.response.body", "body": data, "more_body": True})
