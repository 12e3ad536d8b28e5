"""What was published, for as long as it is kept: bounded for each topic, and for all of them together."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from operator import attrgetter

import msgspec

from pagi.channels.items import Entry

ENTRY_BYTES = 240
"""What an entry costs beside its data (220 bytes measured on CPython 3.11). A topic costs about 900 more, and has a bound of its own."""

_SWEPT_AT_ONCE = 2

_by_sequence = attrgetter("sequence")


class Stored(Entry, frozen=True, gc=False):
    """An entry in history."""

    sequence: int
    at: float


class HistoryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept."""

    items: int
    """Items of one topic."""
    seconds: float | None
    """How old an item may grow. None: any age."""
    total_bytes: int
    """Items of all topics together, with what it costs to hold them."""
    topics: int
    """Topics of which something is kept."""


class _Kept:
    """One topic's entries, and the number of the last one that is gone."""

    __slots__ = ("entries", "lost")

    def __init__(self, lost: int) -> None:
        self.entries: deque[Stored] = deque()
        self.lost = lost


class History:
    """The entries of all topics. Nothing runs by itself: what is too old goes when something else comes, or is asked for.

    Where room is short, the topic that has been silent longest gives way.
    """

    def __init__(self, options: HistoryOptions, clock: Callable[[], float]) -> None:
        self.total_bytes = 0
        self._options = options
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        # Topics of which nothing is left, and up to where they are lost. There is a bound on these too; a topic beyond it, and
        # one that never was, are taken to be lost up to `_floor`: better a gap too many than one that nobody is told of.
        self._gone: dict[str, int] = {}
        self._floor = 0

    def __len__(self) -> int:
        """The number of topics of which something is kept."""
        return len(self._kept)

    def add(self, entry_id: str, topic: str, data: bytes, sequence: int) -> Stored:
        """Keeps what was published."""
        entry = Stored(entry_id, topic, data, sequence, self._clock())
        kept = self._kept.get(topic)
        if kept is None:
            kept = self._kept[topic] = _Kept(self._gone.pop(topic, self._floor))
        else:
            self._kept.move_to_end(topic)
        kept.entries.append(entry)
        self.total_bytes += ENTRY_BYTES + len(data)
        while len(kept.entries) > self._options.items:
            self._lose_oldest(kept)
        self._expire(kept, entry.at)
        while self._kept and (self.total_bytes > self._options.total_bytes or len(self._kept) > self._options.topics):
            name, silent = next(iter(self._kept.items()))
            if len(self._kept) > self._options.topics:
                self._lose_all(silent)
            elif silent.entries:
                self._lose_oldest(silent)
            if not silent.entries:
                self._forget(name)
        self._sweep(entry.at)
        return entry

    def since(self, topics: Iterable[str], sequence: int) -> list[Stored]:
        """What is kept of these topics behind that number, in order."""
        now = self._clock()
        runs: list[list[Stored]] = []
        for topic in topics:
            kept = self._kept.get(topic)
            if kept is None:
                continue
            self._expire(kept, now)
            if not kept.entries:
                self._forget(topic)
            elif kept.entries[-1].sequence > sequence:
                runs.append([entry for entry in kept.entries if entry.sequence > sequence])
        return runs[0] if len(runs) == 1 else list(heapq.merge(*runs, key=_by_sequence))

    def lost(self, topics: Iterable[str]) -> int:
        """The number up to which items of these topics may be lost; 0: none is."""
        return max(kept.lost if (kept := self._kept.get(topic)) is not None else self._gone.get(topic, self._floor) for topic in topics)

    def clear(self) -> None:
        """Forgets everything."""
        self._kept.clear()
        self._gone.clear()
        self.total_bytes = 0

    # ---- what goes

    def _lose_oldest(self, kept: _Kept) -> None:
        entry = kept.entries.popleft()
        kept.lost = entry.sequence
        self.total_bytes -= ENTRY_BYTES + len(entry.data)

    def _lose_all(self, kept: _Kept) -> None:
        while kept.entries:
            self._lose_oldest(kept)

    def _expire(self, kept: _Kept, now: float) -> None:
        if self._options.seconds is None:
            return
        oldest = now - self._options.seconds
        while kept.entries and kept.entries[0].at < oldest:
            self._lose_oldest(kept)

    def _sweep(self, now: float) -> None:
        """Forgets topics that have been silent for so long that nothing of them is young enough; a few at each call."""
        for _ in range(_SWEPT_AT_ONCE):
            name, silent = next(iter(self._kept.items()), (None, None))
            if name is None or silent is None:
                return
            self._expire(silent, now)
            if silent.entries:
                return
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._gone[name] = self._kept.pop(name).lost
        if len(self._gone) > self._options.topics:
            self._floor = max(self._floor, self._gone.pop(next(iter(self._gone))))
