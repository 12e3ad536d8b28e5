"""Closing, leaving, and what is left: nothing. Whatever is behind the channels."""

import contextlib
import gc
import weakref
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from pagi.channels import (
    ChannelsClosed,
    Gap,
    Policy,
    Subscription,
    SubscriptionInUse,
)
from tests.channels.backends import BOARD, PATIENCE_SECONDS, PRICES, Backend, Message, fill, take

pytestmark = pytest.mark.anyio


async def test_closing_ends_every_reader_when_it_has_read_what_waits(backend: Backend) -> None:
    channels = backend()
    got: list[list[Message]] = []

    async def read(delay: int) -> None:
        async with channels.subscribe(BOARD) as messages:
            await fill(channels, 1)
            for _ in range(delay):
                await anyio.lowlevel.checkpoint()
            got.append([item.data async for item in messages])

    async with anyio.create_task_group() as group:
        for delay in range(4):
            group.start_soon(read, delay)
        await anyio.wait_all_tasks_blocked()
        assert got == []
        await channels.aclose()
    assert sorted(len(messages) for messages in got) == [1, 2, 3, 4]


async def test_events_end_with_the_channels(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            await fill(channels, 2)
            await channels.aclose()
            assert [event.data async for event in messages.events()] == [Message(1), Message(2)]
            assert [item async for item in messages] == []


async def test_closed_channels_take_nothing_and_say_so(backend: Backend) -> None:
    async with backend() as channels:
        pass
    await channels.aclose()
    with pytest.raises(ChannelsClosed, match="the channels are closed"):
        await channels.publish(BOARD, Message(1))
    with pytest.raises(ChannelsClosed):
        async with channels.subscribe(BOARD, after="0"):
            pass


@pytest.mark.parametrize("policy", ["disconnect", "drop_oldest", "latest"])
async def test_a_subscription_that_was_left_gives_nothing_more(backend: Backend, policy: Policy) -> None:
    gaps: list[Gap] = []
    async with backend() as channels:
        await fill(channels, 3)
        async with channels.subscribe(BOARD, after="never ours", policy=policy, capacity=1, on_gap=gaps.append) as messages:
            await fill(channels, 3)
        await fill(channels, 1)
        assert [event async for event in messages.events()] == []
        assert [item async for item in messages] == []
    assert gaps == []


async def test_leaving_ends_the_task_that_still_reads(backend: Backend) -> None:
    async with backend() as channels, anyio.create_task_group() as group:
        ended = anyio.Event()
        async with channels.subscribe(BOARD) as messages:

            async def read() -> None:
                assert [item async for item in messages] == []
                ended.set()

            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE_SECONDS):
            await ended.wait()


async def test_a_subscription_must_be_entered_to_be_read(backend: Backend) -> None:
    async with backend() as channels:
        messages = channels.subscribe(BOARD)
        with pytest.raises(SubscriptionInUse, match="async with"):
            await anext(messages)
        with pytest.raises(SubscriptionInUse, match="async with"):
            await anext(messages.events())


async def test_a_subscription_is_entered_once(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            with pytest.raises(SubscriptionInUse, match="entered before"):
                await messages.__aenter__()
        with pytest.raises(SubscriptionInUse, match="entered before"):
            await messages.__aenter__()


async def test_two_tasks_may_not_wait_in_one_subscription(backend: Backend) -> None:
    async with backend() as channels, channels.subscribe(BOARD) as messages, anyio.create_task_group() as group:
        group.start_soon(take, messages, 1)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(SubscriptionInUse, match="two tasks"):
            await anext(messages)
        await fill(channels, 1)  # the first task is not harmed


async def test_a_second_task_that_overtakes_the_one_that_waits_is_still_woken(backend: Backend) -> None:
    async with backend() as channels, channels.subscribe(BOARD) as messages, anyio.create_task_group() as group:

        async def overtaken() -> None:
            with pytest.raises(SubscriptionInUse, match="two tasks"):
                await anext(messages)
            await channels.publish(BOARD, Message(2))

        group.start_soon(overtaken)
        await anyio.wait_all_tasks_blocked()
        await channels.publish(BOARD, Message(1))
        assert await take(messages, 2) == [Message(1), Message(2)]


async def test_nothing_is_left_of_a_reader_that_went(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, PRICES) as messages, channels.subscribe(BOARD, capacity=1) as overflowed:
            left: list[weakref.ref[Subscription[Any]]] = [weakref.ref(messages), weakref.ref(overflowed)]
            await fill(channels, 3)
            await anext(messages.events())
        with contextlib.suppress(ZeroDivisionError):
            async with channels.subscribe(BOARD) as messages:
                left.append(weakref.ref(messages))
                raise ZeroDivisionError
        with anyio.move_on_after(0):
            async with channels.subscribe(BOARD) as messages:
                left.append(weakref.ref(messages))
                await anext(messages)
        del messages, overflowed
        await anyio.lowlevel.checkpoint()  # the loop itself holds a cancellation's traceback until then
        gc.collect()
        assert [reader() for reader in left] == [None] * 4
