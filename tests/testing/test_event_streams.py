"""Event streams through the test client."""

from typing import Any

import anyio
import pytest

import pagi.gateway
from pagi.testing import StreamDeclined, StreamEnded, TestClient
from tests.testing.apps import ticker

pytestmark = pytest.mark.anyio


async def test_events_come_decoded() -> None:
    async with TestClient(ticker) as client, client.sse("/") as feed:
        event = await feed.receive()
        assert (event.data, event.text, event.event, event.id) == ({"n": 1}, '{"n":1}', "tick", "1")
        assert feed.last_event_id == "1"
        assert feed.retry == 1500
        assert (await feed.receive()).data == {"n": 2}


async def test_a_stream_is_taken_up_where_it_was_left() -> None:
    async with TestClient(ticker) as client, client.sse("/", last_event_id="41") as feed:
        assert (await feed.receive()).data == {"n": 42}


async def test_an_empty_last_event_id_is_not_sent() -> None:
    async with TestClient(ticker) as client:
        async with client.sse("/", last_event_id="") as feed:
            assert feed.last_event_id == ""
            ids = [event.id async for event in feed]
        async with client.sse("/", last_event_id=feed.last_event_id) as feed:
            ids += [event.id async for event in feed]
    assert ids == ["1", "2", "3", "4", "5", "6"]


@pagi.gateway.app
async def remarks(scope: Any, receive: Any, send: Any) -> None:
    """Comments with an event in between, text that is no JSON, and a comment that goes with it."""
    await send({"type": "sse.start"})
    await send({"type": "sse.comment", "comment": "one"})
    await send({"type": "sse.send", "data": "plain text", "comment": "two"})
    await send({"type": "sse.comment", "comment": "three"})
    if scope["path"] == "/forever":
        await scope["pagi.connection"].disconnected()


async def test_comments_are_received_beside_events() -> None:
    async with TestClient(remarks, lifespan="off") as client, client.sse("/") as feed:
        assert await feed.receive_comment() == "one"
        assert await feed.receive_comment() == "two"
        event = await feed.receive()
        assert (event.data, event.text) == ("plain text", "plain text")
        assert await feed.receive_comment() == "three"
        with pytest.raises(StreamEnded):
            await feed.receive_comment()


async def test_comments_that_are_here_are_read_without_waiting() -> None:
    async with TestClient(remarks, lifespan="off") as client, client.sse("/forever") as feed:
        await feed.receive()
        assert await feed.receive_comment() == "one"
        await anyio.sleep(0.02)
        assert feed.comments() == ["two", "three"]
        assert feed.comments() == []


async def test_looking_for_comments_loses_neither_events_nor_the_end() -> None:
    async with TestClient(remarks, lifespan="off") as client, client.sse("/") as feed:
        await anyio.sleep(0.02)
        assert feed.comments() == ["one", "two", "three"]
        assert feed.comments() == []
        assert [event.text async for event in feed] == ["plain text"]
        with pytest.raises(StreamEnded) as ended:
            await feed.receive()
        assert ended.value.is_complete


async def test_iteration_ends_with_the_stream() -> None:
    async with TestClient(ticker) as client, client.sse("/") as feed:
        assert [event.data["n"] async for event in feed] == [1, 2, 3]
        with pytest.raises(StreamEnded) as ended:
            await feed.receive()
        assert ended.value.is_complete


async def test_a_stream_without_an_end_is_left() -> None:
    async with TestClient(ticker) as client, client.sse("/forever") as feed:
        for n in range(1, 6):
            assert (await feed.receive()).data == {"n": n}


async def test_another_answer_is_a_decline() -> None:
    async with TestClient(ticker) as client:
        with pytest.raises(StreamDeclined) as declined:
            async with client.sse("/no"):
                raise AssertionError("opened")
    assert (declined.value.status, declined.value.body) == (403, b"not you")
    assert declined.value.headers["content-type"] == "text/plain"


async def test_accept_is_the_tests_to_give() -> None:
    async with TestClient(ticker) as client:
        with pytest.raises(StreamDeclined) as declined:
            async with client.sse("/", headers={"accept": "text/plain"}):
                raise AssertionError("opened")
    assert declined.value.status == 406


async def test_what_the_app_fails_with_is_raised_by_receive() -> None:
    async with TestClient(ticker) as client, client.sse("/cut") as feed:
        assert (await feed.receive()).data == {"n": 1}
        with pytest.raises(ValueError, match="no more ticks"):
            await feed.receive()


async def test_without_raising_a_cut_stream_says_so() -> None:
    async with TestClient(ticker, raise_app_exceptions=False) as client, client.sse("/cut") as feed:
        await feed.receive()
        with pytest.raises(StreamEnded) as ended:
            await feed.receive()
    assert not ended.value.is_complete


async def test_a_failing_assert_in_the_block_stays_what_it_is() -> None:
    async def a_test() -> None:
        async with TestClient(ticker) as client, client.sse("/forever") as feed:
            assert (await feed.receive()).data == "plain"

    with pytest.raises(AssertionError, match="plain"):
        await a_test()
