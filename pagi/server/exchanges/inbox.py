"""What arrived of a request body and waits for the application."""

from pagi.server.wire.events import RequestHead


class Inbox:
    """A body that did not come whole in one read: parts in order, handed over unjoined. Sizes are in bytes."""

    __slots__ = ("awaited", "continue_due", "ended", "parts", "received", "waiting")

    def __init__(self, head: RequestHead, first: bytes) -> None:
        self.parts = [first] if first else []
        self.waiting = self.received = len(first)
        self.ended = False
        self.awaited: float | None = None
        """Since when the application waits for more of it, on the runtime's clock."""
        self.continue_due = head.expects_continue
        """The client holds the body back until it hears 100 Continue (RFC 9110 section 10.1.1)."""

    def put(self, part: bytes) -> None:
        """Some bytes arrived: the client did not wait any longer for a 100."""
        self.parts.append(part)
        self.waiting += len(part)
        self.received += len(part)
        self.continue_due = False

    def take(self) -> bytes:
        """The next part; empty where there is none."""
        if not self.parts:
            return b""
        part = self.parts.pop(0)
        self.waiting -= len(part)
        return part

    @property
    def has_news(self) -> bool:
        """There is something to hand over: a part, or the end."""
        return bool(self.parts) or self.ended

    @property
    def more(self) -> bool:
        """More is to be handed over after what was taken."""
        return bool(self.parts) or not self.ended
