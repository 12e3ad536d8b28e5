"""Channels in memory: bounds, waiting publishers, and what only one process can promise."""

import gc
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from pagi.channels import Channels, ChannelsClosed, Gap, MemoryChannels
from pagi.channels.memory import BURST
from pagi.http.errors import ConfigError
from tests.channels.backends import BOARD, PATIENCE_SECONDS, PRICES, Message, Price, ids_of, take

pytestmark = pytest.mark.anyio


# ---- publishers that wait


async def test_a_publisher_waits_for_a_reader_that_asked_for_it() -> None:
    async with MemoryChannels() as channels, channels.subscribe(BOARD, policy="wait", capacity=2) as messages:
        published = 0

        async def publish() -> None:
            nonlocal published
            for n in range(10):
                await channels.publish(BOARD, Message(n))
                published += 1

        async with anyio.create_task_group() as group:
            group.start_soon(publish)
            for n in range(10):
                await anyio.wait_all_tasks_blocked()
                assert published == min(n + 2, 10)
                assert await take(messages, 1) == [Message(n)]


async def test_a_publisher_that_is_cancelled_while_it_waits_has_published_nothing() -> None:
    async with MemoryChannels() as channels:
        async with channels.subscribe(BOARD, policy="wait", capacity=1) as messages, channels.subscribe(BOARD) as other:
            await channels.publish(BOARD, Message(1))
            for _ in range(3):
                with anyio.move_on_after(0) as scope:
                    await channels.publish(BOARD, Message(2))
                assert scope.cancelled_caught
            assert await take(messages, 1) == [Message(1)]
            await channels.publish(BOARD, Message(3))
            assert await take(messages, 1) == [Message(3)]
            assert await take(other, 2) == [Message(1), Message(3)]


async def test_a_reader_that_leaves_lets_the_publisher_go_on() -> None:
    async with MemoryChannels() as channels, anyio.create_task_group() as group:
        async with channels.subscribe(BOARD, policy="wait", capacity=1):
            await channels.publish(BOARD, Message(1))
            group.start_soon(channels.publish, BOARD, Message(2))
            await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE_SECONDS):
            await channels.publish(BOARD, Message(3))
        async with channels.subscribe(BOARD, after="0") as messages:
            assert {message.id for message in await take(messages, 3)} == {1, 2, 3}


async def test_closing_lets_the_publisher_go_with_an_error() -> None:
    async with MemoryChannels() as channels, anyio.create_task_group() as group:
        refused: list[ChannelsClosed] = []

        async def publish() -> None:
            with pytest.raises(ChannelsClosed) as caught:
                await channels.publish(BOARD, Message(2))
            refused.append(caught.value)

        async with channels.subscribe(BOARD, policy="wait", capacity=1):
            await channels.publish(BOARD, Message(1))
            group.start_soon(publish)
            await anyio.wait_all_tasks_blocked()
            await channels.aclose()
            with anyio.fail_after(PATIENCE_SECONDS):
                while not refused:
                    await anyio.lowlevel.checkpoint()


async def test_a_reader_that_makes_publishers_wait_loses_nothing_to_many_of_them() -> None:
    got: list[int] = []
    async with MemoryChannels() as channels, anyio.create_task_group() as group:

        async def publish(publisher: int) -> None:
            for n in range(50):
                await channels.publish(BOARD, Message(100 * publisher + n))

        async with channels.subscribe(BOARD, policy="wait", capacity=3) as messages:
            async with channels.subscribe(BOARD, policy="wait", capacity=1) as other:

                async def read_other() -> None:
                    await take(other, 300)

                group.start_soon(read_other)
                for publisher in range(6):
                    group.start_soon(publish, publisher)
                got = [message.id for message in await take(messages, 300)]
                with anyio.fail_after(PATIENCE_SECONDS):
                    while other.cursor != messages.cursor:
                        await anyio.lowlevel.checkpoint()
    for publisher in range(6):
        assert [n for n in got if n // 100 == publisher] == [100 * publisher + n for n in range(50)]


async def test_a_publisher_to_another_topic_does_not_wait() -> None:
    async with MemoryChannels() as channels, channels.subscribe(BOARD, policy="wait", capacity=1):
        await channels.publish(BOARD, Message(1))
        with anyio.fail_after(PATIENCE_SECONDS):
            await channels.publish(PRICES, Price(1))


async def test_channels_that_cannot_wait_say_so() -> None:
    class Impatient(MemoryChannels):
        policies = Channels.policies

    async with Impatient() as channels:
        with pytest.raises(ConfigError, match=r"Impatient cannot do policy='wait'; it has disconnect, drop_oldest, latest"):
            channels.subscribe(BOARD, policy="wait")


# ---- the order, and whose turn it is


async def test_a_publisher_in_a_row_lets_others_run_before_it_publishes() -> None:
    async with MemoryChannels() as channels:
        published = 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            while published < 10 * BURST:
                await channels.publish(BOARD, Message(published))
                published += 1
        assert scope.cancelled_caught
        assert published == BURST
        async with channels.subscribe(BOARD, after="0") as messages:
            assert len(await take(messages, BURST)) == BURST  # the one that was cancelled is not among them
            await channels.publish(BOARD, Message(-1))
            assert await take(messages, 1) == [Message(-1)]


# ---- bounds


async def test_a_gap_shows_when_age_took_the_items() -> None:
    now = 0.0
    channels = MemoryChannels(history_seconds=60.0, clock=lambda: now)
    first = await channels.publish(BOARD, Message(1))
    now = 50.0
    second = await channels.publish(BOARD, Message(2))
    now = 61.0
    async with channels.subscribe(BOARD, after="0") as messages:
        assert messages.gap == Gap("0", second)
        assert await take(messages, 1) == [Message(2)]
    async with channels.subscribe(BOARD, after=first) as messages:
        assert messages.gap is None
    now = 111.0
    async with channels.subscribe(BOARD, after=second) as messages:
        assert messages.gap is None
    async with channels.subscribe(BOARD, after=first) as messages:
        assert messages.gap == Gap(first, None)
        await channels.publish(BOARD, Message(3))
        assert await take(messages, 1) == [Message(3)]


async def test_without_history_only_what_comes_is_read() -> None:
    async with MemoryChannels(history=0) as channels:
        id = await channels.publish(BOARD, Message(1))
        async with channels.subscribe(BOARD, after=id) as messages, channels.subscribe(BOARD, after="0") as late:
            assert (messages.gap, late.gap) == (None, Gap("0", None))
            await channels.publish(BOARD, Message(2))
            assert await take(messages, 1) == await take(late, 1) == [Message(2)]


async def test_topics_that_clients_name_do_not_pile_up() -> None:
    now = 0.0
    channels = MemoryChannels(topics=50, clock=lambda: now)
    for n in range(500):
        await channels.publish(f"room {n}", n)
        async with channels.subscribe(f"room {n}", f"other room {n}"):
            pass
    assert repr(channels) == "<MemoryChannels: 50 topics kept, 0 listened to, 0 subscriptions>"
    now = 4000.0
    for n in range(30):
        await channels.publish("loud", n)
    assert repr(channels) == "<MemoryChannels: 1 topics kept, 0 listened to, 0 subscriptions>"


async def test_a_reader_outlives_its_topics_history() -> None:
    async with MemoryChannels(topics=1) as channels, channels.subscribe("a", "b") as both:
        for n in range(5):
            await channels.publish("a", n)
            await channels.publish("b", n)
        assert await take(both, 10) == [n for n in range(5) for _ in "ab"]
        place = both.cursor
        async with channels.subscribe("a", "b", after=place) as again:
            assert again.gap is None


async def test_what_is_listened_to_goes_with_its_last_reader() -> None:
    async with MemoryChannels() as channels:
        async with channels.subscribe("a", "b"), channels.subscribe("b") as overflowing:
            assert repr(channels) == "<MemoryChannels: 0 topics kept, 2 listened to, 2 subscriptions>"
            async with channels.subscribe("c", capacity=1) as overflowing:
                await channels.publish("c", 1)
                await channels.publish("c", 2)
                assert overflowing.has_ended
                assert repr(channels) == "<MemoryChannels: 1 topics kept, 2 listened to, 2 subscriptions>"
        assert repr(channels) == "<MemoryChannels: 1 topics kept, 0 listened to, 0 subscriptions>"


@pytest.mark.usefixtures("new_objects_alone")
async def test_a_run_of_readers_and_items_leaves_no_objects_behind() -> None:
    async def visit(channels: Channels, n: int) -> None:
        async with channels.subscribe(f"room {n}", "lobby", after="0", policy="drop_oldest", capacity=2) as items:
            for k in range(5):
                await channels.publish("lobby", {"n": k})
                await channels.publish(f"room {n}", [k])
            await anext(items.events())
            with anyio.move_on_after(0):
                await take(items, 100)

    def objects() -> int:
        gc.collect()
        return len(gc.get_objects())

    async with MemoryChannels(history=5, topics=3) as channels:
        for n in range(20):
            await visit(channels, n)
        await anyio.lowlevel.checkpoint()
        before = objects()
        for n in range(200):
            await visit(channels, n)
        await anyio.lowlevel.checkpoint()
        assert objects() - before < 100


@pytest.mark.parametrize("option", ["history", "history_seconds", "history_bytes", "topics"])
def test_a_negative_bound_is_refused(option: str) -> None:
    bounds: dict[str, Any] = {option: -1}
    with pytest.raises(ConfigError, match=rf"{option} of MemoryChannels is 0 or more, got -1"):
        MemoryChannels(**bounds)


# ---- cursors


async def test_a_cursor_ahead_of_what_was_published_is_a_gap() -> None:
    async with MemoryChannels() as channels:
        id = await channels.publish(BOARD, Message(1))
        epoch, _, number = id.rpartition("-")
        async with channels.subscribe(BOARD, after=f"{epoch}-{int(number) + 1}") as messages:
            assert messages.gap == Gap(f"{epoch}-{int(number) + 1}", id)
            assert await ids_of(messages, 1) == [id]


async def test_a_subscription_begins_when_it_is_entered() -> None:
    async with MemoryChannels() as channels:
        messages = channels.subscribe(BOARD)
        await channels.publish(BOARD, Message(1))
        async with messages:
            await channels.publish(BOARD, Message(2))
            assert await take(messages, 1) == [Message(2)]
