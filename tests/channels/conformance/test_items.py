"""Items on their way to their readers, whatever is behind the channels."""

import random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from pagi.channels import (
    Item,
    Topic,
)
from tests.channels.backends import BOARD, PATIENCE_SECONDS, PRICES, Backend, Message, Price, fill, take

pytestmark = pytest.mark.anyio


async def test_a_reader_gets_what_is_published_after_it_came(backend: Backend) -> None:
    async with backend() as channels:
        await channels.publish(BOARD, Message(1, "before"))
        async with channels.subscribe(BOARD) as messages:
            id = await channels.publish(BOARD, Message(2, "hi"))
            assert await anext(messages) == Item(id, "board", Message(2, "hi"))
            assert messages.gap is None


async def test_a_reader_waits_for_the_next_item(backend: Backend) -> None:
    async with backend() as channels, anyio.create_task_group() as group:
        got: list[Message] = []

        async def read() -> None:
            async with channels.subscribe(BOARD) as messages:
                async for item in messages:
                    got.append(item.data)
                    if len(got) == 3:
                        return

        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for n in (1, 2, 3):
            await channels.publish(BOARD, Message(n))
            await anyio.wait_all_tasks_blocked()
            assert got == [Message(k) for k in range(1, n + 1)]


async def test_every_reader_gets_an_object_of_its_own(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as one, channels.subscribe(BOARD) as other:
            message = Message(1, "hi")
            await channels.publish(BOARD, message)
            message.text = "changed"
            (first,), (second,) = await take(one, 1), await take(other, 1)
            assert first == second == Message(1, "hi")
            assert first is not second


async def test_a_name_is_a_topic_of_any_json(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe("room:1") as room:
            values: list[Any] = [{"a": [1, None]}, "text", 5, None, True, [], Message(1)]
            for value in values:
                await channels.publish("room:1", value)
            assert await take(room, 7) == [*values[:6], {"id": 1, "text": ""}]


async def test_a_name_and_a_typed_topic_of_that_name_are_one_topic(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as typed, channels.subscribe("board") as untyped:
            await channels.publish("board", {"id": 1, "text": "a"})
            await channels.publish(Topic("board", Message), Message(2, "b"))
            assert await take(typed, 2) == [Message(1, "a"), Message(2, "b")]
            assert await take(untyped, 2) == [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]


async def test_several_topics_come_in_the_order_they_were_published(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, PRICES) as both:
            await channels.publish(BOARD, Message(1))
            await channels.publish(PRICES, Price(2))
            await channels.publish("elsewhere", 0)
            await channels.publish(BOARD, Message(3))
            assert await take(both, 3) == [Message(1), Price(2), Message(3)]
        async with channels.subscribe(PRICES, BOARD, after="0") as again:
            assert await take(again, 3) == [Message(1), Price(2), Message(3)]


async def test_a_topic_named_twice_is_read_once(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, Topic("board", Message)) as messages:
            await fill(channels, 2)
            assert await take(messages, 2) == [Message(1), Message(2)]
            assert messages.topics == ("board",)


async def test_a_cancelled_wait_loses_nothing(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            events = messages.events()
            for n in range(3):
                with anyio.move_on_after(0) as scope:
                    await anext(messages)
                assert scope.cancelled_caught
                with anyio.move_on_after(0) as scope:
                    await anext(events)
                assert scope.cancelled_caught
                await channels.publish(BOARD, Message(n))
                assert await take(messages, 1) == [Message(n)]


async def test_an_item_published_while_the_waiting_reader_is_cancelled_is_not_lost(backend: Backend) -> None:
    async with backend() as channels, anyio.create_task_group() as group:
        async with channels.subscribe(BOARD) as messages:
            scope = anyio.CancelScope()

            async def read() -> None:
                with scope:
                    await anext(messages)

            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await channels.publish(BOARD, Message(1))  # wakes the reader
            scope.cancel()  # which is cancelled before it runs
            await anyio.wait_all_tasks_blocked()
            await channels.publish(BOARD, Message(2))
            seen = await take(messages, 1)
            assert seen in ([Message(1)], [Message(2)])
            assert scope.cancelled_caught == (seen == [Message(1)])


async def test_items_that_come_in_a_row_leave_readers_their_turn(backend: Backend) -> None:
    total = 0
    async with backend() as channels, anyio.create_task_group() as group:

        async def read() -> None:
            nonlocal total
            async with channels.subscribe(BOARD, capacity=10) as messages:
                async for item in messages:
                    total += 1
                    if item.data.id == 2000:
                        return

        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE_SECONDS):
            await fill(channels, 2000)
    assert total == 2000


# ---- many at once


async def test_readers_that_join_and_leave_among_many_publishers_see_everything_once_and_in_order(backend: Backend) -> None:
    publishers, each, readers = 5, 60, 12
    names = ["a", "b", "c"]
    chance = random.Random(7)
    async with backend() as channels:
        published: dict[str, str] = {}

        async def publish(publisher: int) -> None:
            for n in range(each):
                id = await channels.publish(chance.choice(names), f"{publisher}.{n}")
                published[f"{publisher}.{n}"] = id
                for _ in range(chance.randrange(3)):
                    await anyio.lowlevel.checkpoint()

        async def read(seen: list[Item[Any]]) -> None:
            cursor = "0"
            while len(seen) < publishers * each:
                async with channels.subscribe(*names, after=cursor) as items:
                    assert items.gap is None
                    for _ in range(chance.randrange(1, 40)):
                        with anyio.move_on_after(0 if chance.random() < 0.3 else 0.01):
                            seen.append(await anext(items))
                            cursor = items.cursor
                        await anyio.lowlevel.checkpoint()

        seen: list[list[Item[Any]]] = [[] for _ in range(readers)]
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for publisher in range(publishers):
                    group.start_soon(publish, publisher)
                for items in seen:
                    group.start_soon(read, items)
        first = [item.id for item in seen[0]]
        assert len(set(first)) == publishers * each
        assert {item.data: item.id for item in seen[0]} == published
        for items in seen:
            assert [item.id for item in items] == first
        for publisher in range(publishers):
            assert [item.data for item in seen[0] if item.data.startswith(f"{publisher}.")] == [f"{publisher}.{n}" for n in range(each)]
