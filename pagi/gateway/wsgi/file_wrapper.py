"""`wsgi.file_wrapper`: a file as the body of an answer, which the server sends by itself where it can."""

import os
import stat
from collections.abc import Iterator
from io import FileIO
from typing import Any, Protocol

CHUNK_BYTES = 64 * 1024


class Readable(Protocol):
    """All that PEP 3333 asks of a file."""

    def read(self, size: int, /) -> bytes: ...


class FileWrapper:
    """Iterates over what a file has left, from where it stands. Closes the file with itself."""

    def __init__(self, filelike: Readable, block_size: int = CHUNK_BYTES) -> None:
        self.filelike = filelike
        self.block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.block_size):
            yield block

    def close(self) -> None:
        """Closes the file, if it can be closed."""
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()


def file_event(wrapper: FileWrapper, length: int | None) -> dict[str, Any]:
    """The body event that has the server send the file, at most `length` bytes of it.

    A file of the operating system is given by its descriptor and place, so that nobody need read it; any other is read by the server.
    """
    filelike: Any = wrapper.filelike
    event: dict[str, Any] = {"type": "http.response.body", "fh": filelike}
    if length is not None:
        event["length"] = length
    try:
        descriptor: int = filelike.fileno()
        status = os.fstat(descriptor)
        place: int = filelike.tell()
    except (AttributeError, OSError, TypeError, ValueError):
        return event
    if stat.S_ISREG(status.st_mode):
        left = max(status.st_size - place, 0)
        event |= {"fh": FileIO(descriptor, closefd=False), "offset": place, "length": left if length is None else min(length, left)}
    return event
