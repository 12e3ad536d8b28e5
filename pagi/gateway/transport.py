"""`scope["pagi.transport"]`: how many bytes wait to leave, and the marks around them."""

import logging
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("pagi.gateway")


class Buffering(Protocol):
    """Who holds the bytes that wait to leave."""

    def buffered(self) -> int:
        """How many of them there are."""
        ...


class HoldsNothing:
    """Where nobody tells what waits: nothing ever seems to."""

    def buffered(self) -> int:
        return 0


class TransportHandle:
    """Outbound flow control of one exchange. Sizes are in bytes.

    `send` waits while `buffered_amount` is at or over `high_water_mark`, until it falls under `low_water_mark`.
    """

    __slots__ = ("_holder", "_on_drain", "_on_high", "high_water_mark", "is_high", "low_water_mark")

    def __init__(self, holder: Buffering, high: int, low: int) -> None:
        self._holder = holder
        self.high_water_mark = high
        self.low_water_mark = low
        self.is_high = False
        self._on_high: list[Callable[[], object]] | None = None
        self._on_drain: list[Callable[[], object]] | None = None

    @property
    def buffered_amount(self) -> int:
        """Bytes accepted from the application and not yet taken by the operating system."""
        return self._holder.buffered()

    @property
    def is_writable(self) -> bool:
        """True while `send` would not wait."""
        return self._holder.buffered() < self.high_water_mark

    def on_high_water(self, callback: Callable[[], object]) -> "TransportHandle":
        """Calls `callback()` each time the high mark is reached; at once if it is reached now."""
        self._on_high = [*(self._on_high or ()), callback]
        if self.is_high:
            _guarded(callback)
        return self

    def on_drain(self, callback: Callable[[], object]) -> "TransportHandle":
        """Calls `callback()` each time the amount falls under the low mark after it had been high."""
        self._on_drain = [*(self._on_drain or ()), callback]
        return self

    # ---- what the server tells

    def mark_high(self) -> None:
        """The amount reached the high mark."""
        if not self.is_high:
            self.is_high = True
            for callback in self._on_high or ():
                _guarded(callback)

    def mark_drained(self) -> None:
        """The amount fell under the low mark."""
        if self.is_high:
            self.is_high = False
            for callback in self._on_drain or ():
                _guarded(callback)

    def drop(self) -> None:
        """The exchange ended: pending callbacks are dropped, not fired."""
        self._on_high = self._on_drain = None

    def end(self) -> None:
        """Nothing waits any more, and whoever knew how much did is let go of."""
        self.drop()
        self._holder = HoldsNothing()


def _guarded(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        log.exception("a transport callback failed: %r", callback)
