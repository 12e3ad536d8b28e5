"""The `file` and `fh` of an `http.response.body`, read in threads for servers that take only bytes."""

import os
from collections.abc import Awaitable, Callable, Mapping
from io import FileIO
from typing import Any, Protocol

import anyio.to_thread

from pagi.http.errors import AppError

CHUNK_BYTES = 64 * 1024
"""One read. Larger ones are mapped anew by the allocator each time, and cost double."""
FIRST_BATCH = 4
LARGEST_BATCH = 16
"""Reads in one thread hop: they double, so that a small file is small in memory and a large one costs few hops."""


class FileBodyError(AppError):
    """The file of a response body could not be opened or read. No `OSError`: that would say that the client left."""


class _Source(Protocol):
    """The part of a binary file that is used; what `read` gives is not believed."""

    def read(self, size: int, /) -> object: ...
    def seek(self, offset: int, /) -> int: ...
    def close(self) -> None: ...


async def send_file(event: Mapping[str, Any], forward: Callable[[bytes], Awaitable[None]]) -> None:
    """Hands what `file` or `fh`, `offset` and `length` of `event` name to `forward`, at most 64 KiB at a time.

    A `file` is opened and closed here, and read to the size it has then. An `fh` is only read: it stays open, at whatever
    place the reading ended. A thread opens it and reads; one hop brings several pieces, more each time, since a hop costs as
    much as reading one of them.

    Raises:
        FileBodyError: the file cannot be opened or read.
    """
    reader = _Reader(event)
    try:
        while pieces := await anyio.to_thread.run_sync(reader.read):
            for piece in pieces:
                await forward(piece)
            if reader.left == 0:
                return
    finally:
        reader.close()


class _Reader:
    """One file being read, by one thread at a time."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self._source: _Source | None = None
        self._batch = FIRST_BATCH
        self.left: int | None = event.get("length")
        """Bytes still to be read; None: until the end."""

    def read(self) -> list[bytes]:
        """The next pieces; none at the end."""
        source = self._source
        if source is None:
            source = self._source = _open(self._event)
            if isinstance(source, FileIO) and self._event.get("fh") is None:
                size = max(os.fstat(source.fileno()).st_size - source.tell(), 0)
                self.left = size if self.left is None else min(self.left, size)
        pieces: list[bytes] = []
        for _ in range(self._batch):
            want = CHUNK_BYTES if self.left is None else min(CHUNK_BYTES, self.left)
            piece = _read(source, want) if want else b""
            if not piece:
                break
            pieces.append(piece)
            if self.left is not None:
                self.left -= len(piece)
        self._batch = min(self._batch * 2, LARGEST_BATCH)
        return pieces

    def close(self) -> None:
        """Closes what was opened here."""
        if self._source is not None and self._event.get("fh") is None:
            self._source.close()


def absolute_path(event: Mapping[str, Any]) -> str:
    """The path that `file` names, absolute, as `http.response.pathsend` wants it."""
    return os.path.abspath(_path_of(event))


def _path_of(event: Mapping[str, Any]) -> str:
    path: str | os.PathLike[str] = event["file"]
    return os.fspath(path)


def _open(event: Mapping[str, Any]) -> _Source:
    source: _Source | None = event.get("fh")
    offset: int = event.get("offset") or 0
    try:
        if source is None:
            source = FileIO(_path_of(event))
        if offset:
            source.seek(offset)
    except (OSError, ValueError) as error:
        raise FileBodyError(f"the file of 'http.response.body' cannot be opened: {error}") from error
    return source


def _read(source: _Source, size: int) -> bytes:
    try:
        data = source.read(size)
    except (OSError, ValueError) as error:
        raise FileBodyError(f"the file of 'http.response.body' cannot be read: {error}") from error
    if not isinstance(data, bytes):
        raise FileBodyError(f"the file of 'http.response.body' gives {type(data).__name__}, not bytes; open it in binary mode")
    return data
