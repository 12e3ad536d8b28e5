"""An answer that is pushed: written piece by piece, where a generator would have to be turned inside out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.direct import Direct, is_direct
from pagi.gateway.reasons import ClientGone, Reason
from pagi.http.errors import AppError
from pagi.messages.channel import Channel
from pagi.messages.response import BYTES_TYPE, TEXT_TYPE, AlreadySent, Response
from pagi.messages.stream import as_chunk


class WriterClosed(AppError):
    """Something was written after the end of the body."""


class Writer:
    """Writes the body of one answer. Its head leaves with the first piece, or with `start`; until then nothing has left."""

    __slots__ = ("_channel", "_direct", "_head", "_scope", "bytes_written", "is_closed")

    def __init__(self, channel: Channel, head: Response, scope: anyio.CancelScope | None) -> None:
        self._channel = channel
        self._head: Response | None = head
        self._scope = scope
        """What ends the writing of an answer to HEAD, which has no body; None for every other."""
        raw = channel.raw
        self._direct: Direct | None = raw if is_direct(raw) else None
        self.bytes_written = 0
        """How many bytes of the body the server was given."""
        self.is_closed = False
        """The body has its end."""

    async def start(self) -> None:
        """Sends the head now; from then on nothing can be refused. A second call does nothing.

        Raises:
            AlreadySent: another answer left before.
            WriterClosed: the body has its end.
            ClientGone: the client left.
        """
        self._check()
        await self._begin(BYTES_TYPE)

    async def write(self, data: str | bytes) -> None:
        """Writes a piece, text in UTF-8. Waits while the client is slow.

        Raises:
            NotAChunk: it is neither bytes nor text.
            AlreadySent: another answer left before.
            WriterClosed: the body has its end.
            ClientGone: the client left.
        """
        self._check()
        piece = as_chunk(data)
        if self._head is not None:
            await self._begin(TEXT_TYPE if isinstance(data, str) else BYTES_TYPE)
        if not piece:
            return
        self.bytes_written += len(piece)
        if self._direct is None:
            await self._channel.raw({"type": "http.response.body", "body": piece, "more_body": True})
        elif self._direct.chunk(piece):
            await self._direct.pace()

    async def close(self) -> None:
        """Ends the body. A second call does nothing.

        Raises:
            AlreadySent: another answer left before.
            ClientGone: the client left.
        """
        if self.is_closed:
            return
        await self._begin(BYTES_TYPE)
        self.is_closed = True
        await self._channel.raw({"type": "http.response.body", "body": b""})

    async def _begin(self, default: tuple[bytes, bytes]) -> None:
        head, self._head = self._head, None
        if head is None:
            return
        if self._channel.head is not None:
            raise AlreadySent(
                "another answer has left, so there is nothing to write to; use one writer for an answer, and return nothing else"
            )
        fields = head.raw_headers
        if not any(name == b"content-type" for name, _ in fields):
            fields = [default, *fields]
        event = {"type": "http.response.start", "status": head.status, "headers": fields}
        if self._direct is None:
            await self._channel(event)
        else:
            self._direct.start(self._channel.passing(event))
        if self._scope is not None:
            await self.close()
            self._scope.cancel()
            await anyio.sleep_forever()  # the block ends here

    def _check(self) -> None:
        if self.is_closed:
            raise WriterClosed(f"the body ended after {self.bytes_written} bytes, nothing can be written any more")


@asynccontextmanager
async def writing(channel: Channel, head: Response, connection: ConnectionHandle, *, head_only: bool) -> AsyncGenerator[Writer]:
    """A writer for the length of a block, whose end is that of the body.

    What the block raises is raised: before the head left it becomes an ordinary answer, after that the body is cut off.
    A client that is gone for good ends the block where it waits.

    Raises:
        AlreadySent: another answer left before.
        ClientGone: the client left.
    """
    scope = anyio.CancelScope()
    writer = Writer(channel, head, scope if head_only else None)
    with scope:
        connection.on_abandoned(scope.cancel)
        yield writer
        await writer.close()
    if scope.cancelled_caught and not writer.is_closed:
        raise ClientGone(connection.disconnect_reason or Reason.CLIENT_CLOSED)
