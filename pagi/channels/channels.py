"""What authors inject: `Channels`, the verbs that every backend has, and the checks that all of them share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self, TypedDict, TypeVar, Unpack, get_args, overload

from pagi.channels.items import Gap
from pagi.channels.queues import Policy, queue_for
from pagi.channels.subscription import Subscription
from pagi.channels.topics import Topic, encoded, untyped
from pagi.gateway.annotations import is_async
from pagi.http.errors import ConfigError, PagiError

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")

DEFAULT_CAPACITY = 1000


class ChannelsClosed(PagiError):
    """Something was published or subscribed after the channels were closed."""

    def __init__(self) -> None:
        super().__init__("the channels are closed: whatever opened them has left their `async with`, or called aclose()")


class Options(TypedDict, total=False):
    """How a reader wants its items."""

    after: str | None
    """The cursor to go on from: an item's id, or "0", the one before the first. None: only what comes from now on."""
    policy: Policy
    """What becomes of a slow reader."""
    capacity: int
    """How many items may wait for the reader; with `latest` it is one for each topic."""
    on_gap: Callable[[Gap], None] | None
    """Called in the reader's task at each gap that it meets after entry."""


class Channels(ABC):
    """Topics to publish to and to subscribe to. Inject it by this type; `MemoryChannels` is one."""

    __slots__ = ("__weakref__",)

    policies: ClassVar[frozenset[Policy]] = frozenset({"disconnect", "drop_oldest", "latest"})
    """The policies that this backend has."""

    # ---- the verbs

    @overload
    async def publish(self, topic: Topic[T], data: T) -> str: ...
    @overload
    async def publish(self, topic: str, data: Any) -> str: ...
    async def publish(self, topic: Topic[Any] | str, data: Any) -> str:
        """Publishes `data`, and gives its id. A `str` names a topic of any JSON.

        It may wait: for readers that asked for it, and to let others run when many items are published in a row. Cancelled,
        it has published nothing.

        Raises:
            Unpublishable: the data does not fit the topic.
            InvalidTopic: no topic may be called so.
            ChannelsClosed: the channels are closed.
        """
        return await self._append(topic if isinstance(topic, str) else topic.name, encoded(topic, data))

    @overload
    def subscribe(self, a: Topic[A], /, **options: Unpack[Options]) -> Subscription[A]: ...
    @overload
    def subscribe(self, a: Topic[A], b: Topic[B], /, **options: Unpack[Options]) -> Subscription[A | B]: ...
    @overload
    def subscribe(self, a: Topic[A], b: Topic[B], c: Topic[C], /, **options: Unpack[Options]) -> Subscription[A | B | C]: ...
    @overload
    def subscribe(
        self, a: Topic[A], b: Topic[B], c: Topic[C], d: Topic[D], /, **options: Unpack[Options]
    ) -> Subscription[A | B | C | D]: ...
    @overload
    def subscribe(
        self, a: Topic[A], b: Topic[B], c: Topic[C], d: Topic[D], e: Topic[E], /, **options: Unpack[Options]
    ) -> Subscription[A | B | C | D | E]: ...
    @overload
    def subscribe(self, *topics: Topic[T], **options: Unpack[Options]) -> Subscription[T]: ...
    @overload
    def subscribe(self, *topics: Topic[Any] | str, **options: Unpack[Options]) -> Subscription[Any]: ...
    def subscribe(
        self,
        *topics: Topic[Any] | str,
        after: str | None = None,
        policy: Policy = "disconnect",
        capacity: int = DEFAULT_CAPACITY,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> Subscription[Any]:
        """Items of these topics, in one order, for whoever enters it: first what history holds behind `after`, then what comes.

        `after` is the id of an item, or "0" for all there is; None begins now. A cursor that history no longer covers, or that
        was never ours, begins with a `Gap` and goes on with what is held.

        `policy` says what becomes of a reader for whom `capacity` items wait: `disconnect` ends its subscription with
        `QueueOverflow`; `drop_oldest` drops what has waited longest; `latest` keeps only the newest of each topic; `wait`, where
        the backend has it, makes the publisher wait. What is dropped is told as a gap.

        Raises:
            ConfigError: no topic, one name with two types, a policy that is none, or a capacity below 1.
            InvalidTopic: no topic may be called so.
        """
        self._check_policy(policy)
        if type(capacity) is not int or capacity < 1:
            raise ConfigError(f"capacity is the number of items that may wait for a reader, 1 or more; got {capacity!r}")
        if on_gap is not None and is_async(on_gap):
            raise ConfigError("on_gap is called between two items and cannot be awaited; give it a plain function")
        return Subscription(
            self,
            _by_name(topics),
            queue_for(policy, capacity),
            after=after,
            capacity=capacity,
            is_patient=policy == "wait",
            on_gap=on_gap,
        )

    @abstractmethod
    async def aclose(self) -> None:
        """Ends every subscription: its reader stops once it has read what waits. A second call does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    # ---- what a backend does

    @abstractmethod
    async def _append(self, name: str, data: bytes) -> str:
        """Publishes what was encoded, and gives its id."""

    @abstractmethod
    async def attach(self, subscription: Subscription[Any]) -> None:
        """Begins a subscription, and pushes to it from then on. Called by the subscription when it is entered.

        Raises:
            ChannelsClosed: the channels are closed.
        """

    @abstractmethod
    async def detach(self, subscription: Subscription[Any]) -> None:
        """Forgets a subscription. Called by it when it is left; one that is not known is ignored."""

    def _check_policy(self, policy: str) -> None:
        if policy in self.policies:
            return
        here = ", ".join(sorted(self.policies))
        if policy in get_args(Policy):
            raise ConfigError(f"{type(self).__name__} cannot do policy={policy!r}; it has {here}")
        raise ConfigError(f"policy={policy!r} is none; there are {here}")


def _by_name(topics: tuple[Topic[Any] | str, ...]) -> dict[str, Topic[Any]]:
    if not topics:
        raise ConfigError("a subscription is to one topic or more, got none; where a list may be empty, ask before")
    named: dict[str, Topic[Any]] = {}
    for given in topics:
        topic = untyped(given) if isinstance(given, str) else given
        known = named.setdefault(topic.name, topic)
        if known.value_type != topic.value_type:
            raise ConfigError(f"one subscription to {known!r} and {topic!r}: they are one topic; name it once, with one type")
    return named
