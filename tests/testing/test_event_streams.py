"""Event streams through the test client."""

import pytest

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
