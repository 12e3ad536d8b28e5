"""What authors write with channels: it must pass mypy and pyright in strict mode, and work, down to the wire."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

import anyio
import msgspec
import pytest

from pagi import App, Event, HTTPContext, HTTPEndpoint, Response, SSEContext, SSEEndpoint, WebSocketContext, provider
from pagi.channels import Channels, Gap, Item, MemoryChannels, Subscription, Topic
from pagi.testing import TestClient, WebSocketClosed

pytestmark = pytest.mark.anyio


class Message(msgspec.Struct):
    id: int
    text: str


class Price(msgspec.Struct):
    cents: int


BOARD = Topic("board", Message)
PRICES = Topic("prices", Price)
LEVEL = Topic[int | None]("level", int | None)
NAMES = Topic("names", list[str])

assert_type(BOARD, Topic[Message])
assert_type(LEVEL, Topic[int | None])
assert_type(NAMES, Topic[list[str]])


class Messages(HTTPEndpoint):
    async def post(self, ctx: HTTPContext, body: Message, channels: Channels) -> Response:
        return ctx.json({"id": await channels.publish(BOARD, body)}, status=201)


class Feed(SSEEndpoint):
    async def stream(self, ctx: SSEContext, channels: Channels) -> AsyncIterator[Event[Message | Gap]]:
        async with channels.subscribe(BOARD, after=ctx.last_event_id) as messages:
            async for event in messages.events("message"):
                yield event


def new_app(channels: Channels) -> App:
    @provider(scope="app")
    def given() -> Channels:
        return channels

    app = App(providers=[given])
    app.add("/messages", Messages)
    app.add("/feed", Feed)

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext, channels: Channels) -> None:
        await ctx.accept()
        async with channels.subscribe(BOARD, capacity=2) as messages:
            await ctx.send_text("ready")
            await ctx.receive_text()
            async for item in messages:
                await ctx.send_json(item.data)

    return app


async def test_types_follow_the_topics() -> None:
    async with MemoryChannels() as channels:
        assert_type(await channels.publish(BOARD, Message(1, "hi")), str)
        assert_type(await channels.publish("room", {"any": "thing"}), str)
        await channels.publish(LEVEL, None)
        await channels.publish(NAMES, ["a"])
        with pytest.raises(ValueError, match="carries Message"):
            await channels.publish(BOARD, Price(1))  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
        async with channels.subscribe(BOARD, after="0") as messages:
            assert_type(messages, Subscription[Message])
            assert_type(messages.gap, Gap | None)
            async for item in messages:
                assert_type(item, Item[Message])
                assert_type(item.data, Message)
                assert_type(item.id, str)
                break
        async with channels.subscribe(BOARD, after="0") as messages:
            async for event in messages.events("message"):
                assert_type(event, Event[Message | Gap])
                if isinstance(event.data, Gap):
                    assert_type(event.data.first, str | None)
                else:
                    assert_type(event.data, Message)
                break


async def test_several_topics_are_a_union() -> None:
    async with MemoryChannels() as channels:
        assert_type(channels.subscribe(BOARD, PRICES), Subscription[Message | Price])
        assert_type(channels.subscribe(BOARD, PRICES, LEVEL), Subscription[Message | Price | int | None])
        assert_type(channels.subscribe(BOARD, PRICES, LEVEL, NAMES), Subscription[Message | Price | int | None | list[str]])
        many: list[Topic[Message]] = [Topic(f"board {n}", Message) for n in range(7)]
        assert_type(channels.subscribe(*many), Subscription[Message])
        assert_type(channels.subscribe("room", policy="latest"), Subscription[Any])
        assert_type(channels.subscribe(BOARD, "room"), Subscription[Any])


async def test_a_feed_from_the_first_message_on() -> None:
    async with MemoryChannels() as channels, TestClient(new_app(channels)) as client:
        first = (await client.post("/messages", json={"id": 1, "text": "hi"})).json()["id"]
        async with client.sse("/feed", last_event_id="0") as feed:
            event = await feed.receive()
            assert (event.event, event.id, event.data) == ("message", first, {"id": 1, "text": "hi"})
            await client.post("/messages", json={"id": 2, "text": "you"})
            assert (await feed.receive()).data == {"id": 2, "text": "you"}
        async with client.sse("/feed", last_event_id=first) as feed:
            assert (await feed.receive()).data == {"id": 2, "text": "you"}


async def test_a_feed_that_cannot_go_on_says_so_and_goes_on_with_what_there_is() -> None:
    async with MemoryChannels(history=1) as channels, TestClient(new_app(channels)) as client:
        for n in (1, 2, 3):
            last = await channels.publish(BOARD, Message(n, ""))
        async with client.sse("/feed", last_event_id="of another server") as feed:
            gap = await feed.receive()
            assert (gap.event, gap.data) == ("gap", {"after": "of another server", "first": last})
            assert (await feed.receive()).data == {"id": 3, "text": ""}
        async with client.sse("/feed", last_event_id=gap.id) as feed:
            event = await feed.receive()
            assert (event.event, event.id) == ("message", last)


async def test_feeds_leave_nothing_behind() -> None:
    async with MemoryChannels() as channels:
        async with TestClient(new_app(channels)) as client:
            async with client.sse("/feed", last_event_id="0"), client.sse("/feed") as feed:
                await client.post("/messages", json={"id": 1, "text": "hi"})
                await feed.receive()
                assert repr(channels).endswith("1 listened to, 2 subscriptions>")
        assert repr(channels).endswith("0 listened to, 0 subscriptions>")


async def test_closed_channels_end_their_feeds() -> None:
    channels = MemoryChannels()
    async with TestClient(new_app(channels)) as client:
        async with client.sse("/feed", last_event_id="0") as feed:
            await channels.publish(BOARD, Message(1, ""))
            await feed.receive()
            await channels.aclose()
            with anyio.fail_after(20):
                assert [event async for event in feed] == []


async def test_a_websocket_that_falls_behind_is_told_to_come_back() -> None:
    async with MemoryChannels() as channels, TestClient(new_app(channels)) as client:
        async with client.websocket("/chat") as ws:
            assert await ws.receive_text() == "ready"
            for n in range(3):
                await channels.publish(BOARD, Message(n, ""))
            await ws.send_text("go")
            assert [(await ws.receive_json())["id"] for _ in range(2)] == [0, 1]
            with pytest.raises(WebSocketClosed, match=r"the reader of 'board' fell behind by 2 items") as caught:
                await ws.receive_json()
            assert caught.value.code == 1013
