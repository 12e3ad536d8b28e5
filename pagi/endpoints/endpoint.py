"""Endpoints: classes whose methods are verbs or hooks. They say what they are; how they run is compiled elsewhere."""

import difflib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Literal, cast

from typing_extensions import TypeIs

from pagi.context.context import Context
from pagi.context.next import Kind
from pagi.endpoints.standalone import app_around
from pagi.gateway.types import ASGIApp
from pagi.http.errors import ConfigError
from pagi.messages.response import Response

VERBS: dict[str, str] = {verb.lower(): verb for verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
"""From the name of a method of an `HTTPEndpoint` to the method it serves. Nothing else is ever looked up by what a client sent."""


class BadEndpoint(ConfigError):
    """An endpoint class cannot be used as it is written."""

    def __init__(self, endpoint: type[Any], problem: str) -> None:
        super().__init__(f"{endpoint.__module__}.{endpoint.__qualname__} {problem}")


class Endpoint:
    """What the three kinds of endpoints share.

    Registered as a class, it is made anew for each exchange, its constructor's parameters filled as those of any dependency.
    Registered as an instance, it is shared by all of them, and keeps nothing that belongs to one.
    """

    kind: ClassVar[Kind]
    context_class: ClassVar[type[Context[Any]] | None] = None
    """The context of its exchanges; None: that of the router or the app."""
    hooks: ClassVar[frozenset[str]] = frozenset()
    """The methods that mean something here and begin with `on_`."""

    @classmethod
    def as_app(cls) -> ASGIApp:
        """An application that serves this endpoint at its root and nothing else: to be mounted, or served by itself."""
        return app_around(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in vars(cls) and cls.__base__ is not Endpoint:
            raise BadEndpoint(cls, "has kind, by which endpoints are told apart; give it another name")
        for name in vars(cls):
            if name.startswith("on_") and name not in cls.hooks:
                near = difflib.get_close_matches(name, cls.hooks, 1)
                meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(cls.hooks)) or 'none'}"
                raise BadEndpoint(cls, f"has {name}, which is no hook and would never be called; {meant}")


class HTTPEndpoint(Endpoint):
    """A class of verbs: `get`, `post`, `put`, `patch`, `delete`, `head` and `options`, async or not.

    HEAD is answered by `get`, OPTIONS and what is not defined by themselves (405 with Allow).
    """

    kind = "http"


class WebSocketEndpoint(Endpoint):
    """A class of hooks for one WebSocket session.

    `on_connect` accepts, or refuses by not doing so; without it every session is accepted. `on_receive` is called with each
    `message`, decoded by `encoding` and, for JSON, validated by the annotation of that parameter. `on_invalid` hears of what
    could not be; by default the session is closed with 1007. `on_disconnect` runs once after `on_connect` began, with `code`
    and `reason` of the close, whoever closed.
    """

    kind = "websocket"
    hooks = frozenset({"on_connect", "on_receive", "on_invalid", "on_disconnect"})
    encoding: ClassVar[Literal["text", "bytes", "json"]] = "text"

    # Declared, not defined: a user's hook takes what it names, and would not fit any signature given here.
    on_connect: Callable[..., Awaitable[None]]
    on_receive: Callable[..., Awaitable[None]]
    on_invalid: Callable[..., Awaitable[None]]
    on_disconnect: Callable[..., Awaitable[None]]


class SSEEndpoint(Endpoint):
    """A class of events: `stream` is an async generator of them.

    Without `stream`, `on_connect` sends by `ctx.sse`, and the stream stays open until the client leaves or somebody closes it; a
    `Response` that it returns before anything was sent declines. `on_disconnect` runs once after either began, with the `reason`
    of the end (None where the stream ended by itself). `on_error` may give a last event for an `error` that ends a stream after it
    started.
    """

    kind = "sse"
    hooks = frozenset({"on_connect", "on_disconnect", "on_error"})
    methods: ClassVar[tuple[str, ...]] = ("GET",)
    keepalive_interval: ClassVar[float | None] = None
    """Seconds of silence before a comment is sent; None: the server's default, 0: never."""
    retry: ClassVar[float | None] = 3.0
    """Seconds that clients wait before they come back; None: nothing is said."""

    stream: Callable[..., Any]
    on_connect: Callable[..., Awaitable[Response | None]]
    on_disconnect: Callable[..., Awaitable[None]]
    on_error: Callable[..., Awaitable[Any]]


AnyEndpoint = Endpoint | type[Endpoint]


def is_endpoint(thing: object) -> TypeIs[AnyEndpoint]:
    """Tells an endpoint, as a class or an instance, from a function."""
    return isinstance(thing, Endpoint) or (isinstance(thing, type) and issubclass(thing, Endpoint))


def endpoint_class(endpoint: AnyEndpoint) -> type[Endpoint]:
    """The class of an endpoint given as a class or an instance."""
    return endpoint if isinstance(endpoint, type) else type(endpoint)


def verbs_of(endpoint: AnyEndpoint) -> dict[str, Callable[..., Any]]:
    """From each method that an HTTP endpoint serves to what serves it: a function of the class, or a bound method.

    Raises:
        BadEndpoint: there is none.
    """
    found = {method: method_of(endpoint, name) for name, method in VERBS.items() if hasattr(endpoint, name)}
    if not found:
        raise BadEndpoint(endpoint_class(endpoint), f"defines none of {', '.join(VERBS)}")
    return found


def is_without_self(member: object) -> bool:
    """A member of a class that is called without an object of it."""
    return isinstance(member, (staticmethod, classmethod))


def method_of(endpoint: AnyEndpoint, name: str) -> Callable[..., Any]:
    """The method `name` of an endpoint: a function of the class, or a bound method.

    Raises:
        BadEndpoint: it is something else.
    """
    cls = endpoint_class(endpoint)
    member: Any = inspect.getattr_static(cls, name, None)
    if is_without_self(member):
        raise BadEndpoint(cls, f"has {name} as a static or class method; make it a plain one, which takes self first")
    method: Any = getattr(endpoint, name)
    if not callable(method) or isinstance(method, type):
        raise BadEndpoint(cls, f"has {name}, which is {method!r} and no method; give it another name")
    return cast("Callable[..., Any]", method)
