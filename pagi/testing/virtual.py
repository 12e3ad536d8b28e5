"""A test runtime whose clock stands still until it is advanced: its timers are stepped through in order, and tasks run in between."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count

import anyio
import anyio.lowlevel

from pagi.http.errors import ConfigError
from pagi.server.runtime import Timer
from pagi.testing.runtime import HostedRuntime, HostedTask, Work

QUANTUM = 2.0**-20
"""The clock shows multiples of this (a microsecond): sums and differences of such times are exact, so that a deadline
of 15 s is met by 60 steps of a quarter, and the fourth of them within one `advance(60)`."""
REST_TURNS = 20
"""Turns of the loop without anything new, after which everybody is taken to wait."""
MOST_TURNS = 500
"""Turns given at most between two timers: an application that is never at rest does not stop the clock."""


class VirtualTimer:
    """A call arranged for later. Forgotten when it is called or called off."""

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], None]) -> None:
        self.fn: Callable[[], None] | None = fn

    def cancel(self) -> None:
        self.fn = None


class VirtualRuntime(HostedRuntime):
    """A `HostedRuntime` with a clock of its own, which starts at the loop's time and moves in two ways.

    `advance` moves it at once. In a `following` block it goes along with the loop's: what the client itself waits for must not
    hang on a clock that nobody advances. It never goes back. `tend` is called while everybody rests, and plays the
    clients that would read meanwhile.
    """

    def __init__(self, failed: Callable[[BaseException], None], tend: Callable[[], None]) -> None:
        super().__init__(failed)
        self.sweep: Callable[[], None] = lambda: None
        """Called at the beginning of each advance and at its end, so that what falls due just then is not missed by a sweep."""
        self._tend = tend
        self._time = _whole(anyio.current_time())
        self._since: float | None = None
        """The loop's time that `_time` stands for, while the clock follows it."""
        self._following = 0
        self._follower: HostedTask | None = None
        self._rearranged = anyio.Event()
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._order = count()
        self._moves = 0
        """Counts what the server did, so that a step in which it did nothing costs one turn."""
        self._advancing = False

    def now(self) -> float:
        if self._since is None:
            return self._time
        return self._time + math.floor((anyio.current_time() - self._since) / QUANTUM) * QUANTUM

    def spawn(self, work: Work) -> HostedTask:
        self._moves += 1
        return super().spawn(work)

    def soon(self, fn: Callable[[], None]) -> None:
        self._moves += 1
        super().soon(fn)

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer:
        timer = VirtualTimer(fn)
        heappush(self._timers, (_whole(deadline), next(self._order), timer))
        self._rearranged.set()
        return timer

    async def advance(self, seconds: float) -> None:
        """Moves the clock on. Each timer on the way is called at its own time, and what it set off runs before the next.

        Raises:
            ValueError: `seconds` is negative.
            ConfigError: another task is at it.
        """
        if not seconds >= 0:
            raise ValueError(f"a clock does not go back: seconds must not be negative, got {seconds}")
        if self._advancing:
            raise ConfigError("the clock is being advanced by another task; advance it in one at a time")
        self._advancing = True
        try:
            await self._rest(REST_TURNS)
            self.sweep()
            until = _whole(self.now() + seconds)
            while (due := self._due(until)) is not None:
                self._move(due)
                moves = self._moves
                self._call_due()
                await self._rest(1 if moves == self._moves else REST_TURNS)
            self._move(until)
            self.sweep()
            await self._rest(REST_TURNS)
        finally:
            self._advancing = False

    @contextmanager
    def following(self) -> Generator[None]:
        if not self._following:
            self._since = anyio.current_time()
            self._follower = super().spawn(self._follow)
        self._following += 1
        try:
            yield
        finally:
            self._following -= 1
            if not self._following:
                self._time, self._since = self.now(), None
                if self._follower is not None:
                    self._follower.cancel()

    # ---- inside

    async def _follow(self) -> None:
        """Calls timers as the loop's time passes, while the clock follows it."""
        while True:
            due = self._due(math.inf)
            if due is not None and due <= self.now():
                self._call_due()
                await anyio.lowlevel.checkpoint()
                continue
            self._rearranged = anyio.Event()
            with anyio.move_on_after(None if due is None else due - self.now()):
                await self._rearranged.wait()

    def _due(self, until: float) -> float | None:
        """The time of the next timer, if it is not later than `until`."""
        while self._timers and self._timers[0][2].fn is None:
            heappop(self._timers)
        return self._timers[0][0] if self._timers and self._timers[0][0] <= until else None

    def _call_due(self) -> None:
        """Calls the first timer."""
        fn, timer = None, heappop(self._timers)[2]
        fn, timer.fn = timer.fn, None
        if fn is None:
            return
        try:
            fn()
        except Exception as error:
            self._failed(error)

    def _move(self, time: float) -> None:
        self._time = max(time, self.now())
        if self._since is not None:
            self._since = anyio.current_time()

    async def _rest(self, turns: int) -> None:
        """Lets everybody run until nothing new happened in so many turns."""
        quiet = 0
        for _ in range(MOST_TURNS):
            moves = self._moves
            await anyio.lowlevel.checkpoint()
            self._tend()
            quiet = quiet + 1 if moves == self._moves else 0
            if quiet >= turns:
                return


def _whole(time: float) -> float:
    """The first time not before `time` that the clock can show."""
    return math.ceil(time / QUANTUM) * QUANTUM
