"""Channels within one process: nothing leaves it, and nothing outlives it."""

from collections.abc import Callable
from time import monotonic
from typing import Any

import anyio.lowlevel

from pagi.channels.channels import Channels, ChannelsClosed
from pagi.channels.cursors import Epoch, told_back
from pagi.channels.history import History, HistoryOptions
from pagi.channels.items import Gap
from pagi.channels.subscription import Subscription
from pagi.http.errors import ConfigError

MIB = 1024 * 1024

BURST = 128
"""How many items may be published in a row before readers get their turn; fewer where one of their queues is half full."""


class _Audience:
    """Who listens to one topic."""

    __slots__ = ("patient", "readers")

    def __init__(self) -> None:
        self.readers: dict[Subscription[Any], None] = {}
        self.patient: dict[Subscription[Any], None] = {}


class MemoryChannels(Channels):
    """Channels within one process and one loop. Every worker of a server has its own.

    `history` items of each topic are kept for `history_seconds` (None: for ever), of all topics together no more than
    `history_bytes`, and of no more than `topics` topics: beyond that the one that was silent longest is forgotten. What is
    too old goes when something else is published, or somebody subscribes to it.

    Raises:
        ConfigError: a bound is negative.
    """

    __slots__ = ("_audiences", "_credit", "_epoch", "_history", "_is_closed", "_sequence")

    policies = frozenset({"disconnect", "drop_oldest", "latest", "wait"})

    def __init__(
        self,
        *,
        history: int = 1000,
        history_seconds: float | None = 3600.0,
        history_bytes: int = 64 * MIB,
        topics: int = 10_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        for name, value in (
            ("history", history),
            ("history_seconds", history_seconds),
            ("history_bytes", history_bytes),
            ("topics", topics),
        ):
            if value is not None and value < 0:
                raise ConfigError(f"{name} of MemoryChannels is 0 or more, got {value!r}")
        self._history = History(HistoryOptions(items=history, seconds=history_seconds, total_bytes=history_bytes, topics=topics), clock)
        self._audiences: dict[str, _Audience] = {}
        self._epoch = Epoch()
        self._sequence = 0
        self._credit = BURST
        self._is_closed = False

    def __repr__(self) -> str:
        readers = {subscription for audience in self._audiences.values() for subscription in audience.readers}
        return f"<MemoryChannels: {len(self._history)} topics kept, {len(self._audiences)} listened to, {len(readers)} subscriptions>"

    async def _append(self, name: str, data: bytes) -> str:
        # All waiting comes first. From there to the end nothing else runs, so that the order is one for all readers, and a
        # publisher that is cancelled has published nothing.
        self._check_open()
        self._credit -= 1
        if self._credit < 0:
            self._credit = BURST
            await anyio.lowlevel.checkpoint()
        while (full := self._full(name)) is not None:
            await full.room()
        self._check_open()
        self._sequence += 1
        entry = self._history.add(self._epoch.cursor(self._sequence), name, data, self._sequence)
        audience = self._audiences.get(name)
        if audience is not None:
            for pressed in [subscription for subscription in audience.readers if subscription.push(entry)]:
                if pressed.has_ended:
                    self._forget(pressed)
                else:
                    self._credit = 0
        return entry.id

    def _full(self, name: str) -> Subscription[Any] | None:
        """A reader that must be waited for."""
        audience = self._audiences.get(name)
        if audience is None or not audience.patient:
            return None
        return next((subscription for subscription in audience.patient if subscription.is_full), None)

    async def attach(self, subscription: Subscription[Any]) -> None:
        self._check_open()
        names = subscription.topics
        for name in names:
            audience = self._audiences.get(name)
            if audience is None:
                audience = self._audiences[name] = _Audience()
            audience.readers[subscription] = None
            if subscription.is_patient:
                audience.patient[subscription] = None
        self._begin(subscription, names)

    def _begin(self, subscription: Subscription[Any], names: tuple[str, ...]) -> None:
        now = self._epoch.cursor(self._sequence)
        if subscription.after is None:
            subscription.begin(now, (), None)
            return
        sequence = self._epoch.sequence(subscription.after)
        if sequence is None or sequence > self._sequence:
            missing, sequence = True, 0
        else:
            missing = False
        held = self._history.since(names, sequence)  # first, as it lets go what is too old
        if missing or self._history.lost(names) > sequence:
            # The cursor right before what follows: whoever comes back with it misses nothing that is held now.
            place = self._epoch.cursor(held[0].sequence - 1) if held else now
            subscription.begin(place, held, Gap(told_back(subscription.after), held[0].id if held else None))
        else:
            subscription.begin(self._epoch.cursor(sequence), held, None)

    async def detach(self, subscription: Subscription[Any]) -> None:
        self._forget(subscription)

    def _forget(self, subscription: Subscription[Any]) -> None:
        for name in subscription.topics:
            audience = self._audiences.get(name)
            if audience is None:
                continue
            audience.readers.pop(subscription, None)
            audience.patient.pop(subscription, None)
            if not audience.readers:
                del self._audiences[name]

    async def aclose(self) -> None:
        self._is_closed = True
        audiences, self._audiences = self._audiences, {}
        for audience in audiences.values():
            for subscription in audience.readers:
                subscription.finish()
        self._history.clear()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ChannelsClosed
