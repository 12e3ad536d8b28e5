"""Random publishing, joining, reading and leaving, against a model that is nothing but lists."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.channels import Channels, Gap, MemoryChannels, QueueOverflow, Subscription
from pagi.channels.queues import Policy
from pagi.http.event_stream import Event
from tests.conftest import BACKENDS

NAMES = ("a", "b", "c")

Told: TypeAlias = tuple[Literal["item", "gap", "overflow", "nothing"], str | None]
"""What one reading gives: the id of an item, the first id behind a gap, the end, or nothing yet."""


@dataclass
class Reader:
    """What a subscription should be: what is to be told from history, and what waits."""

    names: frozenset[str]
    policy: Policy
    capacity: int
    told: list[Told]
    waiting: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    dropped: bool = False
    overflowed: bool = False

    @property
    def is_full(self) -> bool:
        return self.policy == "wait" and len(self.waiting) >= self.capacity

    def push(self, name: str, id: str) -> None:
        if self.overflowed or name not in self.names:
            return
        if self.policy == "latest":
            kept = [(other, waiting) for other, waiting in self.waiting if other != name]
            self.dropped = self.dropped or len(kept) < len(self.waiting)
            self.waiting = kept
        elif len(self.waiting) >= self.capacity:
            if self.policy == "disconnect":
                self.overflowed = True
                return
            del self.waiting[0]
            self.dropped = True
        self.waiting.append((name, id))

    def read(self) -> Told:
        if self.told:
            return self.told.pop(0)
        if self.dropped:
            self.dropped = False
            return "gap", self.waiting[0][1]
        if self.waiting:
            return "item", self.waiting.pop(0)[1]
        return ("overflow", None) if self.overflowed else ("nothing", None)


@dataclass
class Model:
    """Everything ever published, and the last `history` of each name."""

    history: int
    published: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def join(self, names: frozenset[str], after: str | None, policy: Policy, capacity: int) -> Reader:
        if after is None:
            return Reader(names, policy, capacity, [])
        held: set[str] = set()
        for name in NAMES:
            ids = [id for other, id in self.published if other == name]
            held.update(ids[max(len(ids) - self.history, 0) :])
        ids = [id for _, id in self.published]
        known = after == "0" or after in ids
        behind = ids.index(after) + 1 if after in ids else 0
        wanted = [id for name, id in self.published[behind:] if name in names]
        there = [id for id in wanted if id in held]
        told: list[Told] = [("item", id) for id in there]
        if not known or there != wanted:
            told.insert(0, ("gap", there[0] if there else None))
        return Reader(names, policy, capacity, told)


@dataclass
class Run:
    """The real channels and the model, side by side."""

    channels: Channels
    model: Model
    pairs: list[tuple[Subscription[Any], Reader]] = field(default_factory=list[tuple[Subscription[Any], Reader]])

    async def publish(self, name: str) -> None:
        id: str | None = None
        with anyio.move_on_after(0) as scope:
            id = await self.channels.publish(name, {"to": name})
        if id is None and not any(reader.is_full and name in reader.names for _, reader in self.pairs):
            # It wanted to let others run, and took the cancellation for its answer. Now nobody keeps it.
            assert scope.cancelled_caught
            id = await self.channels.publish(name, {"to": name})
        if id is not None:
            self.model.published.append((name, id))
            for _, reader in self.pairs:
                assert not (reader.is_full and name in reader.names)
                reader.push(name, id)

    async def join(self, names: frozenset[str], place: int | None, policy: Policy, capacity: int) -> None:
        after = None if place is None else self.cursor(place)
        subscription = self.channels.subscribe(*sorted(names), after=after, policy=policy, capacity=capacity)
        await subscription.__aenter__()
        reader = self.model.join(names, after, policy, capacity)
        self.pairs.append((subscription, reader))
        first = reader.told[0] if reader.told and reader.told[0][0] == "gap" else None
        assert subscription.gap == (Gap(str(after), first[1]) if first is not None else None)

    def cursor(self, place: int) -> str:
        if place == 0:
            return "0"
        ids = [id for _, id in self.model.published]
        return ids[-place] if place <= len(ids) else f"garbage {place}"

    async def read(self, which: int, times: int) -> None:
        if not self.pairs:
            return
        subscription, reader = self.pairs[which % len(self.pairs)]
        for _ in range(times):
            assert await told(subscription) == reader.read()

    async def leave(self, which: int) -> None:
        if self.pairs:
            subscription, _ = self.pairs.pop(which % len(self.pairs))
            await subscription.__aexit__(None, None, None)


async def told(subscription: Subscription[Any]) -> Told:
    """What one reading gives, without waiting for it: a reader that would wait is cancelled."""
    event: Event[Any] | None = None
    try:
        with anyio.move_on_after(0):
            event = await anext(subscription.events("item"))
    except QueueOverflow:
        return "overflow", None
    if event is None:
        return "nothing", None
    if isinstance(event.data, Gap):
        return "gap", event.data.first
    return "item", event.id


names = st.sampled_from(NAMES)
which = st.integers(0, 5)
places = st.sampled_from([None, 0, 1, 2, 3, 4, 5, 8, 12, 99])
"""From now on, from the first, from so many before the last; beyond that it is garbage."""
policies: st.SearchStrategy[Policy] = st.sampled_from(["disconnect", "drop_oldest", "latest", "wait"])
steps = st.one_of(
    st.tuples(st.just("publish"), names),
    st.tuples(st.just("publish"), names),
    st.tuples(st.just("join"), st.frozensets(names, min_size=1), places, policies, st.integers(1, 4)),
    st.tuples(st.just("read"), which, st.integers(1, 6)),
    st.tuples(st.just("leave"), which),
)


@pytest.mark.parametrize("loop", BACKENDS)
@settings(deadline=None, max_examples=150)
@given(history=st.integers(0, 5), script=st.lists(steps, max_size=60))
def test_no_order_of_events_tells_a_reader_anything_but_what_the_model_says(loop: str, history: int, script: list[tuple[Any, ...]]) -> None:
    async def play() -> None:
        async with MemoryChannels(history=history) as channels:
            run = Run(channels, Model(history))
            for verb, *arguments in script:
                await getattr(run, verb)(*arguments)
            for number in range(len(run.pairs)):
                await run.read(number, 30)
            while run.pairs:
                await run.leave(0)
            assert repr(channels).endswith("0 listened to, 0 subscriptions>")

    anyio.run(play, backend=loop, backend_options=BACKENDS[loop])
