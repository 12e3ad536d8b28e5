"""A file of this machine as an answer. The server reads it; conditional requests and ranges are the static app's work."""

import os
import stat
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

from pagi.gateway.types import HeaderList, Send
from pagi.http.errors import AppError
from pagi.http.file_types import guess_type
from pagi.http.headers import encode_value
from pagi.messages.response import HeadersLike, Response


class NoSuchFile(AppError):
    """The file to be answered with is missing, or is no regular file."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"cannot answer with {path!r}: {problem}")
        self.path = path


class FileResponse(Response):
    """A file, or `length` bytes of it from `offset`. It is looked at when the answer leaves.

    `download_as` makes browsers save it under that name.

    Raises:
        ValueError: `offset` or `length` is negative.
    """

    __slots__ = ("_length", "_offset", "_size", "path")

    is_whole = False

    def __init__(
        self,
        path: str | Path,
        *,
        status: int = 200,
        headers: HeadersLike | None = None,
        content_type: str | None = None,
        download_as: str | None = None,
        offset: int = 0,
        length: int | None = None,
    ) -> None:
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"offset and length must not be negative, got {offset} and {length}")
        self.path = os.fspath(path)
        named = download_as if download_as is not None else self.path
        self._head(status, headers, content_type, (b"content-type", guess_type(named).encode()))
        if download_as is not None:
            self.raw_headers.append((b"content-disposition", attachment(download_as)))
        self.body = b""
        self._offset = offset
        self._length = length
        self._size: int | None = None

    async def prepare(self) -> None:
        """Looks at the file; the head then knows its length and age.

        Raises:
            NoSuchFile: it is missing, not a regular file, or shorter than `offset`.
        """
        if self._size is not None:
            return
        try:
            found = os.stat(self.path)  # a look into the kernel's caches, as the opening will be: a thread hop costs fifty of them
        except (OSError, ValueError) as error:
            raise NoSuchFile(self.path, str(error)) from error
        if not stat.S_ISREG(found.st_mode):
            raise NoSuchFile(self.path, "it is no regular file")
        if self._offset > found.st_size:
            raise NoSuchFile(self.path, f"offset {self._offset} lies past its {found.st_size} bytes")
        rest = found.st_size - self._offset
        self._size = rest if self._length is None else min(rest, self._length)
        names = {name for name, _ in self.raw_headers}
        if b"last-modified" not in names:
            self.raw_headers.append((b"last-modified", formatdate(found.st_mtime, usegmt=True).encode()))
        self.raw_headers[:] = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self.raw_headers.append((b"content-length", b"%d" % self._size))

    async def deliver(self, send: Send, status: int, raw_headers: HeaderList) -> None:
        """Hands the file to the server.

        Raises:
            ClientGone: the client left.
        """
        await send({"type": "http.response.start", "status": status, "headers": raw_headers})
        if not self._size:
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.body", "file": self.path, "offset": self._offset, "length": self._size})


def attachment(name: str) -> bytes:
    """The Content-Disposition that saves a file under `name` (RFC 6266), in UTF-8 where it needs it.

    >>> attachment("a b.txt"), attachment("é.txt")
    (b'attachment; filename="a b.txt"', b"attachment; filename*=UTF-8''%C3%A9.txt")
    """
    if name.isascii() and name.isprintable() and not any(char in name for char in '"\\%'):
        return encode_value("content-disposition", f'attachment; filename="{name}"')
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}".encode()
