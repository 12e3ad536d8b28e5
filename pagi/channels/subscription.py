"""A reader's side of its topics: what history held, then what comes, with nothing missing unsaid."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import anyio
import msgspec

from pagi.channels.items import Entry, Gap, Item
from pagi.channels.queues import Queue
from pagi.channels.topics import Topic
from pagi.gateway.reasons import Reason
from pagi.http.errors import AppError, ConfigError, PeerError
from pagi.http.event_stream import Event

T_co = TypeVar("T_co", covariant=True)

GAP_EVENT = "gap"
"""The type of the event that tells a browser of a gap."""


class QueueOverflow(PeerError):
    """More items waited for a reader than its queue may hold, and its subscription ended. Come back with the last id."""

    status = 503
    close_code = 1013  # of a WebSocket: try again later
    reason = Reason.QUEUE_OVERFLOW

    def __init__(self, topics: Iterable[str], capacity: int) -> None:
        self.topics = tuple(topics)
        self.capacity = capacity
        super().__init__(
            f"the reader of {_listed(self.topics)} fell behind by {capacity} items, and its subscription ended; "
            "subscribe again after the last id, or choose a larger capacity or another policy"
        )


class Unreadable(AppError, ValueError):
    """An item is not of the type that its reader's topic has. The reader may go on with the next."""

    def __init__(self, topic: Topic[Any], id: str, error: Exception) -> None:
        super().__init__(f"item {id} does not fit {topic!r}: {error}; somebody publishes another type under this name")
        self.topic = topic.name
        self.id = id


class SubscriptionInUse(AppError):
    """A subscription was read before it was entered, by two tasks at once, or entered twice."""


class Source(Protocol):
    """Where a subscription's entries come from."""

    async def attach(self, subscription: "Subscription[Any]") -> None:
        """Lets entries come, by `begin` and then `push`."""
        ...

    async def detach(self, subscription: "Subscription[Any]") -> None:
        """Lets none come any more. A second call does nothing."""
        ...


class Subscription(Generic[T_co]):
    """Items of some topics, in the order they were published. Enter it, and iterate over it inside, in one task.

    It is made by `Channels.subscribe`. To wait for an item may be cancelled at any time: nothing is lost by it.
    """

    __slots__ = (
        "__weakref__", "_capacity", "_ended", "_entered", "_on_gap", "_opening_gap", "_queue", "_replay", "_room", "_source",
        "_topics", "_waiter", "after", "cursor", "gap", "is_patient",
    )  # fmt: skip

    def __init__(
        self,
        source: Source,
        topics: Mapping[str, Topic[Any]],
        queue: Queue,
        *,
        after: str | None,
        capacity: int,
        is_patient: bool,
        on_gap: Callable[[Gap], None] | None,
    ) -> None:
        self.after = after
        """The cursor that was asked for; None: from now on."""
        self.cursor = ""
        """The place that was reached: subscribe `after` it to go on from here."""
        self.gap: Gap | None = None
        """The last gap that was met; on entry, whether items are missing behind `after`. None: nothing is missing."""
        self.is_patient = is_patient
        """The publisher waits for this reader."""
        self._source = source
        self._topics = topics
        self._capacity = capacity
        self._on_gap = on_gap
        self._opening_gap: Gap | None = None
        self._replay: deque[Entry] = deque()
        self._queue = queue
        self._entered = False
        self._ended = False
        self._waiter: anyio.Event | None = None
        self._room: anyio.Event | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The names of its topics."""
        return tuple(self._topics)

    async def __aenter__(self) -> Self:
        if self._entered:
            raise SubscriptionInUse(f"the subscription to {_listed(self._topics)} was entered before; subscribe anew")
        self._entered = True
        await self._source.attach(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self._source.detach(self)
        finally:
            self._opening_gap = None
            self._replay.clear()
            self._queue.clear()
            self.finish()

    # ---- reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item[T_co]:
        """The next item, once there is one. A gap before it is told to `on_gap`.

        Raises:
            QueueOverflow: the reader fell behind, and has read what waited until then.
            Unreadable: the item does not fit the topic's type.
            SubscriptionInUse: it was not entered, or another task reads.
        """
        while True:
            entry = self._take()
            if entry is None:
                entry = await self._awaited()
            if not isinstance(entry, Gap):
                return Item(entry.id, entry.topic, self._data(entry))

    def events(self, name: str | None = None) -> "Events[T_co]":
        """Its items as server-sent events of type `name` (None: `message`), and its gaps as events of type `gap`.

        The id of each is a cursor, so that a client that comes back with it goes on where it was.

        Raises:
            ConfigError: `name` is `gap`, which says something else.
            InvalidEvent: `name` has a line end.
        """
        if name == GAP_EVENT:
            raise ConfigError(f"events of type {GAP_EVENT!r} are those that tell of missing items; give yours another name")
        return Events(self, Event(None, event=name).event)

    async def next_event(self, name: str | None) -> Event[T_co | Gap]:
        """The next item, or gap, as an event.

        Raises:
            QueueOverflow, Unreadable, SubscriptionInUse: as when items are read.
        """
        entry = self._take()
        if entry is None:
            entry = await self._awaited()
        if isinstance(entry, Gap):
            return Event(entry, event=GAP_EVENT, id=self.cursor)
        return Event(self._data(entry), event=name, id=entry.id)

    def _take(self) -> Entry | Gap | None:
        if self._opening_gap is not None:
            gap, self._opening_gap = self._opening_gap, None
            return gap
        if self._replay:
            entry = self._replay.popleft()
        elif self._queue.dropped:
            return self._dropped()
        else:
            taken = self._queue.take()
            if taken is None:
                return None
            entry = taken
            if self._room is not None:
                self._make_room()
        self.cursor = entry.id
        return entry

    def _dropped(self) -> Gap:
        # The cursor stays before what was dropped: a client that comes back with it gets what history still has of that.
        following = self._queue.peek()
        self._queue.dropped = False
        gap = self.gap = Gap(self.cursor, following.id if following is not None else None)
        if self._on_gap is not None:
            self._on_gap(gap)
        return gap

    async def _awaited(self) -> Entry | Gap:
        if not self._entered:
            raise SubscriptionInUse(f"the subscription to {_listed(self._topics)} is not open; use `async with` around the reading")
        while (found := self._take()) is None:
            if self._queue.overflowed:
                raise QueueOverflow(self._topics, self._capacity)
            if self._ended:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise SubscriptionInUse(f"two tasks read one subscription to {_listed(self._topics)}; let each have its own")
            waiter = self._waiter = anyio.Event()
            try:
                await waiter.wait()
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        return found

    def _data(self, entry: Entry) -> Any:
        topic = self._topics[entry.topic]
        try:
            return topic.decode(entry.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(topic, entry.id, error) from error

    # ---- what a backend does

    @property
    def has_ended(self) -> bool:
        """Nothing more will be taken, though some may still wait to be read."""
        return self._ended or self._queue.overflowed

    @property
    def is_full(self) -> bool:
        """One more entry would be too many."""
        return self._queue.is_full

    def begin(self, cursor: str, replay: Iterable[Entry], gap: Gap | None) -> None:
        """Says where it begins: behind `cursor`, with what history holds from there, and whether some is missing."""
        self.cursor = cursor
        self.gap = self._opening_gap = gap
        self._replay.extend(replay)

    def push(self, entry: Entry) -> bool:
        """Adds an entry, and wakes the reader. True if the publisher should look up: the queue is half full, or has ended."""
        is_pressed = self._queue.put(entry)
        if self._waiter is not None:
            self._waiter.set()
            self._waiter = None  # awake is awake
        return is_pressed

    def finish(self) -> None:
        """Nothing more comes: the reader stops once it has read what waits."""
        self._ended = True
        if self._waiter is not None:
            self._waiter.set()
            self._waiter = None
        if self._room is not None:
            self._make_room()

    async def room(self) -> None:
        """Waits until the reader has taken something, or left."""
        if self._room is None:
            self._room = anyio.Event()
        await self._room.wait()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()


class Events(Generic[T_co]):
    """A subscription as server-sent events. No generator: a step of it may be cancelled, and taken again."""

    __slots__ = ("_name", "_subscription")

    def __init__(self, subscription: Subscription[T_co], name: str | None) -> None:
        self._subscription = subscription
        self._name = name

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event[T_co | Gap]:
        return await self._subscription.next_event(self._name)


def _listed(names: Iterable[str]) -> str:
    """A few names, for a message.

    >>> _listed(["a"]), _listed("abcdefg")
    ("'a'", "'a', 'b', 'c' and 4 others")
    """
    first = [repr(name) for name in names]
    return ", ".join(first) if len(first) <= 4 else f"{', '.join(first[:3])} and {len(first) - 3} others"
