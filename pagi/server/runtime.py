"""The two seams under a connection: its wire, and the loop. Met by asyncio, by anyio streams and by the test client."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from pagi.gateway.connection import Waiter
from pagi.gateway.direct import Timer
from pagi.gateway.reasons import Reason
from pagi.server.wire.engine import Part

__all__ = ["Line", "Listener", "Runtime", "Timer", "Waiter", "call_all"]

log = logging.getLogger("pagi.server")


class Listener(Protocol):
    """Who a line tells what happens to it."""

    @property
    def is_congested(self) -> bool:
        """It was told `congested` and not yet `drained`."""
        ...

    def received(self, data: bytes) -> None:
        """Bytes arrived; `b""` is the end of input."""
        ...

    def lost(self, reason: Reason) -> None:
        """The line is gone, whoever ended it. Nothing is told after that."""
        ...

    def congested(self) -> None:
        """Unsent bytes reached the high mark."""
        ...

    def drained(self) -> None:
        """Unsent bytes fell under the low mark."""
        ...


class Line(Protocol):
    """One connection's wire. Nothing here waits; nothing here raises for a peer that is gone."""

    sends_files: bool
    """Parts of files may be among what is written."""

    def hand_over(self, listener: Listener) -> None:
        """From now on this one is told what happens."""
        ...

    def write(self, parts: Sequence[Part]) -> None:
        """Takes these bytes for sending, in order."""
        ...

    def buffered(self) -> int:
        """Bytes taken and not yet accepted by the operating system."""
        ...

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def when_sent(self, fn: Callable[[], None]) -> None:
        """Calls `fn` once, when everything written so far was accepted by the operating system; never if the line is lost first."""
        ...

    def close(self, *, linger: bool = False) -> None:
        """Sends what is buffered, then closes. With `linger` the write side closes first and input is discarded for a moment,

        so that an error answer is not destroyed by a reset (RFC 9112 section 9.6).
        """
        ...

    def abort(self) -> None:
        """Closes at once; what is buffered is lost."""
        ...


class Runtime(Protocol):
    """What the core asks of a loop."""

    def now(self) -> float:
        """Seconds on a clock that never goes back; the clock of `anyio.current_time()`."""
        ...

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], /) -> object:
        """Runs `work` in a task of its own, which lives as long as what is returned is kept. It reports its own failures.

        Its first step may run before `spawn` returns.
        """
        ...

    def close(self) -> None:
        """The server ends: what was kept ready is let go."""
        ...

    async def cancel(self, tasks: list[object], grace_seconds: float) -> int:
        """Cancels what `spawn` returned, and waits so long for it to end. Returns how many tasks ignored that."""
        ...

    def waiter(self) -> Waiter: ...

    def checkpoint(self) -> Awaitable[None]:
        """Lets everybody else run once."""
        ...

    def soon(self, fn: Callable[[], None]) -> None:
        """Calls `fn` at the end of this tick."""
        ...

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer: ...


def call_all(calls: Iterable[Callable[[], None]]) -> None:
    """Calls each. One that fails, by a fault of the server's own, is logged: the connections behind the others are not to suffer."""
    for fn in calls:
        try:
            fn()
        except Exception:
            log.exception("the server failed in %r", fn)
