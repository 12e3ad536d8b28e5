"""History, cursors and gaps, whatever is behind the channels."""

import pytest

from pagi.channels import (
    Gap,
)
from pagi.http.event_stream import Event, encode
from tests.channels.backends import BOARD, PRICES, Backend, Message, Price, events_of, fill, ids_of, take

pytestmark = pytest.mark.anyio


async def test_the_cursor_before_the_first_gives_all_there_is(backend: Backend) -> None:
    async with backend() as channels:
        ids = await fill(channels, 3)
        async with channels.subscribe(BOARD, after="0") as messages:
            assert messages.gap is None
            assert await ids_of(messages, 3) == ids
            ids = await fill(channels, 2)
            assert await ids_of(messages, 2) == ids


async def test_a_reader_that_comes_back_goes_on_where_it_was(backend: Backend) -> None:
    async with backend() as channels:
        ids = await fill(channels, 5)
        for place, id in enumerate(ids, 1):
            async with channels.subscribe(BOARD, after=id) as messages:
                assert messages.gap is None
                assert messages.cursor == id
                assert await ids_of(messages, 5 - place) == ids[place:]
                assert messages.cursor == ids[-1]


async def test_a_cursor_is_one_over_all_topics(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, PRICES) as both:
            for n in range(3):
                await channels.publish(BOARD, Message(n))
                await channels.publish(PRICES, Price(n))
            place = (await ids_of(both, 3))[-1]
        async with channels.subscribe(BOARD, PRICES, after=place) as both:
            assert both.gap is None
            assert await take(both, 3) == [Price(1), Message(2), Price(2)]


async def test_the_place_on_entry_is_a_cursor_too(backend: Backend) -> None:
    async with backend() as channels:
        await fill(channels, 2)
        async with channels.subscribe(BOARD) as messages:
            place = messages.cursor
        await channels.publish(BOARD, Message(3))
        async with channels.subscribe(BOARD, after=place) as messages:
            assert messages.gap is None
            assert await take(messages, 1) == [Message(3)]


async def test_ids_are_fit_for_an_event_stream(backend: Backend) -> None:
    async with backend() as channels:
        for id in await fill(channels, 20):
            assert id.isascii()
            assert id.isprintable()
            assert " " not in id
            assert 0 < len(id) <= 64
        assert len(set(await fill(channels, 20))) == 20


async def test_a_cursor_that_history_no_longer_covers_is_a_gap(backend: Backend) -> None:
    async with backend(history=3) as channels:
        ids = await fill(channels, 5)
        async with channels.subscribe(BOARD, after=ids[0]) as messages:
            assert messages.gap == Gap(ids[0], ids[2])
            assert await take(messages, 3) == [Message(3), Message(4), Message(5)]
        async with channels.subscribe(BOARD, after=ids[1]) as messages:
            assert messages.gap is None
        async with channels.subscribe(BOARD, after="0") as messages:
            assert messages.gap == Gap("0", ids[2])


async def test_a_gap_in_one_of_several_topics_is_a_gap(backend: Backend) -> None:
    async with backend(history=3) as channels:
        price = await channels.publish(PRICES, Price(0))
        await fill(channels, 5)
        async with channels.subscribe(BOARD, PRICES, after="0") as both:
            assert both.gap == Gap("0", price)
            assert await take(both, 4) == [Price(0), Message(3), Message(4), Message(5)]


GARBAGE = {
    "empty": "",
    "no number": "abc",
    "a number": "1",
    "negative": "-1",
    "zeros": "00",
    "blank": " 0",
    "a newline": "0\n",
    "NUL": "\0",
    "a lone surrogate": "\ud800",
    "full-width digits": "\uff10",
    "another process": "0123456789ab-1",
    "a stream id of Redis": "1526919030474-55",
    "a path": "../../etc/passwd",
    "huge": "9" * 100_000,
    "huge and deep": "[" * 100_000,
}


@pytest.mark.parametrize("cursor", GARBAGE.values(), ids=GARBAGE)
async def test_a_cursor_that_was_never_ours_is_a_gap(backend: Backend, cursor: str) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD, after=cursor) as messages:
            assert messages.gap is not None
            assert messages.gap.first is None
        ids = await fill(channels, 2)
        async with channels.subscribe(BOARD, after=cursor) as messages:
            assert messages.gap is not None
            assert messages.gap.first == ids[0]
            assert cursor.encode("utf-8", "replace").startswith(messages.gap.after.encode())
            event = await anext(messages.events())
            assert (event.event, event.data) == ("gap", messages.gap)
            assert len(encode(event)) < 1000
            assert await ids_of(messages, 2) == ids


@pytest.mark.parametrize(("old", "new"), [("{}", "{}0"), ("{}", "{}\n"), ("{}", " {}"), ("{}", "{}-1"), ("{}", "{}99999999999999999999")])
async def test_a_forged_cursor_is_a_gap(backend: Backend, old: str, new: str) -> None:
    async with backend() as channels:
        ids = await fill(channels, 1)
        async with channels.subscribe(BOARD, after=old.format(ids[0])) as messages:
            assert messages.gap is None
        async with channels.subscribe(BOARD, after=new.format(ids[0])) as messages:
            assert messages.gap is not None
            assert await ids_of(messages, 1) == ids


async def test_a_cursor_of_another_run_is_a_gap(backend: Backend) -> None:
    async with backend() as channels:
        elsewhere = (await fill(channels, 3))[0]
    async with backend() as channels:
        ids = await fill(channels, 3)
        async with channels.subscribe(BOARD, after=elsewhere) as messages:
            assert messages.gap == Gap(elsewhere, ids[0])
            assert await ids_of(messages, 3) == ids


# ---- events


async def test_items_are_events_with_id_type_and_data(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            (id,) = await fill(channels, 1)
            assert await anext(messages.events("message")) == Event(Message(1), event="message", id=id)
            (id,) = await fill(channels, 1)
            assert await anext(messages.events()) == Event(Message(1), id=id)


async def test_a_gap_is_the_first_event_and_only_once(backend: Backend) -> None:
    async with backend(history=2) as channels:
        ids = await fill(channels, 3)
        async with channels.subscribe(BOARD, after="0") as messages:
            assert await events_of(messages, 2) == [("gap", ("0", ids[1])), ("item", Message(2))]
            assert await events_of(messages, 1) == [("item", Message(3))]


@pytest.mark.parametrize(("cursor", "published"), [("never ours", 0), ("never ours", 1), ("never ours", 5), ("0", 5)])
async def test_a_client_that_comes_back_with_the_id_of_a_gap_goes_on_behind_it(backend: Backend, cursor: str, published: int) -> None:
    async with backend(history=3) as channels:
        behind = (await fill(channels, published))[-3:]
        async with channels.subscribe(BOARD, after=cursor) as messages:
            event = await anext(messages.events())
            assert event.event == "gap"
        behind += await fill(channels, 1)
        async with channels.subscribe(BOARD, after=event.id) as messages:
            # One of four is gone meanwhile.
            assert messages.gap == (Gap(str(event.id), behind[1]) if len(behind) > 3 else None)
            assert await ids_of(messages, len(behind[-3:])) == behind[-3:]


async def test_a_client_that_always_comes_back_with_the_last_id_sees_everything_once(backend: Backend) -> None:
    async with backend() as channels:
        ids = await fill(channels, 30)
        seen: list[str] = []
        cursor = "0"
        while len(seen) < 30:
            async with channels.subscribe(BOARD, PRICES, after=cursor) as both:
                for _ in range(7):
                    if len(seen) < 30:
                        event = await anext(both.events())
                        cursor = str(event.id)
                        seen.append(cursor)
        assert seen == ids
