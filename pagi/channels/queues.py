"""What waits for one reader, and what becomes of it when the reader is slow. No loop and no clock."""

from collections import deque
from typing import Literal, Protocol, TypeAlias

from pagi.channels.items import Entry

Policy: TypeAlias = Literal["disconnect", "drop_oldest", "latest", "wait"]
"""What becomes of a reader whose queue is full. `disconnect` ends its subscription, `drop_oldest` drops what has waited
longest, `latest` keeps only the newest item of each topic, and with `wait` the publisher waits for the reader."""


class Queue(Protocol):
    """Entries on their way to one reader, in the order they were published."""

    dropped: bool
    """Entries that should stand before the next one are missing."""
    overflowed: bool
    """It was full when another entry came; it takes no more."""

    def put(self, entry: Entry) -> bool:
        """Adds one; True if the publisher should look up, because it is half full, or overflowed."""
        ...

    def take(self) -> Entry | None:
        """The next one, if there is one."""
        ...

    def peek(self) -> Entry | None:
        """The next one, which stays."""
        ...

    def clear(self) -> None:
        """Forgets all that waits, and that anything was missing."""
        ...

    @property
    def is_full(self) -> bool:
        """Another entry would be one too many."""
        ...


class Bounded:
    """Ends, when it is full, with what it holds: `disconnect`. For `wait` the publisher sees to it that it never does."""

    __slots__ = ("_capacity", "_crowd", "_entries", "dropped", "overflowed")

    def __init__(self, capacity: int) -> None:
        self._entries: deque[Entry] = deque()
        self._capacity = capacity
        self._crowd = (capacity + 1) // 2
        self.dropped = False
        self.overflowed = False

    def put(self, entry: Entry) -> bool:
        waiting = len(self._entries)
        if waiting >= self._capacity:
            self.overflowed = True
        if self.overflowed:
            return True
        self._entries.append(entry)
        return waiting + 1 >= self._crowd

    def take(self) -> Entry | None:
        return self._entries.popleft() if self._entries else None

    def peek(self) -> Entry | None:
        return self._entries[0] if self._entries else None

    def clear(self) -> None:
        self._entries.clear()
        self.dropped = self.overflowed = False

    @property
    def is_full(self) -> bool:
        return len(self._entries) >= self._capacity


class Sliding(Bounded):
    """Drops what has waited longest: `drop_oldest`."""

    __slots__ = ()

    def put(self, entry: Entry) -> bool:
        waiting = len(self._entries)
        if waiting >= self._capacity:
            self._entries.popleft()
            self.dropped = True
        self._entries.append(entry)
        return waiting + 1 >= self._crowd


class Newest:
    """Keeps the newest entry of each topic: `latest`. Bounded by the number of topics."""

    __slots__ = ("_entries", "dropped", "overflowed")

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self.dropped = False
        self.overflowed = False

    def put(self, entry: Entry) -> bool:
        # Taken out and put in again: a dictionary keeps the place of a key that is already there.
        if self._entries.pop(entry.topic, None) is not None:
            self.dropped = True
        self._entries[entry.topic] = entry
        return False

    def take(self) -> Entry | None:
        first = next(iter(self._entries), None)
        return None if first is None else self._entries.pop(first)

    def peek(self) -> Entry | None:
        return next(iter(self._entries.values()), None)

    def clear(self) -> None:
        self._entries.clear()
        self.dropped = self.overflowed = False

    @property
    def is_full(self) -> bool:
        return False


def queue_for(policy: Policy, capacity: int) -> Queue:
    """The queue of a reader with this policy."""
    if policy == "latest":
        return Newest()
    return Sliding(capacity) if policy == "drop_oldest" else Bounded(capacity)
