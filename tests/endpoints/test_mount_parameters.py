"""Parameters in the prefixes of mounts: beside those of the routes inside, and in the names that lead there."""

import pytest

from pagi import App, Context, HTTPContext, Next, Response, Router, WebSocketContext
from pagi.endpoints.entrance import ROUTE
from pagi.gateway.types import Receive, Scope, Send
from pagi.routing.converters import Converter
from pagi.routing.patterns import BadPattern
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


def shop() -> App:
    app = App()

    @app.get("/items/{item:int}", name="item")
    async def show(ctx: HTTPContext, tenant: str, item: int) -> str:
        return f"{tenant} {item} {ctx.url_for('item', item=item + 1)} {ctx.path_params} {ctx.scope['root_path']}"

    @app.get("/plain")
    async def plain() -> str:
        return "plain"

    @app.get("/only/{item}")
    async def only(item: str) -> str:
        return item

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext, tenant: str) -> None:
        await ctx.accept()
        await ctx.send_text(tenant)

    return app


async def test_handlers_of_a_mounted_app_take_the_parameters_of_its_prefix() -> None:
    app = App()
    app.mount("/tenants/{tenant}", shop())
    recorder = Recorder(app)
    answer = await recorder.get("/tenants/a%20b/items/5")
    assert answer.text == "a b 5 /tenants/a%20b/items/6 {'tenant': 'a b', 'item': 5} /tenants/a b"
    assert (await recorder.get("/tenants/acme/plain")).text == "plain"
    assert (await recorder.get("/tenants/acme/only/x")).text == "x"
    assert (await recorder.talk("/tenants/acme/chat")).sent == ["acme"]
    assert (await recorder.get("/tenants/")).status == 404


async def test_middleware_around_the_mount_sees_the_parameters_of_the_prefix() -> None:
    seen: list[object] = []

    async def watch(ctx: Context, next: Next) -> Response:
        seen.append(dict(ctx.path_params))
        return await next()

    app = App(middleware=[watch])
    app.mount("/{tenant}", shop())
    await Recorder(app).get("/acme/plain")
    assert seen == [{"tenant": "acme"}]


async def test_prefixes_nest() -> None:
    middle, app = App(), App()
    middle.mount("/{tenant}", shop())
    app.mount("/{region}", middle, name="region")
    answer = await Recorder(app).get("/eu/acme/items/5")
    assert answer.text == "acme 5 /eu/acme/items/6 {'region': 'eu', 'tenant': 'acme', 'item': 5} /eu/acme"


async def test_a_plain_app_finds_them_in_the_scope_and_the_prefix_in_root_path() -> None:
    seen: list[object] = []

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["path_params"], scope["root_path"], scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app, middle = App(), App()
    middle.mount("/{year:int}/legacy", plain)
    app.mount("/{tenant}", middle)
    await Recorder(app).get("/acme/2026/legacy/x/y")
    await Recorder(app).get("/acme/2026/legacy")
    params = {"tenant": "acme", "year": 2026}
    assert seen == [
        (params, "/acme/2026/legacy", "/acme/2026/legacy/x/y"),
        (params, "/acme/2026/legacy", "/acme/2026/legacy"),
    ]


def test_a_parameter_of_the_prefix_is_not_one_of_a_route_inside() -> None:
    app = App()
    app.mount("/{item}", shop())
    with pytest.raises(BadPattern, match=r"'item' is in the prefix '/\{item\}' already"):
        app.build()


async def test_logs_get_the_whole_pattern() -> None:
    app = App()
    app.mount("/{tenant}", shop())
    exchange = Recorder(app).http("GET", "/acme/items/5")
    await exchange.run()
    assert exchange.scope[ROUTE] == "/{tenant}/items/{item:int}"


async def test_own_converters_are_known_from_their_router_inwards() -> None:
    inner = Router("/posts/{post:slug}")

    @inner.get("/{part:half}")
    async def show(ctx: HTTPContext, post: str, part: int) -> list[object]:
        return [post, part]

    class Outer(Router):
        converters = {"slug": Converter(regex="[a-z0-9]+(?:-[a-z0-9]+)*")}

    half = Converter(regex="[0-9]{1,3}", parse=lambda text: int(text) // 2, spell=lambda value: str(value * 2), type=int)
    app = App(routers=[Outer(routers=[inner])], converters={"half": half})
    recorder = Recorder(app)
    assert (await recorder.get("/posts/a-b/8")).text == '["a-b",4]'
    assert (await recorder.get("/posts/a--b/8")).status == 404

    stranger = App(routers=[Outer()])
    stranger.get("/{x:slug}")(show)
    with pytest.raises(BadPattern, match="no converter 'slug'"):
        stranger.build()


async def test_an_escaped_slash_is_one_since_the_server_decodes_the_path() -> None:
    app = App()

    @app.get("/u/{name}")
    async def one(name: str) -> str:
        return name

    @app.get("/f/{rest:path}")
    async def rest(rest: str) -> str:
        return rest

    recorder = Recorder(app)
    assert (await recorder.get("/u/a%2Fb")).status == 404
    assert (await recorder.get("/f/a%2Fb")).text == "a/b"
    assert (await recorder.get("/u/a%252Fb")).text == "a%2Fb"
