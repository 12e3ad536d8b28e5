"""`ctx.resolve`: what handlers would get, in middleware of every kind."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, NewType

import pytest

from pagi import (
    App,
    ConfigError,
    Context,
    Depends,
    Header,
    HTTPContext,
    HTTPException,
    Next,
    Path,
    Response,
    SSEContext,
    WebSocketContext,
    provider,
)
from pagi.injection.errors import NotResolvable
from pagi.testing import TestClient
from tests.endpoints.asking import ask, call, errors, served
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class User:
    def __init__(self, name: str) -> None:
        self.name = name


class Visit:
    def __init__(self, user: User, ctx: Context) -> None:
        self.user = user
        self.kind = ctx.type


class Store: ...


Token = NewType("Token", str)
OPTIONAL: Any = Store | None


async def user(x_user: Annotated[str, Header] = "nobody") -> User:
    return User(x_user)


async def test_every_kind_has_the_same_value_as_its_handler() -> None:
    seen: list[Any] = []

    async def around(ctx: Context, next: Next) -> Response:
        seen.append(await ctx.resolve(Visit))
        seen.append((await ctx.resolve(User)).name)
        return await next()

    app = App(providers=[Visit, provider(user)], middleware=[around])

    @app.get("/")
    async def http(visit: Visit) -> None:
        seen.append(visit)

    @app.sse("/feed")
    async def feed(visit: Visit) -> AsyncIterator[str]:
        seen.append(visit)
        yield "a"

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext, visit: Visit) -> None:
        seen.append(visit)
        await ctx.accept()

    recorder = Recorder(app)
    for exchange, kind in (
        (recorder.http("GET", "/", headers={"x-user": "ada"}), "http"),
        (recorder.http("GET", "/feed", headers={"x-user": "ada", "accept": "text/event-stream"}), "sse"),
        (recorder.websocket("/chat", headers={"x-user": "ada"}), "websocket"),
    ):
        await exchange.run()
        first, name, second = seen
        assert first is second
        assert (first.kind, name) == (kind, "ada")
        seen.clear()


async def test_it_takes_a_type_a_provider_or_a_function() -> None:
    stored = provider(Store, scope="app")

    async def around(ctx: Context, next: Next) -> Response:
        values = [await ctx.resolve(Store), await ctx.resolve(stored), await ctx.resolve(OPTIONAL)]
        assert all(value is values[0] for value in values)
        assert (await ctx.resolve(user)) is (await ctx.resolve(User))
        assert await ctx.resolve(Token) == "t"
        return await next()

    async def handler(ctx: HTTPContext, store: Store) -> bool:
        return store is await ctx.resolve(Store)

    app = App(providers=[stored, provider(user), provider(lambda: "t", provides=Token)], middleware=[around])
    async with TestClient(served(handler, app=app)) as client:
        assert (await client.get("/")).json() is True


async def test_what_was_not_known_at_build_is_not_made() -> None:
    def stranger() -> int:
        return 1

    async def handler(ctx: HTTPContext, which: str) -> None:
        with pytest.raises(NotResolvable, match=r"ctx.resolve cannot make \S+: there is .*User; add a provider for it to App\(providers="):
            await ctx.resolve({"type": Store, "function": stranger, "text": "Store", "list": list[int], "unhashable": []}[which])  # type: ignore[call-overload]

    for which in ("type", "function", "text", "list", "unhashable"):
        assert (await ask(handler, f"/?which={which}", app=App(providers=[provider(user)]))).status == 204


async def test_what_one_kind_cannot_make_says_so_there() -> None:
    async def page(ctx: HTTPContext) -> Store:
        return Store()

    told: list[str] = []

    async def around(ctx: Context, next: Next) -> Response:
        for _ in range(2):
            try:
                await ctx.resolve(Store)
            except ConfigError as error:
                told.append(str(error))
        return await next()

    app = App(providers=[provider(page)], middleware=[around])
    app.websocket("/")(chat)
    app.get("/")(here)
    await Recorder(app).get("/")
    assert told == []
    await Recorder(app).talk("/")
    assert len(told) == 2
    assert "HTTPContext was asked for, but this route's context is WebSocketContext" in told[0]


async def chat(ctx: WebSocketContext) -> None:
    await ctx.accept()


async def here() -> str:
    return "here"


def test_a_provider_that_can_work_nowhere_fails_the_build() -> None:
    class Unknown: ...

    async def made(unknown: Unknown) -> Store:
        return Store()

    with pytest.raises(ConfigError, match="unknown is annotated Unknown and can be given nothing"):
        App(providers=[provider(made)]).build()


async def test_what_needs_a_path_is_fine_where_a_path_has_it() -> None:
    """It is not judged by what middleware could make of it: no path is known there."""

    async def loaded(item: Any) -> str:
        return f"loaded {item}"

    del loaded.__annotations__["item"]

    async def handler(text: Annotated[str, Depends(loaded)]) -> str:
        return text

    assert (await ask(handler, "/5", path="/{item}")).text == "loaded 5"


async def test_a_path_parameter_is_never_taken_from_the_query(caplog: pytest.LogCaptureFixture) -> None:
    async def owned(item: Annotated[int, Path]) -> int:
        return item

    async def around(ctx: Context, next: Next) -> Response:
        ctx.stash["item"] = await ctx.resolve(owned)
        return await next()

    async def handler(ctx: HTTPContext, item: Annotated[int, Depends(owned)]) -> bool:
        return bool(ctx.stash["item"] == item == 5)

    app = served(handler, "/items/{item}", app=App(middleware=[around]))
    app.get("/other")(here)
    assert (await Recorder(app).get("/items/5?item=6")).text == "true"
    assert (await Recorder(app).get("/other?item=6")).status == 500
    assert "needs the path parameter 'item', and what matched /other has none of that name" in caplog.text


async def test_input_that_does_not_fit_is_told_as_from_a_handler() -> None:
    async def page(after: int = 0) -> Store:
        return Store()

    async def around(ctx: Context, next: Next) -> Response:
        await ctx.resolve(Store)
        return await next()

    assert errors(await ask(here, "/?after=x", app=App(providers=[provider(page)], middleware=[around]))) == {
        "query.after": "Expected `int`"
    }


async def test_a_refusal_in_it_is_a_refusal() -> None:
    async def guard() -> Store:
        raise HTTPException(403)

    async def around(ctx: Context, next: Next) -> Response:
        await ctx.resolve(Store)
        return await next()

    assert (await ask(here, app=App(providers=[provider(guard)], middleware=[around]))).status == 403


async def test_what_only_other_providers_ask_for_can_be_resolved() -> None:
    class Deep: ...

    lasting = provider(Deep, scope="app")

    async def store(deep: Annotated[Deep, Depends(lasting)]) -> Store:
        return Store()

    async def around(ctx: Context, next: Next) -> Response:
        await ctx.resolve(Store)
        await ctx.resolve(lasting)
        return await next()

    assert (await call(here, app=App(providers=[provider(store)], middleware=[around]))).text == "here"


async def test_it_works_in_handlers_and_streams_too() -> None:
    app = App(providers=[provider(user)])

    @app.sse("/")
    async def feed(ctx: SSEContext) -> AsyncIterator[str]:
        yield (await ctx.resolve(User)).name

    assert (await Recorder(app).stream("/")).data == ["nobody"]
