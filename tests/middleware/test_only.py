"""`only`: which kinds it keeps a middleware to, and what it may not be asked."""

from typing import Any

import pytest

from pagi import ConfigError, Context, HTTPContext, Next, Response, SSEContext, WebSocketContext, only, when
from pagi.builder import BASES
from pagi.context.next import KINDS, Kind
from pagi.middleware import Compress
from pagi.middleware.kinds import ContextClasses
from pagi.testing import TestClient
from tests.middleware.apps import app_of

pytestmark = pytest.mark.anyio


class OwnHTTPContext(HTTPContext):
    """A context of the author's own."""


async def stamp(ctx: Context, next: Next) -> Response:
    ctx.on_response_start(lambda head: head.headers.set("x-stamp", "1"))
    return await next()


async def http_only(ctx: HTTPContext, next: Next) -> Response:
    return await stamp(ctx, next)


async def own_only(ctx: OwnHTTPContext, next: Next) -> Response:
    return await stamp(ctx, next)


@pytest.mark.parametrize(
    ("contexts", "kinds"),
    [
        (HTTPContext, {"http"}),
        (HTTPContext[dict[str, Any]], {"http"}),
        ((HTTPContext, SSEContext), {"http", "sse"}),
        (HTTPContext | SSEContext, {"http", "sse"}),
        ((HTTPContext[dict[str, Any]] | SSEContext, WebSocketContext), {"http", "sse", "websocket"}),
        (Context, {"http", "sse", "websocket"}),
    ],
)
async def test_it_stands_around_these_kinds_and_no_others(contexts: Any, kinds: set[Kind]) -> None:
    kept = only(contexts, stamp)
    assert {kind for kind in KINDS if kept.for_kind(kind, BASES) is stamp} == kinds
    assert kept.kinds(BASES) == set(KINDS)
    async with TestClient(app_of(kept)) as client:
        stamped: dict[str, bool] = {"http": "x-stamp" in (await client.get("/text")).headers}
        async with client.sse("/feed") as feed:
            stamped["sse"] = "x-stamp" in feed.headers
        async with client.websocket("/echo") as ws:
            stamped["websocket"] = "x-stamp" in ws.headers
    assert {kind for kind, is_stamped in stamped.items() if is_stamped} == kinds


async def test_called_by_hand_it_still_asks_for_the_context() -> None:
    kept = only(SSEContext, stamp)

    async def by_hand(ctx: Context, next: Next) -> Response:
        return await kept(ctx, next)

    async with TestClient(app_of(by_hand)) as client:
        assert "x-stamp" not in (await client.get("/text")).headers
        async with client.sse("/feed") as feed:
            assert "x-stamp" in feed.headers


def test_a_context_of_the_authors_own_counts_as_its_kind() -> None:
    classes: ContextClasses = {**BASES, "http": OwnHTTPContext}
    for kept in (only(HTTPContext, http_only), only(OwnHTTPContext, own_only), only(HTTPContext, own_only)):
        assert kept.kinds(classes) == set(KINDS)
        assert kept.for_kind("http", classes) is not None
        assert kept.for_kind("sse", classes) is None


def test_a_context_that_the_app_does_not_have_would_be_silently_absent() -> None:
    for kept in (only(OwnHTTPContext, stamp), only((SSEContext, OwnHTTPContext), stamp)):
        with pytest.raises(ConfigError, match="OwnHTTPContext, which no context of this app is"):
            app_of(kept).build()


def test_it_cannot_widen_what_the_middleware_serves() -> None:
    for contexts in ((HTTPContext, SSEContext), Context):
        with pytest.raises(ConfigError, match=r"asks .*http_only to serve .*sse"):
            app_of(only(contexts, http_only)).build()
    with pytest.raises(ConfigError, match=r"asks When\(.*http_only\) to serve websocket"):
        app_of(only(WebSocketContext, when(bool, http_only))).build()


@pytest.mark.parametrize("contexts", [(), ((),), "http", object(), int, Response, (HTTPContext, "sse"), HTTPContext | None])
def test_only_context_classes_can_be_named(contexts: Any) -> None:
    with pytest.raises(ConfigError, match="context class"):
        only(contexts, stamp)


def test_what_is_no_middleware_is_refused_at_once() -> None:
    mistakes: list[tuple[Any, str]] = [(Compress, "Compress'> is a class; register an instance"), (None, "None cannot be called")]
    for mistake, problem in mistakes:
        with pytest.raises(ConfigError, match=problem):
            only(HTTPContext, mistake)
