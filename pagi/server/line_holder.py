"""What every connection knows of its line, whatever it speaks: what was written, whether that stands still, who is at the other end."""

import logging

from pagi.server.exchanges.base import Exchange
from pagi.server.exchanges.scope import Peer
from pagi.server.runtime import Line
from pagi.server.service import Service

log = logging.getLogger("pagi.server")


class LineHolder:
    """The part of a connection that no framing changes. It has a base class for speed: the hot path reads these fields itself."""

    __slots__ = (
        "_flush_due", "_line", "_lost_at", "_progress", "_progress_at", "_written", "is_congested", "last_read", "peer", "sends_files",
        "service",
    )  # fmt: skip

    def __init__(self, service: Service, line: Line, peer: Peer) -> None:
        self.service = service
        self.peer = peer
        self.sends_files = line.sends_files
        self.is_congested = False
        self.last_read = self._progress_at = service.runtime.now()
        self._line = line
        self._flush_due = False
        self._lost_at: float | None = None
        self._written = self._progress = 0

    def stands_still(self, now: float) -> bool:
        """Unsent bytes have stood still for longer than they may."""
        buffered = self._line.buffered()
        progress = self._written - buffered
        if not buffered or progress != self._progress:
            self._progress, self._progress_at = progress, now
            return False
        limit = self.service.options.flow.write_stall_seconds
        return limit > 0 and now - self._progress_at >= limit

    def abandon_lost(self, exchanges: list[Exchange], now: float) -> None:
        """The line is lost: streams and WebSockets that still run are ended when their grace is over."""
        if self._lost_at is not None and now - self._lost_at >= self.service.options.timeouts.disconnect_grace_seconds:
            for exchange in exchanges:
                exchange.handle.abandon()

    def client(self) -> str:
        """The other end, for a line in the log."""
        client = self.peer.client
        return f"{client[0]}:{client[1]}" if client else "unix"

    def note_refused(self, status: int, detail: str) -> None:
        """A request is answered by the server itself, and never becomes an exchange."""
        log.info("%s: %d %s", self.client(), status, detail)
        if self.service.access_log is not None:
            self.service.access_log.refused(self.peer.client, status, detail)
        if self.service.figures is not None:
            self.service.figures.refused += 1

    def found_lost(self) -> bool:
        """The line is gone. Returns False where that was known."""
        if self._lost_at is not None:
            return False
        self._lost_at = self.service.runtime.now()
        self.is_congested = False
        return True
