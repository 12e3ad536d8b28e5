"""The backends that every test of `conformance/` is run on."""

from typing import Any, Protocol

import anyio
import msgspec

from pagi.channels import Channels, Gap, MemoryChannels, Subscription, Topic

PATIENCE_SECONDS = 30.0
"""After which a test that waits for an item has failed."""


class Message(msgspec.Struct):
    id: int
    text: str = ""


class Price(msgspec.Struct):
    cents: int


BOARD = Topic("board", Message)
PRICES = Topic("prices", Price)


class Backend(Protocol):
    """Makes channels that share nothing with any others and keep `history` items of each topic."""

    def __call__(self, *, history: int = 1000) -> Channels: ...


def memory(*, history: int = 1000) -> Channels:
    return MemoryChannels(history=history)


BACKENDS: dict[str, Backend] = {"memory": memory}
"""A new backend is a line here."""


async def fill(channels: Channels, count: int, topic: Topic[Message] = BOARD) -> list[str]:
    """Publishes messages 1 to `count`, and gives their ids."""
    return [await channels.publish(topic, Message(n)) for n in range(1, count + 1)]


async def take(subscription: Subscription[Any], count: int) -> list[Any]:
    """The data of the next `count` items."""
    with anyio.fail_after(PATIENCE_SECONDS):
        return [(await anext(subscription)).data for _ in range(count)]


async def ids_of(subscription: Subscription[Any], count: int) -> list[str]:
    """The ids of the next `count` items."""
    with anyio.fail_after(PATIENCE_SECONDS):
        return [(await anext(subscription)).id for _ in range(count)]


async def events_of(subscription: Subscription[Any], count: int) -> list[tuple[str | None, Any]]:
    """Type and data of the next `count` events, a gap's data being the cursors it names."""
    events = subscription.events("item")
    found: list[tuple[str | None, Any]] = []
    for _ in range(count):
        with anyio.fail_after(PATIENCE_SECONDS):
            event = await anext(events)
        found.append((event.event, (event.data.after, event.data.first) if isinstance(event.data, Gap) else event.data))
    return found
