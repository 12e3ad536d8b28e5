"""What channels refuse, and when, whatever is behind them."""

from typing import Any

import msgspec
import pytest

from pagi.channels import (
    Gap,
    InvalidTopic,
    Topic,
    Unpublishable,
    Unreadable,
)
from pagi.http.errors import ConfigError
from pagi.http.event_stream import InvalidEvent
from tests.channels.backends import BOARD, Backend, Message, Price, fill, take

pytestmark = pytest.mark.anyio


async def test_data_that_does_not_fit_its_topic_is_refused_by_name_and_reaches_nobody(backend: Backend) -> None:
    unfit: list[Any] = [Price(1), {"id": "one"}, "text", None, object(), {1, (2, 3)}, Message("1"), "\ud800", float("inf")]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            for data in unfit:
                with pytest.raises(Unpublishable, match="topic 'board' carries Message") as caught:
                    await channels.publish(BOARD, data)
                assert caught.value.topic == "board"
            await fill(channels, 1)
            assert await take(messages, 1) == [Message(1)]


async def test_data_that_is_no_json_is_refused(backend: Backend) -> None:
    endless: list[Any] = []
    endless.append(endless)
    async with backend() as channels:
        for data in (object(), {(1, 2): 3}, "\ud800", endless, msgspec.Raw(b"{x"), {1: object()}):
            with pytest.raises(Unpublishable, match="topic 'room' carries JSON"):
                await channels.publish("room", data)


NAMES = {"empty": "", "long": "x" * 201, "a newline": "a\nb", "NUL": "a\0", "a lone surrogate": "\ud800", "a separator": "a\u2028"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_a_name_that_no_topic_may_have_is_refused_everywhere(backend: Backend, name: str) -> None:
    async with backend() as channels:
        with pytest.raises(InvalidTopic, match="1 to 200 printable characters"):
            await channels.publish(name, 1)
        with pytest.raises(InvalidTopic):
            channels.subscribe(name)
    with pytest.raises(InvalidTopic):
        Topic(name, Message)


async def test_an_item_that_does_not_fit_its_reader_is_named_and_can_be_passed(backend: Backend) -> None:
    async with backend() as channels:
        async with channels.subscribe(BOARD) as messages:
            bad = await channels.publish("board", "no message")
            await fill(channels, 1)
            with pytest.raises(Unreadable, match="another type under this name") as caught:
                await anext(messages)
            assert (caught.value.topic, caught.value.id, messages.cursor) == ("board", bad, bad)
            assert await take(messages, 1) == [Message(1)]


async def test_a_subscription_to_nothing_is_refused(backend: Backend) -> None:
    async with backend() as channels:
        with pytest.raises(ConfigError, match="one topic or more, got none"):
            channels.subscribe()


async def test_one_name_with_two_types_is_refused(backend: Backend) -> None:
    async with backend() as channels:
        with pytest.raises(ConfigError, match="one topic; name it once"):
            channels.subscribe(BOARD, "board")


@pytest.mark.parametrize("policy", ["drop-oldest", "", "Latest", "block", None])
async def test_a_misspelled_policy_is_refused_with_those_there_are(backend: Backend, policy: Any) -> None:
    async with backend() as channels:
        with pytest.raises(ConfigError, match="there are disconnect, drop_oldest, latest"):
            channels.subscribe(BOARD, policy=policy)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, None, "10"])
@pytest.mark.parametrize("policy", ["disconnect", "latest"])
async def test_a_capacity_that_is_none_is_refused(backend: Backend, capacity: Any, policy: Any) -> None:
    async with backend() as channels:
        with pytest.raises(ConfigError, match="1 or more; got"):
            channels.subscribe(BOARD, capacity=capacity, policy=policy)


async def test_a_name_that_events_cannot_have_is_refused_at_once(backend: Backend) -> None:
    async with backend() as channels, channels.subscribe(BOARD) as messages:
        with pytest.raises(ConfigError, match="another name"):
            messages.events("gap")
        with pytest.raises(InvalidEvent, match="line end"):
            messages.events("a\nid: 5")


async def test_an_async_on_gap_is_refused(backend: Backend) -> None:
    async def on_gap(gap: Gap) -> None: ...

    async with backend() as channels:
        with pytest.raises(ConfigError, match="plain function"):
            channels.subscribe(BOARD, on_gap=on_gap)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
