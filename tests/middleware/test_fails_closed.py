"""No guard is silently absent: what would not run on a route of some kind fails the build. The table of cases."""

import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar, Union, runtime_checkable

import pytest
from typing_extensions import TypeAliasType

from pagi import App, ConfigError, Context, HTTPContext, HTTPException, Next, Response, Router, SSEContext, WebSocketContext, only, when
from pagi.context.next import KINDS, Kind
from pagi.gateway import app as pagi_app
from pagi.gateway.types import Receive, Scope, Send
from pagi.middleware import CORS, Builder, Compress, RequestId
from pagi.middleware.kinds import BadMiddleware, UnguardedRoute
from tests.middleware.apps import plain_asgi
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio

ALL = frozenset[Kind](KINDS)
HTTP = frozenset[Kind]({"http"})
SSE = frozenset[Kind]({"sse"})
WEBSOCKET = frozenset[Kind]({"websocket"})

refusal = HTTPException(403, "guarded")

# ---- guards, by how they say what they serve


async def for_all(ctx: Context, next: Next) -> Response:
    raise refusal


async def for_http(ctx: HTTPContext, next: Next) -> Response:
    raise refusal


async def for_websocket(ctx: WebSocketContext, next: Next) -> Response:
    raise refusal


async def for_sse(ctx: SSEContext, next: Next) -> Response:
    raise refusal


async def for_state(ctx: HTTPContext[dict[str, Any]], next: Next) -> Response:
    raise refusal


async def for_union(ctx: HTTPContext | SSEContext, next: Next) -> Response:
    raise refusal


async def for_old_union(ctx: Union[HTTPContext, WebSocketContext], next: Next) -> Response:  # noqa: UP007
    raise refusal


async def for_optional(ctx: HTTPContext | None, next: Next) -> Response:
    raise refusal


async def for_annotated(ctx: Annotated[HTTPContext, "a note"], next: Next) -> Response:
    raise refusal


async def for_text(ctx: "HTTPContext", next: "Next") -> "Response":
    raise refusal


async def for_any(ctx: Any, next: Next) -> Response:
    raise refusal


async def for_object(ctx: object, next: Next) -> Response:
    raise refusal


async def for_unsaid(ctx: Any, next: Any) -> Any:
    raise refusal


for_unsaid.__annotations__.clear()


Bounded = TypeVar("Bounded", bound=SSEContext)
Constrained = TypeVar("Constrained", HTTPContext, SSEContext)
Free = TypeVar("Free")
Old: TypeAlias = HTTPContext | SSEContext
Named = TypeAliasType("Named", HTTPContext | SSEContext)
Parameter = TypeVar("Parameter")
Same = TypeAliasType("Same", Parameter, type_params=(Parameter,))
OrStream = TypeAliasType("OrStream", Parameter | SSEContext, type_params=(Parameter,))


async def for_bounded(ctx: Bounded, next: Callable[[], Any]) -> Bounded:
    raise refusal


async def for_constrained(ctx: Constrained, next: Callable[[], Any]) -> Constrained:
    raise refusal


async def for_free(ctx: Free, next: Callable[[], Any]) -> Free:
    raise refusal


async def for_old_alias(ctx: Old, next: Next) -> Response:
    raise refusal


async def for_alias(ctx: Named, next: Next) -> Response:
    raise refusal


async def for_generic_alias(ctx: Same[HTTPContext], next: Next) -> Response:
    raise refusal


async def for_union_alias(ctx: OrStream[HTTPContext], next: Next) -> Response:
    raise refusal


async def for_rest(ctx: HTTPContext, *rest: Any) -> Response:
    raise refusal


async def for_anything(*everything: Any) -> Response:
    raise refusal


async def for_option(ctx: HTTPContext, next: Next, *, role: str = "admin") -> Response:
    raise refusal


async def for_role(role: str, ctx: HTTPContext, next: Next) -> Response:
    raise refusal


class Guard:
    """A guard as an instance, and as methods."""

    async def __call__(self, ctx: HTTPContext, next: Next) -> Response:
        raise refusal

    async def method(self, ctx: SSEContext, next: Next) -> Response:
        raise refusal

    @classmethod
    async def of_class(cls, ctx: HTTPContext, next: Next) -> Response:
        raise refusal

    @staticmethod
    async def static(ctx: HTTPContext, next: Next) -> Response:
        raise refusal


class Heir(Guard):
    """Inherits what it serves."""


class Wider(Guard):
    """Serves more than its base."""

    async def __call__(self, ctx: Context, next: Next) -> Response:
        raise refusal


@functools.wraps(for_http)
async def wrapping(*args: Any, **kwargs: Any) -> Response:
    return await for_http(*args, **kwargs)


GUARDS: list[tuple[str, Any, frozenset[Kind]]] = [
    ("all", for_all, ALL),
    ("http", for_http, HTTP),
    ("websocket", for_websocket, WEBSOCKET),
    ("sse", for_sse, SSE),
    ("typed state", for_state, HTTP),
    ("union", for_union, HTTP | SSE),
    ("old union", for_old_union, HTTP | WEBSOCKET),
    ("optional", for_optional, HTTP),
    ("annotated", for_annotated, HTTP),
    ("text", for_text, HTTP),
    ("any", for_any, ALL),
    ("object", for_object, ALL),
    ("no annotation", for_unsaid, ALL),
    ("bounded variable", for_bounded, SSE),
    ("constrained variable", for_constrained, HTTP | SSE),
    ("free variable", for_free, ALL),
    ("old alias", for_old_alias, HTTP | SSE),
    ("alias", for_alias, HTTP | SSE),
    ("generic alias", for_generic_alias, HTTP),
    ("generic alias of a union", for_union_alias, HTTP | SSE),
    ("a rest", for_rest, HTTP),
    ("anything", for_anything, ALL),
    ("an option", for_option, HTTP),
    ("partial", functools.partial(for_role, "admin"), HTTP),
    ("partial by name", functools.partial(for_option, role="user"), HTTP),
    ("partial of partial", functools.partial(functools.partial(for_role, "admin")), HTTP),
    ("instance", Guard(), HTTP),
    ("inherited", Heir(), HTTP),
    ("widened", Wider(), ALL),
    ("bound method", Guard().method, SSE),
    ("class method", Guard.of_class, HTTP),
    ("static method", Guard.static, HTTP),
    ("partial of an instance", functools.partial(Guard()), HTTP),
    ("wrapper", wrapping, HTTP),
    ("when", when(bool, for_http), HTTP),
    ("when when", when(bool, when(bool, for_sse)), SSE),
    ("only", only(HTTPContext, for_http), ALL),
    ("only two", only((HTTPContext, SSEContext), for_all), ALL),
    ("when only", when(bool, only(HTTPContext, for_http)), ALL),
    ("only when", only(HTTPContext, when(bool, for_http)), ALL),
    ("builder", Builder().enable(for_all).enable(for_http), HTTP),
    ("builder of disjoint", Builder().enable(for_sse).enable(for_http), frozenset()),
    ("builder if", Builder().enable_if(bool, for_http), HTTP),
    ("builder mount", Builder().mount("/x", for_sse), SSE),
    ("builder only", Builder().enable(only(SSEContext, for_sse)), ALL),
    ("CORS", CORS("*"), ALL),
    ("Compress", Compress(), ALL),
    ("RequestId", RequestId(), ALL),
]

# ---- places to stand


async def page(ctx: HTTPContext) -> str:
    return "page"


async def feed(ctx: SSEContext) -> AsyncIterator[str]:
    yield "event"


async def chat(ctx: WebSocketContext) -> None:
    await ctx.accept()


HANDLERS: dict[Kind, Any] = {"http": page, "sse": feed, "websocket": chat}


def router_with(kind: Kind, *middleware: Any, own: Any = (), prefix: str = "") -> Router:
    router = Router(prefix, middleware=middleware)
    router.add("/x", HANDLERS[kind], kind=kind, middleware=own)
    return router


def on_app(guard: Any, kind: Kind) -> App:
    return App(middleware=[guard], routers=[router_with(kind)])


def on_app_route(guard: Any, kind: Kind) -> App:
    app = App()
    app.add("/x", HANDLERS[kind], kind=kind, middleware=[guard])
    return app


def on_router(guard: Any, kind: Kind) -> App:
    return App(routers=[router_with(kind, guard)])


def on_router_route(guard: Any, kind: Kind) -> App:
    return App(routers=[router_with(kind, own=[guard])])


def on_outer_router(guard: Any, kind: Kind) -> App:
    middle = Router("/middle", routers=[router_with(kind)])
    return App(routers=[Router("/outer", middleware=[guard], routers=[middle])])


def on_included_late(guard: Any, kind: Kind) -> App:
    late = Router()
    app = App(middleware=[guard])
    app.include(late, "/late")
    late.add("/x", HANDLERS[kind], kind=kind)
    return app


def on_mounted_app(guard: Any, kind: Kind) -> App:
    app = App(middleware=[guard])
    app.mount("/inner", App(routers=[router_with(kind)]))
    return app


def on_mount(guard: Any, kind: Kind) -> App:
    app = App()
    app.mount("/inner", App(routers=[router_with(kind)]), middleware=[guard])
    return app


def on_mounted_router(guard: Any, kind: Kind) -> App:
    app = App(middleware=[guard])
    app.mount("/inner", router_with(kind))
    return app


def on_deep_mount(guard: Any, kind: Kind) -> App:
    middle = App()
    middle.mount("/deep", App(routers=[router_with(kind)]))
    app = App(middleware=[guard])
    app.mount("/inner", middle)
    return app


def inside_mounted_app(guard: Any, kind: Kind) -> App:
    app = App()
    app.mount("/inner", App(middleware=[guard], routers=[router_with(kind)]))
    return app


PLACES: dict[Callable[[Any, Kind], App], str] = {
    on_app: "/x",
    on_app_route: "/x",
    on_router: "/x",
    on_router_route: "/x",
    on_outer_router: "/outer/middle/x",
    on_included_late: "/late/x",
    on_mounted_app: "/inner/x",
    on_mount: "/inner/x",
    on_mounted_router: "/inner/x",
    on_deep_mount: "/inner/deep/x",
    inside_mounted_app: "/inner/x",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "guard", "kinds"), GUARDS, ids=[name for name, _, _ in GUARDS])
def test_a_guard_that_does_not_serve_the_kind_of_a_route_fails_the_build(name: str, guard: Any, kinds: frozenset[Kind], kind: Kind) -> None:
    for place in PLACES:
        app = place(guard, kind)
        if kind in kinds:
            app.build()
        else:
            with pytest.raises(UnguardedRoute, match=kind):
                app.build()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_a_guard_that_does_serve_it_runs(place: Callable[[Any, Kind], App], kind: Kind) -> None:
    for guard, kinds in ((for_all, ALL), (for_http, HTTP), (for_sse, SSE), (for_websocket, WEBSOCKET), (for_constrained, HTTP | SSE)):
        if kind in kinds:
            recorder, path = Recorder(place(guard, kind)), PLACES[place]
            run = {"http": recorder.get, "sse": recorder.stream, "websocket": recorder.talk}[kind]
            assert (await run(path)).status == 403


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("guard", [only(HTTPContext, for_http), Builder().enable(only(HTTPContext, for_http))], ids=["only", "builder"])
async def test_only_is_absent_from_the_others_because_the_author_said_so(place: Callable[[Any, Kind], App], guard: Any) -> None:
    path = PLACES[place]
    assert (await Recorder(place(guard, "http")).get(path)).status == 403
    assert (await Recorder(place(guard, "sse")).stream(path)).data == ["event"]
    assert (await Recorder(place(guard, "websocket")).talk(path)).of("websocket.accept")


# ---- mounts of other applications


@pagi_app
async def marked(scope: Scope, receive: Receive, send: Send) -> None:
    await plain_asgi(scope, receive, send)


def entered_by_asgi() -> App:
    """An app that cannot be entered: what its own middleware sees is settled inside."""
    app = App(asgi_middleware=[lambda inner: inner])
    app.get("/x")(page)
    return app


@pytest.mark.parametrize("level", ["app", "router", "mount"])
@pytest.mark.parametrize(
    ("application", "needed"),
    [(plain_asgi, HTTP | WEBSOCKET), (marked, ALL), (entered_by_asgi, HTTP | WEBSOCKET)],
    ids=["plain_asgi", "marked", "entered_by_asgi"],
)
def test_a_foreign_mount_counts_as_every_kind_it_may_be_asked_for(level: str, application: Any, needed: frozenset[Kind]) -> None:
    for _, guard, kinds in GUARDS:
        router = Router(middleware=[guard] if level == "router" else [])
        mounted = application() if application is entered_by_asgi else application
        router.mount("/foreign", mounted, middleware=[guard] if level == "mount" else [])
        app = App(middleware=[guard] if level == "app" else [], routers=[router])
        if needed <= kinds:
            app.build()
        else:
            with pytest.raises(UnguardedRoute, match="application mounted at /foreign"):
                app.build()


async def test_a_guard_of_websockets_runs_before_a_foreign_mount() -> None:
    app = App(middleware=[for_old_union])
    app.mount("/foreign", plain_asgi)
    assert (await Recorder(app).get("/foreign/x")).status == 403
    assert (await Recorder(app).stream("/foreign/x")).status == 403
    assert (await Recorder(app).talk("/foreign/x")).status == 403


# ---- where no route is, none can be missed


async def test_answers_without_a_route_run_what_serves_them() -> None:
    app = App(middleware=[for_http])
    app.get("/x")(page)
    assert (await Recorder(app).get("/nowhere")).status == 403
    assert (await Recorder(app).post("/x")).status == 403
    assert (await Recorder(app).http("OPTIONS", "/x").run()).status == 403
    assert (await Recorder(app).talk("/nowhere")).status == 404


async def test_asking_for_a_stream_does_not_change_which_guards_run() -> None:
    app = App(middleware=[for_http])
    app.get("/x")(page)
    assert (await Recorder(app).stream("/x")).status == 403


# ---- contexts that no app has


class OwnContext(HTTPContext):
    """More than the app's context for http."""


class NoContext:
    """Nothing of ours."""


class Shape(Protocol):
    path: str


@runtime_checkable
class CheckedShape(Protocol):
    def url_for(self, name: str, /, **params: Any) -> str: ...


async def for_own(ctx: OwnContext, next: Next) -> Response:
    raise refusal


async def for_none(ctx: NoContext, next: Next) -> Response:
    raise refusal


async def for_shape(ctx: Shape, next: Next) -> Response:
    raise refusal


async def for_checked_shape(ctx: CheckedShape, next: Next) -> Response:
    raise refusal


async def for_own_or_sse(ctx: OwnContext | SSEContext, next: Next) -> Response:
    raise refusal


async def for_missing(ctx: HTTPContext, next: Next, *, role: str) -> Response:
    raise refusal


async def for_more(ctx: HTTPContext, next: Next, role: str = "admin") -> Response:
    raise refusal


async def generates(ctx: HTTPContext, next: Next) -> AsyncIterator[Response]:
    yield await next()


def plain(ctx: HTTPContext, next: Next) -> Any:
    return next()


class PlainCall:
    def __call__(self, ctx: HTTPContext, next: Next) -> Any:
        return next()


async def for_checkers(ctx: Any, next: Next) -> Response:
    raise refusal


for_checkers.__annotations__["ctx"] = "OnlyForCheckers"


@pytest.mark.parametrize(
    ("guard", "problem"),
    [
        (for_own, "OwnContext.*which no context of this app is"),
        (for_none, "NoContext.*which no context of this app is"),
        (for_shape, "a protocol does not say"),
        (for_checked_shape, "a protocol does not say"),
        (for_missing, "needs role, which nobody gives it"),
        (for_more, r"must take \(ctx, next\), but takes \(ctx, next, role\)"),
        (for_role, r"must take \(ctx, next\), but takes \(role, ctx, next\)"),
        (functools.partial(for_any, page), r"must take \(ctx, next\), but takes \(next\)"),
        (generates, "must be an async function"),
        (plain, "must be an async function"),
        (PlainCall(), "must be an async function"),
        (functools.partial(plain), "must be an async function"),
        (for_checkers, "OnlyForCheckers.*not under TYPE_CHECKING"),
        (when(bool, for_own), "which no context of this app is"),
        (when(bool, plain), "must be an async function"),
        (only(HTTPContext, plain), "must be an async function"),
        (only(HTTPContext, for_own), "which no context of this app is"),
        (only(OwnContext, for_all), "silently absent"),
        (only((HTTPContext, OwnContext), for_all), "silently absent"),
        (only(SSEContext, for_http), "asks .*for_http to serve sse"),
        (Builder().enable(plain), "must be an async function"),
        (Builder().mount("/x", for_own), "which no context of this app is"),
    ],
)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_what_cannot_stand_anywhere_fails_the_build(place: Callable[[Any, Kind], App], guard: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        place(guard, "http").build()


def test_a_union_counts_for_those_members_that_the_app_has() -> None:
    on_app(for_own_or_sse, "sse").build()
    with pytest.raises(UnguardedRoute, match="for_own_or_sse serves sse, but stands around http /x"):
        on_app(for_own_or_sse, "http").build()


def test_both_are_named_with_the_remedy() -> None:
    with pytest.raises(
        UnguardedRoute, match=r"for_http serves http, but stands around websocket /x .*chat.*annotate its context as Context"
    ):
        on_app(for_http, "websocket").build()


def test_bad_middleware_is_a_mistake_of_wiring() -> None:
    assert issubclass(BadMiddleware, ConfigError)
    assert issubclass(UnguardedRoute, ConfigError)
