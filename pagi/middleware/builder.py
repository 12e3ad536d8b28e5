"""`Builder`: a stack of middleware written down line by line, to be given to an app, a router or a route."""

from collections.abc import Callable
from typing import Any, Self

from pagi.context.context import Context
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.gateway.marker import is_pagi
from pagi.http.errors import ConfigError
from pagi.messages.response import Response
from pagi.middleware.chain import Stack
from pagi.middleware.kinds import ContextClasses, KnowsKinds, checked, kinds_of, named
from pagi.middleware.when import when

IN_SCOPE = "pagi.under"
"""Where the prefixes that an exchange was found under are kept."""


class Builder:
    """Middleware in the order it is enabled, the first one outermost.

    A builder is a middleware itself, and serves the kinds that all of its parts serve; `App(middleware=builder.middleware)`
    takes the parts one by one. What is enabled is made at once, once, and its options are checked then. When the builder has been
    given away, adding to it is an error: it would never run.

    Applications are mounted on the app, `app.mount("/legacy", application)`; `mount` here puts middleware around a part of the paths.
    """

    def __init__(self) -> None:
        self._layers: list[Middleware] = []
        self._is_used = False

    def enable(self, middleware: Callable[..., Any], /, **options: Any) -> Self:
        """Adds a middleware, or one made of a class and its options: `enable(Compress, level=9)`.

        Raises:
            ConfigError: the options do not suit, or nobody would take them.
        """
        if self._is_used:
            raise ConfigError("this Builder is in use already, what is enabled now would never run; enable everything first")
        self._layers.append(_made(middleware, options))
        return self

    def enable_if(self, predicate: Callable[[Any], bool], middleware: Callable[..., Any], /, **options: Any) -> Self:
        """Adds a middleware that runs where `predicate(ctx)` is true.

        Raises:
            ConfigError: as for `enable`, or `predicate` is async.
        """
        return self.enable(when(predicate, _made(middleware, options)))

    def mount(self, prefix: str, middleware: Callable[..., Any], /, **options: Any) -> Self:
        """Adds a middleware, or another builder, around everything under a path: `/admin` is, `/administrator` is not.

        The path is the one that routes are matched on, without the `root_path` of the app. A guard is better kept by the router whose
        handlers it guards.

        Raises:
            ConfigError: as for `enable`, or `prefix` is no plain path, or an application is given.
        """
        if is_pagi(middleware):
            raise ConfigError(f"Builder.mount takes middleware, not {middleware!r}; mount an application on the app: app.mount(prefix, it)")
        return self.enable_if(Under(prefix), middleware, **options)

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The parts, outermost first."""
        self._is_used = True
        return tuple(self._layers)

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]:
        """The kinds that every part serves."""
        return frozenset(KINDS).intersection(*(kinds_of(layer, classes) for layer in self.middleware))

    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None:
        """The parts that do not step aside for that kind."""
        layers: list[Middleware] = []
        for layer in self.middleware:
            chosen = layer.for_kind(kind, classes) if isinstance(layer, KnowsKinds) else layer
            if isinstance(chosen, Stack):
                layers.extend(chosen.layers)
            elif chosen is not None:
                layers.append(chosen)
        return Stack(layers) if layers else None

    async def __call__(self, ctx: Context, next: Next) -> Response:
        """Runs all parts around `next`."""
        return await Stack(self.middleware)(ctx, next)


class Under:
    """True for exchanges under a path prefix, by whole segments.

    Raises:
        ConfigError: `prefix` is no plain path.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.removesuffix("/")
        if not self.prefix.startswith("/") or any(char in prefix for char in "{}*:?#"):
            raise ConfigError(f"a prefix is a plain path that starts with '/' and is more than it, got {prefix!r}")

    def __call__(self, ctx: Context) -> bool:
        # Once under it, always under it: a middleware outside may run everything again, and by then a mounted app may have been
        # entered, which moves root_path. A guard must not be skipped for that.
        found: set[Under] = ctx.scope.setdefault(IN_SCOPE, set())
        if self not in found and self._holds(ctx.path, ctx.scope.get("root_path") or ""):
            found.add(self)
        return self in found

    def _holds(self, path: str, root_path: str) -> bool:
        root = root_path.rstrip("/")
        rest = path[len(root) :] if path == root or path.startswith(root + "/") else path
        return rest == self.prefix or rest.startswith(self.prefix + "/")


def _made(middleware: Callable[..., Any], options: dict[str, Any]) -> Middleware:
    if isinstance(middleware, type):
        try:
            middleware = middleware(**options)
        except TypeError as error:
            raise ConfigError(f"{middleware.__qualname__} cannot be made of {options}: {error}") from error
    elif options:
        raise ConfigError(f"{named(middleware)} is made already and takes no options, got {', '.join(options)}; give the class")
    return checked(middleware)
