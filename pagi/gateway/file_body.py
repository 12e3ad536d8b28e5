"""The `file` and `fh` of an `http.response.body`, read in threads for servers that take only bytes."""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from io import FileIO
from typing import Any, Protocol

import anyio.to_thread

from pagi.gateway.file_range import FileRange
from pagi.http.errors import AppError

CHUNK_BYTES = 64 * 1024
"""One read. Larger ones are mapped anew by the allocator each time, and cost double."""
FIRST_BATCH = 4
LARGEST_BATCH = 16
"""Reads in one thread hop: they double, so that a small file is small in memory and a large one costs few hops."""
NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
"""Linux: read what lies in the page cache, and fail rather than wait for a disk. Then no thread is needed at all."""
PROBED_BYTES = 8 * CHUNK_BYTES
RANGE_BYTES = 64 * CHUNK_BYTES
_PROBE = bytearray(1)


class FileBodyError(AppError):
    """The file of a response body could not be opened or read. No `OSError`: that would say that the client left."""


class _Source(Protocol):
    """The part of a binary file that is used; what `read` gives is not believed."""

    def read(self, size: int, /) -> object: ...
    def seek(self, offset: int, /) -> int: ...
    def close(self) -> None: ...


async def send_file(
    event: Mapping[str, Any],
    forward: Callable[[bytes], Awaitable[None]],
    forward_range: Callable[[FileRange], Awaitable[None]] | None = None,
) -> None:
    """Hands what `file` or `fh`, `offset` and `length` of `event` name to `forward`, at most 64 KiB at a time.

    A `file` is opened and closed here, and read to the size it has then: at once as far as it lies in the page cache, else by
    a thread, several pieces to a hop, since a hop costs as much as reading many. An `fh` is only read: it stays open, at
    whatever place. One that is a `FileIO` is read like a `file` if both `offset` and `length` are given; any other by a thread.

    With `forward_range` what lies in the page cache of such a file is handed to that unread, up to 4 MiB at a time; it has to
    wait until that left.

    Raises:
        FileBodyError: the file cannot be opened or read.
    """
    is_ours = event.get("fh") is None
    reader = _Reader(_open(event) if is_ours else event["fh"], event)
    may_be_cached = is_ours or _is_placed(event)
    try:
        reader.seek()
        if is_ours:
            reader.end_at_size()
        while True:
            piece = reader.take_cached(in_ranges=forward_range is not None) if may_be_cached else None
            if isinstance(piece, FileRange):
                if forward_range is not None:
                    await forward_range(piece)
                if piece.is_broken:
                    raise FileBodyError("the file of 'http.response.body' became shorter while it was sent")
            elif piece is None:
                pieces = await anyio.to_thread.run_sync(reader.read)
                if not pieces:
                    return
                for piece in pieces:
                    await forward(piece)
                if reader.left == 0:
                    return
            elif piece:
                await forward(piece)
            else:
                return
    finally:
        if is_ours:
            reader.source.close()


class _Reader:
    """One file being read, by one thread at a time."""

    __slots__ = ("_at", "_batch", "_cached_to", "left", "source")

    def __init__(self, source: _Source, event: Mapping[str, Any]) -> None:
        self.source = source
        self._at: int = event.get("offset") or 0
        self._batch = FIRST_BATCH
        self._cached_to = 0
        self.left: int | None = event.get("length")
        """Bytes still to be read; None: until the end."""

    def seek(self) -> None:
        """Goes to where reading begins; a handle without an offset stays where it is."""
        if self._at:
            try:
                self.source.seek(self._at)
            except (OSError, ValueError) as error:
                raise FileBodyError(f"the file of 'http.response.body' cannot be read from {self._at}: {error}") from error

    def end_at_size(self) -> None:
        """Reads no further than the file reaches now."""
        if isinstance(self.source, FileIO):
            size = max(os.fstat(self.source.fileno()).st_size - self._at, 0)
            self.left = size if self.left is None else min(self.left, size)

    def take_cached(self, *, in_ranges: bool) -> bytes | FileRange | None:
        """The next piece, if it can be had without waiting; empty at the end, None where a thread must read on."""
        source, left = self.source, self.left
        if NOWAIT is None or left is None or not isinstance(source, FileIO):
            return None
        if not left:
            return b""
        try:
            cached = self._find_cached(source.fileno(), left, CHUNK_BYTES if not in_ranges else RANGE_BYTES)
            if in_ranges and cached > CHUNK_BYTES:
                piece: bytes | FileRange = FileRange(source, self._at, cached)
            else:
                piece = os.pread(source.fileno(), min(CHUNK_BYTES, left), self._at) if cached else b""
        except OSError:  # the thread finds out what is wrong
            piece = b""
        if not piece:
            source.seek(self._at)
            return None
        self._at += len(piece)
        self.left = left - len(piece)
        return piece

    def _find_cached(self, descriptor: int, left: int, wanted: int) -> int:
        """How many bytes from here on can be read without waiting; looked for as far as `wanted`."""
        known, end = max(self._cached_to, self._at), self._at + left
        with suppress(OSError):  # not in the cache, or a file system that does not know the flag
            while known < min(self._at + wanted, end):
                # One byte stands for all before it: the kernel reads ahead, and asking for the whole would copy it twice.
                ahead = min(PROBED_BYTES, end - known)
                if not os.preadv(descriptor, [_PROBE], known + ahead - 1, NOWAIT or 0):
                    break
                known += ahead
        self._cached_to = known
        return known - self._at

    def read(self) -> list[bytes]:
        """The next pieces; none at the end."""
        pieces: list[bytes] = []
        for _ in range(self._batch):
            want = CHUNK_BYTES if self.left is None else min(CHUNK_BYTES, self.left)
            piece = _read(self.source, want) if want else b""
            if not piece:
                break
            pieces.append(piece)
            self._at += len(piece)
            if self.left is not None:
                self.left -= len(piece)
        self._batch = min(self._batch * 2, LARGEST_BATCH)
        return pieces


def absolute_path(event: Mapping[str, Any]) -> str:
    """The path that `file` names, absolute, as `http.response.pathsend` wants it."""
    return os.path.abspath(_path_of(event))


def _path_of(event: Mapping[str, Any]) -> str:
    path: str | os.PathLike[str] = event["file"]
    return os.fspath(path)


def _is_placed(event: Mapping[str, Any]) -> bool:
    """Where the reading of an open file begins and ends is said, so that nobody can mind where the handle stands."""
    source: object = event["fh"]
    return event.get("offset") is not None and event.get("length") is not None and isinstance(source, FileIO) and source.seekable()


def _open(event: Mapping[str, Any]) -> FileIO:
    try:
        return FileIO(_path_of(event))
    except OSError as error:
        raise FileBodyError(f"the file of 'http.response.body' cannot be opened: {error}") from error


def _read(source: _Source, size: int) -> bytes:
    try:
        data = source.read(size)
    except (OSError, ValueError) as error:
        raise FileBodyError(f"the file of 'http.response.body' cannot be read: {error}") from error
    if not isinstance(data, bytes):
        raise FileBodyError(f"the file of 'http.response.body' gives {type(data).__name__}, not bytes; open it in binary mode")
    return data
