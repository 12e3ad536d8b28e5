"""A store in this process's memory: bounded, forgotten at the end, and not shared between workers."""

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable

from pagi.http.errors import ConfigError
from pagi.stores.store import NotACounter

_SLACK = 64
"""How many outdated deadlines the heap may hold before it is made anew, beside one per entry."""


class MemoryStore:
    """Holds at most `max_entries`: then the one that was not asked for the longest makes room. Runs on any loop.

    It suits tests, and one process: workers have one each. `clock` is in seconds, and never goes back.

    Raises:
        ConfigError: `max_entries` is below 1.
    """

    def __init__(self, *, max_entries: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        if max_entries < 1:
            raise ConfigError(f"max_entries is at least 1, got {max_entries}")
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        """Values and their deadlines, the one asked for last at the end."""
        self._deadlines: list[tuple[float, str]] = []
        """A heap. An entry that was touched, replaced or deleted leaves an outdated one behind."""

    def __len__(self) -> int:
        self._drop_expired()
        return len(self._entries)

    async def get(self, key: str) -> bytes | None:
        """See `Store.get`."""
        return self._live(key)

    async def set(self, key: str, value: bytes, *, seconds: float, if_present: bool = False) -> bool:
        """See `Store.set`."""
        if if_present and self._live(key) is None:
            return False
        self._keep(key, value, self._clock() + seconds)
        return True

    async def delete(self, key: str) -> bool:
        """See `Store.delete`."""
        was_there = self._live(key) is not None
        self._entries.pop(key, None)
        return was_there

    async def touch(self, key: str, *, seconds: float) -> bool:
        """See `Store.touch`."""
        value = self._live(key)
        if value is None:
            return False
        self._keep(key, value, self._clock() + seconds)
        return True

    async def increment(self, key: str, *, by: int = 1, seconds: float) -> int:
        """See `Store.increment`."""
        value = self._live(key)
        if value is None:
            count, deadline = by, self._clock() + seconds
        else:
            try:
                count = int(value) + by
            except ValueError:
                raise NotACounter(key) from None
            deadline = self._entries[key][1]
        self._keep(key, b"%d" % count, deadline)
        return count

    def _live(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, deadline = entry
        if deadline <= self._clock():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def _keep(self, key: str, value: bytes, deadline: float) -> None:
        known = self._entries.get(key)
        if known is None and len(self._entries) >= self._max_entries:
            self._drop_expired()
            if len(self._entries) >= self._max_entries:
                self._entries.popitem(last=False)
        self._entries[key] = (value, deadline)
        self._entries.move_to_end(key)
        if known is None or known[1] != deadline:
            heapq.heappush(self._deadlines, (deadline, key))
            if len(self._deadlines) > 2 * len(self._entries) + _SLACK:
                self._deadlines = [(each[1], name) for name, each in self._entries.items()]
                heapq.heapify(self._deadlines)

    def _drop_expired(self) -> None:
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, key = heapq.heappop(self._deadlines)
            entry = self._entries.get(key)
            if entry is not None and entry[1] == deadline:
                del self._entries[key]
