"""What costs a peer little and us much, counted: each kind has a burst and a rate. Reads no clock."""

from enum import IntEnum

from pagi.server.options import HTTP2Options
from pagi.server.wire.http2_faults import ConnectionFault
from pagi.server.wire.http2_frames import Code


class Flood(IntEnum):
    """The kinds that are counted."""

    RESETS = 0
    """By the peer, or by us for its faults: either lets it begin requests without end (CVE-2023-44487, CVE-2025-8671)."""
    PINGS = 1
    SETTINGS = 2
    EMPTY_DATA = 3
    """DATA frames without a byte and without an end."""
    WINDOW_UPDATES = 4
    OTHERS = 5
    """Priorities, unknown kinds, frames for streams that are over."""


_NAMES = ("reset", "ping", "settings", "empty_data", "window_update", "other_frame")
"""As the options spell them."""


class Floods:
    """The counters of one connection. They are made when the first of them is needed."""

    __slots__ = ("_left", "_limits", "_now", "_since")

    def __init__(self, options: HTTP2Options) -> None:
        self._limits = options
        self._now = 0.0
        self._left: list[float] | None = None
        self._since: list[float] = []
        """When each was filled up last, in seconds told by `tick`."""

    def tick(self, seconds: float) -> None:
        """So much time has passed."""
        self._now += seconds

    def spend(self, flood: Flood) -> None:
        """One more of a kind.

        Raises:
            ConnectionFault: that was one too many.
        """
        left = self._counters()
        if self._since[flood] != self._now:
            left[flood] = min(left[flood] + self._rate(flood) * (self._now - self._since[flood]), float(self._burst(flood)))
            self._since[flood] = self._now
        left[flood] -= 1
        if left[flood] < 0:
            name = _NAMES[flood]
            raise ConnectionFault(
                Code.ENHANCE_YOUR_CALM,
                f"over {self._burst(flood)} {flood.name.lower().replace('_', ' ')} at once and {self._rate(flood)} a second; "
                f"raise h2_{name}_burst or h2_{name}_rate if such clients are welcome",
                status=429,
            )

    def earn_window_updates(self, count: int) -> None:
        """So many frames of ours left whole: who reads them may say so."""
        left = self._left
        if left is not None:
            left[Flood.WINDOW_UPDATES] = min(left[Flood.WINDOW_UPDATES] + 2 * count, self._limits.h2_window_update_burst)

    def _counters(self) -> list[float]:
        left = self._left
        if left is None:
            left = self._left = [float(self._burst(flood)) for flood in Flood]
            self._since = [self._now] * len(left)
        return left

    def _burst(self, flood: Flood) -> int:
        return int(getattr(self._limits, f"h2_{_NAMES[flood]}_burst"))

    def _rate(self, flood: Flood) -> int:
        return int(getattr(self._limits, f"h2_{_NAMES[flood]}_rate"))
