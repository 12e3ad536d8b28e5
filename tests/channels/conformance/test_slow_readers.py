"""What becomes of a reader that falls behind, whatever is behind the channels."""

import pytest

from pagi.channels import (
    Gap,
    QueueOverflow,
)
from pagi.gateway import Reason
from pagi.http.errors import PeerError
from tests.channels.backends import BOARD, PRICES, Backend, Message, Price, events_of, fill, ids_of, take

pytestmark = pytest.mark.anyio


async def test_a_reader_that_falls_behind_is_disconnected_once_it_read_what_waited(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, capacity=3) as messages:
            ids = await fill(channels, 5)
            assert await take(messages, 3) == [Message(1), Message(2), Message(3)]
            with pytest.raises(QueueOverflow, match=r"'board' fell behind by 3 items") as caught:
                await anext(messages)
            with pytest.raises(QueueOverflow):
                await anext(messages)
            assert (caught.value.reason, caught.value.capacity, caught.value.topics) == (Reason.QUEUE_OVERFLOW, 3, ("board",))
            assert isinstance(caught.value, PeerError)
            cursor = messages.cursor
        async with channels.subscribe(BOARD, after=cursor) as messages:
            assert messages.gap is None
            assert await ids_of(messages, 2) == ids[3:]


async def test_a_thousand_items_may_wait_unless_something_else_is_said(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            await fill(channels, 1001)
            await take(messages, 1000)
            with pytest.raises(QueueOverflow):
                await anext(messages)


async def test_history_does_not_count_against_the_capacity(backend: Backend) -> None:
    async with backend() as channels:
        await fill(channels, 20)
        async with channels.subscribe(BOARD, after="0", capacity=2) as messages:
            await fill(channels, 2)
            assert [message.id for message in await take(messages, 22)] == [*range(1, 21), 1, 2]


async def test_dropping_the_oldest_leaves_a_gap_where_they_were(backend: Backend) -> None:
    gaps: list[Gap] = []
    async with backend() as channels:
        async with channels.subscribe(BOARD, capacity=2, policy="drop_oldest", on_gap=gaps.append) as messages:
            ids = await fill(channels, 2)
            assert await take(messages, 1) == [Message(1)]
            ids += [await channels.publish(BOARD, Message(n)) for n in range(3, 7)]
            assert gaps == []
            assert await take(messages, 2) == [Message(5), Message(6)]
            assert gaps == [messages.gap] == [Gap(ids[0], ids[4])]
            ids += await fill(channels, 3)
            assert await events_of(messages, 3) == [("gap", (ids[5], ids[7])), ("item", Message(2)), ("item", Message(3))]
            assert gaps == [Gap(ids[0], ids[4]), Gap(ids[5], ids[7])]


async def test_a_client_that_comes_back_with_the_id_of_a_drop_gets_what_was_dropped_from_history(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, capacity=1, policy="drop_oldest") as messages:
            await fill(channels, 3)
            event = await anext(messages.events())
            assert event.event == "gap"
        async with channels.subscribe(BOARD, after=event.id) as messages:
            assert messages.gap is None
            assert await take(messages, 3) == [Message(1), Message(2), Message(3)]


async def test_a_drop_is_told_behind_what_came_from_history(backend: Backend) -> None:
    async with backend() as channels:
        ids = await fill(channels, 2)
        async with channels.subscribe(BOARD, after="0", capacity=1, policy="drop_oldest") as messages:
            ids += await fill(channels, 2)
            assert await events_of(messages, 4) == [
                ("item", Message(1)),
                ("item", Message(2)),
                ("gap", (ids[1], ids[3])),
                ("item", Message(2)),
            ]


async def test_the_latest_of_each_topic_is_what_a_slow_reader_gets(backend: Backend) -> None:
    gaps: list[Gap] = []
    async with backend() as channels:
        async with channels.subscribe(BOARD, PRICES, policy="latest", on_gap=gaps.append) as both:
            start = both.cursor
            await channels.publish(PRICES, Price(0))
            first = await channels.publish(BOARD, Message(1))
            last = await channels.publish(PRICES, Price(1))
            assert await take(both, 2) == [Message(1), Price(1)]
            assert (gaps, both.cursor) == ([Gap(start, first)], last)
            await fill(channels, 1)
            assert await events_of(both, 1) == [("item", Message(1))]  # a drop is told once


async def test_a_slow_reader_costs_the_others_nothing(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, capacity=1) as slow, channels.subscribe(BOARD) as quick:
            await fill(channels, 10)
            assert len(await take(quick, 10)) == 10
            await anext(slow)
            with pytest.raises(QueueOverflow):
                await anext(slow)


async def test_what_on_gap_raises_comes_out_of_the_reading_and_loses_nothing(backend: Backend) -> None:
    def refuse(gap: Gap) -> None:
        raise LookupError(gap.after)

    async with backend() as channels:
        async with channels.subscribe(BOARD, capacity=1, policy="drop_oldest", on_gap=refuse) as messages:
            await fill(channels, 2)
            with pytest.raises(LookupError):
                await anext(messages)
            assert await take(messages, 1) == [Message(2)]
