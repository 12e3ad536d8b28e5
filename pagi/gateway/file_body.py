"""The `file` and `fh` of an `http.response.body`, read in threads for servers that take only bytes."""

import os
from collections.abc import Awaitable, Callable, Mapping
from io import FileIO
from typing import Any, Protocol

import anyio.to_thread

from pagi.http.errors import AppError

CHUNK_BYTES = 64 * 1024
"""One read. Larger ones are mapped anew by the allocator each time, and cost double."""


class FileBodyError(AppError):
    """The file of a response body could not be opened or read. No `OSError`: that would say that the client left."""


class _Source(Protocol):
    """The part of a binary file that is used; what `read` gives is not believed."""

    def read(self, size: int, /) -> object: ...
    def seek(self, offset: int, /) -> int: ...
    def close(self) -> None: ...


async def send_file(event: Mapping[str, Any], forward: Callable[[bytes], Awaitable[None]]) -> None:
    """Hands what `file` or `fh`, `offset` and `length` of `event` name to `forward`, at most 64 KiB at a time.

    A `file` is opened and closed here. An `fh` is only read: it stays open, at whatever place the reading ended.

    Raises:
        FileBodyError: the file cannot be opened or read.
    """
    source = await anyio.to_thread.run_sync(_open, event)
    try:
        left: int | None = event.get("length")
        while left is None or left > 0:
            data = await anyio.to_thread.run_sync(_read, source, CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not data:
                break
            if left is not None:
                left -= len(data)
            await forward(data)
    finally:
        if event.get("fh") is None:
            source.close()


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
