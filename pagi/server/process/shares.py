"""How many connections each worker holds, in memory that all of them see, so that none takes more than its share.

The kernel wakes every worker that waits on a listening socket, and the one that runs first takes what is there: on a busy machine one
of four was seen to take 64 connections of 64. Event streams and WebSockets would stay there for hours.
"""

import mmap
import os
import tempfile
from collections.abc import Callable, Collection
from time import monotonic

PLACES = 1024
"""As many workers may accept at the same time, those included that are about to be replaced. Place 0 holds how many places are in use."""
CLOSED = 0
"""At the place of a worker that accepts nothing. One that does is there with its connections and one more."""
SLACK = 4
"""So many more than the least are nothing yet."""
MOST_TIMES = 8
"""How often one gives way for a single connection. Half as often each time that it was for nothing: the other may be blocked."""

EVENS_OUT = 16
"""Where connections come and go, what one has too many evens out by itself: this part of what ends in a second is no reason to give way.
Without it, a load of connections for one request each was halved."""


class Shares:
    """The table, by a descriptor that is inherited."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._counts = memoryview(mmap.mmap(descriptor, PLACES * 8)).cast("q")

    @classmethod
    def made(cls) -> "Shares":
        """A new table, in memory without a name."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("pagi-shares")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, PLACES * 8)
        return cls(descriptor)

    def free_place(self, taken: Collection[int]) -> int:
        """A place for another worker, beside those that are taken; 0 if there is none left."""
        place = next((place for place in range(1, PLACES) if place not in taken), 0)
        self._counts[place] = CLOSED
        self._counts[0] = max([place, *taken]) + 1
        return place

    def clear(self, place: int) -> None:
        """Whoever was at this place is gone."""
        if place:
            self._counts[place] = CLOSED

    def at(self, place: int) -> "Share":
        """The part of the worker at this place."""
        return Share(self._counts, place)


class Share:
    """One worker's part. It takes part from the first `hold` until `leave`."""

    def __init__(self, counts: "memoryview[int]", place: int, now: Callable[[], float] = monotonic) -> None:
        self._counts = counts
        self._place = place
        self._now = now
        self._least = 0
        self._times = 0
        self._most = MOST_TIMES
        self._closed = self._closed_before = 0
        """Connections that ended in this second, and in the one before."""
        self._second = now()

    def hold(self, connections: int) -> None:
        """So many connections are open here."""
        self._counts[self._place] = connections + 1

    def let_go(self, connections: int) -> None:
        """One ended, and so many are left."""
        self._counts[self._place] = connections + 1
        self._closed += 1

    def leave(self) -> None:
        """Nothing more is accepted here."""
        self._counts[self._place] = CLOSED

    def gives_way(self, connections: int) -> bool:
        """With so many, the next connection is another's, if that one will have it in the next moment."""
        counts = self._counts[: self._counts[0]].tolist()
        counts[0] = counts[self._place] = CLOSED
        least = min(filter(None, counts), default=connections + 1) - 1
        if connections - least <= max(SLACK, self._churn() // EVENS_OUT) + connections // 8:
            self._times = 0
            return False
        if least != self._least:
            self._least, self._most = least, MOST_TIMES  # somebody takes connections, or lets them go
        if self._times < self._most:
            self._times += 1
            return True
        self._times, self._most = 0, max(self._most // 2, 1)
        return False

    def _churn(self) -> int:
        """How many connections end in a second."""
        now = self._now()
        if now - self._second >= 1:
            self._closed, self._closed_before = 0, self._closed if now - self._second < 2 else 0
            self._second = now
        return max(self._closed, self._closed_before)
