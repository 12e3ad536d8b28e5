"""Answers from a file that is open already: what leaves is what was looked at, wherever its name leads by then."""

import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from io import FileIO

import anyio.to_thread

from pagi.gateway.direct import is_direct
from pagi.gateway.file_body import FileBodyError, send_file
from pagi.gateway.types import HeaderList, Message, Send
from pagi.http.ranges import ByteRange
from pagi.messages.files import FileResponse
from pagi.messages.response import HeadersLike

PIECE_BYTES = 256 * 1024
"""One read of a part: a hop to a thread costs as much as copying half of it."""


class OpenFileResponse(FileResponse):
    """`length` bytes of an open file from `offset`. It takes the file over, and closes it after the answer left.

    `path` only says where the file was found.
    """

    __slots__ = ("file",)

    def __init__(
        self,
        file: FileIO,
        *,
        path: str,
        length: int,
        offset: int = 0,
        status: int = 200,
        headers: HeadersLike | None = None,
        content_type: str | None = None,
    ) -> None:
        super().__init__(path, status=status, headers=headers, content_type=content_type, offset=offset, length=length)
        self.file = file
        self._size = length
        self.raw_headers.append((b"content-length", b"%d" % length))

    async def deliver(self, send: Send, status: int, raw_headers: HeaderList) -> None:
        """Hands the file to the server. Where something stands in between, it gets the bytes instead.

        Raises:
            ClientGone: the client left.
            FileBodyError: the file cannot be read.
        """
        await send({"type": "http.response.start", "status": status, "headers": raw_headers})
        if self._length:
            body: Message = {"type": "http.response.body", "fh": self.file, "offset": self._offset, "length": self._length}
            if is_direct(send):
                await send(body)
                return

            left = self._length

            async def forward(piece: bytes) -> None:
                nonlocal left
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})

            await send_file(body, forward)
            if left:  # who stands in between may have dropped the length, and would end this as if it were whole
                raise FileBodyError(f"the file of 'http.response.body' ended {left} bytes early")
        await send({"type": "http.response.body", "body": b""})

    async def aclose(self) -> None:
        """Closes the file."""
        self.file.close()


class FileParts(AsyncIterator[bytes]):
    """The chunks of a `Stream`: bytes as they are, and ranges of an open file, read by a thread. It takes the file over."""

    def __init__(self, file: FileIO, pieces: Iterable[bytes | ByteRange]) -> None:
        self._file = file
        self._pieces = deque(pieces)

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        piece = self._pieces.popleft()
        if isinstance(piece, bytes):
            return piece
        data = await anyio.to_thread.run_sync(os.pread, self._file.fileno(), min(piece.length, PIECE_BYTES), piece.offset)
        if not data:
            raise FileBodyError(f"the file ends before byte {piece.end}, which was there when the answer began")
        if len(data) < piece.length:
            self._pieces.appendleft(ByteRange(piece.offset + len(data), piece.length - len(data)))
        return data

    async def aclose(self) -> None:
        """Closes the file."""
        self._file.close()
