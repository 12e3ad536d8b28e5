"""What injection knows while an app is built: its providers, and all that has to be made when the app starts."""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Kind, Middleware, Next
from pagi.endpoints.binding import Binder
from pagi.endpoints.codecs import Codecs
from pagi.endpoints.resolving import Resolvers
from pagi.endpoints.route import AnyMiddleware, MadeOnce
from pagi.injection.makers import Maker
from pagi.injection.plan import Plan, Planner, Step
from pagi.injection.registry import Registry
from pagi.injection.scopes import app_values
from pagi.messages.response import Response
from pagi.middleware.kinds import ContextClasses


class Supplies:
    """The providers of one app while it is built, and what of scope `app` was seen so far, by all apps of the run."""

    def __init__(self, registry: Registry, codecs: Codecs, app_steps: dict[Hashable, Step] | None = None) -> None:
        self.registry = registry
        self.codecs = codecs
        self.app_steps: dict[Hashable, Step] = {} if app_steps is None else app_steps
        self._makers: dict[Hashable, Maker] = {}
        self._wired: dict[object, Middleware] = {}
        self._planner = Planner(Binder(Context, registry, codecs=codecs).classify)

    def within(self, registry: Registry, codecs: Codecs) -> "Supplies":
        """Those of a mounted app: it starts with the one around it."""
        return Supplies(registry, codecs, self.app_steps)

    def saw(self, plan: Plan) -> None:
        """Takes note of what a plan needs."""
        for step in plan.steps:
            self._makers.setdefault(step.maker.key, step.maker)
            if step.maker.lifetime == "app":
                self.app_steps.setdefault(step.maker.key, step)

    def wired(self, layer: AnyMiddleware) -> Middleware:
        """The middleware itself; for a class, or a method of a class-based router, what reaches the object made at start-up."""
        if isinstance(layer, MadeOnce):
            return self._late(layer, layer.owner, layer.method)
        if isinstance(layer, type):
            return self._late(layer, layer, "__call__")
        return layer

    def finish(self, resolvers: Resolvers, contexts: Mapping[Kind, type[Context[Any]]] | ContextClasses) -> None:
        """Plans what is provided and was not asked for: it is made at start-up, or by `ctx.resolve`.

        Raises:
            ConfigError: a provider cannot work anywhere.
        """
        unused = {maker.key for maker in self.registry.makers()} - self._makers.keys()
        for _, maker in self.registry.found():
            self._makers.setdefault(maker.key, maker)
            if maker.lifetime == "app":
                self.saw(self._planner.resolver(maker))
        compiled = set[Hashable]()
        while missing := [maker for key, maker in self._makers.items() if key not in compiled]:
            for maker in missing:
                compiled.add(maker.key)
                resolvers.compile(maker, contexts, self.saw, is_needed=maker.key in unused)
        resolvers.name_types(contexts)

    def _late(self, layer: object, owner: type[Any], method: str) -> Middleware:
        known = self._wired.get(layer)
        if known is not None:
            return known
        maker = Maker(owner, lifetime="app")
        self.saw(self._planner.resolver(maker))
        return self._wired.setdefault(layer, _reaching(maker.key, method, getattr(owner, method)))


def _reaching(key: Hashable, method: str, function: Callable[..., Any]) -> Middleware:
    async def late(ctx: Any, next: Next) -> Response:
        response: Response = await getattr(app_values(ctx)[key], method)(ctx, next)
        return response

    # What it is called and which kinds it serves is read off the method, without its `self`.
    late.__wrapped__ = partial(function, None)  # type: ignore[attr-defined]
    return late
