"""How much of what was written has left, where it left in another size: TLS makes records of it."""

from collections import deque

LONG = 64
"""Writes."""


class SealedBytes:
    """Accounts of one line. What it says of the unsent changes only by a write, or when the operating system took something:

    a client that stands still does not look as if it moved because something was written to it.
    """

    __slots__ = ("_plain", "_sealed", "_sent", "_writes")

    def __init__(self) -> None:
        self._plain = self._sealed = 0
        self._sent = (0, 0)
        """Sealed and plain bytes up to the last write that is known to have left whole."""
        self._writes: deque[tuple[int, int]] = deque()
        """Sealed and plain bytes up to each later write."""

    def wrote(self, plain: int, sealed: int) -> None:
        """So many bytes became so many."""
        self._plain += plain
        self._sealed += sealed
        self._writes.append((self._sealed, self._plain))

    @property
    def is_long(self) -> bool:
        """So many writes are in it that asking for the unsent may make it shorter."""
        return len(self._writes) >= LONG

    def unsent(self, held: int) -> int:
        """The bytes that have not left, where `held` sealed ones have not."""
        writes = self._writes
        if not held:
            if writes:
                self._sent = writes[-1]
                writes.clear()
            return 0
        left = self._sealed - held
        while writes and writes[0][0] <= left:
            self._sent = writes.popleft()
        sealed, plain = self._sent
        if writes:
            plain += max(min(left - sealed, writes[0][1] - plain - 1), 0)
        return self._plain - plain
