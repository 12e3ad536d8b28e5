"""The supervisor's only wait: for descriptors, signals and the clock, in one thread and without any loop library."""

import heapq
import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Protocol

log = logging.getLogger("pagi.server")


class Readable(Protocol):
    """What can be waited for."""

    def fileno(self) -> int: ...


class Appointment:
    """A call arranged for later."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    @property
    def is_on(self) -> bool:
        """It is still to come."""
        return self._call is not None

    def cancel(self) -> None:
        """Calls it off."""
        self._call = None

    def keep(self) -> None:
        """Its time has come."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Waiting:
    """Calls whoever is due. `turn` waits once; nothing here is called at any other time."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Appointment]] = []
        self._order = count()
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)
        self._on_signal: dict[int, Callable[[], None]] = {}
        self.watch(self._woken, self._read_signals)

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def at(self, when: float, call: Callable[[], None]) -> Appointment:
        """Calls it once, not before `when`."""
        appointment = Appointment(call)
        heapq.heappush(self._due, (when, next(self._order), appointment))
        return appointment

    def watch(self, source: Readable, call: Callable[[], None]) -> None:
        """Calls it whenever there is something to read, until `forget`."""
        self._selector.register(source.fileno(), selectors.EVENT_READ, call)

    def forget(self, source: Readable) -> None:
        """Watches it no longer. To be told before it is closed."""
        self._selector.unregister(source.fileno())

    def obey(self, number: signal.Signals, call: Callable[[], None]) -> None:
        """Calls it in `turn` for each such signal, and has the process do nothing else about it. In the main thread only."""
        self._on_signal[number] = call
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(number, _nothing)

    def turn(self) -> None:
        """Waits until somebody is due, and calls all who are: what can be read comes before what the clock says."""
        while self._due and not self._due[0][2].is_on:
            heapq.heappop(self._due)
        timeout = max(self._due[0][0] - self.now(), 0.0) if self._due else None
        registered = self._selector.get_map()
        for key, _ in self._selector.select(timeout):
            if registered.get(key.fd) is key:  # else somebody called before it has closed it
                _call(key.data)
        now = self.now()
        while self._due and self._due[0][0] <= now:
            _call(heapq.heappop(self._due)[2].keep)

    def close(self) -> None:
        """Gives the signals back to the system."""
        for number in self._on_signal:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._woken.close()
        self._wakes.close()

    def _read_signals(self) -> None:
        try:
            numbers = self._woken.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number in self._on_signal:
                self._on_signal[number]()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """The wake-up says all there is to say."""


def _call(fn: Callable[[], None]) -> None:
    """A fault of one who is called is logged: workers are not to end because of it."""
    try:
        fn()
    except Exception:
        log.exception("the supervisor failed in %r", fn)
