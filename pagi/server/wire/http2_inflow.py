"""Request bodies as they come: windows, what waits unread, and the credit that each byte gives back (RFC 9113 section 5.2)."""


class UnreadBudget:
    """Body bytes that wait for applications, over all HTTP/2 connections of one process. One is shared by all engines."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def is_tight(self) -> bool:
        """Half of it is used: connections are given no more than they need."""
        return self.used * 2 >= self.limit
