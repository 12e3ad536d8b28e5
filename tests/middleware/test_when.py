"""`when`: asked anew for each exchange, for the kinds of what it wraps."""

from typing import Any

import pytest

from pagi import ConfigError, Context, HTTPContext, Next, Response, SSEContext, only, when
from pagi.builder import BASES
from pagi.middleware import Compress
from pagi.testing import TestClient
from tests.middleware.apps import app_of

pytestmark = pytest.mark.anyio


async def stamp(ctx: Context, next: Next) -> Response:
    ctx.on_response_start(lambda head: head.headers.set("x-stamp", "1"))
    return await next()


async def test_the_predicate_is_asked_on_every_kind() -> None:
    asked: list[str] = []

    def wanted(ctx: Context) -> bool:
        asked.append(ctx.type)
        return "yes" in ctx.query

    async with TestClient(app_of(when(wanted, stamp))) as client:
        for query, expected in (("?yes", True), ("", False)):
            assert ("x-stamp" in (await client.get(f"/text{query}")).headers) == expected
            async with client.sse(f"/feed{query}") as feed:
                assert ("x-stamp" in feed.headers) == expected
            async with client.websocket(f"/echo{query}") as ws:
                assert ("x-stamp" in ws.headers) == expected
    assert asked == ["http", "sse", "websocket"] * 2


async def test_around_only_it_is_not_asked_for_other_kinds() -> None:
    asked: list[str] = []

    def wanted(ctx: Context) -> bool:
        asked.append(ctx.type)
        return True

    async with TestClient(app_of(when(wanted, only((HTTPContext, SSEContext), stamp)))) as client:
        assert "x-stamp" in (await client.get("/text")).headers
        async with client.sse("/feed") as feed:
            assert "x-stamp" in feed.headers
        async with client.websocket("/echo") as ws:
            assert "x-stamp" not in ws.headers
    assert asked == ["http", "sse"]


def test_what_steps_aside_costs_nothing() -> None:
    assert when(bool, Compress()).for_kind("websocket", BASES) is None
    assert when(bool, when(bool, Compress())).for_kind("sse", BASES) is None


async def test_a_predicate_that_fails_is_a_failure_of_the_exchange() -> None:
    def broken(ctx: Context) -> bool:
        raise LookupError("lost it")

    async with TestClient(app_of(when(broken, stamp)), raise_app_exceptions=False) as client:
        assert (await client.get("/text")).status == 500


async def asynchronous(ctx: Context) -> bool:
    return False


class Asynchronous:
    async def __call__(self, ctx: Context) -> bool:
        return False


@pytest.mark.parametrize(
    ("predicate", "problem"),
    [(asynchronous, "is async"), (Asynchronous(), "is async"), (True, "asks a function"), ("/x", "asks a function")],
)
def test_a_predicate_that_would_always_hold_is_refused_at_once(predicate: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        when(predicate, stamp)


def test_what_is_no_middleware_is_refused_at_once() -> None:
    mistakes: list[tuple[Any, str]] = [(Compress, "is a class"), (None, "cannot be called"), ("Compress", "cannot be called")]
    for mistake, problem in mistakes:
        with pytest.raises(ConfigError, match=problem):
            when(bool, mistake)


async def test_forgetting_to_return_names_what_is_wrapped(caplog: pytest.LogCaptureFixture) -> None:
    async def forgetful(ctx: Context, next: Next) -> Response:
        await next()
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    async with TestClient(app_of(when(lambda ctx: True, forgetful)), raise_app_exceptions=False) as client:
        assert (await client.get("/text")).status == 500
    assert "forgetful) returned NoneType, not a Response" in caplog.text
