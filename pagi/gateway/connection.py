"""`scope["pagi.connection"]`: what became of one exchange, seen without consuming from `receive`."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from pagi.gateway.reasons import Outcome, Reason, outcome_of

log = logging.getLogger("pagi.gateway")


class Waiter(Protocol):
    """A one-shot event of whatever loop is running: `set` wakes every `wait`, past and future."""

    def set(self) -> None: ...
    def wait(self) -> Awaitable[None]: ...


class _Listeners:
    """Who wants to hear of it. Made on the first registration: most exchanges never have one."""

    __slots__ = ("abandoned", "closing", "closing_waiter", "complete", "disconnect", "disconnect_waiter", "drain", "is_abandoned")

    def __init__(self) -> None:
        self.complete: tuple[Callable[[], object], ...] = ()
        self.disconnect: tuple[Callable[[Reason], object], ...] = ()
        self.closing: tuple[Callable[[float], object], ...] = ()
        self.drain: tuple[Callable[[float], object], ...] = ()
        self.abandoned: tuple[Callable[[], object], ...] = ()
        self.is_abandoned = False
        self.disconnect_waiter: Waiter | None = None
        self.closing_waiter: Waiter | None = None


class ConnectionHandle:
    """The end of one exchange, and the server's closing signal.

    Exactly one of complete and disconnect ever fires. A callback registered late fires at once. Callbacks are plain
    functions, run in the order of registration; one that raises is logged and the rest still run.

    While reading is paused by backpressure the client's departure shows at the next write.
    """

    __slots__ = ("_listeners", "_new_waiter", "closing_deadline", "complete", "disconnect_reason", "response_started")

    def __init__(self, new_waiter: Callable[[], Waiter]) -> None:
        self._new_waiter = new_waiter
        self._listeners: _Listeners | None = None
        self.response_started = False
        """True once a response start was accepted, whoever made it: the application, a middleware or the server itself."""
        self.complete = False
        self.disconnect_reason: Reason | None = None
        """Why the exchange ended early; None while it is open and after a clean end."""
        self.closing_deadline: float | None = None
        """When what is still open will be cut, on the clock of `anyio.current_time()`; None while nothing closes."""

    # ---- what applications read

    @property
    def is_connected(self) -> bool:
        """True until the exchange ends, for whatever reason. Never goes back."""
        return not self.complete and self.disconnect_reason is None

    @property
    def response_complete(self) -> bool:
        """True once the whole answer was taken by the operating system."""
        return self.complete

    @property
    def outcome(self) -> Outcome | None:
        """How the exchange ended; None while it is open."""
        if self.is_connected:
            return None
        return outcome_of(self.disconnect_reason)

    @property
    def is_closing(self) -> bool:
        """True once the server said that it will end."""
        return self.closing_deadline is not None

    def on_complete(self, callback: Callable[[], object]) -> None:
        """Calls `callback()` when the whole answer was taken; never after a disconnect."""
        if self.complete:
            _guarded(callback)
        elif self.disconnect_reason is None:
            self._listening().complete += (callback,)

    def on_disconnect(self, callback: Callable[[Reason], object]) -> None:
        """Calls `callback(reason)` when the exchange ends early; never after a clean end."""
        if self.disconnect_reason is not None:
            _guarded(callback, self.disconnect_reason)
        elif not self.complete:
            self._listening().disconnect += (callback,)

    def on_closing(self, callback: Callable[[float], object]) -> None:
        """Calls `callback(deadline)` when the server says that it will end. Registering says: this exchange ends itself."""
        if self.is_connected:
            # Kept even when it fires at once: who registers late ends itself all the same.
            self._listening().closing += (callback,)
        if self.closing_deadline is not None:
            _guarded(callback, self.closing_deadline)

    async def disconnected(self) -> Reason:
        """Waits for an early end and says why. After a clean end it waits for ever: race it against your own work."""
        while self.disconnect_reason is None:
            listeners = self._listening()
            if listeners.disconnect_waiter is None:
                listeners.disconnect_waiter = self._new_waiter()
            await listeners.disconnect_waiter.wait()
        return self.disconnect_reason

    async def closing(self) -> float:
        """Waits until the server says that it will end, and returns the deadline (see `closing_deadline`)."""
        while self.closing_deadline is None:
            listeners = self._listening()
            if listeners.closing_waiter is None:
                listeners.closing_waiter = self._new_waiter()
            await listeners.closing_waiter.wait()
        return self.closing_deadline

    # ---- what a framework registers, apart from the handler's own listening

    def on_drain(self, callback: Callable[[float], object]) -> None:
        """Like `on_closing`, for the framework: it fires only where the handler does not listen to the closing signal itself."""
        if self.closing_deadline is None:
            if self.is_connected:
                self._listening().drain += (callback,)
        elif not self.hears_closing:
            _guarded(callback, self.closing_deadline)

    def on_abandoned(self, callback: Callable[[], object]) -> None:
        """Calls `callback()` when the grace after a disconnect is over and the exchange still runs: time to cancel."""
        if self._listeners is not None and self._listeners.is_abandoned:
            _guarded(callback)
        elif not self.complete:
            self._listening().abandoned += (callback,)

    # ---- what the server (or the bridge under a foreign one) tells

    @property
    def is_watched(self) -> bool:
        """Somebody registered for the end: it is worth finding out when the last byte left."""
        return self._listeners is not None

    @property
    def hears_closing(self) -> bool:
        """The handler listens to the closing signal and ends by itself."""
        listeners = self._listeners
        return listeners is not None and (bool(listeners.closing) or listeners.closing_waiter is not None)

    def mark_complete(self) -> None:
        """The whole answer was taken. Ignored after a disconnect."""
        if not self.is_connected:
            return
        self.complete = True
        if (listeners := self._listeners) is not None:
            callbacks = listeners.complete
            _drop(listeners)
            listeners.abandoned = ()
            for callback in callbacks:
                _guarded(callback)

    def mark_disconnected(self, reason: Reason) -> None:
        """The exchange ended early. Ignored after any other end: the first one wins."""
        if not self.is_connected:
            return
        self.disconnect_reason = reason
        if (listeners := self._listeners) is not None:
            callbacks = listeners.disconnect
            _drop(listeners)
            if listeners.disconnect_waiter is not None:
                listeners.disconnect_waiter.set()
            for callback in callbacks:
                _guarded(callback, reason)

    def mark_closing(self, deadline: float) -> None:
        """The server will end at `deadline`."""
        if self.closing_deadline is not None or not self.is_connected:
            return
        ends_itself = self.hears_closing
        self.closing_deadline = deadline
        if (listeners := self._listeners) is not None:
            if listeners.closing_waiter is not None:
                listeners.closing_waiter.set()
            for callback in listeners.closing if ends_itself else listeners.drain:
                _guarded(callback, deadline)

    def abandon(self) -> None:
        """The grace after a disconnect is over."""
        listeners = self._listening()
        listeners.is_abandoned = True
        callbacks, listeners.abandoned = listeners.abandoned, ()
        for callback in callbacks:
            _guarded(callback)

    def _listening(self) -> _Listeners:
        if self._listeners is None:
            self._listeners = _Listeners()
        return self._listeners


def _drop(listeners: _Listeners) -> None:
    """After an end nothing of the callbacks is kept: they hold handlers and what those hold."""
    listeners.complete, listeners.disconnect, listeners.closing, listeners.drain = (), (), (), ()


def _guarded(callback: Callable[..., object], *args: object) -> None:
    try:
        callback(*args)
    except Exception:
        log.exception("a connection callback failed: %r", callback)
