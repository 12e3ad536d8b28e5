"""A part of an open file on its way to a socket. The operating system copies it there: its bytes are never seen here."""

import errno
import os
from io import FileIO

_UNABLE = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))
"""What `sendfile` says for a file system that cannot."""
_READ_BYTES = 64 * 1024


class FileBroken(Exception):
    """The file ended before the range did, or was closed by whoever opened it."""


class FileRange:
    """`left` bytes of `file`. Whoever opened the file closes it: it is asked for its descriptor each time, so a closed one is noticed.

    Its length is what is left of it, so that it counts as bytes do wherever unsent bytes are counted.
    """

    __slots__ = ("_at", "_file", "is_broken", "left")

    def __init__(self, file: FileIO, at: int, size: int) -> None:
        self._file = file
        self._at = at
        self.left = size
        self.is_broken = False
        """It could not be sent whole."""

    def __len__(self) -> int:
        return self.left

    def send_to(self, descriptor: int) -> int:
        """Sends as much as a socket takes now. Returns how much that was.

        Raises:
            FileBroken: there is nothing more to send, and there should be.
            BlockingIOError: the socket takes nothing now.
            OSError: the peer is gone, or the file cannot be read.
        """
        try:
            source = self._file.fileno()
        except ValueError as error:
            self.is_broken = True
            raise FileBroken from error
        try:
            sent = os.sendfile(descriptor, source, self._at, self.left)
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
            piece = os.pread(source, min(self.left, _READ_BYTES), self._at)
            sent = os.write(descriptor, piece) if piece else 0
        if not sent:
            self.is_broken = True
            raise FileBroken
        self._at += sent
        self.left -= sent
        return sent
