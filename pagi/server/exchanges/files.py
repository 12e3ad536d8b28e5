"""Files as answer bodies: 64 KiB pieces, read in few thread hops."""

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, BinaryIO

from anyio import to_thread

from pagi.gateway.types import Message

PIECE = 64 * 1024
"""Reads above 128 KiB are mapped anew each time and cost double."""
PIECES_A_HOP = 4


class FileBody:
    """A range of a file, as an asynchronous iterator of bytes. Used as a context manager, so that what it opened is closed.

    Raises, on entry:
        OSError: the file cannot be opened.
        ValueError: the handle is closed or cannot seek to `offset`.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, fh: BinaryIO | None = None, offset: int = 0, length: int | None = None
    ) -> None:
        self._path = path
        self._fh = fh
        self._offset = offset
        self._left = length
        self._opened: BinaryIO | None = None

    @classmethod
    def of(cls, event: Message) -> "FileBody | None":
        """The file that an `http.response.body` names by `file` or `fh`; None where it carries bytes."""
        path: Any = event.get("file")
        fh: Any = event.get("fh")
        if path is None and fh is None:
            return None
        return cls(path, fh=fh, offset=event.get("offset") or 0, length=event.get("length"))

    async def __aenter__(self) -> "FileBody":
        if self._fh is None:
            assert self._path is not None, "the grammar lets no body event through that has neither"
            self._fh = self._opened = await to_thread.run_sync(_open, self._path, self._offset)
        elif self._offset:
            self._fh.seek(self._offset)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._opened is not None:
            self._opened.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._left is None or self._left > 0:
            pieces, ended = await to_thread.run_sync(self._read)
            for piece in pieces:
                yield piece
            if ended:
                return

    def _read(self) -> tuple[list[bytes], bool]:
        """Some pieces, and whether the file has ended."""
        fh = self._fh
        assert fh is not None, "entered"
        pieces: list[bytes] = []
        for _ in range(PIECES_A_HOP):
            want = PIECE if self._left is None else min(PIECE, self._left)
            if not want:
                return pieces, True
            piece = fh.read(want)
            if not piece:
                return pieces, True
            if self._left is not None:
                self._left -= len(piece)
            pieces.append(piece)
        return pieces, False


def _open(path: str | os.PathLike[str], offset: int) -> BinaryIO:
    fh = open(path, "rb", buffering=0)
    if offset:
        fh.seek(offset)
    return fh
