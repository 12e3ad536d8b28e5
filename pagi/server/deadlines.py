"""Deadlines without timers: one sweep per process looks at every connection, never early, late by at most one period.

A process that stood still, because a handler blocked the loop or the system stopped it, gives everybody a period more.
"""

from collections.abc import Callable

from pagi.server.options import ServerOptions
from pagi.server.runtime import Runtime, Timer

MOST_LEFT_OUT = 3
"""Sweeps in a row. One may be no more than a busy system's, and the next that of the handler that blocks: both are to count. A process
that is late at every turn still judges, at every fourth."""


def sweep_period(options: ServerOptions) -> float:
    """Seconds between two sweeps: a quarter of the shortest deadline that is on, and at most one second.

    >>> sweep_period(ServerOptions())
    1.0
    """
    timeouts, websocket, sse = options.timeouts, options.websocket, options.sse
    deadlines = (
        timeouts.head_seconds,
        timeouts.keep_alive_seconds,
        timeouts.disconnect_grace_seconds,
        options.body.body_stall_seconds,
        options.flow.write_stall_seconds,
        options.tls.tls_handshake_seconds,
        options.tls.ssl_reload_seconds,
        websocket.ws_idle_seconds,
        websocket.ws_ping_interval_seconds,
        websocket.ws_ping_timeout_seconds,
        websocket.ws_close_seconds,
        sse.sse_keepalive_seconds,
        sse.sse_idle_seconds,
    )
    return min([1.0, *(seconds / 4 for seconds in deadlines if seconds > 0)])


class Sweeper:
    """Calls `tick()` every `period` seconds for as long as it is started, and `sweep(now)` with it.

    A sweep that comes late by more than a period is left out, though never more than `MOST_LEFT_OUT` in a row. What clients sent while
    the process stood still is in the system's hands, and uvloop and trio may call a timer before they look there: nobody is judged
    before that.
    """

    def __init__(self, runtime: Runtime, period: float, tick: Callable[[], None], sweep: Callable[[float], None]) -> None:
        self._runtime = runtime
        self._period = period
        self._tick = tick
        self._sweep = sweep
        self._timer: Timer | None = None
        self._due = 0.0
        self._left_out = 0

    def start(self) -> None:
        """Arranges the next sweep, one period from now."""
        self._due = self._runtime.now() + self._period
        self._timer = self._runtime.at(self._due, self._call)

    def stop(self) -> None:
        """Calls the next sweep off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call(self) -> None:
        self._tick()
        now = self._runtime.now()
        if now - self._due > self._period and self._left_out < MOST_LEFT_OUT:
            self._left_out += 1
        else:
            self._left_out = 0
            self._sweep(now)
        self.start()
