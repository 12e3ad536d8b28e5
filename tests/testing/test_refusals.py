"""Denied WebSockets and declined streams: as errors that hold the answer, and as the answer itself."""

from typing import Any

import pytest

from pagi import App, HTTPException, SSEContext, WebSocketContext
from pagi.testing import NotRefused, StreamDeclined, TestClient, WebSocketDenied
from tests.testing.apps import echo, ticker

pytestmark = pytest.mark.anyio


async def test_a_denial_is_an_error_that_holds_the_answer() -> None:
    async with TestClient(echo) as client:
        with pytest.raises(WebSocketDenied, match="401") as denied:
            async with client.websocket("/denied"):
                raise AssertionError("opened")
    reply = denied.value.reply
    assert (reply.status_code, reply.text, reply.headers["www-authenticate"]) == (401, "who are you?", "Basic")


async def test_a_denial_can_be_asked_for() -> None:
    async with TestClient(echo) as client:
        reply = await client.websocket_denial("/denied")
        assert (reply.status_code, reply.text, reply.is_success) == (401, "who are you?", False)
        with pytest.raises(NotRefused, match="/ was accepted"):
            await client.websocket_denial("/")


async def test_a_decline_is_an_error_that_holds_the_answer() -> None:
    async with TestClient(ticker) as client:
        with pytest.raises(StreamDeclined, match="403") as declined:
            async with client.sse("/no"):
                raise AssertionError("opened")
    assert (declined.value.reply.status_code, declined.value.reply.text) == (403, "not you")


async def test_a_decline_can_be_asked_for() -> None:
    async with TestClient(ticker) as client:
        assert (await client.sse_decline("/no")).text == "not you"
        with pytest.raises(NotRefused, match="/forever was opened"):
            await client.sse_decline("/forever")


async def test_a_stream_that_was_not_declined_is_a_failed_assertion() -> None:
    async with TestClient(ticker) as client:
        with pytest.raises(AssertionError):
            await client.sse_decline("/")


async def test_an_apps_refusals_are_problems_with_details() -> None:
    app = App()

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext[Any]) -> None:
        raise HTTPException(403, "members only")

    @app.sse("/feed")
    async def feed(ctx: SSEContext[Any]) -> None:
        raise HTTPException(403, "members only")

    async with TestClient(app) as client:
        denied = await client.websocket_denial("/chat", headers={"x-tag": "7"}, params={"a": 1})
        declined = await client.sse_decline("/feed", last_event_id="7")
    assert denied.json()["detail"] == declined.json()["detail"] == "members only"
