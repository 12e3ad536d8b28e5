"""Which handler it is: kinds and methods on one path, constraints, and prefixes with parameters."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router, SSEContext, WebSocketContext
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


async def told(ctx: HTTPContext) -> list[object]:
    return [ctx.method, ctx.path_params]


async def talk(ctx: WebSocketContext) -> None:
    await ctx.accept()
    await ctx.send_json(ctx.path_params)


async def feed(ctx: SSEContext) -> AsyncIterator[dict[str, Any]]:
    yield ctx.path_params


def of_every_kind(path: str) -> Recorder:
    app = App()
    app.get(path)(told)
    app.websocket(path)(talk)
    app.sse(path)(feed)
    return Recorder(app)


async def test_one_path_may_have_a_handler_for_every_kind() -> None:
    recorder = of_every_kind("/rooms/{room}/seats/{seat:int}")
    assert (await recorder.get("/rooms/a/seats/5")).body == b'["GET",{"room":"a","seat":5}]'
    assert (await recorder.talk("/rooms/a/seats/5")).sent == ['{"room":"a","seat":5}']
    assert (await recorder.stream("/rooms/a/seats/5")).data == ['{"room":"a","seat":5}']


async def test_a_constraint_that_fails_is_404_on_every_kind() -> None:
    recorder = of_every_kind("/seats/{seat:int}")
    for answer in (await recorder.get("/seats/x"), await recorder.talk("/seats/x"), await recorder.stream("/seats/x")):
        assert answer.status == 404


async def test_a_constraint_that_fails_is_404_and_never_405() -> None:
    app = App()
    app.post("/seats/{seat:int}")(told)
    recorder = Recorder(app)
    assert (await recorder.get("/seats/5")).status == 405
    assert (await recorder.get("/seats/x")).status == 404


async def test_without_methods_a_route_serves_the_five_usual_ones() -> None:
    app = App()
    app.route("/{id:int}")(told)
    recorder = Recorder(app)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert (await recorder.http(method, "/5").run()).body == f'["{method}",{{"id":5}}]'.encode()
    assert (await recorder.http("OPTIONS", "/5").run()).headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert (await recorder.get("/x")).status == 404


async def test_a_prefix_may_have_parameters_and_prefixes_nest() -> None:
    inner = Router("/rooms/{room:int}")
    inner.get("/seats/{seat}")(told)
    outer = Router("/teams/{team}", routers=[inner])
    recorder = Recorder(App(routers=[outer]))
    assert (await recorder.get("/teams/a/rooms/5/seats/b")).body == b'["GET",{"team":"a","room":5,"seat":"b"}]'
    assert (await recorder.get("/teams/a/rooms/x/seats/b")).status == 404


async def test_signs_in_a_prefix_stand_for_themselves() -> None:
    router = Router("/v1.0(a)+")
    router.get("/x")(told)
    recorder = Recorder(App(routers=[router]))
    assert (await recorder.get("/v1.0(a)+/x")).status == 200
    assert (await recorder.get("/v1x0(a)+/x")).status == 404
    assert (await recorder.get("/v1.0a/x")).status == 404


async def test_methods_of_several_routers_on_one_path_are_one_405() -> None:
    one, other = Router("/x"), Router("/x")
    one.get("/")(told)
    other.post("/")(told)
    recorder = Recorder(App(routers=[one, other]))
    assert ((await recorder.get("/x")).status, (await recorder.post("/x")).status) == (200, 200)
    assert (await recorder.http("PUT", "/x").run()).headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_middleware_of_a_router_runs_once_though_it_is_around_many_routes() -> None:
    seen: list[str] = []

    async def note(ctx: Context, next: Next) -> Response:
        seen.append(ctx.path)
        return await next()

    router = Router("/in", middleware=[note])
    for path in ("/a", "/b"):
        router.get(path)(told)
    recorder = Recorder(App(routers=[router]))
    await recorder.get("/in/a")
    await recorder.get("/in/b")
    assert seen == ["/in/a", "/in/b"]


async def test_plain_middleware_is_made_once_and_wraps_receive_and_send() -> None:
    made: list[object] = []

    def shouting(app: Any) -> Any:
        made.append(app)

        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            async def loud_receive() -> Any:
                event = await receive()
                return {**event, "body": event.get("body", b"").upper()}

            async def loud_send(event: Any) -> None:
                await send({**event, "body": event["body"] + b"!"} if "body" in event else event)

            await app(scope, loud_receive, loud_send)

        return wrapped

    app = App(asgi_middleware=[shouting])

    @app.post("/")
    async def echo(ctx: HTTPContext) -> bytes:
        return await ctx.request.body()

    recorder = Recorder(app)
    for _ in range(2):
        assert (await recorder.post("/", body=b"hi")).body == b"HI!"
    assert len(made) == 1


@pytest.mark.parametrize("thing", [5, "package.module", told, HTTPContext])
def test_only_routers_are_included(thing: Any) -> None:
    with pytest.raises(ConfigError, match=r"a router or a class of routers is included.*mount"):
        Router().include(thing)
    with pytest.raises(ConfigError, match="a router or a class"):
        App(routers=[thing])
