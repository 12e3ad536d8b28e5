"""What a process serves and has served, counted: for metrics and for whoever looks in. Kept only where somebody may ask."""

from bisect import bisect_left

import msgspec

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)
"""Upper bounds of the classes that durations are counted in, in seconds: from a short request to a stream of an hour."""
MOST_RECENT = 50
MOST_SHOWN = 1000
"""Exchanges in one report; the rest is only counted."""


class OpenExchange(msgspec.Struct, frozen=True, gc=False):
    """One exchange that is going on."""

    kind: str
    method: str
    path: str
    """Without its query, which may hold what is nobody's business."""
    client: str
    http_version: str
    status: int
    """0: no head was sent yet."""
    seconds: float
    """Since its head came."""
    buffered_bytes: int
    """Accepted from the application and not yet taken by the system."""
    is_congested: bool
    """The application has to wait for its client."""
    reason: str | None
    """Why it ended early, while its task is still at work."""


class EarlyEnd(msgspec.Struct, frozen=True, gc=False):
    """An exchange that did not end as it should. `at` is in seconds since the epoch."""

    at: float
    kind: str
    method: str
    path: str
    """Without its query, which may hold what is nobody's business."""
    reason: str
    seconds: float


class Durations(msgspec.Struct, gc=False):
    """How long exchanges of one kind took: a count for each class of `BOUNDS` and one for all that took longer."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total_seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total_seconds += seconds


class Figures(msgspec.Struct):
    """Totals since the process began."""

    accepted: int = 0
    """Connections."""
    turned_away: int = 0
    """Connections that came when as many were open as may be."""
    handshakes_failed: int = 0
    """Of TLS."""
    refused: int = 0
    """Requests that were answered before they became exchanges: what breaks the protocol or a limit."""
    bytes_sent: int = 0
    """Of bodies and messages."""
    statuses: dict[str, dict[int, int]] = msgspec.field(default_factory=dict[str, dict[int, int]])
    """By kind and status. 0: none was sent."""
    reasons: dict[str, dict[str, int]] = msgspec.field(default_factory=dict[str, dict[str, int]])
    """Early ends, by kind and reason."""
    durations: dict[str, Durations] = msgspec.field(default_factory=dict[str, Durations])
    """By kind."""
    recent: list[EarlyEnd] = msgspec.field(default_factory=list[EarlyEnd])
    """The latest early ends, the last one last."""

    def ended(self, kind: str, status: int, bytes_sent: int, seconds: float) -> None:
        """One exchange is over."""
        self.bytes_sent += bytes_sent
        statuses = self.statuses.setdefault(kind, {})
        statuses[status] = statuses.get(status, 0) + 1
        durations = self.durations.get(kind)
        if durations is None:
            durations = self.durations[kind] = Durations()
        durations.add(seconds)

    def ended_early(self, end: EarlyEnd) -> None:
        """One that `ended` counted too did not end as it should."""
        reasons = self.reasons.setdefault(end.kind, {})
        reasons[end.reason] = reasons.get(end.reason, 0) + 1
        self.recent.append(end)
        del self.recent[:-MOST_RECENT]


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process at one moment."""

    pid: int
    worker: int
    """Its place among the workers, from 1; 0 without a supervisor."""
    seconds: float
    """Since it began to serve."""
    is_leaving: bool
    connections: int
    idle: int
    """Of these: connections without an exchange."""
    open: dict[str, int]
    """Exchanges by kind."""
    buffered_bytes: int
    resident_bytes: int
    """Memory of the process; 0 where the system does not say."""
    exchanges: list[OpenExchange]
    """The oldest first, at most `MOST_SHOWN`."""
    figures: Figures
